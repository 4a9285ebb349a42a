"""A printed formula, worked out again, is the number on the tape: every op, forward and back."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import pellucid as pl
from autodiff.test_ops import CASES as TABLE
from pellucid.autodiff import Node, Tape, Value, backprop, gradients, ops
from pellucid.autodiff.op import OPS, Op
from pellucid.autodiff.origin import aligned
from pellucid.explain.expression import Expression

Worth = Callable[[str], float]
LABELS = np.array([2, 0, 3])


def drawn(*shape: int, low: float = -2.0, seed: int = 0) -> Any:
    """Numbers of three digits, which print in full, none near 0 and no two equal."""
    size = int(np.prod(shape))
    steps = np.random.default_rng(seed).permutation(size)
    return (np.round(np.linspace(low, 2.0, size + 1)[:-1], 2) + 0.003)[steps].reshape(shape)


def short(x: Any) -> Any:
    """The same with three digits after the point."""
    real = isinstance(x, np.ndarray | np.generic) and np.isdtype(x.dtype, "real floating")
    return np.asarray(np.round(x, 3)) if real else x


A, B, POSITIVE = drawn(3, 4), drawn(3, 4, seed=1), drawn(3, 4, low=0.2)
PROBABILITIES = np.array([[0.1, 0.2, 0.3, 0.4], [0.0, 0.0, 1.0, 0.0], [0.25, 0.25, 0.125, 0.375]])
KEEP = A > -1.0

UNARY = (
    "negative", "square", "exp", "absolute", "sign", "relu", "elu", "selu", "gelu", "normal_probability",
    "sigmoid", "tanh", "softplus", "swish", "leaky_relu", "softmax", "log_softmax", "as_index", "ones_like",
)  # fmt: skip
SAME = {"strides": (2, 1), "padding": ((1, 1), (0, 2)), "dilation": (1, 1), "spread": (1, 1)}
POOL = {"size": (3, 2), "strides": (2, 1), "padding": ((1, 1), (0, 0))}
# For each op: its inputs (the first is differentiated, and others where they are floats), its settings.
CASES: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    **{name: ((A, B), {}) for name in ("add", "subtract", "multiply", "greater", "greater_equal")},
    **{name: ((A, B), {}) for name in ("maximum", "minimum")},
    **{
        name: ((A,), {})
        for name in UNARY
    },
    "equal": ((A, np.where(KEEP, A, B)), {}),
    "divide": ((A, POSITIVE), {}),
    "power": ((A, ), {"exponent": 3.0}),
    "sqrt": ((POSITIVE,), {}),
    "log": ((POSITIVE,), {}),
    "clip": ((A,), {"low": -0.5, "high": 1.25}),
    "where": ((KEEP.astype(float), A, B), {}),
    "reshape": ((A,), {"shape": (2, 6)}),
    "broadcast_to": ((drawn(3, 1),), {"shape": (2, 3, 4)}),
    "ctc": ((drawn(2, 3, 3), np.array([[1, 2], [2, 0]])), {}),
    "ctc_expected": ((drawn(1, 3, 3), np.array([[1, 2]])), {}),
    "transpose": ((drawn(2, 3, 4),), {"axes": (2, 0, 1)}),
    "concatenate": ((A, drawn(3, 2), B), {}),
    "columns": ((A,), {"start": 1, "stop": 3}),
    "pad_columns": ((A,), {"before": 2, "after": 1}),
    "take_rows": ((drawn(5, 2), LABELS), {}),
    "put_rows": ((drawn(3, 2), np.array([1, 4, 1])), {"count": 5}),
    "pick": ((A, LABELS), {}),
    "place": ((drawn(3), LABELS), {"count": 4}),
    "dropout": ((A, KEEP), {"rate": 0.25}),
    "sum": ((A,), {"axis": 0}),
    "mean": ((A,), {"axis": (1,), "keepdims": True}),
    "amax": ((A,), {"axis": -1}),
    "sum_to": ((A,), {"shape": (1, 4)}),
    "sigmoid_crossentropy": ((A, PROBABILITIES), {}),
    "softmax_crossentropy": ((A, PROBABILITIES), {}),
    "sparse_softmax_crossentropy": ((A, LABELS), {}),
    "convolution": ((drawn(2, 4, 3, 2), drawn(3, 2, 2, 2, seed=1)), SAME | {"groups": 1}),
    "kernel_gradient": ((drawn(2, 4, 3, 2), drawn(2, 2, 4, 2, seed=1)), SAME | {"groups": 1, "size": (3, 2)}),
    "reversed_kernel": ((drawn(3, 2, 4),), {"groups": 2}),
    "max_pool": ((drawn(2, 5, 4, 1),), POOL),
    "give_to_largest": ((drawn(2, 3, 3, 1, seed=1), drawn(2, 5, 4, 1)), POOL),
    "take_at_largest": ((drawn(2, 5, 4, 1, seed=1), drawn(2, 5, 4, 1)), POOL),
    "window_sum": ((drawn(2, 5, 4, 1),), POOL),
    "give_to_window": ((drawn(2, 3, 3, 1),), POOL | {"shape": (5, 4)}),
    "pad": ((drawn(2, 3, 2, 2),), {"padding": ((1, 0), (0, 2))}),
    "crop": ((drawn(2, 4, 3, 2),), {"cropping": ((1, 0), (0, 2))}),
    "matmul": ((A, drawn(4, 2)), {}),
    "at_time": ((drawn(2, 3, 2),), {"step": 1}),
    "put_time": ((drawn(2, 2),), {"step": 1, "count": 3}),
    "stack_time": ((drawn(2, 2), drawn(2, 2)), {}),
    "reverse_time": ((drawn(2, 3, 2),), {}),
}  # fmt: skip
EXTRA: dict[str, list[tuple[tuple[Any, ...], dict[str, Any]]]] = {
    "add": [((A, drawn(4)), {}), ((A, -1.5), {}), ((2.0, B), {})],
    "multiply": [((A, drawn(3, 1)), {})],
    "power": [((POSITIVE,), {"exponent": -0.5}), ((A,), {"exponent": 2})],
    "sum": [((A,), {}), ((A,), {"axis": 1, "keepdims": True}), ((drawn(2, 3, 2),), {"axis": (0, 2)})],
    "mean": [((A,), {}), ((drawn(2, 3, 2),), {"axis": 1})],
    "amax": [((A,), {}), ((A,), {"axis": 0, "keepdims": True})],
    "sum_to": [((drawn(2, 3, 2),), {"shape": (3, 1)}), ((A,), {"shape": (3, 4)})],
    "matmul": [((drawn(2, 3, 4), drawn(4, 2)), {})],
    "convolution": [
        (
            (drawn(1, 4, 4), drawn(2, 2, 6, seed=1)),
            {
                "strides": (1,),
                "padding": ((2, 0),),
                "dilation": (2,),
                "spread": (2,),
                "groups": 2,
            },
        ),
        (
            (drawn(1, 2, 2, 2, 1), drawn(2, 1, 2, 1, 1, seed=1)),
            {
                "strides": (1,) * 3,
                "padding": ((0, 0),) * 3,
                "dilation": (1,) * 3,
                "spread": (1,) * 3,
                "groups": 1,
            },
        ),
    ],
    "max_pool": [((drawn(4, 2),), {"size": (2,), "strides": (2,), "padding": ((0, 0),)})],
    "concatenate": [((drawn(2, 1), drawn(2, 3)), {}), ((drawn(2, 1, 3), drawn(2, 2, 3)), {"axis": 1})],
    "columns": [((drawn(2, 4, 3),), {"start": 1, "stop": 3, "axis": -2})],
    "pad_columns": [((drawn(2, 2, 3),), {"before": 1, "after": 1, "axis": 1})],
    "transpose": [((A,), {"axes": (-1, 0)})],
    "leaky_relu": [((A,), {"negative_slope": 0.05})],
    "elu": [((A,), {"alpha": 0.5})],
}
EVERY = [
    pytest.param(name, *case, id=f"{name}-{i}")
    for name, first in CASES.items()
    for i, case in enumerate([first, *EXTRA.get(name, [])])
] + [
    pytest.param(name, tuple(short(x) for x in inputs), options, id=f"{name} of the table-{i}")
    for name, cases in TABLE.items()
    for i, (inputs, options) in enumerate(cases)
]
"""The cases above, whose numbers print in full, and every op of the table of all ops."""


def in_a_line(row: Node) -> bool:
    """Whether a formula says a node's number; else it is printed as name(numbers), as what ctc computes."""
    op = row.op
    return op is not None and bool(op.formula or op.elementwise or row.origin((0,) * row.output.ndim))


