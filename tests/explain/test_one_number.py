"""Summary, layer, number, gradient, weight: pages of a step of any network, checked against the tape."""

import json
import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import pellucid as pl
from pellucid.autodiff import Tape, backprop, ops
from pellucid.errors import UsageError
from pellucid.explain.one_weight import row_parts
from pellucid.explain.step_view import StepView
from pellucid.explain.tape_page import model_page, tape_page
from pellucid.pages.target import Target

RNG = np.random.default_rng(0)
ROWS, FEATURES = 12, 5
X = RNG.normal(size=(48, FEATURES))
CLASSES = RNG.integers(0, 3, 48)


def compiled(layers: list[Any], loss: pl.Loss) -> pl.Sequential:
    model = pl.Sequential(layers)
    model.compile("adam", loss)
    return model


@pytest.fixture(scope="module")
def classifier(step_of: Callable[..., StepView]) -> StepView:
    """More weights than can be printed, an activation, dropout, names with markup in them."""
    layers = [pl.Dense(64, "tanh", name="<b>"), pl.Dropout(0.25), pl.Dense(20, "relu"), pl.Dense(3)]
    model = compiled(layers, pl.SparseCategoricalCrossentropy(from_logits=True))
    names = {"features": tuple(f"f{i}" for i in range(FEATURES)), "classes": ("ant", "bee", "cat")}
    return step_of(model, X, CLASSES, 3, ROWS, exact="Bit for bit.", **names)


@pytest.fixture(scope="module")
def regression(step_of: Callable[..., StepView]) -> StepView:
    model = compiled([pl.Dense(4, "softplus"), pl.Dense(1)], pl.MeanSquaredError())
    return step_of(model, X, X[:, :1] * 2, 3, ROWS, target=Target("show", "runs/1", {"step": 3}))


def table(page: Any, first: str) -> list[dict[str, Any]]:
    """The rows of the table whose first column has this name, as dicts."""
    found = next(b for b in page.to_json() if "rows" in b and b["columns"][0] == first)
    return [dict(zip(found["columns"], row, strict=True)) for row in found["rows"]]


def formulas(page: Any) -> list[dict[str, Any]]:
    return [block for block in page.to_json() if "formula" in block]


def test_summary_of_the_layers(classifier: StepView) -> None:
    page = classifier.summary()
    layers = table(page, "layer")
    assert [row["layer"] for row in layers] == ["<b>", "dropout", "dense", "dense_1"]
    assert [row["computes"] for row in layers[:2]] == ["matmul, add, tanh", "dropout"]
    output = next(row.output for row in classifier.tape.nodes if row.op and row.op.name == "relu")
    dense = layers[2]
    assert (dense["gives"], dense["zeros"]) == ("12 × 20", (output == 0).mean())
    assert (dense["mean"], dense["std"]) == pytest.approx((output.mean(), output.std()))
    assert (dense["least"], dense["greatest"]) == (0.0, output.max())
    assert sum(dense["distribution"]["counts"]) == output.size
    assert "Bit for bit." in page.to_text()


def test_summary_of_the_weights(classifier: StepView) -> None:
    for row in table(classifier.summary(), "weights"):
        path = row["weights"]
        w, after = classifier.parameters[path], classifier.after[path]
        assert row["norm"] == pytest.approx(np.linalg.norm(w))
        assert row["norm of gradient"] == pytest.approx(np.linalg.norm(classifier.gradients[path]))
        assert row["norm of update"] == pytest.approx(np.linalg.norm(after - w))
        if np.any(w):
            assert row["update / weight"] == pytest.approx(np.linalg.norm(after - w) / np.linalg.norm(w))


