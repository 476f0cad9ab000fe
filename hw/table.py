"""Sigmoid and tanh: from ROMs that hold half of their domain, or by comparison."""

import bisect

import numpy as np
from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ternloom.hw.fixed import delayed
from ternloom.model.table import EVEN, FUNCTIONS, HALVES


__all__ = ["Table", "compared", "compared_unrounded"]


def compared(m, value, function, precision):
    """A function without fraction bits: 0 or 1, or -1, 0 or +1, as a new signal of two bits."""
    result = Signal(signed(2), name=f"{value.name}_{function}")
    if function == "sigmoid":
        m.d.comb += result.eq(value >= 0)
        return result
    cut = int(np.searchsorted(HALVES[function](precision), 1))
    if cut <= precision.preact.high:
        negative = Signal(name=f"{value.name}_negative")
        m.d.comb += [
            negative.eq(value <= -cut),
            result.eq(Cat((value >= cut) | negative, negative).as_signed()),
        ]
    return result


def compared_unrounded(m, value, reach, frac, function, precision):
    """A function without fraction bits, of what rounding to a pre-activation makes of a number.

    Nothing is rounded: the cuts are moved.

    Parameters
    ----------
    m : Module
    value : Signal
    reach : Range
        Of the number, which has ``frac`` fraction bits.
    frac : int
    function : str
    precision : Precision

    Returns
    -------
    Signal of two bits
    """
    entries, codes = FUNCTIONS[function](precision), range(reach.low, reach.high + 1)

    def level(code):
        return int(entries[precision.preact.quantize(code, frac)])

    result = Signal(signed(2), name=f"{value.name}_{function}")
    m.d.comb += result.eq(level(reach.low))
    for upper in range(level(reach.low) + 1, level(reach.high) + 1):
        with m.If(value >= codes[bisect.bisect_left(codes, upper, key=level)]):
            m.d.comb += result.eq(upper)
    return result


class Table(wiring.Component):
    """One or two functions of a pre-activation, of two fraction bits or more.

    Parameters
    ----------
    precision : Precision
    functions : tuple of str
        One or two, the second chosen by ``i_select``.

    Members
    -------
    i_value : pre-activation
    i_select : 1
    o : gate value, three cycles later: a block RAM is read through its output register.
    """

    latency = 3

    def __init__(self, precision, *functions):
        self._precision = precision
        self._functions = functions
        super().__init__({
            "i_value":  In(signed(precision.preact.width)),
            "i_select": In(1),
            "o":        Out(signed(precision.gate_frac + 1)),
        })

    def elaborate(self, platform):
        m = Module()
        preact, gate_frac = self._precision.preact, self._precision.gate_frac

        magnitude = Signal(preact.width - 1)
        lowest    = self.i_value == preact.low
        m.d.comb += magnitude.eq(Mux(lowest, preact.high,
                                     Mux(self.i_value < 0, -self.i_value, self.i_value)))

        entries = [int(entry) for function in self._functions
                   for entry in HALVES[function](self._precision)]
        m.submodules.rom = rom = Memory(shape=unsigned(gate_frac), depth=len(entries), init=entries)
        port = rom.read_port()
        m.d.comb += port.addr.eq(Cat(magnitude, self.i_select)[:len(port.addr)])

        entry    = Signal.like(port.data)
        negative = delayed(m, self.i_value[-1], 2)
        select   = delayed(m, self.i_select, 2)
        mirrored = Signal(signed(gate_frac + 2))
        tops = [(1 << gate_frac) if function == "sigmoid" else 0
                for function in self._functions]
        top = Mux(select, tops[-1], tops[0]) if len(set(tops)) > 1 else tops[0]
        evens = [function in EVEN for function in self._functions]
        if any(evens):
            negative = negative & ~(Mux(select, evens[-1], evens[0]) if len(set(evens)) > 1 else 1)
        m.d.comb += mirrored.eq(top - entry)
        m.d.sync += [entry.eq(port.data), self.o.eq(Mux(negative, mirrored, entry))]

        return m
