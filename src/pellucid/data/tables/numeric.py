"""A column of numbers, standardised; where its tails are heavy, squashed first."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pellucid.data.tables.cells import Flags, Reals, UnreadableCells, read_numbers
from pellucid.data.tables.plain import Marked, Plain
from pellucid.data.tables.statistics import Spread

FARTHEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Number(Marked, Plain):
    """(value - mean) / scale; or, squashed, (asinh((value - median) / spread) - mean) / scale."""

    kind: ClassVar[str] = "number"
    name: str
    median: float
    mean: float
    scale: float
    spread: float = 0.0
    """The unit of the squashing (quartile distance / 1.349, a normal curve's deviation); 0: not squashed."""
    indicator: bool = False
    decimal_comma: bool = False
    dressed: str = ""
    missing: tuple[str, ...] = ()

    def encode(self, cells: pl.Series) -> NDArray[np.float32]:
        """The cells as float32, shape (n, width). Raises UnreadableCells for text and for infinities."""
        read = read_numbers(cells, self.missing, self.decimal_comma)
        refuse(self.name, cells, read.unreadable, "a number")
        refuse(self.name, cells, np.isinf(read.values), "a finite number")
        lacking = np.isnan(read.values)
        values = np.where(lacking, self.median, read.values)
        if self.spread:
            values = np.arcsinh((values - self.median) / self.spread)
        out = np.empty((len(cells), self.width), np.float32)
        out[:, 0] = np.clip((values - self.mean) / self.scale, -FARTHEST, FARTHEST)
        if self.indicator:
            out[:, 1] = lacking
        return out

    def describe(self) -> str:
        """How a cell becomes numbers, in one sentence."""
        how = f"minus {self.mean:.6g}, divided by {self.scale:.6g}"
        if self.spread:
            how = f"asinh((x - {self.median:.6g}) / {self.spread:.6g}) because of its heavy tails, then {how}"
        read = f"; {self.dressed} was read" if self.dressed else ""
        gaps = f"; a missing cell counts as the median, {self.median:.6g}"
        gaps += f', and "{self.name} missing" is then 1' if self.indicator else ""
        return f"{self.name}: a number, {how}{read}{gaps}."


def refuse(column: str, cells: pl.Series, wrong: Flags, expected: str) -> None:
    """Raises UnreadableCells for the cells marked wrong, if any."""
    if wrong.any():
        first = np.flatnonzero(wrong)[:5]
        raise UnreadableCells(column, expected, [(int(i), str(cells[int(i)])) for i in first], int(wrong.sum()))


class NumberLearner:
    """Gathers from the training rows what a Number needs."""

    def __init__(self, name: str, missing: tuple[str, ...], decimal_comma: bool, dressed: str) -> None:
        self._name, self._missing = name, missing
        self._decimal_comma, self._dressed = decimal_comma, dressed
        self._spread = Spread()
        self._sample: list[Reals] = []
        self._lacking = False

    def see(self, cells: pl.Series, sampled: Flags) -> None:
        """Takes in cells of training rows; those `sampled` also serve for the quantiles."""
        values = read_numbers(cells, self._missing, self._decimal_comma).values
        present = ~np.isnan(values)
        self._lacking |= not present.all()
        self._spread.add(values[present])
        self._sample.append(values[present & sampled])

    def column(self) -> Number:
        sample = np.concatenate([*self._sample, np.zeros(0)])
        median = float(np.median(sample)) if sample.size else 0.0
        mean, scale, spread = self._spread.mean, self._spread.scale, 0.0
        unit = _worth_squashing(sample, median)
        if not np.isfinite([mean, scale]).all():
            unit = unit or max(float(np.median(np.abs(sample - median))), 1.0)
        if unit:
            squashed = Spread()
            squashed.add(np.arcsinh((sample - median) / unit))
            mean, scale, spread = squashed.mean, squashed.scale, unit
        return Number(
            self._name,
            median,
            mean,
            scale,
            spread,
            self._lacking,
            self._decimal_comma,
            self._dressed,
            self._missing,
        )


def _worth_squashing(sample: Reals, median: float) -> float:
    """The unit to squash by, or 0: only where the tails are heavy and squashing makes them much lighter.

    Heavy: the kurtosis is above 10 (a normal curve has 3, an exponential one 9). Much lighter: below half.
    """
    if sample.size < 20 or (before := _kurtosis(sample)) <= 10:
        return 0.0
    low, high = np.quantile(sample, [0.25, 0.75])
    unit = float(high - low) / 1.349
    if not unit > 0 or not np.isfinite(unit):
        return 0.0
    return unit if _kurtosis(np.arcsinh((sample - median) / unit)) < before / 2 else 0.0


def _kurtosis(values: Reals) -> float:
    """The mean fourth power of the standardised values; infinite where it overflows."""
    with np.errstate(over="ignore", invalid="ignore"):
        centred = values - values.mean()
        largest = float(np.abs(centred).max())
        if not np.isfinite(largest):
            return float("inf")
        if not largest:
            return 0.0
        centred = centred / largest
        return float(np.mean(centred**4) / np.mean(centred**2) ** 2)
