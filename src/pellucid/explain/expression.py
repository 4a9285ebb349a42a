"""Any one number of a tape as its formula, with the numbers put in.

    dense/relu[3, 1]  =  max(5.1 × 0.21 + 3.5 × (-0.4) + 0.1, 0)

One renderer serves forward and backward pass, and asks each op what it declares: its formula, else where the number
came from (numbers added up, products added up, a change of place), else its name. Nodes for which `inline` holds are
written out inside the nodes that use them; all others appear as their number. A text remembers the numbers that it
shows, so that each of them can be opened in turn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pellucid.autodiff import Node, Value
from pellucid.autodiff.origin import Index, Joined, Moved, Pair, Products, Zero, aligned, numbers
from pellucid.explain.places import named_axes
from pellucid.explain.text import (
    PRODUCT,
    TERMS,
    UNARY,
    Text,
    Use,
    largest,
    plain,
    summed,
    used,
)
from pellucid.explain.textbook import Textbook


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
        if node.op.formula is not None:
            return self._formula(node, node.op.formula, index)
        match node.origin(index):
            case Moved(k, place):
                return self._input(node.inputs[k], place)
            case Zero():
                return Text("0")
            case Products(pairs):
                return self._products(node, pairs)
            case Joined(places) if node.op.joined:
                return self._joined(node, places)
            case _:
                return self._function(node, index)

    def _input(self, value: Any, place: Index) -> Text:
        """A number of one input of a node."""
        return self.seen(value.node, place) if isinstance(value, Value) else plain(value)

    def seen(self, node: Node, index: Index) -> Text:
        """A node as another one sees it: written out, or as its number."""
        if node.op is not None and (self.inline(node) or isinstance(node.origin(index), Moved | Zero)):
            return self.of(node, index)
        value = node.output[index]
        return plain(value, (Use(node, index, abs(float(value))),))

    def _products(self, node: Node, pairs: Sequence[Pair]) -> Text:
        """Products of a number of each input, added up."""
        x, w = node.inputs
        if not pairs:
            return Text("0")
        sizes = [float(x.array[left] * w.array[right]) for left, right in pairs]
        return self._sum(sizes, lambda i: self._product(x.node, pairs[i][0], w.node, pairs[i][1]))

    def _product(self, x: Node, at: Index, w: Node, there: Index) -> Text:
        left, right = self.seen(x, at), self.seen(w, there)
        return Text(f"{left.inside(PRODUCT)} × {right.inside(UNARY)}", PRODUCT, uses=used((left, right)))

    def _joined(self, node: Node, places: Sequence[Index]) -> Text:
        """Numbers of the first input, joined in the op's way."""
        assert node.op is not None
        source: Node = node.inputs[0].node
        mean = node.op.joined == "mean"
        if len(places) == 0:
            return Text("0")
        if len(places) == 1 and not mean:
            return self.seen(source, places[0])
        sizes = [float(size) for size in numbers(source.output, places)]
        if node.op.joined == "largest":
            return self._largest(sizes, lambda i: self.seen(source, places[i]))
        total = self._sum(sizes, lambda i: self.seen(source, places[i]))
        return Text(f"({total.text}) / {len(sizes)}", PRODUCT, uses=total.uses) if mean else total

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

    def _formula(self, node: Node, formula: str, index: Index) -> Text:
        """The op's textbook formula with its inputs put in."""
        assert node.op is not None
        forward = node.op.forward
        given = {**(forward.__kwdefaults__ or {}), **node.settings}
        known: dict[str, Any] = {k: plain(v) for k, v in given.items() if isinstance(v, int | float)}
        names = forward.__code__.co_varnames[1 : 1 + len(node.inputs)]
        for name, value in zip(names, node.inputs, strict=True):
            known[name] = self._named(node, value, index)
        if not node.op.elementwise:
            known["c"] = index[-1] if index else 0
        return Textbook(known, self.terms).written(formula)

    def _named(self, node: Node, value: Any, index: Index) -> Any:
        """What the name of an input stands for in a formula: its number there, or a whole axis, or an index."""
        assert node.op is not None
        if node.op.elementwise:
            return self._input(value, aligned(index, value.shape)) if isinstance(value, Value) else plain(value)
        match node.origin(index):
            case Joined(places):
                return [self.seen(value.node, place) for place in places]
            case _:
                pass
        leading = max((v.ndim for v in node.inputs if isinstance(v, Value)), default=1) - 1
        if value.ndim == leading + 1:  # the formula speaks of a whole last axis
            return [self.seen(value.node, (*index[:leading], i)) for i in range(value.shape[-1])]
        return value.array[index[:leading]]

    def _function(self, node: Node, index: Index) -> Text:
        """name(…): each input at its place; where an op says no more than its axes, some of the numbers behind."""
        assert node.op is not None
        if node.op.elementwise:
            inputs = [self._named(node, value, index) for value in node.inputs]
            return Text(f"{node.op.name}({', '.join(t.text for t in inputs)})", uses=used(inputs))
        places = named_axes(node, index, self.terms + 1)
        inputs = [self.seen(*place) for place in places[: self.terms]]
        more = ", …" if len(places) > self.terms else ""
        return Text(f"{node.op.name}({', '.join(t.text for t in inputs)}{more})", uses=used(inputs))
