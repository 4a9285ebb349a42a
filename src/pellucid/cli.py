"""The commands. Each reads what a person typed, calls the library, and prints; nothing is computed here."""

from __future__ import annotations

import json
import math
import os
import sys
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, CycloptsError, Parameter

import pellucid
from pellucid.errors import PellucidError, UsageError

USAGE, INTERRUPTED = 2, 130

app = App(
    name="pellucid",
    help="Train a neural network on your own table, and open any step of it.\n\nStart with: pellucid train iris",
    version=pellucid.__version__,
    help_format="markdown",
    suppress_keyboard_interrupt=False,
)

Json = Annotated[
    bool, Parameter(name="--json", negative=(), show_default=False, help="One JSON document on standard output.")
]
Quiet = Annotated[bool, Parameter(name=["--quiet", "-q"], negative=(), show_default=False, help="No progress bar.")]
RunPath = Annotated[Path, Parameter(help="The folder of a run, as runs/1.")]
MANY: Any = {"negative": (), "show_default": False}
"""An option that may be given several times."""


def _whole(kind: Any, tokens: Any) -> int:  # noqa: ARG001
    """Cyclopts would round 1.5 to 2 in silence."""
    return int(tokens[0].value)


WHOLE: Any = {"converter": _whole}
"""A whole number, written as one."""
StepNumber = Annotated[int, Parameter(help="The step, 0 for the first.", **WHOLE)]


def main(arguments: list[str] | None = None) -> None:
    """The command line; ends the process with its exit code."""
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: list[str]) -> int:
    """Runs one command: 0, or what went wrong (1 a check, 2 usage, 3 data, 130 interrupted)."""
    try:
        result = app(arguments, exit_on_error=False, result_action="return_value")
        return result if isinstance(result, int) else 0
    except CycloptsError:  # it has said what is wrong
        return USAGE
    except PellucidError as error:
        print(f"pellucid: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("pellucid: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader of a pipe, as `head`, has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains at its end
        return 0


@app.command
def train(
    data: Annotated[str, Parameter(help="A .csv, .tsv, .csv.gz or .parquet file, or a built-in table.")],
    /,
    *,
    target: Annotated[str | None, Parameter(help="The column to predict.")] = None,
    out: Annotated[Path | None, Parameter(help="The run's folder; by default the next runs/N.")] = None,
    task: Annotated[str | None, Parameter(help="regression, binary or multiclass; inferred otherwise.")] = None,
    kind: Annotated[tuple[str, ...], Parameter(help="COLUMN=number|category|boolean|moment|leave_out.", **MANY)] = (),
    missing: Annotated[tuple[str, ...], Parameter(help="Text that means a cell is missing.", **MANY)] = (),
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
    """Train a network on a table.

    Example: `pellucid train houses.csv --target price`

    Built-in tables: iris, wine, breast_cancer, digits, diabetes.
    """
    from pellucid.train.command import train_table
    from pellucid.train.settings import Settings
    from pellucid.train.table import Choices

    choices = Choices(_units(hidden), epochs, batch_size, learning_rate, dropout, patience, seed, engine)
    settings = Settings(data, target, out, task, _pairs(kind), missing, choices)
    document = train_table(settings, _screen(json), verbose=0 if quiet else 1)
    return _answer("train", document, json)


@app.command
def predict(
    run: RunPath,
    data: Annotated[str, Parameter(help="A table with the columns that the run was trained on.")],
    /,
    *,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"], help="A .csv file; else standard output.")] = None,
    json: Json = False,
) -> int:
    """Predict the target of each row of a table.

    Example: `pellucid predict runs/1 new.csv -o out.csv`

    The column of the target's name holds the prediction; for classes, COLUMN_VALUE the probability of each.
    """
    from pellucid.train.command import predict_table

    if json and out is None:
        raise UsageError("--json needs -o OUT.csv for the predictions, since the document takes standard output")
    return _answer("predict", predict_table(run, data, out, _screen(True)), json)


@app.command
def show(
    run: RunPath,
    /,
    *,
    step: StepNumber = 0,
    row: Annotated[int, Parameter(help="The row of the batch, 0 for the first.", **WHOLE)] = 0,
    weight: Annotated[str | None, Parameter(help='One weight, as "dense/kernel[0,1]".')] = None,
    unit: Annotated[str | None, Parameter(help='One unit of a layer, as "dense[2]".')] = None,
    json: Json = False,
) -> int:
    """Print a step in formulas with its numbers: forward, loss, back-propagation, update.

    Example: `pellucid show runs/1 --step 0 --row 3`
    """
    from pellucid.train.command import show_step

    return _answer("show", show_step(run, step, row, weight, unit, _screen(json)), json)


@app.command
def check(
    run: RunPath,
    /,
    *,
    step: StepNumber = 0,
    rows: Annotated[int, Parameter(help="How many rows of the batch to use.", **WHOLE)] = 8,
    tolerance: Annotated[float, Parameter(help="Relative distance that still agrees.")] = 1e-6,
    json: Json = False,
) -> int:
    """Prove each gradient of a step twice: by back-propagation and by changing each weight.

    Example: `pellucid check runs/1 --step 0`

    Ends with 1 if any is wrong.
    """
    from pellucid.train.command import check_run

    document = check_run(run, step, rows, tolerance, _screen(json))
    return _answer("check", document, json) or (0 if document["ok"] else 1)


@app.command
def doctor(*, json: Json = False) -> int:
    """Say what is installed, on what machine, and whether a training step works in both engines.

    Example: `pellucid doctor`
    """
    from pellucid.train.command import examine

    document = examine(_screen(json))
    return _answer("doctor", document, json) or (0 if document["ok"] else 1)


def _screen(document: bool) -> Any:
    """Where words for a person go: standard output, or standard error where that holds a document."""
    from rich.console import Console

    class Screen(Console):
        def on_broken_pipe(self) -> None:
            raise  # rich would end with 1, which is a failed check here

    return Screen(stderr=document, highlight=False, soft_wrap=True)


def _answer(command: str, document: dict[str, Any], as_json: bool) -> int:
    if as_json:
        whole = {"pellucid": 1, "command": command, **document}
        print(json.dumps(_standard(whole), ensure_ascii=False, allow_nan=False))
    return 0


def _standard(value: Any) -> Any:
    """JSON has no number for NaN or an infinity: null stands for it."""
    if isinstance(value, dict):
        return {key: _standard(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_standard(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _pairs(given: tuple[str, ...]) -> dict[str, str]:
    pairs = [item.rpartition("=") for item in given]
    for (column, _, value), item in zip(pairs, given, strict=True):
        if not column or not value:
            raise UsageError(f"--kind {item}: write it as COLUMN=KIND, for example --kind zip=category")
    return {column: value for column, _, value in pairs}


def _units(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"--hidden {text}: write the units of each hidden layer, as --hidden 64,64") from None
