"""Arrays and layers: sequencer, chains, combiners, lanes and buffers, wired."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ternloom.hw.arith import delayed
from ternloom.hw.array import Chain
from ternloom.hw.buffer import InputBuffer, StateBuffer
from ternloom.hw.cell import make_lane
from ternloom.hw.combiner import Combiner, RowCounter
from ternloom.hw.feed import Feed
from ternloom.hw.sequencer import Sequencer
from ternloom.model.geometry import Source
from ternloom.model.network import Cell
from ternloom.model.schedule import element_latency, waits


__all__ = ["Array", "RecurrentLayer"]


class Array(wiring.Component):
    """Chains with their sequencer, row counter and combiners: words in, rows out.

    Parameters
    ----------
    program : Program
    form : Fixed
        Of a row's result.
    formats : tuple of Format
        Of the codes of each block's source.
    waits : tuple of int
        Of the sequencer.

    Members
    -------
    i_full, i_last, i_space, o_release, o_reserve, o_first, o_last
        Of the sequencer.
    o_word : word to read, the same in every source.
    i_words : words of the sources, one port a block, two cycles after ``o_word``.
    o_valid, o_gate, o_unit : of the rows that leave all chains together.
    o_values, o_asides : one for each chain.

    A row leaves ``exit_latency + i + 5`` cycles after the issue of its last word, where i is its
    dot's place in its group.
    """

    def __init__(self, program, *, form, formats, waits):
        self._program = program
        self._form    = form
        self._formats = formats
        self._waits   = waits
        geometry = program.geometry
        values = signed(form.width)
        super().__init__({
            "i_full": In(1), "i_last": In(1), "i_space": In(1),
            "o_release": Out(1), "o_reserve": Out(1), "o_first": Out(1), "o_last": Out(1),
            "o_word":   Out(range(max(max(block.words for block in geometry.blocks), 2))),
            "o_valid":  Out(1),
            "o_gate":   Out(range(4)),
            "o_unit":   Out(range(max(geometry.units, 2))),
            "o_values": Out(values).array(geometry.chains),
            "o_asides": Out(values).array(geometry.chains),
        } | {f"i_word{index}": In(geometry.simd * form.width)
             for index, form in enumerate(formats)})

    def elaborate(self, platform):
        m = Module()
        program, geometry = self._program, self._program.geometry

        raw = program.raw_shape
        roms = [[program.rom(chain, element) for element in range(geometry.elements)]
                for chain in range(geometry.chains)]
        m.submodules.sequencer = sequencer = Sequencer(geometry, waits=self._waits,
                                                       words=len(roms[0][0]))
        m.d.comb += [
            sequencer.i_full.eq(self.i_full),
            sequencer.i_last.eq(self.i_last),
            sequencer.i_space.eq(self.i_space),
            self.o_release.eq(sequencer.o_release),
            self.o_reserve.eq(sequencer.o_reserve),
            self.o_first.eq(sequencer.o_first),
            self.o_last.eq(sequencer.o_last),
            self.o_word.eq(sequencer.o_word),
        ]

        activation = self._activation(m, sequencer)
        control = delayed(m, sequencer.o_control, 2 + element_latency(geometry))
        m.submodules.counter = counter = RowCounter(program)
        for index in range(geometry.chains):
            m.submodules[f"chain{index}"] = chain = Chain(geometry, roms[index], shape=raw)
            m.submodules[f"combiner{index}"] = combiner = Combiner(program, index, form=self._form,
                                                                   raw=raw)
            m.d.comb += [
                chain.i_activation.eq(activation),
                chain.i_address.eq(sequencer.o_address),
                chain.i_control.eq(control),
                combiner.i_raw.eq(chain.o.raw),
                combiner.i_place.eq(counter.o),
                self.o_values[index].eq(combiner.o_value),
                self.o_asides[index].eq(combiner.o_aside),
            ]
            if index == 0:
                m.d.comb += [
                    counter.i_valid.eq(chain.o.valid),
                    self.o_valid.eq(combiner.o_valid),
                    self.o_gate.eq(combiner.o_gate),
                    self.o_unit.eq(combiner.o_unit),
                ]

        return m

    def _activation(self, m, sequencer):
        """The activation word of the block that was issued two cycles ago."""
        geometry = self._program.geometry
        block = delayed(m, sequencer.o_block, 2)
        plane = delayed(m, sequencer.o_plane, 2)
        activation = Signal(geometry.simd * geometry.activation_bits * geometry.planes_at_once)
        feeds = []
        for index, form in enumerate(self._formats):
            m.submodules[f"feed{index}"] = feed = Feed(geometry, geometry.blocks[index], form)
            m.d.comb += [
                feed.i_word.eq(getattr(self, f"i_word{index}")),
                feed.i_plane.eq(plane),
            ]
            feeds.append(feed)
        with m.Switch(block):
            for index, feed in enumerate(feeds):
                with m.Case(index):
                    m.d.comb += activation.eq(feed.o)
        return activation


class RecurrentLayer(wiring.Component):
    """A recurrent layer: vectors of input codes in, vectors of state codes out.

    Parameters
    ----------
    layer : Layer
    program : Program

    Members
    -------
    i_valid, i_data, i_last, i_reserve, o_ready, o_space
        Of the input buffer.
    i_space, o_reserve
        Of the input buffer that follows.
    o_valid, o_data, o_last
        A beat of ``chains`` codes; ``o_last`` if the vector ends its sequence.
    """

    def __init__(self, layer, program):
        self._layer    = layer
        self._program  = program
        self._geometry = geometry = program.geometry
        super().__init__({
            "i_valid":   In(1),
            "i_data":    In(geometry.beat_lanes * layer.input_format.width),
            "i_last":    In(1),
            "i_reserve": In(1),
            "o_ready":   Out(1),
            "o_space":   Out(1),
            "i_space":   In(1),
            "o_reserve": Out(1),
            "o_valid":   Out(1),
            "o_data":    Out(geometry.chains * layer.state_format.width),
            "o_last":    Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        layer, geometry = self._layer, self._geometry

        formats = [layer.input_format if block.source is Source.INPUT else layer.state_format
                   for block in geometry.blocks]
        m.submodules.buffer = buffer = InputBuffer(geometry, layer.input_format.width)
        m.submodules.array = array = Array(self._program, form=layer.precision.preact,
                                           formats=formats, waits=waits(layer, geometry))
        m.d.comb += [
            buffer.i_valid.eq(self.i_valid),
            buffer.i_data.eq(self.i_data),
            buffer.i_last.eq(self.i_last),
            buffer.i_reserve.eq(self.i_reserve),
            buffer.i_release.eq(array.o_release),
            buffer.i_word.eq(array.o_word),
            self.o_ready.eq(buffer.o_ready),
            self.o_space.eq(buffer.o_space),
            array.i_full.eq(buffer.o_full),
            array.i_last.eq(buffer.o_last),
            array.i_space.eq(self.i_space),
            self.o_reserve.eq(array.o_reserve),
            self.o_last.eq(array.o_last),
        ]

        lanes = self._lanes(m, array)
        m.d.comb += [
            self.o_valid.eq(lanes[0].o_valid),
            self.o_data.eq(Cat(lane.o_code for lane in lanes)),
        ]
        words = {Source.INPUT: buffer.o_word, Source.STATE: self._states(m, array, lanes)}
        if layer.cell is Cell.GRU_RESET_BEFORE:
            words[Source.RESET] = self._resets(m, array, lanes)
        for index, block in enumerate(geometry.blocks):
            m.d.comb += getattr(array, f"i_word{index}").eq(words[block.source])

        return m

    def _lanes(self, m, array):
        lanes = []
        for index in range(self._geometry.chains):
            m.submodules[f"lane{index}"] = lane = make_lane(self._layer, self._geometry.units)
            m.d.comb += [
                lane.i_valid.eq(array.o_valid),
                lane.i_gate.eq(array.o_gate),
                lane.i_unit.eq(array.o_unit),
                lane.i_value.eq(array.o_values[index]),
                lane.i_aside.eq(array.o_asides[index]),
                lane.i_first.eq(array.o_first),
            ]
            lanes.append(lane)
        return lanes

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

    def _states(self, m, array, lanes):
        """Words of the state codes: of zero in the first step of a sequence."""
        geometry, form = self._geometry, self._layer.state_format
        buffers = self._buffers(m, "state", array, banks=2)
        for buffer, lane in zip(buffers, lanes, strict=True):
            m.d.comb += [buffer.i_valid.eq(lane.o_valid), buffer.i_code.eq(lane.o_code)]

        zero = int(form.bits(form.quantize(0, 0)))
        initial = [sum(zero << (lane * form.width) for lane, unit in enumerate(units) if unit >= 0)
                   for units in geometry.state_columns]
        width = geometry.simd * form.width
        start = Mux(delayed(m, array.o_word, 2) == geometry.state_words - 1,
                    Const(initial[-1], width), Const(initial[0], width))
        return Mux(delayed(m, array.o_first, 2), start, Cat(buffer.o_word for buffer in buffers))
