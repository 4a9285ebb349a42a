"""Any one number of a tape as its formula, with the numbers put in.

    dense/relu[3, 1]  =  max(5.1 × 0.21 + 3.5 × (-0.4) + 0.1, 0)

One renderer serves forward and backward pass: a row is written by what its op is (arithmetic, a formula, a
sum of products, a reduction, a change of place), and rows for which `inline` holds are written out inside
the rows that use them; all others appear as their number.
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy

from pellucid.autodiff import Row, Value
from pellucid.explain.number import number

Index = tuple[int, ...]
SUM, PRODUCT, UNARY, ATOM = 1, 2, 3, 4
"""How tightly a text holds together: what must stand in brackets beside what."""

INFIX = {
    "add": ("+", SUM),
    "subtract": ("-", SUM),
    "multiply": ("×", PRODUCT),
    "divide": ("/", PRODUCT),
}
COMPARE = {"greater": ">", "greater_equal": "≥", "equal": "="}
TERMS = 12
"""A longer sum shows its largest terms; the others are added up into one."""


@dataclass(frozen=True)
class Text:
    """A piece of a formula, and how tightly it holds together."""

    text: str
    tight: int = ATOM

    def inside(self, tight: int) -> str:
        """In brackets where it holds less tightly than what stands around it."""
        return self.text if self.tight >= tight else f"({self.text})"


def plain(value: Any) -> Text:
    text = number(value)
    return Text(text, SUM if text.startswith("-") else ATOM)


@dataclass(frozen=True)
class Expression:
    """Writes numbers of a tape; `inline(row)` says which rows are written out inside others."""

    inline: Callable[[Row], bool]
    terms: int = TERMS

    def of(self, row: Row, index: Index) -> Text:
        """The formula of one number."""
        op = row.op
        if op is None:
            return plain(row.output[index])
        if op.name in INFIX:
            sign, tight = INFIX[op.name]
            left, right = (self.input(value, index) for value in row.inputs)
            right_tight = tight + 1 if op.name in ("subtract", "divide") or right.text.startswith("-") else tight
            return Text(f"{left.inside(tight)} {sign} {right.inside(right_tight)}", tight)
        if op.name in COMPARE:
            left, right = (self.input(value, index) for value in row.inputs)
            return Text(f"[{left.text} {COMPARE[op.name]} {right.text}]")
        if op.name == "negative":
            return Text(f"-{self.input(row.inputs[0], index).inside(UNARY)}", SUM)
        if op.name == "power":
            base = self.input(row.inputs[0], index).inside(ATOM)
            return Text(f"{base}^{number(row.settings['exponent'])}", UNARY)
        if op.name == "square":
            return Text(f"{self.input(row.inputs[0], index).inside(ATOM)}²", UNARY)
        if op.name == "matmul":
            return self._products(row, index)
        if op.name in ("sum", "mean", "sum_to", "amax"):
            return self._reduced(row, index)
        if op.name == "put_rows":
            return self._gathered(row, index)
        if op.name == "clip":
            low, high = (number(row.settings[name]) for name in ("low", "high"))
            return Text(f"min(max({self.input(row.inputs[0], index).text}, {low}), {high})")
        if (source := moved(row, index)) is not None:
            return source if isinstance(source, Text) else self._seen(*source)
        if op.formula is not None:
            return self._formula(row, index)
        inputs = ", ".join(self.input(value, index).text for value in row.inputs)
        return Text(f"{op.name}({inputs})")

    def input(self, value: Any, index: Index) -> Text:
        """One input of an elementwise row, at the place that its output place was made from."""
        if not isinstance(value, Value):
            return plain(value)
        return self._seen(value.row, aligned(index, value.shape))

    def _seen(self, row: Row, index: Index) -> Text:
        """A row as another one sees it: written out, or as its number."""
        if row.op is not None and (self.inline(row) or moved(row, index) is not None):
            return self.of(row, index)
        return plain(row.output[index])

    def _products(self, row: Row, index: Index) -> Text:
        x, w = row.inputs
        *outer, n, o = index
        pairs = [
            (
                self._seen(x.row, aligned((*outer, n, i), x.shape)),
                self._seen(w.row, aligned((*outer, i, o), w.shape)),
            )
            for i in range(x.shape[-1])
        ]
        at = [(aligned((*outer, n, i), x.shape), aligned((*outer, i, o), w.shape)) for i in range(x.shape[-1])]
        sizes = [float(x.array[a] * w.array[b]) for a, b in at]
        texts = [f"{a.inside(PRODUCT)} × {b.inside(UNARY)}" for a, b in pairs]
        return self._sum(texts, sizes)

    def _reduced(self, row: Row, index: Index) -> Text:
        assert row.op is not None
        source = row.inputs[0]
        places = _reduced_from(row, index)
        if len(places) == 1 and row.op.name != "mean":
            return self._seen(source.row, places[0])
        texts = [self._seen(source.row, place) for place in places]
        sizes = [float(source.array[place]) for place in places]
        if row.op.name == "amax":
            return self._largest(texts, sizes)
        total = self._sum([t.inside(SUM) for t in texts], sizes)
        if row.op.name != "mean":
            return total
        return Text(f"({total.text}) / {len(places)}", PRODUCT)

    def _gathered(self, row: Row, index: Index) -> Text:
        """A number of a table's gradient: what came from each row of the batch that looked it up."""
        rows, indices = row.inputs
        codes = numpy.clip(indices.array, 0, int(row.settings["count"]) - 1)
        column = index[1:]
        places = [(*map(int, at), *column) for at in numpy.argwhere(codes == index[0])]
        if not places:
            return Text("0")
        return self._sum(
            [self._seen(rows.row, place).inside(SUM) for place in places],
            [float(rows.array[place]) for place in places],
        )

    def _largest(self, texts: list[Text], sizes: list[float]) -> Text:
        """max(…); of many, the largest ones."""
        if len(texts) > self.terms:
            kept = sorted(numpy.argsort(-numpy.asarray(sizes), kind="stable")[: self.terms].tolist())
            texts = [texts[i] for i in kept]
        return Text(f"max({', '.join(t.text for t in texts)})") if len(texts) > 1 else texts[0]

    def _sum(self, texts: list[str], sizes: list[float]) -> Text:
        """Terms joined by +; of many, the largest, and the rest as one number."""
        if len(texts) > self.terms:
            largest = sorted(numpy.argsort(-numpy.abs(sizes), kind="stable")[: self.terms - 1].tolist())
            rest = sum(size for i, size in enumerate(sizes) if i not in set(largest))
            texts = [texts[i] for i in largest]
            texts.append(f"{number(rest)} from {len(sizes) - len(largest)} smaller terms")
        joined = texts[0] + "".join(f" - {t[1:]}" if t.startswith("-") else f" + {t}" for t in texts[1:])
        return Text(joined, SUM if len(texts) > 1 else PRODUCT)

    def _formula(self, row: Row, index: Index) -> Text:
        """The op's textbook formula with its inputs put in."""
        assert row.op is not None
        assert row.op.formula is not None
        names = row.op.forward.__code__.co_varnames[1 : 1 + len(row.inputs)]
        given = {**(row.op.forward.__kwdefaults__ or {}), **row.settings}
        known: dict[str, Any] = {k: plain(v) for k, v in given.items() if isinstance(v, int | float)}
        rows = max((v.ndim for v in row.inputs if isinstance(v, Value)), default=1) - 1
        for name, value in zip(names, row.inputs, strict=True):
            if row.op.elementwise:
                known[name] = self.input(value, index)
            elif value.ndim == rows + 1:  # the formula speaks of a whole last axis
                known[name] = [plain(value.array[(*index[:rows], i)]) for i in range(value.shape[-1])]
            else:
                known[name] = value.array[index[:rows]]
        if not row.op.elementwise:
            known["c"] = index[-1] if index else 0
        return _Written(known).visit(ast.parse(row.op.formula, mode="eval").body)


