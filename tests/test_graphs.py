"""Networks that are no line: several inputs of a node, several nodes of a vector, dense layers,
several readouts.
"""

import dataclasses

import numpy as np
import pytest
from agreement import compare, compare_pieces
from disturb import disturbed
from oracle import side_by_side

from ternloom.boards.exchange import answer
from ternloom.files import network as file
from ternloom.hw import verilog
from ternloom.mapping.folding import Folding, FoldingError, LayerFolding
from ternloom.mapping.mapping import Mapping
from ternloom.model import golden
from ternloom.model.bounds import bounds
from ternloom.model.cell import DENSE, DENSE_RELU, GRU_RESET_AFTER, GRU_RESET_BEFORE, LSTM, MIN_GRU
from ternloom.model.draw import random_graph, random_network, random_sequences
from ternloom.model.error import NetworkError
from ternloom.model.format import Binary, Fixed, Online, Planes, Ternary
from ternloom.model.network import INPUT, Layer, Network, Node, When
from ternloom.sim.build import SIMULATORS
from ternloom.sim.case import Case
from ternloom.sim.run import simulate, simulate_many


#: Random networks of a simulation.
BATCH = 4
X, H = (5, Fixed(6, 4)), (6, Ternary())


def merged(parts):
    """One body with the inputs of several that differ in nothing else of their form."""
    operands = tuple(operand for part in parts for operand in part.operands)
    return dataclasses.replace(parts[0], operands=operands)


def layer(seed, cell, units, form, *inputs):
    """A layer on inputs of some sizes and formats."""
    return merged([random_network(seed + index, cell=cell, layers=1, units=units, inputs=size,
                                  input_format=given if not given.header else "fixed",
                                  state_format=form).layers[0] if not given.header else
                   fed_online(seed + index, cell, units, form, size, given)
                   for index, (size, given) in enumerate(inputs)])


def fed_online(seed, cell, units, form, size, given):
    """A layer on an input that only another layer can give."""
    part = random_network(seed, cell=cell, layers=1, units=units, inputs=size,
                          state_format=form).layers[0]
    operand = dataclasses.replace(part.operands[0], format=given)
    return dataclasses.replace(part, operands=(operand,))


def readout(seed, classes, when, *inputs):
    """A readout on inputs of some sizes and formats."""
    return merged([random_network(seed + index, layers=1, units=size, state_format=given,
                                  cell=LSTM, classes=classes, when=when).readout
                   for index, (size, given) in enumerate(inputs)])


def two_readouts(when=When.EVERY):
    """A recurrent layer that two readouts take."""
    return Network("twice", (Node("body", (INPUT,), layer(1, LSTM, 6, Ternary(), X)),
                             Node("digit", ("body",), readout(2, 7, when, H)),
                             Node("speaker", ("body",), readout(3, 3, when, H))))


def dense_before():
    """A dense layer on the input, a recurrent one on that."""
    return Network("before", (
        Node("front", (INPUT,), layer(4, DENSE_RELU, 7, Fixed(5, 2, signed=False), X)),
        Node("body", ("front",), layer(5, GRU_RESET_AFTER, 6, Ternary(),
                                       (7, Fixed(5, 2, signed=False)))),
        Node("readout", ("body",), readout(6, 4, When.LAST, H))))


def dense_after(cell):
    """A dense layer between recurrence and readout."""
    form = Planes((2, 1), 1)
    return Network("after", (Node("body", (INPUT,), layer(7, GRU_RESET_BEFORE, 6, Ternary(), X)),
                             Node("hidden", ("body",), layer(8, cell, 5, form, H)),
                             Node("readout", ("hidden",), readout(9, 4, When.EVERY, (5, form)))))


