"""Weight methods by name: how a matrix of floats becomes codes and scales.

A method is a value, so recipes and files can hold it. Its citation names the paper and the equation
where the rule is the paper's, and says "Ternloom's choice" where it is not known or not followed.
Beyond the papers, where training clips its master weights is Ternloom's choice unless a method's
docstring says otherwise.
"""

import abc
import math

import numpy as np

from ternloom.model.alphabet import BINARY, INTEGER, PLANES, QUATERNARY, TERNARY
from ternloom.model.alphabet.alphabet import sign
from ternloom.model.plugin import Registry
from ternloom.quantize import method, multibit
from ternloom.quantize.codes import Codes, as_planes, relative_error
from ternloom.quantize.method import WeightMethod, same_scale
from ternloom.quantize.ott import (OttBinary, OttExponential, OttPow2, OttTernary, bounding_cost,
                                   glorot)


__all__ = ["Alternating", "Balanced", "BinaryConnect", "Codes", "Greedy", "HitnetTernary",
           "Integer", "MeanBinary", "Method", "OttBinary", "OttExponential", "OttPow2",
           "OttTernary", "QuaternaryConnect", "Refined", "TernaryConnect", "Twn", "Uniform",
           "as_planes", "bounding_cost", "glorot", "listing", "names", "parse", "relative_error"]


def _mean(values, chosen, by_row):
    """Mean of the chosen elements of the row or of the matrix, (1, rows); 0 of no elements."""
    axis = 1 if by_row else None
    total = np.multiply(values, chosen).sum(axis=axis)
    mean = total / np.maximum(chosen.sum(axis=axis), 1).astype(values.dtype)
    return np.full((1, len(values)), mean)


#: Powers of two around the mean magnitude that are tried as the scale of a matrix.
_TRIED = range(3, -5, -1)


def _fitting(latent, meant):
    """Power of two at which levels come nearest to a matrix, by square error; 1 for zeros.

    Parameters
    ----------
    latent : float array (rows, columns)
    meant : function of a float array
        What the levels make of it at a scale of one.
    """
    size = float(np.abs(latent).mean(dtype=np.float64))
    if not size:
        return 1.0
    powers = [math.ldexp(1.0, math.frexp(size)[1] + exponent) for exponent in _TRIED]
    return min(powers, key=lambda power: relative_error(
        latent, power * meant(latent / latent.dtype.type(power))))


class _Connect(WeightMethod, frozen=True):
    """Weights of a few fixed levels, as they are or at one power of two for the matrix."""

    scaled: bool = False

    stochastic = True
    #: What a code of one stands for.
    _unit = 1.0

    @property
    def steady(self) -> bool:
        return self.scaled

    def _scales(self, latent, units):
        scale = _fitting(latent, self._meant) if self.scaled else 1.0
        return same_scale(latent, self._unit * scale)

    def _meant(self, latent):
        return self._unit * self.weight.values(self._levels(latent))

    @abc.abstractmethod
    def _levels(self, latent):
        """Codes of weights in units of the scale."""

    def _codes(self, latent, scales):
        scale = (scales[0, :, None] / self._unit).astype(latent.dtype)
        return self._levels(latent / scale)[None]


class BinaryConnect(_Connect, tag="binary-connect", frozen=True):
    """Weights -1 and +1 (alphabet of Alom et al. 2018; the rule is Ternloom's choice).

    The sign, that of zero +1. Stochastic: +1 with probability ``(clip(w, -1, 1) + 1) / 2``.

    Parameters
    ----------
    scaled : bool
        Times a power of two for the matrix, the nearest by square error to the float weights that
        training starts from (Ternloom's choice).
    """

    weight = BINARY

    def _levels(self, latent):
        return sign(latent)


class TernaryConnect(_Connect, tag="ternary-connect", frozen=True):
    """Weights -1, 0 and +1 (alphabet of Alom et al. 2018; the rule is Ternloom's choice).

    Zero up to 0.5, else the sign. Stochastic: the sign with probability ``min(|w|, 1)``.

    Parameters
    ----------
    scaled : bool
        Times a power of two for the matrix, the nearest by square error to the float weights that
        training starts from (Ternloom's choice).
    """

    weight = TERNARY

    def _levels(self, latent):
        return _beyond(latent, 0.5)[0]


