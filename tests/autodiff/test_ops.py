"""Every op of the registry, by one table: a new op is tested by existing, or the first test here fails."""

import inspect
import math
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pellucid.autodiff import OPS, Tape, gradients, ops
from pellucid.errors import UsageError
from pellucid.gradcheck.batching import batch, in_full, one_by_one
from pellucid.gradcheck.variants import Call, Column, Input, Point, dense

random = np.random.default_rng(7)


def away(*shape):
    """Numbers between 0.2 and 2 of either sign: away from every kink at 0."""
    return random.uniform(0.2, 2, shape) * random.choice([-1.0, 1.0], shape)


def positive(*shape):
    return random.uniform(0.3, 3, shape)


def apart(*shape):
    """Numbers no two of which are nearer than 0.1: no maximum changes hands."""
    return (random.permutation(math.prod(shape)).reshape(shape) - math.prod(shape) / 2 + 0.25) * 0.1


def whole(high, *shape):
    return random.integers(0, high, shape).astype(np.int32)


def chosen(*shape):
    return random.random(shape) < 0.5


def is_real(x):
    return hasattr(x, "dtype") and np.issubdtype(x.dtype, np.floating)


def as_dtype(inputs, dtype):
    return tuple(np.asarray(x, dtype) if is_real(x) else x for x in inputs)


def single(inputs):
    return as_dtype(as_dtype(inputs, np.float32), np.float64)


def pairs(make):
    """Two inputs of one op, in the ways that shapes meet."""
    return [
        ((make(3, 4), make(3, 4)), {}),
        ((make(3, 4), make(4)), {}),
        ((make(2, 1, 3), make(4, 1)), {}),
        ((make(2, 3), 1.5), {}),
        ((1.5, make()), {}),
    ]


def several(make, **options):
    return [((make(3, 4),), options), ((make(),), options)]


def rows(make, **options):
    return [((make(2, 3, 2),), options), ((make(5),), options)]


def reduced(make):
    return [
        ((make(3, 4),), {}),
        ((make(3, 4),), {"axis": -1, "keepdims": True}),
        ((make(2, 3, 4),), {"axis": (0, 2)}),
        ((make(2, 3, 4),), {"axis": (-1, 1), "keepdims": True}),
    ]


def swept(rank, **other):
    """The settings of a convolution: those of a plain one, but for the others."""
    ones = (1,) * rank
    return {"strides": ones, "padding": ((0, 0),) * rank, "dilation": ones, "spread": ones, "groups": 1} | other


CONVOLUTIONS = [
    (away(2, 5, 2), away(3, 2, 2), swept(1)),
    (away(1, 6, 4), away(2, 2, 6), swept(1, dilation=(2,), padding=((2, 0),), groups=2)),
    (away(2, 5, 4, 1), away(3, 2, 1, 2), swept(2, padding=((1, 1), (0, 1)), strides=(2, 1))),
    (away(1, 4, 5, 3), away(2, 3, 1, 3), swept(2, groups=3, strides=(3, 2), padding=((0, 0), (1, 1)))),
    (away(1, 3, 2, 2), away(3, 2, 2, 1), swept(2, spread=(2, 3), padding=((2, 1), (-1, 1)))),
    (away(1, 3, 2, 3, 1), away(2, 1, 2, 1, 2), swept(3, strides=(1, 1, 2))),
]
POOLS = [
    ((5, 2), {"size": (2,), "strides": (2,), "padding": ((0, 0),)}),
    ((4, 5, 2), {"size": (2, 2), "strides": (2, 2), "padding": ((0, 0), (0, 1))}),
    ((2, 5, 4, 1), {"size": (3, 2), "strides": (2, 1), "padding": ((1, 1), (0, 0))}),
]
"""Shapes of the input, and settings: windows that leave places out, that reach over the end, that overlap."""


def given_back(op, make):
    """The gradient that a pool is given, its input, and its settings."""
    return [((away(*op(x, **options).shape), x), options) for x, options in ((make(*s), o) for s, o in POOLS)]


