"""Arrays and layers: sequencer, chains, combiners, lanes and buffers, wired."""

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ternloom.hw.arith import delayed
from ternloom.hw.array import Chain
from ternloom.hw.buffer import InputBuffer, StateBuffer
from ternloom.hw.cell import make_lane
from ternloom.hw.combiner import Combiner, RowCounter, mix_bits
from ternloom.hw.feed import Feed
from ternloom.hw.online import OnlineQuantizer, beta_bits
from ternloom.hw.sequencer import Sequencer
from ternloom.model.format import Online
from ternloom.model.geometry import Source
from ternloom.model.network import Cell
from ternloom.model.schedule import element_latency, waits


__all__ = ["Array", "RecurrentLayer"]


#: Ports of an array for coefficients that come with a source's vectors.
_BETAS = {Source.INPUT: "i_input_beta", Source.STATE: "i_state_beta"}


class Array(wiring.Component):
    """Chains with their sequencer, row counter and combiners: words in, rows out.

    Parameters
    ----------
    program : Program
    form : Fixed
        Of a row's result.
    waits : tuple of int
        Of the sequencer.

    Members
    -------
    i_full, i_last, i_next, i_next_last, i_space, o_release, o_reserve, o_first, o_last
        Of the sequencer.
    o_word : word to read, the same in every source.
    i_words : words of the sources, one port a block, two cycles after ``o_word``.
    i_input_beta, i_state_beta
        Coefficients that come with vectors: of the vector that ``i_full`` is about, and of the
        state's codes, stable while their block's rows leave.
    o_valid, o_gate, o_unit : of the rows that leave all chains together.
    o_values, o_asides : one for each chain.

    A row leaves ``exit_latency + i + combiner_latency`` cycles after the issue of its last word,
    where i is its dot's place in its group.
    """

    def __init__(self, program, *, form, waits):
        self._program = program
        self._form    = form
        self._waits   = waits
        geometry = program.geometry
        betas = {_BETAS[block.source]: In(beta_bits(form))
                 for block, form in zip(geometry.blocks, program.formats, strict=True)
                 if beta_bits(form)}
        values = signed(form.width)
        super().__init__({
            "i_full": In(1), "i_last": In(1), "i_next": In(1), "i_next_last": In(1),
            "i_space": In(1),
            "o_release": Out(1), "o_reserve": Out(1), "o_first": Out(1), "o_last": Out(1),
            "o_word":   Out(range(max(max(block.words for block in geometry.blocks), 2))),
            "o_valid":  Out(1),
            "o_gate":   Out(range(4)),
            "o_unit":   Out(range(max(geometry.units, 2))),
            "o_values": Out(values).array(geometry.chains),
            "o_asides": Out(values).array(geometry.chains),
        } | {f"i_word{index}": In(geometry.simd * form.width)
             for index, form in enumerate(program.formats)} | betas)

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
            sequencer.i_next.eq(self.i_next),
            sequencer.i_next_last.eq(self.i_next_last),
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
        mix = self._mix(m, sequencer, counter) if mix_bits(program) else None
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
            if mix is not None:
                m.d.comb += combiner.i_mix.eq(mix)
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
        for index, form in enumerate(self._program.formats):
            m.submodules[f"feed{index}"] = feed = Feed(geometry, geometry.blocks[index], form)
            if feed.has_levels:
                m.d.comb += [
                    feed.i_levels.eq(self._levels(m, form, sequencer.o_start, feed.i_levels)),
                    feed.i_index.eq(delayed(m, sequencer.o_word, 2)),
                ]
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

    def _levels(self, m, form, start, like):
        """Value of each code of an input whose coefficients come with the vector, from two cycles
        after ``start``, which is when the first word comes.
        """
        width  = form.coefficient_bits
        beta   = Signal.like(self.i_input_beta)
        levels = Signal.like(like)
        with m.If(start):
            m.d.sync += beta.eq(self.i_input_beta)
        for code, level in enumerate(levels):
            planes = [beta.word_select(plane, width) for plane in range(form.planes)]
            m.d.sync += level.eq(sum(value if code >> plane & 1 else -value
                                     for plane, value in enumerate(planes)))
        return levels

    def _mix(self, m, sequencer, counter):
        """Coefficients of the activation planes of the dot that the counter named a cycle ago.

        Those of an input are kept from the start of its step, for two steps: the rows of the last
        may still be leaving.
        """
        program, geometry = self._program, self._program.geometry
        bits, planes = mix_bits(program), geometry.activation_planes
        place, chosen = counter.o, Signal(data.ArrayLayout(bits, planes), name="mix")
        sources = {}
        if hasattr(self, "i_state_beta"):
            sources[Source.STATE] = self.i_state_beta
        if hasattr(self, "i_input_beta"):
            kept, phase = [Signal.like(self.i_input_beta) for _ in range(2)], Signal()
            for index, held in enumerate(kept):
                with m.If(sequencer.o_start & (phase == index)):
                    m.d.sync += [held.eq(self.i_input_beta), phase.eq(~phase)]
            sources[Source.INPUT] = Mux(place.phase, *reversed(kept))
        with m.Switch(place.block):
            for index, (block, form) in enumerate(zip(geometry.blocks, program.formats,
                                                      strict=True)):
                factors = list(block.mix or ()) + [0] * planes
                if block.mix is None:
                    factors = [sources[block.source].word_select(plane, form.coefficient_bits)
                               for plane in range(planes)]
                with m.Case(index):
                    m.d.sync += [one.eq(factor) for one, factor in zip(chosen, factors)]
        return chosen


