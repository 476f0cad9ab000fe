"""Elementwise lanes: the pre-activations of a unit become its state and its code."""

import dataclasses

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ternloom.hw.arith import delayed, quantized, rounded, saturated
from ternloom.hw.table import Function, Table
from ternloom.model.format import Binary, Planes
from ternloom.model.geometry import Source
from ternloom.model.network import Cell
from ternloom.model.schedule import lane_latency


__all__ = ["GruAfterLane", "GruBeforeLane", "Lane", "LaneProbe", "LstmLane", "lane_probes",
           "make_lane"]


@dataclasses.dataclass(frozen=True)
class LaneProbe:
    """A signal of a lane that shows named intermediates.

    Parameters
    ----------
    name : str
        Of the signal; it holds a value when that of the name ``name_valid`` is high.
    signed : bool
    groups : tuple of tuple of str
        For each pass over the units, the names of a unit's values.
    """

    name: str
    signed: bool
    groups: tuple[tuple[str, ...], ...]


def lane_probes(layer):
    """What can be watched in a lane of the layer, in the order of the data flow."""
    gates, form = layer.cell.gates, layer.state_format
    before = layer.cell is Cell.GRU_RESET_BEFORE
    passes = (gates[:2], gates[2:]) if before else (gates,)
    rows = tuple(tuple(f"gate.{gate}.preact" for gate in part) for part in passes)
    values = tuple(tuple(f"gate.{gate}" for gate in part) for part in passes)
    found = [LaneProbe("row", True, rows), LaneProbe("gate_value", True, values)]
    if layer.cell is Cell.GRU_RESET_AFTER:
        found = [
            LaneProbe("row", True, ((*rows[0][:2], "gate.n.recurrent"),)),
            LaneProbe("aside", True, (("gate.n.input",),)),
            LaneProbe("gate_value", True, (values[0][:2],)),
            LaneProbe("argument", True, (("gate.n.preact",),)),
            LaneProbe("candidate_value", True, (("gate.n",),)),
        ]
    found.append(LaneProbe("state_value", True,
                           (("cell" if layer.cell is Cell.LSTM else "state",),)))
    # The wire form of a binary code is not the code, so it cannot be compared as it is.
    if not isinstance(form, Binary):
        is_signed = not isinstance(form, Planes) and getattr(form, "signed", True)
        if before:
            found.insert(2, LaneProbe("reset_code", is_signed, (("reset",),)))
        found.append(LaneProbe("code", is_signed, (("h",),)))
    return tuple(found)


