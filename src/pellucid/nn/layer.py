"""A layer is a recipe with one method: called on a Value, it takes its weights from that Value's tape.

    class Dense(Layer):
        units: int

        def __call__(self, x):
            return x @ self.weight(x, "kernel", (x.shape[-1], self.units), "glorot_uniform")

A subclass is a dataclass without asking to be one. Its weights live in it, by name; a network gathers those of all
its layers by path (nn/graph.py), and a pass works on what was gathered. The path of a layer is its place: `name` if
given, else its class in snake case with `_1`, `_2` … for the next ones of a kind inside the same parent, and the
parent's path before it. A layer that stands in two places, or in two networks, has one set of weights.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections import Counter
from collections.abc import Container
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, ClassVar, Self, dataclass_transform

from pellucid.autodiff import Tape, Value
from pellucid.errors import ShapeError, UsageError
from pellucid.nn import initializers, regularizers
from pellucid.registry import Configured
from pellucid.registry.arguments import takes_arguments

_CHANGES = [0]


def settings_changed() -> int:
    """How often an attribute of any layer was set: where it is the number that it was, every layer is as it was."""
    return _CHANGES[0]


@dataclass
class WeightStore:
    """The arrays that a layer keeps, by name: weights, and what it remembers without learning it by a gradient."""

    trained: dict[str, Any] = field(default_factory=dict[str, Any])
    untrained: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass_transform(eq_default=False, kw_only_default=False, field_specifiers=(field,))
@dataclass(eq=False)
class Layer(Configured):
    """The base of every layer and model."""

    name: str | None = field(default=None, kw_only=True)
    weight_store: WeightStore = field(default_factory=WeightStore, init=False, repr=False, kw_only=True)
    is_model: ClassVar[bool] = False
    beside_settings: ClassVar[tuple[str, ...]] = ("weight_store",)
    """The attributes that are no settings: what the layer holds and what was done with it."""
    tag: ClassVar[str] = "class"
    defaults_written: ClassVar[bool] = False
    one_object: ClassVar[bool] = True

    def __new__(cls, *given: Any, **named: Any) -> Self:
        made = super().__new__(cls, *given, **named)
        for declared in fields(cls):  # they exist, whether or not an __init__ calls the one above it
            if not declared.init and declared.default_factory is not MISSING:
                setattr(made, declared.name, declared.default_factory())
        return made

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        # An __init__ of a person's own is inherited too, unless the subclass has fields of its own.
        own = [kind for kind in inspect.get_annotations(cls).values() if "ClassVar" not in str(kind)]
        dataclass(cls, eq=False, repr="__repr__" not in vars(cls), init=bool(own) or not takes_arguments(cls))
        if "__call__" in vars(cls):
            cls.__call__ = _entered(vars(cls)["__call__"])

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        _CHANGES[0] += 1

    def __call__(self, x: Any) -> Any:
        raise UsageError(f"{type(self).__name__} has no __call__(self, x): write what it does to x")

    def weight(
        self,
        x: Value,
        name: str,
        shape: tuple[int, ...],
        initializer: str | initializers.Initializer | None = None,
        regularizer: str | regularizers.Regularizer | None = None,
        constraint: str | regularizers.Constraint | None = None,
        *,
        role: str | None = None,
    ) -> Value:
        """This layer's weight `name` on the tape of x; the first pass of a model creates it.

        regularizer: what its size adds to the loss; constraint: what is made of it after each update. What is not given
        is what the layer's fields say, as `kernel_regularizer` of the weight "kernel", or of another in the role
        "kernel"; an initializer that no one gives is "glorot_uniform".
        """
        path, tape, role = self._path_of(x, name), x.tape, role or name.rpartition("/")[2]
        if (price := regularizers.regularizer(regularizer or getattr(self, f"{role}_regularizer", None))) is not None:
            tape.penalties[path] = price
        if (limit := regularizers.constraint(constraint or getattr(self, f"{role}_constraint", None))) is not None:
            tape.constraints[path] = limit
        first = initializer or getattr(self, f"{role}_initializer", "glorot_uniform")
        return _placed(x, tape.parameters, path, shape, first, tape.dtype)

    def remembered(
        self, x: Value, name: str, shape: tuple[int, ...], initializer: str | initializers.Initializer = "zeros"
    ) -> Value:
        """A number array of this layer that no gradient changes, as a running mean; `remember` moves it on."""
        path, tape = self._path_of(x, name), x.tape
        if path in tape.parameters:  # loaded before the first pass, when no one knew which are trained
            tape.untrained[path] = tape.parameters.pop(path)
        return _placed(x, tape.untrained, path, shape, initializer, tape.dtype or x.dtype)

    def remember(self, x: Value, name: str, value: Value) -> None:
        """What the untrained array `name` is after this pass."""
        x.tape.next_untrained[self._path_of(x, name)] = value

    def _path_of(self, x: Value, name: str) -> str:
        return joined(x.tape.path, name)

    def children(self) -> dict[str, Layer]:
        """The layers inside this one, by name, in the order in which they were set."""
        found: dict[int, Layer] = {}
        for value in vars(self).values():
            for layer in value if isinstance(value, list | tuple) else (value,):
                if isinstance(layer, Layer):
                    found.setdefault(id(layer), layer)
        given = Counter(layer.name for layer in found.values() if layer.name)
        if twice := [name for name, count in given.items() if count > 1]:
            raise UsageError(f"two layers are named {twice[0]!r}; give each its own name")
        names: dict[str, Layer] = {}
        numbers: Counter[str] = Counter()
        for layer in found.values():
            names[layer.name or _unused(snake_case(type(layer).__name__), numbers, given)] = layer
        return names


def _placed(
    x: Value,
    known: dict[str, Any],
    path: str,
    shape: tuple[int, ...],
    initializer: str | initializers.Initializer,
    dtype: Any,
) -> Value:
    """The array at `path` as a Value; one that is not there is drawn, in a pass that may: dtype is not None."""
    tape = x.tape
    if path not in known:
        if dtype is None:
            listed = ", ".join(known) or "none"
            raise UsageError(f"no weight {path!r} is known (known: {listed}); run model.predict(x) first")
        draw = initializers.get(initializer)
        known[path] = draw(shape, tape.seed, path, dtype)
    found = tuple(known[path].shape)
    if found != shape:
        raise ShapeError(
            f"{path} has shape {found}, but for an input of shape {x.shape} it has to be {shape}: the model "
            "was built for inputs of another size"
        )
    return tape.parameter(path)


def tape_of(inputs: tuple[Any, ...]) -> Tape | None:
    """The tape of the first Value among a layer's inputs."""
    for value in inputs:
        if isinstance(value, Value):
            return value.tape
        if isinstance(value, list | tuple | dict):
            inside = tuple(value.values()) if isinstance(value, dict) else tuple(value)
            if (tape := tape_of(inside)) is not None:
                return tape
    return None


