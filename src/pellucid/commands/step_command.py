"""What the commands that open a step do, told to a screen and returned as a document."""

from __future__ import annotations

import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from pellucid.errors import RunError, UsageError
from pellucid.explain.step_view import part_of
from pellucid.models.library import open_run
from pellucid.pages.page import Page
from pellucid.pages.plot import Plot
from pellucid.pages.target import Target
from pellucid.replay.open_step import OpenStep
from pellucid.runs.sources import source_of
from pellucid.storage import RunFolder

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

    def check(self) -> None:
        """UsageError where more than one part is asked for; a row may stand beside a unit or a weight."""
        given = [f.name for f in fields(self) if f.name != "row" and getattr(self, f.name) is not None]
        if len(given) > 1:
            raise UsageError(f"{' and '.join('--' + name for name in given)} are given; ask for one at a time")
        if self.row is not None and given and given[0] not in ("unit", "weight"):
            raise UsageError(f"--row goes with --unit or --weight, not with --{given[0]}, {PLACE[given[0]]}")


def show_step(path: Path, number: int | None, part: Part, save: Path | None, screen: Any) -> dict[str, Any]:
    """A step, or a part of it."""
    part.check()
    step = opened(path, number, screen)
    page = _page(step, part, Target("show", str(path), {"step": step.number}))
    tell(page, save, screen)
    if save is None and any(getattr(part, f.name) is not None for f in fields(part)):  # a summary says it itself
        screen.print(f"\nThe loss of this step, run again: {float(step.loss):.9g}, {step.verdict}.", markup=False)
    return {
        "run": str(path),
        "step": step.number,
        "row": part.row,
        "loss": float(step.loss),
        "exact": step.exact,
        "drift": step.drift,
        "page": page.to_json(),
    }


def check_run(
    path: Path, number: int | None, rows: int | None, sample: int | None, tolerance: float, screen: Any
) -> dict[str, Any]:
    """Every gradient of a step, both ways."""
    for name, value in (("rows", rows), ("sample", sample)):
        if value is not None and value < 1:
            raise UsageError(f"--{name} {value}: it is a whole number, 1 or more")
    if not 0 < tolerance < 1:
        raise UsageError(f"--tolerance {tolerance:g}: it is a number between 0 and 1, as 1e-6")
    step = opened(path, number, screen)
    with _Bar() as bar:
        report = step.check(sample, rows, tolerance, bar.show)
    count = len(step.batch.rows[:rows])
    screen.print(f"Step {step.number}, {count} rows of its batch, float64: {report}", markup=False)
    for where, check in report.weights.items():
        measured = int((check.verdict != "").sum())
        worst = float(check.relative.max()) if check.relative.size else 0.0
        counted = f"{measured:>8,} {'weight ' if measured == 1 else 'weights'}"
        screen.print(f"  {where:<24} {counted}   relative distance at most {worst:.1e}", markup=False)
    if sample is None and report.count < report.size:
        screen.print(f"  A sample: to check all would take long; --sample {report.size} does.", markup=False)
    for where, index in report.wrong()[:10]:
        found = report.weights[where]
        screen.print(
            f"  WRONG {where}{list(index)}: back-propagation {found.backprop[index]:.9g}, "
            f"finite difference {found.finite_difference[index]:.9g}",
            markup=False,
        )
    return {
        "run": str(path),
        "step": step.number,
        "ok": report.ok,
        "worst": report.worst,
        "checked": report.count,
        "verdicts": report.counts(),
        "kinks": [str(kink) for kink in report.kinks],
        "culprits": [str(culprit) for culprit in report.culprits],
    }


def opened(path: Path, number: int | None, screen: Any) -> OpenStep:
    """Step `number` of the run at `path`, or its first; says where its data is not as it was."""
    run = open_run(path)
    tell_moved(screen, path)
    return run.at(run.first if number is None else number)


def tell_moved(screen: Any, *paths: Path) -> None:
    """Says where the data of a run is not as it was, and its copy in the run is used."""
    sources = [source_of(RunFolder.open(path)) for path in paths]
    found = [source.moved() for source in sources if source is not None]
    for moved in dict.fromkeys(found):
        if moved:
            screen.print(f"note: {moved}", markup=False)


def tell(page: Page, save: Path | None, screen: Any) -> None:
    """A page on the screen, or into a file."""
    if save is None:
        screen.print(page.to_text(screen.width if screen.is_terminal else None), markup=False)
    else:
        write(page, save, screen)


def write(what: Page | Plot, place: Path, screen: Any) -> None:
    """A page or a plot into a file; RunError where it cannot be written there."""
    try:
        what.save(place)
    except OSError as error:
        raise RunError(f"{place} could not be written: {error.strerror or error}; choose another place") from error
    screen.print(f"written to {place}", markup=False)


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
            raise UsageError(f'--unit {part.unit}: a unit has one number, as "{where}[{unit}]"')
        return view.unit(where, unit, row)
    if part.layer is not None:
        return view.layer(part.layer)
    if part.number is not None:
        return view.number(*part_of(part.number))
    if part.gradient is not None:
        return view.gradient(*part_of(part.gradient))
    return view.summary() if part.row is None else view.whole(row)


class _Bar:
    """How many weights are measured, on standard error, where that is a terminal."""

    def __enter__(self) -> _Bar:
        self._bar: Any = None
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import Progress

            self._bar = Progress(console=Console(stderr=True), transient=True)
            self._bar.start()
            self._task = self._bar.add_task("weights", total=None)
        return self

    def show(self, done: int, total: int) -> None:
        if self._bar is not None:
            self._bar.update(self._task, completed=done, total=total)

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()
