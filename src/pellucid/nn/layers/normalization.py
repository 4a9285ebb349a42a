"""Layers that keep the size of numbers in hand while a network learns."""

from __future__ import annotations

from typing import Any

from pellucid.arguments import whole
from pellucid.autodiff import Value, ops
from pellucid.errors import ShapeError, UsageError
from pellucid.nn import weights
from pellucid.nn.layer import Layer
from pellucid.nn.weights import First, GammaBeta


class BatchNormalization(Layer, GammaBeta):
    """y = gamma · (x - mean) / √(variance + epsilon) + beta, for each feature along `axis`.

    While training, mean and variance are those of the batch, and the running ones move towards them:
    moving ← momentum · moving + (1 - momentum) · batch. In evaluation and prediction the running ones are used.
    x, y: (n, …, features); gamma, beta, moving_mean, moving_variance: (features,). Without center there is no beta,
    without scale no gamma; beta_initializer, beta_regularizer, beta_constraint, and the same of gamma_: as for Dense.
    Defaults are Keras 3's.

    Raises UsageError for momentum outside 0 … 1 or epsilon below 0, ShapeError for an axis that x lacks.

    >>> import numpy as np, pellucid as pl
    >>> model = pl.Sequential([pl.BatchNormalization()])
    >>> model.predict(np.array([[2.0], [4.0]], dtype="float32"))  # running mean 0, variance 1
    array([[1.9990007],
           [3.9980013]], dtype=float32)
    >>> list(model.untrained())
    ['batch_normalization/moving_mean', 'batch_normalization/moving_variance']

    Source: Ioffe and Szegedy (2015), arXiv:1502.03167.
    """

    axis: int = -1
    momentum: float = 0.99
    epsilon: float = 0.001
    moving_mean_initializer: First = "zeros"
    moving_variance_initializer: First = "ones"

    def __post_init__(self) -> None:
        if not 0 <= self.momentum <= 1:
            raise UsageError(f"BatchNormalization(momentum={self.momentum!r}): it is a number from 0 to 1")
        _check(self, self.epsilon)

    def __call__(self, x: Value) -> Value:
        (axis,) = feature_axes(self, x, self.axis)
        features = (x.shape[axis],)
        along = tuple(n if i == axis else 1 for i, n in enumerate(x.shape))
        moving_mean = self.remembered(x, "moving_mean", features, self.moving_mean_initializer)
        moving_variance = self.remembered(x, "moving_variance", features, self.moving_variance_initializer)
        if x.tape.training:
            over = tuple(i for i in range(x.ndim) if i != axis)
            mean = ops.mean(x, axis=over, keepdims=True)
            variance = ops.mean(ops.square(x - mean), axis=over, keepdims=True)
            for name, moving, now in (
                ("moving_mean", moving_mean, mean),
                ("moving_variance", moving_variance, variance),
            ):
                new = moving * self.momentum + ops.reshape(now, shape=features) * (1 - self.momentum)
                self.remember(x, name, new)
        else:
            mean, variance = (ops.reshape(moving, shape=along) for moving in (moving_mean, moving_variance))
        return _scaled(self, (x - mean) / ops.sqrt(variance + self.epsilon), (axis,))


class LayerNormalization(Layer, GammaBeta):
    """y = gamma · (x - mean) / √(variance + epsilon) + beta, with mean and variance of each row along `axis`.

    axis: one of x's axes or several, not 0. x, y: (n, …); gamma, beta: as long as x along those axes.
    The same in training and prediction. Defaults are Keras 3's.

    Raises UsageError for an epsilon below 0, ShapeError for an axis that x lacks.

    >>> import numpy as np, pellucid as pl
    >>> model = pl.Sequential([pl.LayerNormalization()])
    >>> model.predict(np.array([[1.0, 2.0, 3.0]], dtype="float32")).round(3)
    array([[-1.224,  0.   ,  1.224]], dtype=float32)

    Source: Ba, Kiros and Hinton (2016), arXiv:1607.06450.
    """

    axis: int | tuple[int, ...] | list[int] = -1
    epsilon: float = 0.001

    def __post_init__(self) -> None:
        _check(self, self.epsilon)

    def __call__(self, x: Value) -> Value:
        axes = feature_axes(self, x, self.axis)
        return _scaled(self, _standardized(x, axes, self.epsilon), axes)


