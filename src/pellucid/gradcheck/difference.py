"""Slopes from measured values: the central difference, and the finer one that is made of three of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pellucid.autodiff.op import Array


def central(f: Callable[[Any], Any], w: Any, h: Any) -> Any:
    """(f(w + h) - f(w - h)) over the distance between the two, as it was rounded; its error falls with h².

    w, h: a number, or an array of them with f working number by number.

    >>> central(lambda w: w**3, 2.0, 0.5)
    12.25
    """
    up, down = w + h, w - h
    return (f(up) - f(down)) / (up - down)


def forward(f: Callable[[Any], Any], w: Any, h: Any, here: Any) -> Any:
    """(f(w + h) - f(w)) over the distance, where `here` is f(w); its error falls with h.

    >>> forward(lambda w: w**3, 2.0, 0.5, here=8.0)
    15.25
    """
    up = w + h
    return (f(up) - here) / (up - w)


def extrapolated(slope: Callable[[Any], Array], h: Any) -> tuple[Array, Array]:
    """The slope that central differences over h, 2h and 4h tend to, and how far the one without h is from it.

    slope: the central difference over a distance. Of each two of them the error in h² cancels (Richardson 1911).

    >>> extrapolated(lambda h: central(lambda w: w**3, 2.0, h), 0.5)
    (12.0, 0.0)
    """
    one, two, four = slope(h), slope(2 * h), slope(4 * h)
    fine, coarse = (4 * one - two) / 3, (4 * two - four) / 3
    return fine, abs(fine - coarse)
