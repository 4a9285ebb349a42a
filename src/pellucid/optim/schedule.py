"""Learning rates that change with the step: large strides first, small ones near the end."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from math import pi
from typing import Any, ClassVar

from pellucid.errors import UsageError
from pellucid.optim.interval import check
from pellucid.registry import Configured


@dataclass(frozen=True)
class Schedule(Configured, ABC):
    """A learning rate as a function of the step number, which is 0 for the first update."""

    tag: ClassVar[str] = "schedule"

    @abstractmethod
    def __call__(self, xp: Any, step: Any) -> Any:
        """The rate at `step`, an integer or a traced scalar, in the arithmetic of the namespace `xp`."""


@dataclass(frozen=True)
class Constant(Schedule):
    """The same learning rate at every step: `rate = value`.

    >>> import numpy as np
    >>> Constant(0.1)(np, 5)
    0.1
    """

    value: float

    def __post_init__(self) -> None:
        check(self, value="[0, inf)")

    def __call__(self, xp: Any, step: Any) -> float:
        return self.value


@dataclass(frozen=True)
class ExponentialDecay(Schedule):
    """The rate shrinks by the factor `decay_rate` every `decay_steps` steps.

    `rate = initial_learning_rate · decay_rate^(step / decay_steps)`; with `staircase` the exponent is
    rounded down, so that the rate falls in steps.

    >>> import numpy as np
    >>> [round(float(ExponentialDecay(0.1, 10, 0.5)(np, step)), 6) for step in (0, 10, 15, 20)]
    [0.1, 0.05, 0.035355, 0.025]
    """

    initial_learning_rate: float
    decay_steps: int
    decay_rate: float
    staircase: bool = False

    def __post_init__(self) -> None:
        check(self, initial_learning_rate="[0, inf)", decay_steps="(0, inf)", decay_rate="(0, inf)")

    def __call__(self, xp: Any, step: Any) -> Any:
        exponent = xp.asarray(step, dtype=float) / self.decay_steps
        if self.staircase:
            exponent = xp.floor(exponent)
        return self.initial_learning_rate * self.decay_rate**exponent


@dataclass(frozen=True)
class PiecewiseConstantDecay(Schedule):
    """One rate up to and including each boundary step, and the last one after them all.

    `rate = values[i]` for the first `i` with `step <= boundaries[i]`, else `values[-1]`. Raises
    UsageError unless the boundaries increase and there is one value more than boundaries.

    >>> import numpy as np
    >>> [float(PiecewiseConstantDecay([10, 20], [1.0, 0.5, 0.1])(np, step)) for step in (10, 11, 21)]
    [1.0, 0.5, 0.1]
    """

    boundaries: tuple[int, ...] | list[int]
    values: tuple[float, ...] | list[float]

    def __post_init__(self) -> None:
        # Tuples, so that a schedule given by lists is still hashable and equal to itself read back.
        object.__setattr__(self, "boundaries", tuple(self.boundaries))
        object.__setattr__(self, "values", tuple(self.values))
        if len(self.values) != len(self.boundaries) + 1:
            raise UsageError(
                f"PiecewiseConstantDecay: {len(self.boundaries)} boundaries and {len(self.values)} values; "
                f"expected {len(self.boundaries) + 1} values, one more than boundaries"
            )
        if list(self.boundaries) != sorted(set(self.boundaries)):
            raise UsageError(f"PiecewiseConstantDecay: boundaries are {self.boundaries}; expected increasing steps")
        for value in self.values:
            Constant(value)

    def __call__(self, xp: Any, step: Any) -> Any:
        step = xp.asarray(step)
        rate: Any = self.values[0]
        for boundary, value in zip(self.boundaries, self.values[1:], strict=True):
            rate = xp.where(step > boundary, value, rate)
        return rate


@dataclass(frozen=True)
class CosineDecay(Schedule):
    """The rate follows half a cosine from its start down to `alpha` times it, after an optional climb.

    `rate = start · ((1 - alpha) · ½ (1 + cos(π s / decay_steps)) + alpha)` with `s` the step, at most
    decay_steps. With a `warmup_target` the rate first climbs in a straight line from
    initial_learning_rate to the target over `warmup_steps`, and the cosine starts there and then.

    >>> import numpy as np
    >>> [round(float(CosineDecay(0.1, 100)(np, step)), 6) for step in (0, 50, 100, 200)]
    [0.1, 0.05, 0.0, 0.0]

    Source: Loshchilov, Hutter, "SGDR" (2017), arXiv:1608.03983.
    """

    initial_learning_rate: float
    decay_steps: int
    alpha: float = 0.0
    warmup_target: float | None = None
    warmup_steps: int = 0

    def __post_init__(self) -> None:
        check(self, initial_learning_rate="[0, inf)", decay_steps="(0, inf)", alpha="[0, 1]")
        check(self, warmup_steps="[0, inf)")
        if self.warmup_target is not None:
            check(self, warmup_target="[0, inf)")
        elif self.warmup_steps:
            raise UsageError("CosineDecay: warmup_steps without warmup_target; give the rate to climb to")

    def __call__(self, xp: Any, step: Any) -> Any:
        step = xp.asarray(step, dtype=float)
        if self.warmup_target is None:
            return self._cosine(xp, self.initial_learning_rate, step)
        climb = (self.warmup_target - self.initial_learning_rate) * step / max(self.warmup_steps, 1)
        fall = self._cosine(xp, self.warmup_target, step - self.warmup_steps)
        return xp.where(step < self.warmup_steps, self.initial_learning_rate + climb, fall)

    def _cosine(self, xp: Any, start: float, step: Any) -> Any:
        share = xp.minimum(step, self.decay_steps) / self.decay_steps
        return start * ((1 - self.alpha) * 0.5 * (1 + xp.cos(pi * share)) + self.alpha)


@dataclass(frozen=True)
class Warmup(Schedule):
    """A rate or another schedule, reached in a straight line from 0 over the first `steps` steps.

    `rate = target(step) · min(step / steps, 1)`: an inner schedule keeps its own clock.

    >>> import numpy as np
    >>> [float(Warmup(0.1, 4)(np, step)) for step in (0, 1, 4, 9)]
    [0.0, 0.025, 0.1, 0.1]

    Source: Goyal et al., "Accurate, Large Minibatch SGD" (2017), arXiv:1706.02677, section 2.2.
    """

    target: Schedule | float
    steps: int

    def __post_init__(self) -> None:
        check(self, steps="(0, inf)")
        if not isinstance(self.target, Schedule):
            Constant(self.target)

    def __call__(self, xp: Any, step: Any) -> Any:
        rate = self.target(xp, step) if isinstance(self.target, Schedule) else self.target
        return rate * xp.minimum(xp.asarray(step, dtype=float) / self.steps, 1.0)


@dataclass(frozen=True)
class Scaled(Schedule):
    """A rate or another schedule times a fixed number: `rate = factor · target(step)`.

    >>> import numpy as np
    >>> float(Scaled(Constant(0.5), 0.1)(np, 7))
    0.05
    """

    target: Schedule | float
    factor: float

    def __post_init__(self) -> None:
        check(self, factor="[0, inf)")
        if not isinstance(self.target, Schedule):
            Constant(self.target)

    def __call__(self, xp: Any, step: Any) -> Any:
        return self.factor * (self.target(xp, step) if isinstance(self.target, Schedule) else self.target)