def holds(tape: Tape, worth: Worth, inline: Callable[[Node], bool], digits: float) -> None:
    """Every number that an op put on the tape is what its formula says."""
    write = Expression(inline, terms=64)
    for row in tape.nodes:
        if row.op is None or not row.output.size or not in_a_line(row):
            continue
        largest = max(float(np.abs(np.asarray(r.output, float)).max(initial=0)) for r in tape.nodes)
        for index in np.ndindex(row.output.shape):
            text = write.of(row, index).text
            found, recorded = worth(text), float(row.output[index])
            assert found == pytest.approx(recorded, rel=digits, abs=digits * (1 + largest) ** 2), (
                f"{row.op.name}{list(index)} = {text}"
            )


@pytest.mark.parametrize("inline", [False, True], ids=["by row", "written out"])
@pytest.mark.parametrize(("name", "inputs", "options"), EVERY)
def test_formula_is_the_number(
    name: str, inputs: tuple[Any, ...], options: dict[str, Any], inline: bool, worth: Worth
) -> None:
    tape = Tape({})
    values = [tape.given(f"x{i}", x) if isinstance(x, np.ndarray) else x for i, x in enumerate(inputs)]
    y = OPS[name](*values, **options)
    if np.isdtype(y.dtype, "real floating"):
        factors = np.linspace(0.5, 1.5, y.array.size).round(2).reshape(y.shape)
        wrt = [v for v in values if isinstance(v, Value) and np.isdtype(v.dtype, "real floating")]
        gradients(ops.sum(y * factors), wrt)
    assert len(tape.nodes) > len(inputs)
    # Written out, the steps of a sweep back through a sweep would fill a book.
    holds(tape, worth, lambda _: inline and in_a_line(y.node), 1e-5)


