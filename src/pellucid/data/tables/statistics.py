"""Sums over rows that arrive in batches: mean and spread, and how many different values there are."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pellucid.data.tables.cells import Reals

MOST_HASHES = 100_000


@dataclass
class Spread:
    """Count, mean and sum of squared deviations, merged batch by batch without loss of digits.

    Source: Chan, Golub, LeVeque, "Updating formulae and a pairwise algorithm for computing sample
    variances" (1979).
    """

    count: int = 0
    mean: float = 0.0
    deviations: float = 0.0

    def add(self, values: Reals) -> None:
        """Takes in finite numbers."""
        if not values.size:
            return
        with np.errstate(over="ignore", invalid="ignore"):
            mean = float(values.mean())
            deviations = float(np.square(values - mean).sum())
            count = self.count + values.size
            shift = mean - self.mean
            between = float(np.float64(shift) ** 2) * (self.count * values.size / count) if self.count else 0.0
            self.deviations += deviations + between
            self.mean += shift * (values.size / count)
            self.count = count

    @property
    def scale(self) -> float:
        """The standard deviation (divided by n), or 1 where all values are equal."""
        if not self.count:
            return 1.0
        deviation = float(np.sqrt(self.deviations / self.count))
        if not np.isfinite(deviation):
            return deviation
        # Equal values leave a spread of rounding errors, which must not be blown up to 1.
        return deviation if deviation > 1e-12 * abs(self.mean) and deviation > 0 else 1.0


class Distinct:
    """How many different values a column has, by a bounded set of hashes.

    Above 100,000 different hashes only those below a falling threshold are kept, with their counts: a fair
    sample of the values. Source: Flajolet, "On adaptive sampling" (1990), doi:10.1007/BF02241657.
    """

    def __init__(self) -> None:
        self._hashes: NDArray[np.uint64] = np.zeros(0, np.uint64)
        self._counts: NDArray[np.int64] = np.zeros(0, np.int64)
        self._halvings = 0

    def add(self, values: pl.Series) -> None:
        """Takes in values, none of them null."""
        hashes = values.hash(0).to_numpy()
        new, counts = np.unique(hashes[hashes <= self._threshold()], return_counts=True)
        merged = np.concatenate([self._hashes, new])
        self._hashes, where = np.unique(merged, return_inverse=True)
        self._counts = np.bincount(where, np.concatenate([self._counts, counts]), minlength=self._hashes.size).astype(
            np.int64
        )
        while self._hashes.size > MOST_HASHES:
            self._halvings += 1
            kept = self._hashes <= self._threshold()
            self._hashes, self._counts = self._hashes[kept], self._counts[kept]

    def _threshold(self) -> np.uint64:
        return np.uint64(0xFFFFFFFFFFFFFFFF >> self._halvings)

    @property
    def count(self) -> int:
        """The number of different values: exact up to 100,000, an estimate (within 1 %) above."""
        return int(self._hashes.size) << self._halvings

    @property
    def all_once(self) -> bool:
        """Whether no value (of those sampled) was met twice."""
        return bool((self._counts == 1).all())
