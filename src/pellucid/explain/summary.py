"""A step at a glance, for a network of any size; and one of its layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy

from pellucid.autodiff import Node
from pellucid.errors import UsageError
from pellucid.explain.one_row import target
from pellucid.explain.step_data import StepData
from pellucid.pages.block import Cell
from pellucid.pages.distribution import Distribution
from pellucid.pages.number import number
from pellucid.pages.page import Page

ROWS = 5
SHOWN = 8
"""Rows and columns of an array that are printed."""
STATISTICS = ("mean", "std", "least", "greatest", "zeros", "distribution")


def summary_page(step: StepData) -> Page:
    """The loss, every layer's values, every weight's gradient and update, the rows of the largest loss."""
    page = Page()
    page.heading(f"Step {step.step}")
    page.formula("loss", number(step.loss.array), step.loss.array)
    page.formula("learning rate", number(step.rate), step.rate)
    page.words(f"  {len(step.rows):,} rows in the batch, {step.size:,} weights")
    if step.exact:
        page.words(f"  {step.exact}")
    page.heading("Layers: what each gave for this batch")
    given = [(path, node.output) for path in step.layers if (node := step.output(path)) is not None]
    page.table(
        ("layer", "computes", "gives", *STATISTICS),
        [(path, computes(step, path), _shape(array), *statistics(array)) for path, array in given],
    )
    page.heading("Weights: before the step, their gradients, their updates")
    page.table(WEIGHT_COLUMNS, [_weight(step, path) for path in step.parameters])
    if step.untrained:
        page.heading("Remembered without a gradient")
        page.table(
            ("name", "shape", *STATISTICS),
            [(path, _shape(array), *statistics(array)) for path, array in step.untrained.items()],
        )
    _worst(step, page)
    _next(step, page)
    return page


def layer_page(step: StepData, path: str) -> Page:
    """One layer: its values, the gradient with respect to them, its weights, their gradients and updates."""
    nodes = [node for node in step.shown if node.path == path or node.path.startswith(f"{path}/")]
    weights = [name for name in step.parameters if name.startswith(f"{path}/")]
    if not path or not (nodes or weights):
        raise UsageError(f"there is no layer {path!r}; the layers are {', '.join(step.layers)}")
    page = Page()
    page.heading(f"Step {step.step}, {path}: {computes(step, path)}")
    named: list[tuple[str, Any]] = []
    for node in nodes:
        named.append((step.name(node), node.output))
        if node.index in step.slopes:
            named.append((f"∂L/∂ {step.name(node)}", step.slopes[node.index].output))
    page.table(("values", "shape", *STATISTICS), [(n, _shape(a), *statistics(a)) for n, a in named])
    if nodes:
        _numbers(step, page, nodes[-1])
    for weight in weights:
        page.heading(weight)
        gradient, w = step.gradients[weight], step.parameters[weight]
        parts = (("weight", w), ("gradient", gradient), ("update", step.after[weight] - w))
        page.table((weight, *STATISTICS), [(name, *statistics(array)) for name, array in parts])
        for name, array in parts:
            page.distribution(array, name)
        grid(page, f"{weight}, before the step", w)
        grid(page, f"∂L/∂ {weight}", gradient)
    _on_from_layer(step, page, path, nodes, weights)
    return page


def computes(step: StepData, path: str) -> str:
    """The ops of a layer, in order."""
    inside = [node for node in step.forward if node.path == path] or [
        node for node in step.forward if node.path.startswith(f"{path}/")
    ]
    names = [node.op.name for node in inside if node.op]
    return ", ".join(names[:4]) + (f", … {len(names)} ops" if len(names) > 4 else "")


def statistics(array: Any) -> tuple[Cell, ...]:
    """Mean, standard deviation, least, greatest, share of zeros, distribution."""
    shape = Distribution.of(array)
    flat = numpy.asarray(array, "float64").reshape(-1)
    with numpy.errstate(invalid="ignore", over="ignore"):
        spread = float(flat.std()) if flat.size else 0.0
    zeros = float((flat == 0).mean()) if flat.size else 0.0
    return (shape.mean, spread, shape.low, shape.high, zeros, shape)


WEIGHT_COLUMNS = (
    *("weights", "shape", "norm", "norm of gradient", "norm of update", "update / weight"),
    *("distribution", "of gradient"),
)


def _weight(step: StepData, path: str) -> tuple[Cell, ...]:
    w, gradient = step.parameters[path], step.gradients[path]
    norm, update = _norm(w), _norm(numpy.asarray(step.after[path], "float64") - w)
    ratio = update / norm if norm else None
    return (path, _shape(w), norm, _norm(gradient), update, ratio, Distribution.of(w), Distribution.of(gradient))


def _worst(step: StepData, page: Page) -> None:
    losses = step.row_losses
    if losses is None or len(losses) < 2:
        return
    page.heading("The rows of the largest loss")
    most = numpy.argsort(-numpy.nan_to_num(losses, nan=numpy.inf), kind="stable")[:ROWS].tolist()
    page.table(
        ("row of the batch", "row of the data", "loss", "target", "prediction"),
        [
            (
                place,
                step.origin(place),
                float(losses[place]),
                target(step, place),
                _predicted(step, place),
            )
            for place in most
        ],
    )


def _predicted(step: StepData, place: int) -> str:
    """What was predicted for a row: a class with its probability, or up to four numbers."""
    if step.probabilities is None or len(step.probabilities) != len(step.rows) or "y" not in step.given:
        return ""
    p = step.probabilities[place].reshape(-1)
    if step.classes and p.size == len(step.classes):
        best = int(p.argmax())
        return f"{best} ({step.classes[best]}) {number(p[best], 3)}"
    return ", ".join(number(v, 4) for v in p[:4]) + (", …" if p.size > 4 else "")


def _next(step: StepData, page: Page) -> None:
    page.heading("Look further")
    if step.layers:
        layer = step.layers[-1]
        output = step.find(layer)
        page.link("a layer: its values, gradients and updates", step.part("layer", layer))
        page.link("one number, opened down to the data", step.part("number", layer, (0,) * output.output.ndim))
        page.link("how the loss moves with it", step.part("gradient", layer, (0,) * output.output.ndim))
    if step.parameters:
        path, array = next(iter(step.parameters.items()))
        page.link("one weight: gradient, the rows behind it, update", step.part("weight", path, (0,) * array.ndim))


def _on_from_layer(step: StepData, page: Page, path: str, nodes: list[Node], weights: list[str]) -> None:
    page.heading("Look further")
    if nodes:
        index = (0,) * nodes[-1].output.ndim
        page.link("one of its numbers, opened", step.part("number", path, index))
        page.link("how the loss moves with it", step.part("gradient", path, index))
    for weight in weights[:1]:
        page.link("one of its weights", step.part("weight", weight, (0,) * step.parameters[weight].ndim))


def _numbers(step: StepData, page: Page, node: Node) -> None:
    """The layer's output and its gradient: the distributions, and the first numbers."""
    slope = step.slopes.get(node.index)
    page.distribution(node.output, step.name(node))
    if slope is not None:
        page.distribution(slope.output, f"∂L/∂ {step.name(node)}")
    grid(page, step.name(node), node.output, step.rows)
    if slope is not None:
        grid(page, f"∂L/∂ {step.name(node)}", slope.output, step.rows)


