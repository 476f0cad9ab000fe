"""The golden model: kinds of networks against the oracle, batches, sessions, refusals."""

import dataclasses

import numpy as np
import pytest
from cellstep import CORE

from agreement import compare
from edit import edited, refed
from ternloom.model.alphabet import ALPHABETS, BINARY
from ternloom.model.bounds import bounds
from ternloom.model.cell import GRU_RESET_AFTER, LSTM
from ternloom.model.draw import random_network, random_sequences
from ternloom.model.error import NetworkError
from ternloom.model.format import Fixed, Online, Planes
from ternloom.model.golden import Session, run
from ternloom.model.network import Network, When
from ternloom.model.precision import Precision
from ternloom.model.rounding import Rounding


@pytest.mark.parametrize("seed", range(40))
def test_random_network(seed):
    network = random_network(seed)
    compare(network, random_sequences(seed, network, 3, (1, 6)))


@pytest.mark.parametrize("weight", ALPHABETS.values())
@pytest.mark.parametrize("state", ["fixed", "binary", "ternary", "planes"])
@pytest.mark.parametrize("cell", CORE, ids=str)
def test_every_combination(cell, state, weight):
    for seed, kind in enumerate(("fixed", "binary", "ternary", "planes")):
        network = random_network(seed, cell=cell, layers=2, units=7, inputs=5, input_format=kind,
                                 state_format=state, weight=weight)
        compare(network, random_sequences(seed, network, 2, (1, 7)))


@pytest.mark.parametrize("planes", [2, 3])
@pytest.mark.parametrize("cell", [LSTM, GRU_RESET_AFTER])
def test_online(cell, planes):
    for seed in range(6):
        form = Online(Fixed(5 + seed, 4 + seed), planes, 1 + seed % 3)
        network = random_network(seed, cell=cell, layers=2, units=1 + 3 * seed, state_format=form)
        result = compare(network, random_sequences(seed, network, 3, (1, 7)))
        assert result.trace["layer1.beta"][0].shape[1] == planes


@pytest.mark.parametrize("rounding", Rounding)
@pytest.mark.parametrize("cell", CORE, ids=str)
def test_rounding(cell, rounding):
    precision = Precision(Fixed(7, 3, rounding=rounding), 3, Fixed(8, 5, rounding=rounding),
                          rounding)
    network = random_network(7, cell=cell, layers=1, units=20, state_format=Fixed(4, 3),
                             precision=precision)
    compare(network, random_sequences(7, network, 4, (8, 12)))


WIDE = Precision(Fixed(12, 4), 15, Fixed(24, 20))


@pytest.mark.parametrize("cell", CORE, ids=str)
def test_wide_formats(cell):
    """Sums beyond 32 bits, and products that single precision cannot hold."""
    network = random_network(11, cell=cell, layers=2, units=9, input_format=Fixed(32, 3),
                             state_format=Fixed(16, 15), precision=WIDE)
    assert max(reach.width for reach in bounds(network).values()) > 36
    compare(network, random_sequences(11, network, 3, (1, 5)))


@pytest.mark.parametrize("precision", [
    Precision(Fixed(10, 6), 0, Fixed(4, 0)),
    Precision(Fixed(12, 11), 0, Fixed(2, 0), slope=5, slope_frac=2),
    Precision(Fixed(4, 0), 0, Fixed(6, 3), slope=7), Precision(Fixed(9, 32), 0, Fixed(24, 2)),
    Precision(slope=3, slope_frac=3),
])
@pytest.mark.parametrize("cell", CORE, ids=str)
def test_comparators_and_slopes(cell, precision):
    for seed, kind in enumerate(("fixed", "binary", "ternary", "planes")):
        network = random_network(seed, cell=cell, layers=2, units=7, inputs=5, state_format=kind,
                                 precision=precision)
        compare(network, random_sequences(seed, network, 3, (3, 9)))


@pytest.mark.parametrize("cell", CORE, ids=str)
def test_fine_state_codes(cell):
    """Codes that are finer than what they are made from are shifted left."""
    precision = Precision(Fixed(8, 2), 4, Fixed(20, 8))
    for frac in (20, 32):
        network = random_network(13, cell=cell, layers=2, units=5, state_format=Fixed(24, frac),
                                 precision=precision)
        compare(network, random_sequences(13, network, 3, (2, 5)))


@pytest.mark.parametrize("frac", [-16, -3])
@pytest.mark.parametrize("cell", CORE, ids=str)
def test_coarse_state_codes(cell, frac):
    """Half an ulp of the codes is beyond 32 bits where no sum is."""
    for seed, precision in enumerate((Precision(), Precision(Fixed(6, 4), 12, Fixed(16, 20)))):
        network = random_network(seed, cell=cell, layers=2, units=6, inputs=4,
                                 state_format=Fixed(8, frac), precision=precision)
        compare(network, random_sequences(seed, network, 3, (2, 5)))