class GroupNormalization(Layer, GammaBeta):
    """y = gamma · (x - mean) / √(variance + epsilon) + beta, with mean and variance of each group of a row's channels.

    groups: into how many groups the channels along `axis` are cut, one after the other; -1 for each channel alone.
    x, y: (n, …, channels); gamma, beta: (channels,). The same in training and prediction. Defaults are Keras 3's.

    Raises UsageError for groups below 1 (but -1) or an epsilon below 0, ShapeError for an axis that x lacks or channels
    that are no multiple of groups.

    >>> import numpy as np, pellucid as pl
    >>> model = pl.Sequential([pl.GroupNormalization(groups=2)])
    >>> model.predict(np.array([[1.0, 3.0, 10.0, 30.0]], dtype="float32")).round(2).tolist()
    [[-1.0, 1.0, -1.0, 1.0]]

    Source: Wu and He (2018), arXiv:1803.08494.
    """

    groups: int = 32
    axis: int = -1
    epsilon: float = 0.001

    def __post_init__(self) -> None:
        _check(self, self.epsilon)
        if self.groups != -1:  # which is a group for each channel
            whole("groups", self.groups, of=self)

    def __call__(self, x: Value) -> Value:
        (axis,) = feature_axes(self, x, self.axis)
        channels = x.shape[axis]
        groups = channels if self.groups == -1 else self.groups
        if channels % groups:
            raise ShapeError(
                f"GroupNormalization(groups={groups}): x has shape {x.shape}, whose {channels} channels along axis "
                f"{axis} are no multiple of {groups}"
            )
        apart = ops.reshape(x, shape=(*x.shape[:axis], groups, channels // groups, *x.shape[axis + 1 :]))
        over = tuple(i for i in range(1, x.ndim + 1) if i != axis)
        return _scaled(self, ops.reshape(_standardized(apart, over, self.epsilon), shape=x.shape), (axis,))


class RMSNormalization(Layer):
    """y = scale · x / √(mean(x²) + epsilon), with the mean of each row along `axis`: no mean is taken off.

    axis: one of x's axes or several, not 0. x, y: (n, …); scale: as long as x along those axes. Defaults are Keras 3's.

    Raises UsageError for an epsilon below 0, ShapeError for an axis that x lacks.

    >>> import numpy as np, pellucid as pl
    >>> pl.Sequential([pl.RMSNormalization()]).predict(np.array([[3.0, 4.0]], dtype="float32")).round(3)
    array([[0.849, 1.131]], dtype=float32)

    Source: Zhang and Sennrich (2019), arXiv:1910.07467.
    """

    axis: int | tuple[int, ...] | list[int] = -1
    epsilon: float = 1e-6

    def __post_init__(self) -> None:
        _check(self, self.epsilon)

    def __call__(self, x: Value) -> Value:
        axes = feature_axes(self, x, self.axis)
        y = x / ops.sqrt(ops.mean(ops.square(x), axis=axes, keepdims=True) + self.epsilon)
        return y * _along(self, y, axes, "scale", "ones")


def unit_length(x: Value, axis: int = -1) -> Value:
    """x / √max(Σ x², 1e-12): its vectors along `axis` scaled to length 1. Keras' floor keeps a zero vector zero."""
    return x / ops.sqrt(ops.maximum(ops.sum(ops.square(x), axis=axis, keepdims=True), 1e-12))


def _standardized(x: Value, axes: tuple[int, ...], epsilon: float) -> Value:
    """(x - mean) / √(variance + epsilon), both along the axes."""
    away = x - ops.mean(x, axis=axes, keepdims=True)
    return away / ops.sqrt(ops.mean(ops.square(away), axis=axes, keepdims=True) + epsilon)


def _scaled(
    layer: BatchNormalization | LayerNormalization | GroupNormalization, y: Value, axes: tuple[int, ...]
) -> Value:
    """gamma · y + beta along the axes, as far as the layer has them."""
    if layer.scale:
        y = y * _along(layer, y, axes, "gamma")
    if layer.center:
        y = y + _along(layer, y, axes, "beta")
    return y


def _along(layer: Layer, y: Value, axes: tuple[int, ...], name: str, initializer: First | None = None) -> Value:
    """A weight as long as y along the axes, and 1 along the others."""
    weight = layer.weight(y, name, tuple(y.shape[i] for i in axes), initializer)
    return ops.reshape(weight, shape=tuple(n if i in axes else 1 for i, n in enumerate(y.shape)))


def feature_axes(layer: Layer, x: Any, axis: int | tuple[int, ...] | list[int]) -> tuple[int, ...]:
    """The axes of the features, counted from 0; ShapeError for one that x lacks, or that is the rows."""
    given = (axis,) if isinstance(axis, int) else tuple(axis)
    if not given or any(not -x.ndim < a < x.ndim or a % x.ndim == 0 for a in given):
        raise ShapeError(
            f"{type(layer).__name__}(axis={axis}): x has shape {x.shape}, whose axis 0 is the rows of the batch; the "
            f"axis of the features is one of {', '.join(map(str, range(1, x.ndim)))}"
        )
    return tuple(sorted({a % x.ndim for a in given}))


def _check(layer: Layer, epsilon: float) -> None:
    weights.check(layer)
    if not epsilon >= 0:
        raise UsageError(f"{type(layer).__name__}(epsilon={epsilon!r}): it is 0 or more")
