"""A core behind a UART, bit by bit on the line."""

import dataclasses

import numpy as np
import pytest
from amaranth import ClockDomain, Module, ResetSignal, Signal
from amaranth.back import verilog
from amaranth.lib.wiring import In
from amaranth.sim import Simulator

from ternloom.boards.link import STATUS, pack_vector, unpack_status, unpack_vector
from ternloom.boards.shape import CoreShape
from ternloom.boards.top import Harness, UartCore, UartTop
from ternloom.hw.core import Core
from ternloom.hw.verilog import generate
from ternloom.mapping.folding import Folding, LayerFolding
from ternloom.mapping.mapping import Mapping
from ternloom.model.alphabet import TERNARY
from ternloom.model.cell import GRU_RESET_AFTER, LSTM
from ternloom.model.draw import random_network, random_sequences
from ternloom.model.format import Fixed, Ternary
from ternloom.model.golden import run
from ternloom.model.network import When


BIT = 8
SHAPE = CoreShape("summer", input_width=16, output_width=24, winner_width=2, beats=3, classes=3)


def beats_of(input_format, slots, vector):
    """Values of ``s_axis_tdata`` that carry a vector."""
    bits = [int(value) for value in input_format.bits(np.asarray(vector, dtype=np.int64))]
    return [sum(code << slot * input_format.width for slot, code in enumerate(bits[at:at + slots]))
            for at in range(0, len(bits), slots)]


def summer(ports):
    """A core of three beats a vector: the logits of a sequence are its sum s, 1000 - s and 0."""
    m = Module()
    total, left = Signal(24), Signal(2)
    logit = Signal(24)
    m.d.comb += [
        ports["s_axis_tready"].eq(left == 0),
        ports["m_axis_tvalid"].eq(left != 0),
        ports["m_axis_tdata"].eq(logit),
        ports["m_axis_tlast"].eq(left == 1),
        ports["m_axis_tuser"].eq(total < 500),
    ]
    with m.Switch(left):
        with m.Case(3):
            m.d.comb += logit.eq(total)
        with m.Case(2):
            m.d.comb += logit.eq(1000 - total)
    with m.If(ports["s_axis_tvalid"] & ports["s_axis_tready"]):
        m.d.sync += total.eq(total + ports["s_axis_tdata"])
        with m.If(ports["s_axis_tlast"]):
            m.d.sync += left.eq(3)
    with m.If(ports["m_axis_tvalid"] & ports["m_axis_tready"]):
        m.d.sync += left.eq(left - 1)
        with m.If(left == 1):
            m.d.sync += total.eq(0)
    return m


async def put(ctx, line, values):
    """Send bytes on a line."""
    for value in values:
        for bit in (0, *(value >> place & 1 for place in range(8)), 1):
            ctx.set(line, bit)
            await ctx.delay(BIT * 1e-6)


async def get(ctx, line, count):
    """Receive bytes from a line."""
    received = []
    for _ in range(count):
        await ctx.negedge(line)
        await ctx.delay(BIT * 0.5e-6)
        value = 0
        for place in range(8):
            await ctx.delay(BIT * 1e-6)
            value |= ctx.get(line) << place
        await ctx.delay(BIT * 1e-6)
        received.append(value)
    return bytes(received)


def simulate(module, *testbenches):
    simulator = Simulator(module)
    simulator.add_clock(1e-6)
    for testbench in testbenches:
        simulator.add_testbench(testbench)
    simulator.run()


def test_sequences():
    dut = UartCore(SHAPE, frequency=8_000_000, baud=1_000_000, core=summer)
    generator = np.random.default_rng(11)
    sequences = [generator.integers(0, 200, (length, 3)).tolist() for length in (1, 2, 1, 3)]
    answers = []

    async def host(ctx):
        for done, sequence in enumerate(sequences, 1):
            for number, vector in enumerate(sequence, 1):
                await put(ctx, dut.rx, pack_vector(vector, 2, last=number == len(sequence)))
            while len(answers) < done:
                await ctx.delay(BIT * 1e-6)
        assert not ctx.get(dut.lost)

    async def listener(ctx):
        for _ in sequences:
            answers.append(unpack_vector(await get(ctx, dut.tx, 10), 3, 3))

    simulate(dut, host, listener)
    sums = [int(np.sum(sequence)) for sequence in sequences]
    assert answers == [([total, 1000 - total, 0], int(total < 500)) for total in sums]