CASES = {
    "absolute": several(away),
    "add": pairs(away),
    "amax": [case for case in reduced(apart) if not isinstance(case[1].get("axis"), tuple)]
    + [((apart(2, 3, 4),), {"axis": (0, 2)})],
    "as_index": several(away),
    "broadcast_to": [
        ((away(3),), {"shape": (2, 3)}),
        ((away(2, 1),), {"shape": (4, 2, 3)}),
        ((away(),), {"shape": (2, 2)}),
        ((away(2, 3),), {"shape": (2, 3)}),
    ],
    "clip": [((away(6) * 2 + 0.01,), {"low": -1.0, "high": 1.0}), ((away(),), {"low": -0.1, "high": 0.1})],
    "columns": [
        ((away(3, 5),), {"start": 1, "stop": 4}),
        ((away(2, 2, 3),), {"start": 0, "stop": 2}),
        ((away(2, 4, 3),), {"start": 1, "stop": 3, "axis": 1}),
        ((away(2, 4, 3),), {"start": 0, "stop": 3, "axis": -2}),
    ],
    "concatenate": [
        ((away(3, 2), away(3, 1), away(3, 4)), {}),
        ((away(2),), {}),
        ((away(2, 1, 3), away(2, 3, 3)), {"axis": 1}),
        ((away(2, 3), away(1, 3)), {"axis": -2}),
    ],
    "convolution": [((x, kernel), options) for x, kernel, options in CONVOLUTIONS],
    "crop": [((away(2, 5, 4, 2),), {"cropping": ((1, 2), (0, 1))}), ((away(3, 1),), {"cropping": ((0, 0),)})],
    "ctc": [
        ((away(3, 5, 4), np.array([[1, 2], [3, 3], [2, 0]], np.int32)), {}),
        ((away(2, 3, 3), np.array([[0], [2]], np.int32)), {}),
    ],
    "ctc_expected": [((away(2, 4, 3), np.array([[1, 1], [2, 0]], np.int32)), {})],
    "divide": pairs(away),
    "dropout": [((away(3, 4), chosen(3, 4)), {"rate": 0.3}), ((away(5), chosen(5)), {"rate": 0.0})],
    "elu": several(away, alpha=0.7),
    "equal": pairs(apart),
    "exp": several(away),
    "gelu": several(away),
    "give_to_largest": given_back(ops.max_pool, apart),
    "give_to_window": [
        ((away(*ops.window_sum(away(*shape), **options).shape),), options | {"shape": shape[-1 - rank : -1]})
        for shape, options in POOLS
        for rank in (len(options["size"]),)
    ],
    "greater": pairs(lambda *s: away(*s) * 3),
    "greater_equal": pairs(lambda *s: away(*s) * 3),
    "kernel_gradient": [
        ((x, away(*ops.convolution(x, kernel, **options).shape)), options | {"size": kernel.shape[:-2]})
        for x, kernel, options in CONVOLUTIONS
    ],
    "leaky_relu": several(away, negative_slope=0.01),
    "log": several(positive),
    "log_softmax": rows(away),
    "matmul": [
        ((away(3, 4), away(4, 2)), {}),
        ((away(2, 3, 4), away(4, 2)), {}),
        ((away(2, 3, 4), away(2, 4, 5)), {}),
        ((away(1, 4), away(3, 4, 2)), {}),
    ],
    "max_pool": [((apart(*shape),), options) for shape, options in POOLS],
    "maximum": pairs(lambda *s: away(*s) * 3),
    "mean": reduced(away),
    "minimum": pairs(lambda *s: away(*s) * 3),
    "multiply": pairs(away),
    "ones_like": several(away),
    "negative": several(away),
    "normal_probability": several(away),
    "pad": [((away(2, 3, 2, 2),), {"padding": ((1, 2), (0, 1))}), ((away(3, 1),), {"padding": ((0, 0),)})],
    "pad_columns": [
        ((away(3, 2),), {"before": 1, "after": 2}),
        ((away(2),), {"before": 0, "after": 1}),
        ((away(2, 2, 3),), {"before": 2, "after": 1, "axis": 1}),
    ],
    "pick": [((away(3, 4), whole(4, 3)), {}), ((away(2, 3, 4), whole(4, 2, 3)), {})],
    "place": [((away(3), whole(4, 3)), {"count": 4}), ((away(2, 3), whole(4, 2, 3)), {"count": 4})],
    "power": several(positive, exponent=3.0)
    + several(positive, exponent=-0.5)
    + [((away(4),), {"exponent": 2}), ((away(4),), {"exponent": 1})],
    "put_rows": [
        ((away(5, 2), whole(3, 5)), {"count": 3}),
        ((away(2, 3, 2), whole(4, 2, 3)), {"count": 4}),
    ],
    "relu": several(away),
    "reshape": [((away(3, 4),), {"shape": (3, -1, 2)}), ((away(1),), {"shape": ()})],
    "reversed_kernel": [((away(3, 2, 4),), {"groups": 2}), ((away(2, 3, 1, 2),), {"groups": 1})],
    "selu": several(away),
    "sigmoid": several(away),
    "sigmoid_crossentropy": [((away(3, 4), random.random((3, 4))), {}), ((away(3, 1), random.random(2)), {})],
    "sign": several(away),
    "softmax": rows(away),
    "softmax_crossentropy": [
        ((away(3, 4), random.dirichlet(np.ones(4), 3)), {}),
        ((away(2, 3, 4), random.random((2, 3, 4))), {}),
        ((away(3), random.random(3)), {}),
    ],
    "softplus": several(away),
    "sparse_softmax_crossentropy": [((away(3, 4), whole(4, 3)), {}), ((away(2, 3, 4), whole(4, 2, 3)), {})],
    "sqrt": several(positive),
    "square": several(away),
    "subtract": pairs(away),
    "sum": reduced(away),
    "sum_to": [
        ((away(2, 3),), {"shape": (3,)}),
        ((away(4, 2, 3),), {"shape": (2, 1)}),
        ((away(2, 2),), {"shape": ()}),
        ((away(2, 3),), {"shape": (2, 3)}),
    ],
    "swish": several(away),
    "take_rows": [((away(4, 2), whole(4, 5)), {}), ((away(4, 3), whole(4, 2, 3)), {})],
    "take_at_largest": [((away(*shape), apart(*shape)), options) for shape, options in POOLS],
    "tanh": several(away),
    "at_time": [((away(2, 3, 4),), {"step": 1}), ((away(2, 3),), {"step": -1})],
    "put_time": [((away(2, 4),), {"step": 1, "count": 3}), ((away(2),), {"step": 0, "count": 2})],
    "stack_time": [((away(2, 4), away(2, 4), away(2, 4)), {}), ((away(2),), {})],
    "reverse_time": [((away(2, 3, 4),), {}), ((away(2, 3),), {})],
    "window_sum": [((away(*shape),), options) for shape, options in POOLS],
    "transpose": [
        ((away(3, 4),), {"axes": (1, 0)}),
        ((away(2, 3, 4),), {"axes": (0, 2, 1)}),
        ((away(2, 3, 4),), {"axes": (2, 0, 1)}),
        ((away(2, 3, 4),), {"axes": (-1, -3, -2)}),
    ],
    "where": [
        ((chosen(3, 4), away(3, 4), away(4)), {}),
        ((whole(2, 3, 1), away(4), away(3, 4)), {}),
        ((chosen(3), 0.5, away(3)), {}),
    ],
}  # fmt: skip
GIVEN_BACK = {"as_index": np.int32}
"""Ops whose output is not of their input's dtype."""

