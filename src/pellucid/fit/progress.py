"""The bar: where training stands, on standard error."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from pellucid.engine.loop import Progress

SHOWN = 4
"""Figures shown at most, so that the line fits a terminal."""


class Bar:
    """A line that moves while training runs; silent with verbose=0."""

    def __init__(self, epochs: int, steps: int, verbose: int) -> None:
        self.steps, self.epochs, self.verbose = steps, epochs, verbose
        self.figures = ""
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Bar:
        if self.verbose:
            from rich.console import Console  # here, so that `import pellucid` stays fast
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
            from rich.progress import Progress as RichProgress

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
            self._task = self._bar.add_task("", total=self.epochs * self.steps, epoch=0, figures="compiling …")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
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


def figures(logs: dict[str, Any]) -> str:
    """The first few figures of an epoch in one line."""
    plain = [(name, value) for name, value in logs.items() if isinstance(value, float)]
    first = [pair for pair in plain if pair[0] in ("loss", "val_loss")]
    rest = [pair for pair in plain if pair not in first]
    return "  ".join(f"{name} {value:.4g}" for name, value in (first + rest)[:SHOWN])
