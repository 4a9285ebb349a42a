"""The figure behind `run.plot()`: loss, metrics, learning rate, gradient norms, over the steps of a run."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy

from pellucid import files
from pellucid.errors import UsageError
from pellucid.pages.style import COLOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Norms = Mapping[str, tuple[Sequence[int], Sequence[float]]]
WIDTH, HEIGHT = 5.6, 3.1
"""Of one panel, in inches."""
DECADES = 2.0
"""A loss that spans more than this is drawn on a logarithmic scale."""
LAYERS = 12
"""Gradient norms of at most so many weights are drawn: the largest."""
DASHES = ("-", "--", ":")
FORMATS = {".png": "png", ".svg": "svg", ".html": "svg"}
# Text as shapes would not be found by a search, and an SVG's ids and date would differ from time to time.
SVG: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": "pellucid"}


@dataclass(frozen=True)
class Plot:
    """A figure. In a notebook it shows itself; `save` writes it."""

    figure: Figure
    """Matplotlib's, to change or to add to."""
    title: str = ""

    def save(self, path: str | Path) -> Path:
        """Writes .png, .svg or .html (one file, the SVG inside). UsageError for another name, RunError where it cannot
        be written."""
        path = Path(path)
        if path.suffix not in FORMATS:
            raise UsageError(f"{path}: a plot is saved as .png, .svg or .html, by the end of the file's name")
        html = path.suffix == ".html"
        files.write(path, self._document().encode() if html else self._drawn(FORMATS[path.suffix]))
        return path

    def _drawn(self, kind: str) -> bytes:
        import matplotlib

        into = io.BytesIO()
        with matplotlib.rc_context(SVG):
            self.figure.savefig(into, format=kind, dpi=144, metadata={"Date": None} if kind == "svg" else None)
        return into.getvalue()

    def _svg(self) -> str:
        """The picture without the head that only a file of its own has."""
        text = self._drawn("svg").decode()
        return text[text.index("<svg") :]

    def _document(self) -> str:
        return (
            f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{escape(self.title or "run")}'
            "</title>\n<style>body { margin: 1rem; background: #fff; } svg { max-width: 100%; height: auto; }</style>\n"
            f"</head>\n<body>\n{self._svg()}\n</body>\n</html>\n"
        )

    def _repr_html_(self) -> str:
        return self._svg()

    def _repr_png_(self) -> bytes:
        return self._drawn("png")


