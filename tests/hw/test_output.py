"""The output queue against a count of what is in it, and codes on their way out."""

import numpy as np
import pytest
from hwsim import converse, events, pack, play

from ternloom.hw.output import CodeOutput, OutputQueue, beat_layout
from ternloom.mapping.folding import Folding, LayerFolding
from ternloom.mapping.mapping import Mapping
from ternloom.model.draw import random_network
from ternloom.model.format import Fixed, Online, Planes


OUTPUT = ("data", "user", "last")


@pytest.mark.parametrize("vectors", (1, 2))
@pytest.mark.parametrize("beats", (1, 2, 5))
def test_queue(beats, vectors):
    """Room is counted from the reservation of a vector until its beats are taken."""
    rng, capacity = np.random.default_rng(47), beats * vectors
    held, coming, put, rooms = 0, 0, [], []

    def act(cycle, get):
        nonlocal held, coming
        rooms.append((get("room.space"), int(held <= capacity - beats)))
        reserve = int(get("room.space") and rng.random() < 0.5)
        ready, valid = int(rng.random() < 0.4), int(coming and rng.random() < 0.7)
        beat = {"data": int(rng.integers(-8, 8)), "user": int(rng.integers(beats)),
                "last": int(rng.integers(2))}
        if valid:
            put.append(tuple(beat.values()))
        held += beats * reserve - int(ready and get("o.valid"))
        coming += beats * reserve - valid
        return {"room.reserve": reserve, "i.valid": valid, "o.ready": ready, "i.data": beat}

    dut = OutputQueue(beat_layout(range(-8, 8), 3), beats, vectors=vectors)
    watched = {"valid": dut.o.valid, "ready": dut.o.ready}
    watched |= {name: getattr(dut.o.payload, name) for name in OUTPUT}
    found = converse(dut, act, watched, 300)
    took = events(found["valid"] & found["ready"], *(found[name] for name in OUTPUT))
    assert all(got == want for got, want in rooms)
    assert {want for _, want in rooms} == {0, 1}
    assert len(took) > 20
    assert [tuple(beat) for _, *beat in took] == put[:len(took)]


def test_queue_latency():
    """A beat is there two cycles after it went in, also where a vector has one."""
    dut = OutputQueue(beat_layout(range(-8, 8), 1), 1, vectors=1)
    beat = {"data": 3, "user": 0, "last": 1}
    rest = {"data": 0, "user": 0, "last": 0}
    found = play(dut, {"i.valid": [0, 1, 0, 0, 0, 0], "i.data": [rest, beat] + [rest] * 4,
                       "o.ready": [1] * 6, "room.reserve": [1] + [0] * 5},
                 {"valid": dut.o.valid, "data": dut.o.payload.data, "last": dut.o.payload.last})
    assert events(found["valid"], found["data"], found["last"]) == [(3, 3, 1)]


@pytest.mark.parametrize("units, chains", [(7, 2), (8, 4), (5, 1), (1, 1), (9, 4)])
def test_codes(units, chains):
    """Codes leave in the order of the units, with zero slots behind the last and tlast on it."""
    form = Planes((3, 1), 1)
    network = random_network(1, layers=1, units=units, inputs=3, state_format=form, readout=False)
    folding = Folding.line((LayerFolding(4 * chains, chains),), None)
    geometry = Mapping(network, folding).geometries[0]
    rng = np.random.default_rng(units)
    slots, depth = geometry.chains, geometry.chain_units
    codes = rng.integers(0, 4, (3, depth * slots))
    last = [0, 1, 1]
    words = [pack(codes[vector, first:first + slots], 2)
             for vector in range(3) for first in range(0, codes.shape[1], slots)]
    drive = {"i.room.reserve": [], "i.valid": [], "i.data": [], "i.last": [], "o.ready": []}
    for place, word in enumerate(words):
        vector = place // depth
        for cycle in range(3):
            drive["i.room.reserve"].append(int(cycle == 0 and place % depth == 0))
            drive["i.valid"].append(int(cycle == 1))
            drive["i.data"].append(word if cycle == 1 else 0)
            # The flag means something with a vector's last beat only.
            ends = cycle == 1 and place % depth == depth - 1
            drive["i.last"].append(last[vector] if ends else int(rng.integers(2)))
            drive["o.ready"].append(1)
    for values in drive.values():
        values += [values[-1] if values is drive["o.ready"] else 0] * 4
    dut = CodeOutput(network.layers[0], geometry)
    found = play(dut, drive, {"valid": dut.o.valid} | {name: getattr(dut.o.payload, name)
                                                       for name in OUTPUT})
    codes[:, units:] = 0
    expected = [(3 * place + 3,
                 pack(codes.reshape(-1, slots)[place], 2), 0,
                 int(last[place // depth] and (place + 1) % depth == 0))
                for place in range(len(words))]
    assert events(found["valid"], *(found[name] for name in OUTPUT)) == expected


@pytest.mark.parametrize("units", (1, 2, 5))
def test_coefficients(units):
    """Coefficients leave first, in the cycles of the codes, which follow them without a gap."""
    form = Online(Fixed(6, 5), planes=3)
    network = random_network(1, layers=1, units=units, inputs=3, state_format=form, readout=False)
    geometry = Mapping(network, Folding.line((LayerFolding(1, 1),), None)).geometries[0]
    rng, bits = np.random.default_rng(units), form.coefficient_bits
    codes = rng.integers(0, 8, (3, units)).tolist()
    betas = rng.integers(0, 1 << bits, (3, 3)).tolist()
    pause = 6
    drive = {"i.valid": [], "i.data": [], "i.last": [], "i.beta": [], "i.room.reserve": [],
             "o.ready": []}
    for row, beta in zip(codes, betas, strict=True):
        drive["i.valid"] += [0] + [1] * units + [0] * pause
        drive["i.data"] += [0, *row] + [0] * pause
        drive["i.last"] += [1] * (units + 1) + [0] * pause
        drive["i.beta"] += [0] + [pack(beta, bits)] * (units + pause)
        drive["i.room.reserve"] += [1] + [0] * (units + pause)
        drive["o.ready"] += [1] * (1 + units + pause)
    dut = CodeOutput(network.layers[0], geometry)
    found = play(dut, drive, {"valid": dut.o.valid} | {name: getattr(dut.o.payload, name)
                                                       for name in OUTPUT})
    expected = []
    for vector, (row, beta) in enumerate(zip(codes, betas, strict=True)):
        first = vector * (1 + units + pause) + 3
        words = [(word, 1) for word in beta] + [(word, 0) for word in row]
        expected += [(first + place, word, user, int(place == units + 2))
                     for place, (word, user) in enumerate(words)]
    assert events(found["valid"], *(found[name] for name in OUTPUT)) == expected
