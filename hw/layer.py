"""Layers: input buffers, array, pipelines and state memories, joined."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import Out, connect, flipped

from ternloom.hw.fixed import delayed
from ternloom.hw.inputs import connect_inputs, input_members
from ternloom.hw.interface import Codes, Vectors
from ternloom.hw.matvec import MatrixVector
from ternloom.hw.online import OnlineQuantizer
from ternloom.hw.pipeline import CellPipeline
from ternloom.hw.state import StateMemory
from ternloom.mapping.geometry import Source
from ternloom.mapping.schedule import first_row, overlaps, pipeline_latency, waits


__all__ = ["RecurrentLayer"]


class RecurrentLayer(wiring.Component):
    """A layer, recurrent or not: vectors of input codes in, vectors of state codes out.

    Parameters
    ----------
    layer : Layer
    image : Image
    streamed : tuple of int
        Which of the inputs the core's input stream feeds.

    Members
    -------
    i, i1, ... : Vectors or Beats
        Of each input, see :func:`ternloom.hw.inputs.input_members`.
    o : Vectors
        In beats of a unit of every chain.
    """

    def __init__(self, layer, image, *, streamed=()):
        self._layer    = layer
        self._streamed = streamed
        self._image    = image
        self._geometry = geometry = image.geometry
        form = layer.state_format
        super().__init__(input_members(layer.operands, geometry.inputs, streamed)
                         | {"o": Out(Vectors(geometry.chains * form.width, form.header_bits))})

    def elaborate(self, platform):
        m = Module()
        layer, geometry = self._layer, self._geometry

        m.submodules.array = array = MatrixVector(
            self._image, form=layer.precision.preact, waits=waits(layer, geometry))
        pending = connect_inputs(m, self, array, layer.operands, self._streamed)
        connect(m, pending, array.pending)
        connect(m, array.room, flipped(self.o.room))

        pipelines = self._pipelines(m, array)
        codes = self._gathered(m, [pipeline.o for pipeline in pipelines])
        if layer.state_format.header:
            m.submodules.quantizer = quantizer = OnlineQuantizer(layer.state_format, geometry)
            connect(m, codes, quantizer.i)
            codes = quantizer.o
            m.d.comb += self.o.beta.eq(codes.beta)
        m.d.comb += [
            self.o.valid.eq(codes.valid),
            self.o.data.eq(codes.data),
            self.o.last.eq(self._flag(m, array.step.last, pipeline_latency(layer, Source.INPUT))),
        ]
        self._remember(m, array, pipelines, codes)

        return m

    def _flag(self, m, flag, cycles=0):
        """What is true of a step, from so many cycles after its first row on where the array may
        have begun the next one.
        """
        if not overlaps(self._layer, self._geometry):
            return flag
        return delayed(m, flag, first_row(self._geometry) + cycles)

    def _pipelines(self, m, array):
        first, pipelines = self._flag(m, array.step.first), []
        chains = self._geometry.chains
        for index in range(chains):
            m.submodules[f"pipeline{index}"] = pipeline = CellPipeline(
                self._layer, self._geometry.chain_units, index, chains)
            connect(m, array.rows[index], pipeline.i)
            m.d.comb += pipeline.first.eq(first)
            pipelines.append(pipeline)
        return pipelines

    def _gathered(self, m, parts):
        """Codes of all pipelines, which come together."""
        codes = Codes(self._geometry.chains * self._layer.pipeline_format.width).create()
        m.d.comb += [codes.valid.eq(parts[0].valid), codes.data.eq(Cat(part.data
                                                                       for part in parts))]
        return codes

    def _remember(self, m, array, pipelines, codes):
        """Keep what the layer feeds back, and let the array read it."""
        cell, form = self._layer.cell, self._layer.state_format
        if cell.recurrent:
            m.submodules.state = state = StateMemory(self._geometry, form, later=True)
            connect(m, codes, state.i)
            connect(m, array.state, state.words)
            m.d.comb += state.first.eq(array.step.first)
        if cell.feedback:
            m.submodules.reset = reset = StateMemory(self._geometry, form, later=False)
            connect(m, self._gathered(m, [pipeline.reset for pipeline in pipelines]), reset.i)
            connect(m, array.reset, reset.words)
