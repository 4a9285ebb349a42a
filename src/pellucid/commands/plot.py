"""Plot: a picture of a run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pellucid.errors import UsageError
from pellucid.models.library import open_run
from pellucid.pages.plot import Plot


@dataclass(frozen=True)
class PlotDocument:
    """The picture, not yet written."""

    run: Path
    out: Path
    plot: Plot

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"run": str(self.run), "out": str(self.out)}


def plot(path: Path, out: Path, points: int = 24) -> PlotDocument:
    """Loss, metrics, learning rate, and gradient norms at so many steps, to be written to `out`."""
    if points < 0:
        raise UsageError(f"points={points}: it is a whole number, 0 or more", arguments=("points",))
    return PlotDocument(path, out, open_run(path).plot(points))