def grid(page: Page, name: str, array: Any, data_rows: Sequence[int] | None = None) -> None:
    """The first numbers of an array as a table: its last axis across, the others down."""
    array = numpy.asarray(array)
    flat = array.reshape(-1, array.shape[-1]) if array.ndim else array.reshape(1, 1)
    rows, columns = flat.shape
    cut = f", the first {min(rows, SHOWN)} × {min(columns, SHOWN)} numbers" if max(rows, columns) > SHOWN else ""
    page.heading(f"{name}, shape {_shape(array)}{cut}")
    of_batch = data_rows is not None and array.ndim > 1 and len(data_rows) == array.shape[0]
    names = ["row of the data"] if of_batch and array.ndim == 2 else []
    lines: list[tuple[Cell, ...]] = []
    for i in range(min(rows, SHOWN)):
        place = numpy.unravel_index(i, array.shape[:-1]) if array.ndim > 1 else ()
        label = f"[{', '.join(str(int(k)) for k in place)}]" if place else ""
        data = [int(data_rows[i])] if names and data_rows is not None else []
        lines.append((label, *data, *(float(v) for v in flat[i, :SHOWN])))
    page.table(("", *names, *(str(k) for k in range(min(columns, SHOWN)))), lines)


def _norm(array: Any) -> float:
    return float(numpy.sqrt(numpy.square(numpy.asarray(array, "float64")).sum()))


def _shape(array: Any) -> str:
    return " × ".join(str(n) for n in array.shape) or "one number"
