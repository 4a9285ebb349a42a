"""Two gradients of the same weights side by side, and a verdict on each number.

agree     the relative distance is within tolerance
rounding  the distance is no more than what float64 loses when two nearly equal losses are subtracted
kink      the loss has a corner there (a relu crossed 0, a maximum changed hands): its slopes to the left
          and to the right differ, and back-propagation gave a slope between them
wrong     none of these: a rule of back-propagation is wrong
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy
from numpy.typing import NDArray

Numbers = NDArray[numpy.float64]

AGREE, ROUNDING, KINK, WRONG = "agree", "rounding", "kink", "wrong"
EPS64 = float(numpy.finfo(numpy.float64).eps)


@dataclass(frozen=True)
class WeightCheck:
    """One parameter's gradient both ways, each an array of the parameter's shape."""

    backprop: Numbers
    finite_difference: Numbers
    relative: Numbers
    """|a - b| / max(|a|, |b|), 0 where both are 0."""
    verdict: NDArray[numpy.str_]

    @property
    def ok(self) -> bool:
        return not bool((self.verdict == WRONG).any())


@dataclass(frozen=True)
class GradientReport:
    """Every weight, both ways."""

    weights: dict[str, WeightCheck]
    tolerance: float

    @property
    def ok(self) -> bool:
        """Whether no number is wrong."""
        return all(check.ok for check in self.weights.values())

    @property
    def worst(self) -> float:
        """The largest relative distance among the numbers that are neither rounding nor a kink."""
        return max((float(d) for c in self.weights.values() for d in c.relative[_plain(c)].flat), default=0.0)

    @property
    def count(self) -> int:
        return sum(check.backprop.size for check in self.weights.values())

    def counts(self) -> dict[str, int]:
        """How many numbers got each verdict."""
        return {
            verdict: sum(int((check.verdict == verdict).sum()) for check in self.weights.values())
            for verdict in (AGREE, ROUNDING, KINK, WRONG)
        }

    def wrong(self) -> list[tuple[str, tuple[int, ...]]]:
        """Path and index of each wrong number."""
        return [
            (path, tuple(int(i) for i in index))
            for path, check in self.weights.items()
            for index in numpy.argwhere(check.verdict == WRONG)
        ]

    def __str__(self) -> str:
        counts = ", ".join(f"{n} {verdict}" for verdict, n in self.counts().items() if n)
        return f"{self.count} gradients both ways: {counts}; largest relative distance {self.worst:.1e}"


def _plain(check: WeightCheck) -> NDArray[numpy.bool_]:
    return (check.verdict == AGREE) | (check.verdict == WRONG)


def compare(
    by_rule: Mapping[str, Numbers],
    by_change: Mapping[str, Numbers],
    loss: float,
    slopes: Callable[[str, tuple[int, ...]], tuple[float, float, float]],
    tolerance: float = 1e-6,
) -> GradientReport:
    """Judges each pair of numbers.

    loss: the value at that point, whose size sets what rounding can do.
    slopes(path, index): the slopes to the left and right of a weight and the size of what rounding can do
        to them, measured only where the two gradients differ.
    """
    # Subtracting two losses of size |f|, each right to a few units in the last place, over 2h = 2e-6.
    rounding = 8 * EPS64 * max(1.0, abs(loss)) / 2e-6
    checks: dict[str, WeightCheck] = {}
    for path, a in by_rule.items():
        b = by_change[path]
        with numpy.errstate(invalid="ignore"):  # NaN and infinity give NaN, which is within no tolerance
            distance, size = numpy.abs(a - b), numpy.maximum(numpy.abs(a), numpy.abs(b))
            relative = numpy.divide(distance, size, out=numpy.zeros_like(distance), where=size != 0)
        verdict = numpy.full(a.shape, AGREE, dtype="<U8")
        for where in numpy.argwhere(~(relative <= tolerance)):
            index = tuple(int(i) for i in where)
            if distance[index] <= rounding:
                verdict[index] = ROUNDING
            elif _is_kink(float(a[index]), *slopes(path, index), tolerance):
                verdict[index] = KINK
            else:
                verdict[index] = WRONG
        checks[path] = WeightCheck(a, b, relative, verdict)
    return GradientReport(checks, tolerance)


def _is_kink(rule: float, left: float, right: float, noise: float, tolerance: float) -> bool:
    """A corner: the two sides differ by more than noise, and the rule's slope lies on or between them."""
    slack = noise + tolerance * max(abs(left), abs(right))
    corner = abs(left - right) > 4 * slack
    return corner and min(left, right) - slack <= rule <= max(left, right) + slack
