"""A tape in words and formulas: pages of a step, of a layer, of a number. A tape shows itself in a notebook by them."""

from pellucid.autodiff import Tape
from pellucid.explain.tape_page import tape_page


def _as_html(tape: Tape) -> str:
    return tape_page(tape).to_html()


# autodiff/ knows no pages: it is explain/ that knows tapes.
Tape._repr_html_ = _as_html  # pyright: ignore[reportAttributeAccessIssue]
