"""Convolutions that treat each channel on its own, alone or with a mixing of the channels after it."""

from __future__ import annotations

from pellucid.arguments import whole
from pellucid.autodiff import Value, ops
from pellucid.autodiff.windows import settings
from pellucid.nn import activations, weights
from pellucid.nn.activations import activate
from pellucid.nn.layer import Layer
from pellucid.nn.layers import spatial
from pellucid.nn.layers.convolution import check_steps
from pellucid.nn.layers.spatial import Size
from pellucid.nn.weights import Bias, DepthwiseKernel, PointwiseKernel


class DepthwiseConv2D(Layer, DepthwiseKernel, Bias):
    """A Conv2D in which each channel of x has filters of its own, depth_multiplier of them.

    y[r, c, d·i + m] = activation(Σⱼₖ x[r·strides + j, c·strides + k, i] · kernel[j, k, i, m] + bias), d the multiplier

    x: (n, height, width, i)  kernel: (*kernel_size, i, depth_multiplier)  y: (n, height', width', i · depth_multiplier)

    The other settings and the errors are those of Conv2D, with depthwise_initializer, depthwise_regularizer and
    depthwise_constraint for the kernel's.

    >>> import numpy as np, pellucid as pl
    >>> model = pl.Sequential([pl.DepthwiseConv2D((1, 2), depthwise_initializer="ones")])
    >>> model.predict(np.array([[[[1.0, 10.0], [2.0, 20.0]]]], dtype="float32")).ravel().tolist()
    [3.0, 30.0]

    Source: Sifre (2014), Rigid-motion scattering for image classification; Chollet (2017), arXiv:1610.02357.
    """

    kernel_size: Size
    strides: Size = 1
    padding: str = "valid"
    depth_multiplier: int = 1
    dilation_rate: Size = 1
    activation: activations.Activation = None
    use_bias: bool = True

    def __post_init__(self) -> None:
        check_depthwise(self)

    def __call__(self, x: Value) -> Value:
        y = by_channel(self, x, "kernel")
        if self.use_bias:
            y = y + self.weight(x, "bias", (y.shape[-1],))
        return activate(self.activation, y)


class SeparableConv2D(Layer, DepthwiseKernel, PointwiseKernel, Bias):
    """A DepthwiseConv2D without bias, then a Conv2D with a window of one place that mixes the channels.

    x: (n, height, width, i)  depthwise_kernel: (*kernel_size, i, depth_multiplier)
    pointwise_kernel: (1, 1, i · depth_multiplier, filters)  y: (n, height', width', filters)

    strides, padding and dilation_rate are those of the first; bias and activation come last. depthwise_initializer,
    depthwise_regularizer, depthwise_constraint, and the same of pointwise_ and bias_: as for Dense. Errors as Conv2D.

    >>> import numpy as np, pellucid as pl
    >>> model = pl.Sequential([pl.SeparableConv2D(4, 3, padding="same", activation="relu")])
    >>> model.predict(np.zeros((1, 5, 5, 2), dtype="float32")).shape
    (1, 5, 5, 4)
    >>> [w.shape for w in model.parameters().values()]
    [(3, 3, 2, 1), (1, 1, 2, 4), (4,)]

    Source: Chollet (2017), arXiv:1610.02357.
    """

    filters: int
    kernel_size: Size
    strides: Size = 1
    padding: str = "valid"
    dilation_rate: Size = 1
    depth_multiplier: int = 1
    activation: activations.Activation = None
    use_bias: bool = True

    def __post_init__(self) -> None:
        whole("filters", self.filters, of=self)
        check_depthwise(self)

    def __call__(self, x: Value) -> Value:
        y = by_channel(self, x, "depthwise_kernel")
        shape = (1, 1, y.shape[-1], self.filters)
        mixing = self.weight(x, "pointwise_kernel", shape, role="pointwise")
        ways = spatial.ways_over(self, y, "valid", (1, 1), (1, 1))
        y = ops.convolution(y, mixing, groups=1, **settings(ways))
        if self.use_bias:
            y = y + self.weight(x, "bias", (self.filters,))
        return activate(self.activation, y)


def check_depthwise(layer: DepthwiseConv2D | SeparableConv2D) -> None:
    """UsageError for settings out of range."""
    spatial.each(layer, "kernel_size", layer.kernel_size, 2)
    spatial.check_padding(layer, layer.padding, ("valid", "same"))
    whole("depth_multiplier", layer.depth_multiplier, of=layer)
    check_steps(layer, layer.strides, layer.dilation_rate, 2)
    activations.check(layer.activation)
    weights.check(layer)


def by_channel(layer: DepthwiseConv2D | SeparableConv2D, x: Value, name: str) -> Value:
    """Each channel of x under its own filters: a convolution with as many groups as channels."""
    spatial.check_rank(layer, x, 2)
    size = spatial.each(layer, "kernel_size", layer.kernel_size, 2)
    ways = spatial.ways_over(layer, x, layer.padding, size, *check_steps(layer, layer.strides, layer.dilation_rate, 2))
    channels, many = x.shape[-1], layer.depth_multiplier
    kernel = layer.weight(x, name, (*size, channels, many), role="depthwise")
    kernel = ops.reshape(kernel, shape=(*size, 1, channels * many))
    return ops.convolution(x, kernel, groups=channels, **settings(ways))