class RecurrentLayer(wiring.Component):
    """A recurrent layer: vectors of input codes in, vectors of state codes out.

    Parameters
    ----------
    layer : Layer
    program : Program
    fills : bool
        Of the input buffer.

    Members
    -------
    i_valid, i_data, i_last, i_reserve, o_short, o_ready, o_space
        Of the input buffer.
    i_space, o_reserve
        Of the input buffer that follows.
    o_valid, o_data, o_last
        A beat of ``chains`` codes; ``o_last`` if the vector ends its sequence.
    i_beta, o_beta
        Coefficients that come with vectors: with the last beat; from the first beat until the next
        vector's samples have all come.
    """

    def __init__(self, layer, program, *, fills=False):
        self._layer    = layer
        self._fills    = fills
        self._program  = program
        self._geometry = geometry = program.geometry
        self._online   = isinstance(layer.state_format, Online)
        betas = {"i_beta": In(beta_bits(layer.input_format)),
                 "o_beta": Out(beta_bits(layer.state_format))}
        super().__init__({name: port for name, port in betas.items() if port.shape} | {
            "i_valid":   In(1),
            "i_data":    In(geometry.beat_lanes * layer.input_format.width),
            "i_last":    In(1),
            "i_reserve": In(1),
            "o_short":   Out(1),
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

        bits = beta_bits(layer.input_format)
        m.submodules.buffer = buffer = InputBuffer(geometry, layer.input_format.width, bits,
                                                    fills=self._fills)
        m.submodules.array = array = Array(self._program, form=layer.precision.preact,
                                           waits=waits(layer, geometry))
        if bits:
            m.d.comb += [buffer.i_beta.eq(self.i_beta), array.i_input_beta.eq(buffer.o_beta)]
        m.d.comb += [
            buffer.i_valid.eq(self.i_valid),
            buffer.i_data.eq(self.i_data),
            buffer.i_last.eq(self.i_last),
            buffer.i_reserve.eq(self.i_reserve),
            buffer.i_release.eq(array.o_release),
            buffer.i_word.eq(array.o_word),
            self.o_short.eq(buffer.o_short),
            self.o_ready.eq(buffer.o_ready),
            self.o_space.eq(buffer.o_space),
            array.i_full.eq(buffer.o_full),
            array.i_last.eq(buffer.o_last),
            array.i_next.eq(buffer.o_next),
            array.i_next_last.eq(buffer.o_next_last),
            array.i_space.eq(self.i_space),
            self.o_reserve.eq(array.o_reserve),
            self.o_last.eq(array.o_last),
        ]

        lanes = self._lanes(m, array)
        if self._online:
            self._quantize(m, array, lanes)
        else:
            m.d.comb += [
                self.o_valid.eq(lanes[0].o_valid),
                self.o_data.eq(Cat(lane.o_code for lane in lanes)),
            ]
        words = {Source.INPUT: buffer.o_word, Source.STATE: self._states(m, array)}
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
            array.i_state_beta.eq(Mux(array.o_first, 0, quantizer.o_beta.as_value())),
        ]

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
