"""What a command tells while it works, as lines on a terminal."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any

import numpy

from pellucid.commands.doctor import EngineWorks
from pellucid.commands.predict import Scored
from pellucid.commands.rewind import RunEnded
from pellucid.commands.train import FolderLearned, NetworkMade, TableLearned, TrainingStopped
from pellucid.data.tables.columns import Column
from pellucid.data.tables.target import TargetColumn
from pellucid.engine.loop import Progress
from pellucid.fit.progress import bar

MANY = 40
"""Columns, or classes of files, listed at most."""


class Terminal:
    """A listener that prints; its bars are on standard error."""

    def __init__(self, screen: Any, verbose: int = 0) -> None:
        self.screen = screen
        self._training = bar(verbose)
        self._weights: Any = None
        self._task: Any = None

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._weights is not None:
            self._weights.stop()

    def line(self, text: str) -> None:
        """A line as it is, whatever brackets it holds."""
        self.screen.print(text, markup=False)

    def note(self, text: str) -> None:
        self.line(f"note: {text}")

    def told(self, part: Any) -> None:
        match part:
            case TableLearned():
                self._columns(part)
            case FolderLearned():
                self._classes(part)
            case NetworkMade():
                self.screen.print(f"\n[bold]Network[/] {part.choices}\n{part.summary}\n")
            case TrainingStopped():
                self.line(f"Stopped after {part.steps:,} steps; the run so far is in {part.folder}")
            case RunEnded():
                self.line(f"The run ended as its loss was not finite; it is recorded in {part.folder}")
            case Scored():
                what = "folders say the" if part.of_folder else "table holds"
                self.line(f"the {what} {part.target}; scored by it: {figures(part.scores)}")
            case EngineWorks():
                self.screen.print(f"engine {part.name:<6} works; two steps in {part.seconds:.2f} s, compiling included")
            case _:
                raise TypeError(f"{part!r} has no words")

    def begun(self, epochs: int, steps: int) -> None:
        self._training.begun(epochs, steps)

    def show(self, progress: Progress) -> None:
        self._training.show(progress)

    def ended(self, step: int) -> None:
        self._training.ended(step)

    def closed(self) -> None:
        self._training.closed()

    def measured(self, done: int, total: int) -> None:
        """How many weights are measured, on standard error, where that is a terminal."""
        if self._weights is None and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import Progress as RichProgress

            self._weights = RichProgress(console=Console(stderr=True), transient=True)
            self._weights.start()
            self._task = self._weights.add_task("weights", total=None)
        if self._weights is not None:
            self._weights.update(self._task, completed=done, total=total)

    def _classes(self, part: FolderLearned) -> None:
        from rich.markup import escape
        from rich.table import Table as Grid

        folder, recipe = part.folder, part.recipe
        title = f"{escape(folder.name)}: {folder.row_count:,} {folder.kind}, {len(recipe.target.classes)} classes"
        grid = Grid(title=title, title_justify="left")
        grid.add_column("class", no_wrap=True)
        grid.add_column(folder.kind, justify="right")
        counts = numpy.bincount(folder.found.y, minlength=len(folder.found.classes))
        for name, count in list(zip(folder.found.classes, counts.tolist(), strict=True))[:MANY]:
            grid.add_row(escape(name), f"{count:,}")
        if len(counts) > MANY:
            grid.add_row("…", f"and {len(counts) - MANY:,} more classes")
        self.screen.print(grid)
        self.line(recipe.reading.describe())

    def _columns(self, part: TableLearned) -> None:
        from rich.markup import escape
        from rich.table import Table as Grid

        table, recipe = part.table, part.recipe
        grid = Grid(
            title=f"{escape(table.name)}: {table.row_count:,} rows, {len(table.columns)} columns",
            title_justify="left",
        )
        for name in ("column", "kind", "numbers"):
            grid.add_column(name, justify="right" if name == "numbers" else "left", no_wrap=True)
        grid.add_column("how it becomes numbers")
        for column in recipe.columns[:MANY]:
            grid.add_row(escape(column.name), column.kind.replace("_", " "), str(column.width), escape(_what(column)))
        if len(recipe.columns) > MANY:
            grid.add_row("…", "", "", f"and {len(recipe.columns) - MANY:,} more columns; recipe.json has them all")
        grid.add_row(escape(recipe.target.name), "target", "", escape(_what(recipe.target)), style="bold")
        self.screen.print(grid)


def figures(found: dict[str, Any]) -> str:
    """Figures by name, in a line."""
    return ", ".join(f"{name} {value:.4g}" for name, value in found.items())


def _what(column: Column | TargetColumn) -> str:
    """Its description without its name, which stands beside it."""
    return column.describe().removeprefix(f"{column.name}: ")