def aligned(index: Index, shape: tuple[int, ...]) -> Index:
    """The place in an input of `shape` that was broadcast to `index`."""
    tail = index[len(index) - len(shape) :] if len(shape) <= len(index) else (0,) * (len(shape) - len(index)) + index
    return tuple(0 if n == 1 else i for i, n in zip(tail, shape, strict=True))


def moved(row: Row, index: Index) -> tuple[Row, Index] | Text | None:
    """For an op that only moves numbers: the row and place this one came from."""
    name = row.op.name if row.op else ""
    source = row.inputs[0] if row.inputs and isinstance(row.inputs[0], Value) else None
    if source is None:
        return None
    shape = source.shape
    if name == "reshape":
        flat = int(numpy.ravel_multi_index(index, row.output.shape)) if index else 0
        return source.row, tuple(int(i) for i in numpy.unravel_index(flat, shape)) if shape else ()
    if name == "swap_last":
        return source.row, (*index[:-2], index[-1], index[-2])
    if name == "broadcast_to":
        return source.row, aligned(index, shape)
    if name == "sum_to" and shape == tuple(row.output.shape):
        return source.row, index
    if name == "columns":
        return source.row, (*index[:-1], index[-1] + int(row.settings["start"]))
    if name == "pad_columns":
        column = index[-1] - int(row.settings["before"])
        return (source.row, (*index[:-1], column)) if 0 <= column < shape[-1] else Text("0")
    if name == "concatenate":
        column = index[-1]
        for part in row.inputs:
            if column < part.shape[-1]:
                return part.row, (*index[:-1], column)
            column -= part.shape[-1]
    if name == "take_rows":
        table, indices = row.inputs
        code = int(numpy.clip(indices.array[index[: indices.ndim]], 0, table.shape[0] - 1))
        return table.row, (code, *index[indices.ndim :])
    if name == "pick":
        return source.row, (*index, int(row.inputs[1].array[index]))
    if name == "place":
        here = int(row.inputs[1].array[index[:-1]]) == index[-1]
        return (source.row, index[:-1]) if here else Text("0")
    return None


