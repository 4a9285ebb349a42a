"""Merging layers against PyTorch's arithmetic, and what they refuse."""

import numpy as np
import pytest

import pellucid as pl
from pellucid.autodiff import Tape, ops
from pellucid.errors import ShapeError, UsageError
from pellucid.registry import from_config, to_config

both = pytest.mark.parametrize("dtype", [np.float32, np.float64])


class Parts(pl.Layer):
    """x cut along its last axis, the parts given to a merging layer."""

    merge: pl.Layer
    stops: tuple[int, ...]
    shapes: tuple[tuple[int, ...], ...] = ()

    def __call__(self, x):
        starts = (0, *self.stops[:-1])
        parts = [ops.columns(x, start=a, stop=b) for a, b in zip(starts, self.stops, strict=True)]
        for i, shape in enumerate(self.shapes):
            parts[i] = ops.reshape(parts[i], shape=(x.shape[0], *shape))
        return self.merge(parts)


def cut(t, stops, shapes=()):
    parts = [t[..., a:b] for a, b in zip((0, *stops[:-1]), stops, strict=True)]
    for i, shape in enumerate(shapes):
        parts[i] = parts[i].reshape(t.shape[0], *shape)
    return parts


def maximum(a, b, c):
    import torch

    return torch.maximum(torch.maximum(a, b), c)


@both
@pytest.mark.parametrize(
    ("layer", "count", "twin"),
    [
        (pl.Add(), 3, lambda a, b, c: a + b + c),
        (pl.Subtract(), 2, lambda a, b: a - b),
        (pl.Multiply(), 3, lambda a, b, c: a * b * c),
        (pl.Average(), 3, lambda a, b, c: (a + b + c) / 3),
        (pl.Maximum(), 3, maximum),
    ],
    ids=lambda v: type(v).__name__ if isinstance(v, pl.Layer) else "",
)
def test_arithmetic_as_torch(as_torch, dtype, layer, count, twin):
    stops = tuple(range(2, 2 * count + 1, 2))
    as_torch(Parts(layer, stops), (3, 4, 2 * count), lambda t, _: twin(*cut(t, stops)), dtype)


@both
def test_concatenate_as_torch(as_torch, dtype):
    import torch

    as_torch(Parts(pl.Concatenate(), (1, 4)), (3, 4), lambda t, _: torch.cat(cut(t, (1, 4)), dim=-1), dtype)
    shapes = ((2, 3), (1, 3))
    layer = Parts(pl.Concatenate(axis=1), (6, 9), shapes)
    as_torch(layer, (4, 9), lambda t, _: torch.cat(cut(t, (6, 9), shapes), dim=1), dtype)


@both
@pytest.mark.parametrize(
    ("axes", "shapes", "formula"),
    [
        (1, ((3,), (3,)), "na,na->n"),
        ((2, 1), ((2, 3), (3, 4)), "nac,ncb->nab"),
        ((1, 2), ((3, 2), (4, 3)), "nca,nbc->nab"),
        (-1, ((2, 3), (4, 3)), "nac,nbc->nab"),
        ((1, 1), ((3,), (3, 4)), "nc,ncb->nb"),
        ((3, 1), ((2, 2, 3), (3, 2)), "nabc,ncd->nabd"),
    ],
)
@pytest.mark.parametrize("normalize", [False, True])
def test_dot_as_torch(as_torch, dtype, axes, shapes, formula, normalize):
    import torch

    stops = tuple(np.cumsum([int(np.prod(shape)) for shape in shapes]).tolist())
    both_axes = (axes, axes) if isinstance(axes, int) else axes

    def twin(t, w):
        parts = cut(t, stops, shapes)
        if normalize:
            parts = [torch.nn.functional.normalize(p, dim=a, eps=1e-6) for p, a in zip(parts, both_axes, strict=True)]
        y = torch.einsum(formula, *parts)
        return y[:, None] if y.ndim == 1 else y

    as_torch(Parts(pl.Dot(axes, normalize), stops, shapes), (2, stops[-1]), twin, dtype)


def test_of_equal_ones_the_first_takes_the_gradient():
    value, found, _ = pl.backprop(lambda p: ops.sum(pl.Maximum()([p["a"], p["b"]])), {"a": np.ones(2), "b": np.ones(2)})
    assert float(value) == 2
    assert (found["a"].tolist(), found["b"].tolist()) == ([1, 1], [0, 0])


def test_lengths_of_1_are_repeated():
    tape = Tape({})
    a, b = tape.given("a", np.ones((2, 3, 1))), tape.given("b", np.ones((2, 1, 4)))
    assert pl.Add()([a, b]).shape == (2, 3, 4)


class Residual(pl.Model):
    def __init__(self):
        super().__init__()
        self.first, self.block, self.last = pl.Dense(4, "tanh"), pl.Dense(4, "relu"), pl.Dense(3)
        self.add, self.joined, self.dot = pl.Add(), pl.Concatenate(), pl.Dot(1, normalize=True)
        self.scale = pl.Multiply()

    def __call__(self, x):
        h = self.first(x)
        y = self.add([h, self.block(h)])
        return self.last(self.joined([y, self.scale([h, self.dot([h, y])])]))


@pytest.mark.parametrize("engine", ["numpy", "xla"])
def test_a_network_with_branches(rows, engine):
    model = Residual()
    model.compile("adam", pl.SparseCategoricalCrossentropy(from_logits=True))
    run = model.fit(rows.x, rows.y, batch_size=16, epochs=2, engine=engine, record=False, verbose=0)
    for n in (0, 6, 9):
        assert run.at(n).exact
    report = pl.check_gradients(model, rows.x[:8], rows.y[:8])
    assert report.ok, str(report)


def values(*shapes):
    tape = Tape({})
    return [tape.given("x", np.ones(shape)) for shape in shapes]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: pl.Add()(values((2, 3))), UsageError, "Add takes a list of 2 or more Values, and was given 1 Values"),
        (lambda: pl.Add()(values((2, 3))[0]), UsageError, "was given no list"),
        (lambda: pl.Subtract()(values((2,), (2,), (2,))), UsageError, "Subtract takes a list of 2 Values"),
        (lambda: pl.Average()(values((2, 3), (2, 4))), ShapeError, r"Average: .* \(2, 3\), \(2, 4\); expected equal"),
        (lambda: pl.Multiply()(values((2, 3), (3,))), ShapeError, r"Multiply: .*\(3,\)"),
        (lambda: pl.Concatenate(0)(values((2, 3), (2, 3))), ShapeError, "axis 0 is the rows"),
        (lambda: pl.Concatenate(2)(values((2, 3), (2, 3))), ShapeError, r"Concatenate\(axis=2\)"),
        (lambda: pl.Concatenate()(values((2, 3), (3, 3))), ShapeError, "they may differ there alone"),
        (lambda: pl.Dot(0)(values((2, 3), (2, 3))), ShapeError, r"Dot\(axes=0\)"),
        (lambda: pl.Dot((1, 2))(values((2, 3), (2, 3))), ShapeError, r"Dot\(axes=\(1, 2\)\)"),
        (lambda: pl.Dot(1)(values((2, 3), (2, 4))), ShapeError, "have to be as long"),
    ],
)
def test_what_does_not_fit(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_json_and_back():
    for layer in (pl.Add(), pl.Concatenate(axis=1), pl.Dot((1, 2), normalize=True)):
        assert to_config(from_config(to_config(layer))) == to_config(layer)