def _beyond(latent, threshold):
    """Ternary codes: the sign of what is larger than a threshold, zero for the rest."""
    return ((latent > threshold).view(np.int8) - (latent < -threshold).view(np.int8))[None]


class QuaternaryConnect(_Connect, tag="quaternary-connect", frozen=True):
    """Weights -1, -0.5, +0.5, +1 (alphabet of Alom et al. 2018; the rule is Ternloom's choice).

    The sign, that of zero +1, times 0.5 below 0.75 and 1 from there. Stochastic: between the two
    neighbouring levels, so that the mean is ``clip(w, -1, 1)``.

    Parameters
    ----------
    scaled : bool
        Times a power of two for the matrix, the nearest by square error to the float weights that
        training starts from (Ternloom's choice).
    """

    weight = QUATERNARY
    _unit = 0.5

    def _levels(self, latent):
        return sign(latent) * (1 + (np.abs(latent) >= 0.75).view(np.int8))


class _Multibit(WeightMethod, frozen=True):
    """Sign planes, fitted row by row."""

    planes: int = 2

    weight = PLANES

    def __post_init__(self):
        if not 1 <= self.planes <= 4:
            raise ValueError(f"{self.name}'s planes must be from 1 to 4, not {self.planes!r}")

    def fit(self, latent: np.ndarray, *, rng: "np.random.Generator | None" = None,
            units: int | None = None) -> Codes:
        self._check(latent, rng)
        codes, scales = self._quantize(latent)
        return Codes(codes, scales, PLANES)

    @abc.abstractmethod
    def _quantize(self, latent):
        """Codes and scales of a matrix."""


class Greedy(_Multibit, tag="greedy", frozen=True):
    """Per-row sign planes, each the sign of the residual (Xu et al. 2018, section 2).

    Parameters
    ----------
    planes : int
        1 to 4.
    """

    def _quantize(self, latent):
        return multibit.greedy(latent, self.planes)


class Refined(_Multibit, tag="refined", frozen=True):
    """Greedy planes with coefficients by least squares (Xu et al. 2018, section 2).

    Parameters
    ----------
    planes : int
        1 to 4.
    """

    def _quantize(self, latent):
        return multibit.refined(latent, self.planes)


class Alternating(_Multibit, tag="alternating", frozen=True):
    """Per-row sign planes, coefficients and codes in alternation (Xu et al. 2018, algs. 1 and 2).

    Training clips the master weights to 1, as the paper does.

    Parameters
    ----------
    planes : int
        1 to 4.
    rounds : int
        T of the paper.
    greedy_start : bool
        Start as the paper does, see :func:`ternloom.quantize.multibit.alternating`.
    """

    rounds: int = 2
    greedy_start: bool = False

    def __post_init__(self):
        super().__post_init__()
        if not 0 <= self.rounds <= 100:
            raise ValueError(f"alternating's rounds must be from 0 to 100, not {self.rounds!r}")

    def _quantize(self, latent):
        return multibit.alternating(latent, self.planes, self.rounds, self.greedy_start)


class Uniform(_Multibit, tag="uniform", frozen=True):
    """Evenly spaced levels up to the row's largest weight (baseline in Xu et al. 2018, section 2).

    Parameters
    ----------
    planes : int
        Bits, 1 to 4.
    by_matrix : bool
        Up to the matrix's largest weight; which one the paper means is not known.
    """

    by_matrix: bool = False

    def _quantize(self, latent):
        return multibit.uniform(latent, self.planes, self.by_matrix)


class Balanced(_Multibit, tag="balanced", frozen=True):
    """Equally filled bins on evenly spaced levels (baseline in Xu et al. 2018, section 2).

    Parameters
    ----------
    planes : int
        Bits, 1 to 4.
    """

    def _quantize(self, latent):
        return multibit.balanced(latent, self.planes)


class _Threshold(WeightMethod, frozen=True):
    """Ternary weights cut at a multiple of the mean magnitude."""

    threshold: float = 0.7

    weight = TERNARY

    def __post_init__(self):
        if not 0 <= self.threshold < math.inf:
            raise ValueError(f"{self.name}'s threshold must be finite and not negative, "
                             f"not {self.threshold!r}")

    def _cut(self, latent, by_row):
        """Threshold of each row, (rows, 1)."""
        size = np.abs(latent)
        mean = _mean(size, np.ones_like(latent, dtype=bool), by_row)
        return (self.threshold * mean).astype(latent.dtype).T


