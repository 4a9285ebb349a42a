"""Doctor: what is installed, and whether a step works in each engine."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy

from pellucid.commands.listener import NOBODY, Listener
from pellucid.storage import fingerprint


@dataclass(frozen=True)
class EngineWorks:
    """An engine has made two steps."""

    name: str
    seconds: float


@dataclass(frozen=True)
class DoctorDocument:
    """What is installed, and how the engines do."""

    found: dict[str, Any]
    devices: list[str]
    losses: dict[str, float]
    gradients: str
    ok: bool

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**self.found, "devices": self.devices, "losses": self.losses, "ok": self.ok}


def examine(listener: Listener = NOBODY) -> DoctorDocument:
    """What is installed, and one step in each engine."""
    import jax

    import pellucid as pl

    found = fingerprint()
    devices = [str(device) for device in jax.devices()]
    x = numpy.linspace(-1, 1, 32, dtype="float32").reshape(8, 4)
    losses: dict[str, float] = {}
    for engine in ("numpy", "xla"):
        model = pl.Sequential([pl.Dense(3, "tanh"), pl.Dense(1)])
        model.compile("adam", "mean_squared_error")
        started = time.perf_counter()
        run = model.fit(x, x[:, :1], epochs=2, batch_size=8, engine=engine, record=False, verbose=0)
        losses[engine] = float(run.step_history["loss"][-1])
        listener.told(EngineWorks(engine, time.perf_counter() - started))
    model = pl.Sequential([pl.Dense(3, "tanh"), pl.Dense(1)])
    model.compile("adam", "mean_squared_error")
    report = pl.check_gradients(model, x, x[:, :1])
    ok = report.ok and abs(losses["numpy"] - losses["xla"]) <= 1e-5 * abs(losses["numpy"])
    return DoctorDocument(found, devices, losses, str(report), ok)
