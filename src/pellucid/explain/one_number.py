"""A number, the numbers that it was made from, the numbers that those were made from: down to the data.

The same for a gradient, which is made from gradients nearer to the loss.
"""

from __future__ import annotations

from collections import deque

from pellucid.autodiff import Node
from pellucid.autodiff.origin import Index
from pellucid.errors import UsageError
from pellucid.explain.step_data import StepData, check_index
from pellucid.explain.text import Text
from pellucid.pages.page import Page

LINES = 24
TERMS = 6
"""Of a sum's terms on such a page, where each leads to more lines."""

Place = tuple[Node, Index]


def number_page(step: StepData, path: str, index: Index, lines: int = LINES) -> Page:
    """A number of a layer's output, opened down to the data and the weights."""
    node = step.find(path)
    check_index(path, index, tuple(node.output.shape))
    page = Page()
    page.heading(f"Step {step.step}: {step.where(node, index)}")
    _data_row(step, page, node, index)
    _open(step, page, (node, index), lines)
    return page


def gradient_page(step: StepData, path: str, index: Index, lines: int = LINES) -> Page:
    """How the loss moves with a number, opened back to the loss."""
    node = step.find(path)
    check_index(path, index, tuple(node.output.shape))
    slope = step.slopes.get(node.index)
    page = Page()
    page.heading(f"Step {step.step}: ∂L/∂ {step.where(node, index)}")
    if slope is None:
        between = ", ".join(dict.fromkeys(step.name(r) for r in step.shown if r.index in step.slopes))
        raise UsageError(
            f"{path} has no gradient in this step: back-propagation visits what lies between a weight and the "
            f"loss ({between}), and the weights"
        )
    _data_row(step, page, node, index)
    _open(step, page, (slope, index), lines)
    return page


def _data_row(step: StepData, page: Page, node: Node, index: Index) -> None:
    if index and node.output.shape[0] == len(step.rows) and node.path not in step.parameters:
        page.words(f"Row {index[0]} of the batch is {step.called(index[0])}.")


def _open(step: StepData, page: Page, start: Place, lines: int) -> None:
    """Breadth first, the largest contributions first, each number once."""
    waiting, met, ended = deque([start]), {_key(start)}, False
    for _ in range(lines):
        if not waiting:
            return
        node, index = waiting.popleft()
        made = _line(step, page, node, index)
        if not _opens(start, node):
            ended = ended or _end(step, start, node)
            continue
        for place in _parts(made):
            if _key(place) not in met:
                met.add(_key(place))
                waiting.append(place)
    if not waiting:
        return
    page.words(f"  … and {len(waiting):,} more, with what they were made from")
    if not ended:
        _follow(step, page, start, lines)


def _follow(step: StepData, page: Page, start: Place, lines: int) -> None:
    """From number to number by the largest contribution, as far as the data or the loss."""
    goal = "the loss" if start[0].backward_of is not None else "the data"
    page.heading(f"The largest contribution, followed to {goal}")
    node, index = start
    for _ in range(lines):
        made = _line(step, page, node, index)
        on = [place for place in _parts(made) if _opens(start, place[0]) or _end(step, start, place[0])]
        if not on or not _opens(start, node):
            return
        node, index = on[0]
    page.words("  … and so on")


def _line(step: StepData, page: Page, node: Node, index: Index) -> Text:
    made = step.text(node, index, TERMS)
    page.formula(step.where(node, index), made.text, node.output[index])
    return made


def _parts(made: Text) -> list[Place]:
    """The numbers of a formula, by how much they contribute; a constant says all in the formula itself."""
    by_size = sorted(made.uses, key=lambda use: -use.size)
    return [(use.node, use.index) for use in by_size if use.node.op is not None or use.node.path != "constant"]


def _opens(start: Place, node: Node) -> bool:
    """Whether a number is opened further: not what was given; for a gradient, gradients alone."""
    return node.op is not None and (start[0].backward_of is None or node.backward_of is not None)


def _end(step: StepData, start: Place, node: Node) -> bool:
    """Whether the way ends here, at the data, or at ∂L/∂L."""
    if start[0].backward_of is not None:
        return node.op is None and node.backward_of is not None
    return node.op is None and node.path not in step.parameters


def _key(place: Place) -> tuple[int, Index]:
    return place[0].index, place[1]
