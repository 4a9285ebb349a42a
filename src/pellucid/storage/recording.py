"""When a checkpoint is written, and which ones are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from pellucid.errors import UsageError

MOST = 200
"""Checkpoints kept at most, however small they are: run.json names each of them."""


@dataclass(frozen=True)
class Recording:
    """How a run is recorded.

    folder: where; None takes the next number in the folder `runs` (or what PELLUCID_RUNS names).
    keep_data: data of up to so many bytes is copied into the run, so that it can be opened anywhere; of larger
        data, where it lies (if in a file) and its SHA-256 are kept.
    budget, checkpoints: so many bytes of checkpoints, or so many checkpoints, whichever is more.
    share: the part of the training time that writing checkpoints may take.

    >>> Recording(share=0.01).most(2_000_000)
    128
    """

    folder: str | Path | None = None
    keep_data: int = 64 << 20
    budget: int = 256_000_000
    checkpoints: int = 20
    share: float = 0.01

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise UsageError(f"Recording(share={self.share!r}): it is a part of the training time, from 0 to 1")
        if self.checkpoints < 2:
            raise UsageError(f"Recording(checkpoints={self.checkpoints!r}): at least 2 are kept")

    def to_json(self) -> dict[str, Any]:
        """How a run is recorded, but for where: `Recording(folder, **settings)` records another one alike."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "folder"}

    def most(self, size: int) -> int:
        """How many checkpoints of so many bytes are kept."""
        return max(self.checkpoints, min(MOST, self.budget // max(1, size)))


def thinned(steps: Sequence[int], most: int) -> list[int]:
    """The checkpoints to keep: the first, the last, and those between that leave the longest replay short.

    One after the other, the one goes whose neighbours are nearest to each other.

    >>> thinned([0, 10, 20, 25, 40], 4)
    [0, 10, 25, 40]
    """
    kept = sorted(steps)
    while len(kept) > max(2, most):
        gaps = [after - before for before, after in zip(kept, kept[2:], strict=False)]
        del kept[1 + gaps.index(min(gaps))]
    return kept


@dataclass
class Pace:
    """Whether there is time for another checkpoint: the share of the run that recording has taken so far."""

    share: float
    spent: float = 0.0
    """Seconds that recording took, of the training thread and of the writing one's processor."""
    cost: float = 0.0
    """Seconds of the last checkpoint."""

    def allows(self, elapsed: float) -> bool:
        """Whether one more checkpoint, after so many seconds of training, stays within the share."""
        return self.spent + self.cost <= self.share * RESERVE * elapsed

    def took(self, seconds: float) -> None:
        """Notes what a checkpoint took."""
        self.cost = max(seconds, self.cost / 2)
        self.spent += seconds


RESERVE = 0.6
"""The part of the share that is used while training; the rest is for the last checkpoint and for what a write
slows down beside it."""
