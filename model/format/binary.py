"""Two codes."""

import msgspec
import numpy as np
import numpy.typing as npt

from ternloom.model.format.shared import Codes, Comparator


__all__ = ["Binary"]


class Binary(Comparator, msgspec.Struct, frozen=True, tag="binary", forbid_unknown_fields=True):
    """Codes {-1, +1}; the wire form is 1 for +1 and 0 for -1. The code of zero is +1."""

    width = 1
    magnitude = 1
    levels = (-1, 1)
    scaled = plain = False
    text = "binary"

    def cuts(self, frac: int) -> tuple[int, ...]:
        """Sorted comparator thresholds, integers of ``frac`` fraction bits."""
        return (0,)

    def bits(self, code: Codes) -> Codes:
        """Unsigned wire form of each code, one bit."""
        return (code + 1) >> 1

    def decode(self, bits: npt.ArrayLike) -> np.ndarray:
        """Codes of wire forms: int64 array."""
        return 2 * super().decode(bits) - 1
