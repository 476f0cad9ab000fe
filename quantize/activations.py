"""Activation methods by name: how a layer's outputs become codes."""

import abc
import math

import numpy as np

from ternloom.model.format import Binary, Fixed, Format, Online, Planes, Ternary
from ternloom.quantize import method, multibit, weights


__all__ = ["BinaryActivation", "FixedActivation", "OnlineActivation", "PlanesActivation",
           "TernaryActivation", "listing", "names", "parse"]


#: Fraction bits of the coefficients of frozen planes.
_PLANE_FRAC = 6
#: Of a threshold, before common factors of two are dropped.
_THRESHOLD_FRAC = 8
#: Alternations that fit frozen planes: once, so as many as settle.
_ROUNDS = 20


class _ActivationMethod(method.Named, frozen=True):
    """What all methods share; each adds ``form(values, largest)``."""

    @abc.abstractmethod
    def form(self, values: np.ndarray, largest: float) -> Format:
        """Format of outputs that have these values, up to a magnitude of ``largest``."""

    def _check(self, **ranges):
        for field, (low, high) in ranges.items():
            value = getattr(self, field)
            if not low <= value <= high:
                raise ValueError(f"{self.name}'s {field} must be from {low} to {high}, "
                                 f"not {value!r}")


def _above(largest):
    """Bits above the fraction that hold values below ``largest``; negative below a half."""
    return max(-16, math.ceil(math.log2(largest))) if largest > 0 else 0


def _fixed(bits, largest):
    return Fixed(bits, bits - 1 - _above(largest))


class FixedActivation(_ActivationMethod, tag="fixed", frozen=True):
    """Fixed point (Li & Alvarez 2021 for 8 bits; power-of-two scales are Ternloom's choice).

    Parameters
    ----------
    bits : int
        2 to 16.
    """

    bits: int = 8

    def __post_init__(self):
        self._check(bits=(2, 16))

    def form(self, values: np.ndarray, largest: float) -> Fixed:
        """Format for values of this magnitude at most."""
        return _fixed(self.bits, largest)


class BinaryActivation(_ActivationMethod, tag="binary", frozen=True):
    """The sign, +1 for zero (Ternloom's choice)."""

    def form(self, values: np.ndarray, largest: float) -> Binary:
        """Format; there is only one."""
        return Binary()


class TernaryActivation(_ActivationMethod, tag="ternary", frozen=True):
    """The sign from a threshold on, zero below it (alphabet of HitNet; rule is Ternloom's choice).

    Parameters
    ----------
    threshold : float
        1/256 to 1; rounded to 1/256.
    """

    threshold: float = 0.5

    def __post_init__(self):
        self._check(threshold=(1 / 256, 1))

    def form(self, values: np.ndarray, largest: float) -> Ternary:
        """Format with the threshold."""
        numerator, frac = max(1, round(self.threshold * 2**_THRESHOLD_FRAC)), _THRESHOLD_FRAC
        while numerator % 2 == 0 and frac > 0:
            numerator, frac = numerator // 2, frac - 1
        return Ternary(numerator, frac)


class PlanesActivation(_ActivationMethod, tag="planes", frozen=True):
    """Sign planes with coefficients frozen by calibration (Xu et al. 2018; Ternloom's choice).

    The paper fits them online; here alternating quantization fits them to all values at once.

    Parameters
    ----------
    planes : int
        1 to 4.
    """

    planes: int = 2

    def __post_init__(self):
        self._check(planes=(1, 4))

    def form(self, values: np.ndarray, largest: float) -> Planes:
        """Format whose levels fit the values."""
        _, scales = multibit.alternating(values.reshape(1, -1), self.planes, _ROUNDS)
        frac = max(0, _PLANE_FRAC - _above(largest))
        coefficients = [max(1, round(float(scale) * 2**frac)) for scale in scales[:, 0]]
        return Planes(tuple(sorted(coefficients, reverse=True)), frac)


class OnlineActivation(_ActivationMethod, tag="online", frozen=True):
    """Sign planes fitted to the layer's outputs at every step (Xu et al. 2018, algorithm 2).

    Parameters
    ----------
    planes : int
        2 or 3.
    rounds : int
        T of the paper, 1 to 4.
    bits : int
        Of the samples that the quantizer sees, 4 to 16.
    """

    planes: int = 2
    rounds: int = 2
    bits: int = 8

    def __post_init__(self):
        self.form(None, 1.0)

    def form(self, values: np.ndarray | None, largest: float) -> Online:
        """Format for values of this magnitude at most."""
        return Online(_fixed(self.bits, largest), self.planes, self.rounds)


_METHODS: dict[str, type[_ActivationMethod]] = method.by_name((
    BinaryActivation, FixedActivation, OnlineActivation, PlanesActivation, TernaryActivation))


def names() -> tuple[str, ...]:
    """Names of all methods, in alphabetical order."""
    return tuple(_METHODS)


def listing() -> list[tuple[str, str]]:
    """How each method's text looks, and its citation: pairs of str, by name."""
    return method.listing(_METHODS)


def parse(text: str) -> _ActivationMethod:
    """The activation method that a text such as ``planes:2`` stands for.

    Raises
    ------
    ValueError
        In one line; for an unknown name, or one of a weight method, with the methods that exist.
    """
    name = text.partition(":")[0]
    if name not in _METHODS:
        why = ", which is for weights alone" if name in weights.names() else ""
        raise ValueError(f"Activation method must be one of {', '.join(_METHODS)}, "
                         f"not {name!r}{why}")
    return method.parse(text, _METHODS, "Activation method")
