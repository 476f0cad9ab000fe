"""The combiner: raw dots of a chain become pre-activations, one result a cycle."""

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ternloom.hw.coefficient import Stage, scaled, times
from ternloom.hw.fixed import range_shape, rounded, saturated
from ternloom.hw.interface import Rows
from ternloom.mapping.geometry import Source
from ternloom.mapping.schedule import MIX, combiner_latency


__all__ = ["Combiner", "Place", "RowCounter", "mix_bits", "row_shape"]


class Place(data.StructLayout):
    """Which dot it is that leaves the chains, and what becomes of it.

    Members
    -------
    valid : 1
    first, last : 1
        The dot is its row's first, its last plane.
    store : 1
        The row's sum waits in memory for the recurrent half.
    held : 1
        The row starts from what waits in memory, else from its addend.
    dot : index in the coefficient ROM
    row : index in the memory of waiting rows
    addend : index in the addend ROM
    gate, unit : of the row
    block : index of the block
    phase : 1
        Whether the step is an odd one.
    """

    def __init__(self, image):
        geometry = image.geometry
        blocks = geometry.blocks
        depth = image.addends.shape[1]
        super().__init__({
            "valid": 1, "first": 1, "last": 1, "store": 1, "held": 1, "split": 1, "phase": 1,
            "dot": range(max(sum(block.dots for block in blocks), 2)),
            "row": range(max(depth, 2)),
            "addend": range(max(depth, 2)),
            "gate": range(4),
            "unit": range(max(geometry.chain_units, 2)),
            "block": range(max(len(blocks), 2)),
        })


class RowCounter(wiring.Component):
    """Names the dots that leave the chains, which come in a fixed order.

    Parameters
    ----------
    image : Image

    Members
    -------
    i_valid : 1
        Every chain has a result.
    o : Place
        Of that result, in the same cycle; not valid for the results of elements that had no dot in
        a block's last group.
    """

    def __init__(self, image):
        self._image = image
        super().__init__({"i_valid": In(1), "o": Out(Place(image))})

    def elaborate(self, platform):
        m = Module()
        place, geometry = self.o, self._image.geometry

        surplus = Signal(range(max(geometry.chain_elements, 2)))
        gate = Signal(range(4))
        gate_ends, unit_ends, block_ends = Signal(), Signal(), Signal()
        plane = Signal(range(4))
        last_gate = Signal()
        m.d.comb += [
            place.valid.eq(self.i_valid & (surplus == 0)),
            place.first.eq(plane == 0),
            gate_ends.eq(place.valid & place.last),
            unit_ends.eq(gate_ends & last_gate),
            block_ends.eq(unit_ends & (place.unit == geometry.chain_units - 1)),
        ]
        with m.If(self.i_valid & (surplus != 0)):
            m.d.sync += surplus.eq(surplus - 1)
        with m.If(place.valid):
            m.d.sync += [place.dot.eq(place.dot + 1), plane.eq(plane + 1)]
        with m.If(gate_ends):
            m.d.sync += [plane.eq(0), gate.eq(gate + 1), place.row.eq(place.row + 1)]
        with m.If(unit_ends):
            m.d.sync += [gate.eq(0), place.unit.eq(place.unit + 1)]
        m.d.comb += place.addend.eq(place.row)
        base = 0
        with m.Switch(place.block):
            for index, block in enumerate(geometry.blocks):
                with m.Case(index):
                    self._block(m, index, block, base, gate, plane, last_gate, block_ends, surplus)
                if block.completes:
                    base += block.rows
        return m

    def _block(self, m, index, block, base, gate, plane, last_gate, block_ends, surplus):
        """What holds while the dots of one block leave."""
        place, geometry = self.o, self._image.geometry
        final = index == len(geometry.blocks) - 1
        m.d.comb += [
            place.last.eq(plane == block.planes - 1),
            last_gate.eq(gate == len(block.gates) - 1),
            place.gate.eq(gate + block.gates[0]),
            place.store.eq(not block.completes),
            place.held.eq(not block.begins),
        ]
        if self._image.split and block.source is not Source.INPUT:
            with m.If(last_gate):
                m.d.comb += [
                    place.split.eq(1),
                    place.held.eq(0),
                    place.addend.eq(place.unit + block.rows),
                ]
        with m.If(block_ends):
            m.d.sync += [
                place.unit.eq(0),
                place.block.eq(0 if final else index + 1),
                place.row.eq(0 if final else base + block.rows if block.completes else base),
                surplus.eq(block.groups * block.chain_elements - block.dots),
            ]
            if final:
                m.d.sync += [place.dot.eq(0), place.phase.eq(~place.phase)]


