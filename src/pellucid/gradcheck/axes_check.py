"""Whether an op does what its axes say: checked before it is trusted with many variants at once.

Anyone may define an op, and `@op()` says that each place stands alone. Where that is not so (a running sum), the
rules of batching.py would be wrong without a sign of it; such an op is run variant by variant instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy

from pellucid.autodiff.tape import Array
from pellucid.gradcheck.batching import batch, one_by_one
from pellucid.gradcheck.variants import Call, Column, Input, Point, Variants, dense, numbers, picked


def does_as_its_axes_say(call: Call, reached: Sequence[bool]) -> bool:
    """Whether many variants at once equal each alone, with those inputs changed: all numbers, a column, or one."""
    return all(_is_right(one) for one in _cases(call, reached))


def _cases(call: Call, reached: Sequence[bool]) -> Iterator[Call]:
    width = call.output.shape[-1] if call.depth else 0
    ends = numpy.asarray([0, max(width - 1, 0)])
    forms: list[Callable[[Array], Variants]] = [_all_numbers]
    if width:
        forms += [partial(_column, ends), partial(_point, ends)]
    for form in forms:
        yield call._replace(
            inputs=[
                Input(i.base, (form if i.shape and i.shape[-1] == width else _all_numbers)(i.base)) if changes else i
                for i, changes in zip(call.inputs, reached, strict=True)
            ]
        )


def _is_right(call: Call) -> bool:
    try:
        found = dense(call.xp, call.output, batch(call))
    except Exception:  # whatever an op does with axes that it was not written for
        return False
    expected = one_by_one(call)
    return found.shape == expected.shape and numpy.allclose(found, expected, rtol=1e-12, atol=1e-300, equal_nan=True)


def _all_numbers(base: Array) -> Array:
    """As they are, and in reverse order."""
    return numpy.stack([base, base.reshape(-1)[::-1].reshape(base.shape)])


def _column(ends: Array, base: Array) -> Column:
    """The first and the last column, each in reverse order."""
    values = picked(numpy, base, ends)
    return Column(ends, values.reshape(2, -1)[:, ::-1].reshape(values.shape))


def _point(ends: Array, base: Array) -> Point:
    """The first number and the last of its row, each taken to be the array's last."""
    return Point(ends, numpy.broadcast_to(numbers(numpy, base, numpy.asarray([base.size - 1])), (2,)))
