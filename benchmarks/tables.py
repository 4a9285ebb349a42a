"""Tables: `pellucid train` with no options beside scikit-learn's own defaults, on the same rows.

    python benchmarks/tables.py [--seeds 0 1 2] [--only digits …] [--markdown]

The seed draws the split into training, validation and test rows, and the first weights. pellucid trains on the
training rows and stops by the validation rows; scikit-learn gets both. All are scored on the test rows. Seconds:
pellucid from opening the file to the trained network, compilation included; scikit-learn its fit alone.
"""

import argparse
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import fetch
import numpy as np
import polars as pl
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.metrics import accuracy_score, r2_score, roc_auc_score, root_mean_squared_error
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from pellucid.automl import auto_model as tables
from pellucid.data.tables.recipe import Recipe
from pellucid.data.tables.table import open_table

SOURCES = {
    "California": ("california_housing", "MedHouseVal"),
    "Adult": ("adult", "income"),
    "digits": ("digits", None),
    "breast cancer": ("breast_cancer", None),
}
Figures = dict[str, float]


def pellucid(file: str, target: str | None, seed: int) -> tuple[Figures, tables.TableRun]:
    """`pellucid train FILE --target TARGET --seed SEED`, and its figures on the test rows."""
    started = time.perf_counter()
    table, recipe = tables.learn(file, target, seed=seed)
    done = tables.prepare(table, recipe, tables.Choices(seed=seed))
    tables.fit(done)
    seconds = time.perf_counter() - started
    found = tables.score(done.model, recipe, done.part("test"))
    shown = {"R²": "r2", "RMSE": "rmse", "accuracy": "accuracy", "AUC": "auc"}
    return {name: found[key] for name, key in shown.items() if key in found} | {"seconds": seconds}, done


def encoders(recipe: Recipe) -> tuple[Any, Any, list[str]]:
    """What scikit-learn's network and its trees are fed: (scaled and one-hot, ordinal, categories)."""
    numbers = [c.name for c in recipe.columns if c.kind == "number"]
    labels = [c.name for c in recipe.columns if c.kind in ("category", "boolean")]
    scaled = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    ordinal = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan)
    hot = OneHotEncoder(handle_unknown="ignore")
    # The trees get the labels first, so that the first columns are the categories.
    trees = make_column_transformer((ordinal, labels), ("passthrough", numbers))
    return make_column_transformer((scaled, numbers), (hot, labels)), trees, labels


def frame_of(file: str, recipe: Recipe) -> pl.DataFrame:
    """The table for scikit-learn: numbers as numbers, labels as text, a missing label as one of its own."""
    frame = pl.concat(open_table(file).batches())
    kinds = {c.name: c.kind for c in recipe.columns}
    plain = pl.col([name for name, kind in kinds.items() if kind == "number"]).cast(pl.Float64)
    text = pl.col([name for name, kind in kinds.items() if kind in ("category", "boolean")])
    return frame.with_columns(plain, text.cast(pl.String).fill_null("?"))


def scikit_learn(model: Any, frame: pl.DataFrame, done: tables.TableRun) -> Figures:
    """A scikit-learn model's figures: trained on all but the test rows."""
    rows, target = done.rows, done.recipe.target
    y = target.decode(rows.y)
    kept, test = rows.part < 2, rows.part == 2
    started = time.perf_counter()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", ConvergenceWarning)
        model.fit(frame[rows.row[kept]], y[kept])
    found: Figures = {"seconds": time.perf_counter() - started}
    if any(issubclass(w.category, ConvergenceWarning) for w in said):
        print(f"{target.name}: {model[-1]} has not converged within its default iterations", file=sys.stderr)
    held = frame[rows.row[test]]
    guess = model.predict(held)
    if target.task == "regression":
        return {"R²": r2_score(y[test], guess), "RMSE": root_mean_squared_error(y[test], guess)} | found
    found = {"accuracy": float(accuracy_score(y[test], guess))} | found
    if target.task == "binary":
        found["AUC"] = float(roc_auc_score(y[test], model.predict_proba(held)[:, 1]))
    return found


def rivals(recipe: Recipe, seed: int) -> dict[str, Callable[[], Any]]:
    """scikit-learn's network and its gradient boosting, everything at its default."""
    scaled, ordinal, labels = encoders(recipe)
    regression = recipe.target.task == "regression"
    network = MLPRegressor if regression else MLPClassifier
    trees = HistGradientBoostingRegressor if regression else HistGradientBoostingClassifier
    categories = list(range(len(labels)))
    return {
        "scikit-learn MLP": lambda: make_pipeline(scaled, network(random_state=seed)),
        "gradient boosting": lambda: make_pipeline(ordinal, trees(random_state=seed, categorical_features=categories)),
    }


def measure(source: str, seeds: list[int]) -> dict[str, list[Figures]]:
    """Every model's figures on a table, seed after seed."""
    name, target = SOURCES[source]
    file = str(fetch.path(name)) if name in fetch.TABLES else name
    found: dict[str, list[Figures]] = {}
    for seed in seeds:
        figures, done = pellucid(file, target, seed)
        found.setdefault("pellucid", []).append(figures)
        frame = frame_of(file, done.recipe)
        for rival, make in rivals(done.recipe, seed).items():
            found.setdefault(rival, []).append(scikit_learn(make(), frame, done))
    return found


def lines(source: str, found: dict[str, list[Figures]]) -> list[list[str]]:
    """A line for each model and figure: the mean, and each seed."""
    out: list[list[str]] = []
    for figure in ("R²", "RMSE", "accuracy", "AUC", "seconds"):
        for model, runs in found.items():
            if figure in runs[0]:
                values = [run[figure] for run in runs]
                shown = [f"{v:.1f}" if figure == "seconds" else f"{v:.4f}" for v in (np.mean(values), *values)]
                out.append([source, figure, model, shown[0], " ".join(shown[1:])])
    return out


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    ask.add_argument("--only", nargs="+", choices=SOURCES, default=list(SOURCES))
    ask.add_argument("--markdown", action="store_true")
    asked = ask.parse_args()
    fetch.fetch()
    head = ["table", "figure", "model", "mean", "seeds " + " ".join(map(str, asked.seeds))]
    body = [line for source in asked.only for line in lines(source, measure(source, asked.seeds))]
    if asked.markdown:
        rule = ["---"] * len(head)
        print("\n".join("| " + " | ".join(line) + " |" for line in [head, rule, *body]))
        return
    widths = [max(map(len, column)) for column in zip(head, *body, strict=True)]
    for line in [head, *body]:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


if __name__ == "__main__":
    main()
