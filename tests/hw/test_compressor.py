"""Counting bits: the plan, and each way to add, against integer arithmetic."""

import itertools

import numpy as np
import pytest
from amaranth import *
from hwsim import Bare, play

from ternloom.hw.compressor import Netlist, plan


def units(gated, count):
    """Units that the plan of a count takes, and its depth."""
    kind, *parts = plan(count, gated=gated)[1]
    if kind == "unit":
        return 1, 0
    if kind == "block":
        return 2 * parts[0], 0
    below = [units(gated, part) for part in parts[:2]]
    return sum(taken for taken, _ in below) + parts[2], 1 + max(depth for _, depth in below)


@pytest.mark.parametrize("gated", [False, True])
def test_plan(gated):
    """Nothing is left out, and the tree is not much deeper than a balanced one."""
    for count in range(1, 513):
        taken, depth = units(gated, count)
        assert taken == count
        assert depth <= 2 + 1.3 * count.bit_length()


def test_plan_cost():
    """Full adders that take a lane each, and blocks of seven products."""
    assert [plan(count, gated=False)[0] for count in (1, 3, 7, 15)] == [1, 4, 12, 30]
    assert plan(14, gated=True) == (25, ("block", 7))


def added(kind, a_width, b_width, carry):
    """Every sum of two numbers by one way to add, and what it should be."""
    width = max(a_width, b_width) + 1

    def build(m):
        netlist = Netlist(m)
        a, b, c, o = Signal(a_width), Signal(b_width), Signal(), Signal(width)
        m.d.comb += o.eq(Cat(getattr(netlist, kind)(list(a), list(b), c if carry else None, width)))
        return {"a": a, "b": b, "c": c, "o": o}

    values = np.array(list(itertools.product(range(1 << a_width), range(1 << b_width), range(2))))
    found = play(Bare(build), dict(zip("abc", values.T, strict=True)), ["o"])["o"]
    return found, values[:, 0] + values[:, 1] + carry * values[:, 2]


@pytest.mark.parametrize("a_width, b_width", [(1, 1), (3, 1), (3, 3), (4, 2)])
@pytest.mark.parametrize("carry", [False, True])
@pytest.mark.parametrize("kind", ["ripple", "chain"])
def test_sum(kind, carry, a_width, b_width):
    np.testing.assert_array_equal(*added(kind, a_width, b_width, carry))


def test_count_four():
    """All counts up to three."""
    def build(m):
        netlist = Netlist(m)
        bits, o = Signal(4), Signal(2)
        m.d.comb += o.eq(Cat(netlist.count_four(*bits)))
        return {"bits": bits, "o": o}

    found = play(Bare(build), {"bits": range(15)}, ["o"])["o"]
    assert found.tolist() == [bits.bit_count() for bits in range(15)]


def test_delay():
    """Registers are shared, and as many as asked for."""
    def build(m):
        netlist = Netlist(m)
        i = Signal(4)
        first, third = netlist.delay(i, 1), netlist.delay(i, 3)
        return {"i": i, "first": first, "third": third, "again": netlist.delay(i, 3)}

    dut = Bare(build)
    assert dut.again is dut.third
    found = play(dut, {"i": range(1, 9)}, ["first", "third"])
    assert found["first"].tolist() == [0, 1, 2, 3, 4, 5, 6, 7]
    assert found["third"].tolist() == [0, 0, 0, 1, 2, 3, 4, 5]
