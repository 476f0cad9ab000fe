"""Cells that are not in all the other tests, and cells of one's own: from equations to gates."""

import dataclasses
import math
import pickle

import numpy as np
import pytest
from agreement import compare
from cellstep import CORE

from ternloom.files import network as file
from ternloom.hw import verilog
from ternloom.mapping.mapping import Mapping
from ternloom.model.cell import CELLS, Cell
from ternloom.model.draw import random_network, random_sequences
from ternloom.model.error import NetworkError
from ternloom.model.format import Fixed
from ternloom.model.precision import Precision
from ternloom.quantize.floats import FloatLayer, FloatNetwork
from ternloom.quantize.forward import run
from ternloom.sim.build import SIMULATORS
from ternloom.sim.case import Case
from ternloom.sim.run import simulate, simulate_many


OTHERS = [cell for cell in CELLS.values() if cell not in CORE]
COMPARATORS = Precision(Fixed(10, 6), 0, Fixed(4, 0))
other_cells = pytest.mark.parametrize("cell", OTHERS, ids=str)


def precision_of(cell, comparators):
    return COMPARATORS if comparators and cell.comparable else Precision()


def leaky(cell):
    """A leaky integrator of ReLU units, with an output gate: not a cell of the package."""
    leak = cell.sigmoid(cell.row("a"))
    drive = cell.relu(cell.row("u"))
    state = cell.carry("state", drive + leak * (cell.old("state") - drive))
    cell.output(cell.sigmoid(cell.row("o")) * cell.tanh(state))


LEAKY = Cell("leaky", leaky)


def case_of(number, network, steps):
    """A case with its design, for all simulators."""
    mapping = Mapping.uniform(network, 2, 4)
    return Case(mapping, tuple(random_sequences(number, network, *steps)),
                verilog.generate(mapping))


def check_gates(cases, simulator):
    for case, report in zip(cases, simulate_many(cases, simulator=simulator), strict=True):
        assert report.mismatch is None, f"{case.network.layers[0].cell}: {report.mismatch}"
        assert report.transfers > 0


@pytest.mark.parametrize("precision", [Precision(), COMPARATORS], ids=["tables", "comparators"])
def test_own_cell(precision):
    """Ten lines of equations are a network's cell, in gates exact in value and cycle."""
    network = random_network(1, cell=LEAKY, layers=2, units=6, inputs=3, classes=3,
                             precision=precision)
    case = case_of(1, network, (3, (1, 6)))
    for simulator in SIMULATORS:
        check_gates([case], simulator)


@pytest.fixture(scope="module")
def cores():
    """Each of the other cells in a core."""
    return [case_of(number, random_network(number, cell=cell, layers=1 + number % 2, units=5,
                                           inputs=4,
                                           precision=precision_of(cell, number % 3 == 2)),
                    (2, (1, 5)))
            for number, cell in enumerate(OTHERS)]


@pytest.mark.parametrize("simulator, first, step", [
    ("icarus", 0, 1), ("verilator", 0, 2),
    pytest.param("verilator", 1, 2, marks=pytest.mark.slow)])
def test_gates(cores, simulator, first, step):
    """Each of the other cells, exact in value and cycle; every second one on both simulators."""
    check_gates(cores[first::step], simulator)


def slow_state(cell):
    """What it carries is complete long after its codes."""
    row, old = cell.row("a"), cell.old("s")
    value = old + row
    for _ in range(6):
        value = cell.tanh(value)
    cell.carry("s", value)
    cell.output(cell.tanh(row) * old)


def slow_gate(cell):
    """What its second pass takes of the first is complete long after what is fed back."""
    r, z = cell.sigmoid(cell.row("r")), cell.row("z")
    for _ in range(6):
        z = cell.tanh(z)
    n = cell.tanh(cell.row("n", of=cell.feedback("reset", r * cell.old("s"))))
    cell.output(cell.carry("s", z * n))


