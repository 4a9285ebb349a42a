"""One training step of one row, from its numbers to its updated weights: a page of formulas.

The page follows the data: what came in, each layer's units, the loss; then back: how the loss moves with
each unit, with each weight, and what the optimizer makes of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy

from pellucid.autodiff import Row, Tape, Value
from pellucid.errors import UsageError
from pellucid.explain.expression import Expression, Index
from pellucid.explain.number import factor, number
from pellucid.explain.page import Page
from pellucid.explain.update import update_lines

Arrays = Mapping[str, Any]
LARGE = 600
"""A network with more weights is shown by its named parts only."""


@dataclass(frozen=True)
class Lesson:
    """What is explained: a step's tape, its gradients, its states, and names for its numbers."""

    tape: Tape
    loss: Value
    gradients: Arrays
    parameters: Arrays
    after: Arrays
    optimizer: Any
    slots: Mapping[str, Any]
    """The optimizer's state before the step."""
    number: int
    rows: Sequence[int]
    """The row of the data that each row of the batch is."""
    features: Sequence[str] = ()
    classes: Sequence[str] = ()

    @property
    def size(self) -> int:
        return sum(array.size for array in self.parameters.values())

    def whole(self, place: int) -> Page:
        """Everything about the row at `place` of the batch. UsageError for a network too large to print."""
        if self.size > LARGE:
            raise UsageError(
                f"the network has {self.size:,} weights, too many to print; name a part: "
                f'--weight "{next(iter(self.parameters))}[0,0]" or --unit "{self.layers()[0]}[0]"'
            )
        page = self._opening(place)
        self._forward(page, place)
        self._backward(page, place)
        page.heading("Each weight: its gradient over the whole batch, and its update")
        for path, array in self.parameters.items():
            for index in numpy.ndindex(array.shape):
                self._weight(page, path, index, place)
        return page

    def weight(self, path: str, index: Index, place: int) -> Page:
        """One weight: gradient, chain and update. UsageError for one that is not there."""
        if path not in self.parameters:
            raise UsageError(f"there is no weight {path!r}; the weights are {', '.join(self.parameters)}")
        shape = tuple(self.parameters[path].shape)
        if len(index) != len(shape) or any(i >= n for i, n in zip(index, shape, strict=True)):
            last = ",".join(str(n - 1) for n in shape)
            raise UsageError(
                f"{path}[{','.join(map(str, index))}] is not there: {path} goes from "
                f"[{','.join('0' for _ in shape)}] to [{last}]"
            )
        page = self._opening(place)
        page.heading(f"{path}{list(index)}")
        self._weight(page, path, index, place)
        return page

    def unit(self, path: str, unit: int, place: int) -> Page:
        """One unit of a layer: how it came about, and how the loss moves with it."""
        page = self._opening(place)
        rows = [row for row in self._layer_rows() if row.path == path and row.output.ndim > 1]
        if not rows:
            raise UsageError(f"there is no layer {path!r}; the layers are {', '.join(self.layers())}")
        if unit >= rows[-1].output.shape[-1]:
            raise UsageError(f"{path} has {rows[-1].output.shape[-1]} units, 0 to {rows[-1].output.shape[-1] - 1}")
        page.heading(f"{path}[{unit}]")
        for row in rows:
            if not self._inlined(row):
                self._unit(page, row, (place, unit))
        for row in reversed(rows):
            if not self._inlined(row):
                self._slope(page, row, (place, unit))
        return page

    def layers(self) -> list[str]:
        """The paths of the layers that made something."""
        return list(dict.fromkeys(row.path for row in self._layer_rows() if row.path))

    def _opening(self, place: int) -> Page:
        page = Page()
        page.heading(
            f"Step {self.number}, row {place} of the {len(self.rows)} in the batch: row {self.rows[place]} of the table"
        )
        given = {row.path: row for row in self.tape.rows if row.op is None and row.backward_of is None}
        x, y = given["x"].output[place], given["y"].output[place]
        for i, value in enumerate(x.reshape(-1)[:64]):
            name = self.features[i] if i < len(self.features) else f"x[{i}]"
            page.formula(name, number(value), value)
        if x.size > 64:
            page.words(f"  … {x.size} numbers in all")
        label = f" ({self.classes[int(y.reshape(-1)[0])]})" if self.classes and y.size == 1 else ""
        page.words(f"  target = {', '.join(number(v) for v in y.reshape(-1))}{label}")
        return page

    def _forward(self, page: Page, place: int) -> None:
        path = None
        for row in self._layer_rows():
            if self._inlined(row) or not numpy.isdtype(row.output.dtype, "real floating"):
                continue
            if row.path != path:
                path = row.path
                page.heading(f"Forward: {path or 'loss'}")
            if row.output.ndim == 0:
                page.formula("loss (mean over the batch)", self._text(row, ()), row.output)
                continue
            for unit in numpy.ndindex(row.output.shape[1:]):
                self._unit(page, row, (place, *unit))

    def _unit(self, page: Page, row: Row, index: Index) -> None:
        assert row.op is not None
        what = {"matmul": "sum", "add": "sum"}.get(row.op.name, row.op.name) if row.path else row.op.name
        name = f"{row.path}.{what}" if row.path else f"loss.{row.op.name}"
        unit = ",".join(str(i) for i in index[1:])
        page.formula(f"{name}[{unit}]" if unit else name, self._text(row, index), row.output[index])

    def _backward(self, page: Page, place: int) -> None:
        page.heading("Back-propagation: how the loss moves with each unit of this row (∂L/∂ …)")
        for row in reversed(self._layer_rows()):
            if row.output.ndim < 2 or (self._inlined(row) and row.path):
                continue
            for unit in numpy.ndindex(row.output.shape[1:]):
                self._slope(page, row, (place, *unit))

    def _slope(self, page: Page, row: Row, index: Index) -> None:
        slope = self._slopes().get(row.index)
        if slope is None or row.op is None:
            return
        name = f"{row.path or 'loss'}.{ {'add': 'sum', 'matmul': 'sum'}.get(row.op.name, row.op.name) }"
        unit = ",".join(str(i) for i in index[1:])
        page.formula(f"∂L/∂ {name}[{unit}]", self._back_text(slope, index), slope.output[index])

    def _weight(self, page: Page, path: str, index: Index, place: int) -> None:
        g = self.gradients[path][index]
        given = next(row for row in self.tape.rows if row.op is None and row.path == path)
        slope = self._slopes().get(given.index)
        name = f"{path}[{','.join(map(str, index))}]"
        formula = self._back_text(slope, index) if slope is not None else "0"
        page.formula(f"∂L/∂ {name}", formula, g)
        if slope is not None and slope.op is not None and slope.op.name == "matmul" and len(self.rows) > 1:
            x, dz = (
                float(v.array[at]) for v, at in zip(slope.inputs, ((index[0], place), (place, index[1])), strict=True)
            )
            page.words(f"      of which this row: {factor(x)} × {factor(dz)} = {number(x * dz)}")
        state = {s: self.slots.get(f"{s}/{path}") for s in self.optimizer.slots}
        known: dict[str, Any] = {
            s: self.optimizer.initial(s) if a is None else float(a[index]) for s, a in state.items()
        }
        limited = float(self.optimizer.clip(numpy, dict(self.gradients))[path][index])
        if limited != float(g):
            page.words(f"      g = {number(limited)} after clipping the gradients")
        w = float(self.parameters[path][index])
        known |= {
            "g": limited,
            "w": w,
            "rate": float(self.optimizer.rate(numpy, self.number)),
            "t": self.number + 1,
        }
        for line in update_lines(self.optimizer, known):
            page.words(f"      {line}")
        change = float(self.after[path][index]) - w
        page.words(f"      {name}: {number(w)} + change = {number(self.after[path][index])}  (by {number(change)})")

    def _layer_rows(self) -> list[Row]:
        """The forward pass, without what was given."""
        return [
            row
            for row in self.tape.rows
            if row.op is not None and row.backward_of is None and row.index <= self.loss.row.index
        ]

    def _inlined(self, row: Row) -> bool:
        """Rows written out inside the next: a weighted sum inside `+ bias`, steps of a loss, mere moves."""
        users = self._users().get(row.index, [])
        if row.op is None or row.index == self.loss.row.index or len(users) != 1:
            return False
        if row.op.axes == "move":
            return True
        return (
            row.op.name == "matmul"
            and users[0].op is not None
            and users[0].op.name == "add"
            and users[0].path == row.path
        )

    def _users(self) -> dict[int, list[Row]]:
        users: dict[int, list[Row]] = {}
        for row in self._layer_rows():
            for value in row.inputs:
                if isinstance(value, Value):
                    users.setdefault(value.row.index, []).append(row)
        return users

    def _text(self, row: Row, index: Index) -> str:
        return Expression(self._inlined).of(row, index).text

    def _back_text(self, slope: Row, index: Index) -> str:
        """A gradient's formula, written out down to numbers of the forward pass and gradients further back."""
        origin = slope.backward_of
        arrived = {row.index for row in self._slopes().values()}

        def inline(row: Row) -> bool:
            return row.backward_of == origin and row.index not in arrived

        return Expression(inline).of(slope, index).text

    def _slopes(self) -> dict[int, Row]:
        """For each row of the forward pass, the row that holds the gradient of the loss with respect to it."""
        return {index: self.tape.rows[slope] for index, slope in self.tape.slopes.items()}


def part_of(text: str) -> tuple[str, Index]:
    """ "dense/kernel[0,1]" as ("dense/kernel", (0, 1)).

    >>> part_of("dense/kernel[0,1]"), part_of("dense[2]")
    (('dense/kernel', (0, 1)), ('dense', (2,)))
    """
    found = re.fullmatch(r"\s*([^\[\]]+)\[\s*(\d+(?:\s*,\s*\d+)*)\s*\]\s*", text)
    if not found:
        raise UsageError(f'{text!r} is no part of a network; write it as "dense/kernel[0,1]" or "dense[2]"')
    return found[1], tuple(int(i) for i in found[2].split(","))
