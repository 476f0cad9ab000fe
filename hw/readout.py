"""The readout: logits of a vector, one a beat, and the index of the largest."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import Out, connect, flipped

from ternloom.hw.fixed import delayed
from ternloom.hw.inputs import connect_inputs, input_members
from ternloom.hw.interface import Pending
from ternloom.hw.matvec import MatrixVector
from ternloom.hw.output import OutputQueue, beat_layout
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
    i, i1, ... : Vectors or Beats
        Of each input, see :func:`ternloom.hw.inputs.input_members`.
    o : stream of beats
        Of the output queue.

    A readout of the last step drops the other vectors, one a cycle.
    """

    def __init__(self, readout, image, *, streamed=()):
        self._readout  = readout
        self._image    = image
        self._geometry = geometry = image.geometry
        self._layout   = beat_layout(signed(readout.logits.width),
                                     range(max(readout.mark_values, 2)))
        self._streamed = streamed
        super().__init__(input_members(readout.operands, geometry.inputs, streamed)
                         | {"o": Out(stream.Signature(self._layout))})

    def elaborate(self, platform):
        m = Module()
        readout, geometry = self._readout, self._geometry

        m.submodules.array = array = MatrixVector(self._image, form=readout.logits,
                                                  waits=row_waits(geometry))
        m.submodules.queue = queue = OutputQueue(
            self._layout, readout.classes, vectors=2 if readout.when is When.EVERY else 1)
        pending = connect_inputs(m, self, array, readout.operands, self._streamed)
        if readout.when is When.LAST:
            pending = self._drop(m, pending, array)
        connect(m, pending, array.pending)
        connect(m, array.room, queue.room)
        connect(m, queue.o, flipped(self.o))
        self._enqueue(m, array, queue)

        return m

    @staticmethod
    def _drop(m, pending, array):
        """Release all vectors but the last of a sequence; returns those that the array reads."""
        kept, reading, dropped, follows = Pending().create(), Signal(), Signal(), Signal()
        m.d.comb += [
            follows.eq(pending.next & pending.next_last),
            dropped.eq(pending.full & ~pending.last & ~reading),
            pending.release.eq(kept.release | dropped),
            kept.full.eq((pending.full & pending.last) | (dropped & follows)),
            kept.last.eq(1),
            kept.next.eq(follows),
            kept.next_last.eq(1),
        ]
        m.d.sync += reading.eq((reading & ~kept.release) | array.room.reserve)
        return kept

    def _enqueue(self, m, array, queue):
        """Add the index of the largest logit so far and the end of the sequence."""
        row, beat = array.rows[0], queue.i.data
        value, unit = row.value, row.unit
        best, index, better = Signal.like(value), Signal.like(unit), Signal()
        starts, ends = unit == 0, unit == self._geometry.chain_units - 1

        # The next vector's block may have started, so the flag is sampled as of the end of the
        # group in which the first row is complete.
        block = self._geometry.blocks[-1]
        sampled = delayed(m, array.step.last, exit_latency(self._geometry)
                          + combiner_latency(self._geometry)
                          + (block.planes - 1) % block.chain_elements)
        flag, held = Signal(), Signal()
        m.d.comb += [
            better.eq(starts | (value > best)),
            flag.eq(Mux(starts, sampled, held)),
            queue.i.valid.eq(row.valid),
            beat.data.eq(value),
            beat.user.eq(Mux(better, unit, index)),
            beat.last.eq(flag & ends),
        ]
        with m.If(row.valid):
            m.d.sync += [index.eq(beat.user), best.eq(Mux(better, value, best)), held.eq(flag)]