@pytest.mark.parametrize("name", sorted(OPS))
def test_every_op_shows_the_numbers_it_was_made_from(name: str) -> None:
    """Each number that a formula shows is on the tape, in an input or further back."""
    inputs, options = CASES[name] if name in CASES else TABLE[name][0]
    tape = Tape({})
    values = [tape.given(f"x{i}", x) for i, x in enumerate(inputs)]
    y = OPS[name](*values, **options)
    if np.isdtype(y.dtype, "real floating"):
        gradients(ops.sum(y), [v for v in values if np.isdtype(v.dtype, "real floating")])
    write = Expression(lambda _: False)
    for row in tape.nodes:
        for index in np.ndindex(row.output.shape):
            made = write.of(row, index)
            assert row.op is None or all(use.node.index < row.index for use in made.uses)
            assert all(0 <= i < n for use in made.uses for i, n in zip(use.index, use.node.output.shape, strict=True))
            if row.op is not None and set(made.text) - set("0 +"):
                assert made.uses, f"{row.op.name}{index} = {made.text}"


def dense(activation: str, loss: pl.Loss, classes: int) -> Tape:
    """The tape of a step of a network with an embedding, one hidden layer and dropout."""
    x = np.concatenate([drawn(5, 3), np.array([[0.0], [2.0], [1.0], [2.0], [0.0]])], axis=1)
    y = np.array([2, 0, 1, 1, 2]) if classes > 1 else drawn(5, 1, low=0.1) / 4
    model = pl.Sequential(
        [pl.CategoryEmbedding([[3, 2]]), pl.Dense(4, activation), pl.Dropout(0.25), pl.Dense(classes)]
    )
    model.compile("sgd", loss)
    model.build(x.astype("float32"))
    shapes = {path: a.shape for path, a in model.parameters().items()}
    rounded = {path: drawn(*shape, seed=i) for i, (path, shape) in enumerate(shapes.items())}
    tape = Tape(rounded, step=3, training=True)
    gradients(loss(tape.given("y", y), model(tape.given("x", x))), [tape.parameter(path) for path in rounded])
    return tape


@pytest.mark.parametrize("activation", ["relu", "tanh", "gelu", "softplus"])
@pytest.mark.parametrize(
    ("loss", "classes"),
    [
        (pl.MeanSquaredError(), 1),
        (pl.MeanAbsoluteError(), 1),
        (pl.Huber(0.5), 1),
        (pl.BinaryCrossentropy(from_logits=True), 1),
        (pl.SparseCategoricalCrossentropy(from_logits=True), 3),
    ],
    ids=lambda v: v.name if isinstance(v, pl.Loss) else "",
)
def test_formulas_of_a_whole_step(activation: str, loss: pl.Loss, classes: int, worth: Worth) -> None:
    tape = dense(activation, loss, classes)
    assert {row.op.name for row in tape.nodes if row.op} >= {"matmul", "take_rows", "put_rows", "dropout"}
    holds(tape, worth, lambda _: False, 1e-5)


