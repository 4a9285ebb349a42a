"""An optimizer's update of one weight, line by line, read back from the rule that ran.

The rule is a straight sequence of assignments; each becomes `name = numbers = value`. It is run on the whole arrays,
and printed at the place of the one weight: so a length, or a matrix made orthogonal, is the one that was used.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Mapping
from typing import Any

import numpy

from pellucid.autodiff.origin import Index
from pellucid.pages.number import factor, number

SIGNS: dict[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "×", ast.Div: "/", ast.Pow: "^"}
TIGHT: dict[type[ast.operator], int] = {ast.Add: 1, ast.Sub: 1, ast.Mult: 2, ast.Div: 2}


def update_lines(optimizer: Any, known: Mapping[str, Any], index: Index = ()) -> list[str]:
    """Each line of `optimizer.rule` with its numbers, and of what is done after it (Lookahead, averages).

    `known` holds g, w, the slots and the copies of w that are kept, as whole arrays or as the numbers of one weight,
    and rate and t. `index` says which number of the arrays is printed.
    """
    reader = _Reader(optimizer, dict(known), index)
    for rule in (optimizer.rule, *optimizer.after_rule().values()):
        function = ast.parse(textwrap.dedent(inspect.getsource(rule))).body[0]
        assert isinstance(function, ast.FunctionDef)
        reader.run(function.body)
    return reader.lines


class _Reader:
    """Goes through the statements of a rule, keeping each name's value."""

    def __init__(self, optimizer: Any, known: dict[str, Any], index: Index) -> None:
        self.optimizer, self.known, self.index, self.lines = optimizer, known, index, list[str]()

    def run(self, body: list[ast.stmt]) -> None:
        for statement in body:
            if isinstance(statement, ast.If):
                self.run(statement.body if self.value(statement.test) else statement.orelse)
            elif isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
                name, numbers = statement.targets[0].id, self.text(statement.value)
                value = self.known[name] = self.value(statement.value)
                result = number(self.here(value))
                self.lines.append(f"{name} = {numbers}" + ("" if numbers == result else f" = {result}"))

    def here(self, value: Any) -> Any:
        """The number of the one weight; what is one number already is everyone's."""
        return value[self.index] if numpy.ndim(value) else value

    def value(self, node: ast.expr) -> Any:
        match node:
            case ast.Constant():
                return node.value
            case ast.Name():
                return self.known[node.id]
            case ast.Attribute(value=ast.Name(id="self")):
                return getattr(self.optimizer, node.attr)
            case ast.UnaryOp(op=ast.USub()):
                return -self.value(node.operand)
            case ast.UnaryOp(op=ast.Not()):
                return not self.value(node.operand)
            case ast.BinOp():
                left, right = self.value(node.left), self.value(node.right)
                match node.op:
                    case ast.Add():
                        return left + right
                    case ast.Sub():
                        return left - right
                    case ast.Mult():
                        return left * right
                    case ast.Div():
                        return left / right
                    case _:
                        return left**right
            case ast.Call(func=ast.Attribute(value=ast.Name(id="self"), attr=name)):
                return getattr(self.optimizer, name)(numpy, *(self.value(a) for a in node.args[1:]))
            case ast.Call(func=ast.Attribute(attr=name)):
                return getattr(numpy, name)(*(self.value(a) for a in node.args))
            case _:
                raise NotImplementedError(
                    f"an optimizer's rule holds {ast.unparse(node)!r}, which is not plain arithmetic"
                )

    def text(self, node: ast.expr, around: int = 0) -> str:
        """The expression with numbers for names."""
        match node:
            case ast.UnaryOp(op=ast.USub()):
                return f"-{self.text(node.operand, 3)}"
            case ast.BinOp():
                tight = TIGHT.get(type(node.op), 4)
                after = tight + 1 if isinstance(node.op, ast.Sub | ast.Div) else tight
                sign = SIGNS[type(node.op)]
                space = "" if sign == "^" else " "
                whole = f"{self.text(node.left, tight)}{space}{sign}{space}{self.text(node.right, after)}"
                return f"({whole})" if tight < around else whole
            case ast.Call(func=ast.Attribute(value=ast.Name(id="self"), attr=name)):
                whole = (ast.unparse(a) if numpy.ndim(self.value(a)) else self.text(a) for a in node.args[1:])
                return f"{name}({', '.join(whole)})"
            case ast.Call(func=ast.Attribute(attr=name)):
                return f"{name}({', '.join(self.text(a) for a in node.args)})"
            case _:
                value = self.here(self.value(node))
                return factor(value) if around else number(value)
