"""Show: a step of a run, or a part of it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from pellucid.commands.listener import NOBODY, Listener
from pellucid.commands.moved import note_moved
from pellucid.errors import UsageError
from pellucid.explain.step_view import part_of
from pellucid.models.library import open_run
from pellucid.pages.page import Page
from pellucid.pages.target import Target
from pellucid.replay.open_step import OpenStep

PLACE = {
    "layer": "which shows the whole batch",
    "number": 'which names the row itself: "dense[ROW,UNIT]"',
    "gradient": 'which names the row itself: "dense[ROW,UNIT]"',
}


@dataclass(frozen=True)
class Part:
    """Which part of a step is shown; nothing given is the step at a glance."""

    row: int | None = None
    layer: str | None = None
    unit: str | None = None
    weight: str | None = None
    number: str | None = None
    gradient: str | None = None

    @property
    def whole(self) -> bool:
        """Whether the step is shown at a glance."""
        return all(getattr(self, f.name) is None for f in fields(self))

    def check(self) -> None:
        """UsageError where more than one part is asked for; a row may stand beside a unit or a weight."""
        given = [f.name for f in fields(self) if f.name != "row" and getattr(self, f.name) is not None]
        if len(given) > 1:
            raise UsageError(
                f"{' and '.join(f'{name}=' for name in given)} are given; ask for one at a time", arguments=tuple(given)
            )
        if self.row is not None and given and given[0] not in ("unit", "weight"):
            raise UsageError(
                f"row= goes with unit= or weight=, not with {given[0]}=, {PLACE[given[0]]}",
                arguments=("row", "unit", "weight", given[0]),
            )


@dataclass(frozen=True)
class StepDocument:
    """A step, or a part of it."""

    run: Path
    step: OpenStep
    part: Part
    page: Page

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "run": str(self.run),
            "step": self.step.number,
            "row": self.part.row,
            "loss": float(self.step.loss),
            "exact": self.step.exact,
            "drift": self.step.drift,
            "page": self.page.to_json(),
        }


def show(path: Path, number: int | None = None, part: Part | None = None, listener: Listener = NOBODY) -> StepDocument:
    """A step, or a part of it; the run's first step by default."""
    asked = part or Part()
    asked.check()
    step = opened(path, number, listener)
    page = _page(step, asked, Target("show", str(path), {"step": step.number}))
    return StepDocument(path, step, asked, page)


def opened(path: Path, number: int | None, listener: Listener) -> OpenStep:
    """Step `number` of the run at `path`, or its first; notes where its data is not as it was."""
    run = open_run(path)
    note_moved(listener, run)
    return run.at(run.first if number is None else number)


def _page(step: OpenStep, part: Part, target: Target) -> Page:
    view = step.explained(target)
    row = part.row or 0
    if not 0 <= row < len(view.rows):
        raise UsageError(f"row {row} is not there: the batch of step {step.number} has rows 0 to {len(view.rows) - 1}")
    if part.weight is not None:
        return step.weight(*part_of(part.weight), row)
    if part.unit is not None:
        where, (unit, *rest) = part_of(part.unit)
        if rest:
            raise UsageError(f'unit={part.unit}: a unit has one number, as "{where}[{unit}]"', arguments=("unit",))
        return view.unit(where, unit, row)
    if part.layer is not None:
        return view.layer(part.layer)
    if part.number is not None:
        return view.number(*part_of(part.number))
    if part.gradient is not None:
        return view.gradient(*part_of(part.gradient))
    return view.summary() if part.row is None else view.whole(row)
