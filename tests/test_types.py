"""Type hints: in rooms that ship ``py.typed`` every public signature has them, and mypy agrees."""

import ast
import pathlib
import subprocess
import sys

import pytest


ROOT = pathlib.Path(__file__).resolve().parents[1]
#: Rooms whose hints are for users so far.
TYPED = ("model", "mapping", "quantize", "files", "data", "evaluate", "boards")


def signatures(tree, owner=""):
    """Names and nodes of a module's public functions and methods."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from signatures(node, f"{node.name}.")
        elif isinstance(node, ast.FunctionDef) and (not node.name.startswith("_")
                                                    or owner and node.name == "__init__"):
            yield owner + node.name, node


def lacking(node):
    """Parameters without a hint, and the result."""
    found = [each.arg for each in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs,
                                   *filter(None, (node.args.vararg, node.args.kwarg)))
             if each.annotation is None and each.arg not in ("self", "cls")]
    return found + ["return"] * (node.returns is None and node.name != "__init__")


def test_who_is_typed():
    assert {path.parent.name for path in ROOT.glob("*/py.typed")} == set(TYPED)


@pytest.mark.parametrize("room", TYPED)
def test_hints(room):
    missing = {f"{path.relative_to(ROOT)}: {name}": lacking(node)
               for path in sorted((ROOT / room).rglob("*.py"))
               for name, node in signatures(ast.parse(path.read_text()))
               if not name.endswith((".elaborate", "__init__")) and lacking(node)}
    assert missing == {}


def test_mypy(tmp_path):
    """The checker reads the rooms where they are imported from, bodies without hints included."""
    package = tmp_path / "ternloom"
    package.mkdir()
    for room in (path.parent for path in ROOT.glob("*/__init__.py")):
        (package / room.name).symlink_to(room)
    rooms = [word for room in TYPED for word in ("-p", f"ternloom.{room}")]
    found = subprocess.run([sys.executable, "-m", "mypy", "--config-file",
                            str(ROOT / "pyproject.toml"), *rooms],
                           cwd=tmp_path, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout + found.stderr
