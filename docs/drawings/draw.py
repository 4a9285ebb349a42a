"""Writes the drawings of docs/networks.md, with nothing but the standard library.

    python docs/drawings/draw.py

Boxes stand on a grid and arrows between them. A full arrow is where numbers go, a dashed one where the gradient of the
loss comes back; where none comes back (to token numbers), nothing is learned. The colours are read on white and dark.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from itertools import pairwise
from math import hypot
from pathlib import Path

COLUMN, ROW, HEIGHT = 146, 86, 48
"""Pixels from box to box, and a box's height."""
INK, INK_ON_DARK, BACK = "#6e7781", "#a4aeb8", "#d55e00"
FILLS = {"layer": "#0a6aa8", "cell": "#00755a", "loss": "#b04a00"}
"""White text stands on each of them; what is given and told has no filling."""
STYLE = f"""
text {{ font: 13px system-ui, -apple-system, "Segoe UI", sans-serif; text-anchor: middle; fill: #fff; }}
text.shape {{ font-size: 11px; }}
text.plain {{ fill: currentColor; }}
text.side {{ fill: currentColor; font-size: 11px; }}
svg {{ color: {INK}; }}
@media (prefers-color-scheme: dark) {{ svg {{ color: {INK_ON_DARK}; }} }}
.forward {{ stroke: currentColor; stroke-width: 1.6; fill: none; marker-end: url(#forward); }}
.back {{ stroke: {BACK}; stroke-width: 1.3; fill: none; stroke-dasharray: 4 3; marker-end: url(#back); }}
""".strip()


@dataclass(frozen=True)
class Box:
    """Where a box stands, in pixels from the upper left corner of the drawing to its middle."""

    x: float
    y: float
    width: float


@dataclass
class Drawing:
    """Boxes and arrows; arrows lie below the boxes."""

    title: str
    boxes: list[str] = field(default_factory=list)
    arrows: list[str] = field(default_factory=list)
    right: float = 0
    bottom: float = 0

    def box(self, column: float, row: float, name: str, shape: str = "", kind: str = "", wide: float = 0.84) -> Box:
        """A box with a name and, below it, the shape of what comes out of it."""
        box = Box((column + 0.5) * COLUMN, (row + 0.5) * ROW, wide * COLUMN)
        look = f'fill="{FILLS[kind]}"' if kind else 'fill="none" stroke="currentColor" stroke-width="1.4"'
        left, top = box.x - box.width / 2, box.y - HEIGHT / 2
        self.boxes.append(f'<rect x="{left:g}" y="{top:g}" width="{box.width:g}" height="{HEIGHT}" rx="7" {look}/>')
        plain = "" if kind else " plain"
        for text, look, y in ((name, plain, -3 if shape else 5), (shape, f"shape{plain}", 14)):
            if text:
                self.boxes.append(f'<text class="{look.strip()}" x="{box.x:g}" y="{box.y + y:g}">{escape(text)}</text>')
        self.right, self.bottom = max(self.right, left + box.width), max(self.bottom, top + HEIGHT)
        return box

    def words(self, column: float, row: float, text: str) -> None:
        """Words beside the boxes."""
        x, y = (column + 0.5) * COLUMN, (row + 0.5) * ROW
        self.boxes.append(f'<text class="side" x="{x:g}" y="{y:g}">{escape(text)}</text>')
        self.bottom = max(self.bottom, y + 6)

    def arrow(self, start: Box, end: Box, back: bool = True) -> None:
        """From box to box, and beside it the way of the gradient."""
        away = hypot(end.x - start.x, end.y - start.y)
        along = (end.x - start.x) / away, (end.y - start.y) / away
        aside = (-4.5 * along[1], 4.5 * along[0]) if back else (0.0, 0.0)
        first, last = _edge(start, along), _edge(end, (-along[0], -along[1]))
        self._line("forward", first, last, (-aside[0], -aside[1]))
        if back:
            self._line("back", last, first, aside)

    def chain(self, *boxes: Box, back_from: int = 0) -> None:
        """Arrows from each to the next; no gradient before box number `back_from`."""
        for i, (start, end) in enumerate(pairwise(boxes)):
            self.arrow(start, end, i >= back_from)

    def loop(self, start: Box, end: Box, text: str) -> None:
        """Below the boxes back to one before: what comes out is given in again. No gradient goes that way."""
        low = max(start.y, end.y) + HEIGHT / 2 + 26
        points = f"M {start.x:g} {start.y + HEIGHT / 2:g} V {low:g} H {end.x:g} V {end.y + HEIGHT / 2 + 3:g}"
        self.arrows.append(f'<path class="forward" d="{points}"/>')
        middle = (start.x + end.x) / 2
        self.boxes.append(f'<text class="side" x="{middle:g}" y="{low + 15:g}">{escape(text)}</text>')
        self.bottom = max(self.bottom, low + 18)

    def _line(self, kind: str, a: tuple[float, float], b: tuple[float, float], aside: tuple[float, float]) -> None:
        (x1, y1), (x2, y2), (dx, dy) = a, b, aside
        place = f'x1="{x1 + dx:.1f}" y1="{y1 + dy:.1f}" x2="{x2 + dx:.1f}" y2="{y2 + dy:.1f}"'
        self.arrows.append(f'<line class="{kind}" {place}/>')

    def to_svg(self) -> str:
        """The drawing as the text of a file."""
        width, height = self.right + 12, self.bottom + 10
        heads = "".join(
            f'<marker id="{name}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
            f'markerUnits="userSpaceOnUse" orient="auto"><path d="M 0 0 L 8 4 L 0 8 z" fill="{colour}"/></marker>'
            for name, colour in (("forward", "currentColor"), ("back", BACK))
        )
        size = f'width="{width:g}" height="{height:g}" viewBox="0 0 {width:g} {height:g}"'
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{escape(self.title)}">',
                f"<title>{escape(self.title)}</title>",
                f"<style>{STYLE}</style>",
                f"<defs>{heads}</defs>",
                *self.arrows,
                *self.boxes,
                "</svg>\n",
            ]
        )