def skip():
    """A second layer that reads the input beside the first one."""
    return Network("skip", (Node("first", (INPUT,), layer(10, LSTM, 6, Ternary(), X)),
                            Node("second", ("first", INPUT),
                                 layer(11, LSTM, 4, Binary(), H, X)),
                            Node("readout", ("second", "first"),
                                 readout(13, 3, When.EVERY, (4, Binary()), H))))


def online_twice():
    """A layer on two others whose coefficients come with their vectors."""
    one, other = Online(Fixed(6, 5), 2), Online(Fixed(5, 3), 3)
    return Network("online", (Node("left", (INPUT,), layer(15, LSTM, 4, one, X)),
                              Node("right", (INPUT,), layer(16, LSTM, 5, other, X)),
                              Node("both", ("left", "right"),
                                   layer(17, LSTM, 3, one, (4, one), (5, other)))))


NAMED = {"two-readouts": two_readouts, "two-readouts-last": lambda: two_readouts(When.LAST),
         "dense-before": dense_before, "dense-after": lambda: dense_after(DENSE),
         "relu-after": lambda: dense_after(DENSE_RELU), "skip": skip, "online": online_twice}


@pytest.fixture(scope="module")
def named():
    """Each network undisturbed, and each with the same design disturbed."""
    calm, stormy = [], []
    for number, make in enumerate(NAMED.values()):
        network, rng = make(), np.random.default_rng(number)
        mapping, kind = Mapping.uniform(network, 2 + number % 3, 3), 1 + number % 6
        calm.append(Case(mapping, tuple(random_sequences(rng, network, 3, (1, 5))),
                         verilog.generate(mapping)))
        stormy.append(disturbed(rng, calm[-1], kind))
    return calm, stormy


def check(cases, simulator):
    for place, report in enumerate(simulate_many(cases, simulator=simulator)):
        assert report.mismatch is None, f"{place}, {cases[place].network.name}: {report.mismatch}"
        assert report.transfers > 0


def test_named(named):
    """Networks that people build, exact in value and cycle; disturbed on one simulator each."""
    calm, stormy = named
    check([*calm, *stormy[1::2]], "icarus")
    check(stormy[::2], "verilator")


@pytest.mark.slow
def test_named_again(named):
    _, stormy = named
    check(stormy[::2], "icarus")
    check(stormy[1::2], "verilator")


@pytest.mark.parametrize("name", NAMED)
def test_named_integers(name, tmp_path):
    """Against the restatement, and through a file."""
    network = NAMED[name]()
    compare(network, random_sequences(1, network, 3, (1, 6)))
    file.save(network, tmp_path / "net.safetensors")
    assert file.load(tmp_path / "net.safetensors") == network


def draw(seed):
    """A case of a random graph; the same for the same seed."""
    rng = np.random.default_rng([seed, 77])
    network = random_graph(rng)
    arrays = tuple(LayerFolding(int(rng.integers(1, 7)), int(rng.integers(1, 7)),
                                bool(rng.integers(2))) for _ in network.nodes)
    slots = min(arrays[index].simd for index, _ in network.consumers(INPUT))
    case = Case(Mapping(network, Folding(arrays, int(rng.integers(1, slots + 1)))),
                tuple(random_sequences(rng, network, 3, (1, 5))))
    return disturbed(rng, case, seed % 8)


@pytest.mark.parametrize("first", [0, *(pytest.param(first, marks=pytest.mark.slow)
                                        for first in range(BATCH, 15 * BATCH, BATCH))])
def test_gates(first):
    """Random graphs of all cells and formats, exact in value and cycle."""
    cases = [draw(seed) for seed in range(first, first + BATCH)]
    cases = [dataclasses.replace(case, design=verilog.generate(case.mapping)) for case in cases]
    for simulator in SIMULATORS:
        check(cases, simulator)


@pytest.mark.parametrize("seed", range(40))
def test_integers(seed, tmp_path):
    """Random graphs against the restatement, whole and in pieces, and through a file."""
    network = random_graph(seed)
    sequences = random_sequences(seed, network, 2, (2, 5))
    compare(network, sequences)
    compare_pieces(network, sequences, [1, 1])
    file.save(network, tmp_path / "net.safetensors")
    assert file.load(tmp_path / "net.safetensors") == network


