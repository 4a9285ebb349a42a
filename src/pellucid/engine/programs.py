"""Compiled programs, once for each step that is the same: a second training of the same shape compiles nothing.

They live here, not in a model or an engine: keyed by the step's signature, the last ones used. A program is traced on a
copy of the network without weights, so that it keeps no model alive.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import replace
from typing import Any

from pellucid.engine.signature import signature
from pellucid.engine.step import Pass, Step
from pellucid.nn.graph import skeleton
from pellucid.nn.layer import Layer

MOST = 64
"""Steps whose programs are kept; the one that was not used for longest goes first."""


class Programs:
    """The compiled programs of one step, and what was found out while they were traced."""

    def __init__(self, step: Step) -> None:
        self.step = step
        """The step, of a network without weights."""
        self.compiled: dict[Hashable, Any] = {}
        self.passes: dict[tuple[int, ...], Pass] = {}
        """The pass that each tapped program was traced on, by the shape of its batches."""
        self.draws: bool | None = None
        """Whether a step that was traced asked for random numbers: then it is the program of one seed."""

    def traced(self, done: Pass) -> None:
        """Takes down what the pass of a training step was."""
        self.draws = bool(self.draws or done.loss.tape.draws or self.step.method is not None)

    def serves(self, step: Step) -> bool:
        """Whether these are the programs of a step that is like theirs but, perhaps, for its seed."""
        return self.step.seed == step.seed or self.draws is False

    def get(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """The program of that key; made where it is not there yet."""
        if key not in self.compiled:
            self.compiled[key] = make()
        return self.compiled[key]


_KEPT: OrderedDict[Hashable, Programs] = OrderedDict()


def programs_of(step: Step, wide: bool) -> Programs:
    """The programs of a step, whoever takes it."""
    network = step.model
    base = signature((network, step.loss, step.optimizer, step.metrics, step.method)), wide
    for key in ((base, None), (base, step.seed)):
        if (found := _KEPT.get(key)) is not None and found.serves(step):
            _KEPT.move_to_end(key)
            return found
    made = Programs(replace(step, model=_bare(network)))
    _KEPT[base, step.seed if (base, None) in _KEPT else None] = made
    while len(_KEPT) > MOST:
        _KEPT.popitem(last=False)
    return made


def forget() -> None:
    """Drops every compiled program; the next use compiles anew."""
    _KEPT.clear()


def _bare(network: Any) -> Any:
    """The network without weights, or as it is where it holds what cannot be copied."""
    try:
        return skeleton(network) if isinstance(network, Layer) else network
    except Exception:  # whatever an attribute of a person's own raises
        return network