def _edge(box: Box, along: tuple[float, float]) -> tuple[float, float]:
    """Where a line from a box's middle leaves it, and a little further."""
    half_width, half_height = box.width / 2, HEIGHT / 2
    reach = min(
        half_width / abs(along[0]) if along[0] else float("inf"),
        half_height / abs(along[1]) if along[1] else float("inf"),
    )
    return box.x + (reach + 3) * along[0], box.y + (reach + 3) * along[1]


def dense() -> Drawing:
    d = Drawing("A dense network: numbers to classes")
    x = d.box(0, 0, "numbers", "(n, 4)")
    hidden = d.box(1, 0, "Dense, relu", "(n, 16)", "layer")
    out = d.box(2, 0, "Dense", "(n, 3)", "layer")
    loss = d.box(3, 0, "loss", "cross-entropy", "loss")
    d.chain(x, hidden, out, loss, back_from=1)
    return d


def picture() -> Drawing:
    d = Drawing("A convolutional network: a picture to a class")
    x = d.box(0, 0, "picture", "(n, 28, 28, 1)")
    see = d.box(1, 0, "Conv2D, relu", "(n, 28, 28, 16)", "layer")
    pool = d.box(2, 0, "MaxPooling2D", "(n, 14, 14, 16)", "layer")
    more = d.box(3, 0, "Conv2D, relu", "(n, 14, 14, 32)", "layer")
    less = d.box(4, 0, "MaxPooling2D", "(n, 7, 7, 32)", "layer")
    out = d.box(5, 0, "Flatten, Dense", "(n, 10)", "layer")
    loss = d.box(6, 0, "loss", "cross-entropy", "loss")
    d.chain(x, see, pool, more, less, out, loss, back_from=1)
    d.words(1, 0.46, "one kernel, at all places")
    d.words(3, 0.46, "one kernel, at all places")
    return d


