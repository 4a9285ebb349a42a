"""Where a page points to: a command or a part of a step, as data. Who renders it words it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

PARTS = ("layer", "unit", "weight", "number", "gradient")
"""The options that name a part of a step."""
PLAIN = re.compile(r"[^\"$`\\!\n]+")
"""What may stand between double quotes as it is, in every shell."""


@dataclass(frozen=True)
class Target:
    """What opens something: a command, what it is about, and its options by name.

    >>> Target("show", "my runs/1", {"step": 0, "weight": "dense/kernel[0,1]"}).shell()
    'pellucid show \\'my runs/1\\' --step 0 --weight "dense/kernel[0,1]"'
    >>> Target("rewind", "runs/1", {"step": 4}, {"dropout.rate": 0.1}).shell()
    'pellucid rewind runs/1 --step 4 --set dropout.rate=0.1'
    >>> Target("show", "", {"weight": "dense/kernel[0,1]"}).shell()
    'step.view.weight("dense/kernel", (0, 1))'
    """

    command: str
    run: str = ""
    """The folder of the run; empty for a step that is held in Python."""
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    changes: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Of a rewind: settings and their new values."""
    other: str = ""
    """What stands beside the run: the data to predict, the run to compare with."""

    def of(self, part: str, path: str, *index: int) -> Target:
        """The same step, opened at a part of it: ("weight", "dense/kernel", 0, 1)."""
        place = f"[{','.join(map(str, index))}]" if index else ""
        return Target(self.command, self.run, {**self.options, part: f"{path}{place}"})

    def shell(self) -> str:
        """As typed: into a shell, or, where there is no run folder, into Python."""
        if not self.run:
            return self._python()
        words = ["pellucid", self.command, shlex.quote(self.run), *([shlex.quote(self.other)] if self.other else [])]
        for name, value in self.options.items():
            words += [f"-{'-' if len(name) > 1 else ''}{name}", _quoted(name, str(value))]
        for name, value in self.changes.items():
            words += ["--set", shlex.quote(f"{name}={value}")]
        return " ".join(words)

    def to_json(self) -> dict[str, Any]:
        """Plain values; what is not given is left out."""
        given = {"run": self.run, "other": self.other, "options": self.options, "changes": self.changes}
        return {"command": self.command} | {
            name: dict(value) if isinstance(value, Mapping) else value for name, value in given.items() if value
        }

    def _python(self) -> str:
        """The call on a step that is held in Python."""
        part, value = next((name, str(value)) for name, value in self.options.items() if name in PARTS)
        path, bracket, index = value.partition("[")
        if not bracket:
            return f'step.view.{part}("{path}")'
        numbers = [int(i) for i in index.rstrip("]").split(",")]
        return f'step.view.{part}("{path}", {numbers[0] if part == "unit" else tuple(numbers)})'


def _quoted(name: str, value: str) -> str:
    return f'"{value}"' if name in PARTS and PLAIN.fullmatch(value) else shlex.quote(value)
