"""The commands that open a run: its steps, its gradients, its faults."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from pellucid.cli.app import SAVE, WHOLE, Json, RunPath, StepNumber, answer, app, screen_for

Save = Annotated[Path | None, Parameter(**SAVE)]


@app.command
def show(
    run: RunPath,
    /,
    *,
    step: StepNumber = None,
    row: Annotated[
        int | None, Parameter(help="Everything about one row of the batch, 0 for the first.", **WHOLE)
    ] = None,
    layer: Annotated[str | None, Parameter(name=["--layer", "--values"], help='A layer, as "dense".')] = None,
    unit: Annotated[str | None, Parameter(help='One unit of a layer for one row, as "dense[2]".')] = None,
    weight: Annotated[str | None, Parameter(help='One weight, as "dense/kernel[0,1]".')] = None,
    number: Annotated[
        str | None, Parameter(help='One number of a layer, opened down to the data: "dense[3,1]".')
    ] = None,
    gradient: Annotated[str | None, Parameter(help="How the loss moves with that number, back to the loss.")] = None,
    save: Save = None,
    json: Json = False,
) -> int:
    """Open a step: at a glance, or one row, layer, unit, weight or number of it in formulas.

    Example: `pellucid show runs/1 --step 7 --weight "dense/kernel[0,1]"`
    """
    from pellucid.cli import rendering
    from pellucid.cli.terminal import Terminal
    from pellucid.commands import show as showing

    terminal = Terminal(screen_for(json))
    document = showing.show(run, step, showing.Part(row, layer, unit, weight, number, gradient), terminal)
    rendering.shown(document, save, terminal)
    return answer("show", document, json)


@app.command
def check(
    run: RunPath,
    /,
    *,
    step: StepNumber = None,
    rows: Annotated[int | None, Parameter(help="How many rows of the batch to use; all otherwise.", **WHOLE)] = None,
    sample: Annotated[
        int | None, Parameter(help="How many weights to check; otherwise all, or what a minute allows.", **WHOLE)
    ] = None,
    tolerance: Annotated[float, Parameter(help="Relative distance that still agrees.")] = 1e-6,
    json: Json = False,
) -> int:
    """Prove each gradient of a step twice: by back-propagation and by changing each weight.

    Example: `pellucid check runs/1 --step 0`

    Ends with 1 if any is wrong, and names the op whose rule is.
    """
    from pellucid.cli import rendering
    from pellucid.cli.terminal import Terminal
    from pellucid.commands import check as checking

    with Terminal(screen_for(json)) as terminal:
        document = checking.check(run, step, rows, sample, tolerance, terminal)
    rendering.checked(document, terminal)
    return answer("check", document, json) or (0 if document.ok else 1)


@app.command
def diff(run: RunPath, other: RunPath, /, *, save: Save = None, json: Json = False) -> int:
    """Say where two runs part: the choices, the first step and the first number that differ.

    Example: `pellucid diff runs/1 runs/1b`
    """
    from pellucid.cli import rendering
    from pellucid.cli.terminal import Terminal
    from pellucid.commands import compare

    terminal = Terminal(screen_for(json))
    document = compare.diff(run, other, terminal)
    rendering.page(document.page, save, terminal)
    return answer("diff", document, json)


@app.command
def why(run: RunPath, /, *, save: Save = None, json: Json = False) -> int:
    """Say what went wrong in a run, if anything: evidence, cause, and the one change to try.

    Example: `pellucid why runs/1`
    """
    from pellucid.cli import rendering
    from pellucid.cli.terminal import Terminal
    from pellucid.commands import compare

    terminal = Terminal(screen_for(json))
    document = compare.why(run, terminal)
    rendering.page(document.page, save, terminal)
    return answer("why", document, json)


@app.command
def plot(
    run: RunPath,
    /,
    *,
    out: Annotated[Path, Parameter(name=["--out", "-o"], help="A .png, .svg or .html file.")],
    points: Annotated[int, Parameter(help="Steps replayed for the gradient norms.", **WHOLE)] = 24,
    json: Json = False,
) -> int:
    """Draw loss, metrics, learning rate, and gradient norms by layer.

    Example: `pellucid plot runs/1 -o run.png`
    """
    from pellucid.cli import rendering
    from pellucid.cli.terminal import Terminal
    from pellucid.commands import plot as plotting

    document = plotting.plot(run, out, points)
    rendering.write(document.plot, out, Terminal(screen_for(json)))
    return answer("plot", document, json)


@app.command
def runs(
    folder: Annotated[Path | None, Parameter(help="The folder of runs; by default runs.")] = None,
    /,
    *,
    json: Json = False,
) -> int:
    """List the runs: what each was trained on, how far it came, how good it is.

    Example: `pellucid runs`
    """
    from pellucid.cli import rendering
    from pellucid.cli.terminal import Terminal
    from pellucid.commands import runs as listing

    document = listing.runs(folder)
    rendering.listed(document, Terminal(screen_for(json)))
    return answer("runs", document, json)
