"""Widths of everything between the dot products and the next state's code."""

import msgspec

from ternloom.model.format import Fixed
from ternloom.model.rounding import Rounding


__all__ = ["Precision"]


class Precision(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Widths of everything between the dot products and the next state's code.

    Parameters
    ----------
    preact : Fixed
        Gate pre-activations, and the argument of every table: at most 12 bits.
    gate_frac : int
        Fraction bits of gate values; a gate is a signed number of ``gate_width`` bits. With none,
        gates are comparators: sigmoid is 0 or 1, tanh -1, 0 or +1 (see
        :mod:`ternloom.model.table`).
    state : Fixed
        What is carried over time: c of an LSTM, h of a GRU. With comparators, c counts units of
        one: ``Fixed(width, 0)`` is a saturating counter.
    rounding : Rounding
        Of every shift between these formats.
    slope, slope_frac : int
        Sloping factor ``l = slope * 2**-slope_frac`` of the gates and of tanh(c): sigmoid(a / l)
        and tanh(a / l) (after HitNet, Wang et al. 2018; where l stands is Ternloom's choice).
    """

    preact: Fixed = Fixed(10, 6)
    gate_frac: int = 8
    state: Fixed = Fixed(16, 11)
    rounding: Rounding = Rounding.HALF_UP
    slope: int = 1
    slope_frac: int = 0

    def __post_init__(self):
        if not self.preact.signed or not 4 <= self.preact.width <= 12:
            raise ValueError(f"Pre-activations must be signed and of 4 to 12 bits, "
                             f"not {self.preact!r}")
        if self.gate_frac != 0 and not 2 <= self.gate_frac <= 15:
            raise ValueError("Gate fraction bits must be 0 (comparators) or from 2 to 15, "
                             f"not {self.gate_frac!r}")
        most = 32 if self.comparators else self.state.frac
        if not 0 <= self.preact.frac <= most:
            whose = "" if self.comparators else " (the state's)"
            raise ValueError(f"Pre-activations must have from 0 to {most} fraction bits{whose}, "
                             f"not {self.preact.frac!r}")
        if not self.state.signed or not 2 <= self.state.width <= 24:
            raise ValueError(f"The state must be signed and of 2 to 24 bits, not {self.state!r}")
        if self.state.frac < self.gate_frac:
            raise ValueError(f"The state must have at least the gates' {self.gate_frac} fraction "
                             f"bits, not {self.state.frac!r}")
        for part in (self.preact, self.state):
            if part.rounding is not self.rounding:
                raise ValueError(f"Rounding must be {self.rounding.value} as the precision says, "
                                 f"not {part.rounding.value}")
        if not 1 <= self.slope < 1 << 16:
            raise ValueError(f"Slope must be from 1 to 65535, not {self.slope!r}")
        if not 0 <= self.slope_frac <= 16:
            raise ValueError(f"Slope fraction bits must be from 0 to 16, not {self.slope_frac!r}")

    @property
    def comparators(self) -> bool:
        """Whether gates are comparators: there are neither tables nor products."""
        return self.gate_frac == 0

    @property
    def gate_width(self) -> int:
        """Bits of a gate value, two's complement."""
        return max(self.gate_frac + 1, 2)
