"""The commands, as a person types them: what they print, what they leave behind, how they end."""

import csv
import gzip
import io
import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import load_file

from commands import Done, pellucid
from pellucid import open_run
from pellucid.autodiff.op import OPS
from pellucid.data.dataset import Plan
from pellucid.data.tables.table import open_table
from pellucid.pages.number import number
from pellucid.runs.table_source import TableSource
from pellucid.storage import Recording, RunFolder

COMMANDS = ("train", "predict", "show", "check", "diff", "why", "plot", "runs", "rewind", "resume", "doctor")
SMALL = ("--hidden", "3", "--epochs", "2", "-q", "--engine", "numpy")


def started(*arguments: Any) -> subprocess.Popen[str]:
    """Starts a command in a process of its own."""
    code = "import sys; from pellucid.cli import main; main(sys.argv[1:])"
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def house_rows(count: int = 90) -> list[dict[str, Any]]:
    """Houses whose price (in hundreds of thousands) follows from the rest."""
    draw = np.random.default_rng(5)
    rows = []
    for i in range(count):
        area, rooms = float(round(draw.uniform(40, 220), 1)), int(draw.integers(1, 8))
        town = ("Ulm", "Köln", 'He said "no"')[i % 3]
        price = round(2_000 * area + 9_000 * rooms + (30_000 if town == "Ulm" else 0), 2)
        rows.append({"area": area, "rooms": rooms, "town": town, "old": "yes" if area < 100 else "no", "price": price})
    return rows


def written(path: Path, rows: list[dict[str, Any]], separator: str = ",") -> Path:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), delimiter=separator)
    writer.writeheader()
    writer.writerows(rows)
    if path.name.endswith(".parquet"):
        pl.DataFrame(rows).write_parquet(path)
    elif path.name.endswith(".gz"):
        path.write_bytes(gzip.compress(text.getvalue().encode()))
    else:
        path.write_text(text.getvalue())
    return path


def checkpoint(folder: Path, which: int) -> dict[str, np.ndarray]:
    """The weights in the first (0) or last (-1) checkpoint."""
    arrays = load_file(sorted((folder / "checkpoints").iterdir())[which])
    return {path.removeprefix("parameters/"): a for path, a in arrays.items() if path.startswith("parameters/")}


def losses(folder: Path) -> np.ndarray:
    """The recorded loss of each step."""
    return pl.read_parquet(folder / json.loads((folder / "run.json").read_text())["losses"])["loss"].to_numpy()


def predictions(text: str) -> tuple[list[str], list[dict[str, str]]]:
    reader = csv.DictReader(io.StringIO(text))
    return list(reader.fieldnames or ()), list(reader)


@pytest.fixture(scope="session")
def iris(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Done]:
    """A run on a built-in table with the compiled engine, and what was printed."""
    folder = tmp_path_factory.mktemp("iris") / "run"
    return folder, pellucid("train", "iris", "--hidden", "3", "--epochs", "5", "-q", "--out", folder)


