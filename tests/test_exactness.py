"""Generated Verilog against golden and timing model, on both simulators, without tolerance."""

import dataclasses
import importlib.resources
import itertools

import numpy as np
import pytest
from cellstep import CORE
from disturb import disturbed
from edit import edited, refed

from ternloom.files import dataset
from ternloom.files import network as file
from ternloom.hw import verilog
from ternloom.mapping.folding import Folding, LayerFolding
from ternloom.mapping.geometry import Arithmetic
from ternloom.mapping.mapping import Mapping
from ternloom.model.alphabet import ALPHABETS, INTEGER, PLANES
from ternloom.model.cell import LSTM
from ternloom.model.draw import random_network, random_sequences
from ternloom.model.format import Binary, Fixed, Online, Planes, Ternary
from ternloom.model.limits import COEFFICIENT_BITS
from ternloom.model.network import Network, When
from ternloom.model.precision import Precision
from ternloom.sim.build import SIMULATORS
from ternloom.sim.case import Case
from ternloom.sim.run import simulate, simulate_many


#: Kinds of state codes, which with the weights decide the element.
KINDS = ("fixed", "binary", "ternary", "planes", "online")
#: Networks of each alphabet of weights and kind of state, which one simulation runs side by side.
BATCH = 5
#: Simulations that those which ``make test`` takes are spread over.
GROUPS = 5
#: How many cases of a simulation run on Verilator too.
FEW = [2, pytest.param(BATCH, marks=pytest.mark.slow)]
#: Larger networks of anything that ``make test-all`` adds.
SLOW = 480
#: Cycles that a case may take.
CYCLES = 2500
#: Narrow, so that tables are small; with a gate's table, and with comparators.
PRECISIONS = (Precision(Fixed(6, 4), 5, Fixed(9, 6)), Precision(Fixed(5, 3), 4, Fixed(7, 5)),
              Precision(Fixed(6, 3), 0, Fixed(5, 3)))

FORMATS = (Fixed, Binary, Ternary, Planes, Online)
EXAMPLES = importlib.resources.files("ternloom.examples")
SHIPPED = sorted(path.name for path in EXAMPLES.iterdir()
                 if "-" in path.name and path.name.endswith(".safetensors")
                 and not path.name.endswith("-float.safetensors")
                 # Language models: their text isn't here, and ten thousand classes take hours.
                 and not path.name.startswith("ptb-"))


def _folding(rng, network, largest, multiplexed):
    def size(pe, simd):
        return LayerFolding(int(rng.integers(1, pe + 1)), int(rng.integers(1, simd + 1)),
                            multiplexed)

    layers = tuple(size(*largest) for _ in network.layers)
    readout = None if network.readout is None else size(4, 8)
    return Folding.line(layers, readout, int(rng.integers(1, layers[0].simd + 1)))


def draw(seed):
    """A case of anything, of at most ``CYCLES`` cycles; the same for the same seed."""
    rng = np.random.default_rng(seed)
    while True:
        network = random_network(rng, layers=int(rng.choice([1, 2, 3], p=[0.6, 0.25, 0.15])),
                                 readout=bool(seed % 7))
        sequences = random_sequences(rng, network, int(rng.integers(2, 5)), (1, 5))
        folding = _folding(rng, network, (8, 12), bool(rng.integers(2)))
        case = disturbed(rng, Case(Mapping(network, folding), tuple(sequences)), seed % 8)
        if case.cycles()[1][-1] <= CYCLES:
            return case


def draw_small(weight, kind, number):
    """A small case of these weights and this kind of state.

    Parameters
    ----------
    weight : Alphabet or tuple of Alphabet
        Of all matrices, or of those that each is drawn from.
    kind : str
        Of ``KINDS``.
    number : int
        The same case for the same number, which decides the cell, the environment, whether planes
        are time-multiplexed, and with BATCH - 1 for two layers.
    """
    weights = weight if isinstance(weight, tuple) else (weight,)
    places = [list(ALPHABETS.values()).index(each) for each in weights]
    rng = np.random.default_rng([number, KINDS.index(kind), *places])
    cells = [cell for cell in CORE if kind != "online" or not cell.feedback]
    last = number % BATCH == BATCH - 1
    while True:
        network = random_network(
            rng, cell=cells[(number + places[0]) % len(cells)], layers=1 + last,
            units=int(rng.integers(1, 9)), inputs=int(rng.integers(1, 9)), classes=2,
            weight=weight, state_format=kind, readout=number % BATCH != 3,
            input_format=kind if number % 2 and kind != "online" else None,
            precision=PRECISIONS[(number + KINDS.index(kind)) % len(PRECISIONS)])
        sequences = random_sequences(rng, network, 2, (1, 4))
        folding = _folding(rng, network, (5, 5), bool(number % 2))
        case = Case(Mapping(network, folding), tuple(sequences))
        case = disturbed(rng, case, (0, 1, 2, 3, 4)[number % BATCH])
        mixed = {matrix.weight for layer in network.layers
                 for matrix in (layer.input, layer.recurrent)}
        if case.cycles()[1][-1] <= CYCLES and mixed == set(weights):
            return case