def real(network, folding):
    """The generated core as ``UartCore`` takes it."""
    def core(ports):
        m = Module()
        m.submodules.core = inside = Core(Mapping(network, folding))
        for name, port in ports.items():
            if name in ("clk", "rst"):
                continue
            own = getattr(inside, name)
            to_core = inside.signature.members[name].flow is In
            m.d.comb += own.eq(port) if to_core else port.eq(own)
        return m
    return core


@pytest.mark.parametrize(("cell", "when"), [(GRU_RESET_AFTER, When.EVERY),
                                            (LSTM, When.LAST)])
def test_network(cell, when):
    """A real core behind its UART gives the golden model's logits and winners."""
    network = random_network(3, cell=cell, when=when, layers=1, units=5, inputs=3, classes=4,
                             input_format=Fixed(4, 2), state_format=Ternary(),
                             weight=TERNARY)
    folding = Folding.uniform(network, pe=2, simd=3)
    sequences = random_sequences(4, network, 3, steps=(1, 4))
    shape = CoreShape.of(generate(Mapping(network, folding)))
    dut = UartCore(shape, frequency=8_000_000, baud=1_000_000, core=real(network, folding))
    size = shape.classes * shape.output_bytes + shape.winner_bytes
    counts = [len(sequence) if when is When.EVERY else 1 for sequence in sequences]
    answers = []

    async def host(ctx):
        due = 0
        for sequence in sequences:
            for number, vector in enumerate(sequence, 1):
                last = number == len(sequence)
                beats = beats_of(network.input_format, folding.input_slots, vector)
                await put(ctx, dut.rx, pack_vector(beats, shape.input_bytes, last=last))
                due += when is When.EVERY or last
                while len(answers) < due:
                    await ctx.delay(BIT * 1e-6)
        assert not ctx.get(dut.lost)

    async def listener(ctx):
        for _ in range(sum(counts)):
            answer = await get(ctx, dut.tx, size)
            answers.append(unpack_vector(answer, shape.classes, shape.output_bytes))

    simulate(dut, host, listener)
    expected = run(network, sequences)
    assert answers == [(logits.tolist(), winner)
                       for rows, winners in zip(expected.logits, expected.winners)
                       for logits, winner in zip(rows, winners.tolist())]


def test_codes():
    """Without a readout the codes of every step come back, and no index."""
    network = random_network(3, layers=1, units=5, inputs=3, input_format=Fixed(4, 2),
                             state_format=Ternary(), weight=TERNARY, readout=False)
    folding = Folding.line((LayerFolding(4, 2),), None)
    sequence = random_sequences(4, network, 1, steps=(3, 3))[0]
    shape = CoreShape.of(generate(Mapping(network, folding)))
    assert (shape.classes, shape.winner_bytes) == (3, 0)
    dut = UartCore(shape, frequency=8_000_000, baud=1_000_000, core=real(network, folding))
    answers = []

    async def host(ctx):
        for number, vector in enumerate(sequence, 1):
            beats = beats_of(network.input_format, folding.input_slots, vector)
            await put(ctx, dut.rx, pack_vector(beats, shape.input_bytes, last=number == 3))
            while len(answers) < number:
                await ctx.delay(BIT * 1e-6)

    async def listener(ctx):
        for _ in sequence:
            answers.append(await get(ctx, dut.tx, shape.classes * shape.output_bytes))

    simulate(dut, host, listener)
    codes = Mapping(network, folding).given.unpack(b"".join(answers))
    np.testing.assert_array_equal(codes, run(network, [sequence]).codes[0])


def test_overrun():
    """A host that sends on while answers are on their way loses bytes, and the board says so."""
    shape = dataclasses.replace(SHAPE, beats=1, input_width=8)
    dut = UartCore(shape, frequency=8_000_000, baud=1_000_000, core=summer)
    lost = []

    async def host(ctx):
        await put(ctx, dut.rx, b"\x01\x05")
        lost.append(ctx.get(dut.lost))
        await put(ctx, dut.rx, b"\x01\x05" * 6)
        lost.append(ctx.get(dut.lost))

    simulate(dut, host)
    assert lost == [0, 1]