BOTH = {
    (name, i): (
        OPS[name],
        single(inputs),
        options,
        *single([random.normal(size=np.shape(OPS[name](*inputs, **options)))]),
    )
    for name in CASES
    for i, (inputs, options) in enumerate(CASES[name])
}
"""By name and number: op, inputs, settings, and what each output number counts in the scalar that is
differentiated. All are numbers that float32 has, so that both precisions work at the same point."""
SMOOTH = {key: case for key, case in BOTH.items() if key[0] not in GIVEN_BACK}
EPS = {np.float32: 2.0**-23, np.float64: 2.0**-52}


def by_case(cases):
    return pytest.mark.parametrize("key", list(cases), ids=lambda key: f"{key[0]}-{key[1]}")


def value(op, inputs, options, weights):
    return float(np.sum(op.forward(np, *inputs, **options) * weights))


def on_tape(inputs):
    tape = Tape({})
    return [tape.given("input", x) if is_real(x) else x for x in inputs]


def run(op, inputs, options, weights):
    """Output and gradients with respect to each real input, by our rules."""
    values = on_tape(inputs)
    y = op(*values, **options)
    found = gradients(ops.sum(y * weights), [v for v, x in zip(values, inputs, strict=True) if is_real(x)])
    return y.array, [g.array for g in found]