def test_graphs_differ():
    """What the random graphs above are of."""
    graphs = [random_graph(seed) for seed in range(40)]
    assert any(len(node.inputs) == 3 for graph in graphs for node in graph.nodes)
    assert any(len(graph.consumers(node.name)) > 1 for graph in graphs for node in graph.nodes)
    assert any(len(graph.outputs) > 1 for graph in graphs)
    assert any(not graph.gives_logits for graph in graphs)
    assert len({layer.cell.name for graph in graphs for layer in graph.layers}) > 12


@pytest.mark.parametrize("seed", range(20))
def test_bounds(seed):
    """The sum of a row over all inputs reaches its bounds at two vectors, and goes no further."""
    network = random_graph(seed)
    ranges = bounds(network)
    for node in network.nodes:
        if isinstance(node.body, Layer) and node.body.cell.recurrent:
            continue
        ends = [operand.format.value_range for operand in node.body.operands
                for _ in range(operand.matrix.columns)]
        sums = [[bias + sum(pick(weight * end for end in pair)
                            for weight, pair in zip(row, ends, strict=True))
                 for row, bias in zip(side_by_side(node.body), node.body.bias.tolist(),
                                      strict=True)] for pick in (min, max)]
        reach = ranges[f"{node.name}.sum"]
        assert (reach.low, reach.high) == (min(sums[0]), max(sums[1]))


def test_two_answers():
    """Each readout says what it would alone, and the result must be asked for one of them."""
    network = two_readouts()
    sequences = random_sequences(5, network, 2, (3, 4))
    result = golden.run(network, sequences)
    for name in ("digit", "speaker"):
        alone = Network("alone", tuple(node for node in network.nodes
                                       if node.name in ("body", name)))
        expected = golden.run(alone, sequences)
        for found, wanted in zip(result.answers[name].logits, expected.logits, strict=True):
            np.testing.assert_array_equal(found, wanted)
    with pytest.raises(NetworkError, match="^a result of several outputs has no single answer; "
                                           "take one of its answers, digit, speaker$"):
        _ = result.logits
    with pytest.raises(NetworkError, match="^network 'twice' has several readouts, digit, speaker, "
                                           "and only one is supported here$"):
        _ = network.readout


def test_answer_of_a_board():
    """Bytes of one readout's logits after the other's, and the winner of the last."""
    network = two_readouts(When.LAST)
    sequence, = random_sequences(5, network, 1, (3, 4))
    result = golden.run(network, [sequence])
    size = verilog.generate(Mapping.uniform(network)).report["streams"]["output"]
    data = answer(Mapping.uniform(network), sequence)
    step = size["data_bits"] // 8
    logits = [int.from_bytes(data[place:place + step], "little", signed=True)
              for place in range(0, 10 * step, step)]
    expected = [each for name in ("digit", "speaker")
                for each in result.answers[name].logits[0][0].tolist()]
    assert logits == expected and data[-1] == result.answers["speaker"].winners[0][0]


def test_wrong_output_is_named():
    """A mismatch says which readout, and which of its classes, is wrong."""
    network = two_readouts()
    other = network.edited(speaker=dataclasses.replace(
        network.nodes[2].body, bias=network.nodes[2].body.bias + (9 << 20)))
    design = verilog.generate(Mapping.uniform(other))
    report = simulate(Mapping.uniform(network), random_sequences(1, network, 1, (2, 2)),
                      design=design, simulator="icarus")
    assert report.mismatch.signal == "speaker.logits[0]"


