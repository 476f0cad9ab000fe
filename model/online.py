"""Online planes: a vector of samples becomes codes and coefficients of its own, in integers.

Alternating multi-bit quantization of Xu et al. 2018 (section 3, algorithms 1 and 2), as the
hardware does it at every step. The units of a coefficient are half of a sample's, so that a
coefficient that is half the sum or the difference of two levels needs no rounding of its own. The
paper computes in real numbers; every rounding here is Ternloom's choice.

With m a sample's magnitude, all that is ever asked of a vector is how many samples are at or above
a cut, and the sum of their m. A tie of a positive sample with a cut goes to the upper level and so,
in magnitude, one of a negative sample to the lower.

**Two planes** are two means of m, since the best sign of the first plane is that of the sample. The
levels start at the mean of all; then, ``rounds`` times, each becomes the mean of the samples that
are nearer to it. A level without samples stays as it is.

**Three planes** start greedily: ``a = mean |v|``, ``b = mean | |v| - a |``,
``c = mean | | |v| - a | - b |``. Then, ``rounds`` times, codes are the nearest ones and
coefficients those of least squares, where the normal equations have one solution; otherwise they
stay as they are. Coefficients are always sorted and not negative. (The paper's first least squares
take the greedy codes; here they take the nearest ones, which are never farther.)
"""

import collections.abc
import typing

import numpy as np
import numpy.typing as npt

from ternloom.model.format import Online


__all__ = ["Vectors", "coefficients", "quantize", "values"]


#: Codes of a positive sample by its rank, from the innermost level outwards; with three planes the
#: innermost is 0b001 if a >= b + c, else 0b110.
_RANKED = {2: (0b01, 0b11), 3: (0b001, 0b101, 0b011, 0b111)}

#: An array of the library that a class of vectors is for.
_Array = typing.Any
#: NumPy's, of the type that those of all libraries have.
_LARGER: collections.abc.Callable[..., _Array] = np.maximum
_WHERE: collections.abc.Callable[..., _Array] = np.where


