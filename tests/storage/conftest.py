"""Lets the tests here read the module beside them; a run's folder for each."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from begun import begun


@pytest.fixture
def folder(tmp_path):
    return begun(tmp_path / "run")
