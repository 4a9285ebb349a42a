"""Connectionist temporal classification: the chance that t steps of scores spell a shorter label, however stretched.

A path gives each step a class. It spells a label if, with runs of one class made one and blanks (class 0) left out,
the label remains: of "ab", the paths of 3 steps are aab, abb, ab-, a-b and -ab. Their chances add up in one sweep
forward over the steps, in logarithms, so that nothing becomes 0; with one more sweep backward, each step's chance
of being at each class is known, and with it the gradient.

    label a b    places   0  1  2  3  4      a step stays at its place, goes on by one, or by two, past a blank
                          -  a  -  b  -      between classes that differ

The sweeps are written once, in ops: on arrays they are a scan; on a tape, which they are on only when the gradient is
differentiated again, they are nodes.

Source: Graves, Fernández, Gomez, Schmidhuber (2006), doi:10.1145/1143844.1143891.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from pellucid.autodiff import ops
from pellucid.autodiff.backend import scan
from pellucid.autodiff.backprop import gradients
from pellucid.autodiff.op import namespace, op
from pellucid.autodiff.tape import Array, Value

LOG_0 = -1e30
"""Stands for the logarithm of 0: finite, so that differences of it are numbers, and its exponential is 0."""


@op("n t c, n l -> n", source="Graves et al. 2006, doi:10.1145/1143844.1143891")
def ctc(xp: Any, x: Array, labels: Array) -> Array:
    """-log of the chance that scores x spell a row's label; 0 in a label fills it up. Infinite if t is too short."""
    places = _Places.of(labels, x)
    last, _ = _forward(places, places.seen(ops.log_softmax(x)))
    total = _log_sum(last + places.end)
    return xp.where(total < LOG_0 / 2, xp.asarray(xp.inf, dtype=x.dtype), -total)


@ctc.batch
def _(xp: Any, to: tuple[int, ...], x: Array, labels: Array):
    return xp.reshape(ctc.forward(xp, *_as_rows(xp, x, labels)), (-1, *to))


@ctc.backward
def _(dy: Any, _y: Any, x: Any, labels: Any):
    each = ops.reshape(dy, shape=(*dy.shape, 1, 1))
    return each * (ops.softmax(x) - ctc_expected(x, labels)), None


@op("n t c, n l -> n t c", source="Graves et al. 2006, doi:10.1145/1143844.1143891")
def ctc_expected(_xp: Any, x: Array, labels: Array) -> Array:
    """The chance that a path which spells the label is at each class at each step: forward times backward."""
    return _expected(_Places.of(labels, x), x)


@ctc_expected.batch
def _(xp: Any, to: tuple[int, ...], x: Array, labels: Array):
    return xp.reshape(ctc_expected.forward(xp, *_as_rows(xp, x, labels)), (-1, *to))


def _as_rows(xp: Any, *arrays: Array) -> list[Array]:
    """Variants of rows are rows: the first two axes as one."""
    return [xp.reshape(a, (a.shape[0] * a.shape[1], *a.shape[2:])) for a in arrays]


@ctc_expected.backward
def _(dy: Any, _y: Any, x: Any, labels: Any):
    if not isinstance(x, Value):
        return None, None
    again = ops.reshape(x, shape=x.shape)  # a node of its own: dy may have been made from x too, and is held here
    chances = _expected(_Places.of(labels.array, x.array), again)
    return gradients(ops.sum(chances * dy), [again])[0], None


