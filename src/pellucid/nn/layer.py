"""A layer is a recipe with one method: called on a Value, it takes its weights from that Value's tape.

    class Dense(Layer):
        units: int

        def __call__(self, x):
            return x @ self.weight(x, "kernel", (x.shape[-1], self.units), "glorot_uniform")

A subclass is a dataclass without asking to be one. It keeps no weights: they are a flat dict, path to
array, that belongs to the model. The path of a layer is its place: `name` if given, else its class in snake
case with `_1`, `_2` … for the next ones of a kind inside the same parent, and the parent's path before it.
"""

from __future__ import annotations

import functools
import inspect
import re
from dataclasses import dataclass, field
from typing import Any, ClassVar, dataclass_transform

from pellucid.autodiff import Tape, Value
from pellucid.errors import ShapeError, UsageError
from pellucid.nn import initializers, regularizers
from pellucid.registry import Configured
from pellucid.registry.arguments import takes_arguments


@dataclass_transform(eq_default=False, kw_only_default=False, field_specifiers=(field,))
@dataclass(eq=False)
class Layer(Configured):
    """The base of every layer and model."""

    name: str | None = field(default=None, kw_only=True)
    is_model: ClassVar[bool] = False
    tag: ClassVar[str] = "class"
    defaults_written: ClassVar[bool] = False
    one_object: ClassVar[bool] = True

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        # An __init__ of a person's own is inherited too, unless the subclass has fields of its own.
        own = [kind for kind in inspect.get_annotations(cls).values() if "ClassVar" not in str(kind)]
        dataclass(cls, eq=False, repr="__repr__" not in vars(cls), init=bool(own) or not takes_arguments(cls))
        if "__call__" in vars(cls):
            cls.__call__ = _entered(vars(cls)["__call__"])

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
        return f"{x.tape.path}/{name}" if x.tape.path else name

    def children(self) -> dict[str, Layer]:
        """The layers inside this one, by name, in the order in which they were set."""
        found: list[Layer] = []
        for value in vars(self).values():
            for layer in value if isinstance(value, list | tuple) else (value,):
                if isinstance(layer, Layer) and layer not in found:
                    found.append(layer)
        given = [layer.name for layer in found if layer.name]
        if twice := [name for name in given if given.count(name) > 1]:
            raise UsageError(f"two layers are named {twice[0]!r}; give each its own name")
        names: dict[str, Layer] = {}
        for layer in found:
            names[layer.name or _unused(snake_case(type(layer).__name__), {*names, *given})] = layer
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
    if not tape.layers:
        return "" if layer.is_model else layer.name or snake_case(type(layer).__name__)
    parent, above = tape.layers[-1]
    children = parent.children() if isinstance(parent, Layer) else {}
    name = next((name for name, child in children.items() if child is layer), None)
    if name is None:
        raise UsageError(
            f"{type(parent).__name__} called a {type(layer).__name__} that it does not hold; set it as an "
            "attribute (self.hidden = Dense(8)) once, so that its weights are kept"
        )
    return f"{above}/{name}" if above else name


def snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z0-9])(?=[A-Z][a-z])", "_", name).lower()


def _unused(name: str, taken: set[str]) -> str:
    """The name, or with the first number that makes it new."""
    found, number = name, 0
    while found in taken:
        number += 1
        found = f"{name}_{number}"
    return found
