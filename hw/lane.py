"""What elementwise lanes share, and what can be watched in them."""

import dataclasses

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ternloom.hw.fixed import delayed
from ternloom.model.cell import GRU_RESET_AFTER, GRU_RESET_BEFORE, LSTM
from ternloom.model.format import Binary, Online, Planes


__all__ = ["Lane", "LaneProbe", "lane_probes"]


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
    before = layer.cell is GRU_RESET_BEFORE
    passes = (gates[:2], gates[2:]) if before else (gates,)
    rows = tuple(tuple(f"gate.{gate}.preact" for gate in part) for part in passes)
    values = tuple(tuple(f"gate.{gate}" for gate in part) for part in passes)
    found = [LaneProbe("row", True, rows), LaneProbe("gate_value", True, values)]
    if layer.cell is GRU_RESET_AFTER:
        found = [
            LaneProbe("row", True, ((*rows[0][:2], "gate.n.recurrent"),)),
            LaneProbe("aside", True, (("gate.n.input",),)),
            LaneProbe("gate_value", True, (values[0][:2],)),
            LaneProbe("argument", True, (("gate.n.preact",),)),
            LaneProbe("candidate_value", True, (("gate.n",),)),
        ]
    found.append(LaneProbe("state_value", True,
                           (("cell" if layer.cell is LSTM else "state",),)))
    # The wire form of a binary code is not the code, so it cannot be compared as it is.
    if not isinstance(form, Binary):
        is_signed = not isinstance(form, Planes) and getattr(form, "signed", True)
        if before:
            found.insert(2, LaneProbe("reset_code", is_signed, (("reset",),)))
        found.append(LaneProbe("code", is_signed,
                               (("sample" if isinstance(form, Online) else "h",),)))
    return tuple(found)


class Lane(wiring.Component):
    """What the lanes of all cells share: the pre-activations of a unit become its state and code.

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

    #: How many of each a lane has.
    multipliers = tables = 0

    def __init__(self, layer, units):
        self._layer = layer
        self._units = units
        preact = signed(layer.precision.preact.width)
        width  = self._form.width
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

    @property
    def _form(self):
        """Format of the codes."""
        form = self._layer.state_format
        return form.sample if isinstance(form, Online) else form

    def _strobes(self, m, gate, cycles):
        """A gate's strobe after 0 to ``cycles`` cycles."""
        name = self._layer.cell.gates[gate]
        strobe = Signal(name=f"{name}_valid")
        m.d.comb += strobe.eq(self.i_valid & (self.i_gate == gate))
        strobes = [strobe]
        for _ in range(cycles):
            strobes.append(delayed(m, strobes[-1], 1))
        return strobes

    def _places(self, m, cycles):
        """The unit after 0 to ``cycles`` cycles."""
        units = [self.i_unit]
        for _ in range(cycles):
            units.append(delayed(m, units[-1], 1))
        return units

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
