"""What a command reads on its way: each run folder is opened once, its table encoded once."""

import shlex
from collections import Counter

import pytest

from commands import pellucid
from pellucid.automl.choices import Choices
from pellucid.automl.settings import Settings
from pellucid.commands import check, compare, predict, resume, show, train
from pellucid.data.tables.recipe import Recipe
from pellucid.storage import RunFolder


def asked(place, data="iris", target=None, rate=0.01):
    choices = Choices((3,), 2, None, rate, None, None, 0, "numpy")
    return Settings(data, target, place, None, {}, (), choices)


@pytest.fixture
def counted(monkeypatch):
    """How often a run folder is opened and a table becomes rows."""
    seen = Counter()
    opening, rows = RunFolder.open.__func__, Recipe.rows

    def opened(cls, path):
        seen["open"] += 1
        return opening(cls, path)

    def encoded(self, *arguments):
        seen["encode"] += 1
        return rows(self, *arguments)

    monkeypatch.setattr(RunFolder, "open", classmethod(opened))
    monkeypatch.setattr(Recipe, "rows", encoded)
    return seen


def test_each_folder_is_opened_once_and_its_table_encoded_once(tmp_path, counted, capsys):
    one = train.train(asked(tmp_path / "1")).folder
    two = train.train(asked(tmp_path / "2", rate=0.02)).folder
    for walk, opened, encoded in (
        (lambda: show.show(one, 0, show.Part(weight="dense/kernel[0,1]")), 1, 1),
        (lambda: check.check(one, 0, sample=3), 1, 1),
        (lambda: compare.diff(one, two), 2, 2),
        (lambda: predict.predict(one, "iris", tmp_path / "out.csv"), 1, 0),
    ):
        counted.clear()
        walk()
        assert (counted["open"], counted["encode"]) == (opened, encoded)
    assert capsys.readouterr() == ("", "")  # commands print nothing


def test_a_run_is_resumed_with_its_folder_opened_once(tmp_path, counted):
    class Killer(train.Listener):
        def show(self, progress):
            if progress.logs is not None:
                raise KeyboardInterrupt

        def note(self, text): ...
        def told(self, part): ...
        def measured(self, done, total): ...
        def begun(self, epochs, steps): ...
        def ended(self, step): ...
        def closed(self): ...

    with pytest.raises(KeyboardInterrupt):
        train.train(asked(tmp_path / "1"), Killer())
    counted.clear()
    assert resume.resume(tmp_path / "1").run.status == "finished"
    assert (counted["open"], counted["encode"]) == (1, 1)


def test_what_is_suggested_can_be_pasted_whatever_the_names_hold(tmp_path):
    file = tmp_path / 'my "data" of $HOME\'s.csv'
    rows = "\n".join(f"{i},{i % 7},{'ja' if i % 3 else 'nein'}" for i in range(60))
    file.write_text(f'"a ""b""",it\'s $c,é d\n{rows}\n', encoding="utf-8")
    done = train.train(asked(tmp_path / "my 'run' $1 é", str(file), "é d"))
    for target in done.next:
        program, *words = shlex.split(target.shell())
        assert program == "pellucid"
        words = [str(tmp_path / word) if word == "out.csv" else word for word in words]
        assert pellucid(*words).code == 0, words