def test_skip_costs_no_cycles():
    """A vector that waits for the layer beside it holds nothing else up for long."""
    network = skip()
    folding = Folding((LayerFolding(2, 4), LayerFolding(2, 4), LayerFolding(4, 4)), 1)
    gaps = np.diff(Mapping(network, folding).predict([20]).ends, axis=0)[-5:]
    assert (gaps == gaps[-1]).all() and gaps[-1, 0] == gaps[-1, 1]
    alone = Network.line("line", [network.nodes[0].body])
    slowest = Mapping(alone, Folding((LayerFolding(2, 4),), 1)).predict([20]).step_cycles
    assert gaps[-1, 0] < 2.5 * slowest


BODY = layer(1, LSTM, 6, Ternary(), X)
SAY = readout(2, 3, When.EVERY, H)


@pytest.mark.parametrize("nodes, message", [
    ([("a", ("b",), layer(1, LSTM, 6, Ternary(), H)), ("b", ("a",), SAY)],
     "a must take the input or a node before it, not 'b'"),
    ([("a", (INPUT,), BODY), ("b", ("c",), SAY)],
     "b must take the input or a node before it, not 'c'"),
    ([("a", (INPUT,), BODY), ("b", ("b",), SAY)],
     "b must take the input or a node before it, not 'b'"),
    ([("a", (INPUT,), BODY), ("a", ("a",), SAY)], "two nodes are called a; names must differ"),
    ([("a", (INPUT,), BODY), ("b", ("a",), SAY), ("c", ("b",), SAY)],
     "c must take codes, not the logits of b"),
    ([("a", (INPUT,), BODY), ("b", (INPUT,), BODY)],
     "outputs must be readouts, or one layer, not a and b"),
    ([("a", (INPUT,), BODY), ("b", ("a",), SAY), ("c", (INPUT,), BODY)],
     "outputs must be readouts, or one layer, not b and c"),
    ([("a", (INPUT,), BODY), ("b", ("a",), SAY),
      ("c", ("a",), dataclasses.replace(SAY, when=When.LAST))],
     "readouts must all produce output at the last step, or all at every step, not b at every, c "
     "at last"),
    ([("a", (INPUT,), BODY), ("b", (INPUT,), SAY)],
     r"b.operands\[0\] must have 5 columns, as many as input has elements, not 6"),
    ([("a", (INPUT,), BODY), ("b", ("a",), readout(2, 3, When.EVERY, (6, Binary())))],
     r"b.operands\[0\].format must be that of a, Ternary\(.*\), not Binary\(\)"),
    ([("a", (INPUT,), BODY), ("b", ("a", INPUT), SAY)],
     "b must have 1 inputs, one for each of its operands, not 2"),
    ([("A", (INPUT,), BODY)], "name of a node must be lower-case letters, digits and underscores, "
                              "a letter first and at most 32, not 'A'"),
    ([("input", (INPUT,), BODY)],
     "name of a node must not be input, which is reserved"),
    ([("a", (INPUT,), layer(1, MIN_GRU, 6, Ternary(), (5, Online(Fixed(6, 5), 2))))],
     "the input must not be online: .*"),
])
def test_unsound(nodes, message):
    with pytest.raises(NetworkError, match=f"^{message}$"):
        Network("net", tuple(Node(*each) for each in nodes))


def test_rows_of_inputs():
    """Matrices of one layer's inputs have the same rows."""
    other = layer(1, LSTM, 4, Ternary(), X)
    with pytest.raises(NetworkError, match=r"^input1\.codes must have the shape \(planes, 24, 5\), "
                                           r"not \(1, 16, 5\)$"):
        dataclasses.replace(BODY, operands=(*BODY.operands, other.operands[0]))


def test_slots_of_all():
    """Everything that takes the input takes as many codes a beat."""
    network = skip()
    arrays = (LayerFolding(1, 4), LayerFolding(1, 2), LayerFolding(1, 1))
    with pytest.raises(FoldingError, match="^input_slots must be at most the simd of second, 2, "
                                           "not 3$"):
        Folding(arrays, 3).check(network)
