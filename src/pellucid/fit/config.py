"""What stays the same throughout a run, beside model and data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from pellucid.data.dataset import Plan
from pellucid.engine.step import Step
from pellucid.errors import UsageError
from pellucid.fit.trainable import Trainable
from pellucid.gradcheck import SPSA, FiniteDifference


@dataclass(frozen=True)
class FitConfig:
    """How a network is trained: what `fit` was asked."""

    batch_size: int = 32
    epochs: int = 1
    seed: int = 0
    shuffle: bool = True
    engine: str = "xla"
    method: FiniteDifference | SPSA | None = None
    """None: gradients by back-propagation."""

    def to_json(self) -> dict[str, Any]:
        """Plain values, which `from_json` reads."""
        method = None if self.method is None else {"method": type(self.method).__name__} | asdict(self.method)
        return {f.name: getattr(self, f.name) for f in fields(self)} | {"method": method}

    @classmethod
    def from_json(cls, config: Mapping[str, Any]) -> FitConfig:
        """What `to_json` wrote."""
        plain = {name: value for name, value in config.items() if name != "method"}
        return cls(**plain, method=_method_from_json(config["method"]))

    def step(self, model: Trainable) -> Step:
        """The step that this training takes."""
        now = model.compiled
        assert now.loss is not None
        return Step(model, now.loss, now.optimizer, now.metrics, self.seed, self.method)

    def plan(self, rows: int) -> Plan:
        """Which rows each step trains on."""
        return Plan(rows, min(self.batch_size, rows), self.seed, self.shuffle)


def _method_from_json(config: Mapping[str, Any] | None) -> FiniteDifference | SPSA | None:
    """The method of a recorded run."""
    if config is None:
        return None
    known = {kind.__name__: kind for kind in (FiniteDifference, SPSA)}
    if config["method"] not in known:
        raise UsageError(f"the method {config['method']!r} is not known; known: {', '.join(known)}")
    return known[config["method"]](**{name: value for name, value in config.items() if name != "method"})
