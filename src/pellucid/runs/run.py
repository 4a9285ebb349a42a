"""A run, as a person holds it: its steps opened, rewound, compared, explained."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pellucid.fit.callbacks import Callback
from pellucid.fit.history import History
from pellucid.fit.progress import bar
from pellucid.pages.page import Page
from pellucid.pages.plot import Plot
from pellucid.runs import overview
from pellucid.runs.diff import diff
from pellucid.runs.origin import Origin
from pellucid.runs.rewind import rewind
from pellucid.runs.why import Diagnosis, diagnose
from pellucid.storage import RunFolder


@dataclass
class Run(History):
    """What `fit`, `open_run`, `resume` and `rewind` return."""

    stored: RunFolder | None = field(default=None, repr=False)
    """The folder that it was opened from, if it was."""
    origin: Origin | None = field(default=None, repr=False)
    """The table or the folder of files that it was trained on, if it was opened and not trained on arrays."""

    def rewind(
        self,
        n: int,
        *,
        as_: str | Path | None = None,
        callbacks: Iterable[Callback] | None = None,
        verbose: int = 1,
        **changes: Any,
    ) -> Run:
        """Goes back to step n and trains on from there with the same weights and data order, and new choices.

        as_: the folder of the new run; None takes the next number. callbacks: in the place of the run's own; needed
        where one of them cannot be made again. changes: `learning_rate=0.01` or any other
        setting of the optimizer, `optimizer=`, `loss=`, `epochs=`, and, as {"dropout.rate": 0.1}, settings of layers
        by path: run.rewind(8, **{"dropout.rate": 0.1}). Returns the new run; raises UsageError for a change that
        is not known.
        """
        return rewind(self, n, as_, changes, bar(verbose), callbacks)

    def diff(self, other: Run) -> Page:
        """Where two runs part: the choices, the first step and the first number that differ, the curves."""
        return diff(self, other)

    def why(self) -> Diagnosis:
        """What went wrong, if anything: evidence, likely cause, and the one change to try."""
        return diagnose(self)

    def plot(self, points: int = 24) -> Plot:
        """Loss, metrics, learning rate, and gradient norms by layer at so many steps, which are replayed for it.

        `.save("run.png")`, .svg or .html; it needs matplotlib: pip install "pellucid[plot]".
        """
        return overview.plot(self, points)

    def page(self) -> Page:
        """The run at a glance."""
        return overview.page(self)

    def show(self) -> None:
        """Prints the run at a glance."""
        self.page().show()

    def _repr_html_(self) -> str:
        return self.page().to_html()