def failing(ports):
    """The same core, which finds an error in each sequence's end."""
    m = summer(ports)
    with m.If(ports["s_axis_tvalid"] & ports["s_axis_tlast"]):
        m.d.sync += ports["error"].eq(1)
    return m


def test_status():
    """What went wrong is told where it is asked for, until a break."""
    m = Module()
    m.domains.sync = ClockDomain()
    m.submodules.dut = dut = UartCore(SHAPE, frequency=8_000_000, baud=1_000_000, core=failing)
    m.d.comb += ResetSignal("sync").eq(dut.restart)
    answers = []

    async def host(ctx):
        await put(ctx, dut.rx, STATUS)
        await ctx.delay(12 * BIT * 1e-6)
        await put(ctx, dut.rx, pack_vector([4, 5, 6], 2, last=True) + STATUS)
        await ctx.delay(130 * BIT * 1e-6)
        ctx.set(dut.rx, 0)
        await ctx.delay(12 * BIT * 1e-6)
        ctx.set(dut.rx, 1)
        await ctx.delay(2 * BIT * 1e-6)
        await put(ctx, dut.rx, STATUS)

    async def listener(ctx):
        answers.append(unpack_status(await get(ctx, dut.tx, 1)))
        answers.append(unpack_vector(await get(ctx, dut.tx, 10), 3, 3))
        answers.append(unpack_status(await get(ctx, dut.tx, 1)))
        answers.append(unpack_status(await get(ctx, dut.tx, 1)))

    simulate(m, host, listener)
    assert answers == [(False, False), ([15, 985, 0], 1), (True, False), (False, False)]


def test_restart():
    """A break in the middle of a vector starts everything afresh."""
    m = Module()
    m.domains.sync = ClockDomain()
    m.submodules.dut = dut = UartCore(SHAPE, frequency=8_000_000, baud=1_000_000, core=summer)
    m.d.comb += ResetSignal("sync").eq(dut.restart)
    answers = []

    async def host(ctx):
        await put(ctx, dut.rx, pack_vector([9, 9, 9], 2, last=False)[:4])
        ctx.set(dut.rx, 0)
        await ctx.delay(12 * BIT * 1e-6)
        ctx.set(dut.rx, 1)
        await ctx.delay(2 * BIT * 1e-6)
        await put(ctx, dut.rx, pack_vector([1, 2, 3], 2, last=True))

    async def listener(ctx):
        answers.append(unpack_vector(await get(ctx, dut.tx, 10), 3, 3))

    simulate(m, host, listener)
    assert answers == [([6, 994, 0], 1)]


def test_board_reset():
    """A board hears nothing for the 1024 cycles that its block RAM needs, and all of it later."""
    dut = UartTop(SHAPE, pll=None, frequency=8_000_000, baud=1_000_000, invert_led=True,
                  core=summer)
    answers, leds = [], []

    async def clock(ctx):
        while True:
            for level in (0, 1):
                ctx.set(dut.clk, level)
                await ctx.delay(0.5e-6)

    async def host(ctx):
        ctx.set(dut.rx, 1)
        await put(ctx, dut.rx, pack_vector([7, 7, 7], 2, last=True))
        await ctx.delay(1024e-6)
        await put(ctx, dut.rx, pack_vector([4, 5, 6], 2, last=True))

    async def listener(ctx):
        answers.append(unpack_vector(await get(ctx, dut.tx, 10), 3, 3))
        leds.append(ctx.get(dut.led))

    simulator = Simulator(dut)
    simulator.add_testbench(clock, background=True)
    simulator.add_testbench(host)
    simulator.add_testbench(listener)
    simulator.run()
    assert answers == [([15, 985, 0], 1)]
    assert leds == [1]


def test_harness_registers():
    harness = Harness(SHAPE)
    text = verilog.convert(harness, name="harness")
    assert harness.registers == (16 + 4) + (24 + 2 + 4)
    assert f"reg [{16 + 4 - 1}:0] shift" in text
    assert f"reg [{24 + 2 + 4 - 1}:0] kept" in text
    assert text.count("always @(posedge") == 2
