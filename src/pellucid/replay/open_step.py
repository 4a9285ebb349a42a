"""One step of a run, opened: every number of it, explained and proven."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy

from pellucid.autodiff import Tape, Value
from pellucid.data.dataset import Batch, Numbers
from pellucid.data.named import Named
from pellucid.engine.fidelity import Fidelity
from pellucid.engine.step import Arrays, State, Step, last_node
from pellucid.explain.step_view import StepView
from pellucid.gradcheck import FiniteDifference, GradientReport, central
from pellucid.pages.page import Page
from pellucid.pages.target import Target
from pellucid.replay.check_step import check_step


class OpenBatch(NamedTuple):
    """The rows that a step trained on."""

    x: Named
    y: Named
    weight: Numbers | None
    rows: Numbers
    """Which rows of the training data they are."""


@dataclass(frozen=True)
class Naming:
    """What the numbers of the data are called: the columns of a table, its classes, its rows."""

    features: Sequence[str] = ()
    classes: Sequence[str] = ()
    row: Callable[[Numbers], Numbers] = lambda places: places
    """The number that a training row has where it came from, as in a table."""
    files: Sequence[str] = ()
    """By that number, the file that a row is."""
    upright: bool = False
    """Whether the rows are spectrograms, drawn with time to the right."""


@dataclass(frozen=True)
class OpenStep:
    """One step with the lid off. `show()` prints a summary; `weight`, `unit`, `row`, `layer`, `number` go deeper."""

    number: int
    batch: OpenBatch
    before: State
    after: State
    loss: Any
    """As the run computed it."""
    tape: Tape
    """Each number of forward and backward pass, as NumPy arrays."""
    output: Value
    """The loss on that tape."""
    prediction: Named
    """What the network gave on that tape, or each of its outputs by name."""
    gradients: Arrays
    """What the update was made from: {path: array of the weight's shape}."""
    step: Step = field(repr=False)
    naming: Naming = field(default_factory=Naming, repr=False)
    recorded: Any = None
    """The loss as it was recorded; None where the record lacks it."""
    drift: float = 0.0
    """The largest difference between a replayed loss on the way here and the recorded one: 0 on the same machine."""
    faithful: bool = True
    """Whether the step that kept every number ended in the same state, bit for bit, as the one that kept none."""
    fidelity: Fidelity = Fidelity.EVERY_NUMBER
    """Which of the numbers are the compiled step's own. The others are worked out from those, and can differ from what
    the step held in its registers in their last digits."""
    elsewhere: str = ""
    """What was otherwise where the run was recorded: "numpy 2.3.1, here 2.4.0"."""

    @property
    def exact(self) -> bool:
        """Whether these are the very numbers of the run: every loss on the way as recorded, bit for bit."""
        return self.recorded is not None and self.drift == 0 and self.faithful

    @property
    def values(self) -> dict[str, Numbers]:
        """What each layer gave, by path."""
        last = last_node(self.prediction)
        forward = [row for row in self.tape.nodes[: last + 1] if row.op is not None and row.backward_of is None]
        return {row.path: row.output for row in forward if row.path}

    @property
    def learning_rate(self) -> float:
        """The learning rate of this step."""
        return float(self.step.optimizer.rate(numpy, self.number))

    def weight(self, path: str, index: Sequence[int], row: int = 0) -> Page:
        """One weight: its value, its gradient in numbers and both ways, the rows that pushed it most, its update.

        path: as "dense/kernel"; index: its place, as (0, 3); row: the row of the batch whose part is shown.
        """
        at = tuple(index)
        there = path in self.before.parameters and len(at) == len(self.shape(path))
        if there and all(0 <= i < n for i, n in zip(at, self.shape(path), strict=True)):
            measured = self._measured(path, at)
        else:
            measured = None
        return self.view.weight(path, at, row, measured)

    def unit(self, path: str, unit: int, row: int = 0) -> Page:
        """One unit of a layer for one row: how it came about, and how the loss moves with it."""
        return self.view.unit(path, unit, row)

    def row(self, row: int = 0) -> Page:
        """Everything about one row of the batch; for small networks."""
        return self.view.whole(row)

    def layer(self, path: str) -> Page:
        """One layer: its values, gradients and updates, as tables with distributions."""
        return self.view.layer(path)

    def at(self, path: str, index: Sequence[int]) -> Page:
        """One number of a layer's output (row of the batch first), opened down to the data and the weights."""
        return self.view.number(path, tuple(index))

    def check(
        self, sample: int | None = None, rows: int | None = None, tolerance: float = 1e-6, progress: Any = None
    ) -> GradientReport:
        """Every weight's gradient (or a sample's) by back-propagation and by finite differences, in float64.

        Of the step as it ran, dropout included, on all rows of its batch or the first `rows`. sample: as for
        `check_gradients`.
        """
        state = self.before.map(_wide)
        batch = Batch(*self.batch[:3]).map(lambda array: _wide(array[:rows]))
        return check_step(
            self.step, state, batch, self.number, training=True, tolerance=tolerance, sample=sample, progress=progress
        )

    def shape(self, path: str) -> tuple[int, ...]:
        return tuple(self.before.parameters[path].shape)

    @property
    def verdict(self) -> str:
        """In a sentence, whether this is what the run computed."""
        if not self.faithful:
            return (
                "approximate: the step that kept every number did not end in the same bits as the one that kept "
                "none; its values can differ in their last digits"
            )
        if self.recorded is None:
            return "which cannot be compared, for the record does not hold the losses"
        if self.drift:
            return f"approximate: on the way here a loss differs by {self.drift:+.3g} from the recorded one" + (
                f" (recorded with {self.elsewhere})" if self.elsewhere else ""
            )
        rest = f" ({self.fidelity.sentence} as the compiled step had them; the other numbers worked out from those)"
        return "the same, bit for bit, as recorded" + (rest if self.fidelity else "")

    @cached_property
    def view(self) -> StepView:
        """The step, ready to be explained."""
        return self.explained(Target("show"))

    def explained(self, target: Target) -> StepView:
        """The same, whose pages say what to open next: `target` opens this step."""
        rows = [int(row) for row in self.naming.row(self.batch.rows)]
        return StepView(
            self.tape,
            self.output,
            self.gradients,
            self.before.parameters,
            self.after.parameters,
            self.step.optimizer,
            self.before.optimizer,
            self.number,
            rows,
            self.naming.features,
            self.naming.classes,
            files=[self.naming.files[row] for row in rows] if self.naming.files else (),
            upright=self.naming.upright,
            untrained=self.before.untrained,
            exact=f"The loss of this step, run again: {float(self.loss):.9g}, {self.verdict}.",
            target=target,
        )

    def page(self) -> Page:
        """The step at a glance."""
        return self.view.summary()

    def show(self) -> None:
        """Prints the step at a glance."""
        self.page().show()

    def _measured(self, path: str, index: tuple[int, ...]) -> float:
        """One weight's gradient by finite difference, in float64, at the weights and rows of the step."""
        state = self.before.map(_wide)
        batch = Batch(*self.batch[:3]).map(_wide)
        w = float(state.parameters[path][index])
        h = float(FiniteDifference().change(numpy, numpy.asarray(w)))

        def loss(value: float) -> float:
            moved = state.parameters[path].copy()
            moved[index] = value
            now = state._replace(parameters=state.parameters | {path: moved})
            return float(self.step.forward(now, batch, self.number).loss.array)

        with numpy.errstate(all="ignore"):
            found = central(loss, w, h)
        return found if math.isfinite(found) else math.nan

    def _repr_html_(self) -> str:
        return self.page().to_html()


def _wide(array: Any) -> Any:
    """In float64, where it holds real numbers."""
    array = numpy.asarray(array)
    return array.astype(numpy.float64) if numpy.isdtype(array.dtype, "real floating") else array
