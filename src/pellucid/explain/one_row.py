"""One row of the batch through a step: its numbers, each layer's units, the loss, and the way back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy

from pellucid.autodiff import Node, Value
from pellucid.autodiff.origin import Index, Products
from pellucid.data.tables.category_name import said
from pellucid.errors import UsageError
from pellucid.explain.places import unmoved
from pellucid.explain.step_data import StepData
from pellucid.explain.update import update_lines
from pellucid.pages.number import factor, number
from pellucid.pages.page import Page
from pellucid.pages.picture import drawn

MANY = 64
"""Numbers of a row listed at most."""


def whole(step: StepData, place: int) -> Page:
    """Everything about the row at `place` of the batch, and every weight."""
    page = opening(step, place)
    _forward(step, page, place)
    page.heading("Back-propagation: how the loss moves with each unit of this row (∂L/∂ …)")
    for node in reversed(step.forward):
        if node.output.ndim < 2 or (step.inlined(node) and node.path):
            continue
        for index in _places(step, node, place):
            _slope(step, page, node, index)
    page.heading("Each weight: its gradient over the whole batch, and its update")
    for path, array in step.parameters.items():
        for index in numpy.ndindex(array.shape):
            weight_lines(step, page, path, index, place)
    return page


def unit_page(step: StepData, path: str, unit: int, place: int) -> Page:
    """One unit of a layer: how it came about, and how the loss moves with it."""
    page = opening(step, place)
    nodes = [node for node in step.forward if node.path == path and node.output.ndim > 1]
    if not nodes:
        raise UsageError(f"there is no layer {path!r}; the layers are {', '.join(step.layers)}")
    shape = nodes[-1].output.shape
    if len(shape) > 2:
        raise UsageError(
            f"{path} gives numbers of shape {shape}; name one of them: {path}[{', '.join('0' * len(shape))}]"
        )
    if not 0 <= unit < shape[-1]:
        raise UsageError(f"{path} has {shape[-1]} units, 0 to {shape[-1] - 1}; unit {unit} is none of them")
    page.heading(f"{path}[{unit}]")
    nodes = [
        node for node in nodes if not step.inlined(node) and node.output.ndim == 2 and unit < node.output.shape[-1]
    ]
    for node in [*_others(nodes), *nodes]:
        _unit(step, page, node, (place, unit))
    for node in reversed(nodes):
        _slope(step, page, node, (place, unit))
    return page


def _others(nodes: list[Node]) -> list[Node]:
    """What other layers gave, where a layer works on it number by number: the parts of a sum, say."""
    found: dict[int, Node] = {}
    for node in nodes:
        for value in node.inputs if node.op is not None and node.op.elementwise else ():
            if isinstance(value, Value) and value.node.op is not None and value.shape == node.output.shape:
                found[value.node.index] = value.node
    return [node for node in found.values() if node.path != nodes[0].path]


def opening(step: StepData, place: int) -> Page:
    """The row: where it stands, its numbers, its target."""
    if not 0 <= place < len(step.rows):
        last = len(step.rows) - 1
        raise UsageError(f"row {place} is not there: the batch of step {step.step} has rows 0 to {last}")
    page = Page()
    of = step.called(place) if step.files else f"row {step.rows[place]} of the table"
    page.heading(f"Step {step.step}, row {place} of the {len(step.rows)} in the batch: {of}")
    for path, node in step.parts("x").items():
        x = node.output[place]
        if x.ndim in (2, 3) and x.size > MANY and min(x.shape[:2]) > 1:
            _picture(page, path, x, step.upright)
            continue
        for i, value in enumerate(x.reshape(-1)[:MANY]):
            named = i < len(step.features) and path == "x"
            page.formula(said(step.features[i], value) if named else f"{path}[{i}]", number(value), value)
        if x.size > MANY:
            page.words(f"  … {x.size} numbers in all")
    if step.parts("y"):
        page.words(f"  target = {target(step, place)}")
    return page


def _picture(page: Page, path: str, x: Any, upright: bool) -> None:
    """Many numbers over height and width (of a sequence, steps and features) as they lie."""
    shape, least, most = " × ".join(map(str, x.shape)), number(x.min()), number(x.max())
    axes = ", time to the right and pitch upwards" if upright else ""
    page.words(f"  {path}: {shape} numbers from {least} (empty) to {most} (full){axes}")
    page.words("\n".join(f"  {line}" for line in drawn(x, upright).split("\n")))


def target(step: StepData, place: int) -> str:
    """The target of a row: its number or numbers, and the name of its class; of several outputs, each by name."""
    found: list[str] = []
    for path, node in step.parts("y").items():
        y = node.output[place].reshape(-1)
        label = f" ({step.classes[int(y[0])]})" if step.classes and y.size == 1 and path == "y" else ""
        name = "" if path == "y" else f"{path.removeprefix('y/')} "
        found.append(name + ", ".join(number(v) for v in y[:MANY]) + (", …" if y.size > MANY else "") + label)
    return "; ".join(found)


def weight_lines(step: StepData, page: Page, path: str, index: Index, place: int) -> None:
    """The gradient of one weight, and what the optimizer made of it."""
    g = step.gradients[path][index]
    slope = step.slopes.get(step.given[path].index) if path in step.given else None
    name = f"{path}[{','.join(map(str, index))}]"
    # Where the gradient only changed its shape last, the formula is that of what it was before.
    page.formula(f"∂L/∂ {name}", step.text(*unmoved(slope, index)).text if slope is not None else "0", g)
    match slope.origin(index) if slope is not None and len(step.rows) > 1 else None:
        case Products(pairs) if len(pairs) == len(step.rows):
            assert slope is not None
            (x, dz), (left, right) = slope.inputs, pairs[place]
            if (x.ndim, dz.ndim) == (2, 2):  # rows of features against rows of gradients
                a, b = float(x.array[left]), float(dz.array[right])
                page.words(f"      of which this row: {factor(a)} × {factor(b)} = {number(a * b)}")
        case _:
            pass
    limited = float(step.clipped[path][index])
    if limited != float(g):
        page.words(f"      g = {number(limited)} after clipping the gradients")
    w = float(step.parameters[path][index])
    for line in update_lines(*step.moved_by(path), index):
        page.words(f"      {line}")
    change = float(step.after[path][index]) - w
    held = f" held by {step.tape.constraints[path]}" if path in step.tape.constraints else ""
    page.words(f"      {name}: {number(w)} + change{held} = {number(step.after[path][index])}  (by {number(change)})")


def _forward(step: StepData, page: Page, place: int) -> None:
    path = None
    for node in step.shown:
        if node.path != path:
            path = node.path
            page.heading(f"Forward: {step.place(node)}")
        if node.output.ndim == 0:
            whole = node.index == step.loss.node.index and node.op is not None and node.op.joined == "mean"
            name = "loss (mean over the batch)" if whole else step.name(node)
            page.formula(name, step.text(node, ()).text, node.output)
            continue
        for index in _places(step, node, place):
            _unit(step, page, node, index)


def _places(step: StepData, node: Node, place: int) -> Iterator[Index]:
    """The places of a node that belong to one row of the batch; all, where it is of no one row."""
    shape = node.output.shape
    if shape[0] != len(step.rows):
        return numpy.ndindex(shape)
    return ((place, *unit) for unit in numpy.ndindex(shape[1:]))


def _unit(step: StepData, page: Page, node: Node, index: Index) -> None:
    page.formula(_called(step, node, index), step.text(node, index).text, node.output[index])


def _slope(step: StepData, page: Page, node: Node, index: Index) -> None:
    slope = step.slopes.get(node.index)
    if slope is not None:
        page.formula(f"∂L/∂ {_called(step, node, index)}", step.text(slope, index).text, slope.output[index])


def _called(step: StepData, node: Node, index: Index) -> str:
    """A number without its row of the batch, which the page is about."""
    unit = ",".join(str(i) for i in (index[1:] if node.output.shape[0] == len(step.rows) else index))
    return f"{step.name(node)}[{unit}]" if unit else step.name(node)
