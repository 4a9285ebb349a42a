"""Each document as text on a terminal."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from pellucid.cli.terminal import Terminal, figures
from pellucid.commands.check import CheckDocument
from pellucid.commands.doctor import DoctorDocument
from pellucid.commands.outcome import Figures
from pellucid.commands.predict import PredictDocument
from pellucid.commands.resume import ResumeDocument
from pellucid.commands.rewind import RewindDocument
from pellucid.commands.runs import ListedRun, RunsDocument, TornRun
from pellucid.commands.show import StepDocument
from pellucid.commands.train import TrainDocument
from pellucid.errors import RunError
from pellucid.pages.page import Page
from pellucid.pages.plot import Plot

COLUMNS = ("run", "status", "data", "steps", "loss", "held out", "begun")
"""Of the list of runs; "held out" is the first figure of the test rows, or else of the validation rows."""


def trained(document: TrainDocument, terminal: Terminal) -> None:
    run = document.run
    terminal.screen.print(
        f"\n[bold]Done[/] in {run.seconds:.1f} s: {run.epochs} epochs, {run.steps:,} steps; "
        f"best epoch {document.best_epoch + 1}, whose weights are kept."
    )
    if document.test:
        held_out = f"[bold]On the {document.test_rows:,} rows held out:[/] {figures(document.test)}"
        terminal.screen.print(held_out)
    terminal.line(f"\nThe run is in {document.folder}. Try next:")
    for target in document.next:
        terminal.line(f"  {target.shell()}")


def predicted(document: PredictDocument, terminal: Terminal) -> None:
    if document.out is not None:
        terminal.line(f"{document.rows:,} predictions in {document.out}")


def resumed(document: ResumeDocument, terminal: Terminal) -> None:
    run = document.run
    now = run.steps - document.resumed_at
    terminal.line(f"Done: {run.status} after {run.steps:,} steps, {now:,} of them now.")
    _beside(terminal, document.figures)


def rewound(document: RewindDocument, terminal: Terminal) -> None:
    run = document.run
    terminal.line(f"From step {document.step} of {document.parent}: {run.status} after {run.steps:,} steps.")
    _beside(terminal, document.figures, document.before)
    words = "".join(f"\n  {target.shell()}" for target in document.next)
    terminal.line(f"\nThe run is in {run.folder}. Try next:{words}")


def shown(document: StepDocument, save: Path | None, terminal: Terminal) -> None:
    page(document.page, save, terminal)
    if save is None and not document.part.whole:  # a summary says it itself
        step = document.step
        terminal.line(f"\nThe loss of this step, run again: {float(step.loss):.9g}, {step.verdict}.")


def checked(document: CheckDocument, terminal: Terminal) -> None:
    report = document.report
    terminal.line(f"Step {document.step}, {document.rows} rows of its batch, float64: {report}")
    for where, found in report.weights.items():
        measured = int((found.verdict != "").sum())
        worst = float(found.relative.max()) if found.relative.size else 0.0
        counted = f"{measured:>8,} {'weight ' if measured == 1 else 'weights'}"
        terminal.line(f"  {where:<24} {counted}   relative distance at most {worst:.1e}")
    if document.sampled:
        terminal.line(f"  A sample: to check all would take long; --sample {report.size} does.")
    for where, index in report.wrong()[:10]:
        found = report.weights[where]
        terminal.line(
            f"  WRONG {where}{list(index)}: back-propagation {found.backprop[index]:.9g}, "
            f"finite difference {found.finite_difference[index]:.9g}"
        )


def listed(document: RunsDocument, terminal: Terminal) -> None:
    from rich.markup import escape
    from rich.table import Table

    if not document.runs:
        terminal.line(f"There is no run in {document.folder}; `pellucid train FILE` makes one.")
        return
    grid = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for name in COLUMNS:
        grid.add_column(name, justify="right" if name in ("steps", "loss") else "left", overflow="fold")
    for run in document.runs:
        grid.add_row(*(escape(cell) for cell in _cells(run)))
    terminal.screen.print(grid)
    for run in document.runs:
        if isinstance(run, TornRun):
            terminal.note(run.error)


def examined(document: DoctorDocument, terminal: Terminal) -> None:
    found = document.found
    terminal.screen.print(f"gradients: {document.gradients}")
    devices = ", ".join(document.devices)
    for name, value in {**found["versions"], **found["hardware"], "devices": devices}.items():
        terminal.line(f"{name:<10} {value}")
    terminal.screen.print("All is well." if document.ok else "Something is wrong: see above.")


def page(what: Page, save: Path | None, terminal: Terminal) -> None:
    """A page on the screen, or into a file."""
    screen = terminal.screen
    if save is None:
        terminal.line(what.to_text(screen.width if screen.is_terminal else None))
    else:
        write(what, save, terminal)


def write(what: Page | Plot, place: Path, terminal: Terminal) -> None:
    """A page or a plot into a file; RunError where it cannot be written there."""
    try:
        what.save(place)
    except OSError as error:
        raise RunError(f"{place} could not be written: {error.strerror or error}; choose another place") from error
    terminal.line(f"written to {place}")


def _beside(terminal: Terminal, mine: Figures, parent: Figures | None = None) -> None:
    """The figures of the last epoch and of the rows held out, beside those of the run that it came from."""
    then = parent or Figures(None, {}, {})
    for heading, now, before in (
        ("in the last epoch", mine.last, then.last),
        ("on the rows held out", mine.test, then.test),
    ):
        if now:
            beside = f"  {then.folder}" if parent and before else ""
            terminal.line(f"  {heading:<22} {f'{mine.folder}':<10}{beside}".rstrip())
        for name, value in now.items():
            other = f"  {before[name]:.4g}" if name in before else ""
            terminal.line(f"    {name:<20} {f'{value:.4g}':<10}{other}".rstrip())


def _cells(run: ListedRun | TornRun) -> list[str]:
    """A run as a line of a list."""
    if isinstance(run, TornRun):
        return [run.run, "torn", *[""] * (len(COLUMNS) - 2)]
    rewound = f", from step {run.first} of {Path(run.parent).name}" if run.parent else ""
    return [
        run.run,
        run.status,
        f"{run.data}{rewound}",
        f"{run.steps:,}",
        "" if run.loss is None else f"{run.loss:.4g}",
        next((f"{name} {number:.3g}" for name, number in run.figures.items()), ""),
        datetime.fromisoformat(run.begun).astimezone().strftime("%d %b %H:%M"),
    ]
