"""The rules that hold for every file: who imports whom, and what is packaged."""

import ast
import importlib
import importlib.metadata
import pathlib
import subprocess
import sys
import tomllib

import pytest


ROOT = pathlib.Path(__file__).resolve().parent.parent

#: What the modules of each area may import of the house.
AREAS = {
    "model":    {"model"},
    "mapping":  {"model", "mapping"},
    "quantize": {"model", "quantize"},
    "files":    {"model", "mapping", "quantize", "files"},
    "data":     {"model", "files", "data"},
    "evaluate": {"model", "quantize", "files", "evaluate"},
    "hw":       {"model", "mapping", "files", "hw"},
    "sim":      {"model", "mapping", "files", "hw", "sim"},
    "boards":   {"model", "mapping", "files", "hw", "sim", "boards"},
    "train":    {"model", "quantize", "files", "data", "evaluate", "train"},
    "cli":      {"model", "mapping", "quantize", "files", "data", "evaluate", "hw", "sim",
                 "boards", "train", "cli"},
    "examples": set(),
}

#: The only areas that may import these packages of others.
GUESTS = {
    "amaranth":        {"hw", "sim", "boards"},
    "amaranth_boards": {"boards"},
    "cocotb":          {"sim"},
    "cocotb_tools":    {"sim"},
    "numba":           {"model"},
    "torch":           {"train"},
    "triton":          {"train"},
    "rich":            {"cli"},
    "matplotlib":      {"cli"},
}

MODULES = sorted(path for area in AREAS for path in (ROOT / area).rglob("*.py"))


def dotted(path):
    """Import name of a file of the house."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(("ternloom", *parts)).removesuffix(".__init__")


def imports(path):
    """Dotted names that a file imports, at any depth of its code."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.fixture(scope="module")
def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_import_direction(path):
    area = path.relative_to(ROOT).parts[0]
    for name in imports(path):
        assert not name.startswith("."), f"{name} is a relative import"
        first, _, rest = name.partition(".")
        assert first not in AREAS, f"{name} must be ternloom.{name}"
        if first == "ternloom" and rest:
            assert rest.partition(".")[0] in AREAS[area], f"{area} must not import {name}"
        assert area in GUESTS.get(first, AREAS), f"{area} must not import {name}"


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_docstring(path):
    assert ast.get_docstring(ast.parse(path.read_text()))


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_public_names(path):
    if path.name == "__init__.py":
        return
    body = ast.parse(path.read_text()).body
    loads = "train" not in path.parts and path.name != "__main__.py"
    module = importlib.import_module(dotted(path)) if loads else None
    listed = next(ast.literal_eval(node.value) for node in body if isinstance(node, ast.Assign)
                  and getattr(node.targets[0], "id", None) == "__all__")
    defined = {name for node in body for name in _bound(node)}
    assert len(set(listed)) == len(listed)
    assert set(listed) <= defined
    for name in listed if module else ():
        assert hasattr(module, name)


def _bound(node):
    """Names that a statement at the top of a module binds."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return [node.name]
    if isinstance(node, ast.Assign):
        return [name.id for target in node.targets for name in ast.walk(target)
                if isinstance(name, ast.Name)]
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return [alias.asname or alias.name for alias in node.names]
    return []


@pytest.mark.parametrize("room", sorted(AREAS.keys() - {"cli", "examples"}))
def test_exports(room):
    """A room offers names that are there, and loads nothing until one is asked for."""
    program = (f"import sys, ternloom.{room} as room\n"
               "print(len([name for name in sys.modules if name.startswith('ternloom.')]))\n"
               "print(*room.__all__)")
    loaded, names = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True,
                                   text=True, check=True, cwd=ROOT.parent).stdout.splitlines()
    assert int(loaded) == 1 and names
    for name in names.split() if room != "train" else ():
        assert getattr(importlib.import_module(f"ternloom.{room}"), name).__doc__


def test_declared_packages(project):
    tool = project["tool"]["setuptools"]
    on_disk = {dotted(path) for path in MODULES if path.name == "__init__.py"}
    assert set(tool["packages"]) == on_disk
    assert set(tool["package-dir"]) == on_disk


def test_top_level_names():
    """Nothing imports the house by its folders' names, which would load a module twice."""
    program = "import sys, ternloom.cli.main, ternloom.hw.verilog; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True,
                            check=True, cwd=ROOT.parent).stdout.split()
    assert "ternloom.hw.verilog" in loaded
    assert not set(AREAS) & set(loaded)


def test_model_guests():
    """The truth that the others are held against loads neither hardware nor training."""
    rooms = {"model", "mapping", "quantize", "files", "evaluate"}
    names = [dotted(path) for path in MODULES if path.relative_to(ROOT).parts[0] in rooms]
    program = f"import sys, importlib\nfor name in {names!r}: importlib.import_module(name)\n" \
              "print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True,
                            check=True, cwd=ROOT.parent).stdout.split()
    assert not {"amaranth", "torch", "cocotb", "rich", "matplotlib"} & set(loaded)


def test_console_script():
    script = pathlib.Path(sys.executable).parent / "ternloom"
    version = importlib.metadata.version("ternloom")
    done = subprocess.run([script, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"ternloom {version}\n"


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_comments(path):
    """No debts, no silenced linters, no checks that vanish with -O."""
    text = path.read_text()
    for word in ("TODO", "FIXME", "XXX", "noqa"):
        assert word not in text
    handlers = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ExceptHandler)]
    assert all(handler.type is not None for handler in handlers)


#: The modules that tell one alphabet of weights from another; all others ask the alphabet.
KNOW_ALPHABETS = {
    "model.bitplanes", "model.draw", "quantize.codes", "quantize.ott", "quantize.quantizer",
    "quantize.weights", "mapping.geometry", "hw.element", "hw.term",
    "boards.estimate"}
ALPHABETS = {f"ternloom.model.alphabet.{name}" for name in (
    "BINARY", "TERNARY", "PLANES", "QUATERNARY", "EXPONENTIAL", "INTEGER")}


def test_who_knows_alphabets():
    found = {dotted(path).removeprefix("ternloom.") for path in MODULES
             if ALPHABETS & set(imports(path))}
    assert {name for name in found if not name.startswith("model.alphabet")} == KNOW_ALPHABETS


FORMATS = {"Fixed", "Binary", "Ternary", "Planes", "Online"}


def kinds(path):
    """Names of types that a file asks objects for."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and getattr(node.func, "id", None) == "isinstance":
            yield from (name.id for name in ast.walk(node.args[1]) if isinstance(name, ast.Name))


def test_who_tells_nodes_apart():
    """A node is asked what it does, or a room's table of kinds is."""
    found = {dotted(path).removeprefix("ternloom.") for path in MODULES
             if {"Layer", "Readout"} & set(kinds(path))}
    assert found == {"model.network", "cli.info", "cli.option", "hw.report"}


def test_who_tells_formats_apart():
    """A format is asked what it does; only where fixed point is all that may be, which it is."""
    found = {dotted(path) for path in MODULES if FORMATS & set(kinds(path))}
    assert found == {"ternloom.model.node.layer"}
