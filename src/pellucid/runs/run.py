"""A run: one training from its first step to its last, and the way back to each of its steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy

from pellucid.errors import RunError, UsageError
from pellucid.data.dataset import Numbers
from pellucid.replay.replay import Replay
from pellucid.engine.step import Arrays

if TYPE_CHECKING:
    from pellucid.pages.page import Page
    from pellucid.pages.plot import Plot
    from pellucid.fit.callbacks import Callback
    from pellucid.data.dataset import Dataset
    from pellucid.models.model import Model
    from pellucid.replay.open_step import OpenStep
    from pellucid.fit.recorder import Recorder
    from pellucid.fit.training import Training
    from pellucid.runs.why import Diagnosis


@dataclass
class Run:
    """What `fit`, `open_run`, `resume` and `rewind` return."""

    model: Model
    training: Training
    """What was asked: batch size, epochs, seed, engine, method."""
    history: dict[str, list[Any]] = field(default_factory=dict[str, list[Any]])
    """By epoch, as Keras: "loss", each metric, and the same with `val_`."""
    step_history: dict[str, Numbers] = field(
        default_factory=lambda: {"loss": numpy.zeros(0, numpy.float32)}  # until training tells more
    )
    """By step: "loss"."""
    status: str = "running"
    """"finished", "stopped early", "interrupted", "not finite", "failed" (a callback raised), or "running", which a
    run that was killed stays."""
    seconds: float = 0.0
    folder: Path | None = None
    """Where the run is recorded, if it is."""
    first: int = 0
    """The first step of this run; above 0 for one that was rewound to there from `parent`."""
    parent: Path | None = None
    final: Arrays = field(default_factory=dict[str, Any])
    """The weights after the last step; the model may hold those of its best epoch."""
    callbacks: list[Callback] = field(default_factory=list["Callback"], repr=False)
    source: Callable[[], tuple[Replay, Dataset | None]] | None = field(default=None, repr=False)
    """Reads from the folder what it takes to run the run again, and the validation rows."""
    recorder: Recorder | None = field(default=None, repr=False)
    trouble: RunError | None = field(default=None, repr=False)
    """Why the run could not be recorded to its end."""
    _replay: Replay | None = field(default=None, repr=False)
    _validation: Dataset | None = field(default=None, repr=False)

    @property
    def steps(self) -> int:
        """How many steps there were, those before a rewind included."""
        return len(self.step_history["loss"])

    @property
    def epochs(self) -> int:
        return len(self.history.get("loss", []))

    @property
    def replay(self) -> Replay:
        """What it takes to run the run again; DataError where its data moved or changed."""
        if self._replay is None:
            assert self.source is not None
            self._replay, self._validation = self.source()
        return self._replay

    @property
    def validation(self) -> Dataset | None:
        """The rows it was watched with, if any."""
        return self.replay and self._validation

    def with_data(self, replay: Replay, validation: Dataset | None) -> Run:
        """The run, with what it takes to run it again at hand."""
        self._replay, self._validation = replay, validation
        return self

    def at(self, n: int) -> OpenStep:
        """Step n, opened: run again from the nearest checkpoint, with every value of its pass.

        Step n uses batch n; the weights before it are those after n updates. -1 is the last step. Raises UsageError
        for a step that is not there, DataError where the data moved or changed.
        """
        if self.first == self.steps:
            raise UsageError(f"step {n} is not there: the run was stopped before its first step")
        if not (self.first <= n < self.steps or self.first - self.steps <= n < 0):
            where = f"; those before are in {self.parent}" if self.first and n >= 0 else ""
            raise UsageError(f"step {n} is not there: the run has steps {self.first} to {self.steps - 1}{where}")
        return self.replay.open(n % self.steps)

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
        from pellucid.runs.rewind import rewind  # it trains, and so knows this file

        return rewind(self, n, as_, changes, verbose, callbacks)

    def diff(self, other: Run) -> Page:
        """Where two runs part: the choices, the first step and the first number that differ, the curves."""
        from pellucid.runs.diff import diff

        return diff(self, other)

    def why(self) -> Diagnosis:
        """What went wrong, if anything: evidence, likely cause, and the one change to try."""
        from pellucid.runs.why import diagnose

        return diagnose(self)

    def plot(self, points: int = 24) -> Plot:
        """Loss, metrics, learning rate, and gradient norms by layer at so many steps, which are replayed for it.

        `.save("run.png")`, .svg or .html; it needs matplotlib: pip install "pellucid[plot]".
        """
        from pellucid.runs.overview import plot

        return plot(self, points)

    def page(self) -> Page:
        """The run at a glance."""
        from pellucid.runs.overview import page

        return page(self)

    def show(self) -> None:
        """Prints the run at a glance."""
        self.page().show()

    def _repr_html_(self) -> str:
        return self.page().to_html()