def test_summary_of_the_rows_of_the_largest_loss(classifier: StepView, regression: StepView) -> None:
    rows = table(classifier.summary(), "row of the batch")
    logits = classifier.find("dense_1").output
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    losses = -np.log(p[np.arange(ROWS), CLASSES[list(classifier.rows)]])
    most = np.argsort(-losses)[:5]
    assert [row["row of the batch"] for row in rows] == most.tolist()
    assert [row["row of the data"] for row in rows] == [classifier.rows[i] for i in most]
    assert [row["loss"] for row in rows] == pytest.approx(losses[most])
    best = int(p[most[0]].argmax())
    assert rows[0]["prediction"] == f"{best} ({classifier.classes[best]}) {p[most[0], best]:.3g}"
    first = table(regression.summary(), "row of the batch")[0]
    error = float(first["prediction"]) - float(first["target"])
    assert first["loss"] == pytest.approx(error**2, rel=1e-2)


def test_untrained_numbers_are_in_the_summary(regression: StepView) -> None:
    from dataclasses import replace

    page = replace(regression, untrained={"norm/mean": np.array([1.0, 3.0])}).summary()
    assert table(page, "name") == [table(page, "name")[0]]
    assert (table(page, "name")[0]["name"], table(page, "name")[0]["mean"]) == ("norm/mean", 2.0)


def test_what_to_type_next_can_be_typed(classifier: StepView, regression: StepView) -> None:
    for block in classifier.summary().to_json() + classifier.layer("dense").to_json():
        if "command" in block:
            assert re.match(r'step\.view\.(layer|number|gradient|weight)\("', block["command"])
            assert eval(block["command"], {"step": SimpleNamespace(view=classifier)}).to_text()
    commands = [b["command"] for b in regression.summary().to_json() if "command" in b]
    assert commands[0] == 'pellucid show runs/1 --step 3 --layer "dense_1"'
    assert commands[1] == 'pellucid show runs/1 --step 3 --number "dense_1[0,0]"'


def test_a_layer(classifier: StepView) -> None:
    page = classifier.layer("dense")
    values = {row["values"]: row for row in table(page, "values")}
    assert list(values) == ["dense.sum", "∂L/∂ dense.sum", "dense.relu", "∂L/∂ dense.relu"]
    gradient = classifier.slopes[classifier.find("dense.sum").index].output
    assert values["∂L/∂ dense.sum"]["mean"] == pytest.approx(gradient.mean())
    kernel = {row["dense/kernel"]: row for row in table(page, "dense/kernel")}
    update = classifier.after["dense/kernel"] - classifier.parameters["dense/kernel"]
    assert kernel["update"]["greatest"] == pytest.approx(update.max())
    grids = [b for b in page.to_json() if "rows" in b and b["columns"][:2] == ["", "row of the data"]]
    assert grids[0]["rows"][1] == ["[1]", classifier.rows[1], *classifier.find("dense").output[1, :8]]
    assert "<b>" not in classifier.layer("<b>").to_html().replace("<b>= ", "")
    with pytest.raises(UsageError, match="the layers are <b>, dropout, dense, dense_1"):
        classifier.layer("dens")


PATHS = ["<b>", "dropout", "dense", "dense.sum", "dense_1", "loss", "<b>/kernel", "loss.sparse_softmax_crossentropy"]


@pytest.mark.parametrize("path", PATHS)
def test_a_number_is_opened_by_right_formulas(path: str, classifier: StepView, worth: Callable[[str], float]) -> None:
    row = classifier.find(path)
    index = tuple(n - 1 for n in row.output.shape)
    page = classifier.number(path, index)
    lines = formulas(page)
    assert lines[0]["value"] == row.output[index]
    for line in lines:
        assert worth(line["formula"]) == pytest.approx(line["value"], rel=1e-4, abs=1e-4), line
    json.dumps(page.to_json(), allow_nan=False)


