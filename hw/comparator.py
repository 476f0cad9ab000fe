"""Elementwise lanes whose gates are comparators: selections and a counter, nothing is multiplied.

With gates of {0, 1} and a candidate of {-1, 0, +1} the state of an LSTM is an up/down counter with
clear, and a GRU keeps its state or takes the candidate. tanh of the state and the quantization of
h are comparisons too, folded into one.
"""

import bisect

from amaranth import *

from ternloom.hw.fixed import delayed, quantized, saturated, watch
from ternloom.hw.lane import Lane
from ternloom.hw.table import Function, compared
from ternloom.model.table import tanh


__all__ = ["GruAfterComparatorLane", "GruBeforeComparatorLane", "LstmComparatorLane", "tanh_cuts"]


def tanh_cuts(precision):
    """Least c from which tanh(c) is +1, and the largest up to which it is -1."""
    preact, state, entries = precision.preact, precision.state, tanh(precision)
    states = range(state.low, state.high + 1)

    def entry(code):
        return int(entries[int(preact.quantize(code, state.frac))])
    return (state.low + bisect.bisect_left(states, 1, key=entry),
            state.low + bisect.bisect_left(states, 0, key=entry) - 1)


class _ComparatorLane(Lane):
    """What the lanes of all cells share."""

    def _gate(self, m, *functions):
        """The gate of a pre-activation, a cycle later; the second function is the candidate's."""
        gate = Signal(signed(2), name="gate")
        first, *rest = (compared(m, self.i_value, function, self._layer.precision)
                        for function in functions)
        m.d.sync += gate.eq(Mux(self.i_gate == 2, rest[0], first) if rest else first)
        return gate


class LstmComparatorLane(_ComparatorLane):
    """c' = f*c + i*g, h = o*tanh(c'), all by comparison; rows i, f, g, o.

    A code comes 2 cycles after the pre-activation of o.
    """

    def elaborate(self, platform):
        m = Module()
        state = self._layer.precision.state

        gate = self._gate(m, Function.SIGMOID, Function.TANH)
        strobe_i = self._strobes(m, 0, 1)
        strobe_f = self._strobes(m, 1, 1)
        strobe_g = self._strobes(m, 2, 2)
        strobe_o = self._strobes(m, 3, 1)
        units = self._places(m, 2)

        write, read = self._memory(m, "cells", signed(state.width))
        enters = Signal()
        kept   = Signal(signed(state.width))
        step   = Signal(signed(2 + state.frac))
        total  = Signal(signed(max(len(kept), len(step)) + 1))
        cell   = Signal(signed(state.width))
        m.d.comb += [
            read.addr.eq(self.i_unit),
            step.eq(Mux(enters, gate << state.frac, 0)),
            total.eq(kept + step),
        ]
        with m.If(strobe_i[1]):
            m.d.sync += enters.eq(gate[0])
        with m.If(strobe_f[1]):
            m.d.sync += kept.eq(Mux(gate[0] & ~self.i_first, read.data, 0))
        counted = saturated(m, total, state)
        with m.If(strobe_g[1]):
            m.d.sync += cell.eq(counted)
        m.d.comb += [write.en.eq(strobe_g[2]), write.addr.eq(units[2]), write.data.eq(cell)]

        m.d.sync += [
            self.o_code.eq(self._output(m, cell, gate[0])),
            self.o_valid.eq(strobe_o[1]),
        ]
        watch(m, "row", self.i_valid, self.i_value)
        watch(m, "gate_value", delayed(m, self.i_valid, 1), gate)
        watch(m, "state_value", strobe_g[2], cell)
        watch(m, "code", self.o_valid, self.o_code)

        return m

    def _output(self, m, cell, leaves):
        """Wire form of the code of tanh(c) if it leaves, else of zero."""
        lower, zero, upper = (int(self._form.bits(self._form.quantize(value, 0)))
                              for value in (-1, 0, 1))
        from_upper, to_lower = tanh_cuts(self._layer.precision)
        code = Signal.like(self.o_code)
        m.d.comb += code.eq(zero)
        with m.If(leaves & (cell >= from_upper)):
            m.d.comb += code.eq(upper)
        with m.Elif(leaves & (cell <= to_lower)):
            m.d.comb += code.eq(lower)
        return code