def curvature(op, inputs, options, weights, directions):
    """The gradient of the gradient's projection on random directions, by our rules twice."""
    values = on_tape(inputs)
    wrt = [v for v, x in zip(values, inputs, strict=True) if is_real(x)]
    first = gradients(ops.sum(op(*values, **options) * weights), wrt)
    projection = sum((ops.sum(g * d) for g, d in zip(first, directions, strict=True)), start=0.0)
    return [g.array for g in gradients(projection, wrt)]


def slopes(f, inputs, h=5e-4):
    """df/dx of each real input, by the five-point central difference, whose error falls with h⁴."""
    found = []
    for k, x in enumerate(inputs):
        if not is_real(x):
            continue
        slope = np.zeros_like(x)
        for index in np.ndindex(x.shape):

            def at(change, k=k, x=x, index=index):
                moved = np.array(x)
                moved[index] += change
                return f((*inputs[:k], moved, *inputs[k + 1 :]))

            slope[index] = (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h)
        found.append(slope)
    return found


def distance(found, expected):
    """The largest relative distance; numbers under 1e-3 of the largest are measured against that."""
    assert [np.shape(a) for a in found] == [np.shape(b) for b in expected]
    size = max((float(np.abs(b).max()) for b in expected if b.size), default=0.0)
    return max(
        float(np.max(np.abs(a - b) / np.maximum(np.maximum(np.abs(b), 1e-3 * size), 1e-3)))
        for a, b in zip(found, expected, strict=True)
        if b.size
    )


def in_xla(f, dtype):
    """f(op, inputs, settings, weights) of every case, in one compiled program: {key: f's result}."""
    inputs = {key: as_dtype(case[1], dtype) for key, case in SMOOTH.items()}
    weights = {key: case[3].astype(dtype) for key, case in SMOOTH.items()}

    def program(arrays, weights):
        found = {}
        for key, (op, inputs, options, _) in SMOOTH.items():
            pairs = zip(arrays[key], inputs, strict=True)  # plain numbers stay plain: part of the program
            found[key] = f(op, [a if hasattr(x, "dtype") else x for a, x in pairs], options, weights[key])
        return found

    with jax.enable_x64(True):
        return jax.tree.map(np.asarray, jax.jit(program)(inputs, weights))


def by_jax(op, inputs, options, weights):
    def forward(*real):
        left = iter(real)
        return op.forward(jnp, *(next(left) if is_real(x) else x for x in inputs), **options)

    return list(jax.vjp(forward, *filter(is_real, inputs))[1](weights))


def test_every_op_is_in_the_table():
    assert CASES.keys() == OPS.keys()


def test_every_op_says_what_it_does():
    for op in OPS.values():
        assert op.__doc__, f"{op} has no docstring"
        assert "def " in op.code()


@by_case(SMOOTH)
def test_backward_equals_finite_differences(key):
    op, inputs, options, c = SMOOTH[key]
    expected = slopes(lambda at: value(op, at, options, c), inputs)
    assert distance(run(op, inputs, options, c)[1], expected) < 1e-6


@by_case({key: case for key, case in SMOOTH.items() if case[0].differentiable and any(map(np.any, run(*case)[1]))})
def test_a_rule_that_is_a_thousandth_off_is_found(key, monkeypatch):
    op, inputs, options, c = SMOOTH[key]
    expected = slopes(lambda at: value(op, at, options, c), inputs)
    rule = op.rule

    def off(*arguments, **given):
        sent = rule(*arguments, **given)
        sent = sent if isinstance(sent, tuple) else (sent,)
        return tuple(None if g is None else g * 1.001 for g in sent)

    monkeypatch.setattr(op, "rule", off)
    assert distance(run(op, inputs, options, c)[1], expected) > 1e-4


@by_case(SMOOTH)
def test_second_order_equals_finite_differences_of_the_gradient(key):
    op, inputs, options, c = SMOOTH[key]
    directions = [np.random.default_rng(3).normal(size=x.shape) for x in inputs if is_real(x)]

    def projection(at):
        return sum(float(np.sum(g * d)) for g, d in zip(run(op, at, options, c)[1], directions, strict=True))

    found = curvature(op, inputs, options, c, directions)
    assert distance(found, slopes(projection, inputs)) < 1e-6


