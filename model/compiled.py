"""The kernels of :mod:`ternloom.model.bitplanes` as machine code, by Numba: the extra ``fast``.

They are compiled at their first call, which takes seconds, and kept on disk. Results are those of
the NumPy version to the bit; arrays are of the same types, without gaps.
"""

import typing

import numba
import numpy as np
import numpy.typing as npt
from numba.core import types
from numba.extending import intrinsic

from ternloom.model.format import Online


__all__ = ["product", "quantize"]


@intrinsic
def _ones(typing_context, word):
    """Bits of a word that are one: the machine's own instruction, on whole vectors."""
    def generate(context, builder, signature, arguments):
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), generate


#: Rows that are counted at a time, so that their words stay in the nearest cache.
_BLOCK = 512


@numba.njit(cache=True)
@typing.no_type_check
def _count(words, start, activations, counts):
    """Places at which rows from ``start`` differ from one activation plane.

    Four words at a time, since the counts are written once a turn.
    """
    stop = start + len(counts)
    counts[:] = 0
    for word in range(0, len(words), 4):
        one, two = words[word, start:stop], words[word + 1, start:stop]
        three, four = words[word + 2, start:stop], words[word + 3, start:stop]
        a, b, c, d = (activations[word], activations[word + 1], activations[word + 2],
                      activations[word + 3])
        for row in range(len(counts)):
            counts[row] += (_ones(one[row] ^ a) + _ones(two[row] ^ b) + _ones(three[row] ^ c)
                            + _ones(four[row] ^ d))


@numba.njit(cache=True)
def product(weights: np.ndarray, coefficients: np.ndarray, activations: np.ndarray,
            betas: np.ndarray, columns: int) -> np.ndarray:
    """See :func:`ternloom.model.bitplanes.product`."""
    rows = coefficients.shape[1]
    total = np.zeros(rows, dtype=np.int64)
    for start in range(0, rows, _BLOCK):
        # Slices of one row of an array, so that the compiler knows them to be without gaps.
        part = total[start:start + _BLOCK]
        counts = np.empty(len(part), dtype=np.uint64)
        for plane in range(len(weights)):
            mixed = np.zeros(len(part), dtype=np.int64)
            for other in range(len(activations)):
                _count(weights[plane], start, activations[other], counts)
                for row in range(len(part)):
                    mixed[row] += betas[other] * (columns - 2 * np.int64(counts[row]))
            scales = coefficients[plane, start:start + len(part)]
            for row in range(len(part)):
                part[row] += scales[row] * mixed[row]
    return total


@numba.njit(cache=True)
def _above(keys, magnitudes, cut):
    count, total = 0, 0
    limit = np.int32(cut)
    for place in range(len(keys)):
        hit = keys[place] >= limit
        count += hit
        total += magnitudes[place] if hit else 0
    return count, total


@numba.njit(cache=True)
def _quotient(numerator, denominator, default):
    if denominator == 0:
        return default
    return (abs(numerator) + (denominator >> 1)) // denominator


@numba.njit(cache=True)
def _sorted(a, b, c):
    low, high = min(a, b), max(a, b)
    return max(high, c), max(low, min(high, c)), min(low, c)


@numba.njit(cache=True)
def _two(keys, magnitudes, rounds):
    count, total = len(keys), magnitudes.sum()
    upper = lower = _quotient(total, count, 0)
    for _ in range(rounds):
        above, reached = _above(keys, magnitudes, upper + lower)
        upper = _quotient(reached, above, upper)
        lower = _quotient(total - reached, count - above, lower)
    return upper + lower, upper - lower


@numba.njit(cache=True)
def _turned(keys, magnitudes, cut):
    above, reached = _above(keys, magnitudes, cut)
    return 2 * (2 * reached - above * cut)


@numba.njit(cache=True)
def _greedy(keys, magnitudes):
    count, total = len(keys), 2 * magnitudes.sum()
    a = _quotient(total, count, 0)
    turned = _turned(keys, magnitudes, a)
    b = _quotient(turned - total + count * a, count, 0)
    c = _quotient(count * (a - b) - total + _turned(keys, magnitudes, a - b) - turned
                  + _turned(keys, magnitudes, a + b), count, 0)
    return _sorted(a, b, c)


@numba.njit(cache=True)
def _solve(keys, magnitudes, a, b, c):
    count, reached0 = len(keys), magnitudes.sum()
    above1, reached1 = _above(keys, magnitudes, max(a - b, c))
    above2, reached2 = _above(keys, magnitudes, a)
    n3, s3 = _above(keys, magnitudes, a + b)
    n0, n1, n2 = count - above1, above1 - above2, above2 - n3
    s0, s1, s2 = reached0 - reached1, reached1 - reached2, reached2 - s3
    if a - b < c:
        s0 = -s0
    weight = n3 * n2 * (n1 + n0) + n1 * n0 * (n3 + n2)
    return _sorted(
        _quotient((n0 + n3) * (n1 * s2 + n2 * s1) + (n1 + n2) * (n0 * s3 + n3 * s0), weight, a),
        _quotient((n1 + n3) * (n0 * s2 - n2 * s0) + (n0 + n2) * (n1 * s3 - n3 * s1), weight, b),
        _quotient((n2 + n3) * (n0 * s1 - n1 * s0) + (n0 + n1) * (n2 * s3 - n3 * s2), weight, c))


@numba.njit(cache=True)
def _code(keys, negative, cuts, codes, bits):
    """Bits of the planes, where a sample's code is that of its rank, turned if it is negative."""
    planes = len(bits)
    for place in range(len(keys)):
        rank = 0
        for cut in cuts:
            rank += keys[place] >= cut
        code = codes[rank] ^ (((1 << planes) - 1) if negative[place] else 0)
        for plane in range(planes):
            bit = np.uint64((code >> plane) & 1)
            bits[plane, place >> 6] |= bit << np.uint64(place & 63)


def quantize(form: Online, samples: npt.ArrayLike, words: int) -> tuple[np.ndarray, np.ndarray]:
    """See :func:`ternloom.model.bitplanes.quantize`."""
    return _quantize(form.planes, form.rounds, np.asarray(samples, dtype=np.int32), words)


@numba.njit(cache=True)
def _quantize(planes, rounds, samples, words):
    negative = samples < 0
    magnitudes = np.abs(samples)
    keys = (2 * magnitudes - negative).astype(np.int32)
    bits = np.zeros((planes, words), dtype=np.uint64)
    if planes == 2:
        a, b = _two(keys, magnitudes, rounds)
        _code(keys, negative, np.array([a]), np.array([0b01, 0b11]), bits)
        return bits, np.array([a, b])
    a, b, c = _greedy(keys, magnitudes)
    for _ in range(rounds):
        a, b, c = _solve(keys, magnitudes, a, b, c)
    innermost = 0b110 if a - b < c else 0b001
    _code(keys, negative, np.array([max(a - b, c), a, a + b]),
          np.array([innermost, 0b101, 0b011, 0b111]), bits)
    return bits, np.array([a, b, c])
