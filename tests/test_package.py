"""The package as a whole: what importing it costs, what it names, how large its files are."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import pellucid

SOURCE = Path(pellucid.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))
MOST_LINES = 320


def fresh(code: str) -> str:
    """What a new process prints."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60).stdout


def test_importing_reads_neither_jax_nor_polars() -> None:
    heavy = "{'jax', 'jaxlib', 'polars', 'scipy', 'rich', 'narwhals', 'safetensors', 'cyclopts'}"
    assert fresh(f"import sys, pellucid; print(sorted({heavy} & sys.modules.keys()))") == "[]\n"


def test_the_arithmetic_alone_needs_neither_jax_nor_polars() -> None:
    code = """
import sys, numpy, pellucid as pl
value, gradients, tape = pl.backprop(lambda p: pl.sum(pl.relu(p["x"]) ** 2), {"x": numpy.array([1.0, -2.0])})
print(gradients["x"].tolist(), sorted({'jax', 'polars'} & sys.modules.keys()))
"""
    assert fresh(code) == "[2.0, 0.0] []\n"


def test_every_name_can_be_read() -> None:
    for name in pellucid.__all__:
        assert getattr(pellucid, name) is not None
    assert len(set(pellucid.__all__)) == len(pellucid.__all__)
    assert set(pellucid.__all__) <= set(dir(pellucid))
    with pytest.raises(AttributeError, match="'Perceptron'"):
        _ = pellucid.Perceptron


def test_the_names_for_the_type_checker_are_the_names() -> None:
    tree = ast.parse((SOURCE / "__init__.py").read_text())
    guarded = next(node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    homes = {
        alias.asname or alias.name: node.module
        for node in guarded.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert homes.keys() | {"__version__"} == set(pellucid.__all__)
    for name, home in homes.items():
        assert getattr(sys.modules.get(str(home)) or __import__(str(home), fromlist=[name]), name) is getattr(
            pellucid, name
        )


def test_the_version_is_that_of_the_project() -> None:
    project = tomllib.loads((SOURCE.parents[1] / "pyproject.toml").read_text())["project"]
    assert pellucid.__version__ == project["version"]


def test_types_are_shipped() -> None:
    assert (SOURCE / "py.typed").exists()


@pytest.mark.parametrize("name", [str(path.relative_to(SOURCE)) for path in FILES])
def test_a_file_is_short(name: str) -> None:
    lines = len((SOURCE / name).read_text().splitlines())
    assert lines <= MOST_LINES, f"{name} has {lines} lines: one noun a file"
