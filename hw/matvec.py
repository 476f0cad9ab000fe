"""Matrix times vector: sequencer, chains, row counter and combiners, wired."""

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ternloom.hw.array import Chain, raw_shape
from ternloom.hw.combiner import Combiner, RowCounter, mix_bits
from ternloom.hw.feed import Feed
from ternloom.hw.fixed import delayed
from ternloom.hw.sequencer import Sequencer
from ternloom.mapping.geometry import Source
from ternloom.mapping.schedule import element_latency
from ternloom.model.node.operand import named


__all__ = ["MatrixVector"]


def _beta(block):
    """Port of an array for coefficients that come with a block's vectors."""
    return "i_state_beta" if block.source is not Source.INPUT else named("i_input_beta", block.port)


class MatrixVector(wiring.Component):
    """Chains with their sequencer, row counter and combiners: words in, rows out.

    Parameters
    ----------
    image : Image
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
    i_input_beta, i_input_beta1, ..., i_state_beta
        Coefficients that come with vectors: of each input's vector that ``i_full`` is about, and of
        the state's codes, stable while their block's rows leave.
    o_valid, o_gate, o_unit : of the rows that leave all chains together.
    o_values, o_asides : one for each chain.

    A row leaves ``exit_latency + i + combiner_latency`` cycles after the issue of its last word,
    where i is its dot's place in its group.
    """

    def __init__(self, image, *, form, waits):
        self._image = image
        self._form    = form
        self._waits   = waits
        geometry = image.geometry
        betas = {_beta(block): In(form.header_bits)
                 for block, form in zip(geometry.blocks, image.formats, strict=True)
                 if form.header_bits}
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
             for index, form in enumerate(image.formats)} | betas)

    @property
    def geometry(self):
        return self._image.geometry

    def elaborate(self, platform):
        m = Module()
        image, geometry = self._image, self._image.geometry

        raw = raw_shape(image)
        roms = [[image.rom(chain, element) for element in range(geometry.elements)]
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
        m.submodules.counter = counter = RowCounter(image)
        mix = self._mix(m, sequencer, counter) if mix_bits(image) else None
        for index in range(geometry.chains):
            m.submodules[f"chain{index}"] = chain = Chain(geometry, roms[index], shape=raw)
            m.submodules[f"combiner{index}"] = combiner = Combiner(image, index, form=self._form,
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
        geometry = self._image.geometry
        block = delayed(m, sequencer.o_block, 2)
        plane = delayed(m, sequencer.o_plane, 2)
        activation = Signal(geometry.simd * geometry.activation_bits * geometry.planes_at_once)
        feeds = []
        for index, form in enumerate(self._image.formats):
            m.submodules[f"feed{index}"] = feed = Feed(geometry, geometry.blocks[index], form)
            if feed.has_levels:
                m.d.comb += [
                    feed.i_levels.eq(self._levels(m, form, getattr(self, _beta(
                        geometry.blocks[index])), sequencer.o_start, feed.i_levels)),
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

    def _levels(self, m, form, given, start, like):
        """Value of each code of an input whose coefficients come with the vector, from two cycles
        after ``start``, which is when the first word comes.
        """
        width  = form.coefficient_bits
        beta   = Signal.like(given, name="beta")
        levels = Signal.like(like)
        with m.If(start):
            m.d.sync += beta.eq(given)
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
        image, geometry = self._image, self._image.geometry
        bits, planes = mix_bits(image), geometry.activation_planes
        place, chosen = counter.o, Signal(data.ArrayLayout(bits, planes), name="mix")
        sources = {}
        for name in dict.fromkeys(_beta(block) for block in geometry.blocks if block.mix is None):
            given = sources[name] = getattr(self, name)
            if name != "i_state_beta":
                sources[name] = self._kept(m, given, sequencer.o_start, place.phase)
        with m.Switch(place.block):
            for index, (block, form) in enumerate(zip(geometry.blocks, image.formats,
                                                      strict=True)):
                factors = list(block.mix or ()) + [0] * planes
                if block.mix is None:
                    factors = [sources[_beta(block)].word_select(plane, form.coefficient_bits)
                               for plane in range(planes)]
                with m.Case(index):
                    m.d.sync += [one.eq(factor) for one, factor in zip(chosen, factors)]
        return chosen

    @staticmethod
    def _kept(m, given, start, phase):
        """Coefficients of the step, odd or even, whose rows leave."""
        kept, odd = [Signal.like(given, name="kept") for _ in range(2)], Signal(name="phase")
        for index, held in enumerate(kept):
            with m.If(start & (odd == index)):
                m.d.sync += [held.eq(given), odd.eq(~odd)]
        return Mux(phase, *reversed(kept))
