"""The bar: where training stands, on standard error."""

from __future__ import annotations

from typing import Any

from pellucid.engine.loop import Progress
from pellucid.fit.watcher import Silent, Watcher

SHOWN = 4
"""Figures shown at most, so that the line fits a terminal."""


class Bar:
    """A line that moves while training runs."""

    def __init__(self) -> None:
        self.epochs = 0
        self.figures = ""
        self._bar: Any = None
        self._task: Any = None

    def begun(self, epochs: int, steps: int) -> None:
        """Draws the line; rich is read here, so that `import pellucid` stays fast."""
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as RichProgress

        self.epochs = epochs
        self._bar = RichProgress(
            TextColumn("epoch {task.fields[epoch]}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("steps  {task.fields[figures]}"),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            refresh_per_second=10,
        )
        self._bar.start()
        self._task = self._bar.add_task("", total=epochs * steps, epoch=0, figures="compiling …")

    def closed(self) -> None:
        if self._bar is not None:
            self._bar.stop()

    def show(self, progress: Progress) -> None:
        if self._bar is None:
            return
        if progress.logs is not None:
            self.figures = figures(progress.logs)
        elif not self.figures:
            self.figures = f"loss {progress.losses[-1]:.4g}"
        self._bar.update(
            self._task,
            completed=progress.step,
            epoch=f"{progress.epoch + 1}/{self.epochs}",
            figures=self.figures,
        )

    def ended(self, step: int) -> None:
        """Stopped before the planned end: the bar is full at what was done."""
        if self._bar is not None:
            self._bar.update(self._task, completed=step, total=step)


def bar(verbose: int) -> Watcher:
    """The bar that `verbose=1` asks for; silence for 0."""
    return Bar() if verbose else Silent()


def figures(logs: dict[str, Any]) -> str:
    """The first few figures of an epoch in one line."""
    plain = [(name, value) for name, value in logs.items() if isinstance(value, float)]
    first = [pair for pair in plain if pair[0] in ("loss", "val_loss")]
    rest = [pair for pair in plain if pair not in first]
    return "  ".join(f"{name} {value:.4g}" for name, value in (first + rest)[:SHOWN])
