"""A whole tape as a table, and a model as a table of its layers: what a notebook shows of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy

from pellucid.autodiff import Node, Tape, Value
from pellucid.pages.block import Cell
from pellucid.pages.number import number
from pellucid.pages.page import Page

ROWS = 500
"""Nodes of a tape listed at most, of each pass."""
NUMBERS = 4
COLUMNS = ("row", "op", "of", "inputs", "shape", "numbers")


def tape_page(tape: Tape) -> Page:
    """Every node of a tape as a row: its op, the layer that made it, the nodes it was made from, its first numbers.

    >>> import numpy as np, pellucid as pl
    >>> _, _, tape = pl.backprop(lambda p: p["w"] * 3.0, {"w": np.array(2.0)})
    >>> print(tape_page(tape))
    Forward: 2 rows
    ───────────────
      row  op        of  inputs  shape       numbers
        0  given     w           one number  2
        1  multiply      0, 3    one number  6
    <BLANKLINE>
    Backward: 3 rows
    ────────────────
      row  op        of            inputs  shape       numbers
        2  given     dmultiply             one number  1
        3  multiply  multiply (1)  2, 3    one number  3
        4  multiply  multiply (1)  2, 0    one number  2
    """
    page = Page()
    forward = [node for node in tape.nodes if node.backward_of is None]
    backward = [node for node in tape.nodes if node.backward_of is not None]
    for name, nodes in (("Forward", forward), ("Backward", backward)):
        if not nodes:
            continue
        page.heading(f"{name}: {len(nodes):,} rows" if len(nodes) != 1 else f"{name}: 1 row")
        page.table(COLUMNS, [_line(tape, node) for node in nodes[:ROWS]])
        if len(nodes) > ROWS:
            page.words(f"  … and {len(nodes) - ROWS:,} more")
    if not tape.nodes:
        page.words("an empty tape")
    return page


def model_page(name: str, rows: Iterable[Mapping[str, Any]]) -> Page:
    """A model as a table of its layers.

    rows: for each layer its "layer" (path), and where known "kind", "gives" (shape) and "weights": the shape of
        each weight by name.

    >>> rows = [{"layer": "dense", "kind": "Dense", "weights": {"kernel": (4, 3), "bias": (3,)}}]
    >>> print(model_page("Sequential", rows))
    Sequential: 15 weights
    ──────────────────────
      layer  kind   gives  weights               count
      dense  Dense         kernel 4 × 3, bias 3     15
    """
    lines: list[tuple[Cell, ...]] = []
    total = 0
    for row in rows:
        weights: Mapping[str, Sequence[int]] = row.get("weights", {})
        count = sum(int(numpy.prod(shape, dtype=numpy.int64)) for shape in weights.values())
        total += count
        shapes = ", ".join(f"{path} {_shape(shape)}" for path, shape in weights.items())
        gives = row.get("gives")
        lines.append(
            (str(row["layer"]), str(row.get("kind", "")), "" if gives is None else _shape(gives), shapes, count)
        )
    page = Page()
    page.heading(f"{name}: {total:,} weights")
    page.table(("layer", "kind", "gives", "weights", "count"), lines)
    return page


def _line(tape: Tape, node: Node) -> tuple[Cell, ...]:
    inputs = ", ".join(_input(value) for value in node.inputs)
    of = node.path
    if node.backward_of is not None and node.op is not None:  # several rules of one layer: say whose
        source = tape.nodes[node.backward_of]
        of = f"{node.path or _name(source)} ({node.backward_of})"
    return (node.index, _name(node), of, inputs, _shape(node.output.shape), _numbers(node.output))


def _name(node: Node) -> str:
    return node.op.name if node.op else "given"


def _input(value: Any) -> str:
    if isinstance(value, Value):
        return str(value.node.index)
    return number(value) if isinstance(value, int | float) else type(value).__name__


def _shape(shape: Sequence[int]) -> str:
    return " × ".join(str(n) for n in shape) or "one number"


def _numbers(array: Any) -> str:
    """The first numbers; of an array without numbers (the program is being traced) nothing."""
    try:
        flat = numpy.asarray(array).reshape(-1)
    except Exception:  # what a traced array raises is its library's own
        return "not known while it is compiled"
    return ", ".join(number(v, 4) for v in flat[:NUMBERS]) + (", …" if flat.size > NUMBERS else "")