def row_shape(image):
    """Shape of a row's sum."""
    return range_shape(image.row_low, image.row_high)


def mix_bits(image):
    """Bits of a coefficient of an activation plane, zero where all are constants."""
    formats = [form for form in image.formats if form.header]
    blocks = image.geometry.blocks
    if not image.geometry.mixes_at_run_time:
        return 0
    constants = [max(block.mix).bit_length() for block in blocks if block.mix is not None]
    return max([form.coefficient_bits for form in formats] + constants)


class Combiner(wiring.Component):
    """Coefficient, sum over planes and halves, addend, shift, rounding and saturation.

    Parameters
    ----------
    image : Image
    chain : int
    form : Fixed
        Of the result.
    raw : Shape
        Of an element's accumulator.

    Members
    -------
    i_raw
        One raw sum for each activation plane.
    i_place : Place
    i_mix
        Coefficients of the activation planes, a cycle after the raw sums, where any come with the
        vectors.
    o : Rows
        The result of a row, ``latency`` cycles after its last dot; ``aside`` is the waiting row
        that a split row leaves apart.

    Throughput one dot a cycle. A coefficient multiplier is made only where some coefficient is not
    a power of two.
    """

    def __init__(self, image, chain, *, form, raw):
        self._image = image
        self._chain   = chain
        self._form    = form
        self._place   = Place(image)
        self.latency  = combiner_latency(image.geometry)
        bits = mix_bits(image)
        super().__init__(({"i_mix": In(data.ArrayLayout(bits, image.geometry.activation_planes))}
                          if bits else {}) | {
            "i_raw":   In(data.ArrayLayout(raw, image.geometry.activation_planes)),
            "i_place": In(self._place),
            "o":       Out(Rows(form, image.geometry.chain_units)),
        })

    def elaborate(self, platform):
        m = Module()
        image = self._image

        places = [self.i_place]
        for stage in range(self.latency):
            place = Signal(self._place, name=f"place{stage + 1}")
            m.d.sync += place.eq(places[-1])
            places.append(place)
        if image.geometry.mixes_at_run_time:
            dot, places = self._run_time_mix(m, places), places[MIX:]
        else:
            dot = self._mix(m)

        product = self._multiply(m, places, dot)
        row = Signal(row_shape(image))
        addend, waiting = self._start(m, places, row)

        total = Signal.like(row)
        m.d.comb += total.eq(Mux(places[Stage.ADD].first, addend, row) + product)
        with m.If(places[Stage.ADD].valid):
            m.d.sync += row.eq(total)

        result = saturated(m, rounded(m, row, image.shift, self._form.rounding), self._form)
        m.d.sync += self.o.value.eq(result)
        if image.split:
            aside = Signal.like(row)
            with m.If(places[Stage.ADD].first):
                m.d.sync += aside.eq(waiting)
            m.d.sync += self.o.aside.eq(
                saturated(m, rounded(m, aside, image.shift, self._form.rounding), self._form))
        done = places[Stage.RESULT]
        m.d.comb += [
            self.o.valid.eq(done.valid & done.last & ~done.store),
            self.o.gate.eq(done.gate),
            self.o.unit.eq(done.unit),
        ]

        return m

    def _dot(self):
        """Signal for a dot's mix."""
        parts = self._image.blocks
        return Signal(range_shape(min(int(part.mixed_low.min()) for part in parts),
                                  max(int(part.mixed_high.max()) for part in parts)), name="dot")

    def _mix(self, m):
        """Sum over the activation planes with constant coefficients, a cycle after the raw sums."""
        dot, blocks = self._dot(), self._image.geometry.blocks
        # The coefficient of a single plane is part of the row's.
        mixes = [block.mix if len(block.mix) > 1 else (1,) for block in blocks]
        sums = [sum(times(raw, factor) for raw, factor in zip(self.i_raw, mix)) for mix in mixes]
        if len(set(mixes)) == 1:
            m.d.sync += dot.eq(sums[0])
            return dot
        with m.Switch(self.i_place.block):
            for index, value in enumerate(sums):
                with m.Case(index):
                    m.d.sync += dot.eq(value)
        return dot

    def _run_time_mix(self, m, places):
        """The same where coefficients come with vectors, four cycles after the raw sums: signed
        sums, products, their sum.
        """
        parts = self._image.blocks
        behind = places[1]
        offset = self._offset(m, behind)
        doubles = Signal()
        with m.Switch(behind.block):
            for index, part in enumerate(parts):
                with m.Case(index):
                    m.d.comb += doubles.eq(part.scale == 2)
        products = []
        for plane, raw in enumerate(self.i_raw):
            low = min(part.scale * part.raw_low + int(part.offset.min()) for part in parts)
            high = max(part.scale * part.raw_high + int(part.offset.max()) for part in parts)
            held   = Signal(raw.shape(), name=f"held{plane}")
            signed_sum = Signal(range_shape(low, high), name=f"signed_sum{plane}")
            factor = Signal(self.i_mix[plane].shape(), name=f"factor{plane}")
            product = Signal(signed(len(signed_sum) + len(factor)), name=f"product{plane}")
            m.d.sync += [
                held.eq(raw),
                signed_sum.eq(Mux(doubles, held << 1, held) + offset),
                factor.eq(self.i_mix[plane]),
                product.eq(signed_sum * factor),
            ]
            products.append(product)
        dot = self._dot()
        m.d.sync += dot.eq(sum(products))
        return dot

    def _offset(self, m, place):
        """What the signed sum is beyond ``scale`` times a raw sum, with the place a cycle later."""
        offsets = [part.offset[self._chain] for part in self._image.blocks]
        values = [int(value) for part in offsets for value in part]
        shape = range_shape(min(0, *values), max(0, *values))
        if all((part == part[0]).all() for part in offsets):
            offset = Signal(shape, name="offset")
            with m.Switch(place.block):
                for index, part in enumerate(offsets):
                    with m.Case(index):
                        m.d.comb += offset.eq(int(part[0]))
            return offset
        m.submodules.offsets = rom = Memory(shape=shape, depth=max(len(values), 2), init=values)
        port = rom.read_port()
        m.d.comb += port.addr.eq(self.i_place.dot)
        return port.data

    def _multiply(self, m, places, dot):
        """Coefficient times dot, two cycles after the dot, three after the first place."""
        held = Signal.like(dot)
        m.d.sync += held.eq(dot)
        return scaled(m, self._image, self._chain, places, held)

    def _start(self, m, places, row):
        """What a row starts from, and what waits for it, three cycles after its first dot's raw
        sum.
        """
        image = self._image
        addends = [int(value) for value in image.addends[self._chain]]
        m.submodules.addends = rom = Memory(shape=row.shape(), depth=max(len(addends), 2),
                                            init=addends)
        port = rom.read_port()
        fixed = Signal.like(row)
        m.d.comb += port.addr.eq(places[Stage.DOT].addend)
        m.d.sync += fixed.eq(port.data)
        if len(image.blocks) == 1:
            return fixed, None

        m.submodules.waiting = memory = Memory(shape=row.shape(), depth=max(len(addends), 2),
                                               init=[])
        write, read = memory.write_port(), memory.read_port()
        waiting, complete = Signal.like(row), places[Stage.ROW]
        m.d.comb += [
            write.addr.eq(complete.row),
            write.data.eq(row),
            write.en.eq(complete.valid & complete.last & complete.store),
            read.addr.eq(places[Stage.DOT].row),
        ]
        m.d.sync += waiting.eq(read.data)
        return Mux(places[Stage.ADD].held, waiting, fixed), waiting
