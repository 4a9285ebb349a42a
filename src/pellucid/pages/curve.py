"""Lines over a common axis: a loss by step, a metric by epoch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy

from pellucid.pages.distribution import BARS
from pellucid.pages.number import number, strict

Points = tuple[Sequence[float], Sequence[float]]
WIDTH, HEIGHT = 640, 260
LEFT, RIGHT, TOP, BOTTOM = 62, 14, 14, 40
POINTS = 600
"""More points than this are drawn as the least and the greatest of each stretch."""


@dataclass(frozen=True)
class Curve:
    """One or several series of points (x, y), by name.

    >>> print(Curve({"loss": ((0, 1, 2), (4.0, 2.0, 1.0))}, "Loss").to_text())
    Loss
      loss  █▃▁  4 → 1
    """

    series: Mapping[str, Points]
    title: str = ""
    x_label: str = ""
    y_label: str = ""
    log: bool = False
    """Whether the vertical axis is logarithmic; numbers of 0 and below are then left out."""

    def to_text(self) -> str:
        width = max((len(name) for name in self.series), default=0)
        lines = [
            f"  {name:<{width}}  {_sparkline(y)}  {number(y[0], 4)} → {number(y[-1], 4)}" if len(y) else f"  {name}"
            for name, (_, y) in self.series.items()
        ]
        return "\n".join([*([self.title] if self.title else []), *lines])

    def to_html(self) -> str:
        drawn = {name: _thinned(*self._shown(*points)) for name, points in self.series.items()}
        drawn = {name: points for name, points in drawn.items() if len(points[0])}
        title = f"<figcaption>{escape(self.title)}</figcaption>" if self.title else ""
        if not drawn:
            return f'<figure class="pellucid-curve">{title}<p>no numbers to draw</p></figure>'
        legend = "".join(
            f'<span><i class="pellucid-line-{i % 6}"></i>{escape(name)}</span>' for i, name in enumerate(drawn)
        )
        keys = f'<div class="pellucid-legend">{legend}</div>' if len(drawn) > 1 else ""
        return f'<figure class="pellucid-curve">{title}{self._svg(drawn)}{keys}</figure>'

    def to_json(self) -> dict[str, Any]:
        return {
            "type": "curve",
            "curve": self.title,
            "x_label": self.x_label,
            "y_label": self.y_label,
            "log": self.log,
            "series": [
                {"name": name, "x": [strict(v) for v in x], "y": [strict(v) for v in y]}
                for name, (x, y) in self.series.items()
            ],
        }

    def _shown(self, x: Sequence[float], y: Sequence[float]) -> tuple[Any, Any]:
        """The points that can be drawn, on the scale that is drawn."""
        across, up = numpy.asarray(x, "float64"), numpy.asarray(y, "float64")
        kept = numpy.isfinite(across) & numpy.isfinite(up) & ((up > 0) if self.log else True)
        return across[kept], numpy.log10(up[kept]) if self.log else up[kept]

    def _svg(self, drawn: Mapping[str, tuple[Any, Any]]) -> str:
        x_low, x_high = _span([x for x, _ in drawn.values()])
        y_low, y_high = _span([y for _, y in drawn.values()], room=0.04)

        def across(x: float) -> float:
            return LEFT + (WIDTH - LEFT - RIGHT) * (x - x_low) / (x_high - x_low)

        def up(y: float) -> float:
            return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (y - y_low) / (y_high - y_low)

        parts: list[str] = []
        for y in log_ticks(y_low, y_high) if self.log else ticks(y_low, y_high):
            text = number(10**y, 3) if self.log else number(y, 4)
            parts.append(f'<path class="pellucid-grid" d="M{LEFT} {up(y):.1f}H{WIDTH - RIGHT}"/>')
            parts.append(f'<text x="{LEFT - 8}" y="{up(y) + 4:.1f}" text-anchor="end">{text}</text>')
        for x in ticks(x_low, x_high):
            parts.append(f'<text x="{across(x):.1f}" y="{HEIGHT - BOTTOM + 17}" text-anchor="middle">{x:g}</text>')
        for i, (x, y) in enumerate(drawn.values()):
            points = [f"{across(a):.1f} {up(b):.1f}" for a, b in zip(x, y, strict=True)]
            if len(points) == 1:
                points.append(points[0])  # a single point is a dot of the line's round end
            parts.append(f'<path class="pellucid-line pellucid-line-{i % 6}" d="M{"L".join(points)}"/>')
        middle = LEFT + (WIDTH - LEFT - RIGHT) / 2
        parts.append(f'<text x="{middle}" y="{HEIGHT - 5}" text-anchor="middle">{escape(self.x_label)}</text>')
        upright = f'transform="translate(12 {TOP + (HEIGHT - TOP - BOTTOM) / 2}) rotate(-90)" text-anchor="middle"'
        parts.append(f"<text {upright}>{escape(self.y_label)}</text>")
        label = escape(self.title or self.y_label)
        return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">{"".join(parts)}</svg>'


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers from low to high, some `about` of them.

    >>> ticks(0.0, 1.0), ticks(3.0, 47.0)
    ([0.0, 0.2, 0.4, 0.6, 0.8, 1.0], [10.0, 20.0, 30.0, 40.0])
    """
    raw = (high - low) / about
    size = 10.0 ** math.floor(math.log10(raw))
    step = next(size * k for k in (1, 2, 5, 10) if size * k >= raw * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [float(f"{k * step:.12g}") for k in range(first, last + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """The logarithms of 1, 2, 5, 10, 20 … from 10**low to 10**high; of a wide span the powers of ten alone.

    >>> [round(10**t, 3) for t in log_ticks(-0.5, 1.2)]
    [0.5, 1.0, 2.0, 5.0, 10.0]
    """
    tens = range(math.floor(low), math.ceil(high) + 1)
    steps = (1, 2, 5) if high - low < 2 else (1,)
    found = [n + math.log10(k) for n in tens for k in steps if low <= n + math.log10(k) <= high]
    return found[:: -(-len(found) // 7)] if len(found) > 1 else ticks(low, high)


def _span(arrays: list[Any], room: float = 0.0) -> tuple[float, float]:
    """The least and the greatest with `room` beyond them, a little apart where they are one."""
    low, high = min(float(a.min()) for a in arrays), max(float(a.max()) for a in arrays)
    if high - low > 1e-12 * max(abs(low), abs(high)):
        return low - room * (high - low), high + room * (high - low)
    apart = abs(low) * 0.1 or 0.5
    return low - apart, high + apart


def _thinned(x: Any, y: Any) -> tuple[Any, Any]:
    """At most POINTS points: of each stretch its least and its greatest, so that no peak is lost."""
    if len(x) <= POINTS:
        return x, y
    kept: list[int] = []
    for part in numpy.array_split(numpy.arange(len(x)), POINTS // 2):
        kept += sorted({int(part[y[part].argmin()]), int(part[y[part].argmax()])})
    return x[kept], y[kept]


def _sparkline(y: Sequence[float], width: int = 40) -> str:
    """The means of up to `width` stretches as small bars; a stretch that is not finite is a gap."""
    values = numpy.asarray(y, "float64")
    parts = [part.mean() for part in numpy.array_split(values, min(width, len(values)))]
    finite = [v for v in parts if math.isfinite(v)]
    low, high = (min(finite), max(finite)) if finite else (0.0, 0.0)
    scale = (len(BARS) - 1) / (high - low) if high > low else 0.0
    return "".join(BARS[round((v - low) * scale)] if math.isfinite(v) else " " for v in parts)
