"""Activations by their Keras names."""

from __future__ import annotations

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
    if activation is None or callable(activation) or activation in NAMES:
        return
    near = get_close_matches(str(activation), NAMES, 1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise UsageError(f"activation {activation!r} is not known{hint} Known: {', '.join(NAMES)}")


assert all(name in OPS for name in NAMES if name not in ("linear", "silu"))
