"""Codes with real scales: what a weight quantizer gives, and each alphabet's nearest codes.

A matrix of floats is approximated as ``sum over p of scales[p, r] * value(codes[p, r, c])``. For
given scales each alphabet of :mod:`ternloom.model.alphabet` has one deterministic rule,
the nearest level (:func:`nearest`), and most have a stochastic one, either of the two neighbouring
levels with the probabilities that keep the mean (:func:`draw`).
"""

import dataclasses
import math

import numpy as np

from ternloom.model.alphabet import BINARY, PLANES, Alphabet
from ternloom.model.alphabet.alphabet import sign
from ternloom.model.frozen import Frozen
from ternloom.quantize import multibit


__all__ = ["Codes", "as_planes", "draw", "nearest", "relative_error"]


class Codes(Frozen):
    """Weight codes and a real scale for each plane of each row.

    Parameters
    ----------
    codes : int8 array (planes, rows, columns)
    scales : float array (planes, rows)
        Not negative.
    weight : Alphabet
        The alphabet of the codes.
    """

    codes: np.ndarray
    scales: np.ndarray
    weight: Alphabet

    def reconstruct(self) -> np.ndarray:
        """The floats that codes and scales stand for, (rows, columns), of the scales' type."""
        total = np.zeros(self.codes.shape[1:], dtype=self.scales.dtype)
        for codes, scales in zip(self.codes, self.scales, strict=True):
            total += self.weight.values(codes) * scales[:, None]
        return total


def relative_error(latent: np.ndarray, codes: Codes | np.ndarray) -> float:
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


def as_planes(codes: Codes) -> Codes:
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
    if codes.weight in (BINARY, PLANES):
        return dataclasses.replace(codes, weight=PLANES)
    major = codes.weight.major
    if major is None:
        raise ValueError("Weights as planes must be binary, ternary, quaternary or planes, "
                         f"not {codes.weight.name}")
    (code,), (scale,) = codes.codes, codes.scales
    first = sign(code)
    second = sign(code - major * first)
    scales = np.stack([scale * scale.dtype.type(major), scale * scale.dtype.type(0.5)])
    return Codes(np.stack([first, second]), scales, PLANES)


def nearest(weight: Alphabet, latent: np.ndarray, scales: np.ndarray,
            limit: int | None = None) -> np.ndarray:
    """Codes of the levels that are nearest at given scales; the upper one in a tie.

    Parameters
    ----------
    weight : Alphabet
    latent : float array (rows, columns)
    scales : float array (planes, rows)
        Not negative; a scale of zero leaves only level zero, and any code is as near as another.
    limit : int or None
        Largest magnitude of a code, by default that of the alphabet (127 of ``INTEGER``).

    Returns
    -------
    int8 array (planes, rows, columns)
    """
    if weight.planes > 1:
        return multibit.nearest(latent, scales).astype(np.int8)
    values = _in_units(latent, scales)
    return weight.nearest(values, limit or weight.codes[-1]).astype(np.int8)[None]


def _in_units(latent, scales):
    """Weights in units of their row's scale, zero where that is zero."""
    scale = scales[0, :, None]
    return latent / np.where(scale > 0, scale, np.inf).astype(latent.dtype)


def draw(weight: Alphabet, latent: np.ndarray, scales: np.ndarray, rng: "np.random.Generator",
         limit: int | None = None) -> np.ndarray:
    """Codes drawn between the two neighbouring levels, so that the mean is the weight.

    What lies beyond the outermost levels becomes the outermost one. Arguments and result are those
    of :func:`nearest`; ``rng`` is a ``numpy.random.Generator``.
    """
    values = _in_units(latent, scales)
    chance = rng.random(values.shape, dtype=values.dtype)
    return weight.draw(values, chance, limit or weight.codes[-1]).astype(np.int8)[None]
