"""The figure of a run: which panels, what is drawn in them, and the three kinds of file."""

import builtins
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pellucid.errors import UsageError
from pellucid.pages.plot import LAYERS, curves, smoothed

pytest.importorskip("matplotlib")
STEPS = 200
LOSSES = np.exp(-np.linspace(0, 1, STEPS))
HISTORY = {name: np.linspace(0.5, 1.0, 4) for name in ("loss", "val_loss", "accuracy", "val_accuracy", "f1_score")}
NORMS = {"dense/kernel": ([0, 100, 199], [1.0, 0.5, 0.25]), "dense/bias": ([0, 100, 199], [0.1, 0.0, 0.2])}


def titles(plot: Any) -> list[str]:
    return [axes.get_title(loc="left") for axes in plot.figure.axes]


def test_a_panel_for_each_thing_that_is_known() -> None:
    whole = curves(LOSSES, HISTORY, np.full(STEPS, 0.01), NORMS)
    assert titles(whole) == ["Loss", "Accuracy", "F1 score", "Learning rate", "Norm of the gradient"]
    assert titles(curves([1.0])) == ["Loss"]


def test_the_loss_is_drawn_raw_smoothed_and_for_validation() -> None:
    axes = curves(LOSSES, HISTORY).figure.axes[0]
    raw, smooth, validation = axes.lines
    assert np.asarray(raw.get_ydata()) == pytest.approx(LOSSES)
    assert raw.get_alpha() < 1 and smooth.get_linewidth() > raw.get_linewidth()
    assert np.asarray(smooth.get_ydata()) == pytest.approx(smoothed(LOSSES, 4))
    assert np.asarray(validation.get_xdata()).tolist() == [49, 99, 149, 199]
    assert axes.get_yscale() == "linear"


def test_a_loss_of_more_than_two_decades_is_drawn_on_a_log_scale() -> None:
    assert curves(LOSSES * 0 + 10.0 ** -np.linspace(0, 3, STEPS)).figure.axes[0].get_yscale() == "log"
    assert curves(-(10.0 ** -np.linspace(0, 3, STEPS))).figure.axes[0].get_yscale() == "linear"


def test_many_weights_are_the_largest_ones() -> None:
    many = {f"w{i}": ([0, 1], [float(i), 1.0]) for i in range(30)}
    axes = curves(LOSSES, norms=many).figure.axes[-1]
    assert [line.get_label() for line in axes.lines] == [f"w{i}" for i in range(30 - LAYERS, 30)]
    assert "largest of 30" in axes.get_title(loc="left")


def test_losses_that_are_not_finite_are_left_out() -> None:
    assert smoothed([1.0, np.nan, 3.0], 2).tolist() == [1.0, 1.0, 3.0]
    assert curves([1.0, np.inf, np.nan, 2.0])._repr_png_().startswith(b"\x89PNG")


def test_files(tmp_path: Path) -> None:
    plot = curves(LOSSES, HISTORY, None, NORMS, title="<run>")
    assert plot.save(tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    ET.fromstring(plot.save(tmp_path / "a.svg").read_text(encoding="utf-8"))
    html = plot.save(tmp_path / "a.html").read_text(encoding="utf-8")
    assert "<title>&lt;run&gt;</title>" in html and "<svg" in html and "<run>" not in html
    assert plot._repr_html_().startswith("<svg")
    with pytest.raises(UsageError, match=r"\.png, \.svg or \.html"):
        plot.save(tmp_path / "a.gif")


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="no step"):
        curves([])
    importing = builtins.__import__

    def without(name: str, *rest: Any, **named: Any) -> Any:
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return importing(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UsageError, match=r'pip install "pellucid\[plot\]"'):
        curves([1.0])
