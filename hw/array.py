"""The systolic array: processing elements in chains, each with its own weight ROM."""

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out, connect, flipped

from ternloom.hw.adder import SelectAdd, ShiftAdd
from ternloom.hw.element import GatedPopcount, QuaternaryPopcount, XnorPopcount
from ternloom.hw.fixed import range_shape
from ternloom.mapping.geometry import Arithmetic


__all__ = ["Chain", "Control", "ProcessingElement", "Work", "drain_layout", "make_element",
           "raw_shape"]


def make_element(geometry):
    """A fresh element of the arithmetic, width and lanes that the geometry asks for."""
    simd, weight, bits = geometry.simd, geometry.weight, geometry.weight_bits
    match geometry.arithmetic:
        case Arithmetic.XNOR_POPCOUNT:
            return XnorPopcount(simd)
        case Arithmetic.GATED_POPCOUNT:
            return GatedPopcount(simd, weight_bits=bits, activation_bits=geometry.activation_bits)
        case Arithmetic.QUATERNARY_POPCOUNT:
            return QuaternaryPopcount(simd)
        case Arithmetic.SHIFT_ADD:
            return ShiftAdd(simd, weight=weight, weight_bits=bits,
                            activation_width=geometry.activation_bits)
        case Arithmetic.SELECT_ADD:
            return SelectAdd(simd, weight=weight, weight_bits=bits,
                             activation_bits=geometry.activation_bits)


def raw_shape(image):
    """Shape of an element's accumulator."""
    low = min(part.raw_low for part in image.blocks)
    shape = range_shape(low, max(part.raw_high for part in image.blocks))
    return shape if low < 0 else unsigned(max(shape.width - 1, 1))


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
    aside : 1
        A next activation plane starts, the highest is first: put the sum aside and start from
        zero.
    last : 1
        The sum is complete and leaves.
    """

    valid: 1
    first: 1
    shift: 1
    aside: 1
    last: 1


class Work(wiring.Signature):
    """What passes along a chain, as the chain's input has it.

    Parameters
    ----------
    geometry : Geometry
    words : int
        Of a ROM.

    Members
    -------
    activation : ``planes_at_once`` planes of ``simd`` lanes
    address : range(words)
        ROM address, two cycles ahead of its activation word.
    control : Control
        ``latency`` of the element after its activation word.
    """

    def __init__(self, geometry, words):
        super().__init__({
            "activation": Out(geometry.simd * geometry.activation_bits * geometry.planes_at_once),
            "address":    Out(range(max(words, 2))),
            "control":    Out(Control),
        })


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
    i, o : Work
    i_drain, o_drain
        Results of the elements before, and with this one's.

    A sum whose last word enters at cycle n (``i.activation``) is on ``o_drain`` at
    ``n + 3 + element.latency``; one word a cycle.
    """

    def __init__(self, geometry, rom, *, shape):
        self._geometry = geometry
        self._rom      = rom
        self._shape    = shape
        work  = Work(geometry, len(rom))
        drain = drain_layout(shape, geometry.activation_planes)
        super().__init__({"i": In(work), "o": Out(work),
                          "i_drain": In(drain), "o_drain": Out(drain)})

    def elaborate(self, platform):
        m = Module()
        geometry = self._geometry

        m.d.sync += [
            self.o.activation.eq(self.i.activation),
            self.o.address.eq(self.i.address),
            self.o.control.eq(self.i.control),
        ]

        width = geometry.simd * geometry.weight_bits
        m.submodules.rom = rom = Memory(shape=unsigned(width), depth=max(len(self._rom), 2),
                                        init=self._rom)
        read = rom.read_port()
        weights = Signal(width)
        m.d.comb += read.addr.eq(self.o.address)
        m.d.sync += weights.eq(read.data)

        lanes = geometry.simd * geometry.activation_bits
        control, leaving = self.o.control, Signal(drain_layout(self._shape,
                                                               geometry.activation_planes))
        m.d.sync += [
            leaving.eq(self.i_drain),
            leaving.valid.eq(self.i_drain.valid | (control.valid & control.last)),
            self.o_drain.eq(leaving),
        ]
        sums = []
        for plane in range(geometry.planes_at_once):
            m.submodules[f"element{plane}"] = element = make_element(geometry)
            m.d.comb += [
                element.weights.eq(weights),
                element.activations.eq(self.o.activation[plane * lanes:(plane + 1) * lanes]),
            ]
            sums.append(self._accumulate(m, plane, element.o))
        if geometry.multiplexed:
            sums = self._put_aside(m, *sums[0])
        else:
            sums = [updated for _, updated in sums]
        with m.If(control.valid & control.last):
            m.d.sync += [raw.eq(value) for raw, value in zip(leaving.raw, sums, strict=True)]

        return m

    def _accumulate(self, m, plane, value):
        """Add a word's sum to what there is; returns the sum before and after."""
        control = self.o.control
        serial  = any(block.serial > 1 for block in self._geometry.blocks)
        total   = Signal(self._shape, name=f"sum{plane}")
        carried = Signal(self._shape, name=f"carried{plane}")
        updated = Signal(self._shape, name=f"updated{plane}")
        doubled = Mux(control.shift, total << 1, total)
        fresh   = control.first | control.aside if self._geometry.multiplexed else control.first
        m.d.comb += [
            carried.eq(Mux(fresh, 0, doubled if serial else total)),
            updated.eq(carried + value),
        ]
        with m.If(control.valid):
            m.d.sync += total.eq(updated)
        return total, updated

    def _put_aside(self, m, total, updated):
        """Sums of time-multiplexed activation planes, as of the last word."""
        control, planes = self.o.control, self._geometry.activation_planes
        aside = [Signal(self._shape, name=f"aside{plane}") for plane in range(1, planes)]
        moved = [total, *aside[:-1]]
        with m.If(control.valid & control.aside):
            m.d.sync += [held.eq(before) for held, before in zip(aside, moved, strict=True)]
        if any(block.turns > 1 and block.words == 1 for block in self._geometry.blocks):
            # The last plane starts with the last word.
            aside = [Mux(control.aside, before, held)
                     for held, before in zip(aside, moved, strict=True)]
        return [updated, *aside]


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
    i : Work
        Of the first element.
    o : drain layout
        Dot ``i`` of a group whose last word enters at cycle n is here at
        ``n + 2 + element.latency + elements + i``.
    """

    def __init__(self, geometry, roms, *, shape):
        self._geometry = geometry
        self._roms     = roms
        self._shape    = shape
        super().__init__({"i": In(Work(geometry, len(roms[0]))),
                          "o": Out(drain_layout(shape, geometry.activation_planes))})

    def elaborate(self, platform):
        m = Module()

        work, drain = flipped(self.i), None
        for index, rom in enumerate(self._roms):
            m.submodules[f"pe{index}"] = pe = ProcessingElement(self._geometry, rom,
                                                                shape=self._shape)
            connect(m, work, pe.i)
            if drain is not None:
                m.d.comb += pe.i_drain.eq(drain)
            work, drain = pe.o, pe.o_drain
        m.d.comb += self.o.eq(drain)

        return m
