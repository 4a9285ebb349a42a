"""The kinds of block that a page is made of. Each renders itself as text, as HTML and as JSON."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from pellucid.pages.curve import Curve
from pellucid.pages.distribution import Distribution
from pellucid.pages.number import number, strict
from pellucid.pages.target import Target


@dataclass(frozen=True)
class Heading:
    text: str

    @property
    def anchor(self) -> str:
        """Its name within a page, for a link to it."""
        return "pellucid-" + re.sub(r"[^a-z0-9]+", "-", self.text.lower()).strip("-")

    def to_text(self) -> str:
        return f"\n{self.text}\n{'─' * len(self.text)}"

    def to_html(self) -> str:
        return f'<h2 id="{self.anchor}">{escape(self.text)}</h2>'

    def to_json(self) -> dict[str, Any]:
        return {"type": "heading", "heading": self.text}


@dataclass(frozen=True)
class Words:
    """A sentence; one that is indented belongs to the formulas around it, and looks like them."""

    text: str

    def to_text(self) -> str:
        return self.text

    def to_html(self) -> str:
        indent = len(self.text) - len(self.text.lstrip())
        style = f' class="pellucid-aside" style="padding-left: {(indent - 2) / 2}em"' if indent > 1 else ""
        return f"<p{style}>{escape(self.text.strip())}</p>"

    def to_json(self) -> dict[str, Any]:
        return {"type": "words", "text": self.text}


@dataclass(frozen=True)
class Formula:
    """name = formula = value; the value is the one recorded, not one worked out again."""

    name: str
    formula: str
    value: float

    def to_text(self) -> str:
        value = number(self.value)
        return f"  {self.name} = {value}" if self.formula == value else f"  {self.name} = {self.formula} = {value}"

    def to_html(self) -> str:
        value = number(self.value)
        middle = "" if self.formula == value else f"<span>= {escape(self.formula)}</span> "
        return f'<p class="pellucid-formula"><var>{escape(self.name)}</var> {middle}<b>= {value}</b></p>'

    def to_json(self) -> dict[str, Any]:
        return {"type": "formula", "name": self.name, "formula": self.formula, "value": strict(self.value)}


Cell = str | float | Distribution | None


@dataclass(frozen=True)
class Table:
    """Columns by name and rows of cells: words, numbers, or a small distribution."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]

    def to_text(self, width: int | None = None) -> str:
        """Lines of text. What is wider than `width` is cut between columns: the rest follows below, beside the first
        column once more.

        >>> print(Table(("layer", "mean", "std"), [("dense", 0.5, 1.25)]).to_text(14))
          layer  mean
          dense   0.5
        <BLANKLINE>
          layer   std
          dense  1.25
        """
        cells = [list(self.columns), *([_text(cell) for cell in row] for row in self.rows)]
        right = self._numeric()
        widths = [max(len(row[i]) for row in cells) for i in range(len(self.columns))]
        parts: list[list[int]] = [[]]
        for i in range(len(widths)):
            wide = sum(widths[k] + 2 for k in [*parts[-1], i])
            if width is not None and wide > width and len(parts[-1]) > 1:
                parts.append([0])
            parts[-1].append(i)

        def line(row: list[str], part: list[int]) -> str:
            return "".join("  " + (row[i].rjust if right[i] else row[i].ljust)(widths[i]) for i in part).rstrip()

        return "\n\n".join("\n".join(line(row, part) for row in cells) for part in parts)

    def to_html(self) -> str:
        right = self._numeric()
        marks = [' class="pellucid-number"' if r else "" for r in right]
        head = "".join(f"<th{m}>{escape(c)}</th>" for c, m in zip(self.columns, marks, strict=True))
        body = "".join(
            f"<tr>{''.join(f'<td{m}>{_html(c)}</td>' for c, m in zip(row, marks, strict=True))}</tr>"
            for row in self.rows
        )
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        return f'<div class="pellucid-table">{table}</div>'

    def to_json(self) -> dict[str, Any]:
        rows = [[_json(cell) for cell in row] for row in self.rows]
        return {"type": "table", "columns": list(self.columns), "rows": rows}

    def _numeric(self) -> list[bool]:
        """Which columns hold numbers, and so stand to the right."""
        by_column = [[row[i] for row in self.rows if row[i] is not None] for i in range(len(self.columns))]
        return [bool(cells) and all(isinstance(c, int | float) for c in cells) for cells in by_column]


@dataclass(frozen=True)
class Link:
    """Where to go on: a target to open, or a heading of this page."""

    text: str
    target: Target | None = None
    heading: str = ""

    @property
    def command(self) -> str:
        """The target as typed; empty for a heading of this page."""
        return self.target.shell() if self.target else ""

    def to_text(self) -> str:
        return f"  {self.command}    {self.text}" if self.command else f"  {self.text}: see “{self.heading}”"

    def to_html(self) -> str:
        if self.command:
            return f'<p class="pellucid-link"><code>{escape(self.command)}</code> {escape(self.text)}</p>'
        return f'<p class="pellucid-link"><a href="#{Heading(self.heading).anchor}">{escape(self.text)}</a></p>'

    def to_json(self) -> dict[str, Any]:
        where: dict[str, Any] = {"anchor": self.heading}
        if self.target is not None:
            where = {"command": self.command, "target": self.target.to_json()}
        return {"type": "link", "text": self.text, "link": self.text, **where}


Block = Heading | Words | Formula | Table | Distribution | Curve | Link


def _text(cell: Cell) -> str:
    if isinstance(cell, Distribution):
        return cell.bars
    return "" if cell is None else cell if isinstance(cell, str) else _figure(cell)


def _html(cell: Cell) -> str:
    return cell.svg() if isinstance(cell, Distribution) else escape(_text(cell))


def _json(cell: Cell) -> Any:
    if isinstance(cell, Distribution):
        return cell.to_json()
    return cell if cell is None or isinstance(cell, str | int) else strict(cell)


def _figure(value: float) -> str:
    """Whole numbers in full, others with five digits."""
    return f"{value:,}" if isinstance(value, int) else number(value, 5)