def near(found, expected, dtype, bound):
    """Whether dtype and shape are right, and each number within `bound` of the largest."""
    return (
        found.dtype == dtype
        and found.shape == expected.shape
        and bool(np.all(np.abs(found - expected) <= bound * max(1.0, np.abs(expected).max(initial=0))))
    )


def test_backward_equals_jax_in_both_engines():
    """Our rules, in NumPy and compiled, against jax.vjp of the same forward: 1e-12 in float64. One test for
    all ops, so that they are compiled as one program."""
    referee, compiled = in_xla(by_jax, np.float64), in_xla(run, np.float64)
    for key, case in SMOOTH.items():
        for found in (run(*case)[1], compiled[key][1]):
            assert all(near(g, e, np.float64, 1e-12) for g, e in zip(found, referee[key], strict=True)), key
        assert near(run(*case)[0], compiled[key][0], np.float64, 16 * EPS[np.float64]), key


def test_float32_in_both_engines():
    """Against float64 at the same point. A rule rounds at most 16 times on the way to each of its terms, and
    a gradient adds up at most as many terms as the output has numbers. The two engines' values: 16 ulp."""
    compiled = in_xla(run, np.float32)
    for key, (op, inputs, options, c) in SMOOTH.items():
        exact = run(op, inputs, options, c)[1]
        eager = run(op, as_dtype(inputs, np.float32), options, c.astype(np.float32))
        bound = (16 + c.size) * EPS[np.float32]
        for found in (eager[1], compiled[key][1]):
            assert all(near(g, e, np.float32, bound) for g, e in zip(found, exact, strict=True)), key
        assert eager[0].dtype == np.float32, key
        assert near(compiled[key][0], eager[0], np.float32, 16 * EPS[np.float32]), key


def test_as_index_is_a_whole_number_in_both():
    x = np.array([0.0, 1.0, 2.9, 7.0])
    for dtype in (np.float32, np.float64, np.int64):
        assert ops.as_index(x.astype(dtype)).tolist() == [0, 1, 2, 7]
        assert ops.as_index(x.astype(dtype)).dtype == np.int32
    assert ops.as_index(jnp.asarray(x, jnp.float32)).dtype == np.int32


# At a kink: op, inputs, settings, the gradient that the docstring promises, and its words.
TIES = {
    "relu": ([0.0], {}, [0.0], "At 0 the gradient is 0"),
    "leaky_relu": ([0.0], {"negative_slope": 0.3}, [0.3], "At 0 the gradient is the slope"),
    "elu": ([0.0], {"alpha": 0.7}, [0.7], "At 0 the gradient is alpha"),
    "selu": ([0.0], {}, [1.0507009873554805 * 1.6732632423543772], "At 0 the gradient is the left one"),
    "absolute": ([0.0], {}, [0.0], "At 0 the gradient is 0"),
    "sign": ([0.0], {}, [0.0], "gradient is 0"),
    "greater": ([2.0, 2.0], {}, [0.0, 0.0], "gradient is 0"),
    "greater_equal": ([2.0, 2.0], {}, [0.0, 0.0], "gradient is 0"),
    "equal": ([2.0, 2.0], {}, [0.0, 0.0], "gradient is 0"),
    "maximum": ([2.0, 2.0], {}, [1.0, 0.0], "x takes the gradient"),
    "minimum": ([2.0, 2.0], {}, [1.0, 0.0], "x takes the gradient"),
    "clip": ([[-1.5, -1.0, 0.0, 1.0, 1.5]], {"low": -1.0, "high": 1.0}, [[0, 1, 1, 1, 0]], "at the edges"),
    "amax": ([[3.0, 1.0, 3.0, 3.0]], {}, [[1 / 3, 0, 1 / 3, 1 / 3]], "share the gradient evenly"),
    "max_pool": (
        [[[3.0], [3.0], [1.0], [2.0], [2.0]]],
        {"size": (2,), "strides": (2,), "padding": ((0, 1),)},
        [[[1], [0], [0], [1], [1]]],
        "the first in reading order takes the gradient",
    ),
}


@pytest.mark.parametrize("name", TIES)
def test_a_tie_is_broken_as_the_docstring_says(name):
    inputs, options, expected, words = TIES[name]
    assert words in OPS[name].__doc__
    arrays = [np.asarray(x, np.float64) for x in inputs]
    for g, e in zip(run(OPS[name], arrays, options, 1.0)[1], expected, strict=True):
        np.testing.assert_allclose(g, e, rtol=1e-15)


