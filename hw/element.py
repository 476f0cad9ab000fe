"""Processing elements: one word of lanes, weight times activation, summed exactly.

Every element has one interface. ``weights`` and ``activations`` hold lane i at bits
``[i * bits, (i + 1) * bits)``, and ``latency`` cycles after them ``o`` holds an integer with

    sum over lanes of weight * activation = gain * o + offset.

**Latency** is ``stages``, by default ``ceil(log2(simd) / depth)`` with ``depth`` 3 for the counting
elements and 2 for ``ShiftAdd``, whose adders are wider.
"""

import functools
import operator

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ternloom.hw.compressor import Netlist, plan


__all__ = ["GatedPopcount", "ShiftAdd", "XnorPopcount", "default_stages"]


def default_stages(simd, depth):
    """Register stages of ``simd`` lanes, ``depth`` levels of the tree apart, rounded up."""
    return -(-(simd - 1).bit_length() // depth)


class _Element(wiring.Component):
    """What all elements share: ports, parameters and their checks."""

    #: Levels of the tree between registers.
    depth = 3

    def __init__(self, simd, *, weight_bits, activation_bits, low, high, stages):
        self._simd = simd
        self._weight_bits = weight_bits
        self._activation_bits = activation_bits
        self._low = low
        self._high = high
        self._stages = (default_stages(simd, self.depth) if stages is None
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
    def weight_bits(self):
        """Bits of a weight code."""
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

    def reference(self, weights, activations):
        """``o`` for integer codes, one a lane."""
        total = sum(int(w) * int(a) for w, a in zip(weights, activations, strict=True))
        return (total - self.offset) // self.gain

    def _lane(self, lane):
        return (self.weights.word_select(lane, self.weight_bits),
                self.activations.word_select(lane, self.activation_bits))


class _Popcount(_Element):
    """A count of units, each a bit that a lane gives."""

    def _phase(self, width):
        """Registers before a node of ``width`` result bits: none up to four, then in even parts."""
        last = self._high.bit_length()
        if self.stages < 2 or width <= 4:
            return 0
        return 1 + (width - 5) * (self.stages - 1) // (last - 4)

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
        bits, phase = self._count(netlist, self.high, _Lanes(self))
        total = netlist.node(Cat(bits), len(bits))
        m.d.comb += self.o.eq(netlist.delay(total, self.stages - phase))

        return m


class _Lanes:
    """Hands out lanes whole, or one unit at a time."""

    def __init__(self, element):
        self._element = element
        self._next = 0
        self._units = []

    def take(self, lanes):
        """Indices of the next lanes."""
        self._next += lanes
        return range(self._next - lanes, self._next)

    def unit(self):
        """Expression of the next unit."""
        if not self._units:
            self._units = self._element._units(*self.take(1))
        return self._units.pop(0)


class XnorPopcount(_Popcount):
    """Binary weights on binary activations: ``o`` is the number of equal lanes.

    Parameters
    ----------
    simd : int
        Lanes, 1 to 256.
    stages : int or None
        Register stages, by default ``default_stages(simd, depth)``.

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

    gain = 2
    _gated = False

    def __init__(self, simd, *, stages=None):
        simd = self._check_simd(simd)
        super().__init__(simd, weight_bits=1, activation_bits=1, low=0, high=simd, stages=stages)

    @property
    def offset(self):
        """Sum of products at ``o = 0``."""
        return -self.simd

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
        Register stages, by default ``default_stages(simd, depth)``.

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

    gain = 1
    _gated = True

    def __init__(self, simd, *, weight_bits, activation_bits, stages=None):
        simd = self._check_simd(simd)
        if (weight_bits, activation_bits) not in ((1, 2), (2, 1), (2, 2)):
            raise ValueError("Weight and activation bits must be 1 or 2 and not both 1, "
                             f"not {(weight_bits, activation_bits)!r}")
        super().__init__(simd, weight_bits=weight_bits, activation_bits=activation_bits,
                         low=0, high=2 * simd, stages=stages)

    @property
    def offset(self):
        """Sum of products at ``o = 0``."""
        return -self.simd

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


class ShiftAdd(_Element):
    """Binary or ternary weights on fixed-point activations: ``o`` is the sum itself.

    A lane is inverted or cleared, which takes one table a bit, and the one that completes a
    negation enters at the carry input of an adder of the tree: n lanes have n - 1 such inputs, so
    one lane is negated in full.

    Parameters
    ----------
    simd : int
        Lanes, 1 to 256.
    weight_bits : int
        1 for binary or 2 for ternary codes.
    activation_width : int
        Bits of an activation, 2 to 16, two's complement.
    stages : int or None
        Register stages, by default ``default_stages(simd, depth)``.

    Members
    -------
    weights : In(simd * weight_bits)
        As in ``GatedPopcount``.
    activations : In(simd * activation_width)
    o : Out(range(-high, high + 1)), high = simd * 2**(activation_width - 1)
        ``stages`` cycles later.

    Raises
    ------
    ValueError
        If a parameter is out of its range.
    """

    gain = 1
    offset = 0
    depth = 2

    def __init__(self, simd, *, weight_bits, activation_width, stages=None):
        simd = self._check_simd(simd)
        if weight_bits not in (1, 2):
            raise ValueError(f"Weight bits must be 1 or 2, not {weight_bits!r}")
        if not 2 <= activation_width <= 16:
            raise ValueError(f"Activation width must be from 2 to 16, not {activation_width!r}")
        extreme = simd << (activation_width - 1)
        super().__init__(simd, weight_bits=weight_bits, activation_bits=activation_width,
                         low=-extreme, high=extreme, stages=stages)

    def _negative(self, lane):
        weight, _ = self._lane(lane)
        return weight[1] if self.weight_bits == 2 else ~weight

    def _gate(self, weight, value):
        return value & weight[0].replicate(len(value)) if self.weight_bits == 2 else value

    def _inverted(self, lane):
        """Activation times weight, less one where the weight is negative."""
        weight, activation = self._lane(lane)
        return self._gate(weight, activation ^ self._negative(lane).replicate(len(activation)))

    def _negated(self, netlist, lane):
        """Activation times weight, one bit longer: bits above the lowest one that is set invert."""
        weight, activation = self._lane(lane)
        # Groups of four, not a chain: this lane must not be much later than the others.
        groups = [netlist.node(activation[start:start + 4].any())
                  for start in range(0, self.activation_bits, 4)]
        flips = [self._negative(lane) & Cat(groups[:index // 4],
                                            activation[index // 4 * 4:index]).any()
                 for index in range(self.activation_bits + 1)]
        return self._gate(weight, Cat(activation, activation[-1]) ^ Cat(flips))

    def elaborate(self, platform):
        m = Module()
        netlist = Netlist(m)
        nodes = [netlist.node(self._negated(netlist, 0), signed(self.activation_bits + 1))]
        nodes += [netlist.node(self._inverted(lane), signed(self.activation_bits))
                  for lane in range(1, self.simd)]
        carries = [netlist.node(self._negative(lane)) for lane in range(1, self.simd)]
        levels, phase = (self.simd - 1).bit_length(), 0
        for level in range(levels):
            ahead = level * self.stages // levels - phase
            phase += ahead
            nodes = [netlist.delay(node, ahead) for node in nodes]
            sums = [self._add(netlist, a, b, netlist.delay(carries.pop(), phase))
                    for a, b in zip(nodes[::2], nodes[1::2], strict=False)]
            nodes = sums + nodes[len(sums) * 2:]
        m.d.comb += self.o.eq(netlist.delay(nodes[0], self.stages - phase))

        return m

    @staticmethod
    def _add(netlist, a, b, carry):
        width = max(len(a), len(b)) + 1
        total = netlist.node(Cat(C(1, 1), a).as_signed() + Cat(carry, b).as_signed(),
                             signed(width + 1))
        return total[1:].as_signed()
