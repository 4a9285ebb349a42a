"""What a diagnosis is made of: findings, each with its evidence, its likely cause, and the one change to try."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pellucid.pages.page import Page
from pellucid.pages.target import Target

ROWS_SHOWN = 8


@dataclass(frozen=True)
class Finding:
    """One thing that went wrong."""

    kind: str
    """What it is, in words that stay the same from version to version: "loss spike"."""
    evidence: str
    """What was measured: numbers, with the step they belong to."""
    cause: str
    """What most likely brought it about."""
    change: str
    """The one change to try."""
    step: int | None = None
    """The step at which it begins; None for what is so from the start to the end, as a fault of the data."""
    layer: str = ""
    rows: tuple[int, ...] = ()
    """Rows of the data that have to do with it."""
    rewind: dict[str, Any] = field(default_factory=dict[str, Any])
    """The change as `Run.rewind` takes it; empty where going back can not try it."""
    at: int = 0
    """The step to go back to for it."""

    def target(self, run: str | Path | None) -> Target | None:
        """What tries the change; None where going back can not try it.

        >>> Finding("x", "", "", "", rewind={"learning_rate": 0.001}, at=40).target("runs/1").shell()
        'pellucid rewind runs/1 --step 40 --set optimizer.learning_rate=0.001'
        """
        if not self.rewind:
            return None
        changes = {_typed(name): value for name, value in self.rewind.items()}
        return Target("rewind", str(run or "RUN"), {"step": self.at}, changes)

    def to_json(self, run: str | Path | None = None) -> dict[str, Any]:
        """Plain values."""
        target = self.target(run)
        return {
            "kind": self.kind,
            "step": self.step,
            "layer": self.layer,
            "rows": list(self.rows),
            "evidence": self.evidence,
            "cause": self.cause,
            "change": self.change,
            "rewind": self.rewind,
            "at": self.at,
            "command": target.shell() if target else "",
            "target": target.to_json() if target else None,
        }


@dataclass(frozen=True)
class Diagnosis:
    """What was found in a run, the cause before what it causes; in a notebook it shows itself."""

    findings: list[Finding]
    looked_at: str
    """What was looked at, for a run in which nothing was found."""
    run: Path | None = None
    """The folder of the run, for the commands."""

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    def page(self) -> Page:
        """One section a finding."""
        page = Page()
        if self.ok:
            page.words(f"Nothing was found. {self.looked_at}")
            return page
        for finding in self.findings:
            step = "" if finding.step is None else f", step {finding.step}"
            page.heading(finding.kind.capitalize() + step + (f", {finding.layer}" if finding.layer else ""))
            page.words(f"Evidence: {finding.evidence}")
            if finding.rows:
                page.words(f"Rows: {listed(finding.rows)}")
            page.words(f"Likely cause: {finding.cause}")
            page.words(f"Try: {finding.change}")
            if target := finding.target(self.run):
                page.link("tries it", target)
        return page

    def show(self) -> None:
        """Prints what was found."""
        self.page().show()

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        found = [finding.to_json(self.run) for finding in self.findings]
        return {"ok": self.ok, "findings": found, "looked_at": self.looked_at}

    def __str__(self) -> str:
        return str(self.page())

    def _repr_html_(self) -> str:
        return self.page().to_html()


def listed(items: Sequence[Any], shown: int = ROWS_SHOWN) -> str:
    """The first few of them, and how many more there are.

    >>> listed([3, 5, 8], shown=2)
    '3, 5 and 1 more'
    """
    text = ", ".join(str(item) for item in items[:shown])
    return text + (f" and {len(items) - shown} more" if len(items) > shown else "")


def _typed(name: str) -> str:
    """A setting's name as the command takes it: those of the optimizer say so."""
    return (
        name
        if "." in name or name in ("epochs", "batch_size", "seed", "shuffle", "loss", "optimizer")
        else (f"optimizer.{name}")
    )
