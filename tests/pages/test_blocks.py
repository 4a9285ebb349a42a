"""Tables, distributions, curves, links: as text, as HTML, as JSON."""

import json
import math
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid.errors import UsageError
from pellucid.pages.block import Heading, Link, Table
from pellucid.pages.curve import POINTS, Curve, ticks
from pellucid.pages.distribution import Distribution
from pellucid.pages.page import Page
from pellucid.pages.target import Target

HOSTILE = '<b>&"layer"</b>'


def every_block() -> Page:
    page = Page()
    page.heading(f"Heading {HOSTILE}")
    page.words(f"Words {HOSTILE}")
    page.formula(HOSTILE, "2 < 3", 1.0)
    page.table((HOSTILE, "mean"), [(HOSTILE, 0.5), ("x", math.nan), ("of", Distribution.of(np.arange(5)))])
    page.distribution(np.array([1.0, math.inf, 2.0]), HOSTILE)
    page.curve({HOSTILE: ((0, 1), (1.0, math.nan)), "b": ((0, 1), (2.0, 3.0))}, HOSTILE, x_label=HOSTILE)
    page.link(HOSTILE, Target("show", HOSTILE))
    page.link("up", heading=f"Heading {HOSTILE}")
    return page


def test_no_name_becomes_markup() -> None:
    document = every_block().document(HOSTILE)
    body = document[document.index("<body>") :]
    assert "<b>&" not in document and '</b>"' not in document
    assert "&lt;b&gt;&amp;&quot;layer&quot;&lt;/b&gt;" in body
    fragment = body.replace("<body>", "").replace("</body>", "").replace("</html>", "")
    style = fragment[fragment.index("<style>") : fragment.index("</style>") + 8]
    ET.fromstring(f"<x>{fragment.replace(style, '')}</x>")  # every tag is closed


def test_a_document_is_one_file_that_asks_nothing_of_the_network() -> None:
    document = every_block().document("title")
    assert document.startswith("<!doctype html>") and '<meta charset="utf-8">' in document
    assert "prefers-color-scheme: dark" in document
    for asking in ("http:", "https:", "src=", "@import", "url(", "<script", "<link"):
        assert asking not in document


def test_json_is_strict() -> None:
    page = every_block().to_json()
    assert json.loads(json.dumps(page, allow_nan=False)) == page
    table = next(block for block in page if "rows" in block)
    assert table["columns"] == [HOSTILE, "mean"]
    assert table["rows"][:2] == [[HOSTILE, 0.5], ["x", "nan"]]
    assert sum(table["rows"][2][1]["counts"]) == 5


def test_a_page_is_saved_by_its_suffix(tmp_path: Path) -> None:
    page = every_block()
    assert page.save(tmp_path / "a.html").read_text(encoding="utf-8") == page.document()
    assert json.loads((page.save(tmp_path / "a.json")).read_text(encoding="utf-8")) == page.to_json()
    assert page.save(str(tmp_path / "a.txt")).read_text(encoding="utf-8") == str(page) + "\n"
    with pytest.raises(UsageError, match=r"\.html, \.json or \.txt"):
        page.save(tmp_path / "a.pdf")


def test_show_prints_the_text(capsys: pytest.CaptureFixture[str]) -> None:
    page = every_block()
    page.show()
    assert capsys.readouterr().out == page.to_text() + "\n"
    assert page._repr_html_() == page.to_html()


def test_numbers_of_a_table_stand_to_the_right() -> None:
    table = Table(("name", "n", "x"), [("a", 1000, 0.5), ("long name", 2, None)])
    assert table.to_text().splitlines() == [
        "  name           n    x",
        "  a          1,000  0.5",
        "  long name      2",
    ]
    assert table.to_html().count('class="pellucid-number"') == 6
    assert Table(("a",), []).to_text() == "  a"


def test_a_link_is_a_command_or_a_heading() -> None:
    assert Link("a layer", Target("show", "runs/1", {"layer": "dense"})).to_json() == {
        "type": "link",
        "text": "a layer",
        "link": "a layer",
        "command": 'pellucid show runs/1 --layer "dense"',
        "target": {"command": "show", "run": "runs/1", "options": {"layer": "dense"}},
    }
    assert f'href="#{Heading("The Loss").anchor}"' in Link("up", heading="The Loss").to_html()


@given(
    st.lists(st.floats(width=32), max_size=40)
    | st.lists(st.sampled_from([0.0, -0.0, 1.0, math.nan, math.inf]), max_size=9)
)
def test_a_distribution_counts_every_number(values: list[float]) -> None:
    made = Distribution.of(np.array(values, "float32"))
    finite = [v for v in values if math.isfinite(v)]
    assert (sum(made.counts), made.not_finite) == (len(finite), len(values) - len(finite))
    assert len(made.edges) == len(made.counts) + 1
    if finite:
        assert (made.low, made.high) == (min(finite), max(finite))
        assert made.low <= made.mean <= made.high or made.mean == pytest.approx(made.low)
    json.dumps(made.to_json(), allow_nan=False)
    ET.fromstring(made.svg())
    assert len(made.bars) == len(made.counts)


def test_one_number_far_away_still_shows() -> None:
    made = Distribution.of(np.array([0.0] * 1000 + [1.0]))
    assert made.bars[0] == "█" and made.bars[-1] == "▂" and set(made.bars[1:-1]) == {"▁"}


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize(
    "y", [[], [math.nan], [1.0], [2.0, 2.0], [0.0, -1.0], [1e-9, 1e9, math.inf], list(range(5000))]
)
def test_a_curve_of_any_numbers_can_be_drawn(y: list[float], log: bool) -> None:
    curve = Curve({"a": (range(len(y)), y)}, "title", "step", "loss", log)
    html = curve.to_html()
    ET.fromstring(html)
    assert "nan" not in html and "inf" not in html.replace("infin", "")
    assert html.count("L") <= POINTS
    json.dumps(curve.to_json(), allow_nan=False)
    assert curve.to_text().startswith("title\n  a")


def test_thinning_keeps_the_peaks() -> None:
    y = np.zeros(100_000)
    y[[777, 54_321]] = 1.0, -3.0
    curve = Curve({"a": (range(len(y)), y)})
    drawn = curve.to_html()
    flat = Curve({"a": (range(100_000), np.zeros(100_000))}).to_html()
    heights = {point.split()[1] for point in drawn.split(' d="M')[-1].split('"')[0].split("L")}
    assert len(heights) == 3 and drawn != flat


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
def test_ticks_are_few_and_inside(low: float, width: float) -> None:
    found: Any = ticks(low, low + width)
    assert 2 <= len(found) <= 12
    slack = 1e-6 * (abs(low) + width)
    assert all(low - slack <= t <= low + width + slack for t in found)