def class_and_place() -> Drawing:
    d = Drawing("One network, two outputs: what is in a picture, and where")
    x = d.box(0, 0.5, "picture", "(n, 64, 64, 1)")
    trunk = d.box(1, 0.5, "Conv2D, pools", "(n, 4, 4, 64)", "layer")
    seen = d.box(2, 0.5, "Flatten, Dense", "(n, 128)", "layer")
    digit, box = d.box(3, 0, "Dense", "digit (n, 10)", "layer"), d.box(3, 1, "Dense, sigmoid", "box (n, 4)", "layer")
    of_digit = d.box(4, 0, "loss", "cross-entropy", "loss")
    of_box = d.box(4, 1, "loss × weight", "absolute error", "loss")
    total = d.box(5, 0.5, "loss", "weighted sum", "loss")
    d.chain(x, trunk, seen, digit, of_digit, total, back_from=1)
    d.chain(seen, box, of_box, total)
    return d


def one_to_many() -> Drawing:
    d = Drawing("One to many: a picture to a string of signs")
    x = d.box(0, 0, "picture", "(n, 28, 140, 1)")
    look = d.box(1, 0, "Conv2D, pools", "(n, 35, 64)", "layer")
    columns = d.box(2, 0, "both ways GRU", "(n, 35, 128)", "cell")
    attention = d.box(3.2, 0.5, "attention", "(n, t, 128)", "layer")
    before = d.box(0, 1, "signs so far", "target_in (n, t)")
    vectors = d.box(1, 1, "Embedding", "(n, t, 64)", "layer")
    written = d.box(2, 1, "GRU", "(n, t, 128)", "cell")
    out = d.box(4.3, 0.5, "Dense", "(n, t, signs)", "layer")
    loss = d.box(5.3, 0.5, "loss", "mean over steps", "loss")
    d.chain(x, look, columns, attention, out, loss, back_from=1)
    d.chain(before, vectors, written, attention, back_from=1)
    d.loop(out, before, "when it reads by itself: the sign just written")
    return d


def many_to_one() -> Drawing:
    d = Drawing("Many to one: a recurrent network through time")
    cells: list[Box] = []
    for t, name in enumerate(("x₁", "x₂", "x₃", "…")):
        given = d.box(t, 1, name, "(n, features)" if t < 3 else "")
        cells.append(d.box(t, 0, "cell", f"h{'₁₂₃ₜ'[t]} (n, units)", "cell"))
        d.arrow(given, cells[-1])
    out = d.box(4, 0, "Dense", "(n, outputs)", "layer")
    loss = d.box(5, 0, "loss", "", "loss")
    d.chain(*cells, out, loss)
    d.words(1.5, -0.36, "the same weights at every step: their gradients add up")
    return d


def with_attention() -> Drawing:
    d = Drawing("Many to many with attention: letters to phonemes")
    source = d.box(0, 0, "letters", "source (n, s)")
    letters = d.box(1, 0, "Embedding", "(n, s, d)", "layer")
    read = d.box(2, 0, "encoder: GRU", "(n, s, units)", "cell")
    before = d.box(0, 1, "phonemes so far", "target_in (n, t)")
    phonemes = d.box(1, 1, "Embedding", "(n, t, d)", "layer")
    written = d.box(2, 1, "decoder: GRU", "(n, t, units)", "cell")
    attention = d.box(3.2, 0.5, "softmax(q kᵀ) v", "(n, t, units)", "layer")
    out = d.box(4.3, 0.5, "Dense", "(n, t, phonemes)", "layer")
    loss = d.box(5.3, 0.5, "loss", "mean over steps", "loss")
    d.chain(source, letters, read, attention, out, loss, back_from=1)
    d.chain(before, phonemes, written, attention, back_from=1)
    d.words(3.05, -0.02, "keys, values")
    d.words(3.05, 1.06, "queries")
    return d


