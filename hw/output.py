"""The output of a core: a queue of whole vectors, and the codes of a network without a readout."""

from amaranth import *
from amaranth.lib import data, fifo, wiring
from amaranth.lib.wiring import In, Out

from ternloom.hw.fixed import delayed
from ternloom.mapping.stream import Stream


__all__ = ["CodeOutput", "OutputQueue", "Turns", "beat_layout", "output_members"]


def beat_layout(value, user):
    """A beat of the output stream: shapes of ``tdata`` and ``tuser``, then ``tlast``."""
    return data.StructLayout({"data": value, "user": user, "last": 1})


def output_members(layout):
    """Ports of what ends a core: beats of a layout."""
    return {"o_valid": Out(1), "o_data": Out(layout), "i_ready": In(1)}


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
    i_reserve : 1
        A vector will come.
    o_space : 1
        There is room for one that is not reserved yet.
    i_valid, i_data : a beat.
    o_valid, o_data, i_ready : stream of beats, at the earliest two cycles after ``i_valid``.
    """

    def __init__(self, layout, beats, *, vectors):
        self._beats   = beats
        self._vectors = vectors
        super().__init__({
            "i_reserve": In(1), "o_space": Out(1, init=1),
            "i_valid": In(1), "i_data": In(layout),
            "o_valid": Out(1), "o_data": Out(layout), "i_ready": In(1),
        })

    def elaborate(self, platform):
        m = Module()

        # A queue of one entry would be a register, a cycle faster than the rest; one of two refuses
        # a beat that directly follows another, which has not got to the output yet.
        capacity = self._beats * self._vectors
        m.submodules.queue = queue = fifo.SyncFIFOBuffered(width=len(self.i_data.as_value()),
                                                           depth=max(capacity, 3))
        m.d.comb += [
            queue.w_data.eq(self.i_data),
            queue.w_en.eq(self.i_valid),
            self.o_data.eq(queue.r_data),
            self.o_valid.eq(queue.r_rdy),
            queue.r_en.eq(self.i_ready),
        ]
        taken, held = Signal(), Signal(range(capacity + 1))
        space, space_reserved = Signal(), Signal()
        m.d.comb += [
            taken.eq(self.o_valid & self.i_ready),
            space.eq(held <= capacity - self._beats + taken),
            space_reserved.eq(held + self._beats <= capacity - self._beats + taken),
        ]
        # A reservation comes late in a cycle, so both outcomes wait for it.
        m.d.sync += [
            held.eq(held + Mux(self.i_reserve, self._beats, 0) - taken),
            self.o_space.eq(Mux(self.i_reserve, space_reserved, space)),
        ]

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
    i_valid0, i_data0, o_ready0, i_valid1, ... : streams of beats.
    o_valid, o_data, i_ready : the output; ``last`` is that of the last readout.
    """

    def __init__(self, readouts, layout):
        self._readouts = readouts
        members = output_members(layout)
        for index, (each, _) in enumerate(readouts):
            members |= {f"i_valid{index}": In(1), f"i_data{index}": In(each),
                        f"o_ready{index}": Out(1)}
        super().__init__(members)

    def elaborate(self, platform):
        m = Module()

        turn, beat = (Signal(range(max(count, 2)), name=name) for name, count in (
            ("turn", len(self._readouts)), ("beat", max(beats for _, beats in self._readouts))))
        taken, ends = Signal(), Signal()
        m.d.comb += taken.eq(self.o_valid & self.i_ready)
        with m.Switch(turn):
            for index, (_, beats) in enumerate(self._readouts):
                valid, data, ready = (getattr(self, f"{name}{index}")
                                      for name in ("i_valid", "i_data", "o_ready"))
                final = index == len(self._readouts) - 1
                with m.Case(index):
                    m.d.comb += [
                        self.o_valid.eq(valid),
                        self.o_data.data.eq(data.data),
                        self.o_data.user.eq(data.user),
                        self.o_data.last.eq(data.last if final else 0),
                        ready.eq(self.i_ready),
                        ends.eq(beat == beats - 1),
                    ]
                    with m.If(taken & ends):
                        m.d.sync += turn.eq(0 if final else index + 1)
        with m.If(taken):
            m.d.sync += beat.eq(Mux(ends, 0, beat + 1))

        return m


class CodeOutput(wiring.Component):
    """What a core without a readout puts out: the last layer's codes, at every step.

    A beat has the codes of one local unit of all chains; lanes beyond the layer's units are zero
    bits. It leaves at the earliest two cycles after it came. Coefficients that come with the codes
    leave before them, one a beat, in their cycles; the codes of such a vector come one a cycle.

    Parameters
    ----------
    layer : Layer
    geometry : Geometry
        Of the layer.

    Members
    -------
    i_valid, i_data, i_last, i_reserve, i_beta, o_space
        As of the input buffer of a layer that follows.
    o_valid, o_data, i_ready
        Of the output queue, which holds two vectors.
    """

    def __init__(self, layer, geometry):
        self._geometry = geometry
        self._form     = layer.state_format
        self._stream   = Stream(layer.state_format, layer.units, geometry.chains, 1)
        self._layout   = beat_layout(self._stream.data_width, 1)
        bits = self._form.header_bits
        super().__init__(({"i_beta": In(bits)} if bits else {}) | {
            "i_valid":   In(1),
            "i_data":    In(geometry.chains * self._form.width),
            "i_last":    In(1),
            "i_reserve": In(1),
            "o_space":   Out(1),
        } | output_members(self._layout))

    def elaborate(self, platform):
        m = Module()
        geometry = self._geometry

        m.submodules.queue = queue = OutputQueue(self._layout, self._stream.beats, vectors=2)
        unit, ends = Signal(range(max(geometry.units, 2))), Signal()
        used = geometry.total - (geometry.units - 1) * geometry.chains
        codes = Signal.like(self.i_data)
        m.d.comb += [
            ends.eq(unit == geometry.units - 1),
            codes.eq(Mux(ends, self.i_data[:used * self._form.width], self.i_data)),
            queue.i_reserve.eq(self.i_reserve),
            queue.i_ready.eq(self.i_ready),
            self.o_space.eq(queue.o_space),
            self.o_valid.eq(queue.o_valid),
            self.o_data.eq(queue.o_data),
        ]
        with m.If(self.i_valid):
            m.d.sync += unit.eq(Mux(ends, 0, unit + 1))
        self._enqueue(m, queue, codes, starts=self.i_valid & (unit == 0),
                      ends=self.i_valid & ends & self.i_last)

        return m

    def _enqueue(self, m, queue, codes, *, starts, ends):
        """Put codes into the queue, behind as many coefficients as there are."""
        beat, header = queue.i_data, self._stream.header
        m.d.comb += [
            queue.i_valid.eq(delayed(m, self.i_valid, header)),
            beat.data.eq(delayed(m, codes, header)),
            beat.last.eq(delayed(m, ends, header)),
        ]
        for plane in range(header):
            with m.If(delayed(m, starts, plane)):
                m.d.comb += [
                    queue.i_valid.eq(1),
                    beat.data.eq(self.i_beta.word_select(plane, self._form.coefficient_bits)),
                    beat.user.eq(1),
                ]
