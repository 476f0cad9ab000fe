"""Processing elements: one word of lanes, weight times activation, summed exactly.

Every element has one interface. ``weights`` and ``activations`` hold lane i at bits
``[i * bits, (i + 1) * bits)``, and ``latency`` cycles after them ``o`` holds an integer with

    sum over lanes of weight * activation = scale * o + offset(weights).

Weights are known when a core is generated, so an offset that depends on them costs nothing.

**Latency** is ``stages``, by default :func:`ternloom.mapping.schedule.element_stages`: one for each
three levels of a tree that counts, and for two of one that adds, whose adders are wider.

The elements here count; those that add are in :mod:`ternloom.hw.adder`.
"""

import functools
import operator

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ternloom.hw.compressor import Netlist, plan
from ternloom.mapping.geometry import Arithmetic
from ternloom.mapping.schedule import element_levels, element_stages
from ternloom.mapping.wire import offset, scale
from ternloom.model.alphabet import BINARY, QUATERNARY, TERNARY


__all__ = ["GatedPopcount", "QuaternaryPopcount", "WordElement", "XnorPopcount"]


class WordElement(wiring.Component):
    """What all elements share: ports, parameters and their checks.

    Subclasses say which ``arithmetic`` they do.
    """

    def __init__(self, simd, *, weight, weight_bits, activation_bits, low, high, stages):
        self._simd = simd
        self._weight = weight
        self._weight_bits = weight_bits
        self._activation_bits = activation_bits
        self._low = low
        self._high = high
        self._levels = element_levels(self.arithmetic, weight, weight_bits, simd)
        self._stages = (element_stages(self.arithmetic, weight, weight_bits, simd) if stages is None
                        else operator.index(stages))
        if self._stages < 0:
            raise ValueError(f"Register stages must be a non-negative integer, not {stages!r}")
        super().__init__({
            "weights":     In(simd * weight_bits),
            "activations": In(simd * activation_bits),
            "o":           Out(range(low, high + 1)),
        })

    @staticmethod
    def _check_simd(simd):
        if not 1 <= operator.index(simd) <= 256:
            raise ValueError(f"Lanes must be from 1 to 256, not {simd!r}")
        return operator.index(simd)

    @property
    def simd(self):
        """Lanes of a word."""
        return self._simd

    @property
    def weight(self):
        """Alphabet of the weights on the wire; binary for planes."""
        return self._weight

    @property
    def weight_bits(self):
        """Bits of a weight on the wire."""
        return self._weight_bits

    @property
    def activation_bits(self):
        """Bits of an activation code."""
        return self._activation_bits

    @property
    def low(self):
        """Smallest value of ``o``."""
        return self._low

    @property
    def high(self):
        """Largest value of ``o``."""
        return self._high

    @property
    def stages(self):
        """Register stages inside."""
        return self._stages

    @property
    def latency(self):
        """Cycles from a word of weights and activations to its ``o``."""
        return self._stages

    @property
    def scale(self):
        """What ``o`` is multiplied with."""
        return scale(self.arithmetic, self.activation_bits)

    def offset(self, weights):
        """Sum of products at ``o = 0`` for words of weight values, (..., simd) to (...)."""
        return offset(self.arithmetic, self.weight, self.weight_bits, weights).sum(axis=-1)

    def reference(self, weights, activations):
        """``o`` for a word of weight values and one of activations."""
        total = sum(int(w) * int(a) for w, a in zip(weights, activations, strict=True))
        return (total - int(self.offset(weights))) // self.scale

    def wire(self, weights):
        """Weight values as the lanes hold them."""
        return self.weight.wire(weights, self.weight_bits)

    def _lane(self, lane):
        return (self.weights.word_select(lane, self.weight_bits),
                self.activations.word_select(lane, self.activation_bits))


