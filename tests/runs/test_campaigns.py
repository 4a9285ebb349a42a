"""The campaigns of benchmarks/campaigns.py, made short: replays elsewhere, kills, torn bytes."""

import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "campaigns.py"


@pytest.fixture(scope="module")
def campaigns():
    found = importlib.util.spec_from_file_location("campaigns", SCRIPT)
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def problems(told):
    return {what: n for what, n in told.items() if what.startswith("PROBLEM") and n}


def test_replays_in_other_processes_have_the_same_bits(campaigns):
    told = campaigns.replay(20, seed=1, engine="numpy", kinds=("dropout, momentum", "batch normalization"))
    assert told["replays"] == 20
    odd = ("differing bits of a loss", "other states after the step", "steps not called exact", "processes that failed")
    assert [told[what] for what in odd] == [0, 0, 0, 0]


def test_kills_at_any_moment_leave_runs_that_open_and_resume(campaigns):
    told = campaigns.kill(5, seed=2, compiled=0.0, compare=2, longest=1.0)
    assert told["kills"] == 5
    assert told["opened"] + told["before it had its name"] == 5
    assert not problems(told)


def test_torn_bytes_are_noticed_by_the_name_of_their_file(campaigns):
    told = campaigns.flip(80, seed=3)
    assert told["noticed, by name"] == 80
    assert not problems(told)
