"""From the float weights of a matrix to the integers of a ``Matrix``, in training and after it."""

import collections.abc
import dataclasses
import math
import typing

import numpy as np

from ternloom.model.alphabet import INTEGER, PLANES, Alphabet, smallest
from ternloom.model.frozen import Frozen
from ternloom.model.limits import COEFFICIENT_BITS, LARGEST_COEFFICIENT
from ternloom.model.matrix import Matrix
from ternloom.quantize.codes import Codes, as_planes, relative_error
from ternloom.quantize.method import WeightMethod


__all__ = ["MatrixQuantizer", "merge", "power_of_two"]


#: Bits of coefficients that one multiplier of an FPGA takes, sign aside: as many as there may be
#: unless more are asked for.
_NARROW_BITS = 15


def power_of_two(scales: np.ndarray) -> np.ndarray:
    """Nearest powers of two, on the logarithmic axis; zero stays zero."""
    exponent = np.round(np.log2(scales, where=scales > 0, out=np.zeros_like(scales)))
    return np.where(scales > 0, np.exp2(exponent), 0).astype(scales.dtype)


def _common(weights):
    """Smallest alphabet that holds some others."""
    weight = smallest(weights)
    if weight is None:
        names = " and ".join(sorted(weight.name for weight in weights))
        raise ValueError(f"The gates of a matrix must share an alphabet, and none holds {names}")
    return weight


def _in_alphabet(codes, weight):
    """The same weights as codes of another alphabet that holds them."""
    if weight == codes.weight:
        return codes
    if weight == PLANES:
        return as_planes(codes)
    values = codes.weight.values(codes.codes)
    if np.abs(values).max() > weight.levels[-1]:
        raise ValueError("Exponential weights beside ternary or integer ones must have at most "
                         f"7 powers, not {int(np.abs(codes.codes).max())}")
    return dataclasses.replace(codes, codes=weight.recode(values), weight=weight)


def merge(parts: collections.abc.Sequence[tuple[slice | np.ndarray, Codes]]) -> Codes:
    """Codes of some rows each, put together in the smallest alphabet that holds them all.

    Parameters
    ----------
    parts : list of (slice, Codes)
        Which rows, and their codes; together all rows.

    Returns
    -------
    Codes
        A plane that some rows do not have gets scale 0 there.

    Raises
    ------
    ValueError
        Where there is no such alphabet.
    """
    weight = _common({codes.weight for _, codes in parts})
    parts = [(rows, _in_alphabet(codes, weight)) for rows, codes in parts]
    total = sum(codes.codes.shape[1] for _, codes in parts)
    first = parts[0][1]
    planes, columns = max(len(codes.codes) for _, codes in parts), first.codes.shape[2]
    merged = np.ones((planes, total, columns), dtype=np.int8)
    scales = np.zeros((planes, total), dtype=first.scales.dtype)
    for rows, codes in parts:
        merged[:len(codes.codes), rows] = codes.codes
        scales[:len(codes.codes), rows] = codes.scales
    return Codes(merged, scales, weight)


def _at(method, latent, scales, rng):
    """Codes of a method at given scales: the nearest, or drawn."""
    found = method.nearest(latent, scales) if rng is None else method.draw(latent, scales, rng)
    return Codes(found, scales, method.weight)


