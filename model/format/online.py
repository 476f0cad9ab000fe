"""Sign planes whose coefficients come with the vector."""

import typing

import msgspec
import numpy as np

from ternloom.model.format.fixed import Fixed
from ternloom.model.format.shared import Shared


__all__ = ["Online"]


class Online(Shared, msgspec.Struct, frozen=True, tag="online", forbid_unknown_fields=True):
    """k sign planes whose coefficients are computed from the vector itself, at every step.

    The vector's samples (``sample.quantize``) become codes and k integer coefficients by
    alternating multi-bit quantization (Xu et al. 2018, section 3) in integers, see
    :mod:`ternloom.model.online`. A code is an integer of k bits; bit j set means that plane j is
    +1.

    Parameters
    ----------
    sample : Fixed
        What the quantizer sees of each unit; signed.
    planes : int
        2 or 3.
    rounds : int
        Alternations T, 1 to 4.
    """

    sample: Fixed
    planes: int = 2
    rounds: int = 2

    def __post_init__(self):
        if self.planes not in (2, 3):
            raise ValueError(f"Online planes must be 2 or 3, not {self.planes!r}")
        if not 1 <= self.rounds <= 4:
            raise ValueError(f"Online rounds must be from 1 to 4, not {self.rounds!r}")
        if not self.sample.signed or not 4 <= self.sample.width <= 16:
            raise ValueError("Online samples must be signed and of 4 to 16 bits, "
                             f"not {self.sample!r}")

    @property
    def width(self) -> int:
        """Bits of a code: one a plane."""
        return self.planes

    @property
    def header(self) -> int:
        return self.planes

    @property
    def header_bits(self) -> int:
        return self.planes * self.coefficient_bits

    @property
    def lane_planes(self) -> int:
        return self.planes

    @property
    def pipeline_format(self) -> Fixed:
        return self.sample

    @property
    def code_range(self) -> tuple[int, int]:
        """Smallest and largest code."""
        return 0, (1 << self.planes) - 1

    #: A code has no value of its own: the feed clears lanes without a column.
    padding = 0

    @property
    def text(self) -> str:
        """In a word or two."""
        return f"online planes({self.planes})"

    @property
    def frac(self) -> int:
        """Fraction bits of the coefficients: one more than the samples'."""
        return self.sample.frac + 1

    @property
    def coefficient_bits(self) -> int:
        """Unsigned bits of a coefficient, which is at most twice the largest sample."""
        return self.sample.width + 1

    @property
    def magnitude(self) -> int:
        """Bound of the absolute value of a code: twice the largest sample, or thrice of that."""
        return (1 if self.planes == 2 else 3) << self.sample.width

    @typing.overload
    def quantize(self, value: np.ndarray, frac: int) -> np.ndarray: ...
    @typing.overload
    def quantize(self, value: int | np.integer, frac: int) -> np.integer: ...
    def quantize(self, value: typing.Any, frac: int) -> typing.Any:
        """Sample of each integer ``value`` that has ``frac`` fraction bits."""
        return self.sample.quantize(value, frac)

    def contains(self, code: int | np.integer | np.ndarray) -> bool:
        """Whether every code is one of this format."""
        return bool(np.all((code >= 0) & (code < 1 << self.planes)))
