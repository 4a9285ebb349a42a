"""A step as a page: its parts by name, and every formula on it worth its value."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pellucid as pl
from pellucid.errors import UsageError
from pellucid.explain.step_view import StepView, part_of

Made = Callable[..., StepView]
X = np.array([[0.5, -1.25], [1.5, 0.75], [-0.5, 0.25], [2.0, -2.0]])
Y = np.array([0, 1, 2, 1])


@pytest.fixture
def view_of(step_of: Made) -> Made:
    """A step of a classifier of ants, bees and cats by height and width."""
    return lambda model, number=0: step_of(
        model, X, Y, number, features=("height", "width"), classes=("ant", "bee", "cat")
    )


def classifier(optimizer: Any = "adam", activation: str = "relu") -> pl.Sequential:
    model = pl.Sequential([pl.Dense(3, activation), pl.Dense(3)])
    model.compile(optimizer, pl.SparseCategoricalCrossentropy(from_logits=True))
    return model


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("dense/kernel[0,1]", ("dense/kernel", (0, 1))),
        ("dense[2]", ("dense", (2,))),
        (" dense/kernel[ 0 , 1 ] ", ("dense/kernel", (0, 1))),
    ],
)
def test_part_of(text: str, part: Any) -> None:
    assert part_of(text) == part


@pytest.mark.parametrize("text", ["", "dense", "dense[]", "dense[-1]", "dense[a]", "[0]", "dense[0", "dense[0][1]"])
def test_part_of_says_how_to_write_it(text: str) -> None:
    with pytest.raises(UsageError, match=r"dense/kernel\[0,1\]"):
        part_of(text)


@pytest.mark.parametrize("activation", ["relu", "tanh", "elu", "leaky_relu", "sigmoid", "softmax"])
@pytest.mark.parametrize("number", [0, 2])
def test_every_formula_is_worth_its_value(
    activation: str, number: int, worth: Callable[[str], float], view_of: Made
) -> None:
    view = view_of(classifier(activation=activation), number)
    for place in range(4):
        for block in view.whole(place).to_json():
            if "formula" in block:
                assert worth(block["formula"]) == pytest.approx(block["value"], rel=1e-5, abs=2e-5), block


def test_the_page_follows_the_data(view_of: Made) -> None:
    view = view_of(classifier())
    blocks = view.whole(1).to_json()
    headings = [block["heading"] for block in blocks if "heading" in block]
    assert headings[0] == f"Step 0, row 1 of the 4 in the batch: row {view.rows[1]} of the table"
    assert headings[1:4] == ["Forward: dense", "Forward: dense_1", "Forward: loss"]
    assert [b["name"] for b in blocks if "name" in b][:2] == ["height", "width"]
    x = X[view.rows[1]]
    assert [b["value"] for b in blocks if "name" in b][:2] == x.tolist()
    label = Y[view.rows[1]]
    assert {"type": "words", "text": f"  target = {label} ({view.classes[label]})"} in blocks
    json.dumps(blocks, allow_nan=False)


def test_each_weight_has_its_gradient_and_its_new_value(view_of: Made) -> None:
    view = view_of(classifier(pl.SGD(0.5)))
    blocks = view.whole(0).to_json()
    for path, gradient in view.gradients.items():
        for index in np.ndindex(gradient.shape):
            name = f"{path}[{','.join(map(str, index))}]"
            here = next(b for b in blocks if b.get("name") == f"∂L/∂ {name}")
            assert here["value"] == gradient[index]
            text = next(b["text"] for b in blocks if b.get("text", "").startswith(f"      {name}: "))
            new = float(text.split(" = ")[1].split("  ")[0])
            expected = view.parameters[path][index] - 0.5 * gradient[index]
            assert new == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_clipping_is_said(view_of: Made) -> None:
    clipped = view_of(classifier(pl.SGD(0.5, global_clipnorm=0.01))).whole(0).to_text()
    assert "after clipping the gradients" in clipped
    assert "clipping" not in view_of(classifier(pl.SGD(0.5))).whole(0).to_text()


def test_one_weight_is_the_same_lines_as_on_the_whole_page(view_of: Made) -> None:
    view = view_of(classifier())
    blocks = view.weight("dense/kernel", (1, 2), 0).to_json()
    one = [
        b
        for b in blocks[: blocks.index({"type": "heading", "heading": "The rows that pushed it most"})]
        if "heading" not in b
    ]
    whole = view.whole(0).to_json()
    assert all(block in whole for block in one)
    assert any(b.get("name") == "∂L/∂ dense/kernel[1,2]" for b in one)


def test_one_unit_is_its_sum_its_output_and_their_slopes_once_each(view_of: Made) -> None:
    blocks = view_of(classifier()).unit("dense", 2, 0).to_json()
    names = [b["name"] for b in blocks if "name" in b][2:]
    assert names == ["dense.sum[2]", "dense.relu[2]", "∂L/∂ dense.relu[2]", "∂L/∂ dense.sum[2]"]


def test_parts_that_are_not_there(view_of: Made) -> None:
    view = view_of(classifier())
    with pytest.raises(UsageError, match=r"the weights are dense/kernel, dense/bias, dense_1/kernel"):
        view.weight("dense_2/kernel", (0, 0), 0)
    for index in ((2, 0), (0, 3), (0,), (0, 0, 0)):
        with pytest.raises(UsageError, match=r"from \[0,0\] to \[1,2\]"):
            view.weight("dense/kernel", index, 0)
    with pytest.raises(UsageError, match="the layers are dense, dense_1"):
        view.unit("dropout", 0, 0)
    with pytest.raises(UsageError, match="3 units, 0 to 2"):
        view.unit("dense", 3, 0)


def test_a_large_network_is_shown_by_its_parts(view_of: Made) -> None:
    model = pl.Sequential([pl.Dense(200, "relu"), pl.Dense(3)])
    model.compile("adam", pl.SparseCategoricalCrossentropy(from_logits=True))
    view = view_of(model)
    with pytest.raises(UsageError, match=r'1,203 weights.*--weight "dense/kernel\[0,0\]" or --unit "dense\[0\]"'):
        view.whole(0)
    assert "∂L/∂ dense/kernel[0,199]" in view.weight("dense/kernel", (0, 199), 3).to_text()
    assert view.unit("dense_1", 2, 3).to_text().count("smaller terms") == 1
