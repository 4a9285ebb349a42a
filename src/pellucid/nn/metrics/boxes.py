"""Boxes in pictures: how much two overlap, and how well a detector finds all of them and nothing else.

A box is (left, top, right, bottom), in any unit, with left ≤ right and top ≤ bottom.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike

from pellucid.errors import ShapeError, UsageError
from pellucid.nn.metrics.metric import Arrays, Metric, check_weight, ratio, row_count

COCO = tuple(0.5 + 0.05 * i for i in range(10))
"""The overlaps that COCO's average precision is the mean over."""


def box_iou(a: ArrayLike, b: ArrayLike) -> Any:
    """The intersection over the union of boxes: 1 for equal ones, 0 for boxes that do not meet.

    a, b: (…, 4), whose shapes broadcast; gives (…). Every box of a with every one of b: box_iou(a[:, None], b).
    0 where both are empty. Raises ShapeError for another last axis.

    >>> float(box_iou([0, 0, 2, 2], [1, 1, 3, 3]))  # 1 of 7 units of area
    0.14285714285714285

    Source: Jaccard (1912), doi:10.1111/j.1469-8137.1912.tb05611.x.
    """
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if a.shape[-1:] != (4,) or b.shape[-1:] != (4,):
        raise ShapeError(
            f"box_iou: the boxes have shapes {a.shape} and {b.shape}; expected (…, 4): left, top, right, bottom"
        )
    return _overlap(np, a, b)


def _overlap(xp: Any, a: Any, b: Any) -> Any:
    low, high = xp.maximum(a[..., :2], b[..., :2]), xp.minimum(a[..., 2:], b[..., 2:])
    sides = xp.maximum(high - low, 0.0)
    both = sides[..., 0] * sides[..., 1]
    area, other = ((c[..., 2] - c[..., 0]) * (c[..., 3] - c[..., 1]) for c in (a, b))
    union = area + other - both
    return xp.where(union > 0, both, 0.0) / xp.where(union > 0, union, 1.0)


@dataclass(frozen=True)
class BoxIoU(Metric):
    """The mean of `box_iou` over the rows, each with one box: y, y_pred (n, 4). NaN without rows.

    Raises ShapeError for other shapes.

    >>> BoxIoU().measure([[0, 0, 2, 2], [0, 0, 1, 1]], [[0, 0, 2, 1], [0, 0, 1, 1]])
    0.75
    """

    name: str = field(default="box_iou", kw_only=True)
    higher_is_better: ClassVar[bool | None] = True

    def statistics(self, xp: Any, y: Any, y_pred: Any, weight: Any) -> Arrays:
        if tuple(y.shape) != tuple(y_pred.shape) or tuple(y.shape[1:]) != (4,):
            raise self.mismatch(y, y_pred, "expected both (n, 4): left, top, right, bottom")
        check_weight(self, y_pred, weight)
        each = _overlap(xp, xp.astype(y, y_pred.dtype), y_pred)
        return {"total": xp.sum(each if weight is None else each * weight), "count": row_count(xp, y_pred, weight)}

    def result(self, statistics: Arrays) -> float:
        return float(ratio(statistics["total"], statistics["count"], np.nan))


def detection_average_precision(
    truth: Sequence[tuple[ArrayLike, ArrayLike]],
    found: Sequence[tuple[ArrayLike, ArrayLike, ArrayLike]],
    overlaps: Sequence[float] = COCO,
    points: int | Literal["all"] = 101,
) -> float:
    """The mean average precision of a detector: over the classes that occur, and over the overlaps asked for.

    truth: for each picture its boxes (k, 4) and their classes (k,). found: for each picture boxes (m, 4), classes and
    scores (m,). Of a class, the boxes found in all pictures are taken from the highest score down; one is right if, of
    the true boxes of its class in its picture that are not taken yet, the one that it overlaps most is overlapped by
    `overlap` at least, and takes it. Precision at a recall is the highest at that recall or a larger one; its mean is
    taken over `points` recalls from 0 to 1 (COCO: 101), or its area over all of them ("all", Pascal VOC since 2010).
    NaN if no true box is there. Raises UsageError where truth and found are not of as many pictures.

    >>> boxes, classes = [[0, 0, 2, 2], [4, 4, 6, 6]], [0, 0]
    >>> found = [([[0, 0, 2, 2], [8, 8, 9, 9], [4, 4, 6, 5.5]], [0, 0, 0], [0.9, 0.8, 0.7])]
    >>> round(detection_average_precision([(boxes, classes)], found, overlaps=[0.5], points="all"), 6)
    0.833333

    Source: Everingham et al. (2010), doi:10.1007/s11263-009-0275-4; Lin et al. (2014), arXiv:1405.0312.
    """
    if len(truth) != len(found):
        raise UsageError(f"truth has {len(truth)} pictures, found {len(found)}; expected as many")
    kinds = sorted({int(c) for _, classes in truth for c in np.asarray(classes).reshape(-1)})
    each = [_precision(*_of_class(truth, found, kind), overlap, points) for kind in kinds for overlap in overlaps]
    return float(np.mean(each)) if each else float("nan")


def _of_class(truth: Any, found: Any, kind: int) -> tuple[list[Any], list[tuple[float, int, Any]]]:
    """The true boxes of each picture, and (score, picture, overlap with each of them) from the highest score down."""
    real = [
        np.asarray(boxes, float).reshape(-1, 4)[np.asarray(classes).reshape(-1) == kind] for boxes, classes in truth
    ]
    marked: list[tuple[float, int, Any]] = []
    for picture, (boxes, classes, scores) in enumerate(found):
        here = np.asarray(classes).reshape(-1) == kind
        boxes, scores = np.asarray(boxes, float).reshape(-1, 4)[here], np.asarray(scores, float).reshape(-1)[here]
        overlaps = box_iou(boxes[:, None], real[picture])
        marked += [(float(s), picture, o) for s, o in zip(scores, overlaps, strict=True)]
    return real, sorted(marked, key=lambda entry: -entry[0])


def _precision(real: list[Any], marked: list[tuple[float, int, Any]], overlap: float, points: Any) -> float:
    """The average precision of one class at one overlap."""
    free = [np.ones(len(boxes), dtype=bool) for boxes in real]
    right = np.zeros(len(marked))
    for i, (_, picture, overlaps) in enumerate(marked):
        possible = np.where(free[picture], overlaps, -1.0)
        if possible.size and possible.max() >= overlap:
            free[picture][int(possible.argmax())] = False
            right[i] = 1
    hits = np.cumsum(right)
    recall = hits / sum(map(len, real))
    best = np.maximum.accumulate((hits / np.arange(1, len(hits) + 1))[::-1])[::-1]
    if points == "all":
        return float(np.diff(recall, prepend=0) @ best)
    place = np.searchsorted(recall, np.linspace(0, 1, points), side="left")
    return float(np.append(best, 0.0)[np.minimum(place, len(best))].mean())
