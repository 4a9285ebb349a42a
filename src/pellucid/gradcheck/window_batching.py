"""Convolutions and pools for many variants of their inputs at once, where those change in little.

In a convolution as in a product with a matrix, one weight moves one channel, and one channel moves the output by what
it changed. In a pool each channel stands alone.
"""

from __future__ import annotations

import math

from pellucid.autodiff.tape import Array
from pellucid.autodiff.taps import taps
from pellucid.autodiff.windows import Sweep, sweeps
from pellucid.gradcheck.variants import Call, Column, Point, Variants, after, as_column, dense, numbers, picked


def channels_alone(call: Call) -> Variants | None:
    """A changed channel stays one."""
    if not call.op.spatial or len(call.varying) > 1:  # two inputs need not have changed in the same channel
        return None
    x = call.varying[0]
    if not isinstance(x.variants, Point | Column):
        return None
    column = as_column(call.xp, x.base, x.variants)
    values = [column.values if i is x else picked(call.xp, i.base, column.places) for i in call.inputs]
    return Column(column.places, call.run(*values))


def convolved(call: Call) -> Variants | None:
    """y = convolution(x, kernel). A changed weight moves one channel of y by change times what the outputs see of one
    channel of x; a changed channel of x moves y by its convolution with that channel's filters; many changed x against
    one kernel are one large batch."""
    if call.op.axes != "convolution":
        return None
    xp, (x, kernel) = call.xp, call.inputs
    if x.variants is None:
        return _of_one_weight(call, kernel.variants) if isinstance(kernel.variants, Point) else None
    if kernel.variants is not None:
        return None
    if isinstance(x.variants, Point | Column) and call.settings["groups"] == 1:
        return call.output + _of_one_channel(call, as_column(xp, x.base, x.variants))
    every = dense(xp, x.base, x.variants)
    y = call.run(xp.reshape(every, (-1, *x.shape[1:])), kernel.base)
    return xp.reshape(y, (every.shape[0], *call.output.shape))


def _ways(call: Call) -> list[Sweep]:
    x, kernel = call.inputs
    given = {name: value for name, value in call.settings.items() if name != "groups"}
    return sweeps(x.shape[1:-1], kernel.shape[:-2], **given)


def _of_one_weight(call: Call, variants: Point) -> Column:
    xp, (x, kernel) = call.xp, call.inputs
    *_, inputs, outputs = kernel.shape
    place, o = variants.places // outputs, variants.places % outputs
    group = o // (outputs // call.settings["groups"])
    column = place // inputs * x.shape[-1] + group * inputs + place % inputs
    seen = xp.stack(taps(xp, x.base, _ways(call)), axis=-2)
    seen = xp.reshape(seen, (*seen.shape[:-2], -1))
    change = after(xp, variants.values - numbers(xp, kernel.base, variants.places), call.depth)
    return Column(o, picked(xp, call.output, o) + change * picked(xp, seen, column))


def _of_one_channel(call: Call, column: Column) -> Array:
    """How far y moves."""
    xp, (x, kernel) = call.xp, call.inputs
    change = column.values - picked(xp, x.base, column.places)
    seen = xp.concatenate(taps(xp, change, _ways(call)), axis=-1)
    window = math.prod(kernel.shape[:-2])
    filters = xp.reshape(kernel.base, (window, *kernel.shape[-2:]))
    filters = xp.moveaxis(xp.take(filters, column.places, axis=1), 1, 0)
    moved = xp.matmul(xp.reshape(seen, (seen.shape[0], -1, window)), filters)
    return xp.reshape(moved, (seen.shape[0], *call.output.shape))
