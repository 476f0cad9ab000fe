"""The byte protocol between a host and a core."""


import numpy as np
import pytest
from amaranth.sim import Simulator
from hwsim import drive

from ternloom.boards.link import (STATUS, BytesToVectors, VectorsToBytes, pack_vector,
                                  unpack_status, unpack_vector)


@pytest.mark.parametrize("patience", [[0], [0, 3, 1], [2, 0, 0, 5]])
@pytest.mark.parametrize(("width", "beats"), [(8, 1), (8, 5), (16, 3), (40, 2)])
def test_bytes_to_vectors(width, beats, patience):
    generator = np.random.default_rng(width + beats)
    vectors = [[int.from_bytes(generator.bytes(width // 8), "little") for _ in range(beats)]
               for _ in range(7)]
    lasts = [False, True, False, False, True, True, False]
    sent = b"".join(pack_vector(vector, width // 8, last=last)
                    for vector, last in zip(vectors, lasts))
    taken = drive(BytesToVectors(width, beats), sent, 7 * beats, patience)
    expected = [(value, int(last and place == beats - 1))
                for vector, last in zip(vectors, lasts) for place, value in enumerate(vector)]
    assert [(payload.data, payload.last) for payload in taken] == expected


@pytest.mark.parametrize("patience", [[0], [0, 3, 1]])
@pytest.mark.parametrize(("width", "winner_width", "classes"),
                         [(8, 1, 1), (16, 4, 10), (24, 9, 300), (16, 1, 2)])
def test_vectors_to_bytes(width, winner_width, classes, patience):
    generator = np.random.default_rng(width + classes)
    count = 2 if classes > 100 else 4
    logits = generator.integers(-2 ** (width - 1), 2 ** (width - 1), (count, classes))
    winners = logits.argmax(axis=1)
    payloads = [{"data": int(logit) & (2**width - 1),
                 "winner": int(winner) if place == classes - 1 else 0}
                for row, winner in zip(logits, winners) for place, logit in enumerate(row)]
    size = classes * width // 8 + -(-winner_width // 8)
    answer = bytes(drive(VectorsToBytes(width, winner_width, classes), payloads, count * size,
                         patience))
    for number in range(count):
        found = unpack_vector(answer[number * size:(number + 1) * size], classes, width // 8)
        assert found == (logits[number].tolist(), winners[number])


def test_question():
    """A flag byte that asks for the status is told, and no part of a vector."""
    sent = b"".join([pack_vector([5, 2], 1, last=False), STATUS, STATUS, b"\xff",
                     pack_vector([2, 2], 1, last=True), STATUS])
    dut, taken, asked = BytesToVectors(8, 2), [], []
    simulator = Simulator(dut)
    simulator.add_clock(1e-6)

    async def host(ctx):
        ctx.set(dut.o.ready, 1)
        ctx.set(dut.i.valid, 1)
        for place, byte in enumerate(sent):
            ctx.set(dut.i.payload, byte)
            while not ctx.get(dut.i.ready):
                await ctx.tick()
            if ctx.get(dut.ask):
                asked.append(place)
            await ctx.tick()

    async def core(ctx):
        async for _, reset, valid, payload in ctx.tick().sample(dut.o.valid, dut.o.payload):
            if valid:
                taken.append((payload.data, payload.last))

    simulator.add_testbench(host)
    simulator.add_testbench(core, background=True)
    simulator.run()
    assert asked == [3, 4, 5, 9]
    assert taken == [(5, 0), (2, 0), (2, 0), (2, 1)]


@pytest.mark.parametrize("when, before", [(0, 0), (1, 0), (2, 1), (5, 1), (9, 1), (20, 2), (40, 2)])
def test_status(when, before):
    """The status comes behind so many vectors, never within one."""
    dut, taken = VectorsToBytes(16, 2, 3), []
    simulator = Simulator(dut)
    simulator.add_clock(1e-6)

    async def core(ctx):
        ctx.set(dut.i.p.data, 0xaaaa)
        ctx.set(dut.i.p.winner, 1)
        await ctx.tick()
        await ctx.tick()
        for _ in range(6):
            ctx.set(dut.i.valid, 1)
            await ctx.tick().until(dut.i.ready)
            ctx.set(dut.i.valid, 0)

    async def host(ctx):
        ctx.set(dut.o.ready, 1)
        for cycle in range(80):
            ctx.set(dut.ask, cycle == when)
            ctx.set(dut.status, 2)
            if ctx.get(dut.o.valid):
                taken.append(ctx.get(dut.o.payload))
            await ctx.tick()

    simulator.add_testbench(core)
    simulator.add_testbench(host)
    simulator.run()
    vector = [0xaa] * 6 + [1]
    assert taken == vector * before + [2] + vector * (2 - before)


def test_unpack_status():
    assert [unpack_status(bytes([value])) for value in range(4)] == [
        (False, False), (True, False), (False, True), (True, True)]
