"""The systolic array: processing elements in chains, each with its own weight ROM."""

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ternloom.hw.program import make_element


__all__ = ["Chain", "Control", "ProcessingElement", "drain_layout"]


class Control(data.Struct):
    """What an element does with a word; travels along a chain with it.

    Attributes
    ----------
    valid : 1
        There is a word.
    first : 1
        Start a sum from zero.
    shift : 1
        A next bit plane starts: double the sum first.
    last : 1
        The sum is complete and leaves.
    """

    valid: 1
    first: 1
    shift: 1
    last: 1


def drain_layout(shape, planes):
    """A result that leaves a chain: one raw sum for each activation plane."""
    return data.StructLayout({"valid": 1, "raw": data.ArrayLayout(shape, planes)})


class ProcessingElement(wiring.Component):
    """Dot products of one weight ROM with the activation words that pass by.

    Everything that enters leaves one cycle later toward the next element; results leave through
    two registers, at half that speed.

    Parameters
    ----------
    geometry : Geometry
    rom : list of int
        Weight words in the order of their addresses.
    shape : Shape
        Of an accumulator.

    Members
    -------
    i_activation, o_activation
        Activation word: ``activation_planes`` planes of ``simd`` lanes.
    i_address, o_address
        ROM address, two cycles ahead of its activation word.
    i_control, o_control : Control
        ``latency`` of the element after its activation word.
    i_drain, o_drain
        Results of the elements before, and with this one's.

    A sum whose last word enters at cycle n (``i_activation``) is on ``o_drain`` at
    ``n + 3 + element.latency``; one word a cycle.
    """

    def __init__(self, geometry, rom, *, shape):
        self._geometry = geometry
        self._rom      = rom
        self._shape    = shape
        activation_bits = geometry.simd * geometry.activation_bits * geometry.activation_planes
        address = range(max(len(rom), 2))
        drain   = drain_layout(shape, geometry.activation_planes)
        super().__init__({
            "i_activation": In(activation_bits), "o_activation": Out(activation_bits),
            "i_address":    In(address),         "o_address":    Out(address),
            "i_control":    In(Control),         "o_control":    Out(Control),
            "i_drain":      In(drain),           "o_drain":      Out(drain),
        })

    def elaborate(self, platform):
        m = Module()
        geometry = self._geometry

        m.d.sync += [
            self.o_activation.eq(self.i_activation),
            self.o_address.eq(self.i_address),
            self.o_control.eq(self.i_control),
        ]

        width = geometry.simd * geometry.weight_bits
        m.submodules.rom = rom = Memory(shape=unsigned(width), depth=max(len(self._rom), 2),
                                        init=self._rom)
        read = rom.read_port()
        weights = Signal(width)
        m.d.comb += read.addr.eq(self.o_address)
        m.d.sync += weights.eq(read.data)

        lanes = geometry.simd * geometry.activation_bits
        control, leaving = self.o_control, Signal(drain_layout(self._shape,
                                                               geometry.activation_planes))
        m.d.sync += [
            leaving.eq(self.i_drain),
            leaving.valid.eq(self.i_drain.valid | (control.valid & control.last)),
            self.o_drain.eq(leaving),
        ]
        for plane in range(geometry.activation_planes):
            m.submodules[f"element{plane}"] = element = make_element(geometry)
            m.d.comb += [
                element.weights.eq(weights),
                element.activations.eq(self.o_activation[plane * lanes:(plane + 1) * lanes]),
            ]
            total   = Signal(self._shape, name=f"sum{plane}")
            carried = Signal(self._shape, name=f"carried{plane}")
            updated = Signal(self._shape, name=f"updated{plane}")
            doubled = Mux(control.shift, total << 1, total)
            serial  = any(block.serial > 1 for block in geometry.blocks)
            m.d.comb += [
                carried.eq(Mux(control.first, 0, doubled if serial else total)),
                updated.eq(carried + element.o),
            ]
            with m.If(control.valid):
                m.d.sync += total.eq(updated)
                with m.If(control.last):
                    m.d.sync += leaving.raw[plane].eq(updated)

        return m


class Chain(wiring.Component):
    """Processing elements in a row; results leave in the order of the dots, one a cycle.

    Parameters
    ----------
    geometry : Geometry
    roms : list of list of int
        One ROM an element.
    shape : Shape

    Members
    -------
    i_activation, i_address, i_control
        As of the first element.
    o : drain layout
        Dot ``i`` of a group whose last word enters at cycle n is here at
        ``n + 2 + element.latency + elements + i``.
    """

    def __init__(self, geometry, roms, *, shape):
        self._geometry = geometry
        self._roms     = roms
        self._shape    = shape
        activation_bits = geometry.simd * geometry.activation_bits * geometry.activation_planes
        super().__init__({
            "i_activation": In(activation_bits),
            "i_address":    In(range(max(len(roms[0]), 2))),
            "i_control":    In(Control),
            "o":            Out(drain_layout(shape, geometry.activation_planes)),
        })

    def elaborate(self, platform):
        m = Module()

        before = None
        for index, rom in enumerate(self._roms):
            m.submodules[f"pe{index}"] = pe = ProcessingElement(self._geometry, rom,
                                                                shape=self._shape)
            m.d.comb += [
                pe.i_activation.eq(before.o_activation if before else self.i_activation),
                pe.i_address.eq(before.o_address if before else self.i_address),
                pe.i_control.eq(before.o_control if before else self.i_control),
            ]
            if before:
                m.d.comb += pe.i_drain.eq(before.o_drain)
            before = pe
        m.d.comb += self.o.eq(before.o_drain)

        return m