class Lane(wiring.Component):
    """What the lanes of all cells share.

    A pre-activation may come every cycle. Nothing waits: a unit's code comes a fixed number of
    cycles after its last pre-activation.

    Parameters
    ----------
    layer : Layer
    units : int
        Units of the chain.

    Members
    -------
    i_valid, i_gate, i_unit, i_value, i_aside
        A row from the combiner.
    i_first : 1
        The step is the first of its sequence: the state before it is zero.
    o_valid, o_code
        Code of the next unit.
    o_reset_valid, o_reset_code
        Code of r*h of the next unit, in a ``GRU_RESET_BEFORE``.
    """

    def __init__(self, layer, units):
        self._layer = layer
        self._units = units
        preact = signed(layer.precision.preact.width)
        width  = layer.state_format.width
        super().__init__({
            "i_valid":       In(1),
            "i_gate":        In(range(4)),
            "i_unit":        In(range(max(units, 2))),
            "i_value":       In(preact),
            "i_aside":       In(preact),
            "i_first":       In(1),
            "o_valid":       Out(1),
            "o_code":        Out(width),
            "o_reset_valid": Out(1),
            "o_reset_code":  Out(width),
        })
        self._unit = [self.i_unit]

    def _strobes(self, m, gate, cycles):
        """A gate's strobe, and the unit, after 0 to at least ``cycles`` cycles."""
        name = self._layer.cell.gates[gate]
        strobe = Signal(name=f"{name}_valid")
        m.d.comb += strobe.eq(self.i_valid & (self.i_gate == gate))
        strobes = [strobe]
        for _ in range(cycles):
            strobes.append(delayed(m, strobes[-1], 1))
        while len(self._unit) <= cycles:
            self._unit.append(delayed(m, self._unit[-1], 1))
        return strobes, self._unit

    def _watch(self, m, name, valid, value):
        """Give an intermediate a name in waveforms and for probes."""
        # Kept through the clean-up at emission, which then drops the attribute.
        shown  = Signal(value.shape(), name=name, attrs={"keep": 1})
        strobe = Signal(name=f"{name}_valid", attrs={"keep": 1})
        m.d.comb += [shown.eq(value), strobe.eq(valid)]

    def _memory(self, m, name, shape):
        """Ports of a memory with one entry a unit."""
        memory = Memory(shape=shape, depth=max(self._units, 2), init=[])
        m.submodules[name] = memory
        return memory.write_port(), memory.read_port()

    def _old_state(self, m, read, unit):
        """The state of ``unit`` before this step, two cycles later."""
        old = Signal(signed(self._layer.precision.state.width), name="old")
        m.d.comb += read.addr.eq(unit)
        m.d.sync += old.eq(Mux(self.i_first, 0, read.data))
        return old

    def _blend(self, m, strobes, units, new, update, old, write):
        """h' = n + z*(h - n): from n, ``old`` at strobes[0] and z two later, code five later."""
        layer, precision = self._layer, self._layer.precision
        fraction, state = precision.gate_frac, precision.state
        aligned    = Signal(signed(precision.gate_frac + 1 + state.frac - fraction))
        difference = Signal(signed(max(state.width, state.frac + 1) + 1))
        m.d.comb += aligned.eq(new << (state.frac - fraction))
        m.d.sync += difference.eq(old - aligned)
        # A register apart from the carry chain can be placed beside the multiplier.
        operand = delayed(m, difference, 1)
        product = Signal(signed(len(difference) + fraction + 1))
        m.d.sync += product.eq(update * operand)
        total = Signal(signed(len(product) + 1))
        m.d.comb += total.eq((delayed(m, aligned, 3) << fraction) + product)
        state_now = Signal(signed(state.width), name="state")
        value = saturated(m, rounded(m, total, fraction, state.rounding), state)
        m.d.sync += [
            state_now.eq(value),
            self.o_code.eq(quantized(m, state_now, state.frac, layer.state_format)),
            self.o_valid.eq(strobes[4]),
        ]
        m.d.comb += [write.en.eq(strobes[4]), write.addr.eq(units[4]), write.data.eq(state_now)]
        self._watch(m, "state_value", strobes[4], state_now)
        self._watch(m, "code", self.o_valid, self.o_code)


class LstmLane(Lane):
    """c' = f*c + i*g, h = o*tanh(c'); rows i, f, g, o.

    A code comes 13 cycles after the pre-activation of o; two multipliers.
    """

    latency = lane_latency(Cell.LSTM, Source.STATE)

    def elaborate(self, platform):
        m = Module()
        precision = self._layer.precision
        fraction, state = precision.gate_frac, precision.state

        m.submodules.gates = gates = Table(precision, Function.SIGMOID, Function.TANH)
        m.d.comb += [gates.i_value.eq(self.i_value), gates.i_select.eq(self.i_gate == 2)]
        strobe_i, _ = self._strobes(m, 0, 3)
        strobe_f, unit_f = self._strobes(m, 1, 5)
        strobe_g, unit_g = self._strobes(m, 2, 7)
        strobe_o, _ = self._strobes(m, 3, 12)

        write, read = self._memory(m, "cells", signed(state.width))
        old = self._old_state(m, read, unit_f[1])

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
        m.d.comb += [write.en.eq(strobe_g[7]), write.addr.eq(unit_g[7]), write.data.eq(cell)]

        m.submodules.output = output = Table(precision, Function.TANH)
        argument = Signal(signed(precision.preact.width))
        m.d.sync += argument.eq(quantized(m, cell, state.frac, precision.preact))
        m.d.comb += output.i_value.eq(argument)

        gate_o = Signal(signed(fraction + 1))
        result = Signal(signed(2 * fraction + 2))
        m.d.comb += gate_o.eq(delayed(m, gates.o, 8))
        m.d.sync += [
            result.eq(gate_o * delayed(m, output.o, 1)),
            self.o_code.eq(quantized(m, result, 2 * fraction, self._layer.state_format)),
            self.o_valid.eq(strobe_o[12]),
        ]
        self._watch(m, "row", self.i_valid, self.i_value)
        self._watch(m, "gate_value", delayed(m, self.i_valid, 3), gates.o)
        self._watch(m, "state_value", strobe_g[7], cell)
        self._watch(m, "code", self.o_valid, self.o_code)

        return m