class Vectors:
    """Samples of vectors, ready for what is asked of them, and the operations that differ between
    array libraries: NumPy's here, those of another in a class of its own.

    Parameters
    ----------
    samples : int array (vectors, units)
    """

    larger, where = staticmethod(_LARGER), staticmethod(_WHERE)

    def __init__(self, samples: _Array) -> None:
        samples = samples.astype(np.int32)
        #: Whether each sample is negative.
        self.negative = samples < 0
        self.count = samples.shape[1]
        self._magnitudes = np.abs(samples)
        # In the units of coefficients; one less than twice the magnitude of a negative sample, so
        # that its ties fall below the cut.
        self._keys = 2 * self._magnitudes - self.negative
        self.total = self._magnitudes.sum(axis=1, dtype=np.int64)

    def reached(self, cut: _Array) -> _Array:
        """Which samples are at or above each vector's cut."""
        return self._keys >= cut[:, None]

    def above(self, cut: _Array) -> tuple[_Array, _Array]:
        """How many samples are at or above each vector's cut, and the sum of their magnitudes."""
        hits = self.reached(cut)
        return (np.count_nonzero(hits, axis=1),
                (self._magnitudes * hits).sum(axis=1, dtype=np.int64))

    def descending(self, *coefficients: _Array) -> tuple[_Array, ...]:
        """Coefficients of each vector, sorted."""
        return tuple(np.sort(coefficients, axis=0)[::-1])

    def quotient(self, numerator: _Array, denominator: _Array, default: _Array) -> _Array:
        """Magnitude of a quotient, rounded half up; ``default`` where the denominator is zero."""
        safe = self.larger(denominator, denominator * 0 + 1)
        return self.where(denominator == 0, default, (abs(numerator) + (safe >> 1)) // safe)

    def mean(self, sums: _Array) -> _Array:
        """Mean of all samples, rounded half up, of sums that are not negative."""
        return (sums + (self.count >> 1)) // self.count


def coefficients(vectors: Vectors, planes: int,
                 rounds: int) -> tuple[tuple[_Array, ...], tuple[_Array, ...]]:
    """Coefficients of each plane, descending and not negative, and the cuts between their levels.

    Parameters
    ----------
    vectors : Vectors
    planes, rounds : int
        Of the format.

    Returns
    -------
    (tuple of int array (vectors,), tuple of int array (vectors,))
        In units of half a sample; cuts on magnitudes, ascending.
    """
    if planes == 2:
        return _two(vectors, rounds)
    found = _greedy(vectors)
    for _ in range(rounds):
        found = _solve(vectors, *found)
    return found, _cuts(vectors, *found)


def _two(vectors, rounds):
    count, total = vectors.count, vectors.total
    upper = lower = vectors.mean(total)
    for _ in range(rounds):
        above, reached = vectors.above(upper + lower)
        upper = vectors.quotient(reached, above, upper)
        lower = vectors.quotient(total - reached, count - above, lower)
    return (upper + lower, upper - lower), (upper + lower,)


def _cuts(vectors, a, b, c):
    return vectors.larger(a - b, c), a, a + b


def _greedy(vectors):
    count, total = vectors.count, 2 * vectors.total

    # Deviations bend at a cut: beyond it, each sample's sign turns.
    def turned(cut):
        above, reached = vectors.above(cut)
        return 2 * (2 * reached - above * cut)

    a = vectors.mean(total)
    b = vectors.mean(turned(a) - total + count * a)
    c = vectors.mean(count * (a - b) - total + turned(a - b) - turned(a) + turned(a + b))
    return vectors.descending(a, b, c)


def _solve(vectors, a, b, c):
    """Least squares of three planes for the nearest codes, sorted.

    With n and s the count and the sum of magnitudes of each level, 0 the innermost, the solution
    of the normal equations in closed form; their determinant is 16 times ``weight``.
    """
    above, reached = zip(*(vectors.above(cut) for cut in _cuts(vectors, a, b, c)), strict=True)
    n0, n1, n2, n3 = vectors.count - above[0], above[0] - above[1], above[1] - above[2], above[2]
    s0, s1, s2, s3 = (vectors.total - reached[0], reached[0] - reached[1],
                      reached[1] - reached[2], reached[2])
    s0 = vectors.where(a - b < c, -s0, s0)
    weight = n3 * n2 * (n1 + n0) + n1 * n0 * (n3 + n2)
    return vectors.descending(*(vectors.quotient(numerator, weight, old) for numerator, old in (
        ((n0 + n3) * (n1 * s2 + n2 * s1) + (n1 + n2) * (n0 * s3 + n3 * s0), a),
        ((n1 + n3) * (n0 * s2 - n2 * s0) + (n0 + n2) * (n1 * s3 - n3 * s1), b),
        ((n2 + n3) * (n0 * s1 - n1 * s0) + (n0 + n1) * (n2 * s3 - n3 * s2), c))))


def quantize(form: Online, samples: npt.ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Codes and coefficients of vectors.

    Parameters
    ----------
    form : Online
    samples : int array (vectors, units)
        Codes of ``form.sample``; at least one unit.

    Returns
    -------
    codes : int64 array (vectors, units)
        Bit j set means that plane j is +1.
    coefficients : int64 array (vectors, planes)
        Descending and not negative, in units of ``2**-form.frac``.
    """
    vectors = Vectors(np.asarray(samples))
    found, cuts = coefficients(vectors, form.planes, form.rounds)
    rank = sum(vectors.reached(cut).astype(np.int64) for cut in cuts)
    codes = np.take(_RANKED[form.planes], rank)
    if form.planes == 3:
        a, b, c = found
        flipped = (a - b < c)[:, None] & (codes == _RANKED[3][0])
        codes = np.where(flipped, codes ^ 0b111, codes)
    codes = np.where(vectors.negative, codes ^ ((1 << form.planes) - 1), codes)
    return codes, np.stack(found, axis=1)


def values(form: Online, codes: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    """Integers that codes stand for, in units of ``2**-form.frac``.

    Parameters
    ----------
    form : Online
    codes : int array (vectors, units)
    coefficients : int array (vectors, planes)

    Returns
    -------
    int64 array (vectors, units)
    """
    signs = ((codes[..., None] >> np.arange(form.planes)) & 1) * 2 - 1
    return np.vecdot(signs, coefficients[:, None, :])
