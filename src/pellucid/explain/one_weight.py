"""One weight: its gradient by back-propagation, the rows that made it, finite difference, update."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy

from pellucid.autodiff import Node
from pellucid.autodiff.origin import Block, Index, Joined, Moved, Pair, Products, numbers
from pellucid.errors import UsageError
from pellucid.explain.one_row import opening, weight_lines
from pellucid.explain.step_data import StepData, check_index
from pellucid.pages.number import number
from pellucid.pages.page import Page

ROWS = 5


def weight_page(step: StepData, path: str, index: Index, place: int, measured: float | None = None) -> Page:
    """One weight. `measured` is its gradient by finite difference, if that was worked out."""
    if path not in step.parameters:
        raise UsageError(f"there is no weight {path!r}; the weights are {', '.join(step.parameters)}")
    check_index(path, index, tuple(step.parameters[path].shape))
    page = opening(step, place)
    page.heading(f"{path}{list(index)}")
    weight_lines(step, page, path, index, place)
    if measured is not None:
        _both_ways(page, float(step.gradients[path][index]), measured)
    _pushed(step, page, path, index)
    return page


def _both_ways(page: Page, by_rule: float, by_change: float) -> None:
    size = max(abs(by_rule), abs(by_change))
    page.heading("Its gradient both ways")
    page.words(f"  by back-propagation   {number(by_rule, 9)}")
    page.words(f"  by finite difference  {number(by_change, 9)}")
    page.words(f"  relative distance     {abs(by_rule - by_change) / size if size else 0.0:.1e}")


def _pushed(step: StepData, page: Page, path: str, index: Index) -> None:
    """The rows of the batch whose part of the gradient is the largest."""
    slope = step.slopes.get(step.given[path].index) if path in step.given else None
    parts = None if slope is None else row_parts(slope, index, len(step.rows))
    if parts is None or len(parts) < 2 or not numpy.any(parts):
        return
    total = float(parts.sum())
    most = numpy.argsort(-numpy.abs(parts), kind="stable")[:ROWS].tolist()
    page.heading("The rows that pushed it most")
    page.words(f"Its gradient, {number(total)}, is a sum of {len(parts)} parts, one from each row of the batch.")
    page.table(
        ("row of the batch", "row of the data", "its part", "pushes the weight"),
        [
            (place, step.origin(place), float(parts[place]), "down" if parts[place] > 0 else "up")
            for place in most
            if parts[place]
        ],
    )


def row_parts(node: Node, index: Index, count: int) -> Any:
    """What each of the `count` rows of the batch adds to one number of a weight's gradient.

    None where the node is not plainly such a sum: of products, of the numbers along the axis of the rows, of what came
    back to a row of a table, or a sum or a move of these.
    """
    if node.op is None:
        return None
    if node.op.elementwise and node.op.joined == "sum":
        each = [row_parts(value.node, index, count) for value in node.inputs if value.shape == node.output.shape]
        return None if len(each) < 2 or any(part is None for part in each) else sum(each)
    match node.origin(index):
        case Moved(k, place):
            return row_parts(node.inputs[k].node, place, count)
        case Products(pairs):
            return _products(node, pairs, count)
        case Joined(places) if node.op.joined == "sum":
            return _joined(node, places, count)
        case _:
            return None


def _products(node: Node, pairs: Sequence[Pair], count: int) -> Any:
    """Of products of the rows of two arrays, one for each row of the batch, or for each step of each."""
    x, dz = node.inputs
    if x.ndim != dz.ndim or len(pairs) != len(dz.array):
        return None
    rows = [_row(dz.node, right, count) for _, right in pairs]
    return _by_row(numpy.asarray([x.array[left] * dz.array[right] for left, right in pairs]), rows, count)


def _joined(node: Node, places: Sequence[Index], count: int) -> Any:
    """Of numbers of an array that has the rows of the batch along its first axis."""
    source: Node = node.inputs[0].node
    if source.output.shape[:1] != (count,) or node.op is None or node.op.spatial:  # which joins within each row
        return None
    if isinstance(places, Block) and len(places.ranges[0]) != count:
        return None
    rows = [place[0] for place in places]
    return _by_row(numbers(source.output, places), rows, count)


def _row(node: Node, place: Index, count: int) -> int | None:
    """The row of the batch that a number is of: where rows and steps were laid in one axis, as it was before."""
    if len(node.output) == count:
        return place[0]
    match node.origin(place):
        case Moved(k, before) if len(node.inputs[k].array) == count:
            return before[0]
        case _:
            return None


def _by_row(terms: Any, rows: Sequence[int | None], count: int) -> Any:
    """The terms of each row, added up; None where some are of no row."""
    if None in rows:
        return None
    at = numpy.asarray(rows)
    return numpy.asarray([terms[at == row].sum() for row in range(count)])
