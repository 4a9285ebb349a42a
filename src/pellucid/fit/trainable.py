"""What training, recording and replay need of a network: a few methods. `Model` has them."""

from __future__ import annotations

from typing import Any, Protocol, Self

from pellucid.engine.step import Arrays, State
from pellucid.fit.compiled import Compiled
from pellucid.nn.layer import Layer


class Trainable(Protocol):
    """A network with weights and with the settings of `compile`."""

    compiled: Compiled

    def __call__(self, x: Any) -> Any:
        """What it gives for an input on a tape."""
        ...

    def children(self) -> dict[str, Layer]:
        """Its layers, by name."""
        ...

    def build(self, x: Any, seed: int = 0) -> None:
        """Creates the weights by a pass of one row."""
        ...

    def parameters(self) -> Arrays:
        """Every weight by path, as NumPy arrays."""
        ...

    def untrained(self) -> Arrays:
        """What layers remember that no gradient changes, by path."""
        ...

    def load_parameters(self, parameters: Any) -> None:
        """Takes weights by path."""
        ...

    def state(self) -> State:
        """The weights, in the precision that it computes in."""
        ...

    def take(self, state: State) -> None:
        """Takes the weights of a state."""
        ...

    def clone(self) -> Self:
        """A copy that shares nothing with this one."""
        ...
