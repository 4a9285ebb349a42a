"""Two gradients of the same weights side by side, and a verdict on each number.

agree     the relative distance is within tolerance
rounding  the measurement is too coarse to tell: the distance is no more than what float64 loses when two nearly
          equal losses are subtracted, or a finer measurement agrees
kink      changing the weight crosses a corner of some op (a relu at 0, a maximum that changes hands), or starts on
          one; with all ops fixed on the branches where they are, the measurement agrees
wrong     none of these: a rule of back-propagation is wrong
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy
from numpy.typing import NDArray

from pellucid.autodiff.tape import Value
from pellucid.gradcheck.finite_difference import FiniteDifference, measured
from pellucid.gradcheck.fixed_branches import Closer, FixedBranches
from pellucid.gradcheck.restart import Progress
from pellucid.gradcheck.rule_check import EPS64, Culprit, check_rules

Numbers = NDArray[numpy.float64]
Whole = NDArray[numpy.int64]
Index = tuple[int, ...]

AGREE, ROUNDING, KINK, WRONG, UNCHECKED = "agree", "rounding", "kink", "wrong", ""


@dataclass(frozen=True)
class WeightCheck:
    """One parameter's gradient both ways, each an array of the parameter's shape."""

    backprop: Numbers
    finite_difference: Numbers
    """NaN where it was not measured."""
    relative: Numbers
    """|a - b| / max(|a|, |b|), 0 where both are 0 and where nothing was measured."""
    verdict: NDArray[numpy.str_]
    """"" where nothing was measured."""

    @property
    def ok(self) -> bool:
        return not bool((self.verdict == WRONG).any())


@dataclass(frozen=True)
class Kink:
    """Why one number is a kink: the first corner that changing the weight meets."""

    path: str
    index: Index
    op: str
    layer: str
    row: int | None
    """Of the batch; None where the op's input has no axes."""
    unit: Index
    """Where in that row."""

    def __str__(self) -> str:
        where = f" in {self.layer}" if self.layer else ""
        row = "" if self.row is None else f", row {self.row} of the batch"
        unit = f", unit {', '.join(map(str, self.unit))}" if self.unit else ""
        return f"{self.path}{list(self.index)}: a corner of {self.op}{where}{row}{unit}"


@dataclass(frozen=True)
class GradientReport:
    """Every weight, or a sample of them, both ways."""

    weights: dict[str, WeightCheck]
    tolerance: float
    kinks: list[Kink] = field(default_factory=list[Kink])
    """One for each number whose verdict is kink."""
    culprits: list[Culprit] = field(default_factory=list[Culprit])
    """The ops whose backward rule, tested alone, is wrong."""

    @property
    def ok(self) -> bool:
        """Whether no number and no rule is wrong."""
        return not self.culprits and all(check.ok for check in self.weights.values())

    @property
    def worst(self) -> float:
        """The largest relative distance among the numbers that are neither rounding nor a kink."""
        plain = [c.relative[(c.verdict == AGREE) | (c.verdict == WRONG)] for c in self.weights.values()]
        return max((float(distances.max()) for distances in plain if distances.size), default=0.0)

    @property
    def count(self) -> int:
        """How many numbers were compared."""
        return sum(self.counts().values())

    @property
    def size(self) -> int:
        """How many numbers there are."""
        return sum(check.backprop.size for check in self.weights.values())

    def counts(self) -> dict[str, int]:
        """How many numbers got each verdict."""
        return {
            verdict: sum(int((check.verdict == verdict).sum()) for check in self.weights.values())
            for verdict in (AGREE, ROUNDING, KINK, WRONG)
        }

    def wrong(self) -> list[tuple[str, Index]]:
        """Path and index of each wrong number."""
        return [
            (path, tuple(int(i) for i in index))
            for path, check in self.weights.items()
            for index in numpy.argwhere(check.verdict == WRONG)
        ]

    def __str__(self) -> str:
        counts = ", ".join(f"{n} {verdict}" for verdict, n in self.counts().items() if n)
        of = "" if self.count == self.size else f" of {self.size}"
        first = f"{self.count}{of} gradients both ways: {counts}; largest relative distance {self.worst:.1e}"
        kinks = [f"kink at {kink}" for kink in self.kinks[:3]]
        if len(self.kinks) > 3:
            kinks.append(f"and {len(self.kinks) - 3} more kinks")
        return "\n".join([first, *map(str, self.culprits), *kinks])


