"""Generated Verilog against golden and timing model, on both simulators, without tolerance."""

import dataclasses
import importlib.resources
import itertools

import numpy as np
import pytest

from ternloom.hw import emit
from ternloom.model import dataset, file
from ternloom.model.folding import Folding, LayerFolding
from ternloom.model.format import Binary, Fixed, Planes, Ternary
from ternloom.model.geometry import Element, network_geometry
from ternloom.model.network import Cell, Weight, When
from ternloom.model.random import random_network, random_sequences
from ternloom.sim.build import SIMULATORS
from ternloom.sim.case import Case
from ternloom.sim.run import simulate, simulate_many


#: Networks that one simulation runs side by side.
BATCH = 6
#: Networks of ``make test``, and those that ``make test-all`` adds.
QUICK, SLOW = 60, 440
#: Cycles that a case may take.
CYCLES = 2500

EXAMPLES = importlib.resources.files("ternloom.examples")
SHIPPED = sorted(path.name for path in EXAMPLES.iterdir()
                 if path.name.endswith(".safetensors") and "-" in path.name)


def _folding(rng, network):
    layers = tuple(LayerFolding(int(rng.integers(1, 9)), int(rng.integers(1, 13)))
                   for _ in network.layers)
    readout = LayerFolding(int(rng.integers(1, 5)), int(rng.integers(1, 9)))
    return Folding(layers, readout, int(rng.integers(1, layers[0].simd + 1)))


def _environment(rng, case, kind):
    """The case with gaps in the input, back-pressure or resets, as bits 0 to 2 of ``kind`` say."""
    fields = {}
    if kind & 1:
        gaps = rng.integers(0, 12, case.first_beats[-1]) ** 2
        fields["offers"] = tuple(np.cumsum(gaps // 3).tolist())
    if kind & 2:
        pattern = rng.integers(0, 2, int(rng.integers(1, 12)))
        fields["ready"] = (*pattern.tolist(), 1)
    if kind & 4:
        end = case.cycles()[1][-1]
        fields["resets"] = tuple(int(cycle) for cycle in rng.integers(1, end, 2))
    return dataclasses.replace(case, **fields)


def draw(seed):
    """A case of at most ``CYCLES`` cycles, the same for the same seed."""
    rng = np.random.default_rng(seed)
    while True:
        network = random_network(rng, layers=int(rng.choice([1, 2, 3], p=[0.6, 0.25, 0.15])))
        sequences = random_sequences(rng, network, int(rng.integers(2, 5)), (1, 5))
        case = _environment(rng, Case(network, _folding(rng, network), tuple(sequences)), seed % 8)
        if case.cycles()[1][-1] <= CYCLES:
            return case


def _check(first, count):
    cases = [draw(seed) for seed in range(first, first + count)]
    cases = [dataclasses.replace(case, design=emit.generate(case.network, case.folding))
             for case in cases]
    for simulator in SIMULATORS:
        reports = simulate_many(cases, simulator=simulator)
        for seed, report in enumerate(reports, first):
            assert report.mismatch is None, f"seed {seed} on {report.simulator}: {report.mismatch}"
            assert report.transfers > 0


@pytest.mark.parametrize("first", range(0, QUICK, BATCH))
def test_random_networks(first):
    _check(first, BATCH)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(QUICK, QUICK + SLOW, BATCH))
def test_more_random_networks(first):
    _check(first, min(BATCH, QUICK + SLOW - first))


def test_random_breadth():
    """What is drawn for ``make test`` has each kind of everything, and a few of their pairs."""
    cases = [draw(seed) for seed in range(QUICK)]
    layers = [layer for case in cases for layer in case.network.layers]
    assert {layer.cell for layer in layers} == set(Cell)
    assert {layer.input.weight for layer in layers} == set(Weight)
    assert {type(layer.input_format) for layer in layers} == {Fixed, Binary, Ternary, Planes}
    assert {type(layer.state_format) for layer in layers} == {Fixed, Binary, Ternary, Planes}
    assert {case.network.readout.when for case in cases} == set(When)
    assert {len(case.network.layers) for case in cases} == {1, 2, 3}
    assert {length for case in cases for length in case.lengths} == {1, 2, 3, 4, 5}
    geometries = [each for case in cases for each in network_geometry(case.network, case.folding)]
    assert {(each.element, each.chains > 1) for each in geometries} >= \
        set(itertools.product(Element, (False, True)))
    assert any(each.units % each.elements for each in geometries)
    assert any(layer.units % folding.simd for case in cases
               for layer, folding in zip(case.network.layers, case.folding.layers, strict=True))


def _load(loader, name):
    with importlib.resources.as_file(EXAMPLES / name) as path:
        return loader(path)


def _check_shipped(name, folding, clips):
    network = _load(file.load, name)
    data = _load(dataset.load, f"{network.notes['data'].replace('-', '_')}.safetensors")
    # Evenly over the part, which may be sorted by class.
    part = data.part("test").sequences
    chosen = [part[place * len(part) // clips] for place in range(clips)]
    folding = Folding.uniform(network, **folding)
    design = emit.generate(network, folding)
    for simulator in SIMULATORS:
        report = simulate(network, folding, chosen, simulator=simulator, design=design)
        assert report.mismatch is None, f"{report.simulator}: {report.mismatch}"


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_network(name):
    _check_shipped(name, {}, 2)


@pytest.mark.slow
@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_network_clips(name):
    _check_shipped(name, {"pe": 8, "simd": 16}, 100)


def test_shipped_breadth():
    """The shipped networks that the issue asks for are there."""
    assert len(SHIPPED) >= 5
