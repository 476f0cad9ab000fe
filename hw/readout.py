"""The readout: logits of a vector, one a beat, and the index of the largest."""

import functools
import operator

from amaranth import *
from amaranth.lib import wiring

from ternloom.hw.fixed import delayed
from ternloom.hw.inputs import connect_inputs, input_members
from ternloom.hw.matvec import MatrixVector
from ternloom.hw.output import OutputQueue, beat_layout, output_members
from ternloom.mapping.schedule import combiner_latency, exit_latency, row_waits
from ternloom.model.network import When


__all__ = ["DenseReadout"]


class DenseReadout(wiring.Component):
    """Dense layer on vectors of codes.

    Parameters
    ----------
    readout : Readout
    image : Image
    streamed : tuple of int
        Which of the inputs the core's input stream feeds.

    Members
    -------
    i_valid, i_data, i_last, i_reserve, i_beta, o_short, o_ready, o_space
        Of each input, see :func:`ternloom.hw.inputs.input_members`.
    o_valid, o_data, i_ready
        Of the output queue.

    A readout that speaks at the last step drops the other vectors, one a cycle.
    """

    def __init__(self, readout, image, *, streamed=()):
        self._readout  = readout
        self._image  = image
        self._geometry = geometry = image.geometry
        self._layout   = beat_layout(signed(readout.logits.width), range(max(readout.classes, 2)))
        self._streamed = streamed
        super().__init__(input_members(readout.operands, geometry.inputs, streamed)
                         | output_members(self._layout))

    @property
    def layout(self):
        """Of a beat that it gives."""
        return self._layout

    def elaborate(self, platform):
        m = Module()
        readout, geometry = self._readout, self._geometry

        array = MatrixVector(self._image, form=readout.logits, waits=row_waits(geometry))
        reading, dropped = Signal(), Signal()
        buffers = connect_inputs(m, self, array, readout.operands, self._streamed,
                                 array.o_release | dropped)
        m.submodules.array = array
        m.submodules.queue = queue = OutputQueue(
            self._layout, readout.classes, vectors=2 if readout.when is When.EVERY else 1)
        m.d.comb += [
            array.i_space.eq(queue.o_space),
            queue.i_reserve.eq(array.o_reserve),
            queue.i_ready.eq(self.i_ready),
            self.o_valid.eq(queue.o_valid),
            self.o_data.eq(queue.o_data),
        ]
        m.d.comb += [getattr(array, f"i_word{port}").eq(buffer.o_word)
                     for port, buffer in enumerate(buffers)]
        if readout.when is When.LAST:
            first, follows = buffers[0], Signal()
            full, upcoming = (functools.reduce(operator.and_, flags) for flags in zip(
                *((each.o_full, each.o_next) for each in buffers)))
            m.d.comb += [
                follows.eq(upcoming & first.o_next_last),
                dropped.eq(full & ~first.o_last & ~reading),
                array.i_full.eq((full & first.o_last) | (dropped & follows)),
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
        block = self._geometry.blocks[-1]
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
