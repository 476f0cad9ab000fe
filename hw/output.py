"""The output of a core: a queue of whole vectors, and the codes of a network without a readout."""

from amaranth import *
from amaranth.lib import data, fifo, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ternloom.hw.fixed import delayed
from ternloom.hw.interface import Codes, Room, Vectors
from ternloom.mapping.stream import Stream
from ternloom.model.node.operand import named


__all__ = ["CodeOutput", "OutputQueue", "Turns", "beat_layout"]


def beat_layout(value, user):
    """A beat of the output stream: shapes of ``tdata`` and ``tuser``, then ``tlast``."""
    return data.StructLayout({"data": value, "user": user, "last": 1})


class OutputQueue(wiring.Component):
    """Holds beats until they are taken, and tells when there is room for a vector more.

    Parameters
    ----------
    layout : StructLayout
        Of a beat.
    beats : int
        Of a vector.
    vectors : int
        That it holds.

    Members
    -------
    room : Room
    i : Codes
        Beats.
    o : stream of beats
        At the earliest two cycles after they came.
    """

    def __init__(self, layout, beats, *, vectors):
        self._beats   = beats
        self._vectors = vectors
        super().__init__({"room": In(Room()), "i": In(Codes(layout)),
                          "o": Out(stream.Signature(layout))})

    def elaborate(self, platform):
        m = Module()

        # A queue of one entry would be a register, a cycle faster than the rest; one of two refuses
        # a beat that directly follows another, which has not got to the output yet.
        capacity = self._beats * self._vectors
        m.submodules.queue = queue = fifo.SyncFIFOBuffered(width=len(self.i.data.as_value()),
                                                           depth=max(capacity, 3))
        m.d.comb += [
            queue.w_data.eq(self.i.data),
            queue.w_en.eq(self.i.valid),
            self.o.payload.eq(queue.r_data),
            self.o.valid.eq(queue.r_rdy),
            queue.r_en.eq(self.o.ready),
        ]
        taken, held = Signal(), Signal(range(capacity + 1))
        spare, space, space_reserved = Signal(init=1), Signal(), Signal()
        m.d.comb += [
            taken.eq(self.o.valid & self.o.ready),
            space.eq(held <= capacity - self._beats + taken),
            space_reserved.eq(held + self._beats <= capacity - self._beats + taken),
        ]
        # A reservation comes late in a cycle, so both outcomes wait for it.
        m.d.sync += [
            held.eq(held + Mux(self.room.reserve, self._beats, 0) - taken),
            spare.eq(Mux(self.room.reserve, space_reserved, space)),
        ]
        m.d.comb += self.room.space.eq(spare)

        return m


class Turns(wiring.Component):
    """Vectors of several readouts, one after another: a beat passes in its own cycle.

    Parameters
    ----------
    readouts : list of (StructLayout, int)
        Layout of a beat, and beats of a vector.
    layout : StructLayout
        Of a beat of the output.

    Members
    -------
    i, i1, ... : streams of beats
    o : stream of beats
        ``last`` is that of the last readout.
    """

    def __init__(self, readouts, layout):
        self._readouts = readouts
        super().__init__({named("i", index): In(stream.Signature(each))
                          for index, (each, _) in enumerate(readouts)}
                         | {"o": Out(stream.Signature(layout))})

    def elaborate(self, platform):
        m = Module()

        turn, beat = (Signal(range(max(count, 2)), name=name) for name, count in (
            ("turn", len(self._readouts)), ("beat", max(beats for _, beats in self._readouts))))
        taken, ends = Signal(), Signal()
        m.d.comb += taken.eq(self.o.valid & self.o.ready)
        with m.Switch(turn):
            for index, (_, beats) in enumerate(self._readouts):
                given = getattr(self, named("i", index))
                beat_in, beat_out = given.payload, self.o.payload
                final = index == len(self._readouts) - 1
                with m.Case(index):
                    m.d.comb += [
                        self.o.valid.eq(given.valid),
                        beat_out.data.eq(beat_in.data),
                        beat_out.user.eq(beat_in.user),
                        beat_out.last.eq(beat_in.last if final else 0),
                        given.ready.eq(self.o.ready),
                        ends.eq(beat == beats - 1),
                    ]
                    with m.If(taken & ends):
                        m.d.sync += turn.eq(0 if final else index + 1)
        with m.If(taken):
            m.d.sync += beat.eq(Mux(ends, 0, beat + 1))

        return m


class CodeOutput(wiring.Component):
    """What a core without a readout puts out: the last layer's codes, at every step.

    A beat has the codes of one local unit of all chains; slots beyond the layer's units are zero
    bits. It leaves at the earliest two cycles after it came. Coefficients that come with the codes
    leave before them, one a beat, in their cycles; the codes of such a vector come one a cycle.

    Parameters
    ----------
    layer : Layer
    geometry : Geometry
        Of the layer.

    Members
    -------
    i : Vectors
    o : stream of beats
        Of the output queue, which holds two vectors.
    """

    def __init__(self, layer, geometry):
        self._geometry = geometry
        self._form     = layer.state_format
        self._stream   = Stream(layer.state_format, layer.units, geometry.chains, 1)
        self._layout   = beat_layout(self._stream.data_width, 1)
        super().__init__({
            "i": In(Vectors(geometry.chains * self._form.width, self._form.header_bits)),
            "o": Out(stream.Signature(self._layout)),
        })

    def elaborate(self, platform):
        m = Module()
        geometry = self._geometry

        m.submodules.queue = queue = OutputQueue(self._layout, self._stream.beats, vectors=2)
        unit, ends = Signal(range(max(geometry.chain_units, 2))), Signal()
        used = geometry.units - (geometry.chain_units - 1) * geometry.chains
        codes = Signal.like(self.i.data)
        connect(m, flipped(self.i.room), queue.room)
        connect(m, queue.o, flipped(self.o))
        m.d.comb += [
            ends.eq(unit == geometry.chain_units - 1),
            codes.eq(Mux(ends, self.i.data[:used * self._form.width], self.i.data)),
        ]
        with m.If(self.i.valid):
            m.d.sync += unit.eq(Mux(ends, 0, unit + 1))
        self._enqueue(m, queue, codes, starts=self.i.valid & (unit == 0),
                      ends=self.i.valid & ends & self.i.last)

        return m

    def _enqueue(self, m, queue, codes, *, starts, ends):
        """Put codes into the queue, behind as many coefficients as there are."""
        beat, header = queue.i.data, self._stream.header
        m.d.comb += [
            queue.i.valid.eq(delayed(m, self.i.valid, header)),
            beat.data.eq(delayed(m, codes, header)),
            beat.last.eq(delayed(m, ends, header)),
        ]
        for plane in range(header):
            with m.If(delayed(m, starts, plane)):
                m.d.comb += [
                    queue.i.valid.eq(1),
                    beat.data.eq(self.i.beta.word_select(plane, self._form.coefficient_bits)),
                    beat.user.eq(1),
                ]
