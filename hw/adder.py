"""Processing elements that add: weights times fixed point, and wide weights times few levels.

Both make one number a lane and add them in a tree of carry chains. Neither negates: the complement
of a number is its negative less one, and what it lacks depends on the weights alone, so it goes
into the offset of the word (:mod:`ternloom.hw.element` has the interface).
"""

import numpy as np
from amaranth import *

from ternloom.hw.compressor import Netlist
from ternloom.hw.element import WordElement
from ternloom.mapping.geometry import Element
from ternloom.mapping.wire import lacks, levels
from ternloom.model.matrix import Weight


__all__ = ["SelectAdd", "ShiftAdd"]


#: Bits of a lane that the alphabets of one size have, and of the others the fewest and the most.
_BITS = {Weight.BINARY: (1, 1), Weight.TERNARY: (2, 2), Weight.QUATERNARY: (2, 2),
         Weight.EXPONENTIAL: (2, 5), Weight.INTEGER: (2, 8)}


def _check_bits(weight, bits):
    low, high = _BITS[weight]
    if bits is None and low == high:
        return low
    if bits is None or not low <= bits <= high:
        raise ValueError(f"Bits of {weight.value} weights must be from {low} to {high}, "
                         f"not {bits!r}")
    return bits


class _AddingElement(WordElement):
    """A tree of adders over one number a lane."""

    def _register(self, netlist, signals, phase, level):
        """Signals with the registers that belong before a level, and their phase."""
        wanted = level * self.stages // self._levels if level < self._levels else self.stages
        return [netlist.delay(signal, wanted - phase) for signal in signals], wanted

    def _sum(self, netlist, terms, phase, level):
        """Sum of the terms of a level, with the phase and level that it has."""
        while len(terms) > 1:
            terms, phase = self._register(netlist, terms, phase, level)
            sums = [netlist.node(a + b, (a + b).shape())
                    for a, b in zip(terms[::2], terms[1::2], strict=False)]
            terms = sums + terms[len(sums) * 2:]
            level += 1
        return terms[0], phase, level

    def _finish(self, m, netlist, total, phase):
        (total,), _ = self._register(netlist, [total], phase, self._levels)
        m.d.comb += self.o.eq(total)


class ShiftAdd(_AddingElement):
    """Weights of any alphabet on fixed-point activations, without a multiplier.

    A lane is inverted, cleared, doubled: one table a bit. An exponential weight shifts by powers of
    two. An integer weight is recoded to digits from -1 to 2 of two bits each, and there is a tree
    for each digit.

    Parameters
    ----------
    simd : int
        Lanes, 1 to 256.
    weight : Weight
    activation_width : int
        Bits of an activation, 2 to 33, two's complement.
    weight_bits : int or None
        Of a lane: 2 to 5 for exponential and 2 to 8 for integer weights; the others know theirs.
    stages : int or None
        Register stages, by default ``ceil(levels / 2)`` with the levels of
        :func:`ternloom.mapping.schedule.element_levels`.

    Members
    -------
    weights : In(simd * weight_bits)
        See :mod:`ternloom.mapping.wire`.
    activations : In(simd * activation_width)
    o : Out(range(low, high + 1))
        ``stages`` cycles later.

    Raises
    ------
    ValueError
        If a parameter is out of its range.
    """

    kind = Element.SHIFT_ADD

    def __init__(self, simd, *, weight, activation_width, weight_bits=None, stages=None):
        simd = self._check_simd(simd)
        weight_bits = _check_bits(weight, weight_bits)
        if not 2 <= activation_width <= 33:
            raise ValueError(f"Activation width must be from 2 to 33, not {activation_width!r}")
        edge = 1 << (activation_width - 1)
        values = np.array(levels(weight, weight_bits), dtype=np.int64)
        lacking = lacks(self.kind, weight, weight_bits, values)
        ends = np.stack([values * -edge, values * (edge - 1)]) - lacking
        super().__init__(simd, weight=weight, weight_bits=weight_bits,
                         activation_bits=activation_width, low=int(ends.min()) * simd,
                         high=int(ends.max()) * simd, stages=stages)

    def elaborate(self, platform):
        m = Module()
        netlist = Netlist(m)
        lanes = [self._lane(lane) for lane in range(self.simd)]
        match self.weight:
            case Weight.INTEGER:
                total, phase = self._integers(netlist, lanes)
            case Weight.EXPONENTIAL:
                terms = [self._shifted(netlist, *lane) for lane in lanes]
                extra = self._levels - (self.simd - 1).bit_length()
                total, phase, _ = self._sum(netlist, terms, 0, extra)
            case _:
                terms = [self._small(netlist, *lane) for lane in lanes]
                total, phase, _ = self._sum(netlist, terms, 0, 0)
        self._finish(m, netlist, total, phase)

        return m

    def _small(self, netlist, weight, value):
        """A value times a weight of one or two bits: one table a bit."""
        match self.weight:
            case Weight.BINARY:
                return netlist.node(value ^ (~weight).replicate(len(value)), signed(len(value)))
            case Weight.TERNARY:
                return _chosen(netlist, value, weight[0], None, weight[1])
            case Weight.QUATERNARY:
                doubled = ~(weight[0] ^ weight[1])
                return _chosen(netlist, value, ~doubled, doubled, ~weight[1])

    def _shifted(self, netlist, weight, value):
        """A value times a signed power of two; the negation goes with the last shift."""
        negative = weight[-1]
        for place, bit in enumerate(weight[:-1]):
            width = len(value) + (1 << place)
            wide = value.as_signed()
            shifted = Mux(bit, wide << (1 << place), wide)
            if place == len(weight) - 2:
                shifted = shifted[:width] ^ negative.replicate(width)
            value = netlist.node(shifted, signed(width))
        return value

    def _integers(self, netlist, lanes):
        """Sum of values times integers: a tree for each digit, then the sum of those."""
        terms = [self._digits(netlist, *lane) for lane in lanes]
        totals = [self._sum(netlist, list(place), 0, 0) for place in zip(*terms, strict=True)]
        phase, level = totals[0][1:]
        totals, step = [total for total, *_ in totals], 2
        while len(totals) > 1:
            totals, phase = self._register(netlist, totals, phase, level)
            sums = []
            for low, high in zip(totals[::2], totals[1::2], strict=False):
                upper = netlist.node((low >> step) + high, ((low >> step) + high).shape())
                sums.append(netlist.node(Cat(low[:step], upper), signed(step + len(upper))))
            totals = sums + totals[len(sums) * 2:]
            level, step = level + 1, 2 * step
        return totals[0], phase

    @staticmethod
    def _digits(netlist, weight, value):
        """A value times each digit of an integer, see :func:`ternloom.mapping.wire.digits`."""
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


