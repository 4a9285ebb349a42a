"""Convolutions: the same small weighted sum at every place. Channels last; names and defaults as in Keras 3."""

from __future__ import annotations

from typing import ClassVar

from pellucid.arguments import whole
from pellucid.autodiff import Value, ops
from pellucid.autodiff.windows import Edges, settings
from pellucid.errors import ShapeError, UsageError
from pellucid.nn import activations, weights
from pellucid.nn.activations import activate
from pellucid.nn.layer import Layer
from pellucid.nn.layers import spatial
from pellucid.nn.layers.spatial import Size
from pellucid.nn.weights import Bias, Kernel


class Convolution(Layer, Kernel, Bias):
    """What Conv1D, Conv2D and Conv3D have in common; `rank` is how many spatial axes they have."""

    filters: int
    kernel_size: Size
    strides: Size = 1
    padding: str = "valid"
    dilation_rate: Size = 1
    groups: int = 1
    activation: activations.Activation = None
    use_bias: bool = True
    rank: ClassVar[int] = 0

    def __post_init__(self) -> None:
        whole("filters", self.filters, of=self)
        spatial.each(self, "kernel_size", self.kernel_size, self.rank)
        spatial.check_padding(self, self.padding, ("valid", "same", "causal") if self.rank == 1 else ("valid", "same"))
        check_steps(self, self.strides, self.dilation_rate, self.rank)
        if self.filters % whole("groups", self.groups, of=self):
            raise UsageError(
                f"{type(self).__name__}(filters={self.filters}, groups={self.groups}): the filters are shared out "
                "evenly among the groups, so groups has to divide filters"
            )
        activations.check(self.activation)
        weights.check(self)

    def __call__(self, x: Value) -> Value:
        spatial.check_rank(self, x, self.rank)
        channels = x.shape[-1]
        if channels % self.groups:
            raise ShapeError(
                f"{spatial.called(self, x)}: x has shape {x.shape}, and groups={self.groups} does not divide its "
                f"{channels} channels; use groups=1 or another that divides both {channels} and {self.filters}"
            )
        size = spatial.each(self, "kernel_size", self.kernel_size, self.rank)
        strides, dilation = check_steps(self, self.strides, self.dilation_rate, self.rank)
        ways = spatial.ways_over(self, x, self.padding, size, strides, dilation)
        shape = (*size, channels // self.groups, self.filters)
        kernel = self.weight(x, "kernel", shape)
        y = ops.convolution(x, kernel, groups=self.groups, **settings(ways))
        if self.use_bias:
            y = y + self.weight(x, "bias", (self.filters,))
        return activate(self.activation, y)


class Conv1D(Convolution):
    """y[t] = activation(Σₖ x[t·strides + k·dilation_rate] @ kernel[k] + bias)

    x: (n, steps, i)  kernel: (kernel_size, i / groups, filters)  y: (n, steps', filters)

    filters: how many channels come out. kernel_size: how many steps a window spans. strides: how far it moves.
    padding: "valid" (windows inside x alone), "same" (zeros around x, so that steps' = steps / strides, rounded up;
    an odd zero stands at the end) or "causal" (zeros before x alone: y[t] sees nothing after x[t]).
    dilation_rate: how far apart a window's numbers stand. groups: channels are shared out among so many.
    kernel_initializer, kernel_regularizer, kernel_constraint, and the same of bias_: as for Dense.

    Raises UsageError for settings out of range, groups that do not divide filters, strides and dilation_rate both
    above 1; ShapeError for an x of other axes or channels, or smaller than the window.

    >>> import numpy as np, pellucid as pl
    >>> model = pl.Sequential([pl.Conv1D(1, 2, padding="causal", kernel_initializer="ones")])
    >>> model.predict(np.array([[[1.0], [2.0], [4.0]]], dtype="float32")).ravel().tolist()
    [1.0, 3.0, 6.0]

    Source: LeCun et al. (1989), doi:10.1162/neco.1989.1.4.541; causal: van den Oord et al. (2016), arXiv:1609.03499.
    """

    rank: ClassVar[int] = 1


class Conv2D(Convolution):
    """y[r, c] = activation(Σⱼₖ x[r·strides + j, c·strides + k] @ kernel[j, k] + bias)

    x: (n, height, width, i)  kernel: (*kernel_size, i / groups, filters)  y: (n, height', width', filters)

    filters: how many channels come out. kernel_size, strides, dilation_rate: a whole number, or one for each axis; a
    window's numbers stand dilation_rate apart. padding: "valid" (windows inside x alone) or "same" (zeros around x,
    so that height' = height / strides, rounded up; an odd zero stands at the end). groups: channels are shared out
    among so many. kernel_initializer, kernel_regularizer, kernel_constraint, and the same of bias_: as for Dense.

    Raises UsageError for settings out of range, groups that do not divide filters, strides and dilation_rate both
    above 1; ShapeError for an x of other axes or channels, or smaller than the window.

    >>> import numpy as np, pellucid as pl
    >>> model = pl.Sequential([pl.Conv2D(1, 2, kernel_initializer="ones")])
    >>> model.predict(np.arange(9, dtype="float32").reshape(1, 3, 3, 1))[0, :, :, 0]
    array([[ 8., 12.],
           [20., 24.]], dtype=float32)
    >>> {path: w.shape for path, w in model.parameters().items()}
    {'conv2d/kernel': (2, 2, 1, 1), 'conv2d/bias': (1,)}

    Source: LeCun et al. (1989), doi:10.1162/neco.1989.1.4.541.
    """

    rank: ClassVar[int] = 2


class Conv3D(Convolution):
    """A convolution over depth, height and width; the formula and the settings are those of Conv2D.

    x: (n, depth, height, width, i)  kernel: (*kernel_size, i / groups, filters)  y: (n, depth', …, filters)

    Raises UsageError and ShapeError as Conv2D.

    >>> import numpy as np, pellucid as pl
    >>> model = pl.Sequential([pl.Conv3D(4, (1, 3, 3), strides=(1, 2, 2), padding="same")])
    >>> model.predict(np.zeros((1, 2, 5, 5, 3), dtype="float32")).shape
    (1, 2, 3, 3, 4)

    Source: Ji et al. (2013), doi:10.1109/TPAMI.2012.59.
    """

    rank: ClassVar[int] = 3


class Conv2DTranspose(Layer, Kernel, Bias):
    """Sends each number of x, times a whole window of weights, to the places where a Conv2D would have read it.

    y[r·strides + j, c·strides + k] += x[r, c] @ kernel[j, k]ᵀ, then bias and activation: the gradient of the Conv2D
    with these settings with respect to its input.

    x: (n, height, width, i)  kernel: (*kernel_size, filters, i)  y: (n, height', width', filters)

    padding: "valid" (height' = (height - 1)·strides + kernel_size, or height · strides where that is more) or "same"
    (height' = height · strides). output_padding: so many more places at the end than the fewest, (height - 1)·strides
    + kernel_size with "valid", and + kernel_size % 2 with "same". The rest as in Conv2D.

    Raises UsageError for settings out of range, an output_padding that is not below strides, strides and
    dilation_rate both above 1; ShapeError for an x of other axes.

    >>> import numpy as np, pellucid as pl
    >>> model = pl.Sequential([pl.Conv2DTranspose(1, 2, strides=2, kernel_initializer="ones")])
    >>> model.predict(np.array([[[[1.0], [2.0]]]], dtype="float32"))[0, :, :, 0]
    array([[1., 1., 2., 2.],
           [1., 1., 2., 2.]], dtype=float32)

    Source: Dumoulin and Visin (2016), arXiv:1603.07285.
    """

    filters: int
    kernel_size: Size
    strides: Size = 1
    padding: str = "valid"
    output_padding: Size | None = None
    dilation_rate: Size = 1
    activation: activations.Activation = None
    use_bias: bool = True

    def __post_init__(self) -> None:
        whole("filters", self.filters, of=self)
        spatial.each(self, "kernel_size", self.kernel_size, 2)
        spatial.check_padding(self, self.padding, ("valid", "same"))
        strides, _ = check_steps(self, self.strides, self.dilation_rate, 2)
        if self.output_padding is not None:
            more = spatial.each(self, "output_padding", self.output_padding, 2, least=0)
            if any(extra >= stride for extra, stride in zip(more, strides, strict=True)):
                raise UsageError(
                    f"Conv2DTranspose(strides={self.strides!r}, output_padding={self.output_padding!r}): "
                    "output_padding has to be below strides"
                )
        activations.check(self.activation)
        weights.check(self)

    def __call__(self, x: Value) -> Value:
        spatial.check_rank(self, x, 2)
        size = spatial.each(self, "kernel_size", self.kernel_size, 2)
        strides, dilation = check_steps(self, self.strides, self.dilation_rate, 2)
        kernel = self.weight(x, "kernel", (*size, self.filters, x.shape[-1]))
        y = ops.convolution(
            x,
            ops.reversed_kernel(kernel, groups=1),
            strides=(1, 1),
            padding=self._edges(size, strides, dilation),
            dilation=dilation,
            spread=strides,
            groups=1,
        )
        if self.use_bias:
            y = y + self.weight(x, "bias", (self.filters,))
        return activate(self.activation, y)

    def _edges(self, size: tuple[int, ...], strides: tuple[int, ...], dilation: tuple[int, ...]) -> Edges:
        """Zeros around x, whose numbers stand `strides` apart, as Keras counts them."""
        asked = self.output_padding
        more = [None] * 2 if asked is None else spatial.each(self, "output_padding", asked, 2, least=0)
        found: list[tuple[int, int]] = []
        for k, stride, d, extra in zip(size, strides, dilation, more, strict=True):
            reach = (k - 1) * d
            if self.padding == "valid":
                found.append((reach, reach + (max(0, stride - reach - 1) if extra is None else extra)))
                continue
            total = stride + reach - 1 if extra is None else reach + (reach + 1) % 2 - 1 + extra
            before = min(total - total // 2, reach)
            found.append((before, total - before))
        return tuple(found)


def check_steps(owner: Layer, strides: Size, dilation: Size, rank: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Both, for each axis; UsageError where both are above 1, which would leave out numbers twice over."""
    by_axis = spatial.each(owner, "strides", strides, rank), spatial.each(owner, "dilation_rate", dilation, rank)
    if max(by_axis[0]) > 1 and max(by_axis[1]) > 1:
        raise UsageError(
            f"{type(owner).__name__}(strides={strides!r}, dilation_rate={dilation!r}): only one of them may be above "
            "1, as in Keras; leave one out, or use two layers"
        )
    return by_axis
