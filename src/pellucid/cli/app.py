"""The command line as a whole: its options, its exit codes, its JSON."""

from __future__ import annotations

import json
import math
import os
import re
import sys
import warnings
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Protocol

from cyclopts import App, CycloptsError, Parameter

import pellucid
from pellucid.errors import PellucidError

USAGE, INTERRUPTED = 2, 130

app = App(
    name="pellucid",
    help="Train a neural network on your own table or folder, and open any step of it.\n\n"
    "Start with: pellucid train iris",
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
StepNumber = Annotated[
    int | None, Parameter(help="The step, -1 for the last; the run's first otherwise.", show_default=False, **WHOLE)
]


class Document(Protocol):
    """What a command returns."""

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        ...


SAVE: Any = {"name": ["--save", "-o"], "help": "Writes the page to a .html, .json or .txt file instead."}


def main(arguments: list[str] | None = None) -> None:
    """The command line; ends the process with its exit code."""
    warnings.showwarning = partial(_noted, set())
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: list[str]) -> int:
    """Runs one command: 0, or what went wrong (1 a check, 2 usage, 3 data, 130 interrupted)."""
    try:
        result = app(arguments, exit_on_error=False, result_action="return_value")
        return result if isinstance(result, int) else 0
    except CycloptsError:  # it has said what is wrong
        return USAGE
    except PellucidError as error:
        print(f"pellucid: {_dashed(error)}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("pellucid: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader of a pipe, as `head`, has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains at its end
        return 0


def screen_for(document: bool) -> Any:
    """Where words for a person go: standard output, or standard error where that holds a document."""
    from rich.console import Console

    class Screen(Console):
        def on_broken_pipe(self) -> None:
            raise  # rich would end with 1, which is a failed check here

    return Screen(stderr=document, highlight=False, soft_wrap=True)


def answer(command: str, document: Document, as_json: bool) -> int:
    if as_json:
        whole = {"pellucid": 1, "command": command, **document.to_json()}
        print(json.dumps(_standard(whole), ensure_ascii=False, allow_nan=False))
    return 0


def _dashed(error: PellucidError) -> str:
    """The message, with the arguments that it speaks of written as options."""
    text = str(error)
    for name in error.arguments:
        option = f"--{name.replace('_', '-')}"
        text = re.sub(rf"\b{name}=(?=[^\s,])", f"{option} ", text)
        text = re.sub(rf"\b{name}=", option, text)
    return text


def _standard(value: Any) -> Any:
    """JSON has no number for NaN or an infinity: null stands for it."""
    if isinstance(value, dict):
        return {key: _standard(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_standard(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _noted(told: set[str], message: Warning | str, *_: Any, **__: Any) -> None:
    """A warning, as a person at the command line reads it: once."""
    if str(message) not in told:
        told.add(str(message))
        print(f"pellucid: note: {message}", file=sys.stderr)
