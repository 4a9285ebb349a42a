"""One weight: its gradient by back-propagation, the rows that made it, finite difference, update."""

from __future__ import annotations

from typing import Any

import numpy

from pellucid.autodiff import Node
from pellucid.errors import UsageError
from pellucid.explain.one_row import opening, weight_lines
from pellucid.explain.places import moved, reduced_from
from pellucid.explain.step_data import StepData, check_index
from pellucid.explain.text import Index, Text
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

    None where the row of the tape is not plainly such a sum: matmul, sum_to, put_rows, and sums and moves of
    these are.
    """
    if node.op is None:
        return None
    source = moved(node, index)
    if source is not None:
        return None if isinstance(source, Text) else row_parts(*source, count)
    if node.op.name == "add":
        each = [row_parts(value.node, index, count) for value in node.inputs if value.shape == node.output.shape]
        return None if len(each) < 2 or any(part is None for part in each) else sum(each)
    if node.op.name == "matmul":
        return _products(node, index, count)
    if node.op.name == "sum_to":
        return _reduced(node.inputs[0].node, reduced_from(node, index), count)
    if node.op.name == "put_rows":
        rows, codes = (value.array for value in node.inputs)
        here = numpy.clip(codes, 0, int(node.settings["count"]) - 1) == index[0]
        found = numpy.where(here, rows[(..., *index[1:])], 0.0)
        return found.reshape(count, -1).sum(axis=1) if found.shape[:1] == (count,) else None
    return None


def _products(node: Node, index: Index, count: int) -> Any:
    """What a matmul adds up: a product for each row, or for each step of each row."""
    x, dz = node.inputs
    if x.ndim != dz.ndim:
        return None
    *outer, i, o = index
    found = x.array[(*outer, i)] * dz.array[(*outer, slice(None), o)]
    laid = dz.node.op is not None and dz.node.op.name == "reshape" and dz.node.inputs[0].shape[0] == count
    if len(found) != count and not laid:
        return None
    return found.reshape(count, -1).sum(axis=1)


def _reduced(source: Node, ranges: list[range], count: int) -> Any:
    """A sum over the rows of the batch and more: by row. Its source may itself have been summed over more."""
    part = source.output[tuple(slice(r.start, r.stop) for r in ranges)]
    if part.shape[:1] != (count,):
        return None
    return part.reshape(count, -1).sum(axis=1)