def curves(
    losses: Sequence[float],
    metrics: Mapping[str, Sequence[float]] | None = None,
    rates: Sequence[float] | None = None,
    norms: Norms | None = None,
    *,
    title: str = "",
) -> Plot:
    """Panels of how a run went.

    Args:
        losses: the loss of each step.
        metrics: by name, a number for each epoch, as `run.history`: `val_loss` joins the loss, `accuracy` and
            `val_accuracy` share a panel.
        rates: the learning rate of each step.
        norms: for each weight, (steps, the norm of its gradient at each of them).

    Raises:
        UsageError: matplotlib is not installed; there is no step to draw.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise UsageError(
            'a plot is drawn by matplotlib, which is not installed: pip install "pellucid[plot]"'
        ) from None
    if not len(losses):
        raise UsageError("there is nothing to plot: the run has no step")
    history = {name: values for name, values in (metrics or {}).items() if len(values)}
    epochs = max((len(values) for values in history.values()), default=0)
    ends = _ends(len(losses), epochs)
    draw: list[Callable[[Axes], None]] = [lambda axes: _loss(axes, losses, history, ends)]
    for name in dict.fromkeys(key.removeprefix("val_") for key in history):
        if name != "loss":
            draw.append(partial(_metric, name=name, history=history))
    if rates is not None and len(rates):
        draw.append(lambda axes: _rate(axes, rates))
    across = min(2, len(draw))
    down = -(-len(draw) // across)
    size = (WIDTH * across, HEIGHT * (down + bool(norms)))
    figure = Figure(size, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)  # draws into memory, without a window
    rows = figure.add_gridspec(down + bool(norms), across)
    for i, panel in enumerate(draw):
        alone = i == len(draw) - 1 and i % across == 0  # the last one, with nothing beside it
        panel(figure.add_subplot(rows[i // across, :] if alone else rows[i // across, i % across]))
    if norms:  # many lines, and their names: a row of its own
        _norms(figure.add_subplot(rows[down, :]), norms)
    for axes in figure.axes:
        _plain(axes)
    if title:
        figure.suptitle(title, fontsize=11, x=0.01, ha="left", weight="bold")
    return Plot(figure, title)


def smoothed(values: Any, window: int) -> Any:
    """The mean of the last `window` numbers, of fewer at the start; numbers that are not finite are skipped.

    >>> smoothed([1.0, 3.0, 5.0], 2).tolist()
    [1.0, 2.0, 4.0]
    """
    array = numpy.asarray(values, "float64")
    finite = numpy.isfinite(array)
    total = numpy.concatenate([[0.0], numpy.cumsum(numpy.where(finite, array, 0.0))])
    count = numpy.concatenate([[0], numpy.cumsum(finite)])
    end = numpy.arange(1, len(array) + 1)
    start = numpy.maximum(end - window, 0)
    n = count[end] - count[start]
    return numpy.where(n > 0, total[end] - total[start], numpy.nan) / numpy.maximum(n, 1)


def _ends(steps: int, epochs: int) -> Any:
    """The step at which each epoch ended; all epochs have as many."""
    return numpy.arange(1, epochs + 1) * (steps / epochs) - 1 if epochs else numpy.zeros(0)


def _loss(axes: Axes, losses: Sequence[float], history: Mapping[str, Sequence[float]], ends: Any) -> None:
    values = numpy.asarray(losses, "float64")
    validation = numpy.asarray(history.get("val_loss", ()), "float64")
    window = max(1, len(values) // 50)
    many = window > 1
    steps = numpy.arange(len(values))
    if many:
        axes.plot(steps, values, color=COLOURS[0], alpha=0.25, linewidth=0.7, label="each step")
    mean = f"mean of {window} steps" if many else "each step"
    marker = "o" if len(values) == 1 else None
    axes.plot(steps, smoothed(values, window), color=COLOURS[0], linewidth=1.8, label=mean, marker=marker)
    if len(validation):
        at, marker = ends[: len(validation)], _dot(validation)
        axes.plot(at, validation, color=COLOURS[1], linewidth=1.8, marker=marker, markersize=3.5, label="val_loss")
    everything = numpy.concatenate([values, validation])
    everything = everything[numpy.isfinite(everything)]
    if everything.size and everything.min() > 0 and numpy.log10(everything.max() / everything.min()) > DECADES:
        axes.set_yscale("log")
    _labelled(axes, "Loss", "step", legend=many or bool(len(validation)))


def _metric(axes: Axes, name: str, history: Mapping[str, Sequence[float]]) -> None:
    both = {key: history[key] for key in (name, f"val_{name}") if key in history}
    for key, values in both.items():
        colour = COLOURS[1 if key.startswith("val_") else 0]
        epochs = numpy.arange(1, len(values) + 1)
        axes.plot(epochs, values, color=colour, linewidth=1.8, marker=_dot(values), markersize=3.5, label=key)
    _labelled(axes, name.replace("_", " ").capitalize(), "epoch", legend=len(both) > 1)


def _rate(axes: Axes, rates: Sequence[float]) -> None:
    axes.plot(numpy.arange(len(rates)), rates, color=COLOURS[2], linewidth=1.8)
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter("{x:g}")
    _labelled(axes, "Learning rate", "step")


def _norms(axes: Axes, norms: Norms) -> None:
    """One line for each weight; colour by weight, then dashes where the colours come again."""
    largest = sorted(norms, key=lambda path: -float(numpy.nanmax(norms[path][1], initial=0.0)))[:LAYERS]
    shown = [path for path in norms if path in largest]
    for i, path in enumerate(shown):
        steps, values = norms[path]
        style = DASHES[i // len(COLOURS) % len(DASHES)]
        colour = COLOURS[i % len(COLOURS)]
        axes.plot(steps, values, style, color=colour, linewidth=1.5, marker=_dot(values), markersize=3, label=path)
    if any(value > 0 for path in shown for value in norms[path][1]):
        axes.set_yscale("log")
    left_out = f" (the {len(shown)} largest of {len(norms)})" if len(shown) < len(norms) else ""
    _labelled(axes, f"Norm of the gradient{left_out}", "step", legend=True)


def _labelled(axes: Axes, title: str, x: str, legend: bool = False) -> None:
    axes.set_title(title, fontsize=10, loc="left", weight="bold")
    axes.set_xlabel(x, fontsize=9)
    if legend and len(axes.lines) <= 3:
        axes.legend(fontsize=8, frameon=False, loc="best")
    elif legend:  # a long legend below the lines, not over them
        axes.legend(fontsize=8, frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=4)


def _plain(axes: Axes) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True))  # steps and epochs
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color("#888")
    axes.tick_params(labelsize=8.5, color="#888")
    axes.grid(axis="y", color="#000", alpha=0.08, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.margins(x=0.02)


def _dot(values: Any) -> str | None:
    """Marks the points where they are few."""
    return "o" if len(values) <= 20 else None
