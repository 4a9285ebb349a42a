"""Diff and why: where two runs part, and what went wrong in one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pellucid.commands.listener import NOBODY, Listener
from pellucid.commands.moved import note_moved
from pellucid.models.library import open_run
from pellucid.pages.page import Page
from pellucid.runs.why import Diagnosis


@dataclass(frozen=True)
class DiffDocument:
    """Where two runs part."""

    run: Path
    other: Path
    page: Page

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"run": str(self.run), "other": str(self.other), "page": self.page.to_json()}


@dataclass(frozen=True)
class WhyDocument:
    """What went wrong in a run."""

    run: Path
    found: Diagnosis

    @property
    def page(self) -> Page:
        """The findings as a page."""
        return self.found.page()

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"run": str(self.run), **self.found.to_json()}


def diff(path: Path, other: Path, listener: Listener = NOBODY) -> DiffDocument:
    """Where two runs part."""
    one, two = open_run(path), open_run(other)
    page = one.diff(two)
    note_moved(listener, one, two)
    return DiffDocument(path, other, page)


def why(path: Path, listener: Listener = NOBODY) -> WhyDocument:
    """What went wrong in a run."""
    run = open_run(path)
    found = run.why()
    note_moved(listener, run)
    return WhyDocument(path, found)
