"""Matrix times vector: sequencer, chains, row counter and combiners, wired."""

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ternloom.hw.array import Chain, Work, raw_shape
from ternloom.hw.combiner import Combiner, RowCounter, mix_bits
from ternloom.hw.feed import Feed
from ternloom.hw.fixed import delayed
from ternloom.hw.interface import Pending, Room, Rows, Step, Words
from ternloom.hw.sequencer import Sequencer
from ternloom.mapping.geometry import Source
from ternloom.mapping.schedule import element_latency
from ternloom.model.node.operand import named


__all__ = ["MatrixVector", "source_name"]


def source_name(block):
    """Port of an array for the words of a block's source: ``input``, ``input1``, ..., ``state`` or
    ``reset``.
    """
    return named(block.source.value, block.port)


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
    pending, room, step
        Of the sequencer.
    input, input1, ..., state, reset : Words
        Of each block's source, see :func:`source_name`. Coefficients of an input are those of the
        vector that ``pending.full`` is about, those of the state stay while its rows leave.
    rows : array of Rows
        Of each chain; they leave all chains together.

    A row leaves ``exit_latency + i + combiner_latency`` cycles after the issue of its last word,
    where i is its dot's place in its group.
    """

    def __init__(self, image, *, form, waits):
        self._image = image
        self._form    = form
        self._waits   = waits
        geometry = image.geometry
        #: A block of each source, which are read alike, and the format of the codes.
        self._sources = {source_name(block): (block, codes) for block, codes
                         in zip(geometry.blocks, image.formats, strict=True)}
        super().__init__({
            "pending": In(Pending()),
            "room":    Out(Room()),
            "step":    Out(Step()),
            "rows":    Out(Rows(form, geometry.chain_units)).array(geometry.chains),
        } | {name: Out(Words(block.words, geometry.simd * codes.width, codes.header_bits))
             for name, (block, codes) in self._sources.items()})

    @property
    def geometry(self):
        return self._image.geometry

    def elaborate(self, platform):
        m = Module()
        image, geometry = self._image, self._image.geometry

        raw = raw_shape(image)
        roms = [[image.rom(chain, element) for element in range(geometry.chain_elements)]
                for chain in range(geometry.chains)]
        m.submodules.sequencer = sequencer = Sequencer(geometry, waits=self._waits,
                                                       words=len(roms[0][0]))
        for name in ("pending", "room", "step"):
            connect(m, flipped(getattr(self, name)), getattr(sequencer, name))
        m.d.comb += [getattr(self, name).word.eq(sequencer.o_word) for name in self._sources]

        work = Work(geometry, len(roms[0][0])).create()
        m.d.comb += [
            work.activation.eq(self._activation(m, sequencer)),
            work.address.eq(sequencer.o_address),
            work.control.eq(delayed(m, sequencer.o_control, 2 + element_latency(geometry))),
        ]
        m.submodules.counter = counter = RowCounter(image)
        mix = self._mix(m, sequencer, counter) if mix_bits(image) else None
        for index in range(geometry.chains):
            m.submodules[f"chain{index}"] = chain = Chain(geometry, roms[index], shape=raw)
            m.submodules[f"combiner{index}"] = combiner = Combiner(image, index, form=self._form,
                                                                   raw=raw)
            connect(m, work, chain.i)
            m.d.comb += [combiner.i_raw.eq(chain.o.raw), combiner.i_place.eq(counter.o)]
            connect(m, combiner.o, flipped(self.rows[index]))
            if mix is not None:
                m.d.comb += combiner.i_mix.eq(mix)
            if index == 0:
                m.d.comb += counter.i_valid.eq(chain.o.valid)

        return m

    def _activation(self, m, sequencer):
        """The activation word of the block that was issued two cycles ago."""
        geometry = self._image.geometry
        block = delayed(m, sequencer.o_block, 2)
        plane = delayed(m, sequencer.o_plane, 2)
        activation = Signal(geometry.simd * geometry.activation_bits * geometry.planes_at_once)
        feeds = {}
        for name, (part, form) in self._sources.items():
            words = getattr(self, name)
            m.submodules[f"{name}_feed"] = feeds[name] = feed = Feed(geometry, part, form)
            if feed.has_levels:
                m.d.comb += [
                    feed.i_levels.eq(self._levels(m, form, words.beta, sequencer.o_start,
                                                  feed.i_levels)),
                    feed.i_index.eq(delayed(m, sequencer.o_word, 2)),
                ]
            m.d.comb += [feed.i_word.eq(words.codes), feed.i_plane.eq(plane)]
        with m.Switch(block):
            for index, part in enumerate(geometry.blocks):
                with m.Case(index):
                    m.d.comb += activation.eq(feeds[source_name(part)].o)
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
        given = {}
        for name, (block, _) in self._sources.items():
            if block.mix is None:
                beta = getattr(self, name).beta
                given[name] = (self._kept(m, beta, sequencer.o_start, place.phase)
                               if block.source is Source.INPUT else beta)
        with m.Switch(place.block):
            for index, (block, form) in enumerate(zip(geometry.blocks, image.formats,
                                                      strict=True)):
                factors = list(block.mix or ()) + [0] * planes
                if block.mix is None:
                    factors = [given[source_name(block)].word_select(plane, form.coefficient_bits)
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
