"""Elementwise lanes with tables and multipliers, and the choice of a layer's lane."""

from amaranth import *

from ternloom.hw.comparator import (GruAfterComparatorLane, GruBeforeComparatorLane,
                                    LstmComparatorLane)
from ternloom.hw.fixed import delayed, quantized, rounded, rounded_sum, saturated, watch
from ternloom.hw.lane import Lane
from ternloom.hw.table import Function, Table
from ternloom.model.cell import GRU_RESET_AFTER, GRU_RESET_BEFORE, LSTM


__all__ = ["GruAfterLane", "GruBeforeLane", "LstmLane", "lane_class", "make_lane"]


class LstmLane(Lane):
    """c' = f*c + i*g, h = o*tanh(c'); rows i, f, g, o.

    A code comes 13 cycles after the pre-activation of o.
    """

    multipliers = tables = 2

    def elaborate(self, platform):
        m = Module()
        precision = self._layer.precision
        fraction, state = precision.gate_frac, precision.state

        m.submodules.gates = gates = Table(precision, Function.SIGMOID, Function.TANH)
        m.d.comb += [gates.i_value.eq(self.i_value), gates.i_select.eq(self.i_gate == 2)]
        strobe_i = self._strobes(m, 0, 3)
        strobe_f = self._strobes(m, 1, 5)
        strobe_g = self._strobes(m, 2, 7)
        strobe_o = self._strobes(m, 3, 12)
        units = self._places(m, 7)

        write, read = self._memory(m, "cells", signed(state.width))
        old = self._old_state(m, read, units[1])

        gate_i   = Signal.like(gates.o)
        gate     = Signal.like(gates.o)
        operand  = Signal(signed(max(state.width, state.frac + 1)))
        product  = Signal(signed(len(operand) + fraction + 1))
        kept     = Signal.like(product)
        total    = Signal(signed(len(product) + 1))
        cell     = Signal(signed(state.width))
        with m.If(strobe_i[3]):
            m.d.sync += gate_i.eq(gates.o)
        m.d.sync += [
            gate.eq(gates.o),
            operand.eq(Mux(strobe_g[3], gate_i << (state.frac - fraction), old)),
            product.eq(gate * operand),
        ]
        with m.If(strobe_f[5]):
            m.d.sync += kept.eq(product)
        with m.If(strobe_g[5]):
            m.d.sync += total.eq(kept + product)
        with m.If(strobe_g[6]):
            m.d.sync += cell.eq(saturated(m, rounded(m, total, fraction, state.rounding), state))
        m.d.comb += [write.en.eq(strobe_g[7]), write.addr.eq(units[7]), write.data.eq(cell)]

        m.submodules.output = output = Table(precision, Function.TANH)
        argument = Signal(signed(precision.preact.width))
        m.d.sync += argument.eq(quantized(m, cell, state.frac, precision.preact))
        m.d.comb += output.i_value.eq(argument)

        gate_o = Signal(signed(fraction + 1))
        result = Signal(signed(2 * fraction + 2))
        m.d.comb += gate_o.eq(delayed(m, gates.o, 8))
        m.d.sync += [
            result.eq(gate_o * delayed(m, output.o, 1)),
            self.o_code.eq(quantized(m, result, 2 * fraction, self._form)),
            self.o_valid.eq(strobe_o[12]),
        ]
        watch(m, "row", self.i_valid, self.i_value)
        watch(m, "gate_value", delayed(m, self.i_valid, 3), gates.o)
        watch(m, "state_value", strobe_g[7], cell)
        watch(m, "code", self.o_valid, self.o_code)

        return m


class _GruLane(Lane):
    """What the lanes of both GRUs share."""

    def _blend(self, m, strobes, units, new, update, old, write):
        """h' = n + z*(h - n): from n, ``old`` at strobes[0] and z two later, code five later."""
        precision = self._layer.precision
        fraction, state = precision.gate_frac, precision.state
        aligned    = Signal(signed(state.frac + 1))
        difference = Signal(signed(max(state.width, state.frac + 1) + 1))
        m.d.comb += aligned.eq(new << (state.frac - fraction))
        m.d.sync += difference.eq(old - aligned)
        # A register apart from the carry chain can be placed beside the multiplier.
        operand = delayed(m, difference, 1)
        product = Signal(signed(len(difference) + fraction + 1))
        m.d.sync += product.eq(update * operand)
        total = rounded_sum(m, delayed(m, aligned, 3), product, fraction, state.rounding)
        state_now = Signal(signed(state.width), name="state")
        m.d.sync += [
            state_now.eq(saturated(m, total, state)),
            self.o_code.eq(quantized(m, state_now, state.frac, self._form)),
            self.o_valid.eq(strobes[4]),
        ]
        m.d.comb += [write.en.eq(strobes[4]), write.addr.eq(units[4]), write.data.eq(state_now)]
        watch(m, "state_value", strobes[4], state_now)
        watch(m, "code", self.o_valid, self.o_code)


