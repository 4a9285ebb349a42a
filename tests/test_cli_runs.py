"""The commands on whole runs: listed, opened in parts, compared, drawn, rewound, and resumed after a kill."""

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from functools import cached_property
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from commands import pellucid
from pellucid import open_run
from pellucid.storage import RunFolder

TRAIN = ("train", "iris", "--hidden", "3", "--epochs", "5", "-q", "--engine", "numpy")
LAST = "checkpoints/00000035.safetensors"
OWN = ("--target", "y", "--hidden", "3", "--epochs", "2", "-q", "--engine", "numpy")


def refused(*arguments: Any, code: int, says: str) -> None:
    """The command ends with the code and one message that says that; no file or folder is made."""
    before = sorted(Path.cwd().rglob("*"))
    done = pellucid(*arguments)
    assert done.code == code, done
    assert done.err.count("pellucid: ") == 1
    assert says in done.err
    assert sorted(Path.cwd().rglob("*")) == before


def manifest(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "run.json").read_text())


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Each test works in an empty folder of its own, on a screen of 80 columns."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("PELLUCID_RUNS", raising=False)
    return tmp_path


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """35 steps on a built-in table, 5 epochs of 7."""
    place = tmp_path_factory.mktemp("whole") / "run"
    assert pellucid(*TRAIN, "--out", place).code == 0
    return place


@pytest.fixture
def own(folder: Path) -> Path:
    """A run on a file of its own."""
    lines = [f"{i % 7},{i % 5},{3 * (i % 7) - i % 5 + i % 3}" for i in range(60)]
    Path("own.csv").write_text("\n".join(["a,b,y", *lines]) + "\n")
    assert pellucid("train", "own.csv", "--out", "own", *OWN).code == 0
    return Path("own")


# show, in parts, on the screen and in files


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "The rows of the largest loss"),
        (("--row", 2), "Each weight: its gradient over the whole batch, and its update"),
        (("--layer", "dense"), "∂L/∂ dense.relu"),
        (("--values", "dense_1"), "∂L/∂ dense_1.sum"),
        (("--unit", "dense[2]", "--row", 1), "dense.sum[2] = "),
        (("--weight", "dense/kernel[0,1]"), "by finite difference"),
        (("--number", "dense[3,1]"), "dense.sum[3, 1] = "),
        (("--gradient", "dense[3,1]"), "∂L/∂ dense.relu[3, 1] = "),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, tuple) else "",
)
def test_a_part_of_a_step(run: Path, words: tuple[Any, ...], says: str) -> None:
    shown = pellucid("show", run, "--step", 9, *words)
    assert (shown.code, shown.err) == (0, "")
    assert says in shown.out
    assert shown.out.count("the same, bit for bit, as recorded") == 1
    document = pellucid("show", run, "--step", 9, *words, "--json").document
    assert (document["pellucid"], document["command"], document["step"], document["exact"]) == (1, "show", 9, True)
    for name in ("page.html", "page.json", "page.txt"):
        saved = pellucid("show", run, "--step", 9, *words, "--save", name)
        assert (saved.code, saved.out) == (0, f"written to {name}\n")
    assert shown.out.startswith(Path("page.txt").read_text().rstrip())
    assert json.loads(Path("page.json").read_text()) == document["page"]
    assert_page(Path("page.html").read_text())


def assert_page(text: str) -> None:
    """One whole HTML page, every element of it closed, that asks nothing of the network."""
    still_open: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            assert tag != "script"
            assert not [value for name, value in attrs if name in ("src", "href") and not (value or "").startswith("#")]
            if tag not in ("meta", "br", "hr", "link", "img"):
                still_open.append(tag)

        def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            """Opened and closed in one."""

        def handle_endtag(self, tag: str) -> None:
            assert still_open.pop() == tag

    assert text.startswith("<!doctype html>")
    Reader().feed(text)
    assert still_open == []


def test_the_first_step_and_the_last(run: Path) -> None:
    assert pellucid("show", run, "--json").document["step"] == 0
    assert pellucid("show", run, "--step", -1, "--json").document["step"] == 34
    assert pellucid("check", run, "--step", -1, "--sample", 2).out.startswith("Step 34, ")


def test_check_a_sample(run: Path) -> None:
    done = pellucid("check", run, "--step", 3, "--sample", 5, "--rows", 4, "--json")
    assert done.code == 0
    document = done.document
    assert (document["command"], document["checked"], document["ok"]) == ("check", 5, True)
    assert "Step 3, 4 rows of its batch, float64: 5 of 27 gradients both ways" in done.err