@pytest.mark.parametrize("equations", [slow_state, slow_gate])
@pytest.mark.parametrize("pe", [1, 2])
def test_slow_memory(pe, equations):
    """Rows wait for what is read with them, though it comes after the codes that they multiply."""
    network = random_network(3, cell=Cell("slow", equations), layers=1, units=2, inputs=1)
    report = simulate(Mapping.uniform(network, pe, pe),
                      random_sequences(2, network, 3, (6, 9)), simulator="icarus")
    assert report.mismatch is None and report.transfers > 0


def test_own_cell_in_a_file(tmp_path):
    network = random_network(1, cell=LEAKY, layers=1, units=3, inputs=2)
    with pytest.raises(NetworkError, match="^cell must be one of lstm, .* to be written to a file, "
                                           "not leaky$"):
        file.save(network, tmp_path / "net.safetensors")
    assert not list(tmp_path.iterdir())
    assert pickle.loads(pickle.dumps(network)) == network


@pytest.mark.parametrize("cell, changes, message", [
    ("lstm", {"recurrent": None},
     "recurrent must be given in a lstm, which has a recurrent matrix"),
    ("min-gru", {"recurrent": random_network(1, layers=1).layers[0].recurrent},
     "recurrent must be None in a min-gru, which has no recurrent matrix"),
    ("lstm-peephole", {"diagonals": None},
     r"diagonals must have the shape \(3, 5\) in a lstm-peephole, not None"),
    ("lstm-peephole", {"diagonals": np.full((3, 5), 128)},
     r"diagonals must hold codes of Fixed\(width=8, frac=\d\)"),
    ("lstm-peephole", {"diagonal_format": Fixed(17, 3)},
     "diagonal_format must be signed fixed point of at most 16 bits, "
     r"not Fixed\(width=17, frac=3\)"),
    ("lstm", {"diagonals": np.zeros((3, 5), np.int32)},
     r"diagonals must be None in a lstm, not \(3, 5\)"),
    ("lstm", {"diagonal_format": Fixed(8, 7)},
     r"diagonal_format must be None without diagonals, not Fixed\(width=8, frac=7\)"),
    ("min-lstm", {"precision": COMPARATORS},
     "precision must have gate fraction bits in a min-lstm, whose gates cannot be comparators"),
])
def test_unfit_layer(cell, changes, message):
    layer = random_network(1, cell=CELLS[cell], layers=1, units=5, inputs=4).layers[0]
    with pytest.raises(NetworkError, match=f"^{message}$"):
        dataclasses.replace(layer, **changes)


@other_cells
def test_file(cell, tmp_path):
    network = random_network(3, cell=cell, layers=2)
    file.save(network, tmp_path / "net.safetensors")
    assert file.load(tmp_path / "net.safetensors") == network


@other_cells
@pytest.mark.parametrize("comparators", [False, True], ids=["tables", "comparators"])
def test_integers(cell, comparators):
    """The golden model against the restatement that was written from the document."""
    for seed in range(3):
        network = random_network(seed, cell=cell, layers=2,
                                 precision=precision_of(cell, comparators))
        compare(network, random_sequences(seed, network, 2, (1, 6)))


def sigmoid(value):
    return 1 / (1 + math.exp(-value))


def restated(name, w, u, b, after, own, xs):
    """h of each step of one unit, in real numbers."""
    function = {"relu": lambda a: max(a, 0.0), "linear": float, "dense": float,
                "sigmoid": sigmoid}.get(name.rpartition("-")[2],
                                                                    math.tanh)
    h = c = 0.0
    for x in xs:
        a = [w[gate] * x + u[gate] * h + b[gate] for gate in range(len(w))]
        if name == "lstm-peephole":
            i, f = (sigmoid(a[gate] + own[gate] * c) for gate in (0, 1))
            c = f * c + i * math.tanh(a[2])
            h = sigmoid(a[3] + own[2] * c) * math.tanh(c)
        elif name.startswith("min"):
            kept = (sigmoid(a[0]) if name == "min-gru"
                    else sigmoid(a[1]) / (sigmoid(a[0]) + sigmoid(a[1])))
            h = kept * h + (1 - kept) * a[-1]
        elif name == "lstm-cifg":
            c = sigmoid(a[0]) * c + (1 - sigmoid(a[0])) * math.tanh(a[1])
            h = sigmoid(a[2]) * math.tanh(c)
        elif name.startswith(("rnn", "dense")):
            h = function(a[0])
        else:
            r, z = sigmoid(a[0]), sigmoid(a[1])
            inner = r * (u[2] * h + after) if "after" in name else u[2] * (r * h)
            n = function(w[2] * x + b[2] + inner)
            h = (1 - z) * n + z * h
        yield h