class GruAfterLane(_GruLane):
    """n = tanh(ax + r*ah), h' = n + z*(h - n); rows r, z, n.

    A code comes 14 cycles after the pre-activation of n.
    """

    multipliers = tables = 2

    def elaborate(self, platform):
        m = Module()
        precision = self._layer.precision
        fraction, preact = precision.gate_frac, precision.preact

        m.submodules.gates = gates = Table(precision, Function.SIGMOID)
        m.d.comb += gates.i_value.eq(self.i_value)
        strobe_r = self._strobes(m, 0, 3)
        strobe_z = self._strobes(m, 1, 3)
        strobe_n = self._strobes(m, 2, 13)
        units = self._places(m, 13)

        gate_r  = Signal.like(gates.o)
        gate_z  = Signal.like(gates.o)
        operand = Signal.like(gates.o)
        factor  = Signal.like(self.i_value)
        product = Signal(signed(preact.width + fraction + 1))
        total   = Signal(signed(preact.width + fraction + 2))
        n_preact = Signal(signed(preact.width))
        with m.If(strobe_r[3]):
            m.d.sync += gate_r.eq(gates.o)
        with m.If(strobe_z[3]):
            m.d.sync += gate_z.eq(gates.o)
        m.d.sync += [
            operand.eq(gate_r),
            factor.eq(delayed(m, self.i_value, 2)),
            product.eq(operand * factor),
            total.eq((delayed(m, self.i_aside, 4) << fraction) + product),
            n_preact.eq(quantized(m, total, preact.frac + fraction, preact)),
        ]

        m.submodules.candidate = candidate = Table(precision, Function.TANH)
        m.d.comb += candidate.i_value.eq(n_preact)
        write, read = self._memory(m, "states", signed(precision.state.width))
        old = self._old_state(m, read, units[7])
        self._blend(m, strobe_n[9:], units[9:], candidate.o, delayed(m, gate_z, 7), old, write)
        watch(m, "row", self.i_valid, self.i_value)
        watch(m, "aside", strobe_n[0], self.i_aside)
        watch(m, "gate_value", strobe_r[3] | strobe_z[3], gates.o)
        watch(m, "argument", strobe_n[6], n_preact)
        watch(m, "candidate_value", strobe_n[9], candidate.o)

        return m


class GruBeforeLane(_GruLane):
    """n = tanh(Wx + U(r*h)), h' = n + z*(h - n); rows r, z of all units, then n of all units.

    A code of r*h comes 6 cycles after the pre-activation of r, a code of h 8 cycles after that of
    n.
    """

    multipliers, tables = 2, 1

    def elaborate(self, platform):
        m = Module()
        precision, form = self._layer.precision, self._form
        fraction, state = precision.gate_frac, precision.state

        m.submodules.gates = gates = Table(precision, Function.SIGMOID, Function.TANH)
        m.d.comb += [gates.i_value.eq(self.i_value), gates.i_select.eq(self.i_gate == 2)]
        strobe_r = self._strobes(m, 0, 5)
        strobe_z = self._strobes(m, 1, 3)
        strobe_n = self._strobes(m, 2, 7)
        units = self._places(m, 7)

        write, read = self._memory(m, "states", signed(state.width))
        old = self._old_state(m, read, units[1])

        gate    = Signal.like(gates.o)
        operand = Signal.like(old)
        product = Signal(signed(state.width + fraction + 1))
        m.d.sync += [
            gate.eq(gates.o),
            operand.eq(old),
            product.eq(gate * operand),
            self.o_reset_code.eq(quantized(m, product, state.frac + fraction, form)),
            self.o_reset_valid.eq(strobe_r[5]),
        ]

        update = Signal.like(gates.o)
        write_z, read_z = self._memory(m, "updates", update.shape())
        m.d.comb += [
            write_z.en.eq(strobe_z[3]),
            write_z.addr.eq(units[3]),
            write_z.data.eq(gates.o),
            read_z.addr.eq(units[3]),
        ]
        m.d.sync += update.eq(read_z.data)
        self._blend(m, strobe_n[3:], units[3:], gates.o, update, old, write)
        watch(m, "row", self.i_valid, self.i_value)
        watch(m, "gate_value", delayed(m, self.i_valid, 3), gates.o)
        watch(m, "reset_code", self.o_reset_valid, self.o_reset_code)

        return m


def lane_class(layer):
    """The kind of lane that the layer's cell and gates need."""
    tables, comparators = {
        LSTM:             (LstmLane, LstmComparatorLane),
        GRU_RESET_AFTER:  (GruAfterLane, GruAfterComparatorLane),
        GRU_RESET_BEFORE: (GruBeforeLane, GruBeforeComparatorLane),
    }[layer.cell]
    return comparators if layer.precision.comparators else tables


def make_lane(layer, units):
    """The lane of a chain of so many units."""
    return lane_class(layer)(layer, units)
