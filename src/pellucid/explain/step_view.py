"""One training step as pages: at a glance, by layer, by row, by weight, by number.

A page of formulas follows the data: what came in, each layer's units, the loss; then back: how the loss moves
with each unit, with each weight, and what the optimizer makes of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pellucid.autodiff.origin import Index
from pellucid.errors import UsageError
from pellucid.explain import one_number as opened
from pellucid.explain import one_row, one_weight, summary
from pellucid.explain.step_data import StepData
from pellucid.pages.page import Page

LARGE = 600
"""A network with more weights is shown by its summary and its named parts only."""


@dataclass(frozen=True)
class StepView(StepData):
    """A step, ready to be explained. Each method returns a Page; all but `whole` serve a network of any size.

    Raises UsageError for a layer, weight, row or number that is not there.
    """

    def summary(self) -> Page:
        """The loss, each layer's values, each weight's gradient and update, the rows of the largest loss."""
        return summary.summary_page(self)

    def layer(self, path: str) -> Page:
        """One layer: its values, the gradient of the loss with respect to them, its weights and their updates."""
        return summary.layer_page(self, path)

    def whole(self, place: int) -> Page:
        """Everything about the row at `place` of the batch. UsageError for a network too large to print."""
        if self.size > LARGE:
            raise UsageError(
                f"the network has {self.size:,} weights, too many to print; name a part: "
                f'--weight "{next(iter(self.parameters))}[0,0]" or --unit "{self.layers[0]}[0]", or leave --row '
                "out for a summary"
            )
        return one_row.whole(self, place)

    def weight(self, path: str, index: Index, place: int = 0, measured: float | None = None) -> Page:
        """One weight: its gradient and what the row at `place` has in it, the rows that pushed it most, its update.

        measured: its gradient by finite difference, to stand beside.
        """
        return one_weight.weight_page(self, path, index, place, measured)

    def unit(self, path: str, unit: int, place: int = 0) -> Page:
        """One unit of a layer: how it came about, and how the loss moves with it."""
        return one_row.unit_page(self, path, unit, place)

    def number(self, path: str, index: Index, lines: int = opened.LINES) -> Page:
        """A number of a layer's output (row of the batch first), opened down to the data and the weights."""
        return opened.number_page(self, path, index, lines)

    def gradient(self, path: str, index: Index, lines: int = opened.LINES) -> Page:
        """∂L/∂ that number, or that weight, opened back to the loss."""
        return opened.gradient_page(self, path, index, lines)

    def _repr_html_(self) -> str:
        return self.summary().to_html()

    def __str__(self) -> str:
        return self.summary().to_text()


def part_of(text: str) -> tuple[str, Index]:
    """ "dense/kernel[0,1]" as ("dense/kernel", (0, 1)).

    >>> part_of("dense/kernel[0,1]"), part_of("dense[2]")
    (('dense/kernel', (0, 1)), ('dense', (2,)))
    """
    found = re.fullmatch(r"\s*([^\[\]]+)\[\s*(\d+(?:\s*,\s*\d+)*)\s*\]\s*", text)
    if not found:
        raise UsageError(f'{text!r} is no part of a network; write it as "dense/kernel[0,1]" or "dense[2]"')
    return found[1], tuple(int(i) for i in found[2].split(","))