class _Places(NamedTuple):
    """A label with a blank before, between and after its classes: s = 2 l + 1 places for each row."""

    rows: Array
    """(n s,): the row of each place in a table of all rows' classes, (n c, t)."""
    skip: Array
    """(n, s): 1 where a step may come from two places before."""
    end: Array
    """(n, s): 0 where a path may end, LOG_0 elsewhere."""

    @classmethod
    def of(cls, labels: Array, x: Array) -> _Places:
        xp = namespace(labels)
        n, length = labels.shape
        blank = xp.zeros((n, 1), dtype=labels.dtype)
        between = xp.reshape(xp.stack((xp.zeros_like(labels), labels), axis=-1), (n, 2 * length))
        classes = xp.concatenate((between, blank), axis=1)
        two_before = xp.concatenate((blank, blank, classes[:, :-2]), axis=1)
        last = 2 * xp.sum(labels != 0, axis=1)[:, None]
        at = xp.arange(2 * length + 1)
        end = xp.where((at == last) | (at == last - 1), 0.0, LOG_0)
        rows = classes + xp.astype(xp.arange(n)[:, None], classes.dtype) * x.shape[-1]
        skip = (classes != 0) & (classes != two_before)
        return cls(xp.reshape(rows, (-1,)), xp.astype(skip, x.dtype), xp.astype(end, x.dtype))

    @property
    def start(self) -> Array:
        """(n, s): before the first step, a path stands at the first blank."""
        xp = namespace(self.end)
        first = xp.zeros((self.end.shape[0], 1), dtype=self.end.dtype)
        return xp.concatenate((first, xp.full_like(self.end[:, 1:], LOG_0)), axis=1)

    def seen(self, scores: Any) -> Any:
        """(n, t, c) by class to (t, n, s) by place."""
        n, t, c = scores.shape
        table = ops.reshape(ops.transpose(scores, axes=(0, 2, 1)), shape=(n * c, t))
        found = ops.reshape(ops.take_rows(table, self.rows), shape=(*self.end.shape, t))
        return ops.transpose(found, axes=(2, 0, 1))

    def by_class(self, chances: Any, classes: int) -> Any:
        """(t, n, s) by place to (n, t, c): what a class has at all its places."""
        t, n, s = chances.shape
        found = ops.reshape(ops.transpose(chances, axes=(1, 2, 0)), shape=(n * s, t))
        table = ops.put_rows(found, self.rows, count=n * classes)
        return ops.transpose(ops.reshape(table, shape=(n, classes, t)), axes=(0, 2, 1))


def _expected(places: _Places, x: Any) -> Any:
    seen = places.seen(ops.log_softmax(x))
    last, before = _forward(places, seen)
    _, after = _backward(places, seen)
    total = ops.reshape(_log_sum(last + places.end), shape=(x.shape[0], 1))
    return places.by_class(ops.exp(before + after - total), x.shape[-1])


def _forward(places: _Places, seen: Any) -> tuple[Any, Any]:
    """The log chance of all ways to each place at each step, what is seen there included: at the end, and (t, n, s)."""

    def step(before: Any, now: Any) -> tuple[Any, Any]:
        two = ops.where(places.skip, _shifted(before, 2), LOG_0)
        reached = _log_add(before, _shifted(before, 1), two) + now
        return reached, reached

    return _swept(step, places.start, seen)


def _backward(places: _Places, seen: Any) -> tuple[Any, Any]:
    """The log chance of all ways from each place at each step to the end, what is seen there left out: (t, n, s)."""
    skip = _shifted(places.skip, -2)

    def step(after: Any, now: Any) -> tuple[Any, Any]:
        ahead = after + now
        two = ops.where(ops.greater(skip, 0.0), _shifted(ahead, -2), LOG_0)
        return _log_add(ahead, _shifted(ahead, -1), two), after

    return _swept(step, places.end, seen, reverse=True)


def _swept(
    step: Callable[[Any, Any], tuple[Any, Any]], first: Array, seen: Any, reverse: bool = False
) -> tuple[Any, Any]:
    """A sweep over the first axis of `seen`: what is carried at the end, and what came out at each step."""
    if not isinstance(seen, Value):
        return scan(namespace(seen), lambda carried, now: step(carried, now[0]), first, (seen,), reverse)
    count, *shape = seen.shape
    carried, found = seen.tape.given("constant", first), [seen] * count
    for i in reversed(range(count)) if reverse else range(count):
        now = ops.reshape(ops.columns(seen, start=i, stop=i + 1, axis=0), shape=tuple(shape))
        carried, out = step(carried, now)
        found[i] = ops.reshape(out, shape=(1, *shape))
    return carried, ops.concatenate(*found, axis=0)


def _shifted(a: Any, by: int) -> Any:
    """What stood `by` places before; LOG_0 where nothing did."""
    array = a.array if isinstance(a, Value) else a
    n, s = array.shape
    nothing = namespace(array).full((n, abs(by)), LOG_0, dtype=array.dtype)
    if by > 0:
        return ops.concatenate(nothing, ops.columns(a, start=0, stop=s - by))
    return ops.concatenate(ops.columns(a, start=-by, stop=s), nothing)


def _log_add(a: Any, b: Any, c: Any) -> Any:
    """log(eᵃ + eᵇ + eᶜ)"""
    high = ops.maximum(ops.maximum(a, b), c)
    return high + ops.log(ops.exp(a - high) + ops.exp(b - high) + ops.exp(c - high))


def _log_sum(a: Any) -> Any:
    """log(Σ eᵃ) over the last axis."""
    high = ops.amax(a, axis=-1, keepdims=True)
    return ops.reshape(high + ops.log(ops.sum(ops.exp(a - high), axis=-1, keepdims=True)), shape=a.shape[:-1])
