"""Network and loss that do not fit each other or the targets; seen in the first pass."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy

from pellucid.autodiff import Node, Value
from pellucid.nn import losses
from pellucid.pages.number import number
from pellucid.runs.why.evidence import Evidence
from pellucid.runs.why.finding import Finding
from pellucid.runs.why.neighbours import agreement

PASSED_ON = ("reshape", "dropout", "clip", "columns", "concatenate")
"""Ops that hand probabilities on as they are."""
OUTSIDE = 0.01
"""The share of targets out of range that is reported: a single odd one is not a choice of output."""
CODES = (3, 20)
"""From how many to how many whole numbers in a row are taken for class numbers."""
SAME_CLASS = 0.7
"""How often the nearest row has the same number, if the numbers are classes. Counts of things, as a Poisson variable
of mean 3, agree with their neighbour in about 0.2 of the rows, however well the inputs explain them."""


def softmax_twice(e: Evidence) -> Iterable[Finding]:
    """Probabilities that are made into probabilities once more: the largest of k then lies within a factor e of the
    smallest, and gradients are small."""
    if e.several:
        return
    last = e.start.passed.y_pred.node
    inner = _source(last)
    takes_logits = getattr(e.loss, "from_logits", False)
    if last.op and last.op.name in ("softmax", "sigmoid") and not takes_logits:
        inner = _source(last.inputs[0].node)
        which = f"{last.op.name} of {last.path or 'the model'}"
    elif takes_logits:
        which = f"{e.loss.name}(from_logits=True)"
    else:
        return
    if inner.op is None or inner.op.name not in ("softmax", "sigmoid"):
        return
    low, high = float(inner.output.min()), float(inner.output.max())
    name = inner.path.rpartition("/")[2]
    yield Finding(
        "softmax twice",
        f"the {inner.op.name} of {inner.path} gives numbers from {low:.3g} to {high:.3g}, and the {which} "
        "takes them for "
        "logits and applies its own",
        "one of the two is meant: twice, the probabilities can only be nearly equal, and the loss can not fall far",
        f"remove the {inner.op.name} of {inner.path}",
        step=e.first,
        layer=inner.path,
        rewind={f"{inner.path}.activation": "linear"} if _has_activation(e, inner.path) and name else {},
        at=e.first,
    )


def one_unit_softmax(e: Evidence) -> Iterable[Finding]:
    """A softmax over one number is 1 whatever the number is."""
    if e.several:
        return
    row = e.start.passed.y_pred.node
    if row.op and row.op.name == "softmax" and row.output.shape[-1] == 1:
        yield Finding(
            "softmax over one unit",
            f"the softmax of {row.path} is over one number, so each of the {len(row.output):,} predictions "
            "looked at is "
            "exactly 1, and no weight has a gradient",
            "for two classes with one output unit, the activation is a sigmoid",
            "give the last layer activation='sigmoid' with binary_crossentropy, or one unit for each class",
            step=e.first,
            layer=row.path,
            rewind={f"{row.path}.activation": "sigmoid"} if _has_activation(e, row.path) else {},
            at=e.first,
        )


def targets_out_of_range(e: Evidence) -> Iterable[Finding]:
    """Targets that the output's activation can not reach."""
    if e.loss.link is not None or e.output_op is None or e.output_op.range is None:
        return
    low, high = e.output_op.range
    y = e.table.y.reshape(len(e.table.y), -1)
    outside = ((y < low) | (y > high)).any(axis=1)
    if outside.mean() <= OUTSIDE:
        return
    rows = e.rows(e.table_places[outside])
    yield Finding(
        "targets out of the output's range",
        f"the targets go from {number(y.min(), 4)} to {number(y.max(), 4)}, and {outside.mean():.0%} of them "
        "lie outside of "
        f"{_span(low, high)}, which is all that the {e.output} of {e.output_layer} can give",
        "the last activation does not fit the targets",
        f"remove the {e.output} of the last layer, or scale the targets into its range",
        step=e.first,
        layer=e.output_layer,
        rows=rows,
        rewind={f"{e.output_layer}.activation": "linear"} if _has_activation(e, e.output_layer) else {},
        at=e.first,
    )


def wrong_loss(e: Evidence) -> Iterable[Finding]:
    """A loss that is not made for the numbers it gets."""
    yield from _not_probabilities(e)
    yield from _not_one_of_several(e)
    yield from _class_codes(e)


