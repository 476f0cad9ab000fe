"""Coefficients of the rows: constant shifts where they can be, else shifts, else products."""

import enum

import numpy as np
from amaranth import *
from amaranth.lib.memory import Memory

from ternloom.hw.fixed import range_shape


__all__ = ["Scaling", "Stage", "scaled", "scaling", "times"]


class Stage(enum.IntEnum):
    """Where a dot is in a combiner, in cycles from the raw sums that are mixed by constants."""

    #: Its raw sums are there.
    RAW    = 0
    #: Their mix is.
    DOT    = 1
    #: It meets its coefficient.
    SCALE  = 2
    #: Their product is added to the row.
    ADD    = 3
    #: The row's sum is there.
    ROW    = 4
    #: The row's result is.
    RESULT = 5


class Scaling(enum.Enum):
    """What it takes to multiply a dot by its coefficient."""

    #: Each block has one coefficient, a power of two: wires.
    CONSTANT = "wires"
    #: Coefficients are powers of two of either sign, or zero: a shifter and a ROM of exponents.
    SHIFT    = "shifter"
    #: Anything else: a multiplier and a ROM.
    PRODUCT  = "multiplier"


def _all(image):
    return np.concatenate([part.coefficients.ravel() for part in image.blocks])


def scaling(image):
    """What the image's coefficients take, in all chains alike."""
    if all(_uniform(part) is not None for part in image.blocks):
        return Scaling.CONSTANT
    sizes = np.abs(_all(image))
    return Scaling.PRODUCT if np.any(sizes & (sizes - 1)) else Scaling.SHIFT


def times(value, factor):
    """Product with a positive constant, a shift where that is a power of two."""
    if factor & (factor - 1):
        return value * factor
    return value << (factor.bit_length() - 1)


def scaled(m, image, chain, places, value):
    """``value`` at ``Stage.SCALE`` times the coefficient of its dot, a cycle later.

    Parameters
    ----------
    m : Module
    image : Image
    chain : int
    places : sequence of Place
        By ``Stage``.
    value : Signal
    """
    product = Signal(range_shape(min(int(part.product_low.min()) for part in image.blocks),
                                 max(int(part.product_high.max()) for part in image.blocks)))
    kind = scaling(image)
    if kind is Scaling.CONSTANT:
        with m.Switch(places[Stage.SCALE].block):
            for index, part in enumerate(image.blocks):
                with m.Case(index):
                    m.d.sync += product.eq(value << _uniform(part))
        return product
    coefficients = np.concatenate([part.coefficients[chain] for part in image.blocks])
    if kind is Scaling.SHIFT:
        m.d.sync += product.eq(_shifted(m, coefficients, _all(image), places, value))
    else:
        coefficient = _read(m, places, coefficients.tolist(),
                            range_shape(int(_all(image).min()), int(_all(image).max())))
        m.d.sync += product.eq(value * coefficient)
    return product


def _uniform(part):
    """Exponent, if all coefficients of a block are one power of two, in all chains alike."""
    values = {int(value) for value in part.coefficients.flat}
    value = values.pop() if len(values) == 1 else 0
    return value.bit_length() - 1 if value > 0 and value & (value - 1) == 0 else None


def _read(m, places, entries, shape):
    """The entry of a dot, at ``Stage.SCALE``."""
    m.submodules.coefficients = rom = Memory(shape=shape, depth=max(len(entries), 2), init=entries)
    port = rom.read_port()
    entry = Signal(shape, name="coefficient")
    m.d.comb += port.addr.eq(places[Stage.RAW].dot)
    m.d.sync += entry.eq(port.data)
    return entry


def _shifted(m, coefficients, everywhere, places, value):
    """``value`` shifted as far as its coefficient says, negated or cleared if that says so.

    An entry of the ROM is, from its lowest bit, the shift beyond the smallest one, a sign if any
    coefficient is negative, and a mark of zeros if there are any.
    """
    exponents = [size.bit_length() - 1 for size in np.abs(everywhere).tolist() if size] or [0]
    least, most = min(exponents), max(exponents)
    bits = (most - least).bit_length()
    has_sign, has_zero = bool((everywhere < 0).any()), bool((everywhere == 0).any())

    entries = []
    for coefficient in coefficients.tolist():
        shift = max(abs(coefficient).bit_length() - 1 - least, 0)
        entries.append(shift | (coefficient < 0) << bits | (coefficient == 0) << (bits + has_sign))
    entry = _read(m, places, entries, unsigned(max(bits + has_sign + has_zero, 1)))

    shifted = Signal(signed(len(value) + most))
    m.d.comb += shifted.eq((value << entry[:bits]) << least)
    signed_value = Mux(entry[bits], -shifted, shifted) if has_sign else shifted
    return Mux(entry[bits + has_sign], 0, signed_value) if has_zero else signed_value