def _reduced_from(row: Row, index: Index) -> list[Index]:
    """The places of its input that one number of a sum or mean was made from."""
    assert row.op is not None
    shape = row.inputs[0].shape
    if row.op.name == "sum_to":
        target = (1,) * (len(shape) - row.output.ndim) + row.output.shape
        fixed = (0,) * (len(shape) - len(index)) + index
        ranges = [range(n) if t == 1 else range(i, i + 1) for n, t, i in zip(shape, target, fixed, strict=True)]
    else:
        axis = row.settings.get("axis")
        axes = range(len(shape)) if axis is None else (axis,) if isinstance(axis, int) else axis
        over = {a % len(shape) for a in axes} if shape else set[int]()
        left = iter(index if not row.settings.get("keepdims") else [i for k, i in enumerate(index) if k not in over])
        ranges = [range(n) if k in over else (lambda i: range(i, i + 1))(next(left)) for k, n in enumerate(shape)]
    return list(itertools.product(*ranges))


class _Written(ast.NodeVisitor):
    """Writes a formula's syntax tree with texts in the place of names."""

    SIGNS: ClassVar[dict[type[ast.operator], tuple[str, int]]] = {
        ast.Add: ("+", SUM),
        ast.Sub: ("-", SUM),
        ast.Mult: ("×", PRODUCT),
        ast.Div: ("/", PRODUCT),
    }

    def __init__(self, known: dict[str, Any]) -> None:
        self.known = known

    def visit_Constant(self, node: ast.Constant) -> Text:
        return plain(node.value)

    def place(self, node: ast.expr) -> int:
        """What stands between the brackets of x[c]: an index, or an array that holds one."""
        return int(self.known[ast.unparse(node)])

    def visit_Name(self, node: ast.Name) -> Any:
        return self.known[node.id]

    def visit_UnaryOp(self, node: ast.UnaryOp) -> Text:
        return Text(f"-{self.visit(node.operand).inside(UNARY)}", SUM)

    def visit_BinOp(self, node: ast.BinOp) -> Any:
        left, right = self.visit(node.left), self.visit(node.right)
        if isinstance(left, list) or isinstance(right, list):  # a whole axis: term by term
            size = len(left) if isinstance(left, list) else len(right)
            lefts, rights = (v if isinstance(v, list) else [v] * size for v in (left, right))
            return [self._joined(node.op, a, b) for a, b in zip(lefts, rights, strict=True)]
        return self._joined(node.op, left, right)

    def _joined(self, op: ast.operator, left: Text, right: Text) -> Text:
        sign, tight = self.SIGNS[type(op)]
        strict = isinstance(op, ast.Sub | ast.Div) or right.text.startswith("-")
        return Text(f"{left.inside(tight)} {sign} {right.inside(tight + 1 if strict else tight)}", tight)

    def visit_Subscript(self, node: ast.Subscript) -> Any:
        return self.visit(node.value)[self.place(node.slice)]

    def visit_IfExp(self, node: ast.IfExp) -> Text:
        test = self.visit(node.test)
        return Text(f"({self.visit(node.body).text} if {test.text} else {self.visit(node.orelse).text})")

    def visit_Compare(self, node: ast.Compare) -> Text:
        return Text(f"{self.visit(node.left).text} > {self.visit(node.comparators[0]).text}", SUM)

    def visit_Call(self, node: ast.Call) -> Any:
        name = node.func.id if isinstance(node.func, ast.Name) else "?"
        inputs = [self.visit(argument) for argument in node.args]
        if name == "sum":
            terms = inputs[0]
            shown = terms if len(terms) <= TERMS else [*terms[: TERMS - 1], Text(f"… {len(terms)} terms")]
            return Text(" + ".join(t.inside(SUM) for t in shown), SUM)
        if inputs and isinstance(inputs[0], list):
            return [Text(f"{name}({t.text})") for t in inputs[0]]
        return Text(f"{name}({', '.join(t.text for t in inputs)})")
