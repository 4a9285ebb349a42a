"""What layers over images, volumes and sequences share: sizes for each axis, paddings, and what they refuse."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pellucid.arguments import is_whole
from pellucid.autodiff import Value
from pellucid.autodiff.windows import Edges, Sizes, Sweep, same, sweeps
from pellucid.errors import ShapeError, UsageError

Size = int | Sequence[int]
"""One number for all spatial axes, or one for each."""
AXES = {1: "steps", 2: "height, width", 3: "depth, height, width"}


def each(owner: object, name: str, value: Any, rank: int, least: int = 1) -> Sizes:
    """A number for each spatial axis; UsageError where it is neither one whole number nor `rank` of them."""
    parts: Any = [value] * rank if isinstance(value, int) else value
    if not isinstance(parts, list | tuple) or len(parts) != rank or not all(is_whole(v, least) for v in parts):
        many = "" if rank == 1 else f", or {rank} of them ({AXES[rank]})"
        raise UsageError(f"{type(owner).__name__}({name}={value!r}): it is a whole number, {least} or more{many}")
    return tuple(parts)


def edges_of(owner: object, name: str, value: Any, rank: int) -> Edges:
    """(before, after) for each axis, of one number, one number an axis, or a pair an axis."""
    parts: Any = [value] * rank if isinstance(value, int) else value
    if rank == 1 and not isinstance(value, int):
        parts = [value]
    if isinstance(parts, list | tuple) and len(parts) == rank:
        pairs = [(part, part) if isinstance(part, int) else part for part in parts]
        if all(isinstance(p, list | tuple) and len(p) == 2 and all(is_whole(v, 0) for v in p) for p in pairs):
            return tuple((low, high) for low, high in pairs)
    each_way = "" if rank == 1 else f", {rank} of them ({AXES[rank]}), or a pair (before, after) for each"
    pair = " or a pair (before, after)" if rank == 1 else ""
    raise UsageError(f"{type(owner).__name__}({name}={value!r}): it is a whole number, 0 or more{pair}{each_way}")


def check_padding(owner: object, padding: Any, known: Sequence[str]) -> None:
    """UsageError for a padding that the layer has not."""
    if padding not in known:
        raise UsageError(
            f"{type(owner).__name__}(padding={padding!r}): it is {' or '.join(map(repr, known))}; for zeros of "
            "your own choice put a ZeroPadding layer before it"
        )


def check_rank(owner: object, x: Value, rank: int) -> None:
    """ShapeError unless x is (rows, spatial axes, channels)."""
    if x.ndim == rank + 2:
        return
    fix = "an input without channels gets one by x[..., None]" if x.ndim == rank + 1 else "reshape x"
    raise ShapeError(
        f"{called(owner, x)} takes (rows, {AXES[rank]}, channels), but x has shape {x.shape}, {x.ndim} axes "
        f"instead of {rank + 2}: {fix}"
    )


def called(owner: object, x: Value) -> str:
    """The layer by its class and its path in the model."""
    return f"{type(owner).__name__} ({x.tape.path})" if x.tape.path else type(owner).__name__


def padding_for(kind: str, lengths: Sizes, size: Sizes, strides: Sizes, dilation: Sizes) -> Edges:
    """valid: none. same: length / stride outputs, rounded up, the odd zero at the end. causal: all before."""
    axes = zip(lengths, size, strides, dilation, strict=True)
    if kind == "same":
        return tuple(same(*axis) for axis in axes)
    return tuple(((k - 1) * d if kind == "causal" else 0, 0) for _, k, _, d in axes)


def ways_over(
    owner: object, x: Value, kind: str, size: Sizes, strides: Sizes, dilation: Sizes | None = None
) -> list[Sweep]:
    """How a layer's window moves over x; ShapeError where it does not fit."""
    dilation = dilation or (1,) * len(size)
    lengths = x.shape[1:-1]
    padding = padding_for(kind, lengths, size, strides, dilation)
    ways = sweeps(lengths, size, strides=strides, padding=padding, dilation=dilation)
    if all(way.stops for way in ways):
        return ways
    window, room = ("×".join(map(str, sizes)) for sizes in ([way.reach + 1 for way in ways], lengths))
    raise ShapeError(
        f"{called(owner, x)}: its window of {window} ({AXES[len(size)]}) does not fit into x of {room}, shape "
        f"{x.shape}: use padding='same', a smaller window, or fewer layers before it that make x smaller"
    )
