"""What one lane adds, by the alphabet of its weight: a product, or what an activation selects.

Nothing here is negated: the complement of a number is its negative less one, and that one
depends on the weight alone (:meth:`ternloom.model.alphabet.Alphabet.complemented`).
"""

from amaranth import *

from ternloom.model.alphabet import BINARY, EXPONENTIAL, INTEGER, QUATERNARY, TERNARY


__all__ = ["PRODUCTS", "SELECTED"]


def _chosen(netlist, value, single, double, negative):
    """Term of a value: as it is, doubled, or 0 if neither; then complemented or not.

    ``double`` is None where it does not occur. Only what is not 0 may be complemented.
    """
    width = len(value) + (double is not None)
    term = Cat(value, value[-1])[:width] & single.replicate(width)
    if double is not None:
        term = term | (Cat(C(0, 1), value) & double.replicate(width))
    return netlist.node(term ^ negative.replicate(width), signed(width))


def _binary(netlist, weight, value):
    return [netlist.node(value ^ (~weight).replicate(len(value)), signed(len(value)))]


def _ternary(netlist, weight, value):
    return [_chosen(netlist, value, weight[0], None, weight[1])]


def _quaternary(netlist, weight, value):
    doubled = ~(weight[0] ^ weight[1])
    return [_chosen(netlist, value, ~doubled, doubled, ~weight[1])]


def _exponential(netlist, weight, value):
    """A value times a signed power of two; the negation goes with the last shift."""
    negative = weight[-1]
    for place, bit in enumerate(weight[:-1]):
        width = len(value) + (1 << place)
        wide = value.as_signed()
        shifted = Mux(bit, wide << (1 << place), wide)
        if place == len(weight) - 2:
            shifted = shifted[:width] ^ negative.replicate(width)
        value = netlist.node(shifted, signed(width))
    return [value]


def _integer(netlist, weight, value):
    """A value times each digit of an integer, see ``ternloom.model.alphabet.integer.recoded``."""
    terms, carry = [], C(0, 1)
    for first in range(0, len(weight) - 2, 2):
        low, high = weight[first], weight[first + 1]
        odd, upper = low, high
        if first:
            odd = netlist.node(low ^ carry)
            upper = netlist.node((high & ~(low & carry)) | (~high & low & carry))
        terms.append(_chosen(netlist, value, odd, ~odd & upper, odd & upper))
        carry = netlist.node(high & (low | carry))
    if len(weight) % 2:
        terms.append(_chosen(netlist, value, weight[-1] ^ carry, None, weight[-1] & ~carry))
    else:
        low, high = weight[-2], weight[-1]
        doubled = (low & carry & ~high) | (~low & ~carry & high)
        terms.append(_chosen(netlist, value, low ^ carry, doubled, high & ~(low & carry)))
    return terms


#: Terms of a weight times a value in two's complement, one a digit, by alphabet.
PRODUCTS = {BINARY: _binary, TERNARY: _ternary, QUATERNARY: _quaternary,
            EXPONENTIAL: _exponential, INTEGER: _integer}


def _selected_quaternary(netlist, weight, activation):
    single, double = _times(activation, weight[-1])
    powers = [weight[0] ^ weight[1], ~(weight[0] ^ weight[1])]
    return _selected_power(netlist, powers, single, double, len(activation))


def _selected_exponential(netlist, weight, activation):
    single, double = _times(activation, ~weight[-1])
    single, double = netlist.node(single), netlist.node(double)
    powers = [weight[:-1] == exponent for exponent in range(1 << (len(weight) - 1))]
    powers = [netlist.node(power) for power in powers] if len(activation) == 2 else powers
    return _selected_power(netlist, powers, single, double, len(activation))


def _times(activation, positive):
    """Whether an activation adds a magnitude once, and twice, if the weight is positive or not."""
    if len(activation) == 1:
        return activation[0] ^ ~positive, C(0, 1)
    return ~activation[0], activation[0] & (activation[1] ^ positive)


def _selected_power(netlist, powers, single, double, activation_bits):
    """One of some powers of two, once or twice."""
    bits = [(single & power) | (double & below)
            for power, below in zip([*powers, C(0, 1)], [C(0, 1), *powers], strict=True)]
    width = len(powers) + activation_bits - 1
    return netlist.node(Cat(bits[:width]), width)


def _selected_integer(netlist, weight, activation):
    """A ternary code is 0, +1 or 11: the weight once, twice, not at all."""
    if len(activation) == 1:
        return _chosen(netlist, weight, activation, None, C(0, 1))
    return _chosen(netlist, weight, ~activation[0], activation[0] & ~activation[1], C(0, 1))


#: What an activation of one bit or of a ternary code selects of a weight, by alphabet.
SELECTED = {QUATERNARY: _selected_quaternary, EXPONENTIAL: _selected_exponential,
            INTEGER: _selected_integer}
