"""The pages ask an op what it declares, and go by no op's name; so a new op is explained where it is defined."""

import ast
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pellucid
from pellucid.autodiff import OPS, Op, Tape, Value, gradients, op, ops
from pellucid.explain.expression import Expression

HOUSE = Path(pellucid.__file__).parent
NAMED = [*(HOUSE / "explain").glob("*.py"), *(HOUSE / "gradcheck").glob("*.py")]


def strings(node: ast.AST | None) -> Iterator[ast.Constant]:
    """The strings in an expression that something is compared with or looked up by: also in a tuple, a set, a dict."""
    match node:
        case ast.Constant(value=str()):
            yield node
        case ast.Tuple(elts=parts) | ast.List(elts=parts) | ast.Set(elts=parts):
            for part in parts:
                yield from strings(part)
        case ast.Dict(keys=keys):
            for key in keys:
                yield from strings(key)
        case _:
            pass


def dispatched(tree: ast.AST) -> Iterator[ast.Constant]:
    """Every string that is compared, looked up, matched, or a member of a collection that is kept under a name."""
    for node in ast.walk(tree):
        match node:
            case ast.Compare(left=left, comparators=others) if not told_by_a_fact(left):
                for part in (left, *others):
                    yield from strings(part)
            case ast.Subscript(slice=part) | ast.MatchValue(value=part):
                yield from strings(part)
            case ast.Call(func=ast.Attribute(attr="get"), args=[part, *_]):
                yield from strings(part)
            case ast.Assign(value=ast.Tuple() | ast.List() | ast.Set() | ast.Dict() as part):
                yield from strings(part)
            case ast.AnnAssign(value=ast.Tuple() | ast.List() | ast.Set() | ast.Dict() as part):
                yield from strings(part)
            case _:
                pass


def told_by_a_fact(node: ast.expr) -> bool:
    """op.axes == "convolution", op.joined == "sum": a kind that the op declares, whatever it is called."""
    return isinstance(node, ast.Attribute) and node.attr in ("axes", "joined")


@pytest.mark.parametrize("path", NAMED, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_no_page_and_no_check_goes_by_an_ops_name(path: Path) -> None:
    found = [f"{path}:{s.lineno}: {s.value!r}" for s in dispatched(ast.parse(path.read_text())) if s.value in OPS]
    # A function of a formula's own language, and a column of a table, are no ops.
    allowed = {
        "textbook.py": ("max", "min", "abs", "exp", "log", "sqrt", "erf", "tanh", "sum"),
        "summary.py": ("mean",),
    }
    found = [line for line in found if line.rsplit("'", 2)[-2] not in allowed.get(path.name, ())]
    assert not found, "asks for an op by its name: " + "; ".join(found)


@pytest.mark.parametrize(
    "line",
    ['x.op.name == "matmul"', 'x.op.name in ("sum", "mean")', 'OPS["relu"]', 'A = {"add": "+"}', 'T.get("negative")'],
)
def test_the_test_above_finds(line: str) -> None:
    assert [s for s in dispatched(ast.parse(line)) if s.value in OPS]


@pytest.fixture
def defined() -> Iterator[Callable[[Op], Op]]:
    """Ops that are registered while a test runs."""
    before = dict(OPS)
    yield lambda made: made
    for name in OPS.keys() - before.keys():
        del OPS[name]


def text(value: Value, *index: int, inline: bool = False) -> str:
    return Expression(lambda _: inline).of(value.node, index).text


def test_a_new_fused_op_is_written_by_its_formula(defined: Any, worth: Callable[[str], float]) -> None:
    @op(formula="x * scale + log(1 + exp(y))")
    def scaled_softplus(xp: Any, x: Any, y: Any, *, scale: float) -> Any:
        """x in another scale, and a smooth relu of y."""
        return x * scale + xp.logaddexp(0.0, y)

    @scaled_softplus.backward
    def _(dz: Any, z: Any, x: Any, y: Any, *, scale: float) -> Any:
        return dz * scale, dz * ops.sigmoid(y)

    tape = Tape({})
    x, y = tape.given("x", np.array([1.5, -2.0])), tape.given("y", np.array([-1.0, 0.5]))
    z = scaled_softplus(x, y, scale=0.25)
    assert text(z, 1) == "(-2) × 0.25 + log(1 + exp(0.5))"
    assert worth(text(z, 1)) == pytest.approx(float(z.array[1]))
    dx, dy = gradients(ops.sum(z), [x, y])
    assert text(dx, 0) == "1 × 0.25"
    assert text(dy, 0, inline=True) == "1 × 1 / (1 + exp(-(-1)))"


def test_a_new_reducing_op_is_written_by_how_it_joins(defined: Any, worth: Callable[[str], float]) -> None:
    @op("reduce", joined="sum")
    def total(xp: Any, x: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
        """Adds up."""
        return xp.sum(x, axis=axis, keepdims=keepdims)

    @op("reduce", formula="sqrt(sum(x ** 2))")
    def length(xp: Any, x: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
        """The root of the squares, added up."""
        return xp.sqrt(xp.sum(x * x, axis=axis, keepdims=keepdims))

    @op("... i, ... i -> ...", joined="products")
    def inner(xp: Any, x: Any, y: Any) -> Any:
        """The products of two vectors, added up."""
        return xp.sum(x * y, axis=-1)

    tape = Tape({})
    x = tape.given("x", np.array([[1.0, -2.0], [3.0, 5.0]]))
    assert text(total(x, axis=0), 1) == "-2 + 5"
    assert text(length(x, axis=1, keepdims=True), 0, 0) == "sqrt(1² + (-2)²)"
    assert worth(text(length(x))) == pytest.approx(np.sqrt(39))
    assert text(inner(x, np.array([2.0, 3.0])), 0) == "1 × 2 + (-2) × 3"


def test_every_name_of_an_onnx_operator_is_one() -> None:
    onnx = pytest.importorskip("onnx")
    known = {schema.name for schema in onnx.defs.get_all_schemas()}
    assert {op.onnx for op in OPS.values() if op.onnx} <= known
