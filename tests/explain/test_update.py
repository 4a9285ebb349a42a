"""The printed lines of an update, worked out, are the update that the optimizer made."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pellucid as pl
from pellucid.explain.update import update_lines
from pellucid.optim import Optimizer

OPTIMIZERS: list[Optimizer] = [
    pl.SGD(0.1),
    pl.SGD(0.1, momentum=0.9),
    pl.SGD(0.1, momentum=0.9, nesterov=True),
    pl.SGD(0.1, nesterov=True),
    pl.SGD(0.1, weight_decay=0.02),
    pl.SGD(0.1, momentum=0.5, nesterov=True, weight_decay=0.02),
    pl.Adam(0.01),
    pl.Adam(0.01, amsgrad=True),
    pl.Adam(0.01, weight_decay=0.1),
    pl.AdamW(0.01),
    pl.AdamW(0.01, amsgrad=True, weight_decay=0.3),
    pl.AdamW(pl.CosineDecay(0.0, 20, warmup_target=0.05, warmup_steps=2)),
    pl.RMSprop(0.01),
    pl.RMSprop(0.01, centered=True),
    pl.RMSprop(0.01, momentum=0.9),
    pl.RMSprop(0.01, centered=True, momentum=0.9, weight_decay=0.01),
    pl.Adagrad(0.1),
    pl.Adagrad(0.1, initial_accumulator_value=0.0, weight_decay=0.01),
]


def known_at(optimizer: Optimizer, state: Any, g: float, w: float) -> dict[str, Any]:
    """What the first line of a rule starts from, for one weight."""
    slots = zip(optimizer.slots, optimizer.slots_of(state, "w"), strict=True)
    n = int(state["step"])
    return {name: float(np.asarray(value).reshape(-1)[0]) for name, value in slots} | {
        "g": g,
        "w": w,
        "rate": float(optimizer.rate(np, n)),
        "t": n + 1,
    }


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_lines_are_the_update(optimizer: Optimizer, worth: Callable[[str], float]) -> None:
    w = {"w": np.array([0.75])}
    state = optimizer.init(w)
    for g in (1.5, -0.25, 0.125, 0.0, 2.0):
        lines = update_lines(optimizer, known_at(optimizer, state, g, float(w["w"][0])))
        updates, state = optimizer.update({"w": np.array([g])}, state, w)
        last: dict[str, float] = {}
        for line in lines:
            name, *same = line.split(" = ")
            values = [worth(text) for text in same]
            assert values == pytest.approx([values[-1]] * len(values), rel=2e-5, abs=1e-8), line
            last[name] = values[-1]
        assert last["change"] == pytest.approx(float(updates["w"][0]), rel=2e-5, abs=1e-9)
        for slot in set(optimizer.slots) - set(optimizer.unused()):
            assert last[slot] == pytest.approx(float(state[f"{slot}/w"][0]), rel=2e-5, abs=1e-9), slot
        w = {"w": w["w"] + updates["w"]}


def test_only_the_branch_that_ran_is_printed() -> None:
    known = {"g": 1.0, "w": 2.0, "rate": 0.5, "t": 1, "velocity": 0.0}
    assert update_lines(pl.SGD(0.5), known) == ["velocity = -0.5 × 1 = -0.5", "change = -0.5"]
    assert update_lines(pl.SGD(0.5, weight_decay=0.25), known) == [
        "velocity = -0.5 × 1 = -0.5",
        "change = -0.5",
        "change = (-0.5) - 0.5 × 0.25 × 2 = -0.75",
    ]


def test_a_rule_that_is_not_arithmetic_says_so() -> None:
    class Odd(pl.SGD):
        def rule(self, xp: Any, g: Any, w: Any, rate: Any, t: Any, velocity: Any) -> tuple[Any, ...]:
            change = [g][0]
            return change, velocity

    with pytest.raises(NotImplementedError, match=r"\[g\]\[0\]"):
        update_lines(Odd(), {"g": 1.0})
