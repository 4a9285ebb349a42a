"""Recurrent layers: a cell that goes through a sequence step by step. x: (n, t, features).

All take what Keras' layers take: `return_sequences` gives every step's output (n, t, units), else the last step's
(n, units); `return_state` gives the last states as well; `initial_state` starts from other states than 0; steps that a
mask passes over leave the states as they are. The inputs of all steps meet their weights in one matmul.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pellucid.autodiff import Value, namespace, ops
from pellucid.autodiff.random import Real, keep_mask
from pellucid.autodiff.recurrence import Cell, States, recur
from pellucid.errors import ShapeError, UsageError
from pellucid.nn import initializers
from pellucid.nn.activations import Activation, activate
from pellucid.nn.activations import check as check_activation
from pellucid.nn.initializers import Initializer
from pellucid.nn.layer import Layer


class SimpleRNN(Layer):
    """h_t = activation(x_t @ kernel + h_{t-1} @ recurrent_kernel + bias)        (Elman 1990)

    kernel: (features, units); recurrent_kernel: (units, units); bias: (units,). dropout drops inputs, the same of each
    step; recurrent_dropout what is handed from step to step.

    Raises UsageError for units below 1, an unknown activation, a rate outside 0 … 1; ShapeError for x that is no
    sequence.

    >>> import numpy as np, pellucid as pl
    >>> model = pl.Sequential([pl.SimpleRNN(4, return_sequences=True), pl.SimpleRNN(2)])
    >>> model.predict(np.zeros((3, 5, 6), dtype="float32")).shape
    (3, 2)

    Source: Elman (1990), doi:10.1207/s15516709cog1402_1.
    """

    units: int
    activation: Activation = "tanh"
    use_bias: bool = True
    kernel_initializer: str | Initializer = "glorot_uniform"
    recurrent_initializer: str | Initializer = "orthogonal"
    bias_initializer: str | Initializer = "zeros"
    dropout: float = 0.0
    recurrent_dropout: float = 0.0
    return_sequences: bool = False
    return_state: bool = False
    go_backwards: bool = False

    def __post_init__(self) -> None:
        _check(self, self.activation)

    def __call__(self, x: Value, initial_state: Any = None) -> Any:
        inputs = _inputs(self, x, self.units)
        if self.use_bias:
            inputs = inputs + self.weight(x, "bias", (self.units,), self.bias_initializer)
        recurrent = self.weight(x, "recurrent_kernel", (self.units, self.units), self.recurrent_initializer)

        def cell(now: Value, states: States, weights: States) -> States:
            h = _dropped_by(states[0], weights[1:])
            return (activate(self.activation, now + h @ weights[0]),)

        return _through(self, x, inputs, cell, 1, (recurrent,), initial_state)


class LSTM(Layer):
    """Long short-term memory: a state c that is written to and forgotten from by gates.

    i, f, g, o = split(x_t @ kernel + h_{t-1} @ recurrent_kernel + bias);
    c_t = σ(f)·c_{t-1} + σ(i)·activation(g);  h_t = σ(o)·activation(c_t), with σ the recurrent activation.

    kernel: (features, 4·units); recurrent_kernel: (units, 4·units); bias: (4·units,), 1 for f at first where
    unit_forget_bias. States: h, c. Arguments and errors as SimpleRNN.

    >>> import numpy as np, pellucid as pl
    >>> model = pl.Sequential([pl.LSTM(4), pl.Dense(1)])
    >>> model.predict(np.zeros((3, 5, 6), dtype="float32")).shape, model.parameters()["lstm/kernel"].shape
    ((3, 1), (6, 16))

    Source: Hochreiter and Schmidhuber (1997), doi:10.1162/neco.1997.9.8.1735; Gers et al. (2000),
    doi:10.1162/089976600300015015.
    """

    units: int
    activation: Activation = "tanh"
    recurrent_activation: Activation = "sigmoid"
    use_bias: bool = True
    kernel_initializer: str | Initializer = "glorot_uniform"
    recurrent_initializer: str | Initializer = "orthogonal"
    bias_initializer: str | Initializer = "zeros"
    unit_forget_bias: bool = True
    dropout: float = 0.0
    recurrent_dropout: float = 0.0
    return_sequences: bool = False
    return_state: bool = False
    go_backwards: bool = False

    def __post_init__(self) -> None:
        _check(self, self.activation, self.recurrent_activation)

    def __call__(self, x: Value, initial_state: Any = None) -> Any:
        u = self.units
        inputs = _inputs(self, x, 4 * u)
        if self.use_bias:
            first = ForgetBias(self.bias_initializer) if self.unit_forget_bias else self.bias_initializer
            inputs = inputs + self.weight(x, "bias", (4 * u,), first)
        recurrent = self.weight(x, "recurrent_kernel", (u, 4 * u), self.recurrent_initializer)

        def cell(now: Value, states: States, weights: States) -> States:
            h, c = _dropped_by(states[0], weights[1:]), states[1]
            z = now + h @ weights[0]
            i, f, g, o = (ops.columns(z, start=k * u, stop=(k + 1) * u) for k in range(4))
            i, f, o = (activate(self.recurrent_activation, gate) for gate in (i, f, o))
            c = f * c + i * activate(self.activation, g)
            return o * activate(self.activation, c), c

        return _through(self, x, inputs, cell, 2, (recurrent,), initial_state)


class GRU(Layer):
    """Gated recurrent unit: one state, mixed from the one before and a new one.

    z = σ(x_z + h_z), r = σ(x_r + h_r), g = activation(x_g + r·h_g), h_t = z·h_{t-1} + (1 - z)·g, where x_ is
    x_t @ kernel + bias[0] and h_ is h_{t-1} @ recurrent_kernel + bias[1], each split in three (reset_after=True, as
    Keras and cuDNN); else h_g is (r·h_{t-1}) @ its part of the kernel, and bias is (3·units,).

    kernel: (features, 3·units); recurrent_kernel: (units, 3·units). Arguments and errors as SimpleRNN.

    >>> import numpy as np, pellucid as pl
    >>> model = pl.Sequential([pl.GRU(4, return_sequences=True)])
    >>> model.predict(np.zeros((3, 5, 6), dtype="float32")).shape, model.parameters()["gru/bias"].shape
    ((3, 5, 4), (2, 12))

    Source: Cho et al. (2014), arXiv:1406.1078.
    """

    units: int
    activation: Activation = "tanh"
    recurrent_activation: Activation = "sigmoid"
    use_bias: bool = True
    kernel_initializer: str | Initializer = "glorot_uniform"
    recurrent_initializer: str | Initializer = "orthogonal"
    bias_initializer: str | Initializer = "zeros"
    dropout: float = 0.0
    recurrent_dropout: float = 0.0
    return_sequences: bool = False
    return_state: bool = False
    go_backwards: bool = False
    reset_after: bool = True

    def __post_init__(self) -> None:
        _check(self, self.activation, self.recurrent_activation)

    def __call__(self, x: Value, initial_state: Any = None) -> Any:
        u = self.units
        inputs = _inputs(self, x, 3 * u)
        recurrent = self.weight(x, "recurrent_kernel", (u, 3 * u), self.recurrent_initializer)
        weights: States = (recurrent,)
        if self.use_bias and self.reset_after:
            both = self.weight(x, "bias", (2, 3 * u), self.bias_initializer)
            flat = ops.reshape(both, shape=(6 * u,))
            inputs = inputs + ops.columns(flat, start=0, stop=3 * u)
            weights = (recurrent, ops.columns(flat, start=3 * u, stop=6 * u))
        elif self.use_bias:
            inputs = inputs + self.weight(x, "bias", (3 * u,), self.bias_initializer)
        count = len(weights)

        def cell(now: Value, states: States, weights: States) -> States:
            was, kernel = states[0], weights[0]
            h = _dropped_by(was, weights[count:])
            xz, xr, xg = (ops.columns(now, start=k * u, stop=(k + 1) * u) for k in range(3))
            if self.reset_after:
                made = h @ kernel if count == 1 else h @ kernel + weights[1]
            else:
                made = h @ ops.columns(kernel, start=0, stop=2 * u)
            z = activate(self.recurrent_activation, xz + ops.columns(made, start=0, stop=u))
            r = activate(self.recurrent_activation, xr + ops.columns(made, start=u, stop=2 * u))
            if self.reset_after:
                hg = r * ops.columns(made, start=2 * u, stop=3 * u)
            else:
                hg = (r * h) @ ops.columns(kernel, start=2 * u, stop=3 * u)
            return (z * was + (1.0 - z) * activate(self.activation, xg + hg),)

        return _through(self, x, inputs, cell, 1, weights, initial_state)


@dataclass(frozen=True)
class ForgetBias(Initializer):
    """An LSTM's first bias: as given, but 1 for the forget gate, so that it remembers at first.

    Source: Jozefowicz, Zaremba and Sutskever (2015), proceedings.mlr.press/v37/jozefowicz15.html.
    """

    other: str | Initializer = "zeros"

    def draw(self, shape: tuple[int, ...], seed: int, path: str) -> Real:
        drawn = initializers.get(self.other).draw(shape, seed, path)
        units = shape[0] // 4
        drawn[units : 2 * units] = 1
        return drawn


def _check(layer: Any, *activations: Activation) -> None:
    kind = type(layer).__name__
    if isinstance(layer.units, bool) or not isinstance(layer.units, int) or layer.units < 1:
        raise UsageError(f"{kind}(units={layer.units!r}): units is a whole number, 1 or more")
    for activation in activations:
        check_activation(activation)
    for name in ("dropout", "recurrent_dropout"):
        if not 0 <= getattr(layer, name) < 1:
            raise UsageError(f"{kind}({name}={getattr(layer, name)!r}): it is a probability from 0 to below 1")


def _inputs(layer: Any, x: Value, width: int) -> Value:
    """What the inputs of all steps come to: x @ kernel, (n, t, width)."""
    if x.ndim != 3:
        raise ShapeError(
            f"{type(layer).__name__} takes sequences, (rows, steps, features), but x has shape {x.shape}; for numbers "
            "in time use x[..., None], for words an Embedding before it"
        )
    kernel = layer.weight(x, "kernel", (x.shape[-1], width), layer.kernel_initializer)
    keep = _mask(x, "dropout", (x.shape[0], 1, x.shape[-1]), layer.dropout)
    return (x if keep is None else x * keep) @ kernel


def _through(layer: Any, x: Value, inputs: Value, cell: Cell, count: int, weights: States, initial: Any) -> Any:
    """Takes the inputs through the cell; what the layer gives."""
    units = layer.units
    mask = x.tape.masks.get(x.row.index)
    if layer.go_backwards:
        inputs = ops.reverse_time(inputs)
        mask = None if mask is None else ops.reverse_time(mask)
    keep = _mask(x, "recurrent_dropout", (x.shape[0], units), layer.recurrent_dropout)
    more = () if keep is None else (keep,)
    found = recur(cell, inputs, _begin(layer, x, count, initial), (*weights, *more), mask)
    last = ops.at_time(found, step=-1)
    ends = [ops.columns(last, start=i * units, stop=(i + 1) * units) if count > 1 else last for i in range(count)]
    output = ends[0]
    if layer.return_sequences:
        output = ops.columns(found, start=0, stop=units) if count > 1 else found
        if mask is not None:
            x.tape.masks[output.row.index] = mask
    return (output, *ends) if layer.return_state else output


def _begin(layer: Any, x: Value, count: int, initial: Any) -> States:
    """The states before the first step: 0, or those given."""
    shape = (x.shape[0], layer.units)
    if initial is None:
        zeros = namespace(x.array).zeros(shape, dtype=x.dtype)
        return tuple(x.tape.given("constant", zeros) for _ in range(count))
    given: Sequence[Value] = initial if isinstance(initial, list | tuple) else [initial]
    if len(given) != count or any(state.shape != shape for state in given):
        shapes = ", ".join(str(state.shape) for state in given)
        raise ShapeError(f"{type(layer).__name__}: initial_state is {count} of shape {shape}, but was given {shapes}")
    return tuple(given)


def _mask(x: Value, name: str, shape: tuple[int, ...], rate: float) -> Value | None:
    """What a dropout multiplies by while training: 0, or 1 / (1 - rate)."""
    tape = x.tape
    if not tape.training or rate == 0:
        return None
    xp = namespace(x.array)
    keep = keep_mask(xp, tape.seed, tape.step, f"{tape.path}/{name}", shape, rate)
    return tape.given("constant", xp.astype(keep, x.dtype) / (1 - rate))


def _dropped_by(h: Value, masks: States) -> Value:
    return h * masks[0] if masks else h
