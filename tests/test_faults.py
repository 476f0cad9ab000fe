"""Benches can fail: every planted fault is caught, and told by the name of a signal."""

import dataclasses
import itertools
import re

import pytest
from edit import edited, refed

from ternloom.hw import verilog
from ternloom.mapping.folding import Folding, LayerFolding
from ternloom.mapping.mapping import Mapping
from ternloom.model.alphabet import BINARY, EXPONENTIAL, INTEGER, QUATERNARY
from ternloom.model.cell import LSTM
from ternloom.model.draw import random_network, random_sequences
from ternloom.model.format import Fixed, Online
from ternloom.model.network import When
from ternloom.model.precision import Precision
from ternloom.sim.case import Case
from ternloom.sim.faults import FAULTS, FaultError, plant
from ternloom.sim.run import simulate_many


#: Simulations that all faults are spread over, so that several processes share the work.
GROUPS = 8

#: Where a fault must be found, for those that leave one trace.
PLACES = {"gate-table": "layer0.gate.i[", "output-table": "layer0.h[", "saturation": "layer0.cell[",
          "state-kept": "layer0.cell[", "readout-weight": "readout.logits[",
          "tie": "readout.argmax", "output-latency": "m_axis_tvalid", "wait-long": "s_axis_tready",
          "back-pressure": "m_axis_t", "online-count": "layer0.beta[",
          "online-rounding": "layer0.beta[", "online-start": "layer0.gate.",
          "online-bank": "readout.logits[", "codes-mask": "m_axis_tdata",
          "codes-coefficient": "layer0.beta[", "codes-last": "m_axis_tlast",
          "error-silent": "error"}


def _network():
    """An LSTM of which every part matters: it saturates, has ties, and beats with spare slots."""
    network = random_network(12, layers=1, cell=LSTM, units=6, inputs=5, classes=4,
                             input_format=Fixed(6, 4), state_format=Fixed(6, 4),
                             weight=BINARY, when=When.EVERY,
                             precision=Precision(Fixed(7, 4), 6, Fixed(8, 7)))
    # Class 2 is class 1 again, and so they tie at every step.
    same = [0, 1, 1, 3]
    weights = network.readout.weights
    weights = dataclasses.replace(weights, codes=weights.codes[:, same],
                                  coefficients=weights.coefficients[:, same])
    readout = refed(network.readout, matrix=weights,
                                  bias=network.readout.bias[same] + [0, 9000, 9000, 0])
    return edited(network, readout=readout, name="faulty")


@pytest.fixture(scope="module")
def sound():
    network = _network()
    folding = Folding.line((LayerFolding(4, 4),), LayerFolding(1, 4), 2)
    sequences = tuple(random_sequences(12, network, 6, (4, 9)))
    return Case(Mapping(network, folding), sequences, verilog.generate(Mapping(network, folding)))


@pytest.fixture(scope="module")
def online():
    """A case with online planes and ties, in four chains; one of their eight units is absent."""
    network = random_network(5, layers=1, cell=LSTM, units=7, inputs=5, classes=4,
                             input_format=Fixed(6, 4), state_format=Online(Fixed(4, 3), 2),
                             weight=BINARY, when=When.EVERY,
                             precision=Precision(Fixed(7, 4), 6, Fixed(8, 7)))
    folding = Folding.line((LayerFolding(8, 4),), LayerFolding(1, 4), 2)
    sequences = tuple(random_sequences(12, network, 6, (4, 9)))
    return Case(Mapping(network, folding), sequences, verilog.generate(Mapping(network, folding)))


@pytest.fixture(scope="module")
def bare(online):
    """The same without a readout."""
    network = edited(online.network, readout=None)
    folding = online.mapping.folding
    mapping = Mapping(network, Folding(folding.arrays[:-1], folding.input_slots))
    return Case(mapping, online.sequences, verilog.generate(mapping))


def test_number():
    assert len(FAULTS) >= 12
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)


def test_sound_core(sound, online, bare):
    """In each environment that a fault needs."""
    environments = {repr(fields): fields
                    for fields in [{}, *(fault.environment for fault in FAULTS)]}
    cases = [dataclasses.replace(sound, **fields) for fields in environments.values()]
    for report in simulate_many([*cases, online, bare], simulator="icarus"):
        assert report.mismatch is None, report.mismatch


@pytest.mark.parametrize("group", range(GROUPS))
def test_fault(group, sound, online, bare):
    """Some of the faults, all in one simulation."""
    kinds, faults = {"online": online, "codes": bare}, FAULTS[group::GROUPS]
    cases = [plant(fault, kinds.get(fault.name.partition("-")[0], sound)) for fault in faults]
    for fault, report in zip(faults, simulate_many(cases, simulator="icarus"), strict=True):
        mismatch = report.mismatch
        assert mismatch is not None, fault.name
        assert re.fullmatch(r"[sm]_axis_t\w+|error|readout\.\w+(\[\d+\])?|layer0\.[\w.]+\[\d+\]",
                            mismatch.signal), fault.name
        assert mismatch.signal.startswith(PLACES.get(fault.name, "")), fault.name
        assert mismatch.expected != mismatch.got, fault.name
        assert 0 <= mismatch.sequence < 6, fault.name
        assert mismatch.cycle > 0, fault.name


def test_no_place(sound):
    """A fault that finds nothing to spoil is an error, not a core without a fault."""
    other = dataclasses.replace(sound.design, verilog="module ternloom_core(); endmodule")
    with pytest.raises(FaultError,
                       match="^core ternloom_core has no module layer0.state.chain0$"):
        plant(_named("bank"), dataclasses.replace(sound, design=other))


def test_no_effect(sound):
    network = edited(sound.network, layers=(dataclasses.replace(
        sound.network.layers[0], shift=0),))
    with pytest.raises(FaultError, match="^no fault of halves shows in the output of faulty$"):
        plant(_named("rounding-half"),
              dataclasses.replace(sound, mapping=Mapping(network, sound.mapping.folding)))


def _named(name):
    return next(fault for fault in FAULTS if fault.name == name)


def _wide(weight):
    """A case with weights of several bits."""
    network = random_network(3, layers=1, cell=LSTM, units=4, inputs=3, classes=2,
                             input_format=Fixed(4, 2), state_format=Fixed(4, 3), weight=weight,
                             when=When.EVERY, precision=Precision(Fixed(6, 4), 5, Fixed(8, 6)))
    folding = Folding.line((LayerFolding(2, 2),), LayerFolding(1, 2), 1)
    return Case(Mapping(network, folding), tuple(random_sequences(3, network, 2, (3, 4))),
                verilog.generate(Mapping(network, folding)))


def test_wide_weights():
    """Faults in weights of several bits."""
    sound = {weight: _wide(weight) for weight in (QUATERNARY, EXPONENTIAL, INTEGER)}
    pairs = list(itertools.product(sound, ("input-weight", "recurrent-weight")))
    reports = simulate_many([plant(_named(planted), sound[weight]) for weight, planted in pairs],
                            simulator="icarus")
    for pair, report in zip(pairs, reports, strict=True):
        assert report.mismatch is not None, pair
        assert report.mismatch.signal.startswith("layer0.gate."), pair