def test_every_docstring_that_speaks_of_a_tie_is_held_to_it():
    speaking = {name for name, op in OPS.items() if re.search(r"At 0|equal|edges|gradient is 0", op.__doc__)}
    assert speaking - {"where"} <= TIES.keys()


CORNERS = {key: case for key, case in BOTH.items() if case[0].side}


def fixed(op, inputs, options):
    """Value of (op's inputs) to number: the op with its branches fixed as they are at these inputs."""
    side = op.side.forward(np, *inputs, **options)
    return lambda at, c: float(np.sum(op.fixed.forward(np, side, *at, **options) * c))


def test_every_op_with_a_tie_says_its_sides():
    assert {name for name, op in OPS.items() if op.side} == {*TIES, "where", "as_index"}
    assert all((op.side is None) == (op.fixed is None) for op in OPS.values())


@by_case(CORNERS)
def test_an_op_with_fixed_branches_equals_itself(key):
    op, inputs, options, _ = CORNERS[key]
    side = op.side.forward(np, *inputs, **options)
    np.testing.assert_array_equal(op.fixed.forward(np, side, *inputs, **options), op.forward(np, *inputs, **options))


@by_case({key: case for key, case in CORNERS.items() if key in SMOOTH})
def test_a_fixed_op_has_the_slope_of_the_rule(key):
    op, inputs, options, c = CORNERS[key]
    smooth = fixed(op, inputs, options)
    assert distance(run(op, inputs, options, c)[1], slopes(lambda at: smooth(at, c), inputs)) < 1e-6


@pytest.mark.parametrize("name", TIES)
def test_a_fixed_op_has_the_slope_of_the_rule_on_the_corner_too(name):
    inputs, options, expected, _ = TIES[name]
    arrays = [np.asarray(x, np.float64) for x in inputs]
    smooth = fixed(OPS[name], arrays, options)
    for found, e in zip(slopes(lambda at: smooth(at, 1.0), arrays), expected, strict=True):
        np.testing.assert_allclose(found, e, rtol=1e-10, atol=1e-12)


def changes(base, number):
    """An array in several variants, in each of the forms that variants.py knows."""
    draw = np.random.default_rng(number)
    p = np.arange(3) % max(base.size, 1)
    yield "array", base + draw.uniform(-0.05, 0.05, (3, *base.shape))
    if base.shape:
        yield "point", Point(p[::-1], base.reshape(-1)[p[::-1]] + 0.03)
        places = p % base.shape[-1]
        values = np.moveaxis(base[..., places], -1, 0)[..., None]
        yield "column", Column(places, values + draw.uniform(-0.05, 0.05, values.shape))


def varying_calls(op, inputs, options):
    """The op with one input changed, each in turn and in each form, and with all of them changed."""
    output = np.asarray(op.forward(np, *inputs, **options))
    real = [k for k, x in enumerate(inputs) if is_real(x)]
    forms = {k: dict(changes(np.asarray(inputs[k]), k)) for k in real}
    for chosen in [{k: form} for k in real for form in forms[k]] + [dict.fromkeys(real, "array")]:
        given = [Input(x, forms[k][chosen[k]] if k in chosen else None) for k, x in enumerate(inputs)]
        yield Call(np, op, given, options, output)


def in_both_ways(call):
    base = np.asarray(call.output)
    return dense(np, base, batch(call)), one_by_one(call)


@by_case(BOTH)
def test_many_variants_at_once_equal_each_alone(key):
    """To 1e-12 of the largest number: the two add up the same terms in another order."""
    for call in varying_calls(*BOTH[key][:3]):
        found, expected = in_both_ways(call)
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12 * np.abs(expected).max(initial=1.0))


@by_case(CORNERS)
def test_many_variants_of_sides_and_of_fixed_ops_equal_each_alone(key):
    op, inputs, options, _ = CORNERS[key]
    side = op.side.forward(np, *inputs, **options)
    for call in varying_calls(op, inputs, options):
        sides = call._replace(op=op.side, output=side)
        fixed = call._replace(op=op.fixed, inputs=[Input(side), *call.inputs])
        for one in (sides, fixed):
            found, expected = in_both_ways(one)
            np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


@by_case(BOTH)
def test_no_op_of_the_library_is_run_variant_by_variant(key):
    for call in varying_calls(*BOTH[key][:3]):
        assert in_full(call) is not None


