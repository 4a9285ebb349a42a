"""A page: a few kinds of block, each rendered for the terminal and for JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pellucid.explain.number import number


@dataclass(frozen=True)
class Heading:
    text: str

    def to_text(self) -> str:
        return f"\n{self.text}\n{'─' * len(self.text)}"

    def to_json(self) -> dict[str, Any]:
        return {"heading": self.text}


@dataclass(frozen=True)
class Words:
    text: str

    def to_text(self) -> str:
        return self.text

    def to_json(self) -> dict[str, Any]:
        return {"text": self.text}


@dataclass(frozen=True)
class Formula:
    """name = formula = value; the value is the one recorded, not one worked out again."""

    name: str
    formula: str
    value: float

    def to_text(self) -> str:
        value = number(self.value)
        return f"  {self.name} = {value}" if self.formula == value else f"  {self.name} = {self.formula} = {value}"

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "formula": self.formula, "value": self.value}


Block = Heading | Words | Formula


@dataclass
class Page:
    """Blocks from top to bottom."""

    blocks: list[Block] = field(default_factory=list[Block])

    def heading(self, text: str) -> None:
        self.blocks.append(Heading(text))

    def words(self, text: str) -> None:
        self.blocks.append(Words(text))

    def formula(self, name: str, formula: str, value: Any) -> None:
        self.blocks.append(Formula(name, formula, float(value)))

    def to_text(self) -> str:
        return "\n".join(block.to_text() for block in self.blocks).lstrip("\n")

    def to_json(self) -> list[dict[str, Any]]:
        return [block.to_json() for block in self.blocks]
