"""A checkpoint: all that the steps from there on depend on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from pellucid import files
from pellucid.engine.loop import Statistics, Totals
from pellucid.engine.step import Arrays, State
from pellucid.errors import RunError

PARTS = ("parameters", "optimizer", "untrained")


@dataclass(frozen=True)
class Memory:
    """What a callback remembers from epoch to epoch: plain values, and arrays by path."""

    settings: dict[str, Any] = field(default_factory=dict[str, Any])
    arrays: Arrays = field(default_factory=dict[str, Any])


class Remembering(Protocol):
    """What a checkpoint asks of a callback."""

    def memory(self) -> Memory:
        """What it remembers from epoch to epoch."""
        ...


@dataclass(frozen=True)
class Checkpoint:
    """Where a run stands before step `step`."""

    step: int
    state: State
    totals: Statistics = field(default_factory=dict[str, Any])
    """The metrics of the epoch so far."""
    callbacks: tuple[Memory, ...] = ()
    """What the callbacks remember, in their order."""

    @classmethod
    def of(cls, step: int, state: State, totals: Totals | None, callbacks: Sequence[Remembering]) -> Checkpoint:
        """Where training stands; what changes later is copied."""
        kept = {} if totals is None else totals.copy().kept
        return cls(step, state, kept, tuple(callback.memory() for callback in callbacks))

    def to_bytes(self) -> bytes:
        """A safetensors file."""
        arrays: Arrays = {}
        for part, found in zip(PARTS, self.state, strict=True):
            arrays |= {f"{part}/{path}": array for path, array in found.items()}
        for metric, statistics in self.totals.items():
            for key, values in statistics.items():
                arrays |= {f"totals/{metric}/{key}/{i}": value for i, value in enumerate(values)}
        for i, memory in enumerate(self.callbacks):
            arrays |= {f"callbacks/{i}/{path}": array for path, array in memory.arrays.items()}
        settings = [memory.settings for memory in self.callbacks]
        order = {part: list(found) for part, found in zip(PARTS, self.state, strict=True)}
        return files.tensors(arrays, {"point": json.dumps({"step": self.step, "callbacks": settings, "order": order})})

    @classmethod
    def from_bytes(cls, content: bytes, name: str) -> Checkpoint:
        """The checkpoint that `to_bytes` wrote; RunError where it is torn."""
        arrays = files.read_tensors(content, name)
        try:
            about = json.loads(files.metadata_of(content, name)["point"])
            state = State(*({p: arrays[f"{part}/{p}"] for p in about["order"][part]} for part in PARTS))
            callbacks = tuple(
                Memory(settings, _under(arrays, f"callbacks/{i}/")) for i, settings in enumerate(about["callbacks"])
            )
            totals: Statistics = {}
            for key, array in sorted(_under(arrays, "totals/").items(), key=lambda item: _place(item[0])):
                metric, statistic, _ = key.rsplit("/", 2)
                totals.setdefault(metric, {}).setdefault(statistic, []).append(array)
            return cls(int(about["step"]), state, totals, callbacks)
        except (KeyError, TypeError, ValueError) as error:
            raise RunError(f"{name} holds no whole checkpoint ({error!r})") from error


def _under(arrays: Arrays, prefix: str) -> Arrays:
    return {path.removeprefix(prefix): array for path, array in arrays.items() if path.startswith(prefix)}


def _place(key: str) -> tuple[str, int]:
    """The order in which the arrays of a statistic were kept."""
    name, _, number = key.rpartition("/")
    return name, int(number)