def _check(cases, both=None):
    """All cases on Icarus, and the first so many, or all, on Verilator."""
    cases = [dataclasses.replace(case, design=verilog.generate(case.mapping))
             for case in cases]
    for simulator in SIMULATORS:
        taken = cases[:both] if simulator == "verilator" else cases
        for place, report in enumerate(simulate_many(taken, simulator=simulator)):
            assert report.mismatch is None, f"{place} on {report.simulator}: {report.mismatch}"
            assert report.transfers > 0


def _traits(key, case):
    """What a case has: every two of its choices, and what its arrays come to."""
    weight, kind, number = key
    layer, readout = case.network.layers[0], case.network.readout
    choices = [weight, kind, layer.cell, layer.precision, number, type(layer.input_format),
               readout and readout.when, len(case.network.layers)]
    geometries = case.mapping.geometries
    return {*itertools.combinations(enumerate(choices), 2),
            *((each.arithmetic, each.chains > 1) for each in geometries),
            *((each.multiplexed, each.activation_planes) for each in geometries),
            *(("serial", block.serial > 1) for each in geometries for block in each.blocks
              if each.multiplexed),
            *(("idle", each.chain_units % each.chain_elements > 0) for each in geometries),
            *case.lengths}


def _covering(drawn):
    """Few of the cases that together have all that all of them have, the fullest first."""
    traits = {key: _traits(key, case) for key, case in drawn.items()}
    left, chosen = set().union(*traits.values()), []
    while left:
        chosen.append(max(traits, key=lambda key: len(traits[key] & left)))
        left -= traits[chosen[-1]]
    return [drawn[key] for key in chosen]


@pytest.fixture(scope="module")
def drawn():
    """The small cases of one alphabet, by alphabet, kind of state and number."""
    return {key: draw_small(*key)
            for key in itertools.product(ALPHABETS.values(), KINDS, range(BATCH))}


@pytest.mark.parametrize("group", range(GROUPS))
def test_every_two(group, drawn):
    """Every two choices together, the fuller half of the cases on both simulators."""
    cases = _covering(drawn)[group::GROUPS]
    _check(cases, len(cases) // 2)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("weight", ALPHABETS.values())
def test_pair(weight, kind):
    """Weights and state codes of every kind together, in every environment."""
    _check([draw_small(weight, kind, number) for number in range(BATCH)])


def widened(network, rng):
    """The network with coefficients of up to 24 bits, and sums that drop as many more."""
    def wide(matrix, bits):
        low = rng.integers(0, 1 << bits, matrix.coefficients.shape)
        coefficients = (matrix.coefficients.astype(np.int64) << bits) + low
        return dataclasses.replace(matrix, coefficients=coefficients.astype(np.int32))

    layers = []
    for layer in network.layers:
        largest = max(int(np.abs(part.coefficients).max())
                      for part in (layer.input, layer.recurrent))
        bits = min(COEFFICIENT_BITS - largest.bit_length(), 40 - layer.shift)
        layers.append(refed(layer, matrix=wide(layer.input, bits),
                                          recurrent=wide(layer.recurrent, bits),
                                          shift=layer.shift + bits))
    return edited(network, layers=tuple(layers))


def test_wide_coefficients():
    """More bits than a multiplier of any board takes at once."""
    cases = []
    for number, (weight, kind) in enumerate([(INTEGER, "fixed"), (PLANES, "planes")]):
        case = draw_small(weight, kind, number)
        network = widened(case.network, np.random.default_rng(number))
        mapping = Mapping(network, case.mapping.folding)
        cases.append(dataclasses.replace(case, mapping=mapping))
    assert max(matrix.coefficients.max() for case in cases
               for matrix in case.network.matrices.values()) >= 1 << 23
    _check(cases)


#: Every two alphabets, with each kind of state in its turn.
MIXED = list(zip(itertools.combinations(ALPHABETS.values(), 2), itertools.cycle(KINDS),
                 strict=False))


@pytest.mark.parametrize("both", FEW)
@pytest.mark.parametrize("first", range(0, len(MIXED), BATCH))
def test_mixed_weights(first, both):
    """Two alphabets in one array."""
    _check([draw_small(*pair, number) for number, pair in enumerate(MIXED[first:first + BATCH])],
           both)


def draw_after_online(number):
    """A small case in which a layer of the kind ``KINDS[number]`` follows one with online planes,
    of another number if it has such planes itself.
    """
    rng = np.random.default_rng([number, 3])
    units, form = int(rng.integers(2, 7)), Online(Fixed(5 + number, 3 + number), 2 + number % 2)
    state = Online(Fixed(6, 5), 3) if KINDS[number] == "online" else KINDS[number]
    first, second = (random_network(rng, cell=LSTM, layers=1, units=units, inputs=inputs,
                                    classes=2, state_format=given, precision=PRECISIONS[number % 3])
                     for inputs, given in ((3, form), (units, state)))
    layer = refed(second.layers[0], format=form)
    network = Network.line("after", (first.layers[0], layer), second.readout)
    sequences = random_sequences(rng, network, 3, (1, 4))
    folding = _folding(rng, network, (5, 5), bool(number % 2))
    case = Case(Mapping(network, folding), tuple(sequences))
    return disturbed(rng, case, (0, 1, 2, 3, 4)[number])


@pytest.mark.parametrize("both", FEW)
def test_after_online(both):
    """Online planes into layers with state codes of every kind."""
    _check([draw_after_online(number) for number in range(len(KINDS))], both)


def draw_hostile(number):
    """A small case at the ends of what is allowed: every kind of state, every alphabet, in turn."""
    rng = np.random.default_rng([number, 4])
    kind = KINDS[number % len(KINDS)]
    while True:
        network = random_network(
            rng, layers=1, units=int(rng.integers(1, 7)), inputs=int(rng.integers(1, 7)), classes=2,
            weight=list(ALPHABETS.values())[number % len(ALPHABETS)], state_format=kind,
            readout=number % 4 != 3,
            hostile=(0.2, 0.5, 1.0)[number % 3])
        sequences = random_sequences(rng, network, 2, (1, 4))
        case = Case(Mapping(network, _folding(rng, network, (5, 5), bool(rng.integers(2)))),
                    tuple(sequences))
        case = disturbed(rng, case, number % 5)
        if case.cycles()[1][-1] <= CYCLES:
            return case


@pytest.mark.parametrize("first", [0])
def test_hostile(first):
    _check([draw_hostile(number) for number in range(first, first + BATCH)])


@pytest.mark.slow
@pytest.mark.parametrize("first", range(BATCH, BATCH + 120, BATCH))
def test_more_hostile(first):
    _check([draw_hostile(number) for number in range(first, first + BATCH)])


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, SLOW, 6))
def test_random_networks(first):
    _check([draw(seed) for seed in range(first, first + 6)])


