"""Gradients on their way from the loss to the first layer: vanishing, exploding, cut off; and units that "
"are all alike."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import numpy

from pellucid.autodiff import Node, Value
from pellucid.data.dataset import Numbers
from pellucid.data.named import flat
from pellucid.runs.why.evidence import Evidence, Probe
from pellucid.runs.why.finding import Finding, listed

VANISHED = 1e-3
"""The first layer's gradient over the last one's, at their outputs, from which it has vanished: a weight of the first
layer then moves a thousandth as far in plain gradient descent. Eight sigmoids (slope 1/4 at most) give 1e-5, eight
relus with he_normal about 1."""
EXPLODED = 100.0
DEEP = 4
"""Fewer layers than this do not make a gradient vanish by depth."""
LEARNED = 0.5


def vanishing_gradients(e: Evidence) -> Iterable[Finding]:
    """Gradients that shrink from layer to layer. (Glorot and Bengio 2010, proceedings.mlr.press/v9/glorot10a.html.)"""
    sizes = _sizes(e, e.start)
    if e.skill >= LEARNED or len(sizes) < DEEP:
        return
    middle = e.probes[len(e.probes) // 2]
    ratios = [r for probe in (e.start, middle) if (r := _ratio(_sizes(e, probe))) is not None]
    if not ratios or max(ratios) >= VANISHED or _steps_down(sizes) < len(sizes) // 2:
        return
    first = next(iter(sizes))
    yield Finding(
        "vanishing gradients",
        f"the gradient at the output of {first} has size {sizes[first]:.2g}, at that of {list(sizes)[-1]} "
        f"{list(sizes.values())[-1]:.2g}; by layer: {listed([f'{p} {s:.1g}' for p, s in sizes.items()], 12)}",
        "each layer passes on less of the gradient than it gets: sigmoids and tanhs, whose slope is small, "
        "one after another",
        "relu with kernel_initializer='he_normal', or pl.BatchNormalization() between the layers",
        step=e.first,
        layer=first,
        rewind=_activations(e),
        at=e.first,
    )


def exploding_gradients(e: Evidence) -> Iterable[Finding]:
    """Gradients that grow from layer to layer on their way back. (Pascanu et al. 2013, arXiv:1211.5063.)"""
    sizes = _sizes(e, e.start)
    ratio = _ratio(sizes)
    if len(sizes) < 3 or ratio is None or ratio <= EXPLODED or (e.skill >= LEARNED and not e.failed):
        return
    first = next(iter(sizes))
    largest = max(
        (path for path, w in e.start.state.parameters.items() if w.ndim > 1),
        key=lambda path: float(
            numpy.std(e.start.state.parameters[path]) * e.start.state.parameters[path].shape[0] ** 0.5
        ),
    )
    yield Finding(
        "exploding gradients",
        f"the gradient at the output of {first} has size {sizes[first]:.2g}, {ratio:.2g} times that at the output of "
        f"{list(sizes)[-1]}; by layer: {listed([f'{p} {s:.1g}' for p, s in sizes.items()], 12)}; "
        f"{largest} has deviation {numpy.std(e.start.state.parameters[largest]):.3g}",
        "the initial weights are too large: each layer multiplies what passes through it, forth and back",
        "initial weights scaled to their layer (glorot_uniform, he_normal); else limit the gradients by "
        "global_clipnorm=1.0",
        step=e.first,
        layer=largest.rpartition("/")[0],
        rewind=e.clipped,
        at=e.first,
    )


def no_gradient(e: Evidence) -> Iterable[Finding]:
    """Layers none of whose weights has a gradient that is not 0, at any step looked at: a last layer that begins with 0
    stops it at the first step, and only there; units that die stop it later, and are told as such."""
    # Where the loss is 0, nothing comes back from the prediction, and no layer is to blame.
    probes = [p for p in e.probes if any(_any(p.slope(v.node)) for v in flat("", p.passed.y_pred).values())]
    if not probes or probes[0] is not e.start:
        return
    still = [
        layer
        for layer, paths in e.layers().items()
        if all(not numpy.any(probe.passed.gradients[path]) for probe in probes for path in paths)
    ]
    if not still or _every_relu_dead(e):
        return
    cut = _cut(probes[0], still[-1])
    zeros = [p for p in e.start.state.parameters if p.endswith("kernel") and not numpy.any(e.start.state.parameters[p])]
    where = f"{cut.op.name} of {cut.path or 'the model'}" if cut is not None and cut.op else "the pass"
    by_zeros = bool(zeros) and (cut is None or cut.op is None or cut.op.rule is not None)
    yield Finding(
        "no gradient",
        f"every gradient of {listed(still)} is exactly 0 at steps {listed([p.number for p in probes], 10)}; "
        "on its way back "
        f"from the loss the gradient ends at the {where}" + (f"; {listed(zeros)} begin as zeros" if zeros else ""),
        "weights that are all 0 pass nothing on, forth or back, and stay 0"
        if by_zeros
        else f"the {where} has slope 0 wherever it has one, so nothing before it can learn",
        "draw the first weights at random: kernel_initializer='glorot_uniform'"
        if by_zeros
        else f"take the {where} out of the way of the gradient: a smooth function in its place, as a sigmoid or tanh",
        step=e.first,
        layer=zeros[0].rpartition("/")[0] if by_zeros else (cut.path if cut is not None else still[-1]),
    )


def identical_units(e: Evidence) -> Iterable[Finding]:
    """Units of a hidden layer with the same weights: they get the same gradient, and stay one unit."""
    for path, w in e.end.state.parameters.items():
        layer = path.rpartition("/")[0]
        if w.ndim != 2 or w.shape[1] < 2 or layer == e.output_layer or not path.endswith("kernel") or not numpy.any(w):
            continue
        begun = e.start.state.parameters[path]
        if _alike(begun) and _alike(w):
            yield Finding(
                "identical units",
                f"all {w.shape[1]} units of {layer} have the same weights at step {e.first}, and still at the end",
                "initial weights that are all the same, so that every unit gets the same gradient",
                "draw the first weights at random: kernel_initializer='glorot_uniform'",
                step=e.first,
                layer=layer,
            )


def _alike(w: Numbers) -> bool:
    """Whether the columns are the same but for rounding."""
    return bool(numpy.abs(w - w[:, :1]).max() <= 1e-3 * max(numpy.abs(w).max(), 1e-30))


def _sizes(e: Evidence, probe: Probe) -> dict[str, float]:
    """The size of the gradient at the output of each layer with weights (root of the mean square), in their order."""
    last = {row.path: row for row in probe.forward}
    found: dict[str, float] = {}
    for layer, paths in e.layers().items():
        kernel = any(probe.state.parameters[path].ndim > 1 for path in paths)
        slope = probe.slope(last[layer]) if kernel and layer in last else None
        if slope is not None and numpy.isfinite(slope).all():
            found[layer] = float(numpy.sqrt(numpy.mean(numpy.square(slope, dtype=numpy.float64))))
    return found


def _ratio(sizes: dict[str, float]) -> float | None:
    values = list(sizes.values())
    return values[0] / values[-1] if len(values) > 1 and values[-1] > 0 and values[0] > 0 else None


def _steps_down(sizes: dict[str, float]) -> int:
    """How many layers get less than the next one: a gradient that vanishes by depth does so in most of them."""
    values = list(sizes.values())
    return sum(a < b for a, b in itertools.pairwise(values))


def _cut(probe: Probe, layer: str) -> Node | None:
    """The row, nearest the loss, whose gradient is not 0 while that of what it was made from is."""
    tape = probe.passed.loss.tape
    upstream: set[int] = {row.index for row in tape.nodes if row.op is None and row.path.rpartition("/")[0] == layer}
    forward = [r for r in tape.nodes[: probe.passed.loss.node.index + 1] if r.op is not None]
    for row in forward:
        if any(isinstance(v, Value) and v.node.index in upstream for v in row.inputs):
            upstream.add(row.index)
    for row in reversed(forward):
        if row.index not in upstream or not _any(probe.slope(row)):
            continue
        sources = [v.node for v in row.inputs if isinstance(v, Value) and v.node.index in upstream]
        if not any(_any(probe.slope(source)) for source in sources):
            return row
    return None


def _any(array: Numbers | None) -> bool:
    return array is not None and bool(numpy.any(array))


def _every_relu_dead(e: Evidence) -> bool:
    """Whether some layer of relus gives nothing at all at the end, which is then what stops the gradient."""
    by_zeros = any(not numpy.any(w) for path, w in e.start.state.parameters.items() if path.endswith("kernel"))
    return not by_zeros and any(row.op and row.op.name == "relu" and not numpy.any(row.output) for row in e.end.forward)


def _activations(e: Evidence) -> dict[str, str]:
    """Relu in the place of each hidden sigmoid or tanh."""
    layers = e.run.model.children()
    return {
        f"{path}.activation": "relu"
        for path, layer in layers.items()
        if getattr(layer, "activation", None) in ("sigmoid", "tanh") and path != e.output_layer
    }