def test_variants_in_xla_equal_those_in_numpy():
    """One program for all ops, as in the tests above."""
    calls = {f"{key}/{i}": call for key, case in BOTH.items() for i, call in enumerate(varying_calls(*case[:3]))}
    with jax.enable_x64(True):
        variants = {name: [i.variants for i in call.inputs] for name, call in calls.items()}

        def program(variants):
            out = {}
            for name, call in calls.items():
                given = [Input(i.base, c) for i, c in zip(call.inputs, variants[name], strict=True)]
                base = jnp.asarray(call.output)
                out[name] = dense(jnp, base, batch(call._replace(xp=jnp, inputs=given, output=base)))
            return out

        found = jax.tree.map(np.asarray, jax.jit(program)(variants))
    for name, call in calls.items():
        expected = in_both_ways(call)[0]
        np.testing.assert_allclose(found[name], expected, rtol=1e-12, atol=1e-12 * np.abs(expected).max(initial=1.0))


def test_equal_maxima_share_evenly_in_each_row():
    x = np.array([[1.0, 5.0, 5.0], [2.0, 0.0, 1.0]])
    g = run(OPS["amax"], (x,), {"axis": 1}, np.array([1.0, 10.0]))[1][0]
    np.testing.assert_array_equal(g, [[0, 0.5, 0.5], [10, 0, 0]])


FORMULA = {"exp": np.exp, "log": np.log, "sqrt": np.sqrt, "sum": np.sum, "max": max, "min": min, "erf": math.erf}


def inputs_and_settings(op):
    """The names of an op's inputs, and its settings: as in the table, else by default."""
    parameters = list(inspect.signature(op.forward).parameters.values())[1:]
    options = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
    return [p.name for p in parameters if p.kind is not p.KEYWORD_ONLY], options | CASES[op.name][0][1]


@pytest.mark.parametrize("name", [name for name, op in OPS.items() if op.formula])
def test_the_formula_is_what_the_code_computes(name):
    op = OPS[name]
    inputs, options = inputs_and_settings(op)
    draw = np.random.default_rng(11)

    def formula(**given):
        return eval(op.formula, {"__builtins__": {}}, FORMULA | options | given)

    if op.elementwise:
        x = np.concatenate([draw.uniform(-30, 30, 300), draw.normal(size=300), [-30.0, -1e-9, 1e-9, 30.0]])
        y = np.where(draw.random(x.size) < 0.3, x, draw.permutation(x))  # equal to x here and there
        given = {"x": x, "y": y, "target": draw.random(x.size), "keep": draw.random(x.size) < 0.5}
        found = op(*(given[p] for p in inputs), **options)
        expected = [formula(**{p: given[p][i] for p in inputs}) for i in range(x.size)]
    else:
        x = np.concatenate([draw.uniform(-30, 30, (100, 5)), draw.normal(size=(100, 5))])
        sparse = op.axes.startswith("... c, ... ->")
        target = draw.integers(0, 5, len(x)) if sparse else draw.dirichlet(np.ones(5), len(x))
        given = {"x": x, "target": target}
        options |= {"axis": -1, "keepdims": False} if op.axes == "reduce" else {}
        found = op(*(given[p] for p in inputs), **options)
        if "[c]" in op.formula:
            expected = [[formula(x=row, c=c) for c in range(5)] for row in x]
        else:
            expected = [formula(**{p: given[p][i] for p in inputs}) for i in range(len(x))]
    # What a textbook's formula loses itself: 1 + exp(-30) keeps 16 figures of the 1, and terms reach 30.
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=2e-14)


def test_no_textbook_formula_overflows_in_the_code():
    extreme = np.array([[-1e4, 1e4, 0.0], [-800.0, 800.0, -1.0]])
    for name, op in OPS.items():
        if op.formula and name not in ("dropout", "divide"):  # x / 0 is what divide is asked for
            target = {"sparse_softmax_crossentropy": np.array([0, 1])}.get(name, np.array([0.0, 1.0, 0.5]))
            inputs, options = inputs_and_settings(op)
            with np.errstate(over="raise", invalid="raise", divide="raise"):
                y, found = run(op, (extreme, target)[: len(inputs)], options, 1.0)
            assert np.isfinite(y).all(), name
            assert np.isfinite(found[0]).all(), name


