"""The online quantizer in gates against the model: codes, coefficients and cycles."""

import dataclasses

import numpy as np
import pytest
from hwsim import pack, play, unpack

from ternloom.hw.online import OnlineQuantizer
from ternloom.mapping.microcode import microcode
from ternloom.model import online
from ternloom.model.format import Fixed, Online


@dataclasses.dataclass(frozen=True)
class Places:
    """What the quantizer asks of a geometry."""

    chains: int
    units: int

    @property
    def chain_units(self):
        """Units of a chain."""
        return -(-self.units // self.chains)


def vectors(form, units):
    rng = np.random.default_rng(units)
    low, high = form.sample.low, form.sample.high
    return np.concatenate([
        np.clip(np.round(rng.normal(0, high / 3, (3, units))), low, high).astype(np.int64),
        rng.integers(low, high + 1, (2, units)), rng.choice([low, 0, high, 1, -1], (2, units)),
        np.full((1, units), low), np.zeros((1, units), dtype=np.int64)])


def beats(form, places, vector, filling):
    """Words of the samples of all chains, unit after unit; absent units hold ``filling``."""
    padded = np.full(places.chain_units * places.chains, filling)
    padded[:places.units] = vector
    return [pack(form.sample.bits(row).tolist(), form.sample.width)
            for row in padded.reshape(places.chain_units, places.chains)]


@pytest.mark.parametrize("planes", [2, 3])
@pytest.mark.parametrize("chains, units", [(1, 1), (1, 7), (2, 5), (4, 13), (5, 20), (8, 17)])
@pytest.mark.parametrize("width, rounds", [(4, 1), (8, 2), (11, 3)])
def test_quantizer(planes, chains, units, width, rounds):
    form, places = Online(Fixed(width, 3), planes, rounds), Places(chains, units)
    samples = vectors(form, units)
    cycles = microcode(form, places.chain_units, chains).cycles
    rng = np.random.default_rng(width)
    data, valid, ends = [], [], []
    for vector in samples:
        for beat in beats(form, places, vector, form.sample.low):
            gap = int(rng.integers(0, 3))
            data += [0] * gap + [beat]
            valid += [0] * gap + [1]
        ends.append(len(data) - 1)
        data += [0] * (cycles + 1)
        valid += [0] * (cycles + 1)
    seen = play(OnlineQuantizer(form, places), {"i.valid": valid, "i.data": data},
                ("o.valid", "o.data", "o.beta"))
    expected, coefficients = online.quantize(form, samples)
    whens = np.nonzero(seen["o.valid"])[0].reshape(len(samples), places.chain_units)
    np.testing.assert_array_equal(whens[:, -1], np.array(ends) + cycles)
    np.testing.assert_array_equal(np.diff(whens, axis=1), 1)
    for index, when in enumerate(whens):
        codes = np.array([unpack(int(seen["o.data"][cycle]), planes, chains) for cycle in when])
        np.testing.assert_array_equal(codes.reshape(-1)[:units], expected[index])
        last = ends[index + 1] if index + 1 < len(ends) else len(data) - 1
        for cycle in (when[0], last):
            beta = unpack(int(seen["o.beta"][cycle]), form.coefficient_bits, planes)
            np.testing.assert_array_equal(beta, coefficients[index])
