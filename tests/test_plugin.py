"""An alphabet, a cell and a method of another package, to gates, without editing Ternloom."""

import os
import subprocess
import sys

import pytest


MODULE = '''
import numpy as np

from ternloom.model.alphabet import Alphabet
from ternloom.model.cell import Cell
from ternloom.quantize.method import WeightMethod


class _Five(Alphabet):
    """-4, -1, 0, +1 and +4."""

    name = "five"
    codes = -2, -1, 0, 1, 2

    def values(self, codes):
        return np.sign(codes) * np.array([0, 1, 4], dtype=np.int32)[np.abs(codes)]

    def code_bits(self, codes):
        return 3

    def digits(self, codes):
        return codes + 2

    def read(self, digits, bits):
        return digits - 2

    def nearest(self, values, limit):
        size = np.abs(values)
        return np.sign(values) * (1.0 * (size >= 0.5) + (size >= 2.5))


FIVE = _Five()


class FiveLevels(WeightMethod, tag="five-levels", frozen=True):
    """Weights -4, -1, 0, +1 and +4 times a quarter of the largest (a test's choice)."""

    weight = FIVE

    def _scales(self, latent, units):
        return np.full((1, len(latent)), np.abs(latent).max() / 4)


def leaky(cell):
    """A leaky integrator of ReLU units."""
    leak = cell.sigmoid(cell.row("a"))
    drive = cell.relu(cell.row("u"))
    cell.output(cell.carry("state", drive + leak * (cell.old("state") - drive)))


LEAKY = Cell("leaky", leaky)
'''

ENTRIES = """
[ternloom.alphabets]
five = fivelevels:FIVE
[ternloom.cells]
leaky = fivelevels:LEAKY
[ternloom.methods]
five-levels = fivelevels:FiveLevels
"""

PROGRAM = '''
import numpy as np

from fivelevels import FIVE, LEAKY
from ternloom.files.network import load, save
from ternloom.mapping.mapping import Mapping
from ternloom.model import golden
from ternloom.model.draw import random_network, random_sequences
from ternloom.quantize.quantizer import MatrixQuantizer
from ternloom.quantize.weights import parse
from ternloom.sim.run import simulate

method = parse("five-levels")
matrix = MatrixQuantizer((method,), exponent=8).matrix(np.array([[-1.0, -0.3, 0.1, 0.2, 0.9]]))
assert matrix.weight == FIVE and matrix.values.tolist() == [[[-4, -1, 0, 1, 4]]]
for seed, cell in enumerate((None, LEAKY)):
    network = random_network(seed, cell=cell, layers=2, units=5, inputs=4, weight=FIVE)
    save(network, "network.safetensors")
    assert load("network.safetensors") == network
    report = simulate(Mapping.uniform(network, 2, 4),
                      random_sequences(seed, network, 3, (1, 5)), simulator="icarus")
    assert report.mismatch is None and report.transfers > 0
print("exact")
'''


@pytest.fixture
def python(tmp_path):
    """Runs a program with a package installed that has these entry points; its outcome."""
    (tmp_path / "fivelevels.py").write_text(MODULE)
    facts = tmp_path / "fivelevels-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: fivelevels\nVersion: 1.0\n")

    def run(program, entries):
        (facts / "entry_points.txt").write_text(entries)
        return subprocess.run([sys.executable, "-c", program], cwd=tmp_path, text=True,
                              env=os.environ | {"PYTHONPATH": str(tmp_path)}, capture_output=True)

    return run


def test_to_gates(python):
    """Quantized, written, read, run, and simulated exactly; travelling as integers."""
    done = python(PROGRAM, ENTRIES)
    assert (done.stdout, done.stderr) == ("exact\n", "")


@pytest.mark.parametrize("entries, told", [
    ("[ternloom.alphabets]\nsix = fivelevels:FIVE",
     "ternloom.alphabets: six of the package fivelevels is FIVE, which is not one of that name"),
    ("[ternloom.cells]\nleaky = fivelevels:FIVE",
     "ternloom.cells: leaky of the package fivelevels is FIVE, which is not one of that name"),
    ("[ternloom.cells]\nleaky = fivelevels:GONE",
     "ternloom.cells: leaky of the package fivelevels cannot be imported: AttributeError("
     "\"module 'fivelevels' has no attribute 'GONE'\")"),
    ("[ternloom.cells]\nlstm = ternloom.model.cell.lstm:LSTM",
     "ternloom.cells: lstm of the package fivelevels has a name that is already taken"),
], ids=["name", "kind", "missing", "taken"])
def test_unfit(python, entries, told):
    """A package that brings what it can't is named, whatever is imported first."""
    done = python("import ternloom.files.network", entries)
    assert done.returncode == 1 and done.stderr.splitlines()[-1] == f"ImportError: {told}"