def transformer() -> Drawing:
    d = Drawing("A Transformer: one language to another")
    source = d.box(0, 0, "source", "(n, s)")
    read = d.box(1.06, 0, "Embedding + place", "(n, s, d)", "layer", 0.96)
    encoder = d.box(2.26, 0, "self-attention, Dense", "(n, s, d), × layers", "cell", 1.1)
    before = d.box(0, 1, "target so far", "target_in (n, t)")
    write = d.box(1.06, 1, "Embedding + place", "(n, t, d)", "layer", 0.96)
    back = d.box(2.26, 1, "causal self-attention", "(n, t, d)", "cell", 1.1)
    across = d.box(3.6, 1, "cross-attention, Dense", "(n, t, d), × layers", "cell", 1.2)
    out = d.box(4.8, 1, "Dense", "(n, t, tokens)", "layer")
    loss = d.box(5.74, 1, "loss", "", "loss", 0.6)
    d.chain(source, read, encoder, across, back_from=1)
    d.chain(before, write, back, across, out, loss, back_from=1)
    d.words(3.62, 0.3, "keys, values")
    return d


def generation() -> Drawing:
    d = Drawing("Generation: a network that is asked again and again")
    x = d.box(0, 0, "tokens so far", "(n, t)")
    vectors = d.box(1, 0, "Embedding", "(n, t, d)", "layer")
    middle = d.box(2.1, 0, "GRU or causal block", "(n, t, units)", "cell", 1.0)
    out = d.box(3.2, 0, "Dense", "(n, t, tokens)", "layer")
    loss = d.box(4.25, 0, "loss", "of the next token", "loss", 0.94)
    draw = d.box(3.2, 1, "softmax(logits / T)", "one token is drawn", "", 1.0)
    d.chain(x, vectors, middle, out, loss, back_from=1)
    d.arrow(out, draw, back=False)
    d.loop(draw, x, "when it writes: the token joins what is written")
    return d


def factorisation() -> Drawing:
    d = Drawing("Matrix factorisation: a rating as a product of two vectors")
    user, film = d.box(0, 0, "user", "(n,)"), d.box(0, 1, "film", "(n,)")
    of_user = d.box(1, 0, "Embedding", "p, b (n, d + 1)", "layer")
    of_film = d.box(1, 1, "Embedding", "q, c (n, d + 1)", "layer")
    rating = d.box(2.3, 0.5, "mean + b + c + p·q", "(n, 1)", "layer", 1.1)
    loss = d.box(3.5, 0.5, "loss", "squared error", "loss")
    d.chain(user, of_user, rating, loss, back_from=1)
    d.chain(film, of_film, rating, back_from=1)
    return d


def recommender() -> Drawing:
    d = Drawing("A recommender network beside the product of vectors")
    user, film = d.box(0, 0, "user", "(n,)"), d.box(0, 1, "film", "(n,)")
    of_user, of_film = (d.box(1, row, "Embedding", "(n, d)", "layer") for row in (0, 1))
    product = d.box(2.2, 0, "p·q", "(n, 1)", "layer")
    beside = d.box(2.2, 1, "Concatenate", "(n, 2 d)", "layer")
    hidden = d.box(3.25, 1, "Dense, relu, Dense", "(n, 1)", "layer", 0.96)
    rating = d.box(4.3, 0.5, "sum", "(n, 1)", "layer", 0.7)
    loss = d.box(5.3, 0.5, "loss", "squared error", "loss")
    d.chain(user, of_user, product, rating, loss, back_from=1)
    d.chain(film, of_film, beside, hidden, rating, back_from=1)
    d.arrow(of_user, beside)
    d.arrow(of_film, product)
    return d


DRAWINGS = (
    dense,
    picture,
    class_and_place,
    one_to_many,
    many_to_one,
    with_attention,
    transformer,
    generation,
    factorisation,
    recommender,
)


def main() -> None:
    """Writes each drawing into the folder of this script, under its function's name."""
    for draw in DRAWINGS:
        (Path(__file__).parent / f"{draw.__name__}.svg").write_text(draw().to_svg(), encoding="utf-8")


if __name__ == "__main__":
    main()
