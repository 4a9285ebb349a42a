"""How the numbers of an array lie: how many in each of some equal intervals, least, mean, greatest."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

import numpy

from pellucid.pages.number import number, strict

BARS = "▁▂▃▄▅▆▇█"
BINS = 16


@dataclass(frozen=True)
class Distribution:
    """A histogram. The last interval includes its upper edge; numbers that are not finite are counted apart.

    >>> import numpy as np
    >>> print(Distribution.of(np.array([0.0, 1.0, 1.0, 2.0]), bins=4).to_text())
    0 ▅▁█▅ 2  mean 1
    """

    counts: tuple[int, ...]
    edges: tuple[float, ...]
    """One more than the counts."""
    low: float
    mean: float
    high: float
    not_finite: int = 0
    name: str = ""

    @classmethod
    def of(cls, array: Any, name: str = "", bins: int = BINS) -> Distribution:
        """The distribution of all numbers of an array."""
        flat = numpy.asarray(array).astype("float64").reshape(-1)
        finite = flat[numpy.isfinite(flat)]
        lost = int(flat.size - finite.size)
        if not finite.size:
            return cls((0,), (0.0, 0.0), numpy.nan, numpy.nan, numpy.nan, lost, name)
        low, high = float(finite.min()), float(finite.max())
        with numpy.errstate(over="ignore"):
            edges, mean = numpy.linspace(low, high, bins + 1), float(finite.mean())
        if not (numpy.diff(edges) > 0).all() or not numpy.isfinite(edges).all():  # too close to be told apart
            return cls((int(finite.size),), (low, high), low, mean, high, lost, name)
        counts = numpy.histogram(finite, edges)[0]
        return cls(tuple(counts.tolist()), tuple(edges.tolist()), low, mean, high, lost, name)

    @property
    def bars(self) -> str:
        """A line of small bars, one for each interval; an interval that holds anything shows."""
        most = max(self.counts)
        heights = [-(-count * (len(BARS) - 1) // most) if most else 0 for count in self.counts]
        return "".join(BARS[height] for height in heights)

    @property
    def lost(self) -> str:
        return f"  {self.not_finite:,} not finite" if self.not_finite else ""

    def to_text(self) -> str:
        name = f"  {self.name}: " if self.name else ""
        return f"{name}{number(self.low, 3)} {self.bars} {number(self.high, 3)}  mean {number(self.mean, 3)}{self.lost}"

    def to_html(self) -> str:
        """The histogram with its name and its three numbers."""
        mean = f"mean {number(self.mean, 3)}{self.lost}"
        name = f"<figcaption>{escape(self.name)}</figcaption>" if self.name else ""
        ends = f"<span>{number(self.low, 3)}</span><span>{mean}</span><span>{number(self.high, 3)}</span>"
        return f'<figure class="pellucid-distribution">{name}{self.svg(240, 56)}<div>{ends}</div></figure>'

    def svg(self, width: int = 96, height: int = 22) -> str:
        """The bars alone, with a tick at 0 where 0 lies inside."""
        most, n = max(self.counts) or 1, len(self.counts)
        step = width / n
        bars = "".join(
            f'<rect x="{i * step:.1f}" y="{(height - 2) * (1 - max(count / most, 0.04)):.1f}" '
            f'width="{max(step - 1, 0.5):.1f}" height="{(height - 2) * max(count / most, 0.04):.1f}"/>'
            for i, count in enumerate(self.counts)
            if count
        )
        zero = ""
        if self.low < 0 < self.high and n > 1:
            x = width * -self.low / (self.high - self.low)
            zero = f'<path class="pellucid-zero" d="M{x:.1f} 0V{height}"/>'
        label = f"from {number(self.low, 3)} to {number(self.high, 3)}, mean {number(self.mean, 3)}"
        return (
            f'<svg class="pellucid-bars" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img" '
            f'aria-label="{label}"><title>{label}</title>{bars}{zero}</svg>'
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "type": "distribution",
            "distribution": self.name,
            "counts": list(self.counts),
            "edges": list(self.edges),
            "low": strict(self.low),
            "mean": strict(self.mean),
            "high": strict(self.high),
            "not_finite": self.not_finite,
        }