@pytest.fixture(scope="session")
def houses(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A regression: its run folder and its file."""
    folder = tmp_path_factory.mktemp("houses")
    file = written(folder / "houses.csv", house_rows())
    done = pellucid("train", file, "--target", "price", "--out", folder / "run", *SMALL)
    assert done.code == 0, done.err
    return folder / "run", file


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Done]]:
    """A run without dropout, which can be done again by hand, by each engine."""
    made = {}
    for engine in ("numpy", "xla"):
        folder = tmp_path_factory.mktemp(engine) / "run"
        options = ("--hidden", "3", "--epochs", "5", "--dropout", "0", "--engine", engine, "-q", "--out", folder)
        made[engine] = folder, pellucid("train", "iris", *options)
    return made


@pytest.fixture(scope="session")
def eager(plain: dict[str, tuple[Path, Done]]) -> Path:
    """The run by the NumPy engine: its steps open at once."""
    return plain["numpy"][0]


# train


def test_train_prints_columns_network_figures_and_what_to_try_next(iris: tuple[Path, Done]) -> None:
    folder, done = iris
    assert (done.code, done.err) == (0, "")
    assert "iris: 150 rows, 5 columns" in done.out
    for column in ("sepal_length", "sepal_width", "petal_length", "petal_width"):
        assert re.search(rf"│ {column} +│ number +│ +1 │ a number, minus", done.out)
    assert re.search(r"│ species +│ target +│ +│ one of 3 classes", done.out)
    assert "Network with 3 hidden units, batches of 16, at most 5 epochs, learning rate 0.003" in done.out
    assert re.search(r"dense/kernel +\(4, 3\) +12\n", done.out)
    assert re.search(r"all +27\n", done.out)
    assert re.search(r"Done in [\d.]+ s: 5 epochs, 35 steps; best epoch \d, whose weights are kept\.", done.out)
    assert re.search(r"On the 23 rows held out: accuracy [\d.]+, f1_score [\d.]+\n", done.out)
    for command in ("predict", "show", "check"):
        assert f"  pellucid {command} {folder} " in done.out


def test_the_commands_that_train_suggests_work(plain: dict[str, tuple[Path, Done]]) -> None:
    _, done = plain["numpy"]
    suggested = [line.split("pellucid ")[1] for line in done.out.splitlines() if line.startswith("  pellucid ")]
    assert len(suggested) == 4
    for line in suggested[1:]:
        words = [word.strip('"') for word in line.split()]
        assert pellucid(*words).code == 0, line


def test_the_folder_of_a_run(iris: tuple[Path, Done]) -> None:
    folder, _ = iris
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    between = {name for name in files if name.startswith("checkpoints/")}
    assert {f"checkpoints/{step:08}.safetensors" for step in (0, 35)} <= between
    assert files - between == {"run.json", "recipe.json", "steps-00000035.parquet", "weights/best.safetensors"}
    manifest = json.loads((folder / "run.json").read_text())
    assert manifest["files"].keys() == files - {"run.json"}
    assert manifest["status"] == "finished"
    assert (manifest["steps"], manifest["epochs"], manifest["training"]["seed"]) == (35, 5, 0)
    assert manifest["losses"] == "steps-00000035.parquet"
    assert manifest["data"]["source"] == "iris"
    assert manifest["data"]["file"] is None
    assert {"python", "pellucid", "jax", "jaxlib", "numpy", "polars"} == manifest["versions"].keys()
    assert {"loss", "accuracy", "val_loss", "val_accuracy"} == manifest["history"].keys()
    assert all(len(values) == 5 for values in manifest["history"].values())
    recipe = json.loads((folder / "recipe.json").read_text())
    assert [column["name"] for column in recipe["columns"]] == open_table("iris").columns[:4]
    assert "\n  " in (folder / "recipe.json").read_text()
    steps = pl.read_parquet(folder / "steps-00000035.parquet")
    assert steps["step"].to_list() == list(range(35))
    assert steps["loss"].dtype == pl.Float32
    assert steps["loss"].is_finite().all()
    shapes = {"dense/kernel": (4, 3), "dense/bias": (3,), "dense_1/kernel": (3, 3), "dense_1/bias": (3,)}
    for found in (load_file(folder / "weights/best.safetensors"), checkpoint(folder, 0), checkpoint(folder, -1)):
        assert {path: array.shape for path, array in found.items()} == shapes


@pytest.mark.parametrize(
    ("name", "target", "task", "figures"),
    [
        ("houses.csv", "price", "regression", {"mae", "rmse", "r2"}),
        ("houses.tsv", "old", "binary", {"accuracy", "f1_score", "auc"}),
        ("houses.csv.gz", "town", "multiclass", {"accuracy", "f1_score"}),
        ("houses.parquet", "price", "regression", {"mae", "rmse", "r2"}),
    ],
)
def test_train_and_predict_own_file(name: str, target: str, task: str, figures: set[str], tmp_path: Path) -> None:
    file = written(tmp_path / name, house_rows(), "\t" if "tsv" in name else ",")
    done = pellucid("train", file, "--target", target, "--out", tmp_path / "run", "--json", *SMALL)
    assert done.code == 0, done.err
    document = done.document
    assert (document["pellucid"], document["command"], document["status"]) == (1, "train", "finished")
    assert (document["task"], document["target"]) == (task, target)
    assert document["test"].keys() == figures
    assert document["run"] == str(tmp_path / "run")
    assert len(document["history"]["loss"]) == document["epochs"] == 2
    assert "houses" in done.err
    predicted = pellucid("predict", tmp_path / "run", file, "-o", tmp_path / "out.csv")
    assert predicted.code == 0, predicted.err
    assert predicted.out == ""
    assert f"the table holds {target}; scored by it: " in predicted.err
    head, rows = predictions((tmp_path / "out.csv").read_text())
    assert len(rows) == 90
    if task == "regression":
        assert head == [target]
        return
    classes = sorted({row[target] for row in house_rows()})
    assert head == [target, *(f"{target}_{label}" for label in classes)]
    for row in rows:
        p = {label: float(row[f"{target}_{label}"]) for label in classes}
        assert sum(p.values()) == pytest.approx(1, abs=1e-12)
        assert row[target] == max(p, key=lambda label: p[label])


def test_runs_are_numbered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PELLUCID_RUNS", raising=False)
    (tmp_path / "runs" / "7").mkdir(parents=True)
    (tmp_path / "runs" / "notes").mkdir()
    assert "The run is in runs/8." in pellucid("train", "iris", *SMALL).out
    assert (tmp_path / "runs/8/run.json").exists()
    assert pellucid("show", "runs/8", "--unit", "dense[0]").code == 0
    missing = pellucid("show", "runs/9")
    assert missing.code == 3
    assert "there is no run folder runs/9. There is runs/8." in missing.err


def test_out_that_is_not_empty_is_refused(iris: tuple[Path, Done], tmp_path: Path) -> None:
    folder, _ = iris
    before = (folder / "run.json").read_bytes()
    done = pellucid("train", "iris", "--out", folder, *SMALL)
    assert done.code == 2
    assert f"{folder} is there already and is not empty; choose another name (--out, --as)" in done.err
    assert (folder / "run.json").read_bytes() == before
    (tmp_path / "file").write_text("x")
    assert pellucid("train", "iris", "--out", tmp_path / "file", *SMALL).code == 2


def test_one_seed_gives_one_training(iris: tuple[Path, Done], tmp_path: Path) -> None:
    folder, _ = iris
    options = ("--hidden", "3", "--epochs", "5", "-q", "--out", tmp_path / "again")
    assert pellucid("train", "iris", *options).code == 0
    ends = [f"checkpoints/{step:08}.safetensors" for step in (0, 35)]
    for name in (*ends, "weights/best.safetensors", "steps-00000035.parquet", "recipe.json"):
        assert (folder / name).read_bytes() == (tmp_path / "again" / name).read_bytes(), name


def test_another_seed_gives_another(tmp_path: Path) -> None:
    for seed in ("1", "2"):
        assert pellucid("train", "iris", "--seed", seed, "--out", tmp_path / seed, *SMALL).code == 0
    first, second = (checkpoint(tmp_path / seed, -1) for seed in ("1", "2"))
    assert not np.array_equal(first["dense/kernel"], second["dense/kernel"])


def test_options_before_and_after_the_file(tmp_path: Path) -> None:
    rows = house_rows()
    rows[3]["area"] = "n.v."
    rows[9]["area"] = "??"
    file = written(tmp_path / "h.csv", rows)
    options = ("--target", "price", "--missing", "n.v.", "--missing", "??", "--kind", "rooms=category")
    for i, words in enumerate([(*options, file), (file, *options)]):
        done = pellucid("train", *words, "--json", "--out", tmp_path / str(i), *SMALL)
        assert done.code == 0, done.err
        kinds = {c["name"]: c["kind"] for c in json.loads((tmp_path / str(i) / "recipe.json").read_text())["columns"]}
        assert kinds["rooms"] == "category"


def test_names_are_not_read_as_markup(tmp_path: Path) -> None:
    rows = [{"[/b]": i, "[red]x": i % 7, "[y]": 3 * i} for i in range(40)]
    file = written(tmp_path / "[i].csv", rows)
    done = pellucid("train", file, "--target", "[y]", "--out", tmp_path / "[/out]", *SMALL)
    assert done.code == 0
    for name in ("[/b]", "[red]x", "[y]", "[i].csv", "[/out]"):
        assert name in done.out
    extra = written(tmp_path / "more.csv", [row | {"[/extra]": 1} for row in rows])
    predicted = pellucid("predict", tmp_path / "[/out]", extra, "-o", tmp_path / "[/o].csv")
    assert "ignored: [/extra]" in predicted.err or predicted.code == 3  # a folder "[" cannot be made by -o


# predict


def test_predict_keeps_order_and_number_of_rows(iris: tuple[Path, Done], tmp_path: Path) -> None:
    folder, _ = iris
    rows = open_table("iris")
    frame = pl.concat(list(rows.batches()))
    file, reverse = tmp_path / "a.csv", tmp_path / "b.csv"
    frame.write_csv(file)
    frame.reverse().write_csv(reverse)
    found = []
    for path in (file, reverse):
        assert pellucid("predict", folder, path, "-o", f"{path}.out.csv").code == 0
        found.append(predictions(Path(f"{path}.out.csv").read_text())[1])
    assert len(found[0]) == 150
    assert [row["species"] for row in found[0]] == [row["species"] for row in reversed(found[1])]


def test_predict_is_model_predict(iris: tuple[Path, Done]) -> None:
    folder, _ = iris
    head, rows = predictions(pellucid("predict", folder, "iris").out)
    assert head == ["species", "species_setosa", "species_versicolor", "species_virginica"]
    model, recipe = open_run(folder).model, TableSource(RunFolder.open(folder)).recipe
    x = np.concatenate([x for x, _ in recipe.encode(open_table("iris"))])
    logits = model.predict(x).astype(np.float64)
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    expected = e / e.sum(axis=1, keepdims=True)
    found = np.array([[float(row[name]) for name in head[1:]] for row in rows])
    assert np.array_equal(found, expected)
    classes = recipe.target.classes
    assert [row["species"] for row in rows] == [classes[i] for i in expected.argmax(axis=1)]


def test_predict_in_the_unit_of_the_target(houses: tuple[Path, Path], tmp_path: Path) -> None:
    folder, file = houses
    done = pellucid("predict", folder, file, "-o", tmp_path / "out.csv", "--json")
    assert done.code == 0
    document = done.document
    assert (document["pellucid"], document["command"], document["rows"]) == (1, "predict", 90)
    _, rows = predictions((tmp_path / "out.csv").read_text())
    found = np.array([float(row["price"]) for row in rows])
    model, recipe = open_run(folder).model, TableSource(RunFolder.open(folder)).recipe
    x = np.concatenate([x for x, _ in recipe.encode(open_table(file))])
    target = json.loads((folder / "recipe.json").read_text())["target"]
    by_hand = target["mean"] + target["scale"] * model.predict(x).astype(np.float64)[:, 0]
    assert found == pytest.approx(by_hand, rel=1e-6)
    actual = np.array([row["price"] for row in house_rows()])
    assert actual.min() < found.mean() < actual.max()
    assert document["scores"]["mae"] == pytest.approx(np.abs(found - actual).mean(), rel=1e-5)
    assert document["scores"]["rmse"] == pytest.approx(math.sqrt(np.mean((found - actual) ** 2)), rel=1e-5)
    r2 = 1 - np.sum((found - actual) ** 2) / np.sum((actual - actual.mean()) ** 2)
    assert document["scores"]["r2"] == pytest.approx(r2, rel=1e-5, abs=1e-6)


def test_predict_without_the_target_does_not_score(houses: tuple[Path, Path], tmp_path: Path) -> None:
    folder, _ = houses
    rows = [{k: v for k, v in row.items() if k != "price"} for row in house_rows(7)]
    done = pellucid("predict", folder, written(tmp_path / "new.csv", rows))
    assert (done.code, done.err) == (0, "")
    assert len(done.out.splitlines()) == 8


def test_predict_json_needs_a_file(houses: tuple[Path, Path]) -> None:
    done = pellucid("predict", *houses, "--json")
    assert done.code == 2
    assert "--json needs -o OUT.csv" in done.err
    assert done.out == ""


# show: the run, done again by hand in NumPy


class ByHand(NamedTuple):
    """A step of the run, worked out from the initial weights in float64."""

    rows: list[int]
    values: dict[str, np.ndarray]
    gradients: dict[str, np.ndarray]
    after: dict[str, np.ndarray]


def by_hand(folder: Path) -> list[ByHand]:
    """Every step of a run on iris with 4-3-3 units: relu, softmax cross-entropy, clipping, AdamW."""
    manifest, recipe = (json.loads((folder / name).read_text()) for name in ("run.json", "recipe.json"))
    table = pl.concat(list(open_table("iris").batches()))
    x = np.stack([(table[c["name"]].cast(float) - c["mean"]) / c["scale"] for c in recipe["columns"]], axis=1)
    y = np.array([recipe["target"]["classes"].index(label) for label in table["species"]])
    recorded = TableSource(RunFolder.open(folder))
    training = recorded.recipe.rows(recorded.table()).training().row
    plan = Plan(len(training), manifest["training"]["batch_size"], manifest["training"]["seed"])
    how = manifest["model"]["optimizer"]
    w = {path: a.astype(np.float64) for path, a in checkpoint(folder, 0).items()}
    m, v = ({path: np.zeros_like(a) for path, a in w.items()} for _ in range(2))
    steps = []
    for n in range(manifest["steps"]):
        rows = training[plan.at(n)]
        z = x[rows] @ w["dense/kernel"] + w["dense/bias"]
        h = np.maximum(z, 0)
        logits = h @ w["dense_1/kernel"] + w["dense_1/bias"]
        p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        each = -np.log(p[np.arange(len(rows)), y[rows]])
        d_logits = (p - np.eye(3)[y[rows]]) / len(rows)
        d_h = d_logits @ w["dense_1/kernel"].T
        d_z = d_h * (z > 0)
        g = {
            "dense/kernel": x[rows].T @ d_z,
            "dense/bias": d_z.sum(axis=0),
            "dense_1/kernel": h.T @ d_logits,
            "dense_1/bias": d_logits.sum(axis=0),
        }
        length = math.sqrt(sum(float((a**2).sum()) for a in g.values()))
        limited = {path: a * min(1.0, how["global_clipnorm"] / length) for path, a in g.items()}
        rate = rate_at(how["learning_rate"], n)
        b1, b2 = how["beta_1"], how["beta_2"]
        for path, a in limited.items():
            m[path] = b1 * m[path] + (1 - b1) * a
            v[path] = b2 * v[path] + (1 - b2) * a**2
        after = {
            path: w[path]
            - rate * (m[path] / (1 - b1 ** (n + 1))) / (np.sqrt(v[path] / (1 - b2 ** (n + 1))) + how["epsilon"])
            - rate * how["weight_decay"] * w[path]
            for path in w
        }
        values = {"x": x[rows], "dense.sum": z, "dense.relu": h, "dense_1.sum": logits, "each": each}
        slopes = {"∂L/∂ dense.sum": d_z, "∂L/∂ dense.relu": d_h, "∂L/∂ dense_1.sum": d_logits}
        steps.append(ByHand([int(r) for r in rows], values | slopes, g, after))
        w = after
    return steps


def rate_at(schedule: dict[str, Any], n: int) -> float:
    low, high, climb = schedule["initial_learning_rate"], schedule["warmup_target"], schedule["warmup_steps"]
    if n < climb:
        return low + (high - low) * n / climb
    share = min((n - climb) / schedule["decay_steps"], 1.0)
    return high * ((1 - schedule["alpha"]) * 0.5 * (1 + math.cos(math.pi * share)) + schedule["alpha"])


@pytest.fixture(scope="session")
def steps(eager: Path) -> list[ByHand]:
    return by_hand(eager)


@pytest.mark.parametrize(("engine", "n"), [("numpy", 0), ("numpy", 17), ("numpy", 34), ("xla", 34)])
def test_every_number_that_show_prints_is_right(
    plain: dict[str, tuple[Path, Done]], steps: list[ByHand], engine: str, n: int
) -> None:
    place, here = 2, steps[n]
    done = pellucid("show", plain[engine][0], "--step", n, "--row", place)
    assert done.code == 0, done.err
    lines = [line for line in done.out.splitlines() if re.match(r"  \S", line) and "  target = " not in line]
    printed = {line.split(" = ")[0].strip(): float(line.split(" = ")[-1]) for line in lines}
    close = {"rel": 1e-5 if n == 0 else 1e-3, "abs": 1e-5}
    assert f"Step {n}, row {place} of the 16 in the batch: row {here.rows[place]} of the table" in done.out
    checked = 0
    for name, array in here.values.items():
        for i, value in enumerate(np.atleast_1d(array[place])):
            key = (
                f"{open_table('iris').columns[i]}" if name == "x"
                else "loss.sparse_softmax_crossentropy" if name == "each"
                else f"{name}[{i}]"
            )  # fmt: skip
            assert printed[key] == pytest.approx(value, **close), key
            checked += 1
    assert printed["loss (mean over the batch)"] == pytest.approx(here.values["each"].mean(), **close)
    for path, g in here.gradients.items():
        for index in np.ndindex(g.shape):
            name = f"{path}[{','.join(map(str, index))}]"
            assert printed[f"∂L/∂ {name}"] == pytest.approx(g[index], **close), name
            line = next(text for text in done.out.splitlines() if text.startswith(f"      {name}: "))
            assert float(line.split(" = ")[1].split()[0]) == pytest.approx(here.after[path][index], **close)
            checked += 2
    assert checked == 4 + 6 + 3 + 1 + 6 + 3 + 2 * 27
    assert "the same, bit for bit, as recorded" in done.out


@pytest.mark.parametrize("engine", ["numpy", "xla"])
def test_the_run_by_hand_ends_at_the_final_weights(
    plain: dict[str, tuple[Path, Done]], steps: list[ByHand], engine: str
) -> None:
    folder, _ = plain[engine]
    assert losses(folder) == pytest.approx([step.values["each"].mean() for step in steps], rel=1e-4)
    for path, array in checkpoint(folder, -1).items():
        assert array == pytest.approx(steps[-1].after[path], rel=1e-3, abs=1e-5), path


def test_show_json_is_the_page_that_is_printed(eager: Path) -> None:
    text = pellucid("show", eager, "--step", 3, "--row", 1).out
    done = pellucid("show", eager, "--step", 3, "--row", 1, "--json")
    document = done.document
    assert (document["pellucid"], document["command"]) == (1, "show")
    assert (document["step"], document["row"], document["drift"]) == (3, 1, 0.0)
    assert document["loss"] == float(losses(eager)[3])
    for block in document["page"]:
        if "formula" in block:
            value = number(block["value"])
            shown = f"  {block['name']} = {block['formula']}"
            assert (shown if block["formula"] == value else f"{shown} = {value}") in text
        else:
            assert (block.get("text") or block["heading"]) in text
    assert done.err.rstrip().endswith("bit for bit, as recorded.")


def test_show_one_weight_and_one_unit(eager: Path, steps: list[ByHand]) -> None:
    one = pellucid("show", eager, "--step", 5, "--weight", "dense_1/kernel[2,1]").out
    gradient = steps[5].gradients["dense_1/kernel"][2, 1]
    found = re.search(r"∂L/∂ dense_1/kernel\[2,1\] = .* = (\S+)\n", one)
    assert found is not None
    assert float(found[1]) == pytest.approx(gradient, rel=1e-3, abs=1e-5)
    assert one.count("∂L/∂") == 1
    unit = pellucid("show", eager, "--step", 5, "--unit", "dense[1]").out
    assert [line.split(" = ")[0].strip() for line in unit.splitlines() if "dense." in line] == [
        "dense.sum[1]",
        "dense.relu[1]",
        "∂L/∂ dense.relu[1]",
        "∂L/∂ dense.sum[1]",
    ]


def test_a_recorded_loss_is_replayed_bit_for_bit_in_a_fresh_process(iris: tuple[Path, Done]) -> None:
    folder, _ = iris
    code = f"""
import pellucid
run = pellucid.open_run({str(folder)!r})
recorded = run.step_history["loss"]
print([(n, run.at(n).loss.tobytes() == recorded[n].tobytes() and run.at(n).exact) for n in (0, 1, 6, 20, 34)])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() == str([(n, True) for n in (0, 1, 6, 20, 34)])


def test_show_refuses_data_that_changed_and_was_too_large_to_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pellucid.commands.train.Recording", partial(Recording, keep_data=100))
    file = written(tmp_path / "h.csv", house_rows())
    assert pellucid("train", file, "--target", "price", "--out", tmp_path / "run", *SMALL).code == 0
    assert not (tmp_path / "run/data").exists()
    assert pellucid("show", tmp_path / "run").code == 0
    written(file, house_rows()[:-1])
    changed = pellucid("show", tmp_path / "run")
    assert changed.code == 3
    assert f"{file} has changed since" in changed.err
    file.unlink()
    gone = pellucid("check", tmp_path / "run")
    assert gone.code == 3
    assert f"{file}, which cannot be read now: There is no file" in gone.err


# check and doctor


def test_check_proves_every_gradient(eager: Path) -> None:
    done = pellucid("check", eager, "--step", 20, "--json")
    assert done.code == 0
    document = done.document
    assert (document["pellucid"], document["command"], document["step"], document["ok"]) == (1, "check", 20, True)
    assert sum(document["verdicts"].values()) == 27
    assert "27 gradients both ways" in done.err


def test_check_finds_a_wrong_rule_and_names_the_weight(eager: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rule: Callable[..., Any] = OPS["relu"].rule  # pyright: ignore
    monkeypatch.setattr(OPS["relu"], "rule", lambda *inputs: rule(*inputs) * 1.001)
    done = pellucid("check", eager, "--step", 0)
    assert done.code == 1
    assert re.search(r"WRONG dense/kernel\[\d, \d\]: back-propagation -?[\d.e-]+, finite difference", done.out)
    assert "WRONG dense_1" not in done.out


def test_doctor() -> None:
    done = pellucid("doctor")
    assert (done.code, done.err) == (0, "")
    assert "engine numpy  works" in done.out
    assert "engine xla    works" in done.out
    assert done.out.endswith("All is well.\n")
    document = pellucid("doctor", "--json").document
    assert (document["pellucid"], document["command"], document["ok"]) == (1, "doctor", True)


# help, and what cannot be meant


@pytest.mark.parametrize("command", COMMANDS)
def test_help_holds_an_example(command: str) -> None:
    done = pellucid(command, "--help")
    assert done.code == 0
    assert re.search(rf"Example: pellucid {command}\b", done.out)


def test_help_and_version() -> None:
    done = pellucid("--help")
    assert done.code == 0
    for command in COMMANDS:
        assert re.search(rf"│ {command} ", done.out)
    assert pellucid("--version").out == "0.1.0\n"


@pytest.mark.parametrize(
    "words",
    [
        ["nope"],
        ["train"],
        ["train", "iris", "--nope"],
        ["train", "iris", "two"],
        ["train", "iris", "--epochs", "x"],
        ["train", "iris", "--hidden"],
        ["show"],
        ["show", "run", "--step", "1.5"],
        ["train", "iris", "--epochs", "1.5"],
        ["predict", "run"],
    ],
)
def test_what_cannot_be_meant_ends_with_2(words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = pellucid(*words)
    assert done.code == 2
    assert done.out == ""
    assert done.err
    assert "Traceback" not in done.err
    assert not list(tmp_path.iterdir())


def test_the_installed_command_ends_with_the_exit_code(tmp_path: Path) -> None:
    command = Path(sys.executable).with_name("pellucid")
    if not command.exists():
        pytest.skip("pellucid is not installed as a command here")
    done = subprocess.run([command, "train", "nothere.csv"], capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert done.returncode == 3
    assert done.stderr.startswith("pellucid: There is no file nothere.csv")


@pytest.mark.parametrize("words", [["show"], ["predict", "iris"]], ids=" ".join)
def test_a_reader_that_has_enough(eager: Path, words: list[str]) -> None:
    with started(words[0], eager, *words[1:]) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert "Traceback" not in process.stderr.read()
    assert process.returncode == 0


# stopped


def endless(folder: Path) -> subprocess.Popen[str]:
    """A training that is well under way and does not end by itself."""
    long = ("--epochs", 10**6, "--patience", 10**6, "--hidden", 3, "--engine", "numpy")
    process = started("train", "iris", *long, "-q", "--out", folder)
    until = time.monotonic() + 30
    while not (folder / "run.json").exists():
        assert time.monotonic() < until, "the training did not start"
        assert process.poll() is None
        time.sleep(0.05)
    time.sleep(1.0)
    return process


def test_ctrl_c_keeps_the_weights_so_far(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with endless(folder) as process:
        os.kill(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert err.strip() == "pellucid: interrupted"
    steps_done = re.search(r"Stopped after ([\d,]+) steps; the run so far is in", out)
    assert steps_done is not None
    manifest = json.loads((folder / "run.json").read_text())
    assert manifest["status"] == "interrupted"
    assert manifest["steps"] == int(steps_done[1].replace(",", "")) > 0
    assert len(losses(folder)) == manifest["steps"]
    first, last = (checkpoint(folder, which) for which in (0, -1))
    assert not np.array_equal(first["dense/kernel"], last["dense/kernel"])
    assert len(pellucid("predict", folder, "iris").out.splitlines()) == 151
    assert pellucid("show", folder, "--step", 2).code == 0


def test_kill_leaves_a_folder_that_can_be_opened(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with endless(folder) as process:
        process.kill()
    assert process.returncode == -signal.SIGKILL
    manifest = json.loads((folder / "run.json").read_text())
    assert manifest["status"] == "running"
    predicted = pellucid("predict", folder, "iris")
    assert (predicted.code, len(predicted.out.splitlines())) == (0, 151)
    recorded = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert recorded == {"run.json", *manifest["files"]}  # what was half-written is gone
    if manifest["steps"]:
        shown = pellucid("show", folder, "--step", -1)
        assert shown.code == 0
        assert "the same, bit for bit, as recorded" in shown.out
    gone = pellucid("show", folder, "--step", manifest["steps"])
    assert gone.code == 2
    assert f"step {manifest['steps']} is not there" in gone.err