def expected_sum(sent, shape, out):
    """What comes back to an input of `shape` that was repeated to `out`: added up place by place."""
    places = np.broadcast_to(np.arange(math.prod(shape)).reshape(shape), out)
    return np.bincount(places.ravel(), np.broadcast_to(sent, out).ravel(), math.prod(shape)).reshape(shape)


@settings(max_examples=60, deadline=None)
@given(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=4, max_side=3), st.integers(0, 99))
def test_any_two_shapes_that_broadcast(shapes, seed):
    draw = np.random.default_rng(seed)
    (first, second), out = shapes.input_shapes, shapes.result_shape
    x, y, c = draw.normal(size=first), draw.normal(size=second), draw.normal(size=out)
    for name, dx, dy in (
        ("add", c, c),
        ("subtract", c, -c),
        ("multiply", c * y, c * x),
        ("maximum", c * (x >= y), c * (x < y)),
    ):
        z, found = run(OPS[name], (x, y), {}, c)
        assert z.shape == out
        np.testing.assert_allclose(found[0], expected_sum(dx, first, out), rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(found[1], expected_sum(dy, second, out), rtol=1e-12, atol=1e-12)


@settings(max_examples=40, deadline=None)
@given(hnp.mutually_broadcastable_shapes(signature="(n,i),(i,o)->(n,o)", max_dims=2, max_side=3))
def test_any_two_stacks_of_matrices(shapes):
    draw = np.random.default_rng(0)
    (first, second), out = shapes.input_shapes, shapes.result_shape
    x, w, c = draw.normal(size=first), draw.normal(size=second), draw.normal(size=out)
    _, (dx, dw) = run(OPS["matmul"], (x, w), {}, c)
    sent_x = np.einsum("...no,...io->...ni", c, w)
    sent_w = np.einsum("...ni,...no->...io", x, c)
    np.testing.assert_allclose(dx, expected_sum(sent_x, first, sent_x.shape), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(dw, expected_sum(sent_w, second, sent_w.shape), rtol=1e-12, atol=1e-12)


@settings(max_examples=40, deadline=None)
@given(hnp.array_shapes(min_dims=1, max_dims=4, max_side=3), st.data())
def test_any_axes_of_a_reduction(shape, data):
    axes = data.draw(st.sets(st.integers(-len(shape), len(shape) - 1), max_size=len(shape)))
    axes = tuple({a % len(shape): a for a in axes}.values())
    keep = data.draw(st.booleans())
    x = np.random.default_rng(0).normal(size=shape)
    for name, count in (("sum", 1), ("mean", math.prod(shape[a] for a in axes))):
        y, (dx,) = run(OPS[name], (x,), {"axis": axes, "keepdims": keep}, 1.0)
        np.testing.assert_allclose(y, getattr(np, name)(x, axis=axes, keepdims=keep), rtol=1e-12)
        np.testing.assert_allclose(dx, np.full(shape, 1 / count), rtol=1e-15)


def test_an_index_out_of_range_is_the_nearest_row_in_both():
    table = np.arange(6.0, dtype=np.float32).reshape(3, 2)
    indices = np.array([-4, 1, 7], np.int32)
    for as_array in (np.asarray, jnp.asarray):
        np.testing.assert_array_equal(ops.take_rows(as_array(table), as_array(indices)), table[[0, 1, 2]])
        put = ops.put_rows(as_array(table), as_array(indices), count=3)
        np.testing.assert_array_equal(put, table)


def test_settings_reach_the_backward_rule():
    _, (g,) = run(OPS["leaky_relu"], (np.array([-2.0, 3.0]),), {"negative_slope": 0.25}, 1.0)
    assert g.tolist() == [0.25, 1.0]


@pytest.mark.parametrize("exponent", [0, 1, 2])
def test_whole_powers_at_0_have_every_derivative(exponent):
    tape = Tape({})
    x = tape.given("x", np.array(0.0))
    y = x**exponent
    for order in range(4):
        assert float(y.array) == (math.factorial(order) if order == exponent else 0.0)
        y = gradients(y, [x])[0]


def test_inputs_on_two_tapes_are_refused():
    a, b = Tape({}).given("a", np.ones(2)), Tape({}).given("b", np.ones(2))
    with pytest.raises(UsageError, match="add: its inputs are on two tapes"):
        a + b
