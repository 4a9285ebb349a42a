"""What a function was given, checked."""

from typing import Any

import numpy as np

from pellucid.errors import UsageError


def whole(name: str, value: Any, least: int = 1) -> int:
    """The argument, which has to be a whole number from `least` up; else UsageError."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise UsageError(f"{name}={value!r}: a whole number, {least} or more")
    return int(value)
