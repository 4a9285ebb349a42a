"""The commands that train and predict."""

from __future__ import annotations

import re
import sys
from json import loads
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from pellucid.cli.app import MANY, WHOLE, Json, Quiet, RunPath, answer, app, screen_for
from pellucid.errors import UsageError


@app.command
def train(
    data: Annotated[str, Parameter(help="A .csv, .tsv, .csv.gz or .parquet file, a built-in table, or a folder.")],
    /,
    *,
    target: Annotated[str | None, Parameter(help="The column to predict.")] = None,
    out: Annotated[Path | None, Parameter(help="The run's folder; by default the next runs/N.")] = None,
    task: Annotated[str | None, Parameter(help="regression, binary or multiclass; inferred otherwise.")] = None,
    kind: Annotated[tuple[str, ...], Parameter(help="COLUMN=number|category|boolean|moment|leave_out.", **MANY)] = (),
    missing: Annotated[tuple[str, ...], Parameter(help="Text that means a cell is missing.", **MANY)] = (),
    size: Annotated[str | None, Parameter(help="Of pictures: HEIGHTxWIDTH in pixels, as 32x32.")] = None,
    skip_unreadable: Annotated[
        bool, Parameter(negative=(), show_default=False, help="Leaves files out that cannot be read.")
    ] = False,
    hidden: Annotated[str | None, Parameter(help="Units of the hidden layers, as 64,64.")] = None,
    epochs: Annotated[int | None, Parameter(help="At most so many; by the number of rows otherwise.", **WHOLE)] = None,
    batch_size: Annotated[int | None, Parameter(help="Rows of a step.", **WHOLE)] = None,
    learning_rate: Annotated[float | None, Parameter(help="At its highest; it is warmed up and let down.")] = None,
    dropout: Annotated[float | None, Parameter(help="Share of hidden values dropped in training.")] = None,
    patience: Annotated[int | None, Parameter(help="Epochs without improvement before stopping.", **WHOLE)] = None,
    seed: Annotated[int, Parameter(help="Decides split, first weights, order of the rows, dropout.", **WHOLE)] = 0,
    engine: Annotated[str, Parameter(help="xla (compiled) or numpy (eager).")] = "xla",
    json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Train a network on a table, or on a folder of pictures or sounds.

    Example: `pellucid train houses.csv --target price`

    Example: `pellucid train digits/`, where each folder in digits/ holds the pictures, or sounds, of one class.

    Built-in tables: iris, wine, breast_cancer, digits, diabetes.
    """
    from pellucid.automl.choices import Choices
    from pellucid.automl.settings import Settings
    from pellucid.cli import rendering
    from pellucid.cli.terminal import Terminal
    from pellucid.commands import train as training

    choices = Choices(_units(hidden), epochs, batch_size, learning_rate, dropout, patience, seed, engine)
    pixels = _size(size)
    settings = Settings(data, target, out, task, _pairs("--kind", kind), missing, choices, pixels, skip_unreadable)
    terminal = Terminal(screen_for(json), verbose=0 if quiet else 1)
    document = training.train(settings, terminal)
    rendering.trained(document, terminal)
    return answer("train", document, json)


@app.command
def resume(run: RunPath, /, *, json: Json = False, quiet: Quiet = False) -> int:
    """Go on with a run that was interrupted or killed, to the weights it would have ended with.

    Example: `pellucid resume runs/1`
    """
    from pellucid.cli import rendering
    from pellucid.cli.terminal import Terminal
    from pellucid.commands import resume as resuming

    terminal = Terminal(screen_for(json), verbose=0 if quiet else 1)
    document = resuming.resume(run, terminal)
    rendering.resumed(document, terminal)
    return answer("resume", document, json)


@app.command
def rewind(
    run: RunPath,
    /,
    *,
    step: Annotated[int, Parameter(help="The step, 0 for the first.", **WHOLE)],
    set_: Annotated[
        tuple[str, ...], Parameter(name="--set", help="SETTING=VALUE, as optimizer.learning_rate=0.01.", **MANY)
    ] = (),
    as_: Annotated[
        Path | None, Parameter(name="--as", help="The new run's folder; by default the next runs/N.")
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Go back to a step and train on from there with a new choice: same weights, same order of the rows.

    Example: `pellucid rewind runs/1 --step 500 --set optimizer.learning_rate=0.0003 --as runs/1b`

    Settings: those of the optimizer, optimizer, loss, epochs, of a layer by path (dropout.rate); from step 0 also
    batch_size, seed, shuffle.
    """
    from pellucid.cli import rendering
    from pellucid.cli.terminal import Terminal
    from pellucid.commands import rewind as rewinding

    changes = {name: _value(text) for name, text in _pairs("--set", set_).items()}
    terminal = Terminal(screen_for(json), verbose=0 if quiet else 1)
    document = rewinding.rewind(run, step, changes, as_, terminal)
    rendering.rewound(document, terminal)
    return answer("rewind", document, json)


@app.command
def predict(
    run: RunPath,
    data: Annotated[str, Parameter(help="A table with the columns that the run was trained on; a folder, or a file.")],
    /,
    *,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"], help="A .csv file; else standard output.")] = None,
    json: Json = False,
) -> int:
    """Predict the target of each row of a table, or the class of each file of a folder.

    Example: `pellucid predict runs/1 new.csv -o out.csv`

    The column of the target's name holds the prediction; for classes, COLUMN_VALUE the probability of each.
    """
    from pellucid.cli import rendering
    from pellucid.cli.terminal import Terminal
    from pellucid.commands import predict as predicting

    if json and out is None:
        raise UsageError("--json needs -o OUT.csv for the predictions, since the document takes standard output")
    terminal = Terminal(screen_for(True))
    document = predicting.predict(run, data, out or sys.stdout.buffer, terminal)
    rendering.predicted(document, terminal)
    return answer("predict", document, json)


@app.command
def doctor(*, json: Json = False) -> int:
    """Say what is installed, on what machine, and whether a training step works in both engines.

    Example: `pellucid doctor`
    """
    from pellucid.cli import rendering
    from pellucid.cli.terminal import Terminal
    from pellucid.commands import doctor as examining

    terminal = Terminal(screen_for(json))
    document = examining.examine(terminal)
    rendering.examined(document, terminal)
    return answer("doctor", document, json) or (0 if document.ok else 1)


def _pairs(option: str, given: tuple[str, ...]) -> dict[str, str]:
    pairs = [item.partition("=") if option == "--set" else item.rpartition("=") for item in given]
    form, example = {
        "--set": ("SETTING=VALUE", "--set optimizer.learning_rate=0.01"),
        "--kind": ("COLUMN=KIND", "--kind zip=category"),
    }[option]
    for (name, _, value), item in zip(pairs, given, strict=True):
        if not name or not value:
            raise UsageError(f"{option} {item}: write it as {form}, for example {example}")
    return {name: value for name, _, value in pairs}


def _value(text: str) -> Any:
    """What a person typed as a value: a number, true, false, null, or a name."""
    try:
        return loads(text)
    except ValueError:
        return text


def _size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    found = re.fullmatch(r"(\d+)\s*[x×,]\s*(\d+)", text)
    if not found:
        raise UsageError(f"--size {text}: write it as HEIGHTxWIDTH in pixels, as --size 32x32")
    return int(found[1]), int(found[2])


def _units(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"--hidden {text}: write the units of each hidden layer, as --hidden 64,64") from None