def test_a_number_is_opened_down_to_the_data_and_the_weights(classifier: StepView) -> None:
    page = classifier.number("dense_1", (3, 1))
    names = [line["name"] for line in formulas(page)]
    assert names[0] == "dense_1.sum[3, 1]"
    assert any(name.startswith("x[3, ") and re.search(r"\(f\d\)$", name) for name in names)
    assert any(name.startswith("dense.relu[3, ") for name in names)
    assert any(name.startswith("dense_1/kernel[") for name in names)
    assert re.search(r"… and \d+ more", page.to_text())
    assert f"Row 3 of the batch is row {classifier.rows[3]} of the data." in page.to_text()


def test_the_largest_contributions_come_first(regression: StepView) -> None:
    row = regression.find("dense_1")
    (h, w) = next(r for r in regression.forward if r.op and r.op.name == "matmul" and r.path == "dense_1").inputs
    terms = np.abs(h.array[2] * w.array[:, 0])
    names = [line["name"] for line in formulas(regression.number("dense_1", (2, 0), lines=50))]
    units = [int(name.split(", ")[1].rstrip("]")) for name in names if name.startswith("dense.softplus[2")]
    assert units == np.argsort(-terms).tolist()
    assert len(names) == len(set(names))
    assert row.output[2, 0] == formulas(regression.number("dense_1", (2, 0)))[0]["value"]


