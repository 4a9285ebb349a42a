"""One array, or several by name: what a network takes and gives, and what is done with either alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Named = Any
"""An array, or several: {name: array}."""


def each(work: Callable[..., Any], parts: Any, *others: Any) -> Any:
    """work(array), or {name: work(array)} for several; with others, those of the same name go along.

    >>> each(len, [1, 2]), each(len, {"left": [1, 2], "right": [3, 4]})
    (2, {'left': 2, 'right': 2})
    >>> each(lambda a, b: a + b, {"left": 1}, {"left": 2})
    {'left': 3}
    """
    if isinstance(parts, Mapping):
        return {name: work(part, *(other[name] for other in others)) for name, part in parts.items()}
    return work(parts, *others)


def first(parts: Any) -> Any:
    """The array, or the first of several.

    >>> first({"left": 1, "right": 2}), first(3)
    (1, 3)
    """
    return next(iter(parts.values())) if isinstance(parts, Mapping) else parts


def flat(name: str, parts: Any) -> dict[str, Any]:
    """By path: {"x": array}, or {"x/left": array, "x/right": array}; in the order of the names, in any engine.

    >>> flat("x", 1), flat("x", {"right": 2, "left": 1})
    ({'x': 1}, {'x/left': 1, 'x/right': 2})
    """
    if isinstance(parts, Mapping):
        return {f"{name}/{part}": parts[part] for part in sorted(parts)}
    return {name: parts}


def gathered(name: str, arrays: Mapping[str, Any]) -> Any:
    """What `flat` laid out, from among other arrays; None where it is not there.

    >>> gathered("x", {"x/left": 1, "x/right": 2, "y": 3}), gathered("y", {"y": 3}), gathered("z", {"y": 3})
    ({'left': 1, 'right': 2}, 3, None)
    """
    if name in arrays:
        return arrays[name]
    return {path.removeprefix(f"{name}/"): a for path, a in arrays.items() if path.startswith(f"{name}/")} or None