@pytest.mark.parametrize("words", [("show", "--save", "no/page.html"), ("plot", "--points", 0, "-o", "no/plot.png")])
def test_a_place_that_is_not_there(run: Path, words: tuple[Any, ...]) -> None:
    refused(words[0], run, *words[1:], code=3, says=f"{words[-1]} could not be written: No such file or directory")


# runs, plot, diff, why


def test_runs_fit_80_columns(run: Path, own: Path) -> None:
    Path("runs").mkdir()
    for place in (run, own):
        shutil.copytree(place, Path("runs") / str(1 + len(list(Path("runs").iterdir()))))
    assert pellucid("rewind", "runs/1", "--step", 30, "-q").code == 0
    done = pellucid("runs")
    assert (done.code, done.err) == (0, "")
    assert max(map(len, done.out.splitlines())) <= 80
    assert re.search(r"^run +status +data +steps +loss +held out +begun", done.out)
    assert re.search(r"^runs/1 +finished +iris +35 +\S+ +accuracy \S+ +\d\d \w{3} \d\d:\d\d", done.out, re.M)
    assert re.search(r"^runs/2 +finished +own.csv +\d+ +\S+ +mae \S+ +\d\d", done.out, re.M)
    assert re.search(r"^runs/3 +finished +iris, from step", done.out, re.M)
    listed = pellucid("runs", "--json").document["runs"]
    assert [one["run"] for one in listed] == ["runs/1", "runs/2", "runs/3"]
    assert listed[0]["figures"].keys() == listed[2]["figures"].keys() == {"accuracy", "f1_score"}
    assert (listed[2]["first"], listed[2]["parent"]) == (30, str(Path("runs/1").resolve()))


def test_no_runs() -> None:
    assert pellucid("runs").out == "There is no run in runs; `pellucid train FILE` makes one.\n"
    assert pellucid("runs", "nothere", "--json").document["runs"] == []


@pytest.mark.parametrize(("name", "begins"), [("a.png", b"\x89PNG"), ("a.svg", b"<?xml"), ("a.html", b"<!doctype")])
def test_plot(run: Path, name: str, begins: bytes) -> None:
    done = pellucid("plot", run, "-o", name, "--points", 3)
    assert (done.code, done.out) == (0, f"written to {name}\n")
    assert Path(name).read_bytes().startswith(begins)


def test_options_of_plot(run: Path) -> None:
    refused("plot", run, "-o", "a.gif", "--points", 0, code=2, says="a plot is saved as .png, .svg or .html")
    refused("plot", run, "-o", "a.png", "--points", -1, code=2, says="--points -1: it is a whole number, 0 or more")


def test_diff(run: Path) -> None:
    same = pellucid("diff", run, run)
    assert same.code == 0
    assert "every setting is the same" in same.out
    assert "all 35 recorded losses are equal, bit for bit" in same.out
    assert pellucid(*TRAIN, "--out", "other", "--learning-rate", 0.01).code == 0
    other = pellucid("diff", run, "other", "-o", "diff.html")
    assert (other.code, other.out) == (0, "written to diff.html\n")
    assert_page(Path("diff.html").read_text())
    text = pellucid("diff", run, "other").out
    assert "optimizer.learning_rate.warmup_target" in text
    assert "The first step whose losses differ: 1\n" in text
    refused("diff", run, "nothere", code=3, says="there is no run folder nothere. There is other.")


@pytest.mark.parametrize("command", ["show", "check", "diff", "why", "plot", "runs", "rewind"])
def test_json_is_one_document(run: Path, command: str) -> None:
    more = {"diff": (run,), "plot": ("-o", "a.svg", "--points", 0), "rewind": ("--step", 34, "--as", "b", "-q")}
    document = pellucid(command, run if command != "runs" else run.parent, *more.get(command, ()), "--json").document
    assert (document["pellucid"], document["command"]) == (1, command)


# rewind


def test_a_rewind_without_a_change_is_the_run_itself(run: Path) -> None:
    done = pellucid("rewind", run, "--step", 17, "--as", "again", "-q")
    assert done.code == 0, done.err
    assert f"pellucid diff {run} again" in done.out
    for name in (LAST, "steps-00000035.parquet", "weights/best.safetensors"):
        assert (run / name).read_bytes() == Path("again", name).read_bytes(), name
    before, after = manifest(run), manifest(Path("again"))
    assert after["test"] == before["test"]
    assert after["best_epoch"] == before["best_epoch"]
    assert after["history"] == before["history"]
    assert "all 35 recorded losses are equal, bit for bit" in pellucid("diff", run, "again").out