def test_unsigned_input():
    network = random_network(3, layers=1, units=8, input_format=Fixed(8, 8, signed=False))
    compare(network, random_sequences(3, network, 3))


def test_batches():
    """Results don't depend on what else is computed, nor on the order."""
    network = random_network(4, layers=2, units=12, inputs=6, when=When.EVERY)
    sequences = random_sequences(4, network, 700, (1, 9))
    together = run(network, sequences, trace=True)
    for index in (0, 1, 350, 699):
        alone = run(network, [sequences[index]], trace=True)
        np.testing.assert_array_equal(together.logits[index], alone.logits[0])
        for name, values in alone.trace.items():
            np.testing.assert_array_equal(together.trace[name][index], values[0])
    for index, sequence in enumerate(sequences):
        assert together.logits[index].shape == (len(sequence), network.readout.classes)


def test_trace_off():
    network = random_network(5, layers=1)
    sequences = random_sequences(5, network, 3)
    plain, traced = run(network, sequences), run(network, sequences, trace=True)
    assert plain.trace == {}
    for one, other in zip(plain.logits, traced.logits, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("seed", range(12))
def test_session(seed):
    """Pieces of any length give what the whole sequences do, each step of the trace too."""
    network = random_network(seed, readout=seed % 3 != 0, when=When.EVERY)
    sequences = random_sequences(seed, network, 3, (6, 12))
    whole = run(network, sequences, trace=True)
    rng, session = np.random.default_rng(seed), Session(network, 3)
    cuts = [np.sort(rng.integers(1, len(each), 2)).tolist() for each in sequences]
    cuts = [[0, first, max(second, first + 1), len(each) + 1]
            for (first, second), each in zip(cuts, sequences, strict=True)]
    padded = [np.concatenate([each, each[:1]]) for each in sequences]
    pieces = [session.run([each[cut[part]:cut[part + 1]] for each, cut
                           in zip(padded, cuts, strict=True)], trace=True) for part in range(3)]
    for name, expected in whole.trace.items():
        for index, values in enumerate(expected):
            joined = np.concatenate([piece.trace[name][index] for piece in pieces])
            np.testing.assert_array_equal(joined[:len(values)], values)
    field = "codes" if network.readout is None else "logits"
    for index, values in enumerate(getattr(whole, field)):
        joined = np.concatenate([getattr(piece, field)[index] for piece in pieces])
        np.testing.assert_array_equal(joined[:len(values)], values)
    assert (whole.codes is None) == (whole.logits is not None)


def test_no_sequences():
    result = run(random_network(6), [])
    assert (result.logits, result.winners, result.trace) == ((), (), {})


def test_lowest_of_equal_logits():
    network = random_network(8, layers=1, classes=5, when=When.EVERY)
    readout = network.readout
    weights = dataclasses.replace(readout.weights,
                                  coefficients=readout.weights.coefficients * 0)
    network = edited(network, readout=refed(readout, matrix=weights,
                                            bias=np.full(5, 3 << readout.shift)))
    result = run(network, random_sequences(8, network, 1, (4, 4)))
    np.testing.assert_array_equal(result.winners[0], [0, 0, 0, 0])


@pytest.mark.parametrize("sequence, message", [
    (np.zeros((3, 4), dtype=int), r"^sequence 1 must have the shape \(steps, 5\), not \(3, 4\)$"),
    (np.zeros(5, dtype=int), r"^sequence 1 must have the shape \(steps, 5\), not \(5,\)$"),
    (np.zeros((0, 5), dtype=int), r"^sequence 1 must have at least one step, not 0$"),
    (np.zeros((3, 5)), r"^sequence 1 must hold integer codes, not float64$"),
    (np.array([[0] * 5, [0, 0, 0, -9, 8]]),
     r"^sequence 1 step 1 must hold codes of Fixed\(width=4, .*\), not -9 in column 3$"),
])
def test_bad_sequence(sequence, message):
    network = random_network(9, inputs=5, input_format=Fixed(4, 2))
    with pytest.raises(ValueError, match=message):
        run(network, [np.zeros((2, 5), dtype=np.int8), sequence])


def test_bad_code():
    network = random_network(9, inputs=2, input_format=Planes((2, 1), 1))
    with pytest.raises(ValueError, match=r"^sequence 0 step 0 must hold codes of Planes\("
                                         r"coefficients=\(2, 1\), frac=1\), not 4 in column 1$"):
        run(network, [np.array([[3, 4]])])


def test_sums_beyond_int64():
    network = random_network(10, layers=1, units=2, inputs=1 << 17, input_format=Fixed(32, 0),
                             weight=BINARY)
    layer = network.layers[0]
    layer = refed(layer, matrix=dataclasses.replace(
        layer.input, coefficients=np.full_like(layer.input.coefficients, (1 << 15) - 1)))
    with pytest.raises(NetworkError, match=r"^layer0\.input\.row must be less than 2\*\*62 in "
                                           r"magnitude, not \d+$"):
        run(Network.line("big", (layer,), network.readout), [])