class HitnetTernary(_Threshold, tag="hitnet-ternary", frozen=True):
    """Weights -1, 0, +1 by a threshold (as in HitNet, Wang et al. 2018; details are Ternloom's).

    Zero up to ``threshold * mean |w|`` of the matrix, else the sign; no scale.

    Parameters
    ----------
    threshold : float
        In units of the mean magnitude.
    scaled : bool
        Multiply by the mean magnitude of the weights that are not zero.
    """

    scaled: bool = False

    def _codes(self, latent, scales):
        return _beyond(latent, self._cut(latent, by_row=False))

    def _scales(self, latent, units):
        if not self.scaled:
            return same_scale(latent)
        return _mean(np.abs(latent), self._codes(latent, None)[0] != 0, by_row=False)


class Twn(_Threshold, tag="twn", frozen=True):
    """Ternary weights with the best-fitting scale (Li & Liu 2016, TWN, eqs. 5 and 6).

    The scale is the mean magnitude of the weights above ``threshold * mean |w|``.

    Parameters
    ----------
    threshold : float
        In units of the mean magnitude; 0.7 in the paper.
    by_row : bool
        A threshold and a scale for each row instead of one for the matrix.
    """

    by_row: bool = False

    def _codes(self, latent, scales):
        return _beyond(latent, self._cut(latent, self.by_row))

    def _scales(self, latent, units):
        return _mean(np.abs(latent), self._codes(latent, None)[0] != 0, self.by_row)


class MeanBinary(WeightMethod, tag="mean-binary", frozen=True):
    """Binary weights with their mean magnitude as scale (Rastegari et al. 2016, XNOR-Net).

    Parameters
    ----------
    by_row : bool
        A scale for each row instead of one for the matrix.
    """

    by_row: bool = False

    weight = BINARY

    def _scales(self, latent, units):
        return _mean(np.abs(latent), np.ones_like(latent, dtype=bool), self.by_row)


class Integer(WeightMethod, tag="integer", frozen=True):
    """Symmetric integers up to the largest weight (Li & Alvarez 2021, with 8 bits per matrix).

    The scale is ``max |w| / (2**(bits - 1) - 1)``.

    Parameters
    ----------
    bits : int
        2 to 8.
    by_row : bool
        A scale for each row instead of one for the matrix.
    """

    bits: int = 8
    by_row: bool = False

    weight = INTEGER

    def __post_init__(self):
        if not 2 <= self.bits <= 8:
            raise ValueError(f"integer's bits must be from 2 to 8, not {self.bits!r}")

    @property
    def limit(self) -> int:
        return 2**(self.bits - 1) - 1

    def clip(self, shape: tuple[int, int], units: int | None = None) -> float | None:
        return None

    def _scales(self, latent, units):
        largest = np.abs(latent).max(axis=1 if self.by_row else None)
        return same_scale(latent, largest / latent.dtype.type(self.limit))


#: Any weight method, as a file or a recipe holds it.
Method = (Alternating | Balanced | BinaryConnect | Greedy | HitnetTernary | Integer | MeanBinary
          | OttBinary | OttExponential | OttPow2 | OttTernary | QuaternaryConnect | Refined
          | TernaryConnect | Twn | Uniform)

#: By name; other packages bring theirs (``ternloom.methods``).
_METHODS: Registry[type[WeightMethod]] = Registry(
    "ternloom.methods", Method.__args__, method.is_weight_method, method.tag)


def names() -> tuple[str, ...]:
    """Names of all methods, in alphabetical order."""
    return tuple(_METHODS)


def listing() -> list[tuple[str, str]]:
    """How each method's text looks, and its citation: pairs of str, by name."""
    return method.listing(_METHODS)


def parse(text: str) -> WeightMethod:
    """The method that a text such as ``alternating:2`` stands for.

    See :func:`ternloom.quantize.method.parse`; an unknown name is a ``ValueError`` that lists all.
    """
    return method.parse(text, _METHODS)
