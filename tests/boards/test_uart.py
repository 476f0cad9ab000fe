"""The UART: bytes over a line whose rate the clock does not divide evenly."""

import numpy as np
import pytest
from amaranth import Module
from amaranth.sim import Simulator

from ternloom.boards.uart import UartReceiver, UartTransmitter, phase_increment, phase_width


RATES = [(1_000_000, 250_000), (24_000_000, 1_000_000), (27_000_000, 2_000_000),
         (1_000_000, 115_200)]


def simulate(module, *testbenches, background=()):
    simulator = Simulator(module)
    simulator.add_clock(1e-6)
    for testbench in testbenches:
        simulator.add_testbench(testbench)
    for testbench in background:
        simulator.add_testbench(testbench, background=True)
    simulator.run()


async def send(ctx, line, value, bit_cycles, *, stop=1):
    """Drive a frame on a line with bits of a rational number of cycles."""
    done = 0
    for number, bit in enumerate([0, *(value >> place & 1 for place in range(8)), stop], 1):
        ctx.set(line, bit)
        due = round(number * bit_cycles)
        await ctx.tick().repeat(due - done)
        done = due


@pytest.mark.parametrize(("frequency", "baud"), RATES)
def test_loop(frequency, baud):
    sent = np.random.default_rng(5).integers(0, 256, 40).tolist() + [0x00, 0xFF, 0x55]
    received = []
    m = Module()
    m.submodules.transmitter = transmitter = UartTransmitter(frequency=frequency, baud=baud)
    m.submodules.receiver = receiver = UartReceiver(frequency=frequency, baud=baud)
    m.d.comb += receiver.rx.eq(transmitter.tx)

    async def source(ctx):
        for value in sent:
            ctx.set(transmitter.i.payload, value)
            ctx.set(transmitter.i.valid, 1)
            await ctx.tick().until(transmitter.i.ready)
            ctx.set(transmitter.i.valid, 0)

    async def sink(ctx):
        ctx.set(receiver.o.ready, 1)
        for _ in sent:
            payload, = await ctx.tick().sample(receiver.o.payload).until(receiver.o.valid)
            received.append(payload)

    async def watch(ctx):
        async for _, _, overrun, broken in ctx.tick().sample(receiver.overrun, receiver.broken):
            assert not overrun and not broken

    simulate(m, source, sink, background=[watch])
    assert received == sent


@pytest.mark.parametrize("skew", [0.96, 1.0, 1.04])
def test_skewed_host(skew):
    receiver = UartReceiver(frequency=16_000_000, baud=1_000_000)
    sent, received = [0x00, 0xFF, 0xA5, 0x5A, 0x80, 0x01], []

    async def host(ctx):
        ctx.set(receiver.o.ready, 1)
        for value in sent:
            await send(ctx, receiver.rx, value, 16 * skew)
        await ctx.tick().repeat(40)

    async def sink(ctx):
        async for _, _, valid, payload in ctx.tick().sample(receiver.o.valid, receiver.o.payload):
            if valid:
                received.append(payload)

    simulate(receiver, host, background=[sink])
    assert received == sent


def test_overrun():
    receiver = UartReceiver(frequency=16_000_000, baud=1_000_000)
    lost = []

    async def host(ctx):
        await send(ctx, receiver.rx, 0x11, 16)
        await send(ctx, receiver.rx, 0x22, 16)
        await ctx.tick().repeat(4)
        assert ctx.get(receiver.o.payload) == 0x11

    async def watch(ctx):
        async for _, _, overrun in ctx.tick().sample(receiver.overrun):
            lost.append(overrun)

    simulate(receiver, host, background=[watch])
    assert sum(lost) == 1


def test_break():
    receiver = UartReceiver(frequency=16_000_000, baud=1_000_000)
    breaks, received = [], []

    async def host(ctx):
        ctx.set(receiver.o.ready, 1)
        ctx.set(receiver.rx, 0)
        await ctx.tick().repeat(40 * 16)
        ctx.set(receiver.rx, 1)
        await ctx.tick().repeat(32)
        await send(ctx, receiver.rx, 0x33, 16)
        await ctx.tick().repeat(32)

    async def watch(ctx):
        async for _, _, broken, valid, payload in ctx.tick().sample(
                receiver.broken, receiver.o.valid, receiver.o.payload):
            breaks.append(broken)
            if valid:
                received.append(payload)

    simulate(receiver, host, background=[watch])
    assert sum(breaks) == 1
    assert received == [0x33]


def test_glitch():
    receiver = UartReceiver(frequency=16_000_000, baud=1_000_000)
    received = []

    async def host(ctx):
        ctx.set(receiver.o.ready, 1)
        ctx.set(receiver.rx, 0)
        await ctx.tick().repeat(3)
        ctx.set(receiver.rx, 1)
        await ctx.tick().repeat(30)
        await send(ctx, receiver.rx, 0x77, 16)
        await ctx.tick().repeat(32)

    async def watch(ctx):
        async for _, _, valid, payload in ctx.tick().sample(receiver.o.valid, receiver.o.payload):
            if valid:
                received.append(payload)

    simulate(receiver, host, background=[watch])
    assert received == [0x77]


@pytest.mark.parametrize(("frequency", "baud"), [*RATES, (12_000_000, 115_200), (75_000_000, 300)])
def test_rate_error(frequency, baud):
    made = phase_increment(frequency, baud) * frequency / 2 ** phase_width(frequency, baud)
    assert abs(made / baud - 1) < 0.0005


@pytest.mark.parametrize("baud", [0, 3_000_001])
def test_rate_refusal(baud):
    with pytest.raises(ValueError) as error:
        phase_increment(12_000_000, baud)
    assert str(error.value) == f"UART rate must be from 1 to 3000000 baud at 12 MHz, not {baud}"