class MatrixQuantizer(Frozen):
    """How the float weights of one matrix become integers.

    Parameters
    ----------
    methods : tuple of Method
        One a gate; the readout has one. The rows of all gates with the same method are fitted
        together, so that what is meant for a matrix stays one scale.
    frozen : float array (1, rows) or None
        Scales that are given, each method's own; None fits them.
    exponent : int
        A coefficient is ``round(scale * 2**exponent)``, at most what a ``Matrix`` may have.
    """

    methods: tuple[WeightMethod, ...]
    frozen: np.ndarray | None = None
    exponent: int = 0

    @property
    def weight(self) -> Alphabet:
        """Alphabet of the codes; ``ValueError`` if no alphabet holds those of all gates."""
        return _common({method.weight for method in self.methods})

    def _parts(self, latent):
        """Rows of each distinct method, as indices, and the method."""
        units = len(latent) // len(self.methods)
        gate = np.repeat(np.arange(len(self.methods)), units)
        for method in dict.fromkeys(self.methods):
            same = [index for index, other in enumerate(self.methods) if other == method]
            yield (slice(None) if len(same) == len(self.methods)
                   else np.flatnonzero(np.isin(gate, same))), method

    def fit(self, latent: np.ndarray, rng: "np.random.Generator | None" = None) -> Codes:
        """Quantize a matrix.

        Parameters
        ----------
        latent : float32 or float64 array (rows, columns)
        rng : numpy.random.Generator or None
            Draws by the methods that have a stochastic rule.

        Returns
        -------
        Codes

        Raises
        ------
        ValueError
            For weights that are not finite, and gates that no alphabet holds together.
        """
        units = len(latent) // len(self.methods)
        parts = []
        for rows, method in self._parts(latent):
            chance = rng if method.stochastic else None
            if self.frozen is None:
                codes = method.fit(latent[rows], rng=chance, units=units)
            else:
                codes = _at(method, latent[rows], self.frozen[:, rows].astype(latent.dtype), chance)
            parts.append((rows, codes))
        return merge(parts)

    def biases(self, latent: np.ndarray, bias: np.ndarray,
               rng: "np.random.Generator | None" = None) -> np.ndarray:
        """Biases as one more weight of their row would be quantized, at the row's scales.

        Parameters
        ----------
        latent : float array (rows, columns)
            The weights.
        bias : float array (some,)
            Of the last ``some`` rows.
        rng : numpy.random.Generator or None
            As ``fit`` takes it.

        Returns
        -------
        float array (some,)
        """
        units, rest = len(latent) // len(self.methods), len(latent) - len(bias)
        column = np.concatenate([np.zeros(rest, bias.dtype), bias])[:, None]
        meant = np.empty_like(column[:, 0])
        for rows, method in self._parts(latent):
            chance = rng if method.stochastic else None
            scales = (method.fit(latent[rows], units=units).scales if self.frozen is None
                      else self.frozen[:, rows].astype(latent.dtype))
            meant[rows] = _at(method, column[rows], scales, chance).reconstruct()[:, 0]
        return meant[rest:]

    def coefficients(self, scales: np.ndarray) -> np.ndarray:
        """Integers that stand for scales, int32."""
        rounded = np.floor(scales * 2.0**self.exponent + 0.5)
        return np.minimum(rounded, LARGEST_COEFFICIENT).astype(np.int32)

    def matrix(self, latent: np.ndarray) -> Matrix:
        """The ``Matrix`` of float weights."""
        codes = self.fit(latent)
        return Matrix(codes.weight, codes.codes, self.coefficients(codes.scales))

    def values(self, latent: np.ndarray,
               rng: "np.random.Generator | None" = None) -> np.ndarray:
        """Weights as the integers mean them, (rows, columns) of the type of ``latent``."""
        codes = self.fit(latent, rng)
        scales = self.coefficients(codes.scales) * 2.0**-self.exponent
        return dataclasses.replace(codes, scales=scales.astype(latent.dtype)).reconstruct()

    def clip(self, shape: tuple[int, int]) -> np.ndarray:
        """Magnitudes to which training clips the weights, (rows, 1); infinite where it doesn't."""
        rows, _ = shape
        if self.frozen is not None:
            bounds = np.empty((rows, 1), dtype=self.frozen.dtype)
            for part, method in self._parts(bounds):
                largest = int(method.weight.values(np.array([method.limit], dtype=np.int8))[0])
                bounds[part] = largest * self.frozen[0, part, None]
            return bounds
        bounds, units = np.empty((rows, 1)), rows // len(self.methods)
        for part, method in self._parts(bounds):
            clip = method.clip((len(bounds[part]), shape[1]), units)
            bounds[part] = math.inf if clip is None else clip
        return bounds

    def freeze(self, latent: np.ndarray) -> typing.Self:
        """This quantizer with scales frozen at the powers of two nearest to the fitted ones.

        Sign planes keep the scales that fit them.
        """
        if self.weight == PLANES:
            return self
        return dataclasses.replace(self, frozen=power_of_two(self.fit(latent).scales))

    def coarsened(self, latent: np.ndarray) -> typing.Self:
        """This quantizer with the scales of integer weights frozen at coefficients, rounded up.

        What a coefficient cannot tell of a scale then costs steps of the codes, which are many. The
        scales of other alphabets are frozen at the nearest coefficients.
        """
        scales = self.fit(latent).scales * 2.0**self.exponent
        if self.weight == PLANES:
            return self
        frozen = np.floor(scales + 0.5)
        for rows, method in self._parts(latent):
            if method.weight == INTEGER:
                frozen[:, rows] = np.ceil(scales[:, rows])
        return dataclasses.replace(self, frozen=frozen * 2.0**-self.exponent)

    def with_exponent(self, exponent: int) -> typing.Self:
        """This quantizer with another exponent of its coefficients."""
        return dataclasses.replace(self, exponent=exponent)

    def loss(self, latent: np.ndarray) -> float:
        """Error of rounding scales to coefficients, relative to the square of the fitted weights.

        Parameters
        ----------
        latent : float array (rows, columns)

        Returns
        -------
        float
            1 where all coefficients become zero.
        """
        codes = self.fit(latent)
        scales = self.coefficients(codes.scales) * 2.0**-self.exponent
        return relative_error(codes.reconstruct(), dataclasses.replace(codes, scales=scales))

    def exponents(self, latent: np.ndarray, bits: int) -> tuple[int, int, int] | None:
        """Exponents that are useful and possible, or None where all scales are zero.

        Returns
        -------
        (int, int, int), or None
            At the first every coefficient is exact if all scales are powers of two, and the largest
            has ``bits`` bits otherwise. At the second the largest still fits one multiplier of an
            FPGA, at the third a ``Matrix``, with a bit to spare for what training makes of it.
        """
        scales = self.fit(latent).scales
        scales = scales[scales > 0]
        if not scales.size:
            return None
        top = math.frexp(float(scales.max()))[1] - 1
        if (np.frexp(scales)[0] == 0.5).all():
            bits = top - math.frexp(float(scales.min()))[1] + 2
        return bits - 1 - top, _NARROW_BITS - 2 - top, COEFFICIENT_BITS - 2 - top
