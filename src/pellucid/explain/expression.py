"""Any one number of a tape as its formula, with the numbers put in.

    dense/relu[3, 1]  =  max(5.1 × 0.21 + 3.5 × (-0.4) + 0.1, 0)

One renderer serves forward and backward pass: a row is written by what its op is (arithmetic, a formula, a
sum of products, a reduction, a change of place), and rows for which `inline` holds are written out inside
the rows that use them; all others appear as their number. A text remembers the numbers that it shows, so
that each of them can be opened in turn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy

from pellucid.autodiff import Row, Value
from pellucid.explain import windows
from pellucid.explain.places import aligned, moved, named_axes, reduced_from
from pellucid.explain.text import (
    ATOM,
    PRODUCT,
    SUM,
    TERMS,
    UNARY,
    Index,
    Text,
    Use,
    largest,
    plain,
    summed,
    used,
)
from pellucid.explain.textbook import Textbook
from pellucid.pages.number import number

INFIX = {
    "add": ("+", SUM),
    "subtract": ("-", SUM),
    "multiply": ("×", PRODUCT),
    "divide": ("/", PRODUCT),
}
COMPARE = {"greater": ">", "greater_equal": "≥", "equal": "="}


@dataclass(frozen=True)
class Expression:
    """Writes numbers of a tape; `inline(row)` says which rows are written out inside others."""

    inline: Callable[[Row], bool]
    terms: int = TERMS

    def of(self, row: Row, index: Index) -> Text:
        """The formula of one number."""
        if row.op is None:
            return plain(row.output[index])
        return replace(self._written(row, index), value=float(row.output[index]))

    def _written(self, row: Row, index: Index) -> Text:
        assert row.op is not None
        op = row.op
        if op.name in INFIX or op.name in COMPARE:
            return self._infix(row, index)
        if op.name == "negative":
            inside = self.input(row.inputs[0], index)
            return Text(f"-{inside.inside(UNARY)}", SUM, uses=inside.uses)
        if op.name in ("power", "square"):
            base = self.input(row.inputs[0], index)
            exponent = "²" if op.name == "square" else f"^{number(row.settings['exponent'])}"
            return Text(f"{base.inside(ATOM)}{exponent}", UNARY, uses=base.uses)
        if op.name == "clip":
            low, high = (number(row.settings[name]) for name in ("low", "high"))
            inside = self.input(row.inputs[0], index)
            return Text(f"min(max({inside.text}, {low}), {high})", uses=inside.uses)
        if op.name == "matmul":
            return self._products(row, index)
        if op.name in ("sum", "mean", "sum_to", "amax"):
            return self._reduced(row, index)
        if op.name in ("convolution", "kernel_gradient"):
            return self._pairs(row, windows.products(row, index))
        if op.name in windows.POOLS:
            return self._pooled(row, index)
        if op.name == "put_rows":
            return self._gathered(row, index)
        if (source := moved(row, index)) is not None:
            return source if isinstance(source, Text) else self.seen(*source)
        if op.formula is not None:
            return self._formula(row, index)
        return self._function(row, index)

    def input(self, value: Any, index: Index) -> Text:
        """One input of an elementwise row, at the place that its output place was made from."""
        if not isinstance(value, Value):
            return plain(value)
        return self.seen(value.row, aligned(index, value.shape))

    def seen(self, row: Row, index: Index) -> Text:
        """A row as another one sees it: written out, or as its number."""
        if row.op is not None and (self.inline(row) or moved(row, index) is not None):
            return self.of(row, index)
        value = row.output[index]
        return plain(value, (Use(row, index, abs(float(value))),))

    def _infix(self, row: Row, index: Index) -> Text:
        assert row.op is not None
        left, right = (self.input(value, index) for value in row.inputs)
        if row.op.name in COMPARE:
            return Text(f"[{left.text} {COMPARE[row.op.name]} {right.text}]", uses=used((left, right)))
        sign, tight = INFIX[row.op.name]
        strict = row.op.name in ("subtract", "divide") or right.text.startswith("-")
        text = f"{left.inside(tight)} {sign} {right.inside(tight + 1 if strict else tight)}"
        return Text(text, tight, uses=used((left, right)))

    def _products(self, row: Row, index: Index) -> Text:
        x, w = row.inputs
        *outer, n, o = index
        inner = range(x.shape[-1])
        return self._pairs(row, [(aligned((*outer, n, i), x.shape), aligned((*outer, i, o), w.shape)) for i in inner])

    def _pairs(self, row: Row, places: Sequence[tuple[Index, Index]]) -> Text:
        """Products of a number of each input, added up."""
        x, w = row.inputs
        if not places:
            return Text("0")
        sizes = [float(x.array[left] * w.array[right]) for left, right in places]
        return self._sum(sizes, lambda i: self._product(x.row, places[i][0], w.row, places[i][1]))

    def _product(self, x: Row, at: Index, w: Row, there: Index) -> Text:
        left, right = self.seen(x, at), self.seen(w, there)
        return Text(f"{left.inside(PRODUCT)} × {right.inside(UNARY)}", PRODUCT, uses=used((left, right)))

    def _reduced(self, row: Row, index: Index) -> Text:
        assert row.op is not None
        source = row.inputs[0]
        ranges = reduced_from(row, index)
        part = source.array[tuple(slice(r.start, r.stop) for r in ranges)]

        def place(i: int) -> Index:
            within = numpy.unravel_index(i, part.shape) if part.shape else ()
            return tuple(r.start + int(k) for r, k in zip(ranges, within, strict=True))

        if part.size == 1 and row.op.name != "mean":
            return self.seen(source.row, place(0))
        sizes = [float(size) for size in part.reshape(-1)]
        if row.op.name == "amax":
            return self._largest(sizes, lambda i: self.seen(source.row, place(i)))
        total = self._sum(sizes, lambda i: self.seen(source.row, place(i)))
        if row.op.name != "mean":
            return total
        return Text(f"({total.text}) / {len(sizes)}", PRODUCT, uses=total.uses)

    def _pooled(self, row: Row, index: Index) -> Text:
        """The largest or the sum of what a window met, or of the windows that met a number."""
        assert row.op is not None
        source, places = row.inputs[0], windows.met(row, index)
        if not places:
            return Text("0")
        sizes = [float(source.array[place]) for place in places]
        joined = self._largest if row.op.name == "max_pool" else self._sum
        return joined(sizes, lambda i: self.seen(source.row, places[i]))

    def _gathered(self, row: Row, index: Index) -> Text:
        """A number of a table's gradient: what came from each row of the batch that looked it up."""
        rows, indices = row.inputs
        codes = numpy.clip(indices.array, 0, int(row.settings["count"]) - 1)
        places = [(*map(int, at), *index[1:]) for at in numpy.argwhere(codes == index[0])]
        if not places:
            return Text("0")
        sizes = [float(rows.array[place]) for place in places]
        return self._sum(sizes, lambda i: self.seen(rows.row, places[i]))

    def _largest(self, sizes: list[float], term: Callable[[int], Text]) -> Text:
        """max(…); of many, the largest ones."""
        kept = sorted(sorted(range(len(sizes)), key=lambda i: -sizes[i])[: self.terms])
        texts = [term(i) for i in kept]
        inside = ", ".join(t.text for t in texts)
        return Text(f"max({inside})", uses=used(texts)) if len(texts) > 1 else texts[0]

    def _sum(self, sizes: list[float], term: Callable[[int], Text]) -> Text:
        """Terms joined by +; of many, the largest, and the rest as one number."""
        shown = largest(sizes, self.terms)
        rest = float(sum(sizes) - sum(sizes[i] for i in shown)) if len(shown) < len(sizes) else 0.0
        return summed([term(i).sized(sizes[i]) for i in shown], rest, len(sizes) - len(shown))

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
                known[name] = [self.seen(value.row, (*index[:rows], i)) for i in range(value.shape[-1])]
            else:
                known[name] = value.array[index[:rows]]
        if not row.op.elementwise:
            known["c"] = index[-1] if index else 0
        return Textbook(known, self.terms).written(row.op.formula)

    def _function(self, row: Row, index: Index) -> Text:
        """name(…): each input at its place; where an op says no more than its axes, some of the numbers behind."""
        assert row.op is not None
        if row.op.elementwise:
            inputs = [self.input(value, index) for value in row.inputs]
            return Text(f"{row.op.name}({', '.join(t.text for t in inputs)})", uses=used(inputs))
        places = named_axes(row, index, self.terms + 1)
        inputs = [self.seen(*place) for place in places[: self.terms]]
        more = ", …" if len(places) > self.terms else ""
        return Text(f"{row.op.name}({', '.join(t.text for t in inputs)}{more})", uses=used(inputs))
