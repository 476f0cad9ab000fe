"""The readout: logits of a vector, one a beat, and the index of the largest."""

from amaranth import *
from amaranth.lib import wiring

from ternloom.hw.buffer import InputBuffer
from ternloom.hw.fixed import delayed
from ternloom.hw.matvec import MatrixVector
from ternloom.hw.output import OutputQueue, beat_layout, output_members
from ternloom.mapping.schedule import combiner_latency, exit_latency
from ternloom.model.network import When


__all__ = ["DenseReadout"]


class DenseReadout(wiring.Component):
    """Dense layer on vectors of codes.

    Parameters
    ----------
    readout : Readout
    image : Image

    Members
    -------
    i_valid, i_data, i_last, i_reserve, o_space, i_beta
        Of the input buffer.
    o_valid, o_data, i_ready
        Of the output queue.

    A readout that speaks at the last step drops the other vectors, one a cycle.
    """

    def __init__(self, readout, image):
        self._readout  = readout
        self._image  = image
        self._geometry = geometry = image.geometry
        self._layout   = beat_layout(signed(readout.logits.width), range(max(readout.classes, 2)))
        self._beta_bits = readout.input_format.header_bits
        super().__init__(output_members(readout.input_format, geometry.beat_lanes, self._layout))

    def elaborate(self, platform):
        m = Module()
        readout, geometry = self._readout, self._geometry

        m.submodules.buffer = buffer = InputBuffer(geometry, readout.input_format.width,
                                                    self._beta_bits)
        m.submodules.array = array = MatrixVector(self._image, form=readout.logits, waits=(0,))
        m.submodules.queue = queue = OutputQueue(
            self._layout, readout.classes, vectors=2 if readout.when is When.EVERY else 1)
        reading, dropped = Signal(), Signal()
        m.d.comb += [
            buffer.i_valid.eq(self.i_valid),
            buffer.i_data.eq(self.i_data),
            buffer.i_last.eq(self.i_last),
            buffer.i_reserve.eq(self.i_reserve),
            buffer.i_release.eq(array.o_release | dropped),
            buffer.i_word.eq(array.o_word),
            self.o_space.eq(buffer.o_space),
            array.i_full.eq(buffer.o_full),
            array.i_last.eq(buffer.o_last),
            array.i_next.eq(buffer.o_next),
            array.i_next_last.eq(buffer.o_next_last),
            array.i_space.eq(queue.o_space),
            array.i_word0.eq(buffer.o_word),
            queue.i_reserve.eq(array.o_reserve),
            queue.i_ready.eq(self.i_ready),
            self.o_valid.eq(queue.o_valid),
            self.o_data.eq(queue.o_data),
        ]
        if self._beta_bits:
            m.d.comb += [buffer.i_beta.eq(self.i_beta), array.i_input_beta.eq(buffer.o_beta)]
        if readout.when is When.LAST:
            follows = Signal()
            m.d.comb += [
                follows.eq(buffer.o_next & buffer.o_next_last),
                dropped.eq(buffer.o_full & ~buffer.o_last & ~reading),
                array.i_full.eq((buffer.o_full & buffer.o_last) | (dropped & follows)),
                array.i_last.eq(1),
                array.i_next.eq(follows),
                array.i_next_last.eq(1),
            ]
            m.d.sync += reading.eq((reading & ~array.o_release) | array.o_reserve)
        self._enqueue(m, array, queue)

        return m

    def _enqueue(self, m, array, queue):
        """Add the index of the largest logit so far and the end of the sequence."""
        beat, value, unit = queue.i_data, array.o_values[0], array.o_unit
        best, index, better = Signal.like(value), Signal.like(unit), Signal()
        starts, ends = unit == 0, unit == self._geometry.units - 1

        # The next vector's block may have started, so the flag is sampled as of the end of the
        # group in which the first row is complete.
        block = self._geometry.blocks[0]
        sampled = delayed(m, array.o_last, exit_latency(self._geometry)
                          + combiner_latency(self._geometry)
                          + (block.planes - 1) % block.elements)
        flag, held = Signal(), Signal()
        m.d.comb += [
            better.eq(starts | (value > best)),
            flag.eq(Mux(starts, sampled, held)),
            queue.i_valid.eq(array.o_valid),
            beat.data.eq(value),
            beat.user.eq(Mux(better, unit, index)),
            beat.last.eq(flag & ends),
        ]
        with m.If(array.o_valid):
            m.d.sync += [index.eq(beat.user), best.eq(Mux(better, value, best)), held.eq(flag)]