class _Popcount(WordElement):
    """A count of units, each a bit that a lane gives."""

    @property
    def _counted(self):
        """Units of one count."""
        return self.high

    @property
    def _count_stages(self):
        """Registers within a count."""
        return self.stages

    def _phase(self, width):
        """Registers before a node of ``width`` result bits: none up to four, then in even parts."""
        last = self._counted.bit_length()
        if self._count_stages < 2 or width <= 4:
            return 0
        return 1 + (width - 5) * (self._count_stages - 1) // (last - 4)

    def _count(self, netlist, units, lanes):
        """Bits of the count of ``units`` and their phase; takes what it needs from ``lanes``."""
        kind, *parts = plan(units, gated=self._gated)[1]
        if kind == "unit":
            return [netlist.node(lanes.unit())], 0
        if kind == "block":
            return self._block(netlist, lanes.take(*parts)), 0
        width = units.bit_length()
        phase = self._phase(width)
        a, b = ([netlist.delay(bit, phase - start) for bit in bits]
                for bits, start in (self._count(netlist, part, lanes) for part in parts[:2]))
        carry = None
        if parts[2]:
            carry = lanes.unit()
            if kind == "chain" or phase:
                carry = netlist.delay(netlist.node(carry), phase)
        return getattr(netlist, kind)(a, b, carry, width), phase

    def elaborate(self, platform):
        m = Module()
        netlist = Netlist(m)
        m.d.comb += self.o.eq(self._total(netlist, self._units))

        return m

    def _total(self, netlist, units):
        """Count of the units that the function ``units`` gives for each lane, after registers."""
        bits, phase = self._count(netlist, self._counted, _Lanes(units))
        total = netlist.node(Cat(bits), len(bits))
        return netlist.delay(total, self._count_stages - phase)


class _Lanes:
    """Hands out lanes whole, or one unit at a time."""

    def __init__(self, source):
        self._source = source
        self._next = 0
        self._units = []

    def take(self, lanes):
        """Indices of the next lanes."""
        self._next += lanes
        return range(self._next - lanes, self._next)

    def unit(self):
        """Expression of the next unit."""
        if not self._units:
            self._units = self._source(*self.take(1))
        return self._units.pop(0)


class XnorPopcount(_Popcount):
    """Binary weights on binary activations: ``o`` is the number of equal lanes.

    Parameters
    ----------
    simd : int
        Lanes, 1 to 256.
    stages : int or None
        Register stages, by default ``ceil(log2(simd) / 3)``.

    Members
    -------
    weights, activations : In(simd)
        One bit a lane, 1 is +1 and 0 is -1.
    o : Out(range(simd + 1))
        ``sum of products = 2 * o - simd``, ``stages`` cycles later.

    Raises
    ------
    ValueError
        If a parameter is out of its range.
    """

    arithmetic = Arithmetic.XNOR_POPCOUNT
    _gated = False

    def __init__(self, simd, *, stages=None):
        simd = self._check_simd(simd)
        super().__init__(simd, weight=BINARY, weight_bits=1, activation_bits=1, low=0,
                         high=simd, stages=stages)

    def _units(self, lane):
        weight, activation = self._lane(lane)
        return [~(weight ^ activation)]


