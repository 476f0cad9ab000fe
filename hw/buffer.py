"""The input buffer: the vector that a node reads, while the next is written."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ternloom.hw.interface import Beats, Pending, Vectors, Words


__all__ = ["InputBuffer", "input_signature"]


def input_signature(layout, form, *, streamed):
    """What a node's input takes: beats of the core's stream, or vectors of a node before it.

    Parameters
    ----------
    layout : InputLayout
    form : Format
        Of the codes.
    streamed : bool

    Returns
    -------
    Beats or Vectors
        As the source has it.
    """
    bits = layout.beat_slots * form.width
    return Beats(bits) if streamed else Vectors(bits, form.header_bits)


class InputBuffer(wiring.Component):
    """Gathers beats of codes into words and keeps two vectors.

    Parameters
    ----------
    layout : InputLayout
    form : Format
        Of the codes.
    streamed : bool
        Whether the beats come from the core's input stream. One that ends a vector early is
        followed by zero bits for each beat that is missing, one a cycle, in which the buffer is not
        ready.

    Members
    -------
    i : Vectors, or Beats if ``streamed``
        Beats of ``beat_slots`` codes.
    pending : Pending
    words : Words
        Coefficients are those of the vector that ``pending.full`` is about. Lanes without a code
        are zero.
    """

    def __init__(self, layout, form, *, streamed=False):
        self._layout     = layout
        self._code_width = form.width
        self._beta_bits  = form.header_bits
        self._streamed   = streamed
        self._fills      = streamed and layout.beats > 1
        super().__init__({
            "i":       In(input_signature(layout, form, streamed=streamed)),
            "pending": Out(Pending()),
            "words":   In(Words(layout.words, layout.simd * form.width, form.header_bits)),
        })

    def elaborate(self, platform):
        m = Module()
        layout = self._layout
        beat_bits = layout.beat_slots * self._code_width
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
            self.pending.full.eq(full != 0),
            self.pending.last.eq(flags.bit_select(read_bank, 1)),
            self.pending.next.eq(full == 2),
            self.pending.next_last.eq(flags.bit_select(~read_bank, 1)),
        ]
        m.d.sync += [
            full.eq(full + vector_ends - self.pending.release),
            read_bank.eq(read_bank ^ self.pending.release),
        ]
        if self._streamed:
            m.d.comb += self.i.ready.eq((full != 2) & ~filling)
        else:
            room = self.i.room
            m.d.comb += room.space.eq(held != 2)
            m.d.sync += held.eq(held + room.reserve - self.pending.release)
        with m.If(vector_ends):
            m.d.sync += [
                flags.bit_select(write_bank, 1).eq(self.i.last | filling),
                write_bank.eq(~write_bank),
            ]

        if self._beta_bits:
            self._keep_beta(m, vector_ends, write_bank, read_bank)

        sub_bits = (layout.words_per_row - 1).bit_length()
        sub = Signal(max(sub_bits, 1))
        chosen = Signal(layout.simd * self._code_width)
        padded = Cat(read.data, Const(0, layout.words_per_row * len(chosen)))
        m.d.comb += read.addr.eq(Cat((self.words.word >> sub_bits)[:len(row)], read_bank))
        m.d.sync += sub.eq(self.words.word[:sub_bits])
        m.d.comb += chosen.eq(padded.word_select(sub, len(chosen)) if sub_bits
                              else padded[:len(chosen)])
        m.d.sync += self.words.codes.eq(chosen)

        return m

    def _keep_beta(self, m, vector_ends, write_bank, read_bank):
        """Coefficients of the vectors in both banks."""
        kept = [Signal(self._beta_bits, name=f"beta{bank}") for bank in range(2)]
        for bank, held in enumerate(kept):
            with m.If(vector_ends & (write_bank == bank)):
                m.d.sync += held.eq(self.i.beta)
        m.d.comb += self.words.beta.eq(Mux(read_bank, *reversed(kept)))

    def _gather(self, m, write, row, filling):
        """Collect the beats of a row; returns the strobe of a vector's last beat.

        ``filling`` is high with the beats that a vector lacks.
        """
        layout = self._layout
        beat_bits = layout.beat_slots * self._code_width
        places = layout.beats_per_row

        taken, last_beat, row_ends, vector_ends = Signal(), Signal(), Signal(), Signal()
        beat = Signal(range(max(layout.beats, 2)))
        place = Signal(range(max(places, 2)))
        used = layout.elements - (layout.beats - 1) * layout.beat_slots
        masked = Signal(beat_bits)
        m.d.comb += [
            taken.eq(self.i.valid | filling),
            last_beat.eq(beat == layout.beats - 1),
            masked.eq(Mux(last_beat, self.i.data[:used * self._code_width], self.i.data)),
            row_ends.eq(taken & ((place == places - 1) | last_beat)),
            vector_ends.eq(taken & last_beat),
            write.en.eq(row_ends),
        ]
        if self._fills:
            m.d.comb += self.i.short.eq(self.i.valid & self.i.last & ~last_beat)
            m.d.sync += filling.eq((filling | self.i.short) & ~vector_ends)
        with m.If(taken):
            m.d.sync += [beat.eq(beat + 1), place.eq(place + 1)]
            with m.If(row_ends):
                m.d.sync += [place.eq(0), row.eq(row + 1)]
            with m.If(vector_ends):
                m.d.sync += [beat.eq(0), row.eq(0)]

        gathered = [masked if places == 1 else Signal(beat_bits, name=f"place{index}")
                    for index in range(places)]
        if places > 1:
            for index, held in enumerate(gathered):
                with m.If(self.i.valid & (place == index)):
                    m.d.sync += held.eq(masked)
                with m.If(row_ends):
                    m.d.sync += held.eq(0)
            # A place whose beat lacks holds zero.
            m.d.comb += write.data.eq(Cat(Mux((place == index) & ~filling, masked, held)
                                          for index, held in enumerate(gathered)))
        else:
            m.d.comb += write.data.eq(Mux(filling, 0, masked))
        return vector_ends
