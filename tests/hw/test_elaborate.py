"""Elaboration changes nothing in a component: the same instance gives the same netlist again."""

import ast
import functools
import gc
import importlib
import inspect
import pathlib
import textwrap
import warnings

import pytest
from amaranth.back import rtlil
from amaranth.hdl import Elaboratable, UnusedElaboratable
from amaranth.lib import wiring

from ternloom.hw.core import Core
from ternloom.mapping.mapping import Mapping
from ternloom.model.alphabet import BINARY, EXPONENTIAL, INTEGER, PLANES, QUATERNARY, TERNARY
from ternloom.model.cell import GRU_RESET_AFTER, GRU_RESET_BEFORE, LSTM
from ternloom.model.draw import random_graph, random_network
from ternloom.model.format import Fixed
from ternloom.model.precision import Precision


ROOT = pathlib.Path(__file__).resolve().parents[2]

#: With a table a gate, and with comparators.
TABLES, COMPARATORS = Precision(Fixed(6, 4), 5, Fixed(9, 6)), Precision(Fixed(6, 3), 0, Fixed(5, 3))
#: Cores that have every component between them: cell, weights, state codes, precision, readout.
CORES = [
    (LSTM, BINARY, "binary", TABLES, True),
    (LSTM, TERNARY, "ternary", COMPARATORS, True),
    (LSTM, INTEGER, "fixed", TABLES, True),
    (LSTM, PLANES, "online", TABLES, False),
    (GRU_RESET_AFTER, QUATERNARY, "planes", TABLES, True),
    (GRU_RESET_AFTER, EXPONENTIAL, "ternary", COMPARATORS, True),
    (GRU_RESET_BEFORE, TERNARY, "fixed", TABLES, True),
    (GRU_RESET_BEFORE, PLANES, "planes", COMPARATORS, True),
]


def components(*areas):
    """Elaboratable classes that the areas of the house define."""
    found = {}
    for area in areas:
        for path in sorted((ROOT / area).glob("*.py")):
            if path.stem != "__init__":
                module = importlib.import_module(f"ternloom.{area}.{path.stem}")
                found |= {f"{module.__name__}.{name}": kind for name, kind in vars(module).items()
                          if inspect.isclass(kind) and issubclass(kind, Elaboratable)
                          and kind.__module__ == module.__name__}
    return found


def make_core(cell, weight, kind, precision, readout):
    network = random_network(3, cell=cell, layers=1, units=5, inputs=3, classes=3, weight=weight,
                             state_format=kind, precision=precision, readout=readout)
    return Core(Mapping.uniform(network, 2, 3))


def make_graph():
    """A core in which nodes take several inputs, with two readouts."""
    network = random_graph(1, largest=5)
    assert len(network.outputs) == 2
    return Core(Mapping.uniform(network, 2, 3))


MAKES = [*(functools.partial(make_core, *case) for case in CORES), make_graph]


def twice(elaborate, seen):
    """The method, called two times of which the first is for nothing."""
    def method(self, platform):
        seen.add(type(self))
        elaborate(self, platform)
        return elaborate(self, platform)
    return method


@pytest.fixture
def elaborated_twice(monkeypatch):
    """All components of ``hw/`` elaborate twice; the set of those that did."""
    seen = set()
    for kind in components("hw").values():
        if "elaborate" in vars(kind):
            monkeypatch.setattr(kind, "elaborate", twice(kind.elaborate, seen))
    with warnings.catch_warnings():
        # What is made for nothing is not used.
        warnings.simplefilter("ignore", UnusedElaboratable)
        yield seen
        gc.collect()


@pytest.fixture(scope="module")
def netlists():
    return [rtlil.convert(make(), emit_src=False) for make in MAKES]


def test_netlists(netlists, elaborated_twice):
    """Every kind of component, elaborated for the second time, is what it is the first time."""
    for make, netlist in zip(MAKES, netlists, strict=True):
        assert rtlil.convert(make(), emit_src=False) == netlist, make
    concrete = {kind for kind in components("hw").values()
                if not any(kind in other.__mro__[1:] for other in components("hw").values())}
    assert elaborated_twice == concrete


def held(node):
    """Whether an expression is an attribute of ``self``, or a part of one."""
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            return node.value.id == "self"
        node = node.value
    return False


def writes(method):
    """Lines of a method that assign to what ``self`` holds, or change a list or dict there."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(method)))
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            targets = node.targets
        elif isinstance(node, (ast.AugAssign, ast.AnnAssign, ast.NamedExpr)):
            targets = [node.target]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and \
                node.func.attr in {"append", "extend", "insert", "pop", "remove", "clear", "add",
                                   "discard", "update", "setdefault", "popitem"}:
            targets = [node.func.value]
        else:
            continue
        targets = [part for target in targets for part in ast.walk(target)
                   if isinstance(part, (ast.Attribute, ast.Subscript))]
        if any(held(target) for target in targets):
            yield ast.unparse(node)


@pytest.mark.parametrize("kind", components("hw", "boards").values(),
                         ids=components("hw", "boards"))
def test_nothing_written(kind):
    """Only a constructor writes to ``self``, so a component is the same however often it is used.
    """
    methods = [method for name, method in vars(kind).items()
               if inspect.isfunction(method) and name != "__init__"]
    assert [line for method in methods for line in writes(method)] == []


def test_writes():
    """What the rule finds."""
    class Component(wiring.Component):
        def elaborate(self, platform):
            self._one = 1
            self._two[0], other = 2, 3
            self._three += [other]
            self._four.append(4)
            other.append(self._five)
            other.five = self._five

    assert list(writes(Component.elaborate)) == [
        "self._one = 1", "self._two[0], other = (2, 3)", "self._three += [other]",
        "self._four.append(4)"]
