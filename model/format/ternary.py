"""Three codes."""

import msgspec

from ternloom.model.format.shared import Comparator, cut


__all__ = ["Ternary"]


class Ternary(Comparator, msgspec.Struct, frozen=True, tag="ternary", forbid_unknown_fields=True):
    """Codes {-1, 0, +1}; the wire form is two's complement of two bits.

    Parameters
    ----------
    threshold : int
        A value at or above ``threshold * 2**-threshold_frac`` is +1, one at or below its negative
        is -1, the rest is 0.
    threshold_frac : int
    """

    threshold: int = 1
    threshold_frac: int = 1

    width = 2
    magnitude = 1
    scaled = False
    signed = True
    lane_bits = 2
    levels = (-1, 0, 1)
    text = "ternary"

    def __post_init__(self):
        if not 1 <= self.threshold < 1 << 32:
            raise ValueError("Ternary threshold must be from 1 to 4294967295, "
                             f"not {self.threshold!r}")
        if not 0 <= self.threshold_frac <= 64:
            raise ValueError("Ternary threshold fraction bits must be from 0 to 64, "
                             f"not {self.threshold_frac!r}")

    def cuts(self, frac: int) -> tuple[int, ...]:
        """Sorted comparator thresholds, integers of ``frac`` fraction bits."""
        upper = cut(self.threshold, frac, self.threshold_frac)
        return (1 - upper, upper)
