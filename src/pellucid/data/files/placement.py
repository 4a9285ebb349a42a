"""How a picture is fitted into a given size: which part of it is taken, and where that part comes to lie."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Edges = tuple[float, float, float, float]
"""left, top, right, bottom."""
FITS = ("letterbox", "crop", "stretch")


@dataclass(frozen=True)
class Placement:
    """A part of a picture, and the place in the new one that it fills."""

    part: Edges
    """In pixels of the picture."""
    place: tuple[int, int, int, int]
    """In pixels of the new one."""
    size: tuple[int, int]
    """Height and width of the new one."""

    def boxes(self, boxes: NDArray[np.float64]) -> NDArray[np.float64]:
        """Boxes (…, 4) in pixels of the picture as shares, 0 to 1, of the new one; what is cut off is clipped away.

        >>> placement("crop", (100, 200), (50, 50)).boxes(np.array([0.0, 0.0, 100.0, 100.0])).tolist()
        [0.0, 0.0, 0.5, 1.0]
        """
        part, place = np.reshape(self.part, (2, 2)), np.reshape(self.place, (2, 2))
        scale = (place[1] - place[0]) / (part[1] - part[0])
        corners = (boxes.reshape(*boxes.shape[:-1], 2, 2) - part[0]) * scale + place[0]
        return np.clip(corners / np.array(self.size[::-1]), 0.0, 1.0).reshape(boxes.shape)


def placement(fit: str, old: tuple[int, int], new: tuple[int, int]) -> Placement:
    """Where a picture of `old` (height, width) lies in one of `new`.

    stretch: all of it fills all. letterbox: all of it, in its own shape, in the middle. crop: its middle, in the shape
    of the new one, fills all.

    >>> placement("letterbox", (100, 200), (50, 50)).place
    (0, 12, 50, 37)
    >>> placement("crop", (100, 200), (50, 50)).part
    (50.0, 0.0, 150.0, 100.0)
    """
    (height, width), (rows, columns) = old, new
    part, place = (0.0, 0.0, float(width), float(height)), (0, 0, columns, rows)
    if fit == "letterbox":
        scale = min(rows / height, columns / width)
        inner = max(1, round(height * scale)), max(1, round(width * scale))
        top, left = (rows - inner[0]) // 2, (columns - inner[1]) // 2
        place = (left, top, left + inner[1], top + inner[0])
    elif fit == "crop":
        scale = max(rows / height, columns / width)
        across, down = columns / scale, rows / scale
        left, top = max(0.0, (width - across) / 2), max(0.0, (height - down) / 2)
        part = (left, top, min(left + across, float(width)), min(top + down, float(height)))
    return Placement(part, place, new)
