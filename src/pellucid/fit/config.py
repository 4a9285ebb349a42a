"""What stays the same throughout a run, beside model and data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from pellucid.data.dataset import Plan
from pellucid.engine.step import Step
from pellucid.fit.trainable import Trainable
from pellucid.gradcheck import SPSA, FiniteDifference
from pellucid.registry import from_config, to_config


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

    def to_config(self) -> dict[str, Any]:
        """Plain values, which `from_config` reads."""
        method = None if self.method is None else to_config(self.method)
        return {f.name: getattr(self, f.name) for f in fields(self)} | {"method": method}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> FitConfig:
        """What `to_config` wrote."""
        plain = {name: value for name, value in config.items() if name != "method"}
        return cls(**plain, method=config["method"] and from_config(config["method"]))

    def step(self, model: Trainable) -> Step:
        """The step that this training takes."""
        now = model.compiled
        assert now.loss is not None
        return Step(model, now.loss, now.optimizer, now.metrics, self.seed, self.method)

    def plan(self, rows: int) -> Plan:
        """Which rows each step trains on."""
        return Plan(rows, min(self.batch_size, rows), self.seed, self.shuffle)
