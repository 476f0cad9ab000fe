# amaranth: UnusedElaboratable=no
"""Whole cores against golden model and timing model, in Amaranth's own simulator."""

import re

import numpy as np
import pytest
from amaranth import ClockDomain, Module, ResetSignal, Signal
from amaranth.sim import Simulator
from hwsim import converse, events, pack

from ternloom.hw.core import Core
from ternloom.mapping.folding import Folding, FoldingError, LayerFolding
from ternloom.mapping.mapping import Mapping
from ternloom.model.cell import LSTM
from ternloom.model.draw import random_network, random_sequences
from ternloom.model.format import Binary, Fixed, Planes
from ternloom.model.golden import run
from ternloom.model.network import When


OUTPUT = ("m_axis_tdata", "m_axis_tuser", "m_axis_tlast")


def beats_in(network, folding, sequences, rng):
    """Words of the input stream with their last flags; rubbish in slots that are ignored."""
    slots, width = folding.input_slots, network.input_format.width
    beats = []
    for sequence in sequences:
        bits = network.input_format.bits(sequence) & ((1 << width) - 1)
        for step, row in enumerate(bits):
            for first in range(0, len(row), slots):
                codes = row[first:first + slots].tolist()
                codes += rng.integers(0, 1 << width, slots - len(codes)).tolist()
                last = step == len(bits) - 1 and first + slots >= len(row)
                beats.append((pack(codes, width), int(last)))
    return beats


def beats_out(network, sequences):
    """Output transfers (data, user, last) as the golden model has them."""
    result, beats = run(network, sequences), []
    for vectors in result.logits:
        for step, logits in enumerate(vectors.tolist()):
            for index, logit in enumerate(logits):
                seen = logits[:index + 1]
                last = step == len(vectors) - 1 and index == len(logits) - 1
                beats.append((logit, seen.index(max(seen)), int(last)))
    return beats


def run_core(network, folding, beats, cycles, *, offers=None, ready=lambda cycle: 1):
    """Cycles of the input transfers, and (cycle, data, user, last) of the output transfers."""
    left = list(beats)

    def act(cycle, get):
        if taken and taken[-1] == cycle - 1 and left:
            left.pop(0)
        index = len(beats) - len(left)
        valid = bool(left) and (offers is None or cycle >= offers[index])
        data, last = left[0] if left else (0, 0)
        if valid and get("s_axis_tready"):
            taken.append(cycle)
        return {"s_axis_tvalid": int(valid), "s_axis_tdata": data, "s_axis_tlast": last,
                "m_axis_tready": int(ready(cycle))}

    taken, dut = [], Core(Mapping(network, folding))
    watched = {name: getattr(dut, name) for name in OUTPUT}
    watched |= {"valid": dut.m_axis_tvalid, "ready": dut.m_axis_tready}
    found = converse(dut, act, watched, cycles)
    return taken, events(found["valid"] & found["ready"], *(found[name] for name in OUTPUT))


def draw(seed):
    """A small network of one or two layers, its folding and sequences."""
    rng = np.random.default_rng(seed)
    layers = 1 + seed % 2
    network = random_network(rng, layers=layers, units=int(rng.integers(1, 7)),
                             inputs=int(rng.integers(1, 6)), classes=int(rng.integers(1, 4)))
    parts = tuple(LayerFolding(*rng.integers(2, 7, 2).tolist()) for _ in range(layers))
    folding = Folding.line(parts, LayerFolding(*rng.integers(1, 5, 2).tolist()),
                      int(rng.integers(1, parts[0].simd + 1)))
    return rng, network, folding, random_sequences(rng, network, 3, (1, 3))


