"""Recurrent layers: a cell that goes through a sequence step by step. x: (n, t, features).

All take what Keras' layers take: `return_sequences` gives every step's output (n, t, units), else the last step's
(n, units); `return_state` gives the last states as well; `initial_state` starts from other states than 0; steps that a
mask passes over leave the states as they are. The inputs of all steps meet their weights in one matmul.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from pellucid.arguments import whole
from pellucid.autodiff import Value, namespace, ops
from pellucid.autodiff.random import Real, keep_mask
from pellucid.autodiff.recurrence import Cell, States, recur
from pellucid.errors import ShapeError, UsageError
from pellucid.nn import initializers, weights
from pellucid.nn.activations import Activation, activate
from pellucid.nn.activations import check as check_activation
from pellucid.nn.initializers import Initializer
from pellucid.nn.layer import Layer
from pellucid.nn.weights import Bias, Kernel, RecurrentKernel


class Recurrent(Layer, Kernel, RecurrentKernel, Bias):
    """What SimpleRNN, LSTM and GRU have in common; `states` is how many a cell hands from step to step."""

    units: int
    activation: Activation = "tanh"
    use_bias: bool = field(default=True, kw_only=True)
    dropout: float = field(default=0.0, kw_only=True)
    recurrent_dropout: float = field(default=0.0, kw_only=True)
    return_sequences: bool = field(default=False, kw_only=True)
    return_state: bool = field(default=False, kw_only=True)
    go_backwards: bool = field(default=False, kw_only=True)
    states: ClassVar[int] = 1

    def __post_init__(self) -> None:
        kind = type(self).__name__
        whole("units", self.units, of=self)
        check_activation(self.activation)
        for name in ("dropout", "recurrent_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise UsageError(f"{kind}({name}={getattr(self, name)!r}): it is a probability from 0 to below 1")
        weights.check(self)

    def _inputs(self, x: Value, gates: int) -> Value:
        """What the inputs of all steps come to: x @ kernel, (n, t, gates · units)."""
        if x.ndim != 3:
            raise ShapeError(
                f"{type(self).__name__} takes sequences, (rows, steps, features), but x has shape {x.shape}; for "
                "numbers in time use x[..., None], for words an Embedding before it"
            )
        kernel = self.weight(x, "kernel", (x.shape[-1], gates * self.units))
        keep = _mask(x, "dropout", (x.shape[0], 1, x.shape[-1]), self.dropout)
        return (x if keep is None else x * keep) @ kernel

    def _recurrent_kernel(self, x: Value, gates: int) -> Value:
        return self.weight(x, "recurrent_kernel", (self.units, gates * self.units), role="recurrent")

    def _through(self, x: Value, inputs: Value, cell: Cell, weights: States, initial: Any) -> Any:
        """Takes the inputs through the cell; what the layer gives."""
        units, count = self.units, self.states
        mask = x.tape.masks.get(x.node.index)
        if self.go_backwards:
            inputs = ops.reverse_time(inputs)
            mask = None if mask is None else ops.reverse_time(mask)
        keep = _mask(x, "recurrent_dropout", (x.shape[0], units), self.recurrent_dropout)
        more = () if keep is None else (keep,)
        found = recur(cell, inputs, self._begin(x, initial), (*weights, *more), mask)
        last = ops.at_time(found, step=-1)
        ends = [ops.columns(last, start=i * units, stop=(i + 1) * units) if count > 1 else last for i in range(count)]
        output = ends[0]
        if self.return_sequences:
            output = ops.columns(found, start=0, stop=units) if count > 1 else found
            if mask is not None:
                x.tape.masks[output.node.index] = mask
        return (output, *ends) if self.return_state else output

    def _begin(self, x: Value, initial: Any) -> States:
        """The states before the first step: 0, or those given."""
        shape = (x.shape[0], self.units)
        if initial is None:
            zeros = namespace(x.array).zeros(shape, dtype=x.dtype)
            return tuple(x.tape.given("constant", zeros) for _ in range(self.states))
        given: Sequence[Value] = initial if isinstance(initial, list | tuple) else [initial]
        if len(given) != self.states or any(state.shape != shape for state in given):
            shapes = ", ".join(str(state.shape) for state in given)
            raise ShapeError(
                f"{type(self).__name__}: initial_state is {self.states} of shape {shape}, but was given {shapes}"
            )
        return tuple(given)


class SimpleRNN(Recurrent):
    """h_t = activation(x_t @ kernel + h_{t-1} @ recurrent_kernel + bias)        (Elman 1990)

    kernel: (features, units); recurrent_kernel: (units, units); bias: (units,). dropout drops inputs, the same of each
    step; recurrent_dropout what is handed from step to step. kernel_initializer, kernel_regularizer, kernel_constraint,
    and the same of recurrent_ and bias_: as for Dense.

    Raises UsageError for units below 1, an unknown name, a rate outside 0 … 1; ShapeError for x that is no
    sequence.

    >>> import numpy as np, pellucid as pl
    >>> model = pl.Sequential([pl.SimpleRNN(4, return_sequences=True), pl.SimpleRNN(2)])
    >>> model.predict(np.zeros((3, 5, 6), dtype="float32")).shape
    (3, 2)

    Source: Elman (1990), doi:10.1207/s15516709cog1402_1.
    """

    def __call__(self, x: Value, initial_state: Any = None) -> Any:
        inputs = self._inputs(x, 1)
        if self.use_bias:
            inputs = inputs + self.weight(x, "bias", (self.units,))

        def cell(now: Value, states: States, weights: States) -> States:
            h = _dropped_by(states[0], weights[1:])
            return (activate(self.activation, now + h @ weights[0]),)

        return self._through(x, inputs, cell, (self._recurrent_kernel(x, 1),), initial_state)


class LSTM(Recurrent):
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

    recurrent_activation: Activation = "sigmoid"
    unit_forget_bias: bool = field(default=True, kw_only=True)
    states: ClassVar[int] = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        check_activation(self.recurrent_activation)

    def __call__(self, x: Value, initial_state: Any = None) -> Any:
        u = self.units
        inputs = self._inputs(x, 4)
        if self.use_bias:
            first = ForgetBias(self.bias_initializer) if self.unit_forget_bias else self.bias_initializer
            inputs = inputs + self.weight(x, "bias", (4 * u,), first)

        def cell(now: Value, states: States, weights: States) -> States:
            h, c = _dropped_by(states[0], weights[1:]), states[1]
            z = now + h @ weights[0]
            i, f, g, o = (ops.columns(z, start=k * u, stop=(k + 1) * u) for k in range(4))
            i, f, o = (activate(self.recurrent_activation, gate) for gate in (i, f, o))
            c = f * c + i * activate(self.activation, g)
            return o * activate(self.activation, c), c

        return self._through(x, inputs, cell, (self._recurrent_kernel(x, 4),), initial_state)


class GRU(Recurrent):
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

    recurrent_activation: Activation = "sigmoid"
    reset_after: bool = field(default=True, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_activation(self.recurrent_activation)

    def __call__(self, x: Value, initial_state: Any = None) -> Any:
        u = self.units
        inputs = self._inputs(x, 3)
        recurrent = self._recurrent_kernel(x, 3)
        weights: States = (recurrent,)
        if self.use_bias and self.reset_after:
            both = self.weight(x, "bias", (2, 3 * u))
            flat = ops.reshape(both, shape=(6 * u,))
            inputs = inputs + ops.columns(flat, start=0, stop=3 * u)
            weights = (recurrent, ops.columns(flat, start=3 * u, stop=6 * u))
        elif self.use_bias:
            inputs = inputs + self.weight(x, "bias", (3 * u,))
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

        return self._through(x, inputs, cell, weights, initial_state)


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
