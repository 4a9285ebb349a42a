"""Two runs side by side: what was chosen otherwise, and the first number in which they part."""

from __future__ import annotations

from typing import Any

import numpy

from pellucid.autodiff import Node
from pellucid.engine.step import State
from pellucid.fit.description import describe
from pellucid.fit.history import History
from pellucid.pages.number import number
from pellucid.pages.page import Page
from pellucid.replay.open_step import OpenStep


def diff(a: History, b: History) -> Page:
    """A page: settings that differ, the first step and the first number that differ, both curves.

    The first step is the first whose recorded losses are not equal, bit for bit; the weights can part one step
    before, by another update.
    """
    page = Page()
    page.heading(f"{_name(a, 'the first run')} and {_name(b, 'the second run')}")
    changed = list(_settings(a, b))
    if changed:
        page.table(("setting", "first", "second"), changed)
    else:
        page.words("  every setting is the same")
    step = first_difference(a, b)
    if step is None:
        if a.steps == b.steps:
            page.words(f"  all {a.steps:,} recorded losses are equal, bit for bit")
        else:
            page.words(f"  equal, bit for bit, for the {min(a.steps, b.steps):,} steps that both have")
    else:
        _parted(page, a, b, step)
    series = {
        name: (list(range(run.steps)), run.step_history["loss"].tolist())
        for name, run in ((_name(a, "first"), a), (_name(b, "second"), b))
    }
    page.heading("Loss by step")
    page.curve(series, x_label="step", y_label="loss")
    _figures(page, a, b)
    return page


def first_difference(a: History, b: History) -> int | None:
    """The first step whose losses differ; None where all that both have are equal."""
    both = min(a.steps, b.steps)
    one, other = (run.step_history["loss"][:both] for run in (a, b))
    differ = numpy.flatnonzero((one != other) & ~numpy.isnan(one) & ~numpy.isnan(other))  # NaN: a torn record
    return int(differ[0]) if len(differ) else None


def _parted(page: Page, a: History, b: History, step: int) -> None:
    page.heading(f"The first step whose losses differ: {step}")
    losses = [float(run.step_history["loss"][step]) for run in (a, b)]
    page.words(f"  loss {losses[0]:.9g} and {losses[1]:.9g}, {losses[1] - losses[0]:+.3g}")
    start = max(a.first, b.first)
    if step < start:
        page.words(f"  it is before step {start}, where the later of the two begins, and so cannot be opened in both")
        return
    # Equal losses can hide another update: the step before is looked at first.
    for number_ in (step - 1, step) if step > start else (step,):
        one, other = a.at(number_), b.at(number_)
        if (place := _state_parts(one.before, other.before)) is not None:
            page.words(f"  the weights before step {number_} differ already: {place}")
        elif (place := _rows_part(one, other)) is not None:
            page.words(f"  where they part, in step {number_}: {place}")
        elif (place := _state_parts(one.after, other.after)) is not None:
            page.words(f"  step {number_} has equal values and gradients, and another update: {place}")
        else:
            continue
        return
    page.words(f"  step {step} has equal numbers in both")


def _rows_part(a: OpenStep, b: OpenStep) -> str | None:
    """The first number of the two tapes that differs."""
    if not numpy.array_equal(a.batch.rows, b.batch.rows):
        return f"the rows of the batch: {_few(a.batch.rows)} and {_few(b.batch.rows)}"
    for one, other in zip(*([row for row in step.tape.nodes if row.op] for step in (a, b)), strict=False):
        name = _row(one)
        if name != _row(other):
            return f"the first computes {name} where the second computes {_row(other)}"
        if one.output.shape != other.output.shape:
            return f"the shape of {name} is {one.output.shape} and {other.output.shape}"
        if (at := _first(one.output, other.output)) is not None:
            where = "the gradient of " if one.backward_of is not None else ""
            return f"{where}{name}{list(at)} is {number(one.output[at], 9)} and {number(other.output[at], 9)}"
    return None


def _row(row: Node) -> str:
    return f"{row.path or 'loss'}.{row.op.name if row.op else row.path}"


def _state_parts(a: State, b: State) -> str | None:
    for one, other in zip(a, b, strict=True):
        for path in one:
            if path not in other:
                continue
            if one[path].shape != other[path].shape:
                return f"{path} has the shape {one[path].shape} and {other[path].shape}"
            if (at := _first(one[path], other[path])) is not None:
                x, y = numpy.asarray(one[path])[at], numpy.asarray(other[path])[at]
                return f"{path}{list(at)} is {number(x, 9)} and {number(y, 9)}"
    return None


def _first(a: Any, b: Any) -> tuple[int, ...] | None:
    """The first place at which two arrays of one shape differ."""
    differ = numpy.argwhere(~((numpy.asarray(a) == numpy.asarray(b)) | ((a != a) & (b != b))))
    return tuple(int(i) for i in differ[0]) if len(differ) else None


def _settings(a: History, b: History) -> list[tuple[str, str, str]]:
    mine, others = (
        _flat({**describe(run.model, lenient=True), "training": run.training.to_config()}) for run in (a, b)
    )
    names = dict.fromkeys([*mine, *others])
    return [
        (name.replace("optimizer.optimizer", "optimizer"), _shown(mine.get(name, "-")), _shown(others.get(name, "-")))
        for name in names
        if mine.get(name) != others.get(name)
    ]


def _shown(value: Any) -> str:
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def _flat(value: Any, name: str = "") -> dict[str, Any]:
    if isinstance(value, dict):
        parts = value.items()
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        parts = enumerate(value)
    else:
        return {name: value}
    found: dict[str, Any] = {}
    for key, item in parts:
        found |= _flat(item, f"{name}.{key}" if name else str(key))
    return found


def _figures(page: Page, a: History, b: History) -> None:
    names = list(dict.fromkeys([*a.history, *b.history]))
    rows: list[tuple[Any, ...]] = []
    for name in names:
        last = [run.history.get(name, []) for run in (a, b)]
        if all(values and isinstance(values[-1], float) for values in last):
            rows.append((name, last[0][-1], last[1][-1]))
    if rows:
        page.heading(f"After {a.epochs} and {b.epochs} epochs")
        page.table(("figure", "first", "second"), rows)


def _few(rows: Any) -> str:
    return f"{', '.join(map(str, rows[:4].tolist()))} …"


def _name(run: History, otherwise: str) -> str:
    return str(run.folder) if run.folder else otherwise
