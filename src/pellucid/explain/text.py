"""A piece of a formula: what is written, how tightly it holds together, and which numbers it was written from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from pellucid.autodiff import Node
from pellucid.autodiff.origin import Index
from pellucid.pages.number import number

SUM, PRODUCT, UNARY, ATOM = 1, 2, 3, 4
"""How tightly a text holds together: what must stand in brackets beside what."""
TERMS = 12
"""A longer sum shows its largest terms; the others are added up into one."""


@dataclass(frozen=True)
class Use:
    """A number that a formula shows: where it stands on the tape, and how much it contributes."""

    node: Node
    index: Index
    size: float


@dataclass(frozen=True)
class Text:
    """A piece of a formula."""

    text: str
    tight: int = ATOM
    value: float = 0.0
    uses: tuple[Use, ...] = ()

    def inside(self, tight: int) -> str:
        """In brackets where it holds less tightly than what stands around it."""
        return self.text if self.tight >= tight else f"({self.text})"

    def sized(self, size: float) -> Text:
        """The same, as a term whose every number contributes `size`."""
        return replace(self, uses=tuple(replace(use, size=abs(size)) for use in self.uses))


def plain(value: Any, uses: tuple[Use, ...] = ()) -> Text:
    """A number as its own text."""
    text = number(value)
    return Text(text, SUM if text.startswith("-") else ATOM, float(value), uses)


def used(parts: Sequence[Text]) -> tuple[Use, ...]:
    """What all the parts were written from."""
    return tuple(use for part in parts for use in part.uses)


def largest(sizes: Sequence[float], terms: int) -> list[int]:
    """Which terms of a sum are shown: all, or the largest that leave a place for the rest, in their order.

    >>> largest([1.0, -9.0, 3.0, 2.0], 3)
    [1, 2]
    """
    if len(sizes) <= terms:
        return list(range(len(sizes)))
    by_size = sorted(range(len(sizes)), key=lambda i: -abs(sizes[i]))
    return sorted(by_size[: terms - 1])


def summed(shown: Sequence[Text], rest: float, left_out: int) -> Text:
    """Terms joined by +, each written as it stands in a sum; the ones left out as one number."""
    texts = [term.inside(SUM) for term in shown]
    if left_out:
        texts.append(f"{number(rest)} from {left_out:,} smaller terms")
    joined = texts[0] + "".join(f" - {t[1:]}" if t.startswith("-") else f" + {t}" for t in texts[1:])
    value = sum(term.value for term in shown) + rest
    return Text(joined, SUM if len(texts) > 1 else shown[0].tight, value, used(shown))
