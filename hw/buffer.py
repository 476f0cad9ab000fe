"""Double-buffered memories of activation words: what a layer reads, while the next is written."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out


__all__ = ["InputBuffer", "StateBuffer"]


class InputBuffer(wiring.Component):
    """Gathers beats of codes into words and keeps two vectors.

    Parameters
    ----------
    layout : InputLayout
    code_width : int
        Bits of a code.
    beta_bits : int
        Bits of the coefficients that come with a vector, if any do.
    fills : bool
        Whether ``i_last`` may come before a vector's last beat and ends the vector then. The beats
        that lack are taken as zero bits, one a cycle, in which the buffer is not ready.

    Members
    -------
    i_valid, i_data, i_last
        A beat of ``beat_lanes`` codes; ``i_last`` counts with a vector's last beat: the vector is
        the last of its sequence. A beat is taken every cycle; the writer heeds ``o_ready``.
    o_short : 1
        ``i_last`` comes before a vector's last beat.
    i_reserve : 1
        A writer that cannot wait takes a bank ahead of its beats.
    o_ready : 1
        The bank that is written is free, and the beat is the writer's.
    o_space : 1
        There is a bank that is neither full nor reserved.
    o_full, o_last
        A vector is complete, and its flag; a release in this cycle is not counted.
    o_next, o_next_last
        The same of the vector behind it.
    i_release : 1
        The vector has been read; in the cycle of its last read or later.
    i_beta, o_beta
        Coefficients, with a vector's last beat; of the vector that ``o_full`` is about.
    i_word, o_word
        Word to read, and its codes two cycles later. Lanes without a code are zero.
    """

    def __init__(self, layout, code_width, beta_bits=0, *, fills=False):
        self._layout     = layout
        self._code_width = code_width
        self._beta_bits  = beta_bits
        self._fills      = fills and layout.beats > 1
        words = max(layout.words, 2)
        beta = {"i_beta": In(beta_bits), "o_beta": Out(beta_bits)} if beta_bits else {}
        super().__init__(beta | {
            "i_valid":   In(1),
            "i_data":    In(layout.beat_lanes * code_width),
            "i_last":    In(1),
            "i_reserve": In(1),
            "o_short":   Out(1),
            "o_ready":   Out(1),
            "o_space":   Out(1),
            "o_full":    Out(1),
            "o_last":    Out(1),
            "o_next":    Out(1),
            "o_next_last": Out(1),
            "i_release": In(1),
            "i_word":    In(range(words)),
            "o_word":    Out(layout.simd * code_width),
        })

    def elaborate(self, platform):
        m = Module()
        layout = self._layout
        beat_bits = layout.beat_lanes * self._code_width
        row_bits  = beat_bits * layout.beats_per_row

        write_bank, read_bank = Signal(), Signal()
        row  = Signal(range(max(layout.rows, 2)))
        depth = 1 << (1 + len(row))
        m.submodules.memory = memory = Memory(shape=unsigned(row_bits), depth=depth, init=[])
        write, read = memory.write_port(), memory.read_port()

        filling = Signal(name="filling") if self._fills else Const(0)
        vector_ends = self._gather(m, write, row, filling)
        m.d.comb += write.addr.eq(Cat(row, write_bank))

        full, held = Signal(range(3)), Signal(range(3))
        flags = Signal(2)
        m.d.comb += [
            self.o_ready.eq((full != 2) & ~filling),
            self.o_space.eq(held != 2),
            self.o_full.eq(full != 0),
            self.o_last.eq(flags.bit_select(read_bank, 1)),
            self.o_next.eq(full == 2),
            self.o_next_last.eq(flags.bit_select(~read_bank, 1)),
        ]
        m.d.sync += [
            full.eq(full + vector_ends - self.i_release),
            held.eq(held + self.i_reserve - self.i_release),
            read_bank.eq(read_bank ^ self.i_release),
        ]
        with m.If(vector_ends):
            m.d.sync += [
                flags.bit_select(write_bank, 1).eq(self.i_last | filling),
                write_bank.eq(~write_bank),
            ]

        if self._beta_bits:
            self._keep_beta(m, vector_ends, write_bank, read_bank)

        sub_bits = (layout.words_per_row - 1).bit_length()
        sub = Signal(max(sub_bits, 1))
        chosen = Signal(layout.simd * self._code_width)
        padded = Cat(read.data, Const(0, layout.words_per_row * len(chosen)))
        m.d.comb += read.addr.eq(Cat((self.i_word >> sub_bits)[:len(row)], read_bank))
        m.d.sync += sub.eq(self.i_word[:sub_bits])
        m.d.comb += chosen.eq(padded.word_select(sub, len(chosen)) if sub_bits
                              else padded[:len(chosen)])
        m.d.sync += self.o_word.eq(chosen)

        return m

    def _keep_beta(self, m, vector_ends, write_bank, read_bank):
        """Coefficients of the vectors in both banks."""
        kept = [Signal(self._beta_bits, name=f"beta{bank}") for bank in range(2)]
        for bank, held in enumerate(kept):
            with m.If(vector_ends & (write_bank == bank)):
                m.d.sync += held.eq(self.i_beta)
        m.d.comb += self.o_beta.eq(Mux(read_bank, *reversed(kept)))

    def _gather(self, m, write, row, filling):
        """Collect the beats of a row; returns the strobe of a vector's last beat.

        ``filling`` is high with the beats that a vector lacks.
        """
        layout = self._layout
        beat_bits = layout.beat_lanes * self._code_width
        slots = layout.beats_per_row

        taken, last_beat, row_ends, vector_ends = Signal(), Signal(), Signal(), Signal()
        beat = Signal(range(max(layout.beats, 2)))
        slot = Signal(range(max(slots, 2)))
        used = layout.elements - (layout.beats - 1) * layout.beat_lanes
        masked = Signal(beat_bits)
        m.d.comb += [
            taken.eq(self.i_valid | filling),
            last_beat.eq(beat == layout.beats - 1),
            masked.eq(Mux(last_beat, self.i_data[:used * self._code_width], self.i_data)),
            row_ends.eq(taken & ((slot == slots - 1) | last_beat)),
            vector_ends.eq(taken & last_beat),
            write.en.eq(row_ends),
        ]
        if self._fills:
            m.d.comb += self.o_short.eq(self.i_valid & self.i_last & ~last_beat)
            m.d.sync += filling.eq((filling | self.o_short) & ~vector_ends)
        with m.If(taken):
            m.d.sync += [beat.eq(beat + 1), slot.eq(slot + 1)]
            with m.If(row_ends):
                m.d.sync += [slot.eq(0), row.eq(row + 1)]
            with m.If(vector_ends):
                m.d.sync += [beat.eq(0), row.eq(0)]

        gathered = [masked if slots == 1 else Signal(beat_bits, name=f"slot{index}")
                    for index in range(slots)]
        if slots > 1:
            for index, held in enumerate(gathered):
                with m.If(self.i_valid & (slot == index)):
                    m.d.sync += held.eq(masked)
                with m.If(row_ends):
                    m.d.sync += held.eq(0)
            # A slot whose beat lacks holds zero.
            m.d.comb += write.data.eq(Cat(Mux((slot == index) & ~filling, masked, held)
                                          for index, held in enumerate(gathered)))
        else:
            m.d.comb += write.data.eq(Mux(filling, 0, masked))
        return vector_ends


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
    i_valid, i_code
        Code of the next unit.
    i_word, o_word
        Word to read from the vector that is complete, and its codes two cycles later. A vector may
        be read from the cycle after its last code.
    """

    def __init__(self, geometry, code_width, *, present, banks):
        self._geometry   = geometry
        self._code_width = code_width
        self._present    = present
        self._banks      = banks
        super().__init__({
            "i_valid": In(1),
            "i_code":  In(code_width),
            "i_word":  In(range(max(geometry.state_words, 2))),
            "o_word":  Out(geometry.slice * code_width),
        })

    def elaborate(self, platform):
        m = Module()
        geometry, lanes = self._geometry, self._geometry.slice

        bank = Signal()
        unit = Signal(range(max(geometry.units, 2)))
        lane = Signal(range(max(lanes, 2)))
        word = Signal(range(max(geometry.state_words, 2)))
        depth = self._banks << len(word)
        m.submodules.memory = memory = Memory(shape=unsigned(lanes * self._code_width), depth=depth,
                                              init=[])
        write, read = memory.write_port(), memory.read_port()

        last_unit, word_ends = Signal(), Signal()
        code = Signal(self._code_width)
        m.d.comb += [
            last_unit.eq(unit == geometry.units - 1),
            word_ends.eq(self.i_valid & ((lane == lanes - 1) | last_unit)),
            code.eq(self.i_code if self._present == geometry.units
                    else Mux(last_unit, 0, self.i_code)),
            write.en.eq(word_ends),
            write.addr.eq(Cat(word, ~bank) if self._banks > 1 else word),
            read.addr.eq(Cat(self.i_word, bank) if self._banks > 1 else self.i_word),
        ]
        with m.If(self.i_valid):
            m.d.sync += [lane.eq(lane + 1), unit.eq(unit + 1)]
            with m.If(word_ends):
                m.d.sync += [lane.eq(0), word.eq(word + 1)]
            with m.If(last_unit):
                m.d.sync += [unit.eq(0), word.eq(0), bank.eq(~bank)]

        parts = []
        for index in range(lanes):
            held = Signal(self._code_width, name=f"lane{index}")
            with m.If(self.i_valid & (lane == index)):
                m.d.sync += held.eq(code)
            with m.If(word_ends):
                m.d.sync += held.eq(0)
            parts.append(Mux(lane == index, code, held))
        m.d.comb += write.data.eq(Cat(parts))
        m.d.sync += self.o_word.eq(read.data)

        return m