def test_breadth(drawn):
    """What is drawn for ``make test`` has each kind of everything."""
    cases = _covering(drawn)
    pairs = {(layer.input.weight, type(layer.state_format))
             for case in cases for layer in case.network.layers[:1]}
    assert pairs == set(itertools.product(ALPHABETS.values(), FORMATS))
    layers = [layer for case in cases for layer in case.network.layers]
    assert {layer.cell for layer in layers} == set(CORE)
    assert {layer.precision for layer in layers} == set(PRECISIONS)
    assert {(type(layer.input_format), type(layer.state_format)) for layer in layers} >= \
        set(itertools.product((Fixed, Binary, Ternary, Planes), FORMATS))
    assert {length for case in cases for length in case.lengths} == {1, 2, 3, 4}
    assert {case.network.readout and case.network.readout.when for case in cases} == {*When, None}
    geometries = [each for case in cases for each in case.mapping.geometries]
    assert {(each.arithmetic, each.chains > 1) for each in geometries} == \
        set(itertools.product(Arithmetic, (False, True)))
    assert {(each.multiplexed, each.activation_planes) for each in geometries} >= \
        {(True, 2), (True, 3), (True, 4), (False, 2), (False, 3), (False, 4)}
    assert any(block.serial > 1 and each.multiplexed
               for each in geometries for block in each.blocks)
    assert any(each.chain_units % each.chain_elements for each in geometries)


def _load(loader, name):
    with importlib.resources.as_file(EXAMPLES / name) as path:
        return loader(path)


def _check_shipped(name, folding, count, simulator):
    network = _load(file.load, name)
    data = _load(dataset.load, f"{network.notes['data'].replace('-', '_')}.safetensors")
    # Evenly over the part, which may be sorted by class.
    part = data.part("test").sequences
    chosen = [part[place * len(part) // count] for place in range(count)]
    folding = Folding.uniform(network, **folding)
    design = verilog.generate(Mapping(network, folding))
    report = simulate(Mapping(network, folding), chosen, simulator=simulator, design=design)
    assert report.mismatch is None, f"{report.simulator}: {report.mismatch}"


@pytest.mark.parametrize("place, name", list(enumerate(SHIPPED)))
def test_shipped_network(place, name):
    """On one simulator each, in turn; on both with more sequences where there is time."""
    _check_shipped(name, {}, 2, list(SIMULATORS)[place % len(SIMULATORS)])


@pytest.mark.slow
@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_network_sequences(name):
    """Icarus takes as long for two sequences as Verilator for a hundred."""
    _check_shipped(name, {"pe": 8, "simd": 16}, 100, "verilator")
    _check_shipped(name, {"pe": 8, "simd": 16}, 2, "icarus")


def test_shipped_breadth():
    """The shipped networks that the issue asks for are there."""
    assert len(SHIPPED) >= 5
