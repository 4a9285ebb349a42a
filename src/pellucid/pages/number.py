"""Numbers as people read them."""

from __future__ import annotations

import math
from typing import Any


def number(value: Any, digits: int = 6) -> str:
    """Six significant digits, a true minus sign, no trailing zeros.

    >>> number(1.23321151), number(-0.5), number(3.0), number(1.2e-9)
    ('1.23321', '-0.5', '3', '1.2e-09')
    """
    value = float(value)
    if math.isnan(value) or math.isinf(value):
        return str(value)
    return f"{value:.{digits}g}" if value else "0"


def factor(value: Any, digits: int = 6) -> str:
    """A number inside a product or sum: in brackets where it is negative.

    >>> factor(-0.5)
    '(-0.5)'
    """
    text = number(value, digits)
    return f"({text})" if text.startswith("-") else text


def strict(value: Any) -> Any:
    """A number as JSON can hold it: in full, and as a word where it is not finite.

    >>> strict(0.5), strict(float("nan")), strict(float("-inf"))
    (0.5, 'nan', '-inf')
    """
    value = float(value)
    return value if math.isfinite(value) else str(value)
