"""A command, run in this process as a person types it: how it ended and what it printed."""

import contextlib
import io
import json
import warnings
from typing import Any, NamedTuple

import pytest

from pellucid import cli


class Done(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """Standard output as one JSON document, and nothing else."""
        assert self.out.count("\n") == 1
        return json.loads(self.out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def pellucid(*arguments: Any) -> Done:
    """Runs a command; an exception that escapes fails the test, and so does a warning of NumPy's."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), warnings.catch_warnings():
        warnings.filterwarnings("always", category=UserWarning)  # the notes of the command line
        with pytest.raises(SystemExit) as ended:
            cli.main([str(argument) for argument in arguments])
    found = [stream.buffer.getvalue().decode() for stream in (out, err)]  # pyright: ignore
    assert "Traceback" not in found[1]
    return Done(ended.value.code, *found)  # pyright: ignore