def _entered(call: Any) -> Any:
    """Wraps a layer's `__call__` so that the tape knows, while it runs, which layer is at work."""

    @functools.wraps(call)
    def called(self: Layer, *inputs: Any, **options: Any) -> Any:
        tape = tape_of(inputs)
        if tape is None:
            raise UsageError(
                f"{type(self).__name__} was called on an array. A layer works inside a pass: put it into a model "
                "and call model.predict(x), or call it on a Value"
            )
        if tape.layers and tape.layers[-1][0] is self:  # super().__call__ of a subclass
            return call(self, *inputs, **options)
        tape.layers.append((self, _path(self, tape)))
        try:
            output = call(self, *inputs, **options)
        finally:
            tape.layers.pop()
        if tape.masks:
            _hand_on(tape, inputs, output)
        return output

    return called


def _hand_on(tape: Tape, inputs: tuple[Any, ...], output: Any) -> None:
    """A layer whose output has the steps of its input, and says nothing else, leaves their mask as it is."""
    if not isinstance(output, Value) or output.node.index in tape.masks:
        return
    for x in inputs:
        mask = tape.masks.get(x.node.index) if isinstance(x, Value) else None
        if mask is not None and output.ndim > 2 and output.shape[:2] == mask.shape:
            tape.masks[output.node.index] = mask
            return


def _path(layer: Layer, tape: Tape) -> str:
    """Where a layer stands in the network that is at work: the same place, whoever calls it."""
    if not tape.layers:
        start = "" if layer.is_model else layer.name or snake_case(type(layer).__name__)
        tape.paths.update({id(inside): path for path, inside in layers_of(layer, start).items()})
    elif id(layer) not in tape.paths:  # made since the pass began, as one whose size is its input's
        parent, above = tape.layers[-1]
        children = parent.children() if isinstance(parent, Layer) else {}
        name = next((name for name, child in children.items() if child is layer), None)
        if name is None:
            raise UsageError(
                f"{type(parent).__name__} called a {type(layer).__name__} that it does not hold; set it as an "
                "attribute (self.hidden = Dense(8)) once, so that its weights are kept"
            )
        for path, inside in layers_of(layer, joined(above, name)).items():
            tape.paths.setdefault(id(inside), path)
    return tape.paths[id(layer)]


def layers_of(root: Layer, path: str = "") -> dict[str, Layer]:
    """Every layer of a network by path, each once, the network itself first. A layer that can be reached in several
    ways has the first of its paths, in the order in which layers were set.

    >>> import pellucid as pl
    >>> list(layers_of(pl.Sequential([pl.Dense(2), pl.TimeDistributed(pl.Dense(3))])))
    ['', 'dense', 'time_distributed', 'time_distributed/dense']
    """
    found: dict[str, Layer] = {}
    seen: set[int] = set()
    waiting = [(path, root)]
    while waiting:
        path, layer = waiting.pop()
        if id(layer) in seen:
            continue
        if path in found:
            raise UsageError(f"two layers have the path {path!r}; give one of them another name")
        seen.add(id(layer))
        found[path] = layer
        waiting += reversed([(joined(path, name), child) for name, child in layer.children().items()])
    return found


def joined(path: str, name: str) -> str:
    """A path and a name below it."""
    return f"{path}/{name}" if path else name


@functools.cache
def snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z0-9])(?=[A-Z][a-z])", "_", name).lower()


def _unused(kind: str, numbers: Counter[str], taken: Container[str]) -> str:
    """The kind, or with the next number that makes it new."""
    while True:
        number = numbers[kind]
        numbers[kind] += 1
        name = f"{kind}_{number}" if number else kind
        if name not in taken:
            return name