@pytest.mark.parametrize("path", ["<b>", "dropout", "dense.sum", "dense_1", "loss", "<b>/kernel", "dense/bias"])
def test_a_gradient_is_opened_back_to_the_loss(path: str, classifier: StepView, worth: Callable[[str], float]) -> None:
    row = classifier.find(path)
    index = tuple(n // 2 for n in row.output.shape)
    page = classifier.gradient(path, index)
    lines = formulas(page)
    expected = classifier.slopes[row.index].output[index]
    if path in classifier.gradients:
        assert expected == classifier.gradients[path][index]
    assert lines[0]["value"] == expected
    assert lines[0]["name"].startswith("∂L/∂ ")
    assert lines[-1]["name"] == "∂L/∂ loss" or any(line["name"] == "∂L/∂ loss" for line in lines)
    for line in lines:
        assert worth(line["formula"]) == pytest.approx(line["value"], rel=1e-4, abs=1e-4), line


@pytest.mark.parametrize("method", ["number", "gradient"])
@pytest.mark.parametrize("index", [(12, 0), (0, 3), (-1, 0), (0,), (0, 0, 0), ()])
def test_numbers_that_are_not_there(method: str, index: Any, classifier: StepView) -> None:
    with pytest.raises(UsageError, match=r"dense_1 goes from \[0,0\] to \[11,2\]"):
        getattr(classifier, method)("dense_1", index)
    with pytest.raises(UsageError, match="loss is one number"):
        getattr(classifier, method)("loss", (0,))
    with pytest.raises(UsageError, match="the layers are"):
        getattr(classifier, method)("dense_9", index)


def test_other_parts_that_are_not_there(classifier: StepView) -> None:
    with pytest.raises(UsageError, match="x has no gradient in this step"):
        classifier.gradient("x", (0, 0))
    with pytest.raises(UsageError, match="leave --row out for a summary"):
        classifier.whole(0)
    for place in (-1, ROWS):
        with pytest.raises(UsageError, match="the batch of step 3 has rows 0 to 11"):
            classifier.unit("dense", 0, place)
    with pytest.raises(UsageError, match="20 units, 0 to 19"):
        classifier.unit("dense", -1, 0)
    with pytest.raises(UsageError, match=r"from \[0,0\] to \[63,19\]"):
        classifier.weight("dense/kernel", (-1, 0), 0)


@pytest.mark.parametrize("path", ["<b>/kernel", "dense/kernel", "dense/bias", "dense_1/bias"])
def test_the_rows_that_pushed_a_weight_are_each_rows_own_gradient(path: str, classifier: StepView) -> None:
    index = tuple(n // 3 for n in classifier.parameters[path].shape)
    slope = classifier.slopes[classifier.given[path].index]
    parts = row_parts(slope, index, ROWS)
    assert parts.sum() == pytest.approx(classifier.gradients[path][index])
    rows = table(classifier.weight(path, index), "row of the batch")
    most = [i for i in np.argsort(-np.abs(parts), kind="stable")[:5] if parts[i]]
    assert [row["row of the batch"] for row in rows] == most
    assert [row["its part"] for row in rows] == parts[most].tolist()
    assert all((row["its part"] > 0) == (row["pushes the weight"] == "down") for row in rows)


def test_parts_of_rows_where_the_tape_adds_up_otherwise() -> None:
    """An embedding used twice, and a weight applied at each place of a sequence: by row, against one row alone."""
    codes, places = np.array([[0, 2], [1, 1], [2, 0]]), RNG.normal(size=(3, 4, 2))
    w, t = RNG.normal(size=(2, 2)), RNG.normal(size=(3, 2))

    def loss(p: Any, rows: Any) -> Any:
        tape = p["w"].tape
        sequence = ops.tanh(tape.given("x", places[rows]) @ p["w"])
        found = ops.take_rows(p["t"], tape.given("codes", codes[rows, 0]))
        again = ops.take_rows(p["t"], tape.given("codes", codes[rows, 1]))
        return ops.sum(ops.square(sequence)) + ops.sum(ops.exp(found) * again)

    _, _, tape = backprop(lambda p: loss(p, slice(None)), {"w": w, "t": t})
    alone = [backprop(lambda p, i=i: loss(p, slice(i, i + 1)), {"w": w, "t": t})[1] for i in range(3)]
    for path in ("w", "t"):
        slope = tape.nodes[tape.slopes[tape.parameter(path).node.index]]
        for index in np.ndindex(slope.output.shape):
            parts = row_parts(slope, index, 3)
            assert parts == pytest.approx([g[path][index] for g in alone], abs=1e-12), (path, index)


def test_finite_difference_beside_back_propagation(classifier: StepView) -> None:
    g = float(classifier.gradients["dense/kernel"][1, 2])
    text = classifier.weight("dense/kernel", (1, 2), 0, g * 1.01).to_text()
    assert "by finite difference" in text and "relative distance     9.9e-03" in text
    assert "finite" not in classifier.weight("dense/kernel", (1, 2), 0).to_text()


def test_a_long_textbook_sum_shows_its_largest_terms_and_the_rest_as_one(worth: Callable[[str], float]) -> None:
    from pellucid.explain.expression import Expression

    tape = Tape({})
    x = np.round(np.linspace(-3, 3, 50), 2)[None]
    losses = ops.sparse_softmax_crossentropy(tape.given("x", x), tape.given("y", np.array([7])))
    made = Expression(lambda _: False).of(losses.node, (0,))
    assert "from 39 smaller terms" in made.text
    assert worth(made.text) == pytest.approx(float(losses.array[0]), rel=1e-5)
    assert len(made.uses) == 12  # eleven terms, and the logit of the target
    huge = ops.softmax(tape.given("x", np.array([[900.0, 901.0]])))
    assert "exp(900)" in Expression(lambda _: False).of(huge.node, (0, 0)).text


def test_a_tape_as_a_table(classifier: StepView) -> None:
    page = tape_page(classifier.tape)
    forward, backward = (block for block in page.to_json() if "rows" in block)
    assert len(forward["rows"]) + len(backward["rows"]) == len(classifier.tape.nodes)
    by_index = {row[0]: row for row in [*forward["rows"], *backward["rows"]]}
    for row in classifier.tape.nodes:
        index, op, of, *_ = by_index[row.index]
        assert (index, op) == (row.index, row.op.name if row.op else "given")
        assert of == row.path or row.backward_of is not None
    assert "an empty tape" in tape_page(Tape({})).to_text()


def test_a_model_as_a_table() -> None:
    page = model_page("M", [{"layer": "a", "kind": "Dense", "gives": (2,), "weights": {"kernel": (3, 2)}}])
    assert "M: 6 weights" in page.to_text()
    assert table(page, "layer")[0]["count"] == 6
