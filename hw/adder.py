"""Processing elements that add: weights times fixed point, and wide weights times few levels.

Both make one number a lane and add them in a tree of carry chains. Neither negates: the complement
of a number is its negative less one, and that one depends on the weights alone, so it goes into
the offset of the word (:mod:`ternloom.hw.element` has the interface).
"""

import numpy as np
from amaranth import *

from ternloom.hw.compressor import Netlist
from ternloom.hw.element import WordElement
from ternloom.hw.term import PRODUCTS, SELECTED
from ternloom.mapping.geometry import Arithmetic
from ternloom.mapping.wire import offset


__all__ = ["SelectAdd", "ShiftAdd"]


def _check_bits(weight, bits):
    low, high = weight.lane_bits
    if bits is None and low == high:
        return low
    if bits is None or not low <= bits <= high:
        raise ValueError(f"Bits of {weight.name} weights must be from {low} to {high}, "
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
    weight : Alphabet
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
        See :meth:`ternloom.model.alphabet.Alphabet.wire`.
    activations : In(simd * activation_width)
    o : Out(range(low, high + 1))
        ``stages`` cycles later.

    Raises
    ------
    ValueError
        If a parameter is out of its range.
    """

    arithmetic = Arithmetic.SHIFT_ADD

    def __init__(self, simd, *, weight, activation_width, weight_bits=None, stages=None):
        simd = self._check_simd(simd)
        weight_bits = _check_bits(weight, weight_bits)
        if not 2 <= activation_width <= 33:
            raise ValueError(f"Activation width must be from 2 to 33, not {activation_width!r}")
        edge = 1 << (activation_width - 1)
        values = np.array(weight.lane_levels(weight_bits), dtype=np.int64)
        offsets = offset(self.arithmetic, weight, weight_bits, values)
        ends = np.stack([values * -edge, values * (edge - 1)]) - offsets
        super().__init__(simd, weight=weight, weight_bits=weight_bits,
                         activation_bits=activation_width, low=int(ends.min()) * simd,
                         high=int(ends.max()) * simd, stages=stages)

    def elaborate(self, platform):
        m = Module()
        netlist = Netlist(m)
        product = PRODUCTS[self.weight]
        terms = [product(netlist, *self._lane(lane)) for lane in range(self.simd)]
        total, phase = self._digits(netlist, terms)
        self._finish(m, netlist, total, phase)

        return m

    def _digits(self, netlist, terms):
        """Sum of lanes of one or more digits: a tree for each digit, then the sum of those."""
        # What makes a single digit has levels of its own before the tree.
        before = self._levels - (self.simd - 1).bit_length() if len(terms[0]) == 1 else 0
        totals = [self._sum(netlist, list(place), 0, before) for place in zip(*terms, strict=True)]
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
    weight : Alphabet
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
        See :meth:`ternloom.model.alphabet.Alphabet.wire`.
    activations : In(simd * activation_bits)
        As in ``GatedPopcount``.
    o : Out(range(low, high + 1))
        ``stages`` cycles later.

    Raises
    ------
    ValueError
        If a parameter is out of its range.
    """

    arithmetic = Arithmetic.SELECT_ADD

    def __init__(self, simd, *, weight, activation_bits, weight_bits=None, stages=None):
        simd = self._check_simd(simd)
        if weight not in SELECTED:
            raise ValueError("Weights that are selected must be quaternary, exponential or "
                             f"integer, not {weight.name}")
        weight_bits = _check_bits(weight, weight_bits)
        if activation_bits not in (1, 2):
            raise ValueError(f"Activation bits must be 1 or 2, not {activation_bits!r}")
        values = -offset(self.arithmetic, weight, weight_bits, weight.lane_levels(weight_bits))
        low, high = (simd * activation_bits * int(edge) for edge in (values.min(), values.max()))
        super().__init__(simd, weight=weight, weight_bits=weight_bits,
                         activation_bits=activation_bits, low=min(low, 0), high=high, stages=stages)

    def elaborate(self, platform):
        m = Module()
        netlist = Netlist(m)
        selected = SELECTED[self.weight]
        terms = [selected(netlist, *self._lane(lane)) for lane in range(self.simd)]
        total, phase, _ = self._sum(netlist, terms, 0, 0)
        self._finish(m, netlist, total, phase)

        return m
