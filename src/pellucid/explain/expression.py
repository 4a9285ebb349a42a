"""Any one number of a tape as its formula, with the numbers put in.

    dense/relu[3, 1]  =  max(5.1 × 0.21 + 3.5 × (-0.4) + 0.1, 0)

One renderer serves forward and backward pass: a node is written by what its op is (arithmetic, a formula, a
sum of products, a reduction, a change of place), and nodes for which `inline` holds are written out inside
the nodes that use them; all others appear as their number. A text remembers the numbers that it shows, so
that each of them can be opened in turn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy

from pellucid.autodiff import Node, Value
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
    """Writes numbers of a tape; `inline(node)` says which nodes are written out inside others."""

    inline: Callable[[Node], bool]
    terms: int = TERMS

    def of(self, node: Node, index: Index) -> Text:
        """The formula of one number."""
        if node.op is None:
            return plain(node.output[index])
        return replace(self._written(node, index), value=float(node.output[index]))

    def _written(self, node: Node, index: Index) -> Text:
        assert node.op is not None
        op = node.op
        if op.name in INFIX or op.name in COMPARE:
            return self._infix(node, index)
        if op.name == "negative":
            inside = self.input(node.inputs[0], index)
            return Text(f"-{inside.inside(UNARY)}", SUM, uses=inside.uses)
        if op.name in ("power", "square"):
            base = self.input(node.inputs[0], index)
            exponent = "²" if op.name == "square" else f"^{number(node.settings['exponent'])}"
            return Text(f"{base.inside(ATOM)}{exponent}", UNARY, uses=base.uses)
        if op.name == "clip":
            low, high = (number(node.settings[name]) for name in ("low", "high"))
            inside = self.input(node.inputs[0], index)
            return Text(f"min(max({inside.text}, {low}), {high})", uses=inside.uses)
        if op.name == "matmul":
            return self._products(node, index)
        if op.name in ("sum", "mean", "sum_to", "amax"):
            return self._reduced(node, index)
        if op.name in ("convolution", "kernel_gradient"):
            return self._pairs(node, windows.products(node, index))
        if op.name in windows.POOLS:
            return self._pooled(node, index)
        if op.name == "put_rows":
            return self._gathered(node, index)
        if (source := moved(node, index)) is not None:
            return source if isinstance(source, Text) else self.seen(*source)
        if op.formula is not None:
            return self._formula(node, index)
        return self._function(node, index)

    def input(self, value: Any, index: Index) -> Text:
        """One input of an elementwise node, at the place that its output place was made from."""
        if not isinstance(value, Value):
            return plain(value)
        return self.seen(value.node, aligned(index, value.shape))

    def seen(self, node: Node, index: Index) -> Text:
        """A node as another one sees it: written out, or as its number."""
        if node.op is not None and (self.inline(node) or moved(node, index) is not None):
            return self.of(node, index)
        value = node.output[index]
        return plain(value, (Use(node, index, abs(float(value))),))

    def _infix(self, node: Node, index: Index) -> Text:
        assert node.op is not None
        left, right = (self.input(value, index) for value in node.inputs)
        if node.op.name in COMPARE:
            return Text(f"[{left.text} {COMPARE[node.op.name]} {right.text}]", uses=used((left, right)))
        sign, tight = INFIX[node.op.name]
        strict = node.op.name in ("subtract", "divide") or right.text.startswith("-")
        text = f"{left.inside(tight)} {sign} {right.inside(tight + 1 if strict else tight)}"
        return Text(text, tight, uses=used((left, right)))

    def _products(self, node: Node, index: Index) -> Text:
        x, w = node.inputs
        *outer, n, o = index
        inner = range(x.shape[-1])
        return self._pairs(node, [(aligned((*outer, n, i), x.shape), aligned((*outer, i, o), w.shape)) for i in inner])

    def _pairs(self, node: Node, places: Sequence[tuple[Index, Index]]) -> Text:
        """Products of a number of each input, added up."""
        x, w = node.inputs
        if not places:
            return Text("0")
        sizes = [float(x.array[left] * w.array[right]) for left, right in places]
        return self._sum(sizes, lambda i: self._product(x.node, places[i][0], w.node, places[i][1]))

    def _product(self, x: Node, at: Index, w: Node, there: Index) -> Text:
        left, right = self.seen(x, at), self.seen(w, there)
        return Text(f"{left.inside(PRODUCT)} × {right.inside(UNARY)}", PRODUCT, uses=used((left, right)))

    def _reduced(self, node: Node, index: Index) -> Text:
        assert node.op is not None
        source = node.inputs[0]
        ranges = reduced_from(node, index)
        part = source.array[tuple(slice(r.start, r.stop) for r in ranges)]

        def place(i: int) -> Index:
            within = numpy.unravel_index(i, part.shape) if part.shape else ()
            return tuple(r.start + int(k) for r, k in zip(ranges, within, strict=True))

        if part.size == 1 and node.op.name != "mean":
            return self.seen(source.node, place(0))
        sizes = [float(size) for size in part.reshape(-1)]
        if node.op.name == "amax":
            return self._largest(sizes, lambda i: self.seen(source.node, place(i)))
        total = self._sum(sizes, lambda i: self.seen(source.node, place(i)))
        if node.op.name != "mean":
            return total
        return Text(f"({total.text}) / {len(sizes)}", PRODUCT, uses=total.uses)

    def _pooled(self, node: Node, index: Index) -> Text:
        """The largest or the sum of what a window met, or of the windows that met a number."""
        assert node.op is not None
        source, places = node.inputs[0], windows.met(node, index)
        if not places:
            return Text("0")
        sizes = [float(source.array[place]) for place in places]
        joined = self._largest if node.op.name == "max_pool" else self._sum
        return joined(sizes, lambda i: self.seen(source.node, places[i]))

    def _gathered(self, node: Node, index: Index) -> Text:
        """A number of a table's gradient: what came from each row of the batch that looked it up."""
        rows, indices = node.inputs
        codes = numpy.clip(indices.array, 0, int(node.settings["count"]) - 1)
        places = [(*map(int, at), *index[1:]) for at in numpy.argwhere(codes == index[0])]
        if not places:
            return Text("0")
        sizes = [float(rows.array[place]) for place in places]
        return self._sum(sizes, lambda i: self.seen(rows.node, places[i]))

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

    def _formula(self, node: Node, index: Index) -> Text:
        """The op's textbook formula with its inputs put in."""
        assert node.op is not None
        assert node.op.formula is not None
        names = node.op.forward.__code__.co_varnames[1 : 1 + len(node.inputs)]
        given = {**(node.op.forward.__kwdefaults__ or {}), **node.settings}
        known: dict[str, Any] = {k: plain(v) for k, v in given.items() if isinstance(v, int | float)}
        leading = max((v.ndim for v in node.inputs if isinstance(v, Value)), default=1) - 1
        for name, value in zip(names, node.inputs, strict=True):
            if node.op.elementwise:
                known[name] = self.input(value, index)
            elif value.ndim == leading + 1:  # the formula speaks of a whole last axis
                known[name] = [self.seen(value.node, (*index[:leading], i)) for i in range(value.shape[-1])]
            else:
                known[name] = value.array[index[:leading]]
        if not node.op.elementwise:
            known["c"] = index[-1] if index else 0
        return Textbook(known, self.terms).written(node.op.formula)

    def _function(self, node: Node, index: Index) -> Text:
        """name(…): each input at its place; where an op says no more than its axes, some of the numbers behind."""
        assert node.op is not None
        if node.op.elementwise:
            inputs = [self.input(value, index) for value in node.inputs]
            return Text(f"{node.op.name}({', '.join(t.text for t in inputs)})", uses=used(inputs))
        places = named_axes(node, index, self.terms + 1)
        inputs = [self.seen(*place) for place in places[: self.terms]]
        more = ", …" if len(places) > self.terms else ""
        return Text(f"{node.op.name}({', '.join(t.text for t in inputs)}{more})", uses=used(inputs))