def _chosen(netlist, value, single, double, negative):
    """Term of a value: as it is, doubled, or 0 if neither; then complemented or not.

    ``double`` is None where it does not occur. Only what is not 0 may be complemented.
    """
    width = len(value) + (double is not None)
    term = Cat(value, value[-1])[:width] & single.replicate(width)
    if double is not None:
        term = term | (Cat(C(0, 1), value) & double.replicate(width))
    return netlist.node(term ^ negative.replicate(width), signed(width))


class SelectAdd(_AddingElement):
    """Weights of several bits on binary or ternary activations, which select them.

    A binary activation adds a weight or nothing, and twice the sum lacks the sum of the weights. A
    ternary activation adds nothing, the weight or twice the weight, and the sum lacks the same.
    Quaternary and exponential weights do so by their magnitudes, and their signs change that of the
    activation.

    Parameters
    ----------
    simd : int
        Lanes, 1 to 256.
    weight : Weight
        Quaternary, exponential or integer.
    activation_bits : int
        1 for binary or 2 for ternary codes.
    weight_bits : int or None
        Of a lane: 2 to 5 for exponential and 2 to 8 for integer weights.
    stages : int or None
        Register stages, by default ``ceil(log2(simd) / 2)``.

    Members
    -------
    weights : In(simd * weight_bits)
        See :mod:`ternloom.mapping.wire`.
    activations : In(simd * activation_bits)
        As in ``GatedPopcount``.
    o : Out(range(low, high + 1))
        ``stages`` cycles later.

    Raises
    ------
    ValueError
        If a parameter is out of its range.
    """

    kind = Element.SELECT_ADD

    def __init__(self, simd, *, weight, activation_bits, weight_bits=None, stages=None):
        simd = self._check_simd(simd)
        if weight not in (Weight.QUATERNARY, Weight.EXPONENTIAL, Weight.INTEGER):
            raise ValueError("Weights that are selected must be quaternary, exponential or "
                             f"integer, not {weight.value}")
        weight_bits = _check_bits(weight, weight_bits)
        if activation_bits not in (1, 2):
            raise ValueError(f"Activation bits must be 1 or 2, not {activation_bits!r}")
        values = -lacks(self.kind, weight, weight_bits, levels(weight, weight_bits))
        low, high = (simd * activation_bits * int(edge) for edge in (values.min(), values.max()))
        super().__init__(simd, weight=weight, weight_bits=weight_bits,
                         activation_bits=activation_bits, low=min(low, 0), high=high, stages=stages)

    def elaborate(self, platform):
        m = Module()
        netlist = Netlist(m)
        terms = [self._term(netlist, *self._lane(lane)) for lane in range(self.simd)]
        total, phase, _ = self._sum(netlist, terms, 0, 0)
        self._finish(m, netlist, total, phase)

        return m

    def _term(self, netlist, weight, activation):
        if self.weight is Weight.INTEGER:
            # A ternary code is 0, +1 or 11: the weight once, twice, not at all.
            if len(activation) == 1:
                return _chosen(netlist, weight, activation, None, C(0, 1))
            return _chosen(netlist, weight, ~activation[0], activation[0] & ~activation[1], C(0, 1))
        positive = weight[-1] if self.weight is Weight.QUATERNARY else ~weight[-1]
        if len(activation) == 1:
            single, double = activation[0] ^ ~positive, C(0, 1)
        else:
            single, double = ~activation[0], activation[0] & (activation[1] ^ positive)
        if self.weight is Weight.QUATERNARY:
            powers = [weight[0] ^ weight[1], ~(weight[0] ^ weight[1])]
        else:
            single, double = netlist.node(single), netlist.node(double)
            powers = [weight[:-1] == exponent for exponent in range(1 << (len(weight) - 1))]
            powers = [netlist.node(power) for power in powers] if len(activation) == 2 else powers
        bits = [(single & power) | (double & below)
                for power, below in zip([*powers, C(0, 1)], [C(0, 1), *powers], strict=True)]
        return netlist.node(Cat(bits[:len(powers) + len(activation) - 1]),
                            len(powers) + len(activation) - 1)
