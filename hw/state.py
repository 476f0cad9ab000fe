"""State memories: codes of a step, which the next step's blocks read."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In

from ternloom.hw.fixed import delayed
from ternloom.hw.interface import Codes, Words


__all__ = ["StateBuffer", "StateMemory"]


class StateMemory(wiring.Component):
    """Codes of all units of a layer, in a slice for each chain.

    Parameters
    ----------
    geometry : Geometry
    form : Format
        Of the codes.
    later : bool
        Whether codes are read in the step after their own: the vector before is then still read
        while the next is written, and the first step of a sequence reads zeros. Else they are read
        in the step that makes them, and have no coefficients.

    Members
    -------
    i : Codes
        The next unit of every chain, with the coefficients of the vector if any come.
    first : 1
        The step that reads is the first of its sequence. Only where ``later``.
    words : Words
    """

    def __init__(self, geometry, form, *, later):
        self._geometry = geometry
        self._form     = form
        self._later    = later
        super().__init__(({"first": In(1)} if later else {}) | {
            "i":     In(Codes(geometry.chains * form.width, form.header_bits)),
            "words": In(Words(geometry.state_words, geometry.simd * form.width,
                              form.header_bits)),
        })

    def elaborate(self, platform):
        m = Module()
        geometry, width = self._geometry, self._form.width

        parts = []
        for chain in range(geometry.chains):
            present = len(range(chain, geometry.units, geometry.chains))
            m.submodules[f"chain{chain}"] = part = StateBuffer(
                geometry, width, present=present, banks=2 if self._later else 1)
            m.d.comb += [
                part.i.valid.eq(self.i.valid),
                part.i.data.eq(self.i.data.word_select(chain, width)),
                part.words.word.eq(self.words.word),
            ]
            parts.append(part.words.codes)
        codes = Cat(parts)
        if self._form.header:
            # Without coefficients a code has no value, whichever it is.
            m.d.comb += self.words.beta.eq(Mux(self.first, 0, self.i.beta))
        elif self._later:
            codes = Mux(delayed(m, self.first, 2), self._zeros(m), codes)
        m.d.comb += self.words.codes.eq(codes)

        return m

    def _zeros(self, m):
        """The word of zeros that comes two cycles after it is asked for."""
        geometry, form = self._geometry, self._form
        zero = int(form.bits(form.quantize(0, 0)))
        words = [sum(zero << (lane * form.width) for lane, unit in enumerate(units) if unit >= 0)
                 for units in geometry.state_columns]
        width = geometry.simd * form.width
        return Mux(delayed(m, self.words.word, 2) == geometry.state_words - 1,
                   Const(words[-1], width), Const(words[0], width))


class StateBuffer(wiring.Component):
    """One chain's slice of the state words: codes come one by one, words are read.

    Parameters
    ----------
    geometry : Geometry
    code_width : int
    present : int
        Units of the chain that exist; the code of one that does not is written as zero bits.
    banks : int
        2 where the vector before is still read while the next is written, else 1.

    Members
    -------
    i : Codes
    words : Words
        Of the vector that is complete, which may be read from the cycle after its last code. The
        chain's lanes only.
    """

    def __init__(self, geometry, code_width, *, present, banks):
        self._geometry   = geometry
        self._code_width = code_width
        self._present    = present
        self._banks      = banks
        super().__init__({
            "i":     In(Codes(code_width)),
            "words": In(Words(geometry.state_words, geometry.slice * code_width)),
        })

    def elaborate(self, platform):
        m = Module()
        geometry, lanes = self._geometry, self._geometry.slice

        bank = Signal()
        unit = Signal(range(max(geometry.chain_units, 2)))
        lane = Signal(range(max(lanes, 2)))
        word = Signal(range(max(geometry.state_words, 2)))
        depth = self._banks << len(word)
        m.submodules.memory = memory = Memory(shape=unsigned(lanes * self._code_width), depth=depth,
                                              init=[])
        write, read = memory.write_port(), memory.read_port()

        last_unit, word_ends = Signal(), Signal()
        code = Signal(self._code_width)
        m.d.comb += [
            last_unit.eq(unit == geometry.chain_units - 1),
            word_ends.eq(self.i.valid & ((lane == lanes - 1) | last_unit)),
            code.eq(self.i.data if self._present == geometry.chain_units
                    else Mux(last_unit, 0, self.i.data)),
            write.en.eq(word_ends),
            write.addr.eq(Cat(word, ~bank) if self._banks > 1 else word),
            read.addr.eq(Cat(self.words.word, bank) if self._banks > 1 else self.words.word),
        ]
        with m.If(self.i.valid):
            m.d.sync += [lane.eq(lane + 1), unit.eq(unit + 1)]
            with m.If(word_ends):
                m.d.sync += [lane.eq(0), word.eq(word + 1)]
            with m.If(last_unit):
                m.d.sync += [unit.eq(0), word.eq(0), bank.eq(~bank)]

        parts = []
        for index in range(lanes):
            held = Signal(self._code_width, name=f"lane{index}")
            with m.If(self.i.valid & (lane == index)):
                m.d.sync += held.eq(code)
            with m.If(word_ends):
                m.d.sync += held.eq(0)
            parts.append(Mux(lane == index, code, held))
        m.d.comb += write.data.eq(Cat(parts))
        m.d.sync += self.words.codes.eq(read.data)

        return m