def signed_data(network, data):
    """``tdata`` as the signed number of whole bytes that it is."""
    width = -(-network.readout.logits.width // 8) * 8
    return data - ((data >> (width - 1)) << width)


def check_values(network, found, expected):
    assert [(signed_data(network, data), user, last) for _, data, user, last in found] == expected


@pytest.mark.parametrize("seed", range(6))
def test_free(seed):
    """Values and cycles of every transfer, with a source and a sink that never wait."""
    rng, network, folding, sequences = draw(seed)
    timing = Mapping(network, folding).predict([len(sequence) for sequence in sequences])
    beats = beats_in(network, folding, sequences, rng)
    taken, found = run_core(network, folding, beats, int(timing.outputs[-1]) + 5)
    assert taken == timing.inputs.tolist()
    assert [cycle for cycle, *_ in found] == timing.outputs.tolist()
    check_values(network, found, beats_out(network, sequences))


@pytest.mark.parametrize("seed", range(3))
def test_gaps(seed):
    """The same with beats that come late."""
    rng, network, folding, sequences = draw(seed + 20)
    beats = beats_in(network, folding, sequences, rng)
    offers = np.cumsum(rng.integers(0, 25, len(beats)))
    timing = Mapping(network, folding).predict([len(sequence) for sequence in sequences], offers)
    taken, found = run_core(network, folding, beats, int(timing.outputs[-1]) + 5, offers=offers)
    assert taken == timing.inputs.tolist()
    assert [cycle for cycle, *_ in found] == timing.outputs.tolist()
    check_values(network, found, beats_out(network, sequences))


@pytest.mark.parametrize("seed", range(3))
def test_back_pressure(seed):
    """A sink that takes a beat now and then gets them all."""
    rng, network, folding, sequences = draw(seed + 40)
    timing = Mapping(network, folding).predict([len(sequence) for sequence in sequences])
    beats = beats_in(network, folding, sequences, rng)
    cycles = int(timing.outputs[-1]) + 40 * len(timing.outputs)
    _, found = run_core(network, folding, beats, cycles, ready=lambda cycle: rng.random() < 0.1)
    check_values(network, found, beats_out(network, sequences))


@pytest.mark.parametrize("kind", ["fixed", "ternary", "planes", "online"])
@pytest.mark.parametrize("seed", range(2))
def test_no_readout(seed, kind):
    """Codes of every step, and coefficients before them: values and cycles."""
    rng = np.random.default_rng(seed)
    network = random_network(rng, layers=1 + seed, units=int(rng.integers(2, 9)), inputs=3,
                             state_format=kind, readout=False)
    parts = (LayerFolding(6, 4),) * len(network.layers)
    folding = Folding.line(parts, None, 2)
    sequences = random_sequences(rng, network, 3, (1, 3))
    timing = Mapping(network, folding).predict([len(sequence) for sequence in sequences])
    beats = beats_in(network, folding, sequences, rng)
    taken, found = run_core(network, folding, beats, int(timing.outputs[-1]) + 5)
    assert taken == timing.inputs.tolist()
    assert [cycle for cycle, *_ in found] == timing.outputs.tolist()
    result, stream = run(network, sequences), Mapping(network, folding).given
    expected = []
    for index, codes in enumerate(result.codes):
        words = stream.pack(codes, coefficients=result.coefficients and result.coefficients[index])
        expected += [(word, int(place % stream.beats < stream.header), place == len(words) - 1)
                     for place, word in enumerate(words)]
    assert [tuple(beat) for _, *beat in found] == expected
    assert stream.header == (network.layers[-1].state_format.planes if kind == "online" else 0)


@pytest.mark.parametrize("form, slots, bits", [
    (Binary(), 1, 8), (Binary(), 9, 16), (Fixed(4, 2), 2, 8), (Fixed(5, 2), 2, 16),
    (Planes((1, 2, 4), 2), 3, 16),
])
def test_ports(form, slots, bits):
    """Streams are of whole bytes; the index has as many bits as the classes need."""
    network = random_network(1, inputs=9, layers=1, input_format=form, classes=5)
    core = Core(Mapping(network, Folding.line((LayerFolding(2, 9),), LayerFolding(1, 4), slots)))
    members = {name: (member.flow.name, member.shape) for name, member in
               core.signature.members.items()}
    widths = {name: len(getattr(core, name)) for name in members}
    assert widths == {
        "s_axis_tdata": bits, "s_axis_tvalid": 1, "s_axis_tready": 1, "s_axis_tlast": 1,
        "m_axis_tdata": -(-network.readout.logits.width // 8) * 8, "m_axis_tvalid": 1,
        "m_axis_tready": 1, "m_axis_tlast": 1, "m_axis_tuser": 3, "error": 1}


def test_reset():
    """Both streams are quiet in reset, and nothing that is offered then is taken."""
    _, network, folding, _ = draw(0)
    top = Module()
    top.domains.sync = ClockDomain()
    top.submodules.core = core = Core(Mapping(network, folding))
    reset = Signal()
    top.d.comb += ResetSignal("sync").eq(reset)
    seen = []

    async def testbench(ctx):
        ctx.set(core.s_axis_tvalid, 1)
        ctx.set(core.s_axis_tlast, 1)
        ctx.set(core.m_axis_tready, 0)
        for cycle in range(400):
            held = cycle in (0, 1) or cycle == 399
            ctx.set(reset, held)
            seen.append((held, ctx.get(core.s_axis_tready), ctx.get(core.m_axis_tvalid)))
            await ctx.tick()

    simulator = Simulator(top)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()
    assert {beat for beat in seen if beat[0]} == {(True, 0, 0)}
    assert seen[2] == (False, 1, 0)
    assert seen[398][2] == 1


def test_wrong_folding():
    network = random_network(1, layers=2, cell=LSTM, when=When.LAST)
    folding = Folding.line((LayerFolding(2, 2),), LayerFolding(1, 1))
    with pytest.raises(FoldingError, match="^" + re.escape(
            "folding must have 3 arrays, one for each of layer0, layer1, readout, not 2") + "$"):
        Core(Mapping(network, folding))
