"""The microcode of the online quantizer, executed instruction by instruction, against the model."""

import numpy as np
import pytest

from ternloom.mapping.microcode import Operation, microcode, tree_stages
from ternloom.model import online
from ternloom.model.format import Fixed, Online


class Machine:
    """An interpreter of microcode, without a notion of time.

    Parameters
    ----------
    microcode : Microcode
    samples : list of int
    """

    def __init__(self, microcode, samples):
        self._samples = samples
        self._product = 0
        self.words = dict.fromkeys(microcode.registers, 0) | {"units": len(samples)}
        self.words |= {f"cut.{cut}": 0 for cut in range(3)}
        self._run_pass()
        for one in microcode.instructions:
            result = self._result(one.operation, self.words[one.x], self.words[one.y])
            if result is not None and one.target != "zero":
                self.words[one.target] = result

    def _run_pass(self):
        for cut in range(3):
            level = self.words[f"cut.{cut}"]
            hits = [abs(v) for v in self._samples if 2 * abs(v) - (v < 0) >= level]
            self.words |= {f"count.{cut}": len(hits), f"sum.{cut}": sum(hits)}

    def _result(self, operation, x, y):
        match operation:
            case Operation.PASS:
                self._run_pass()
            case Operation.MUL | Operation.MAC | Operation.MSC:
                assert 0 <= x <= len(self._samples)
                held = 0 if operation is Operation.MUL else self._product
                self._product = held - x * y if operation is Operation.MSC else held + x * y
                return self._product
            case Operation.DIV:
                assert y >= 0
                return (2 * abs(x) + y) // (2 * y) if y else None
            case Operation.SIGN:
                return -y if x < 0 else y
            case Operation.ADD | Operation.SUB:
                return x + y if operation is Operation.ADD else x - y
            case Operation.MAX | Operation.MIN:
                return max(x, y) if operation is Operation.MAX else min(x, y)
        return None


@pytest.mark.parametrize("planes", [2, 3])
@pytest.mark.parametrize("rounds", [1, 2, 4])
@pytest.mark.parametrize("units", [1, 2, 3, 6, 30])
def test_coefficients(planes, rounds, units):
    form = Online(Fixed(8, 7), planes, rounds)
    made = microcode(form, units, 1)
    rng = np.random.default_rng(units)
    samples = np.clip(np.concatenate([
        np.round(rng.normal(0, 40, (20, units))), rng.integers(-128, 128, (20, units)),
        rng.choice([0, 1, -128], (20, units))]), -128, 127).astype(np.int64)
    _, coefficients = online.quantize(form, samples)
    for vector, expected in zip(samples.tolist(), coefficients.tolist(), strict=True):
        words = Machine(made, vector).words
        assert [words[f"beta.{plane}"] for plane in range(planes)] == expected


@pytest.mark.parametrize("planes", [2, 3])
def test_operands_in_time(planes):
    """No instruction is issued before what it reads is there."""
    depth, chains = 5, 6
    ready = {"count": 1 + tree_stages(chains), "sum": 1 + tree_stages(chains)}
    cycle, free = 0, 0
    made = microcode(Online(Fixed(6, 5), planes, 2), depth, chains)
    for one in made.instructions:
        assert cycle >= free
        for name in (one.x, one.y):
            assert cycle >= ready.get(name.split(".")[0], 0)
        if one.operation is Operation.PASS:
            ready |= dict.fromkeys(("count", "sum"), cycle + depth + 3 + tree_stages(chains))
        # A division of eight bits of quotient, of which the last rounds.
        takes = 8 if one.operation is Operation.DIV else 0
        if one.target != "zero":
            ready[one.target] = cycle + takes + 4
        free, cycle = cycle + 1 + takes, cycle + 1 + one.wait
    assert made.instructions[-1].operation is Operation.WRITE
    assert made.cycles == 1 + (cycle - 1) + depth + 4


@pytest.mark.parametrize("rounds", [1, 2, 3, 4])
@pytest.mark.parametrize("width, depth, chains", [(4, 1, 1), (8, 38, 8), (8, 5, 2), (13, 7, 20)])
def test_formula(width, depth, chains, rounds):
    """As docs/design.md has it."""
    passes, sample = depth + tree_stages(chains), Fixed(width, 3)
    assert (microcode(Online(sample, 2, rounds), depth, chains).cycles
            == (rounds + 1) * passes + (2 * rounds + 1) * (width + 2) + 15 * rounds + 21)
    assert (microcode(Online(sample, 3, rounds), depth, chains).cycles
            == (rounds + 3) * passes + (3 * rounds + 3) * (width + 2) + 67 * rounds + 105)


def test_cycles():
    """A layer of 300 units in eight chains: the figures of docs/design.md."""
    cycles = [microcode(Online(Fixed(8, 7), planes, rounds), 38, 8).cycles
              for planes in (2, 3) for rounds in (1, 2)]
    assert cycles == [146, 221, 392, 529]
    # Every unit of a chain costs a cycle a pass.
    assert microcode(Online(Fixed(8, 7), 2, 2), 39, 8).cycles == 221 + 3
    assert microcode(Online(Fixed(8, 7), 3, 2), 39, 8).cycles == 529 + 5
