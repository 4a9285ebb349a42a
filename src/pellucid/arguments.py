"""What a function was given, checked."""

from typing import Any

import numpy as np

from pellucid.errors import UsageError


def is_whole(value: Any, least: int) -> bool:
    """Whether it is a whole number from `least` up; a truth value is none."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and int(value) >= least


def whole(name: str, value: Any, least: int = 1, *, of: object = None) -> int:
    """The argument, which has to be a whole number from `least` up; else UsageError, naming what it is an argument of.

    >>> whole("units", 16)
    16
    >>> whole("k", 2.5, of="TopKAccuracy")
    Traceback (most recent call last):
        ...
    pellucid.errors.UsageError: TopKAccuracy(k=2.5): a whole number, 1 or more
    """
    if not is_whole(value, least):
        owner = of if isinstance(of, str) else type(of).__name__
        given = f"{name}={value!r}" if of is None else f"{owner}({name}={value!r})"
        raise UsageError(f"{given}: a whole number, {least} or more")
    return int(value)
