"""What a printed formula is worth: it is turned into Python and worked out."""

import math
import re
from collections.abc import Callable
from typing import Any

import pytest

NAMES: dict[str, Any] = {
    **{name: getattr(math, name) for name in ("exp", "log", "sqrt", "erf", "tanh")},
    "max": max,
    "min": min,
    "maximum": max,
    "minimum": min,
    "absolute": abs,
    "as_index": int,
    "sign": lambda x: (x > 0) - (x < 0),
    "where": lambda condition, x, y: x if condition else y,
}


def worked_out(text: str) -> float:
    """The value of a formula as pellucid prints it."""
    text = re.sub(r" from \d+ smaller terms", "", text)
    for shown, python in ((" = ", " == "), ("×", "*"), ("^", "**"), ("²", "**2"), ("≥", ">="), ("[", "("), ("]", ")")):
        text = text.replace(shown, python)
    return float(eval(text, {"__builtins__": {}}, NAMES))


@pytest.fixture(scope="session")
def worth() -> Callable[[str], float]:
    return worked_out