def test_rewind_with_a_change(run: Path) -> None:
    done = pellucid("rewind", run, "--step", 10, "--set", "optimizer.learning_rate=0.05", "-q", "--json")
    assert done.code == 0
    document = done.document
    assert (document["parent"], document["run"], document["steps"]) == (str(run), "runs/1", 35)
    assert document["changes"] == {"optimizer.learning_rate": 0.05}
    assert document["test"].keys() == {"accuracy", "f1_score"}
    mine = manifest(Path("runs/1"))
    assert (mine["first"], mine["parent"]) == (10, str(run))
    losses = [open_run(place).step_history["loss"] for place in (run, "runs/1")]
    assert (losses[0] == losses[1]).tolist() == [True] * 11 + [False] * 24
    assert pellucid("show", "runs/1", "--json").document["step"] == 10
    assert pellucid("check", "runs/1", "--sample", 3).code == 0
    refused("show", "runs/1", "--step", 9, code=2, says=f"the run has steps 10 to 34; those before are in {run}")
    assert "learning_rate" in pellucid("diff", run, "runs/1").out


def test_a_rewind_that_diverges_is_kept(run: Path) -> None:
    done = pellucid("rewind", run, "--step", 10, "--set", "learning_rate=1e30", "--as", "wild", "-q")
    assert done.code == 3
    assert "it is recorded in wild\n" in done.out
    assert "pellucid: training stopped at step" in done.err
    assert manifest(Path("wild"))["status"] == "not finite"
    assert pellucid("why", "wild").code == 0
    refused("resume", "wild", code=2, says="`pellucid why wild` says why")


@pytest.mark.parametrize(
    ("step", "change", "says"),
    [
        (0, "batch_size=0", "batch_size=0: a whole number, 1 or more"),
        (0, "batch_size=many", "batch_size='many': a whole number, 1 or more"),
        (0, "seed=-1", "seed=-1: it is a whole number from 0"),
        (0, "seed=1.5", "seed=1.5: it is a whole number from 0"),
        (0, "shuffle=3", "shuffle=3: it is true or false"),
        (0, "dropout.rate=much", "rate"),
        (0, "dropout.rate=3", "rate is a probability"),
        (0, "epochs=0", "epochs=0: a whole number, 1 or more"),
        (7, "batch_size=8", "rewind to step 0"),
        (7, "nonsense=1", "'nonsense' is not known"),
        (7, "learning_rate=fast", "learning_rate is 'fast'"),
        (7, "dens.rate=0.1", "there is no layer 'dens'"),
        (7, "dense.rate=0.1", "dense (Dense) has no 'rate'"),
        (7, "loss=nonsense", "loss 'nonsense' is not known"),
        (7, "optimizer=nonsense", "unknown optimizer 'nonsense'"),
        (7, "epochs", "--set epochs: write it as SETTING=VALUE"),
        (35, "learning_rate=0.1", "step 35 is the end of its 5 epochs"),
        (36, "learning_rate=0.1", "the run can go back to steps 0 to 35"),
    ],
)
def test_a_rewind_that_cannot_be(run: Path, step: int, change: str, says: str) -> None:
    refused("rewind", run, "--step", step, "--set", change, "--as", "new", "-q", code=2, says=says)


def test_rewind_takes_no_place_that_is_taken(run: Path, own: Path) -> None:
    refused("rewind", run, "--step", 3, "--as", own, code=2, says=f"{own} is there already and is not empty")


# data that moved


def test_data_that_moved_or_changed_is_opened_from_the_copy(own: Path) -> None:
    before = pellucid("show", own, "--step", 3, "--row", 1).out
    content = Path("own.csv").read_bytes()
    Path("own.csv").write_bytes(content[:-10])
    for change in ("has changed", "is not there any more"):
        shown = pellucid("show", own, "--step", 3, "--row", 1)
        note, _, rest = shown.out.partition("\n")
        assert re.fullmatch(rf"note: .*own\.csv {change}.*; the copy in the run is used", note)
        assert rest == before
        for words in (("check", own), ("why", own), ("diff", own, own), ("rewind", own, "--step", 3, "-q")):
            done = pellucid(*words)
            assert done.code == 0
            assert done.out.count("the copy in the run is used") == 1
        Path("own.csv").unlink(missing_ok=True)
    assert manifest(Path("runs/2"))["data"] == manifest(own)["data"]
    assert Path("runs/2/data/own.csv").read_bytes() == content


# killed and resumed