class GatedPopcount(_Popcount):
    """Ternary weights or activations, the other binary or ternary: ``o`` is the sum and an offset.

    A product p plus one is a number of two bits, ``p != 0`` inverted and ``p = 1``. Three lanes, or
    two lanes and a number of two bits, make a number of three bits in nine or seven tables.

    Parameters
    ----------
    simd : int
        Lanes, 1 to 256.
    weight_bits, activation_bits : int
        1 for binary or 2 for ternary codes, at least one of them 2.
    stages : int or None
        Register stages, by default ``ceil(log2(simd) / 3)``.

    Members
    -------
    weights : In(simd * weight_bits)
        A lane is one bit, 1 for +1 and 0 for -1, or two bits of two's complement, of which 10 must
        not occur.
    activations : In(simd * activation_bits)
        Likewise.
    o : Out(range(2 * simd + 1))
        ``sum of products = o - simd``, ``stages`` cycles later.

    Raises
    ------
    ValueError
        If a parameter is out of its range.
    """

    arithmetic = Arithmetic.GATED_POPCOUNT
    _gated = True

    def __init__(self, simd, *, weight_bits, activation_bits, stages=None):
        simd = self._check_simd(simd)
        if (weight_bits, activation_bits) not in ((1, 2), (2, 1), (2, 2)):
            raise ValueError("Weight and activation bits must be 1 or 2 and not both 1, "
                             f"not {(weight_bits, activation_bits)!r}")
        super().__init__(simd, weight=BINARY if weight_bits == 1 else TERNARY,
                         weight_bits=weight_bits, activation_bits=activation_bits,
                         low=0, high=2 * simd, stages=stages)

    def _product(self, lane):
        """Expressions: whether the product is not 0, and if so whether it is -1."""
        weight, activation = self._lane(lane)
        codes = [code for code in (weight, activation) if len(code) == 2]
        nonzero = functools.reduce(operator.and_, [code[0] for code in codes])
        return nonzero, (weight[-1] ^ activation[-1] ^ (len(codes) == 1))

    def _zero(self, lane):
        return ~self._product(lane)[0]

    def _positive(self, lane):
        nonzero, negative = self._product(lane)
        return nonzero & ~negative

    def _units(self, lane):
        nonzero, negative = self._product(lane)
        return [self._positive(lane), ~(nonzero & negative)]

    def _block(self, netlist, lanes):
        """Bits of the count of up to seven lanes, at most 14."""
        zero, positive = self._zero, self._positive
        first, *rest = lanes
        low, middle, highs = netlist.node(zero(first)), netlist.node(positive(first)), []
        while rest:
            # As many lanes as leave the count of the second column at three at most.
            taken, rest = rest[:2], rest[2:]
            column = [middle, *(netlist.node(positive(lane)) for lane in taken)]
            if len(taken) == 2:
                low, carry = netlist.full_add(low, netlist.node(zero(taken[0])), zero(taken[1]))
            else:
                low, carry = netlist.node(low ^ zero(taken[0])), netlist.node(low & zero(taken[0]))
            column.append(carry)
            middle, high = netlist.count_four(*column, *[C(0, 1)] * (4 - len(column)))
            highs.append(high)
        if len(highs) < 2:
            return [low, middle, *highs]
        if len(highs) == 2:
            return [low, middle, netlist.node(highs[0] ^ highs[1]),
                    netlist.node(highs[0] & highs[1])]
        return [low, middle, *netlist.full_add(*highs)]


class QuaternaryPopcount(_Popcount):
    """Quaternary weights on binary activations: two counts, ``o = 3 * C1 + C0``.

    The weight is ``(3 * b1 + b0) / 2`` of two signs, so the sum of products is
    ``(3 * P1 + P0) / 2`` of two binary ones.

    Parameters
    ----------
    simd : int
        Lanes, 1 to 256.
    stages : int or None
        Register stages, by default ``ceil((ceil(log2(simd)) + 2) / 3)``.

    Members
    -------
    weights : In(2 * simd)
        Two bits a lane, see :mod:`ternloom.mapping.wire`.
    activations : In(simd)
        One bit a lane, 1 is +1 and 0 is -1.
    o : Out(range(4 * simd + 1))
        ``sum of products = o - 2 * simd``, ``stages`` cycles later.

    Raises
    ------
    ValueError
        If a parameter is out of its range.
    """

    arithmetic = Arithmetic.QUATERNARY_POPCOUNT
    _gated = False

    def __init__(self, simd, *, stages=None):
        simd = self._check_simd(simd)
        super().__init__(simd, weight=QUATERNARY, weight_bits=2, activation_bits=1, low=0,
                         high=4 * simd, stages=stages)

    @property
    def _counted(self):
        return self.simd

    @property
    def _count_stages(self):
        return self.stages - (self.stages > 1)

    def _plane(self, plane, lane):
        weights, activation = self._lane(lane)
        return [~(weights[plane] ^ activation)]

    def elaborate(self, platform):
        m = Module()
        netlist = Netlist(m)
        low, high = (self._total(netlist, functools.partial(self._plane, plane))
                     for plane in range(2))
        width = len(self.o)
        pair = netlist.node(low + high, width)
        total = netlist.node(Cat(pair[0], pair[1:] + high), width)
        m.d.comb += self.o.eq(netlist.delay(total, self.stages - self._count_stages))

        return m