@other_cells
def test_equations(cell):
    """Real numbers, against the cell's equations as its paper has them."""
    rng = np.random.default_rng(8)
    w, u, b = (rng.standard_normal((3, len(cell.gates))) / 2).tolist()
    u = u if cell.recurrent else [0.0] * len(u)
    after = 0.7 if cell.apart else None
    own = rng.standard_normal(len(cell.diagonals))
    xs = rng.standard_normal(12)
    layer = FloatLayer(cell, np.array(w)[:, None],
                       np.array(u)[:, None] if cell.recurrent else None, np.array(b),
                       None if after is None else np.array([after]),
                       own[:, None] if cell.diagonals else None)
    forward, = run(FloatNetwork("unit", (layer,)), [xs[:, None]])
    expected = list(restated(cell.name, w, u, b, after, own.tolist(), xs))
    np.testing.assert_allclose(forward.outputs[0][:, 0], expected, rtol=1e-12)


@pytest.mark.train
@pytest.mark.parametrize("kind", ["tanh", "relu"])
def test_pytorch_rnn(kind):
    import torch

    torch.manual_seed(3)
    module = torch.nn.RNN(4, 5, nonlinearity=kind, dtype=torch.float64)
    weights = {name: value.detach().numpy() for name, value in module.named_parameters()}
    layer = FloatLayer(CELLS[f"rnn-{kind}"], weights["weight_ih_l0"], weights["weight_hh_l0"],
                       weights["bias_ih_l0"] + weights["bias_hh_l0"])
    sequence = np.random.default_rng(1).standard_normal((9, 4))
    forward, = run(FloatNetwork("rnn", (layer,)), [sequence])
    with torch.no_grad():
        expected = module(torch.from_numpy(sequence))[0].numpy()
    np.testing.assert_allclose(forward.outputs[0], expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("equations, message", [
    (lambda cell: cell.tanh(cell.row("h")), "A cell must have an output"),
    (lambda cell: cell.output(cell.row("a") + cell.old("c")),
     "A cell must carry what it takes from the step before: c"),
    (lambda cell: cell.output(cell.row("a", "input") + cell.row("a", "recurrent")
                              + cell.row("b")),
     "A cell must keep apart the halves of its first pass's last gate, not of a"),
    (lambda cell: cell.output(cell.row("n", of=cell.feedback("one", cell.row("a")))
                              + cell.row("b")),
     "A cell must have the rows of fed-back codes after all others, not a, n, b"),
    (lambda cell: cell.output(cell.constant(1)), "A cell must have from 1 to 4 gates, not 0"),
    (lambda cell: cell.output(sum(map(cell.row, "bcde"), cell.row("a"))),
     "A cell must have from 1 to 4 gates, not 5"),
    (lambda cell: cell.output(cell.carry("c", cell.row("a")) + cell.carry("d", cell.row("a"))),
     "A cell must carry at most one number, not c, d"),
    (lambda cell: cell.output(cell.row("a") + cell.row("b", "input")),
     "A cell must have a recurrent half in all gates or in none, not in a alone"),
    (lambda cell: (cell.row("b"), cell.output(cell.tanh(cell.row("a")))),
     "A cell must make its output of all rows of its last pass, and of b"),
])
def test_bad_cell(equations, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        Cell("bad", equations)
