"""Versions and hardware: within one fingerprint a replay gives the same bits."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any


@cache
def fingerprint() -> dict[str, dict[str, Any]]:
    """What the bits of a result depend on beside the run itself."""
    names = ("pellucid", "jax", "jaxlib", "numpy", "polars")
    return {
        "versions": {"python": platform.python_version(), **{name: version(name) for name in names}},
        "hardware": {
            "system": f"{platform.system()} {platform.machine()}",
            "processor": _processor(),
            "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        },
    }


def differences(manifest: Mapping[str, Any]) -> list[str]:
    """What was otherwise where a run was recorded: "numpy 2.3.1, here 2.4.0"."""
    known = [
        (name, was, here.get(name))
        for part, here in fingerprint().items()
        for name, was in manifest.get(part, {}).items()
        if name != "polars"
    ]
    known += [(name, was, version(name)) for name, was in manifest.get("data", {}).get("reader", {}).items()]
    return [f"{name} {was}, here {here}" for name, was, here in known if here != was]


def now() -> str:
    """The time, as run.json has it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def version(name: str) -> str:
    """Of an installed package."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()