class _GruComparatorLane(_ComparatorLane):
    """What the lanes of both GRUs share."""

    def _select(self, m, strobes, units, candidate, keeps, old, write):
        """h' = n or h: from n, z and ``old`` at strobes[0], code two later."""
        state = self._layer.precision.state
        lifted    = Signal(signed(2 + state.frac))
        state_now = Signal(signed(state.width), name="state")
        m.d.comb += lifted.eq(candidate << state.frac)
        m.d.sync += [
            state_now.eq(Mux(keeps, old, saturated(m, lifted, state))),
            self.o_code.eq(quantized(m, state_now, state.frac, self._form)),
            self.o_valid.eq(strobes[1]),
        ]
        m.d.comb += [write.en.eq(strobes[1]), write.addr.eq(units[1]), write.data.eq(state_now)]
        watch(m, "state_value", strobes[1], state_now)
        watch(m, "code", self.o_valid, self.o_code)


class GruAfterComparatorLane(_GruComparatorLane):
    """n = tanh(ax + r*ah), h' = n + z*(h - n), all by comparison; rows r, z, n.

    A code comes 4 cycles after the pre-activation of n.
    """

    def elaborate(self, platform):
        m = Module()
        precision = self._layer.precision
        preact = precision.preact

        gate = self._gate(m, Function.SIGMOID)
        strobe_r = self._strobes(m, 0, 1)
        strobe_z = self._strobes(m, 1, 1)
        strobe_n = self._strobes(m, 2, 3)
        units = self._places(m, 3)

        enters, keeps = Signal(), Signal()
        total     = Signal(signed(preact.width + 1))
        argument  = Signal(signed(preact.width))
        candidate = Signal(signed(2))
        with m.If(strobe_r[1]):
            m.d.sync += enters.eq(gate[0])
        with m.If(strobe_z[1]):
            m.d.sync += keeps.eq(gate[0])
        m.d.comb += total.eq(self.i_aside + Mux(enters, self.i_value, 0))
        m.d.sync += [
            argument.eq(saturated(m, total, preact)),
            candidate.eq(compared(m, argument, Function.TANH, precision)),
        ]

        write, read = self._memory(m, "states", signed(precision.state.width))
        old = self._old_state(m, read, self.i_unit)
        self._select(m, strobe_n[2:], units[2:], candidate, keeps, old, write)
        watch(m, "row", self.i_valid, self.i_value)
        watch(m, "aside", strobe_n[0], self.i_aside)
        watch(m, "gate_value", strobe_r[1] | strobe_z[1], gate)
        watch(m, "argument", strobe_n[1], argument)
        watch(m, "candidate_value", strobe_n[2], candidate)

        return m


class GruBeforeComparatorLane(_GruComparatorLane):
    """n = tanh(Wx + U(r*h)), h' = n + z*(h - n), all by comparison; rows as ever.

    A code of r*h comes 3 cycles after the pre-activation of r, a code of h 4 cycles after that of
    n.
    """

    def elaborate(self, platform):
        m = Module()
        state = self._layer.precision.state

        gate = self._gate(m, Function.SIGMOID, Function.TANH)
        strobe_r = self._strobes(m, 0, 2)
        strobe_z = self._strobes(m, 1, 1)
        strobe_n = self._strobes(m, 2, 3)
        units = self._places(m, 3)

        write, read = self._memory(m, "states", signed(state.width))
        old = self._old_state(m, read, self.i_unit)
        gate_r = delayed(m, gate, 1)
        passed = Signal.like(old)
        m.d.comb += passed.eq(Mux(gate_r[0], old, 0))
        m.d.sync += [
            self.o_reset_code.eq(quantized(m, passed, state.frac, self._form)),
            self.o_reset_valid.eq(strobe_r[2]),
        ]

        keeps = Signal()
        write_z, read_z = self._memory(m, "updates", unsigned(1))
        m.d.comb += [
            write_z.en.eq(strobe_z[1]),
            write_z.addr.eq(units[1]),
            write_z.data.eq(gate[0]),
            read_z.addr.eq(self.i_unit),
        ]
        m.d.sync += keeps.eq(read_z.data)
        self._select(m, strobe_n[2:], units[2:], gate_r, keeps, old, write)
        watch(m, "row", self.i_valid, self.i_value)
        watch(m, "gate_value", delayed(m, self.i_valid, 1), gate)
        watch(m, "reset_code", self.o_reset_valid, self.o_reset_code)

        return m