def _not_probabilities(e: Evidence) -> Iterable[Finding]:
    if e.loss.link is None or getattr(e.loss, "from_logits", False) or e.output in ("sigmoid", "softmax"):
        return
    outputs = (numpy.asarray(probe.passed.y_pred.array) for probe in e.probes)  # the first may lie within by chance
    p = next((p for p in outputs if p.min() < 0 or p.max() > 1), None)
    if p is None:
        return
    yield Finding(
        "wrong loss for the output",
        f"{e.loss.name} takes probabilities, but {((p < 0) | (p > 1)).mean():.0%} of the outputs of "
        f"{e.output_layer} lie "
        f"outside of 0 to 1; they go from {number(p.min(), 4)} to {number(p.max(), 4)}",
        f"the last layer gives logits, since it ends in no {e.loss.link}",
        f"compile with {type(e.loss).__name__}(from_logits=True), or give the last layer activation={e.loss.link!r}",
        step=e.first,
        layer=e.output_layer,
        rewind={f"{e.output_layer}.activation": e.loss.link} if _has_activation(e, e.output_layer) else {},
        at=e.first,
    )


def _not_one_of_several(e: Evidence) -> Iterable[Finding]:
    """Several classes at once under a softmax, or one of several under a loss for each by itself."""
    y = e.table.y
    if isinstance(e.loss, losses.BinaryCrossentropy) and e.output == "softmax" and y.shape[-1] > 1:
        yield _setup(
            e,
            f"the {y.shape[-1]} outputs of {e.output_layer} are a softmax, one probability shared out among "
            "the classes, but "
            "binary_crossentropy takes each of them for a question of its own",
            "the loss is that of several yes-or-no questions",
            "compile with categorical_crossentropy",
            {"loss": "categorical_crossentropy"},
        )
    if isinstance(e.loss, losses.CategoricalCrossentropy):
        sums = y.sum(axis=-1)
        if (abs(sums - 1) > 0.01).mean() > OUTSIDE:
            yield _setup(
                e,
                f"the targets of a row add up to {number(sums.min(), 4)} to {number(sums.max(), 4)}, but "
                "categorical_crossentropy takes them for one distribution, which adds up to 1",
                "rows belong to several classes, or to none",
                "give the last layer a sigmoid and compile with binary_crossentropy",
                {},
            )


def _class_codes(e: Evidence) -> Iterable[Finding]:
    """Class numbers under a loss for quantities."""
    y = e.table.y
    if e.loss.link is not None or y.size != len(y):
        return
    codes = numpy.unique(y)
    k = len(codes)
    if not CODES[0] <= k <= CODES[1] or not numpy.array_equal(codes, numpy.arange(k) + codes[0]) or k * 10 > len(y):
        return
    same, chance = agreement(e.table.x, y.reshape(-1))
    if codes[0] in (0, 1) and same >= max(SAME_CLASS, 2 * chance):
        yield _setup(
            e,
            f"the targets are the whole numbers {codes[0]:g} to {codes[-1]:g}, and {same:.0%} of the rows "
            "have the very number "
            f"of their nearest row ({chance:.0%} by chance), as classes have; {e.loss.name} takes them for "
            "quantities, in "
            "which class 1 lies between 0 and 2",
            "the targets are class numbers",
            f"give the last layer {k} units and compile with SparseCategoricalCrossentropy(from_logits=True)",
            {},
        )


def _setup(e: Evidence, evidence: str, cause: str, change: str, rewind: dict[str, Any]) -> Finding:
    return Finding(
        "wrong loss for the output", evidence, cause, change, e.first, e.output_layer, rewind=rewind, at=e.first
    )


def _source(row: Node) -> Node:
    """The row that made the numbers which this one hands on."""
    while row.op is not None and row.op.name in PASSED_ON and isinstance(row.inputs[0], Value):
        row = row.inputs[0].node
    return row


def _has_activation(e: Evidence, path: str) -> bool:
    """Whether `path.activation` is a setting that a rewind can change."""
    layer: Any = e.run.model
    for part in path.split("/"):
        layer = layer.children().get(part)
        if layer is None:
            return False
    return hasattr(layer, "activation")


def _span(low: float, high: float) -> str:
    return (
        f"{low:g} to {high:g}"
        if numpy.isfinite([low, high]).all()
        else f"{low:g} and up"
        if low == 0
        else "0 and below"
    )
