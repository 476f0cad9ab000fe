"""Codes with real scales: what a weight quantizer gives, and each alphabet's nearest codes.

A matrix of floats is approximated as ``sum over p of scales[p, r] * value(codes[p, r, c])``. For
given scales each alphabet of :class:`ternloom.model.matrix.Weight` has one deterministic rule,
the nearest level (:func:`nearest`), and most have a stochastic one, either of the two neighbouring
levels with the probabilities that keep the mean (:func:`draw`).
"""

import dataclasses
import math

import numpy as np

from ternloom.model.frozen import Frozen
from ternloom.model.matrix import Weight
from ternloom.quantize import multibit


__all__ = ["Codes", "as_planes", "draw", "exponents", "nearest", "powers", "relative_error",
           "sign"]


class Codes(Frozen):
    """Weight codes and a real scale for each plane of each row.

    Parameters
    ----------
    codes : int8 array (planes, rows, columns)
    scales : float array (planes, rows)
        Not negative.
    weight : Weight
        The alphabet of the codes.
    """

    codes: np.ndarray
    scales: np.ndarray
    weight: Weight

    def reconstruct(self):
        """The floats that codes and scales stand for, (rows, columns), of the scales' type."""
        total = np.zeros(self.codes.shape[1:], dtype=self.scales.dtype)
        for codes, scales in zip(self.codes, self.scales, strict=True):
            total += self.weight.values(codes) * scales[:, None]
        return total


def sign(values):
    """Codes +1 where a value is zero or more and -1 elsewhere."""
    return 2 * (values >= 0).astype(np.int8) - 1


def relative_error(latent, codes):
    """Relative mean square error: of what ``codes`` stand for, in units of the latent's square.

    That is ``sum((w - q)**2) / sum(w**2)`` over the whole matrix, as in tables 1 and 2 of Xu et al.
    2018.

    Parameters
    ----------
    latent : float array (rows, columns)
    codes : Codes or float array (rows, columns)

    Returns
    -------
    float
        0 for a matrix of zeros that is met exactly, infinite for one that is not.
    """
    meant = codes.reconstruct() if isinstance(codes, Codes) else codes
    error = float(np.square(latent - meant, dtype=np.float64).sum())
    power = float(np.square(latent, dtype=np.float64).sum())
    return error / power if power else math.inf if error else 0.0


#: Coefficients of two sign planes that make a code: ternary 0.5 and 0.5, quaternary 1.5 and 0.5.
_AS_TWO = {Weight.TERNARY: 0.5, Weight.QUATERNARY: 1.5}


def as_planes(codes):
    """The same weights as sign planes: binary as one, ternary and quaternary as two.

    With b of {-1, +1}, a ternary code is ``0.5*b1 + 0.5*b2`` and a quaternary one, which is twice
    the level of Alom et al. 2018, is ``1.5*b1 + 0.5*b2``.

    Parameters
    ----------
    codes : Codes
        Of one of these alphabets, or planes, which stay as they are.

    Returns
    -------
    Codes
        Of the alphabet ``PLANES``. Scales are exact unless 1.5 of one takes another bit.
    """
    if codes.weight in (Weight.BINARY, Weight.PLANES):
        return dataclasses.replace(codes, weight=Weight.PLANES)
    if codes.weight not in _AS_TWO:
        raise ValueError("Weights as planes must be binary, ternary, quaternary or planes, "
                         f"not {codes.weight.value}")
    major = _AS_TWO[codes.weight]
    (code,), (scale,) = codes.codes, codes.scales
    first = sign(code)
    second = sign(code - major * first)
    scales = np.stack([scale * scale.dtype.type(major), scale * scale.dtype.type(0.5)])
    return Codes(np.stack([first, second]), scales, Weight.PLANES)


def exponents(size):
    """Exponent below each magnitude, and the fraction of the way from its power to the next.

    Parameters
    ----------
    size : float array
        Not negative.

    Returns
    -------
    exponent : int32 array
        ``floor(log2(size))``; -1 for zero.
    fraction : float array
        ``size / 2**exponent - 1``; -1 for zero.
    """
    mantissa, exponent = np.frexp(size)
    return exponent - 1, 2 * mantissa - 1


def powers(values, step, limit):
    """Exponential codes of values in units of the smallest level.

    Parameters
    ----------
    values : float array
    step : function of a float array
        Whether a magnitude takes the power above, from the fraction of the way there.
    limit : int
        Largest magnitude of a code; what lies beyond the levels takes the outermost ones.

    Returns
    -------
    int8 array
    """
    exponent, fraction = exponents(np.abs(values))
    return sign(values) * np.clip(exponent + step(fraction) + 1, 1, limit).astype(np.int8)


def nearest(weight, latent, scales, limit=None):
    """Codes of the levels that are nearest at given scales; the upper one in a tie.

    Parameters
    ----------
    weight : Weight
    latent : float array (rows, columns)
    scales : float array (planes, rows)
        Not negative; a scale of zero leaves only level zero, and any code is as near as another.
    limit : int or None
        Largest magnitude of a code, by default that of the alphabet (127 of ``INTEGER``).

    Returns
    -------
    int8 array (planes, rows, columns)
    """
    if weight is Weight.PLANES:
        return multibit.nearest(latent, scales).astype(np.int8)
    values = _in_units(latent, scales)
    limit = limit or weight.codes[-1]
    match weight:
        case Weight.BINARY:
            codes = sign(values)
        case Weight.QUATERNARY:
            codes = sign(values) + (values >= 1.5) - (values < -1.5)
        case Weight.EXPONENTIAL:
            # In a tie the upper level of a negative weight is the smaller power.
            up = np.where(values > 0, 0.5, np.nextafter(values.dtype.type(0.5), 1))
            codes = powers(values, lambda fraction: fraction >= up, limit)
        case _:
            codes = np.clip(np.floor(values + values.dtype.type(0.5)), -limit, limit)
    return codes.astype(np.int8)[None]


def _in_units(latent, scales):
    """Weights in units of their row's scale, zero where that is zero."""
    scale = scales[0, :, None]
    return latent / np.where(scale > 0, scale, np.inf).astype(latent.dtype)


def draw(weight, latent, scales, rng, limit=None):
    """Codes drawn between the two neighbouring levels, so that the mean is the weight.

    What lies beyond the outermost levels becomes the outermost one. Arguments and result are those
    of :func:`nearest`; ``rng`` is a ``numpy.random.Generator``.
    """
    values = _in_units(latent, scales)
    chance = rng.random(values.shape, dtype=values.dtype)
    size = np.abs(values)
    # Between -1 and +1, where those are neighbours.
    around = -sign(2 * chance - 1 - values)
    match weight:
        case Weight.BINARY:
            codes = around
        case Weight.TERNARY:
            codes = sign(values) * (chance < size)
        case Weight.QUATERNARY:
            codes = np.where(size < 1, around, sign(values) * (1 + (chance < size - 1)))
        case Weight.EXPONENTIAL:
            outer = powers(values, lambda fraction: chance < fraction, limit or weight.codes[-1])
            codes = np.where(size < 1, around, outer)
        case _:
            raise ValueError(f"Stochastic weights must be binary, ternary, quaternary or "
                             f"exponential, not {weight.value}")
    return codes.astype(np.int8)[None]
