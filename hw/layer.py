"""Layers: input buffers, array, lanes and state memories, wired."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ternloom.hw.buffer import StateBuffer
from ternloom.hw.fixed import delayed
from ternloom.hw.inputs import connect_inputs, input_members
from ternloom.hw.lane import Lane
from ternloom.hw.matvec import MatrixVector
from ternloom.hw.online import OnlineQuantizer
from ternloom.mapping.geometry import Source
from ternloom.mapping.schedule import first_row, lane_latency, overlaps, waits


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
    i_valid, i_data, i_last, i_reserve, i_beta, o_short, o_ready, o_space
        Of each input, see :func:`ternloom.hw.inputs.input_members`.
    i_space, o_reserve
        Of the input buffers that follow.
    o_valid, o_data, o_last
        A beat of ``chains`` codes; ``o_last`` if the vector ends its sequence.
    o_beta
        Coefficients that come with vectors, from the first beat until the next vector's samples
        have all come.
    """

    def __init__(self, layer, image, *, streamed=()):
        self._layer    = layer
        self._streamed = streamed
        self._image  = image
        self._geometry = geometry = image.geometry
        self._online   = bool(layer.state_format.header)
        bits = layer.state_format.header_bits
        super().__init__(({"o_beta": Out(bits)} if bits else {})
                         | input_members(layer.operands, geometry.inputs, streamed) | {
            "i_space":   In(1),
            "o_reserve": Out(1),
            "o_valid":   Out(1),
            "o_data":    Out(geometry.chains * layer.state_format.width),
            "o_last":    Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        layer, geometry = self._layer, self._geometry

        array = MatrixVector(self._image, form=layer.precision.preact,
                             waits=waits(layer, geometry))
        buffers = connect_inputs(m, self, array, layer.operands, self._streamed, array.o_release)
        m.submodules.array = array
        m.d.comb += [
            array.i_space.eq(self.i_space),
            self.o_reserve.eq(array.o_reserve),
            self.o_last.eq(self._flag(m, array.o_last, lane_latency(layer, Source.INPUT))),
        ]

        lanes = self._lanes(m, array)
        if self._online:
            self._quantize(m, array, lanes)
        else:
            m.d.comb += [
                self.o_valid.eq(lanes[0].o_valid),
                self.o_data.eq(Cat(lane.o_code for lane in lanes)),
            ]
        words = {(Source.INPUT, port): buffer.o_word for port, buffer in enumerate(buffers)}
        if layer.cell.recurrent:
            words[Source.STATE, 0] = self._states(m, array)
        if layer.cell.feedback:
            words[Source.RESET, 0] = self._resets(m, array, lanes)
        for index, block in enumerate(geometry.blocks):
            m.d.comb += getattr(array, f"i_word{index}").eq(words[block.source, block.port])

        return m

    def _flag(self, m, flag, cycles=0):
        """What is true of a step, from so many cycles after its first row on where the array may
        have begun the next one.
        """
        if not overlaps(self._layer, self._geometry):
            return flag
        return delayed(m, flag, first_row(self._geometry) + cycles)

    def _lanes(self, m, array):
        first, lanes = self._flag(m, array.o_first), []
        chains = self._geometry.chains
        for index in range(chains):
            m.submodules[f"lane{index}"] = lane = Lane(self._layer, self._geometry.units, index,
                                                       chains)
            m.d.comb += [
                lane.i_valid.eq(array.o_valid),
                lane.i_gate.eq(array.o_gate),
                lane.i_unit.eq(array.o_unit),
                lane.i_value.eq(array.o_values[index]),
                lane.i_aside.eq(array.o_asides[index]),
                lane.i_first.eq(first),
            ]
            lanes.append(lane)
        return lanes

    def _quantize(self, m, array, lanes):
        """The lanes' samples become codes; the first step of a sequence has coefficients of zero.
        """
        m.submodules.quantizer = quantizer = OnlineQuantizer(self._layer.state_format,
                                                             self._geometry)
        m.d.comb += [
            quantizer.i_valid.eq(lanes[0].o_valid),
            quantizer.i_data.eq(Cat(lane.o_code for lane in lanes)),
            self.o_valid.eq(quantizer.o_valid),
            self.o_data.eq(quantizer.o_data),
            self.o_beta.eq(quantizer.o_beta),
        ]
        if self._layer.cell.recurrent:
            m.d.comb += array.i_state_beta.eq(Mux(array.o_first, 0, quantizer.o_beta.as_value()))

    def _buffers(self, m, name, array, *, banks):
        """One slice of a state memory for each chain."""
        geometry, buffers = self._geometry, []
        for index in range(geometry.chains):
            present = len(range(index, geometry.total, geometry.chains))
            buffer = StateBuffer(geometry, self._layer.state_format.width, present=present,
                                 banks=banks)
            m.submodules[f"{name}{index}"] = buffer
            m.d.comb += buffer.i_word.eq(array.o_word)
            buffers.append(buffer)
        return buffers

    def _resets(self, m, array, lanes):
        """Words of r*h."""
        buffers = self._buffers(m, "reset", array, banks=1)
        for buffer, lane in zip(buffers, lanes, strict=True):
            m.d.comb += [buffer.i_valid.eq(lane.o_reset_valid), buffer.i_code.eq(lane.o_reset_code)]
        return Cat(buffer.o_word for buffer in buffers)

    def _states(self, m, array):
        """Words of the state codes: of zero in the first step of a sequence."""
        geometry, form = self._geometry, self._layer.state_format
        buffers = self._buffers(m, "state", array, banks=2)
        for chain, buffer in enumerate(buffers):
            m.d.comb += [
                buffer.i_valid.eq(self.o_valid),
                buffer.i_code.eq(self.o_data.word_select(chain, form.width)),
            ]
        words = Cat(buffer.o_word for buffer in buffers)
        if self._online:
            # Without coefficients a code has no value, whichever it is.
            return words

        zero = int(form.bits(form.quantize(0, 0)))
        initial = [sum(zero << (lane * form.width) for lane, unit in enumerate(units) if unit >= 0)
                   for units in geometry.state_columns]
        width = geometry.simd * form.width
        start = Mux(delayed(m, array.o_word, 2) == geometry.state_words - 1,
                    Const(initial[-1], width), Const(initial[0], width))
        return Mux(delayed(m, array.o_first, 2), start, words)
