"""A pass is a tape: everything one pass needs, and every number it made.

    tape = Tape({"w": array([2.0])})
    w = tape.parameter("w")             a Value: an array that lives on a tape
    y = w * w + 1.0                     two nodes: multiply, add

The arrays may be NumPy's (each node keeps numbers to look at) or JAX tracers (the same Python lines then
describe a program that XLA compiles). Nothing here knows which.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pellucid.autodiff.op import OPS, Array, Op
from pellucid.autodiff.origin import Index, Origin
from pellucid.errors import UsageError


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One line of a tape: what was computed, from what, by whom, and what came out."""

    index: int
    op: Op | None
    """None for what the pass was given: a parameter, the batch, a constant."""
    inputs: tuple[Any, ...]
    """Values of the same tape, or plain numbers and arrays."""
    settings: Mapping[str, Any]
    output: Array
    path: str
    """The layer that made it ("dense_1"), or the name of what was given ("dense_1/kernel", "x")."""
    backward_of: int | None = None
    """For a node of the backward pass: the forward node whose rule made it."""

    def origin(self, index: Index) -> Origin | None:
        """What one number of the output was made from, where its op says so."""
        if self.op is None:
            return None
        arrays = [value.array if isinstance(value, Value) else value for value in self.inputs]
        return self.op.origin_of(index, self.output, arrays, self.settings)


@dataclass
class Tape:
    """What a pass needs (parameters, seed, step, whether it trains) and what it did (nodes)."""

    parameters: dict[str, Array]
    seed: Any = 0
    step: Any = 0
    training: bool = False
    dtype: Any = None
    """Of weights that this pass creates; None where the pass may not create any."""
    untrained: dict[str, Array] = field(default_factory=dict[str, Array])
    """What a layer remembers from step to step without learning it by its gradient, as a running mean."""
    next_untrained: dict[str, Value] = field(default_factory=dict[str, "Value"])
    """What each of them is after this pass."""
    penalties: dict[str, Callable[[Value], Value]] = field(default_factory=dict[str, "Callable[[Value], Value]"])
    """By the path of a parameter: what its size adds to the loss."""
    constraints: dict[str, Callable[[Any, Array], Array]] = field(
        default_factory=dict[str, "Callable[[Any, Array], Array]"]
    )
    """By the path of a parameter: what is made of it, in a namespace, after each update."""
    masks: dict[int, Value] = field(default_factory=dict[int, "Value"])
    """For a node that holds sequences (n, t, …): which steps count, (n, t) of 1 and 0, where not all do."""
    nodes: list[Node] = field(default_factory=list[Node])
    layers: list[tuple[object, str]] = field(default_factory=list[tuple[object, str]])
    """The layers being called, outermost first, each with its path."""
    paths: dict[int, str] = field(default_factory=dict[int, str])
    """By a layer's identity: its path in the network that is called."""
    draws: dict[str, int] = field(default_factory=dict[str, int])
    """How often each path has asked for random numbers, so that a layer called twice draws anew."""
    slopes: dict[int, int] = field(default_factory=dict[int, int])
    """After back-propagation: for a node's index, that of the node which holds its gradient."""
    _given: dict[str, Value] = field(default_factory=dict[str, "Value"])
    _backward_of: Node | None = None

    @property
    def path(self) -> str:
        """The path of the layer being called."""
        if self._backward_of is not None:
            return self._backward_of.path
        return self.layers[-1][1] if self.layers else ""

    def parameter(self, path: str) -> Value:
        """The parameter, or untrained number, at `path`: the same Value each time, so that shared weights share a
        gradient."""
        if path not in self._given:
            known = self.parameters if path in self.parameters else self.untrained
            self._given[path] = self.given(path, known[path])
        return self._given[path]

    def given(self, name: str, array: Array) -> Value:
        """Puts on the tape an array that no op of this tape made."""
        return self._append(None, (), {}, array, name)

    def record(self, op: Op, inputs: tuple[Any, ...], settings: Mapping[str, Any], output: Array) -> Value:
        """Adds the node of one op that ran."""
        return self._append(op, inputs, settings, output, self.path)

    def _append(
        self, op: Op | None, inputs: tuple[Any, ...], settings: Mapping[str, Any], output: Array, path: str
    ) -> Value:
        if hasattr(output, "flags") and hasattr(output.flags, "writeable") and op is not None:
            output.flags.writeable = False
        origin = self._backward_of.index if self._backward_of is not None else None
        node = Node(len(self.nodes), op, inputs, settings, output, path, origin)
        self.nodes.append(node)
        return Value(self, node)

    @contextmanager
    def backward(self, node: Node) -> Generator[None]:
        """While it is open, what is recorded belongs to the backward pass of `node`."""
        before, self._backward_of = self._backward_of, node
        try:
            yield
        finally:
            self._backward_of = before


class Value:
    """An array on a tape. Arithmetic on it is arithmetic on the array, and adds a node to the tape."""

    __slots__ = ("node", "tape")
    __array_ufunc__ = None  # so that numpy_array @ value asks Value, instead of looping over it
    __hash__ = object.__hash__

    def __init__(self, tape: Tape, node: Node) -> None:
        self.tape = tape
        self.node = node

    @property
    def array(self) -> Array:
        return self.node.output

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.node.output.shape)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def dtype(self) -> Any:
        return self.node.output.dtype

    def __repr__(self) -> str:
        name = self.node.op.name if self.node.op else self.node.path
        return f"Value({name}, shape={self.shape}, node {self.node.index})"

    def __bool__(self) -> bool:
        raise UsageError(
            "a Value has no truth value while a network is being run: the step is compiled for every input "
            "at once. Use pellucid.where(condition, a, b) instead of an if."
        )

    def __add__(self, other: Any) -> Value:
        return _call("add", self, other)

    def __radd__(self, other: Any) -> Value:
        return _call("add", other, self)

    def __sub__(self, other: Any) -> Value:
        return _call("subtract", self, other)

    def __rsub__(self, other: Any) -> Value:
        return _call("subtract", other, self)

    def __mul__(self, other: Any) -> Value:
        return _call("multiply", self, other)

    def __rmul__(self, other: Any) -> Value:
        return _call("multiply", other, self)

    def __truediv__(self, other: Any) -> Value:
        return _call("divide", self, other)

    def __rtruediv__(self, other: Any) -> Value:
        return _call("divide", other, self)

    def __pow__(self, exponent: float) -> Value:
        return _call("power", self, exponent=exponent)

    def __neg__(self) -> Value:
        return _call("negative", self)

    def __matmul__(self, other: Any) -> Value:
        return _call("matmul", self, other)

    def __rmatmul__(self, other: Any) -> Value:
        return _call("matmul", other, self)

    def __gt__(self, other: Any) -> Value:
        return _call("greater", self, other)

    def __ge__(self, other: Any) -> Value:
        return _call("greater_equal", self, other)

    def __lt__(self, other: Any) -> Value:
        return _call("greater", other, self)

    def __le__(self, other: Any) -> Value:
        return _call("greater_equal", other, self)


def _call(name: str, *inputs: Any, **settings: Any) -> Value:
    return OPS[name](*inputs, **settings)
