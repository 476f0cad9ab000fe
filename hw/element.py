"""Processing elements: one word of lanes, weight times activation, summed exactly."""

import operator

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


__all__ = ["GatedPopcount", "ShiftAdd", "XnorPopcount", "default_stages"]


def default_stages(simd):
    """Register stages inside an element of ``simd`` lanes: ``ceil(log2(simd) / 3)``.

    1 lane has none, 2 to 8 lanes have one, 9 to 64 lanes two, 65 to 256 lanes three.
    """
    return -(-(simd - 1).bit_length() // 3)


class _Element(wiring.Component):
    """What all elements share: ports, parameters and their checks."""

    def __init__(self, simd, *, weight_bits, activation_bits, low, high, stages=None):
        simd = operator.index(simd)
        if not 1 <= simd <= 256:
            raise ValueError(f"Lanes must be from 1 to 256, not {simd!r}")
        stages = default_stages(simd) if stages is None else operator.index(stages)
        if stages < 0:
            raise ValueError(f"Register stages must be a non-negative integer, not {stages!r}")
        self._simd = simd
        self._weight_bits = weight_bits
        self._activation_bits = activation_bits
        self._low = low
        self._high = high
        self._stages = stages
        super().__init__({
            "weights":     In(simd * weight_bits),
            "activations": In(simd * activation_bits),
            "o":           Out(range(low, high + 1)),
        })

    @property
    def simd(self):
        return self._simd

    @property
    def weight_bits(self):
        return self._weight_bits

    @property
    def activation_bits(self):
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
        return self._stages

    @property
    def latency(self):
        """Cycles from a word of weights and activations to its ``o``."""
        return self._stages

    def reference(self, weights, activations):
        """``o`` of integer codes, one a lane."""
        total = sum(int(w) * int(a) for w, a in zip(weights, activations, strict=True))
        count, rest = divmod(total - self.offset, self.gain)
        if rest:
            raise ValueError(f"A dot product must be {self.offset} and a multiple of {self.gain}, "
                             f"not {total}")
        return count

    def elaborate(self, platform):
        m = Module()
        nodes = [self._lane(self.weights.word_select(lane, self.weight_bits),
                            self.activations.word_select(lane, self.activation_bits))
                 for lane in range(self.simd)]
        total = _tree(m, nodes)
        for _ in range(self.stages):
            register = Signal.like(total)
            m.d.sync += register.eq(total)
            total = register
        m.d.comb += self.o.eq(total)

        return m


def _tree(m, nodes):
    while len(nodes) > 1:
        sums = []
        for a, b in zip(nodes[::2], nodes[1::2]):
            node = Signal((a + b).shape())
            m.d.comb += node.eq(a + b)
            sums.append(node)
        nodes = sums + (nodes[-1:] if len(nodes) % 2 else [])
    return nodes[0]


class XnorPopcount(_Element):
    """Binary weights on binary activations: ``o`` is the number of equal lanes."""

    gain = 2

    def __init__(self, simd, *, stages=None):
        super().__init__(simd, weight_bits=1, activation_bits=1, low=0, high=simd, stages=stages)

    @property
    def offset(self):
        return -self.simd

    def _lane(self, weight, activation):
        return ~(weight ^ activation)


class GatedPopcount(_Element):
    """Binary or ternary weights on binary or ternary activations, not both binary."""

    gain = 1

    def __init__(self, simd, *, weight_bits, activation_bits, stages=None):
        if (weight_bits, activation_bits) not in ((1, 2), (2, 1), (2, 2)):
            raise ValueError("Gated popcounts must have 1 or 2 bits a code, at least one of them "
                             f"2, not {(weight_bits, activation_bits)!r}")
        super().__init__(simd, weight_bits=weight_bits, activation_bits=activation_bits,
                         low=0, high=2 * simd, stages=stages)

    @property
    def offset(self):
        return -self.simd

    def _lane(self, weight, activation):
        nonzero = ((weight[0] if self.weight_bits == 2 else 1)
                   & (activation[0] if self.activation_bits == 2 else 1))
        sign = ((weight[1] if self.weight_bits == 2 else ~weight[0])
                ^ (activation[1] if self.activation_bits == 2 else ~activation[0]))
        return Cat(~nonzero, nonzero & ~sign)


class ShiftAdd(_Element):
    """Binary or ternary weights on fixed-point activations: ``o`` is the sum itself."""

    gain = 1
    offset = 0

    def __init__(self, simd, *, weight_bits, activation_width, stages=None):
        if weight_bits not in (1, 2):
            raise ValueError(f"Weight bits must be 1 or 2, not {weight_bits!r}")
        if not 2 <= activation_width <= 16:
            raise ValueError(f"Activation width must be from 2 to 16, not {activation_width!r}")
        extreme = simd << (activation_width - 1)
        super().__init__(simd, weight_bits=weight_bits, activation_bits=activation_width,
                         low=-extreme, high=extreme, stages=stages)

    def _lane(self, weight, activation):
        value = activation.as_signed()
        if self.weight_bits == 1:
            return Mux(weight, value, -value)
        return Mux(weight[0], Mux(weight[1], -value, value), 0)
