"""Before any test: runs go to a folder of their own, and compiled programs to no disk."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

RUNS, CACHE = "PELLUCID_RUNS", "PELLUCID_CACHE"


def pytest_configure(config):
    """A new folder for the whole session; workers of pytest-xdist and subprocesses inherit it."""
    if not hasattr(config, "workerinput"):
        config.stash_runs = tempfile.mkdtemp(prefix="pellucid-runs-")
        os.environ[RUNS] = config.stash_runs
        os.environ[CACHE] = "off"


def pytest_unconfigure(config):
    if (made := getattr(config, "stash_runs", None)) is not None:
        shutil.rmtree(Path(made), ignore_errors=True)


@pytest.fixture(autouse=True)
def _the_registry_stays():
    """An op that a test or an example registers goes with it: the registry drives other tests."""
    from pellucid.autodiff import OPS

    before = set(OPS)
    yield
    for name in set(OPS) - before:
        del OPS[name]
