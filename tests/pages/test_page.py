"""A page as text and as JSON."""

import json
import math

import pytest

from pellucid.pages.number import factor, number
from pellucid.pages.page import Page


def page() -> Page:
    made = Page()
    made.heading("Forward")
    made.words("in words")
    made.formula("y", "2 × 3", 6)
    made.formula("z", "6", 6.0)
    return made


def test_text() -> None:
    assert page().to_text() == "Forward\n───────\nin words\n  y = 2 × 3 = 6\n  z = 6"


def test_json_holds_each_block_with_its_value_in_full() -> None:
    made = page()
    made.formula("third", "1 / 3", 1 / 3)
    plain = json.loads(json.dumps(made.to_json()))
    assert plain == [
        {"type": "heading", "heading": "Forward"},
        {"type": "words", "text": "in words"},
        {"type": "formula", "name": "y", "formula": "2 × 3", "value": 6.0},
        {"type": "formula", "name": "z", "formula": "6", "value": 6.0},
        {"type": "formula", "name": "third", "formula": "1 / 3", "value": 1 / 3},
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (1234567.0, "1.23457e+06"),
        (-1e-9, "-1e-09"),
        (1 / 3, "0.333333"),
        (math.inf, "inf"),
        (math.nan, "nan"),
        (True, "1"),
    ],
)
def test_numbers(value: float, text: str) -> None:
    assert number(value) == text


def test_a_negative_factor_stands_in_brackets() -> None:
    assert (factor(-2.0), factor(2.0), factor(-0.0)) == ("(-2)", "2", "0")
