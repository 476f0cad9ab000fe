"""The byte protocol between a host and a core."""

import itertools

import numpy as np
import pytest
from amaranth.sim import Simulator

from ternloom.boards.link import BytesToVectors, VectorsToBytes, pack_vector, unpack_vector


def drive(component, payloads, count, patience):
    """Pass payloads through until ``count`` came out, with ``patience`` cycles between them."""
    taken = []
    simulator = Simulator(component)
    simulator.add_clock(1e-6)

    async def source(ctx):
        for payload, wait in zip(payloads, itertools.cycle(patience)):
            if wait:
                await ctx.tick().repeat(wait)
            ctx.set(component.i.payload, payload)
            ctx.set(component.i.valid, 1)
            await ctx.tick().until(component.i.ready)
            ctx.set(component.i.valid, 0)

    async def sink(ctx):
        for wait in itertools.islice(itertools.cycle(patience[::-1]), count):
            if wait:
                await ctx.tick().repeat(wait)
            ctx.set(component.o.ready, 1)
            payload, = await ctx.tick().sample(component.o.payload).until(component.o.valid)
            taken.append(payload)
            ctx.set(component.o.ready, 0)

    simulator.add_testbench(source)
    simulator.add_testbench(sink)
    simulator.run()
    return taken


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
