"""Activations by their Keras names."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from difflib import get_close_matches
from typing import Any

from pellucid.autodiff import OPS, Value
from pellucid.errors import UsageError

Activation = str | Callable[[Any], Any] | None

NAMES = (
    "linear",
    "relu",
    "leaky_relu",
    "elu",
    "selu",
    "gelu",
    "sigmoid",
    "tanh",
    "softplus",
    "swish",
    "silu",
    "softmax",
    "log_softmax",
)


def activate(activation: Activation, x: Value) -> Value:
    """Applies an activation given by name ("relu"), by its op (pellucid.relu) or not at all (None)."""
    check(activation)
    if activation is None or activation == "linear":
        return x
    if isinstance(activation, str):
        return OPS["swish" if activation == "silu" else activation](x)
    return activation(x)


def check(activation: Activation) -> None:
    """Raises UsageError for a name that is no activation."""
    if activation is None or callable(activation) or activation in NAMES or _is_written_op(activation):
        return
    near = get_close_matches(str(activation), NAMES, 1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise UsageError(f"activation {activation!r} is not known{hint} Known: {', '.join(NAMES)}")


def _is_written_op(name: Any) -> bool:
    """Whether it names an op that is given as an object (pellucid.square), as a file has it: one of a single array."""
    given = inspect.signature(OPS[name].forward).parameters.values() if isinstance(name, str) and name in OPS else ()
    return sum(parameter.kind is parameter.POSITIONAL_OR_KEYWORD for parameter in given) == 2


assert all(name in OPS for name in NAMES if name not in ("linear", "silu"))