class GruAfterLane(Lane):
    """n = tanh(ax + r*ah), h' = n + z*(h - n); rows r, z, n.

    A code comes 14 cycles after the pre-activation of n; two multipliers.
    """

    latency = lane_latency(Cell.GRU_RESET_AFTER, Source.STATE)

    def elaborate(self, platform):
        m = Module()
        precision = self._layer.precision
        fraction, preact = precision.gate_frac, precision.preact

        m.submodules.gates = gates = Table(precision, Function.SIGMOID)
        m.d.comb += gates.i_value.eq(self.i_value)
        strobe_r, _ = self._strobes(m, 0, 3)
        strobe_z, _ = self._strobes(m, 1, 3)
        strobe_n, unit_n = self._strobes(m, 2, 13)

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
        old = self._old_state(m, read, unit_n[7])
        self._blend(m, strobe_n[9:], unit_n[9:], candidate.o, delayed(m, gate_z, 7), old, write)
        self._watch(m, "row", self.i_valid, self.i_value)
        self._watch(m, "aside", strobe_n[0], self.i_aside)
        self._watch(m, "gate_value", strobe_r[3] | strobe_z[3], gates.o)
        self._watch(m, "argument", strobe_n[6], n_preact)
        self._watch(m, "candidate_value", strobe_n[9], candidate.o)

        return m


class GruBeforeLane(Lane):
    """n = tanh(Wx + U(r*h)), h' = n + z*(h - n); rows r, z of all units, then n of all units.

    A code of r*h comes 6 cycles after the pre-activation of r, a code of h 8 cycles after that of
    n; two multipliers.
    """

    latency       = lane_latency(Cell.GRU_RESET_BEFORE, Source.RESET)
    reset_latency = lane_latency(Cell.GRU_RESET_BEFORE, Source.STATE)

    def elaborate(self, platform):
        m = Module()
        precision, form = self._layer.precision, self._layer.state_format
        fraction, state = precision.gate_frac, precision.state

        m.submodules.gates = gates = Table(precision, Function.SIGMOID, Function.TANH)
        m.d.comb += [gates.i_value.eq(self.i_value), gates.i_select.eq(self.i_gate == 2)]
        strobe_r, _ = self._strobes(m, 0, 5)
        strobe_z, unit_z = self._strobes(m, 1, 3)
        strobe_n, unit_n = self._strobes(m, 2, 7)

        write, read = self._memory(m, "states", signed(state.width))
        old = self._old_state(m, read, unit_n[1])

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
            write_z.addr.eq(unit_z[3]),
            write_z.data.eq(gates.o),
            read_z.addr.eq(unit_n[3]),
        ]
        m.d.sync += update.eq(read_z.data)
        self._blend(m, strobe_n[3:], unit_n[3:], gates.o, update, old, write)
        self._watch(m, "row", self.i_valid, self.i_value)
        self._watch(m, "gate_value", delayed(m, self.i_valid, 3), gates.o)
        self._watch(m, "reset_code", self.o_reset_valid, self.o_reset_code)

        return m


def make_lane(layer, units):
    """The lane of the layer's cell."""
    lanes = {
        Cell.LSTM:             LstmLane,
        Cell.GRU_RESET_AFTER:  GruAfterLane,
        Cell.GRU_RESET_BEFORE: GruBeforeLane,
    }
    return lanes[layer.cell](layer, units)
