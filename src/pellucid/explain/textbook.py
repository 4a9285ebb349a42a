"""An op's formula, `x if x > 0 else alpha * (exp(x) - 1)`, written with texts in the place of names."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any, ClassVar

from pellucid.explain.text import ATOM, PRODUCT, SUM, UNARY, Text, largest, plain, summed, used


class Textbook(ast.NodeVisitor):
    """Goes through a formula's syntax tree; a name stands for a text, or for the texts of a whole axis.

    >>> Textbook({"x": plain(3.0), "slope": plain(-0.5)}).written("x if x > 0 else slope * x").text
    '(3 if 3 > 0 else (-0.5) × 3)'
    """

    SIGNS: ClassVar[dict[type[ast.operator], tuple[str, int, Callable[[float, float], float]]]] = {
        ast.Add: ("+", SUM, lambda a, b: a + b),
        ast.Sub: ("-", SUM, lambda a, b: a - b),
        ast.Mult: ("×", PRODUCT, lambda a, b: a * b),
        ast.Div: ("/", PRODUCT, lambda a, b: a / b if b else math.nan),
    }
    COMPARED: ClassVar[dict[type[ast.cmpop], tuple[str, Callable[[float, float], bool]]]] = {
        ast.Gt: (">", operator.gt),
        ast.GtE: ("≥", operator.ge),
        ast.Eq: ("=", operator.eq),
    }
    FUNCTIONS: ClassVar[dict[str, Callable[..., Any]]] = {
        "max": max,
        "min": min,
        "abs": abs,
        **{name: getattr(math, name) for name in ("exp", "log", "sqrt", "erf", "tanh")},
    }

    def __init__(self, known: dict[str, Any], terms: int = 12) -> None:
        self.known, self.terms = known, terms

    def written(self, formula: str) -> Text:
        return self.visit(_parsed(formula))

    def generic_visit(self, node: ast.AST) -> Any:
        raise NotImplementedError(f"a formula holds {ast.unparse(node)!r}, which is not plain arithmetic")

    def visit_Constant(self, node: ast.Constant) -> Text:
        return plain(node.value)

    def visit_Name(self, node: ast.Name) -> Any:
        return self.known[node.id]

    def visit_UnaryOp(self, node: ast.UnaryOp) -> Any:
        inside = self.visit(node.operand)
        if isinstance(inside, list):
            return [self._negative(text) for text in inside]
        return self._negative(inside)

    def _negative(self, text: Text) -> Text:
        return Text(f"-{text.inside(UNARY)}", SUM, -text.value, text.uses)

    def visit_BinOp(self, node: ast.BinOp) -> Any:
        left, right = self.visit(node.left), self.visit(node.right)
        if isinstance(node.op, ast.Pow):
            short = isinstance(node.right, ast.Constant) and node.right.value == 2
            bases = left if isinstance(left, list) else [left]
            raised = [self._raised(base, right, "²" if short else "") for base in bases]
            return raised if isinstance(left, list) else raised[0]
        if isinstance(left, list) or isinstance(right, list):  # a whole axis: term by term
            size = len(left) if isinstance(left, list) else len(right)
            lefts, rights = (v if isinstance(v, list) else [v] * size for v in (left, right))
            return [self._joined(node.op, a, b) for a, b in zip(lefts, rights, strict=True)]
        return self._joined(node.op, left, right)

    def _joined(self, op: ast.operator, left: Text, right: Text) -> Text:
        sign, tight, value = self.SIGNS[type(op)]
        strict = isinstance(op, ast.Sub | ast.Div) or right.text.startswith("-")
        text = f"{left.inside(tight)} {sign} {right.inside(tight + 1 if strict else tight)}"
        return Text(text, tight, value(left.value, right.value), used((left, right)))

    def _raised(self, base: Text, exponent: Text, short: str) -> Text:
        """A power; a setting stands as it is in the place of the exponent."""
        above = exponent.inside(ATOM) if exponent.uses else exponent.text
        return Text(
            f"{base.inside(ATOM)}{short or f'^{above}'}",
            UNARY,
            _power(base.value, exponent.value),
            used((base, exponent)),
        )

    def visit_Subscript(self, node: ast.Subscript) -> Any:
        """x[c], x[target]: what stands between the brackets is an index, or an array that holds one."""
        return self.visit(node.value)[int(self.known[ast.unparse(node.slice)])]

    def visit_IfExp(self, node: ast.IfExp) -> Text:
        test = self._compared(node.test) if isinstance(node.test, ast.Compare) else self.visit(node.test)
        yes, no = self.visit(node.body), self.visit(node.orelse)
        text = f"({yes.text} if {test.text} else {no.text})"
        return Text(text, value=yes.value if test.value else no.value, uses=used((test, yes, no)))

    def visit_Compare(self, node: ast.Compare) -> Text:
        """1 where it holds, else 0, in Iverson's brackets."""
        held = self._compared(node)
        return replace(held, text=f"[{held.text}]", tight=ATOM)

    def _compared(self, node: ast.Compare) -> Text:
        left, right = self.visit(node.left), self.visit(node.comparators[0])
        sign, holds = self.COMPARED[type(node.ops[0])]
        return Text(f"{left.text} {sign} {right.text}", SUM, float(holds(left.value, right.value)), used((left, right)))

    def visit_Call(self, node: ast.Call) -> Any:
        name = node.func.id if isinstance(node.func, ast.Name) else "?"
        inputs = [self.visit(argument) for argument in node.args]
        if name == "sum":
            return self._sum(inputs[0])
        if inputs and isinstance(inputs[0], list):
            return [self._called(name, [text]) for text in inputs[0]]
        return self._called(name, inputs)

    def _sum(self, terms: list[Text]) -> Text:
        sizes = [term.value for term in terms]
        chosen = largest(sizes, self.terms)
        rest = sum(sizes) - sum(sizes[i] for i in chosen) if len(chosen) < len(terms) else 0.0
        if math.isnan(rest):  # infinities: an exponential that only the fused op can hold
            rest = math.inf
        shown = [terms[i].sized(sizes[i]) for i in chosen]
        whole = summed(shown, rest, len(terms) - len(chosen))
        return replace(whole, tight=SUM)

    def _called(self, name: str, inputs: list[Text]) -> Text:
        try:
            value = float(self.FUNCTIONS[name](*(text.value for text in inputs)))
        except OverflowError:
            value = math.inf
        except ValueError:
            value = math.nan
        return Text(f"{name}({', '.join(t.text for t in inputs)})", value=value, uses=used(inputs))


@cache
def _parsed(formula: str) -> ast.expr:
    return ast.parse(formula, mode="eval").body


def _power(base: float, exponent: float) -> float:
    try:
        return math.pow(base, exponent)
    except OverflowError:
        return math.inf
    except ValueError:
        return math.nan
