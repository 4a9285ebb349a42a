"""The house stands as docs/architecture.md says: no circle of imports, small files, folders that can be looked over."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "pellucid"
LINES, FILES = 320, 20
"""About 300 lines a file; a folder has no more files of its own than this."""


def modules():
    def name(path):
        return ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts).removesuffix(".__init__")

    return {name(path): path for path in SOURCE.rglob("*.py")}


def imports(known):
    """(importer, imported, line), inside functions and for type checkers alike; a package's names count as its file."""
    for name, path in known.items():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "pellucid":
                for alias in node.names:
                    inside = f"{node.module}.{alias.name}"
                    yield name, inside if inside in known else node.module, node.lineno
            elif isinstance(node, ast.Import):
                for alias in node.names:
                    if alias.name.partition(".")[0] == "pellucid":
                        yield name, alias.name, node.lineno


def circles(edges):
    """Each import that lies on a circle, as file and line."""
    onward = {}
    for importer, imported, _ in edges:
        onward.setdefault(importer, set()).add(imported)

    def reached(start):
        seen, waiting = set(), [start]
        while waiting:
            for other in onward.get(waiting.pop(), ()):
                if other not in seen:
                    seen.add(other)
                    waiting.append(other)
        return seen

    within = {name: reached(name) for name in onward}
    return [(a, b, line) for a, b, line in edges if a != b and a in within.get(b, ())]


def test_no_file_imports_in_a_circle():
    known = modules()
    edges = [edge for edge in imports(known) if "pellucid" not in edge[:2]]  # the front door opens lazily
    found = [f"{known[a].relative_to(SOURCE)}:{line} imports {b}" for a, b, line in circles(edges)]
    assert not found, "\n".join(found)


def test_a_circle_would_be_found():
    edges = [("a", "b", 1), ("b", "c", 2), ("c", "a", 3), ("c", "d", 4)]
    assert circles(edges) == edges[:3]


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_file_is_read_in_one_sitting(path):
    assert len(path.read_text().splitlines()) <= LINES


def test_a_folder_can_be_looked_over():
    folders = [SOURCE, *(folder for folder in SOURCE.rglob("*") if folder.is_dir())]
    counts = {str(folder.relative_to(SOURCE)): len(list(folder.glob("*.py"))) for folder in folders}
    assert {name: count for name, count in counts.items() if count > FILES} == {}
