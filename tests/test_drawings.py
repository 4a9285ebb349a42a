"""The drawings of the architectures are those that their script draws, and the page shows each of them."""

import runpy
from pathlib import Path
from xml.etree import ElementTree

import pytest

DOCS = Path(__file__).parents[1] / "docs"
SCRIPT = runpy.run_path(str(DOCS / "drawings/draw.py"))
DRAWINGS = {draw.__name__: draw().to_svg() for draw in SCRIPT["DRAWINGS"]}


@pytest.mark.parametrize("name", DRAWINGS)
def test_each_file_is_what_is_drawn(name):
    assert (DOCS / f"drawings/{name}.svg").read_text(encoding="utf-8") == DRAWINGS[name]
    picture = ElementTree.fromstring(DRAWINGS[name])
    width, height = (float(picture.get(side)) for side in ("width", "height"))
    for box in picture.iter("{http://www.w3.org/2000/svg}rect"):
        left, top = float(box.get("x")), float(box.get("y"))
        assert 0 <= left <= left + float(box.get("width")) <= width
        assert 0 <= top <= top + float(box.get("height")) <= height


def test_the_page_shows_every_drawing():
    page = (DOCS / "networks.md").read_text(encoding="utf-8")
    assert {p.stem for p in (DOCS / "drawings").glob("*.svg")} == DRAWINGS.keys()
    assert all(f"(drawings/{name}.svg)" in page for name in DRAWINGS)
