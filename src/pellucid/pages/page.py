"""A page: blocks from top to bottom, as text, as HTML and as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from shutil import get_terminal_size
from typing import Any, TextIO

from pellucid import files
from pellucid.errors import UsageError
from pellucid.pages.block import Block, Cell, Formula, Heading, Link, Table, Words
from pellucid.pages.curve import Curve, Points
from pellucid.pages.distribution import Distribution
from pellucid.pages.style import DOCUMENT, FRAGMENT
from pellucid.pages.target import Target


@dataclass
class Page:
    """Blocks from top to bottom. In a notebook it shows itself.

    >>> page = Page()
    >>> page.heading("Sum")
    >>> page.formula("y", "2 × 3", 6)
    >>> print(page)
    Sum
    ───
      y = 2 × 3 = 6
    """

    blocks: list[Block] = field(default_factory=list[Block])

    def heading(self, text: str) -> None:
        self.blocks.append(Heading(text))

    def words(self, text: str) -> None:
        self.blocks.append(Words(text))

    def formula(self, name: str, formula: str, value: Any) -> None:
        self.blocks.append(Formula(name, formula, float(value)))

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
        self.blocks.append(Table(columns, rows))

    def distribution(self, array: Any, name: str) -> None:
        self.blocks.append(Distribution.of(array, name))

    def curve(self, series: Mapping[str, Points], title: str = "", **labels: Any) -> None:
        self.blocks.append(Curve(series, title, **labels))

    def link(self, text: str, target: Target | None = None, heading: str = "") -> None:
        self.blocks.append(Link(text, target, heading))

    def to_text(self, width: int | None = None) -> str:
        """The page as text; tables wider than `width` are cut into parts that stand one below the other."""
        texts = (block.to_text(width) if isinstance(block, Table) else block.to_text() for block in self.blocks)
        return "\n".join(texts).lstrip("\n")

    def to_json(self) -> list[dict[str, Any]]:
        return [block.to_json() for block in self.blocks]

    def to_html(self) -> str:
        """A piece of HTML with its own style, to stand inside another page."""
        blocks = "\n".join(block.to_html() for block in self.blocks)
        return f'<div class="pellucid">\n<style>{FRAGMENT}</style>\n{blocks}\n</div>'

    def document(self, title: str | None = None) -> str:
        """A whole HTML page in one text; it asks nothing of the network. The title is its first heading's."""
        first = next((block.text for block in self.blocks if isinstance(block, Heading)), "pellucid")
        return (
            f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f"<title>{escape(title or first)}</title>\n<style>{DOCUMENT}</style>\n</head>\n<body>\n"
            f"{f'<h1>{escape(title)}</h1>' if title else ''}\n{self.to_html()}\n</body>\n</html>\n"
        )

    def show(self, file: TextIO | None = None) -> None:
        """Prints the page, as wide as the terminal is."""
        out = file or sys.stdout
        print(self.to_text(get_terminal_size().columns if out.isatty() else None), file=out)

    def save(self, path: str | Path) -> Path:
        """Writes the page as its file's name asks: .html, .json or .txt. UsageError for another name, RunError where it
        cannot be written."""
        path = Path(path)
        made = {
            ".html": self.document,
            ".json": lambda: json.dumps(self.to_json(), ensure_ascii=False, allow_nan=False, indent=1) + "\n",
            ".txt": lambda: self.to_text() + "\n",
        }
        if path.suffix not in made:
            raise UsageError(f"{path}: a page is saved as .html, .json or .txt, by the end of the file's name")
        files.write(path, made[path.suffix]().encode())
        return path

    def _repr_html_(self) -> str:
        return self.to_html()

    def __str__(self) -> str:
        return self.to_text()
