"""Check: every gradient of a step, both ways."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pellucid.commands.listener import NOBODY, Listener
from pellucid.commands.show import opened
from pellucid.errors import UsageError
from pellucid.gradcheck import GradientReport


@dataclass(frozen=True)
class CheckDocument:
    """What a check of gradients found."""

    run: Path
    step: int
    rows: int
    sampled: bool
    """Whether a sample was taken unasked, as to check all would take long."""
    report: GradientReport

    @property
    def ok(self) -> bool:
        """Whether every gradient is right."""
        return self.report.ok

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        report = self.report
        return {
            "run": str(self.run),
            "step": self.step,
            "ok": report.ok,
            "worst": report.worst,
            "checked": report.count,
            "verdicts": report.counts(),
            "kinks": [str(kink) for kink in report.kinks],
            "culprits": [str(culprit) for culprit in report.culprits],
        }


def check(
    path: Path,
    number: int | None = None,
    rows: int | None = None,
    sample: int | None = None,
    tolerance: float = 1e-6,
    listener: Listener = NOBODY,
) -> CheckDocument:
    """Every gradient of a step, by back-propagation and by changing each weight."""
    for name, value in (("rows", rows), ("sample", sample)):
        if value is not None and value < 1:
            raise UsageError(f"{name}={value}: it is a whole number, 1 or more", arguments=(name,))
    if not 0 < tolerance < 1:
        raise UsageError(f"tolerance={tolerance:g}: it is a number between 0 and 1, as 1e-6", arguments=("tolerance",))
    step = opened(path, number, listener)
    report = step.check(sample, rows, tolerance, listener.measured)
    sampled = sample is None and report.count < report.size
    return CheckDocument(path, step.number, len(step.batch.rows[:rows]), sampled, report)