class Stopped:
    """A command in a process of its own, which sends itself a signal when so many writes have reached the disk."""

    SCRIPT = """
import functools, os, sys
real, left = os.fsync, [int(sys.argv[1])]
def fsync(file):
    left[0] -= 1
    if left[0] == 0:
        os.kill(os.getpid(), int(sys.argv[2]))
    real(file)
os.fsync = fsync
import pellucid.commands.train as command
command.Recording = functools.partial(command.Recording, share=1.0)  # a checkpoint whenever one can be written
from pellucid.cli import main
main(sys.argv[3:])
"""

    def __init__(self, writes: int, how: signal.Signals, *words: Any) -> None:
        arguments = [sys.executable, "-c", self.SCRIPT, *map(str, (writes, int(how), *words))]
        self.done = subprocess.run(arguments, capture_output=True, text=True, timeout=120, check=False)

    @cached_property
    def code(self) -> int:
        assert "Traceback" not in self.done.stderr
        return self.done.returncode


LONG = (*TRAIN[:5], "60", *TRAIN[6:])
"""420 steps: long enough to be stopped in."""


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that nothing stopped."""
    place = tmp_path_factory.mktemp("long") / "run"
    assert pellucid(*LONG, "--out", place).code == 0
    return place


def assert_as_if_never_stopped(place: Path, whole: Path) -> None:
    mine, other = manifest(place), manifest(whole)
    for key in ("status", "steps", "epochs", "history", "losses", "test", "best_epoch", "model", "training"):
        assert mine[key] == other[key], key
    for name in ("checkpoints/00000420.safetensors", mine["losses"], "weights/best.safetensors"):
        assert (place / name).read_bytes() == (whole / name).read_bytes(), name
    assert {str(p.relative_to(place)) for p in place.rglob("*") if p.is_file()} == {"run.json", *mine["files"]}


@pytest.mark.parametrize("writes", [10, 12, 14, 16])
def test_killed_in_the_middle_of_a_write_and_resumed(whole: Path, writes: int) -> None:
    assert Stopped(writes, signal.SIGKILL, *LONG, "--out", "run").code == -signal.SIGKILL
    listed = pellucid("runs", ".", "--json").document["runs"]
    assert [(one["run"], one["status"]) for one in listed] == [("run", "killed")]
    assert Stopped(4, signal.SIGKILL, "resume", "run", "-q").code == -signal.SIGKILL
    document = pellucid("resume", "run", "-q", "--json").document
    assert (document["command"], document["status"], document["steps"]) == ("resume", "finished", 420)
    assert_as_if_never_stopped(Path("run"), whole)
    refused("resume", "run", code=2, says="there is nothing left to resume")
    assert pellucid("check", "run", "--step", -1, "--sample", 3).code == 0


def test_killed_before_it_has_a_name_leaves_nothing(whole: Path) -> None:
    assert Stopped(4, signal.SIGKILL, *LONG, "--out", "run").code == -signal.SIGKILL
    refused("resume", "run", code=3, says="there is no run folder run")
    assert pellucid(*TRAIN, "--out", "run").code == 0
    assert [path.name for path in Path.cwd().iterdir()] == ["run"]


def test_interrupted_and_resumed(whole: Path) -> None:
    stopped = Stopped(12, signal.SIGINT, *LONG, "--out", "run")
    assert stopped.code == 130
    assert stopped.done.stderr.strip() == "pellucid: interrupted"
    assert manifest(Path("run"))["status"] == "interrupted"
    assert pellucid("resume", "run", "-q").code == 0
    assert_as_if_never_stopped(Path("run"), whole)


def test_a_run_that_is_being_trained_is_not_resumed() -> None:
    code = "import sys; from pellucid.cli import main; main(sys.argv[1:])"
    words = (*TRAIN[:5], "1000000", *TRAIN[6:], "--patience", "1000000", "--out", "run")
    with subprocess.Popen([sys.executable, "-c", code, *words], stdout=subprocess.DEVNULL) as process:
        until = time.monotonic() + 60
        while not Path("run/run.json").exists():
            assert time.monotonic() < until, "the training did not start"
            time.sleep(0.05)
        refused("resume", "run", code=3, says="run is being trained by another process")
        assert RunFolder.open("run").being_written()
        assert pellucid("runs", ".", "--json").document["runs"][0]["status"] == "running"
        process.kill()
    assert pellucid("runs", ".", "--json").document["runs"][0]["status"] == "killed"
    losses = pl.read_parquet(Path("run") / manifest(Path("run"))["losses"])
    assert len(losses) == manifest(Path("run"))["steps"]