NUMBERS = st.integers(-30, 30).filter(bool).map(lambda n: n / 10)
TWO = ("add", "subtract", "multiply", "divide", "maximum", "minimum", "greater", "equal", "greater_equal")
ONE = ("negative", "square", "relu", "absolute", "tanh", "sigmoid", "softplus", "leaky_relu", "swish")


@st.composite
def trees(draw: st.DrawFn, depth: int = 4) -> Any:
    """Arithmetic as nested tuples, down to numbers."""
    if not depth or draw(st.integers(0, 4)) == 0:
        return draw(NUMBERS)
    if draw(st.booleans()):
        return (draw(st.sampled_from(ONE)), draw(trees(depth - 1)))
    return (draw(st.sampled_from(TWO)), draw(trees(depth - 1)), draw(trees(depth - 1)))


def grown(tree: Any, tape: Tape) -> Value:
    if not isinstance(tree, tuple):
        return tape.given("x", np.array(tree))
    return OPS[tree[0]](*(grown(branch, tape) for branch in tree[1:]))


@settings(max_examples=300, deadline=None)
@given(tree=trees())
def test_brackets_keep_the_order_of_arithmetic(tree: Any, worth: Worth) -> None:
    tape = Tape({})
    with np.errstate(all="ignore"):
        y = grown(tree, tape)
    assume(y.node.op is not None)
    sizes = [abs(float(row.output)) for row in tape.nodes]
    assume(all(np.isfinite(sizes)))
    assume(max(sizes) < 1e4)
    assume(all(abs(float(r.inputs[1].array)) > 0.1 for r in tape.nodes if r.op and r.op.name == "divide"))
    # What is equal or greater by a hair only may fall otherwise in the textbook's form.
    ties = [
        abs(float(r.inputs[0].array) - float(r.inputs[1].array))
        for r in tape.nodes
        if r.op and r.op.name in ("greater", "equal", "greater_equal")
    ]
    assume(all(tie == 0 or tie > 1e-6 for tie in ties))
    text = Expression(lambda _: True).of(y.node, ()).text
    assert worth(text) == pytest.approx(float(y.array), rel=1e-9, abs=1e-9 * (1 + max(sizes))), text


def test_negative_numbers_stand_in_brackets() -> None:
    _, _, tape = backprop(lambda p: ops.sum(p["x"] @ p["w"]), {"x": -np.ones((1, 2)), "w": -2 * np.ones((2, 1))})
    row = next(row for row in tape.nodes if row.op and row.op.name == "matmul")
    assert Expression(lambda _: False).of(row, (0, 0)).text == "(-1) × (-2) + (-1) × (-2)"


def test_a_long_sum_shows_its_largest_terms_and_the_rest_as_one(worth: Worth) -> None:
    x = drawn(1, 40)
    tape = Tape({})
    y = tape.given("x", x) @ tape.given("w", np.ones((40, 1)))
    text = Expression(lambda _: False).of(y.node, (0, 0)).text
    assert text.count("×") == 11
    assert "from 29 smaller terms" in text
    assert worth(text) == pytest.approx(x.sum(), abs=1e-5)
    shown = [abs(float(term.strip("()"))) for term in text.replace("+ ", "").split(" ") if "." in term][:11]
    assert min(shown) >= np.sort(np.abs(x[0]))[-11] - 1e-9


def test_the_place_in_an_input_that_was_broadcast() -> None:
    assert aligned((2, 3), (4,)) == (3,)
    assert aligned((2, 3), (5, 1)) == (2, 0)
    assert aligned((2, 3), ()) == ()
    assert aligned((3,), (1, 4)) == (0, 3)


@pytest.mark.parametrize(
    ("axes", "text"),
    [
        ("n c -> n", "largest_gap(4, 5, 7)"),
        ("... c -> ...", "largest_gap(4, 5, 7)"),
        ("window", "largest_gap(1, 2, 3, 4, 5, 7)"),
    ],
)
def test_an_op_of_ones_own_shows_the_numbers_behind_it_by_its_axes(axes: str, text: str) -> None:
    def largest_gap(xp: Any, x: Any) -> Any:
        return xp.max(xp.diff(x, axis=-1), axis=-1)

    y = Op(largest_gap, axes)(Tape({}).given("x", np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 7.0]])))
    made = Expression(lambda _: False).of(y.node, (1,))
    assert (made.text, made.value) == (text, 2.0)
    assert {use.index for use in made.uses} >= {(1, 0), (1, 1), (1, 2)}
    short = Expression(lambda _: False, terms=2).of(y.node, (1,)).text
    assert short.endswith(", …)") and short.count(",") == 2