def check(
    output: Value,
    parameters: Mapping[str, Value],
    by_rule: Mapping[str, Numbers],
    *,
    tolerance: float = 1e-6,
    at: Mapping[str, Whole] | None = None,
    progress: Progress | None = None,
) -> GradientReport:
    """Compares the gradients of a finished pass with a measurement of it, and tests the rule of each op.

    Args:
        output: one number on a tape of NumPy arrays in float64; parameters: Values of that tape, by path.
        by_rule: the gradient of each, by back-propagation.
        at: for each path the places to measure, counted in reading order; None for all.

    >>> import numpy as np
    >>> from pellucid.autodiff import Tape, backprop, ops
    >>> _, found, tape = backprop(lambda p: ops.sum(ops.relu(p["w"])), {"w": np.array([0.5, -0.5, 0.0])})
    >>> print(check(ops.sum(ops.relu(tape.parameter("w"))), {"w": tape.parameter("w")}, found))
    3 gradients both ways: 2 agree, 1 kink; largest relative distance 0.0e+00
    kink at w[2]: a corner of relu, row 2 of the batch
    """
    how = FiniteDifference()
    places = {p: numpy.arange(v.array.size) if at is None else at[p] for p, v in parameters.items()}
    slopes = measured(output, list(parameters.values()), how, at=list(places.values()), progress=progress)
    fixed = FixedBranches(output)

    def closer(path: str, where: Whole, some: Whole) -> Closer:
        value, where = parameters[path], where[some]
        return fixed.closer(value, where, how.change(numpy, value.array.reshape(-1)[where]))

    weights: dict[str, WeightCheck] = {}
    kinks: list[Kink] = []
    loss = float(output.array.reshape(()))
    for (path, where), slope in zip(places.items(), slopes, strict=True):
        a = numpy.asarray(by_rule[path], numpy.float64)
        verdict, seen = judge(a.reshape(-1)[where], slope, loss, partial(closer, path, where), tolerance)
        weights[path] = _spread(a, slope, verdict, where)
        kinks += [_kink(path, a.shape, int(where[i]), fixed, node, place) for i, node, place in seen]
    return GradientReport(weights, tolerance, kinks, check_rules(output, list(parameters.values()), tolerance))


def judge(
    a: Numbers, b: Numbers, loss: float, closer: Callable[[Whole], Closer], tolerance: float = 1e-6
) -> tuple[NDArray[numpy.str_], list[tuple[int, int, int]]]:
    """The verdict on each pair of gradients, a by the rule and b measured, (k,) each.

    loss: the value at that point, whose size sets what rounding can do. closer: a second look at the numbers i, j, …
    of the k, asked for only where the two differ.

    Returns the verdicts, and for each kink (number of the k, index of the node, place in that node).
    """
    # Subtracting two losses of size |f|, each right to a few units in the last place, over 2h = 2e-6.
    rounding = 8 * EPS64 * max(1.0, abs(loss)) / 2e-6
    with numpy.errstate(invalid="ignore"):  # NaN and infinity give NaN, which is within no tolerance
        distance = numpy.abs(a - b)
        verdict = numpy.where(_relative(a, b) <= tolerance, AGREE, WRONG).astype("<U8")
        verdict[(verdict == WRONG) & (distance <= rounding)] = ROUNDING
    doubtful = numpy.flatnonzero(verdict == WRONG)
    if not doubtful.size:
        return verdict, []
    look, rule = closer(doubtful), a[doubtful]
    with numpy.errstate(invalid="ignore"):
        near = numpy.abs(rule - look.near) <= tolerance * numpy.maximum(abs(rule), abs(look.near)) + rounding
        # An uncertain measurement excuses no more than its own uncertainty, and none of more than a ten-thousandth.
        sure = look.error <= 1e-4 * abs(rule)
        fine = numpy.abs(rule - look.fine) <= tolerance * numpy.maximum(abs(rule), abs(look.fine)) + 8 * look.error
    agrees, crossed = near | (fine & sure), look.crossed >= 0
    verdict[doubtful[agrees & crossed]] = KINK
    verdict[doubtful[agrees & ~crossed]] = ROUNDING
    return verdict, [
        (int(doubtful[i]), int(look.crossed[i]), int(look.place[i])) for i in numpy.flatnonzero(agrees & crossed)
    ]


def _relative(a: Numbers, b: Numbers) -> Numbers:
    distance, size = numpy.abs(a - b), numpy.maximum(numpy.abs(a), numpy.abs(b))
    return numpy.divide(distance, size, out=numpy.zeros_like(distance), where=size != 0)


def _spread(a: Numbers, slope: Numbers, verdict: NDArray[numpy.str_], where: Whole) -> WeightCheck:
    """The numbers that were measured at their places in arrays of the parameter's shape."""
    by_change = numpy.full(a.size, numpy.nan)
    relative = numpy.zeros(a.size)
    verdicts = numpy.full(a.size, UNCHECKED, dtype="<U8")
    with numpy.errstate(invalid="ignore"):
        by_change[where], relative[where] = slope, _relative(a.reshape(-1)[where], slope)
    verdicts[where] = verdict
    return WeightCheck(a, by_change.reshape(a.shape), relative.reshape(a.shape), verdicts.reshape(a.shape))


def _kink(path: str, shape: Sequence[int], where: int, fixed: FixedBranches, node: int, place: int) -> Kink:
    cornered, side = next((r, side) for r, side in fixed.cornered if r.index == node)
    at = _unravel(place, side.shape)
    assert cornered.op is not None
    return Kink(path, _unravel(where, shape), cornered.op.name, cornered.path, at[0] if at else None, at[1:])


def _unravel(place: int, shape: Sequence[int]) -> Index:
    return tuple(int(i) for i in numpy.unravel_index(place, tuple(shape))) if shape else ()
