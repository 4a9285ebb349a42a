"""A run at a glance: as a page, and as a plot."""

from __future__ import annotations

from typing import Any

import numpy

from pellucid.fit.history import History
from pellucid.pages.page import Page
from pellucid.pages.plot import Plot, curves
from pellucid.pages.target import Target


def page(run: History) -> Page:
    """How a run went: what was asked, its figures by epoch, its loss by step."""
    found = Page()
    found.heading(f"History {run.folder}" if run.folder else "A run that is not recorded")
    rows: list[tuple[str, Any]] = [
        ("status", run.status),
        ("steps", run.steps),
        ("epochs", run.epochs),
        ("seconds", round(run.seconds, 2)),
        ("weights", sum(a.size for a in run.model.parameters().values())),
        ("batch size", run.training.batch_size),
        ("optimizer", type(run.model.compiled.optimizer).__name__),
        ("loss", run.model.compiled.loss.name if run.model.compiled.loss else ""),
        ("seed", run.training.seed),
    ]
    if run.parent:
        rows.append(("rewound", f"from step {run.first} of {run.parent}"))
    found.table(("", ""), rows)
    if run.steps:
        steps = numpy.arange(run.steps)
        found.curve(
            {"loss": (steps.tolist(), run.step_history["loss"].tolist())},
            "loss by step",
            x_label="step",
            y_label="loss",
        )
    names = [name for name, values in run.history.items() if values and isinstance(values[-1], float)]
    if names:
        shown = sorted({*range(min(3, run.epochs)), *range(max(0, run.epochs - 3), run.epochs)})
        found.heading("By epoch")
        found.table(("epoch", *names), [(e + 1, *(run.history[name][e] for name in names)) for e in shown])
    if run.folder and run.steps > run.first:
        found.link("a step of it", Target("show", str(run.folder), {"step": run.steps - 1}))
        found.link("what went wrong, if anything", Target("why", str(run.folder)))
    return found


def plot(run: History, points: int) -> Plot:
    """Loss, metrics, learning rate, and the norm of each weight's gradient at `points` replayed steps."""
    optimizer = run.model.compiled.optimizer
    rates = [float(optimizer.rate(numpy, n)) for n in range(run.steps)] if run.steps <= 100_000 else None
    metrics = {
        name: values for name, values in run.history.items() if values and all(isinstance(v, float) for v in values)
    }
    norms: dict[str, tuple[list[int], list[float]]] = {}
    if points > 0 and run.steps > run.first:
        chosen = numpy.unique(numpy.linspace(run.first, run.steps - 1, points).astype(int))
        for n in chosen.tolist():
            for path, gradient in run.at(n).gradients.items():
                steps, values = norms.setdefault(path, ([], []))
                steps.append(n)
                values.append(float(numpy.sqrt(numpy.sum(numpy.square(gradient, dtype=numpy.float64)))))
    title = f"{run.folder}" if run.folder else ""
    return curves(run.step_history["loss"], metrics, rates, norms or None, title=title)  # pyright: ignore
