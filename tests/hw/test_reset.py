"""A reset of one cycle makes every core right, whatever registers and memories held before."""

import dataclasses
import itertools
import re

import numpy as np
import pytest
from test_exactness import KINDS, draw, draw_after_online, draw_small
from cellstep import CORE

from ternloom.hw import verilog
from ternloom.model.alphabet import ALPHABETS
from ternloom.model.format import Binary, Fixed, Online, Planes, Ternary
from ternloom.sim.build import SIMULATORS
from ternloom.sim.run import simulate_many


#: Networks of ``draw`` that ``make test-all`` adds.
SLOW = 120


def without_contents(verilog, rng=None):
    """A core whose registers and written memories start from anything; ROMs stay.

    Parameters
    ----------
    verilog : str
        As ``verilog.generate`` writes it.
    rng : Generator, optional
        Values are drawn from it; without one they are unknown.
    """
    def value(width):
        if rng is None:
            return f"{width}'hx"
        return f"{width}'h{int.from_bytes(rng.bytes(-(-width // 8))) & ((1 << width) - 1):x}"

    def register(found):
        return f"{found[1]} = {value(int(found[2] or 0) + 1)};"

    def word(found):
        return f"{found[1]}{value(int(found[2]))};"

    text = re.sub(r"^(  reg (?:\[(\d+):0\] )?(?:\\\S+ |\w+))(?: = [^;]*)?;$", register, verilog,
                  flags=re.MULTILINE)
    return re.sub(r"^(    (?!contents\[)(?:\\\S+ |\w+)\[\d+\] = )(\d+)'h[^;]*;$", word, text,
                  flags=re.MULTILINE)


def generated(cases):
    return [dataclasses.replace(case, design=verilog.generate(case.mapping))
            for case in cases]


def spoiled(case, rng):
    """The case with a core without initial contents."""
    verilog = without_contents(case.design.verilog, rng)
    return dataclasses.replace(case, design=dataclasses.replace(case.design, verilog=verilog))


def check(cases, simulator, rng=None):
    reports = simulate_many([spoiled(case, rng) for case in cases], simulator=simulator)
    for place, report in enumerate(reports):
        assert report.mismatch is None, f"{place} on {report.simulator}: {report.mismatch}"
        assert report.transfers > 0


def is_online(case):
    return any(hasattr(layer.state_format, "sample") for layer in case.network.layers)


@pytest.fixture(scope="module")
def handful():
    """Cores with each cell, alphabet and kind of state codes, with tables and with comparators."""
    weights, numbers = itertools.cycle(ALPHABETS.values()), itertools.count()
    cases = [draw_small(next(weights), kind, next(numbers)) for kind in KINDS * 2]
    return generated([*cases, draw_after_online(4)])


def test_breadth(handful):
    layers = [layer for case in handful for layer in case.network.layers]
    assert {(layer.cell, layer.precision.comparators) for layer in layers} == \
        set(itertools.product(CORE, (False, True)))
    assert {layer.input.weight for layer in layers} == set(ALPHABETS.values())
    formats = {(type(layer.state_format), getattr(layer.state_format, "planes", None))
               for layer in layers}
    assert {kind for kind, _ in formats} == {Fixed, Binary, Ternary, Planes, Online}
    assert formats >= {(Online, 2), (Online, 3)}


def test_random_contents(handful):
    check(handful, "icarus", np.random.default_rng(11))


def test_unknown_contents(handful):
    """Where codes have values of their own, nothing unknown is left in any output either.

    The quantizer of online planes is too much for that: what is unknown and multiplied by zero
    is zero in hardware only.
    """
    check([case for case in handful if not is_online(case)], "icarus")


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, SLOW, 6))
def test_random_networks(first):
    cases = generated([draw(seed) for seed in range(first, first + 6)])
    for simulator in SIMULATORS:
        check(cases, simulator, np.random.default_rng(first))


@pytest.mark.slow
@pytest.mark.parametrize("number", range(5))
def test_online(number):
    cases = generated([*(draw_small(weight, "online", number) for weight in ALPHABETS.values()),
                       draw_after_online(number)])
    for turn in range(3):
        check(cases, "icarus", np.random.default_rng([number, turn]))


def test_without_contents():
    text = """\
module m(clk);
  reg [6:0] data;
  reg flag = 1'h1;
  reg [3:0] \\a$1  = 4'h3;
  reg [16:0] \\waiting$50  [19:0];
  initial begin
    \\waiting$50 [0] = 17'h00001;
  end
  reg [2:0] contents [0:1];
  initial begin
    contents[0] = 3'h5;
  end
"""
    assert without_contents(text) == """\
module m(clk);
  reg [6:0] data = 7'hx;
  reg flag = 1'hx;
  reg [3:0] \\a$1  = 4'hx;
  reg [16:0] \\waiting$50  [19:0];
  initial begin
    \\waiting$50 [0] = 17'hx;
  end
  reg [2:0] contents [0:1];
  initial begin
    contents[0] = 3'h5;
  end
"""
