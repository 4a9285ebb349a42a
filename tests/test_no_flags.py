"""The library speaks of arguments; dashes are the command line's."""

import ast
import re
from pathlib import Path

SOURCE = Path(__file__).parent.parent / "src" / "pellucid"
SPEAKS = re.compile(r"(^|[\s(])--[a-z{]|`pellucid ")
ALLOWED = {
    "data/arrays.py": 2,
    "data/files/folder.py": 1,
    "data/tables/kinds.py": 4,
    "data/tables/learning.py": 4,
    "data/tables/target.py": 4,
    "explain/step_view.py": 3,
    "pages/style.py": 4,
    "pages/target.py": 1,
    "runs/resume.py": 2,
    "runs/rewind.py": 1,
    "storage/run_folder.py": 3,
}
"""Files whose messages still speak of options, and in how many places: none may be added."""


def flags(path):
    """Strings, docstrings aside, that speak of an option or of a command as typed."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    said = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    strings = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str))
    return [node.lineno for node in strings if id(node) not in said and SPEAKS.search(node.value)]


def test_no_more_messages_of_the_library_speak_of_options():
    found = {
        path.relative_to(SOURCE).as_posix(): len(lines)
        for path in sorted(SOURCE.rglob("*.py"))
        if path.relative_to(SOURCE).parts[0] != "cli" and (lines := flags(path))
    }
    assert found == ALLOWED
