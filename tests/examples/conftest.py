"""What the tests of the examples share."""

import importlib
from pathlib import Path

import pytest

import pellucid as pl

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def example(monkeypatch):
    """Imports a script by name."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    return importlib.import_module


@pytest.fixture
def runs(monkeypatch):
    """What each `fit` returned."""
    kept, fit = [], pl.Model.fit

    def kept_fit(*args, **options):
        kept.append(fit(*args, **options))
        return kept[-1]

    monkeypatch.setattr(pl.Model, "fit", kept_fit)
    return kept
