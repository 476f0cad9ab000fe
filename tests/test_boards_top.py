"""A core behind a UART, bit by bit on the line."""

import dataclasses

import numpy as np
from amaranth import ClockDomain, Module, ResetSignal, Signal
from amaranth.back import verilog
from amaranth.sim import Simulator

from ternloom.boards.link import pack_vector, unpack_vector
from ternloom.boards.shape import CoreShape
from ternloom.boards.top import Harness, UartCore, UartTop


BIT = 8
SHAPE = CoreShape("summer", input_width=16, output_width=24, winner_width=2, beats=3, classes=3)


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
    """The board's own reset ends after its block RAM is ready, and again after a break."""
    top = UartTop(SHAPE, pll=None, frequency=8_000_000, baud=1_000_000, invert_led=True)
    text = verilog.convert(top, name="top")
    assert "summer " in text
    assert ".rst(rst)" in text


def test_harness_registers():
    harness = Harness(SHAPE)
    text = verilog.convert(harness, name="harness")
    assert harness.registers == (16 + 4) + (24 + 2 + 3)
    assert f"reg [{16 + 4 - 1}:0] shift" in text
    assert f"reg [{24 + 2 + 3 - 1}:0] kept" in text
    assert text.count("always @(posedge") == 2
