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
    pl.Adadelta(0.5),
    pl.Adamax(0.01, weight_decay=0.01),
    pl.Nadam(0.01),
    pl.Lion(0.01, weight_decay=0.1),
    pl.Lamb(0.1),
    pl.Lamb(0.1, weight_decay=0.01),
    pl.Muon(0.1, nesterov=False),
    pl.SGD(0.1, use_ema=True, ema_momentum=0.75),
    pl.Adam(0.1, use_ema=True, ema_momentum=0.75, ema_overwrite_frequency=2),
    pl.SGD(0.1, lookahead_period=2),
    pl.Adam(0.1, lookahead_period=3, lookahead_step_size=0.8, use_ema=True, ema_momentum=0.75),
]
WHOLE = ("trust_ratio", "orthogonal", "scale", "momentum_product")
"""Methods of an optimizer that a rule calls: they are printed by name, and their value is worked out here."""


def known_at(optimizer: Optimizer, state: Any, g: Any, w: Any) -> dict[str, Any]:
    """What the first line of a rule starts from."""
    n = int(state["step"])
    return dict(zip(optimizer.slots, optimizer.slots_of(state, "w"), strict=True)) | {
        "average": state.get("average/w"),
        "slow": state.get("slow/w"),
        "g": g,
        "w": w,
        "rate": float(optimizer.rate(np, n)),
        "t": n + 1,
    }


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_lines_are_the_update(optimizer: Optimizer, worth: Callable[[str], float]) -> None:
    w = {"w": np.array([[0.75, -1.0], [0.5, 0.25]])}
    state = optimizer.init(w)
    for g in (1.5, -0.25, 0.125, 0.0, 2.0):
        slopes = {"w": g * np.array([[1.0, 0.5], [-0.5, 1.5]])}
        lines = update_lines(optimizer, known_at(optimizer, state, slopes["w"], w["w"]), (1, 1))
        updates, state = optimizer.update(slopes, state, w)
        last: dict[str, float] = {}
        for line in lines:
            name, *same = line.split(" = ")
            values = [worth(text) for text in same if not text.startswith(WHOLE)]
            assert values == pytest.approx([values[-1]] * len(values), rel=2e-5, abs=1e-6), (
                line
            )  # six digits of two numbers below 1
            last[name] = values[-1]
        assert last["change"] == pytest.approx(float(updates["w"][1, 1]), rel=2e-5, abs=1e-9)
        kept = {*optimizer.slots, *optimizer.after_rule()}
        for slot in kept - set(optimizer.unused()):
            assert last[slot] == pytest.approx(float(state[f"{slot}/w"][1, 1]), rel=2e-5, abs=1e-9), slot
        w = {"w": w["w"] + updates["w"]}


def test_only_the_branch_that_ran_is_printed() -> None:
    known = {"g": 1.0, "w": 2.0, "rate": 0.5, "t": 1, "velocity": 0.0}
    assert update_lines(pl.SGD(0.5), known) == ["velocity = -0.5 × 1 = -0.5", "change = -0.5"]
    assert update_lines(pl.SGD(0.5, weight_decay=0.25), known) == [
        "velocity = -0.5 × 1 = -0.5",
        "change = -0.5",
        "change = (-0.5) - 0.5 × 0.25 × 2 = -0.75",
    ]


def test_a_whole_array_is_named_and_its_number_printed() -> None:
    w, g = np.array([3.0, 4.0]), np.array([1.0, -1.0])
    known = {"g": g, "w": w, "rate": 0.5, "t": 1, "m": 0 * w, "v": 0 * w}
    *_, trust, change = update_lines(pl.Lamb(0.5, epsilon=0.0), known, (1,))
    assert trust == "trust = trust_ratio(w, move) = 3.53553"
    assert change == "change = -0.5 × 3.53553 × (-1) = 1.76777"
    known = {"g": np.eye(2), "w": np.eye(2), "rate": 0.5, "t": 1, "m": 0 * np.eye(2)}
    lines = update_lines(pl.Muon(0.5, weight_decay=None), known, (0, 0))
    assert [line.partition(" = ")[2].partition(" = ")[0] for line in lines[2:4]] == ["orthogonal(ahead)", "scale(w)"]


def test_a_rule_that_is_not_arithmetic_says_so() -> None:
    class Odd(pl.SGD):
        def rule(self, xp: Any, g: Any, w: Any, rate: Any, t: Any, velocity: Any) -> tuple[Any, ...]:
            change = [g][0]
            return change, velocity

    with pytest.raises(NotImplementedError, match=r"\[g\]\[0\]"):
        update_lines(Odd(), {"g": 1.0})
