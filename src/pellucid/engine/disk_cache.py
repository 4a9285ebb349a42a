"""Compiled programs on disk: what one process compiled, the next one reads.

JAX keeps them, in a folder of the user's cache that is of one fingerprint: versions, processor, XLA's flags. The
environment variable PELLUCID_CACHE names another folder, or is "off". Who has set a compilation cache of JAX's own
keeps it.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from functools import cache
from pathlib import Path

from pellucid.engine.fingerprint import fingerprint

VARIABLE = "PELLUCID_CACHE"
MOST_BYTES = 1 << 30


@cache
def switch_on() -> Path | None:
    """Lets JAX keep compiled programs; where, or None where they are not kept."""
    import jax

    place = _place()
    if place is None or getattr(jax.config, "jax_compilation_cache_dir", None):
        return None
    folder = place / _name()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            return None
    except OSError:  # a home that cannot be written to: every process compiles for itself
        return None
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    jax.config.update("jax_compilation_cache_max_size", MOST_BYTES)  # processes take turns by filelock
    return folder


def _place() -> Path | None:
    asked = os.environ.get(VARIABLE)
    if asked is not None:
        return None if asked.lower() in ("", "0", "off", "no", "false") else Path(asked).expanduser()
    if sys.platform == "win32":
        home = os.environ.get("LOCALAPPDATA", "~/AppData/Local")
    elif sys.platform == "darwin":
        home = "~/Library/Caches"
    else:
        home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    try:
        return Path(home).expanduser() / "pellucid" / "programs"
    except RuntimeError:  # there is no home
        return None


def _name() -> str:
    """What a program is good for: no other version, processor or flags."""
    known = {**fingerprint(), "flags": os.environ.get("XLA_FLAGS", "")}
    return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()[:16]
