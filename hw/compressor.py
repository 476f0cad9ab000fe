"""Counting bits on parts with tables of four inputs and carry chains.

Taking one bit out of a sum costs two tables as a full adder, one as a link of a carry chain (and
one for each of its ends), and one where four bits are known to count three at most. So counts grow
in tables up to four bits, then in carry chains, whose carry input takes one bit more. A carry input
is written as an extra low bit, ``{a, 1} + {b, carry}``, which also keeps Yosys from fusing a tree
of adders into a larger one of full adders.
"""

import functools

from amaranth import *


__all__ = ["Netlist", "plan"]


class Netlist:
    """Nodes of a compressor, each a signal of its own, and the registers between them.

    An expression that is used twice would be emitted twice, hence a signal for every node.

    Parameters
    ----------
    m : Module
        Takes the statements.
    """

    def __init__(self, m):
        self._m = m
        self._delayed = {}

    def node(self, expression, width=1):
        """Signal equal to ``expression``."""
        signal = Signal(width, name="node")
        self._m.d.comb += signal.eq(expression)
        return signal

    def delay(self, signal, cycles):
        """``signal`` of ``cycles`` ago; the registers are shared by all who ask for them."""
        for _ in range(cycles):
            if id(signal) not in self._delayed:
                register = Signal(signal.shape(), name="delayed")
                self._m.d.sync += register.eq(signal)
                # The signal is kept as well, lest its id is given to another.
                self._delayed[id(signal)] = signal, register
            signal = self._delayed[id(signal)][1]
        return signal

    def full_add(self, a, b, lane):
        """Sum and carry; ``lane`` may be an expression of two signals, which costs nothing."""
        third = self.node(lane)
        return (self.node(a ^ b ^ third),
                # Yosys maps this form of the majority to one table together with the lane.
                self.node(Mux(a ^ third, b, third)))

    def count_four(self, a, b, c, d):
        """Two bits of a count of four that never exceeds three: two tables."""
        left, right = self.node(a ^ b), self.node(c ^ d)
        return self.node(left ^ right), self.node((left & right) | (a & b) | (c & d))

    def ripple(self, a, b, carry, width):
        """``width`` bits of ``a + b + carry`` in tables, no operand longer than ``a``.

        Parameters
        ----------
        a, b : list of bits
        carry : bit, expression of two signals, or None
        width : int
        """
        bits = []
        for index, first in enumerate(a):
            rest = [bit for bit in (b[index] if index < len(b) else None, carry) if bit is not None]
            carry = None
            if len(rest) == 2:
                first, carry = self.full_add(first, *rest)
            elif len(rest) == 1:
                first, carry = self.node(first ^ rest[0]), self.node(first & rest[0])
            bits.append(first)
        if len(bits) < width:
            bits.append(carry)
        return bits

    def chain(self, a, b, carry, width):
        """``width`` bits of ``a + b + carry`` in a carry chain; parameters as of ``ripple``."""
        if carry is None:
            return list(self.node(Cat(a) + Cat(b), width))
        return list(self.node(Cat(C(1, 1), a) + Cat(carry, b), width + 1))[1:]


#: Table cost of a block of ternary products that yields one number.
_BLOCK_COST = (0, 2, 6, 9, 16, 18, 25, 25)


@functools.cache
def plan(units, *, gated):
    """Cheapest way to count ``units`` bits, found by dynamic programming.

    Parameters
    ----------
    units : int
        Bits to count, 1 to 512.
    gated : bool
        Whether two units are a ternary product, which goes in blocks of up to seven; if not, a unit
        is a function of two signals.

    Returns
    -------
    cost : float
        Tables, the mean of iCE40 and ECP5.
    plan : tuple
        ``("block", lanes)``, ``("unit",)``, or ``("ripple" or "chain", a, b, carry)``: the sum of
        the counts of ``a`` and of ``b`` units and of ``carry`` (0 or 1) units.
    """
    if units == 1:
        return 1, ("unit",)
    if gated and units % 2 == 0 and units // 2 < len(_BLOCK_COST):
        return _BLOCK_COST[units // 2], ("block", units // 2)
    width = units.bit_length()
    plans = []
    # Halves that differ by more than a factor of two would make the tree deep.
    for carry in (0, 1):
        for b in range(max(1, (units - carry) // 3), (units - carry) // 2 + 1):
            a = units - carry - b
            cost = plan(a, gated=gated)[0] + plan(b, gated=gated)[0]
            long, short = a.bit_length(), b.bit_length()
            if not gated and width <= 4:
                plans.append((cost + 2 * short + 1.5 * (long - short) - (width == long),
                              ("ripple", a, b, carry)))
            chain = width + carry
            plans.append((cost + carry + (chain + (chain + 1) // 2 * 2) / 2,
                          ("chain", a, b, carry)))
    return min(plans)
