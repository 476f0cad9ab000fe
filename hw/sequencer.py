"""The sequencer: one word a cycle, block after block; all waiting of a layer happens here."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ternloom.hw.array import Control
from ternloom.model.geometry import Source


__all__ = ["Sequencer"]


class Sequencer(wiring.Component):
    """Walks through the blocks of a step.

    A block's first word is issued the cycle after the block was let in. A group idles first if it
    has fewer words than its period, so that its last word is in the last cycle of its period and
    results are never closer than a chain can pass them on. A block that may start when the one
    before ends follows without a gap.

    Parameters
    ----------
    geometry : Geometry
    waits : tuple of int
        For each block, the least cycles from its last word until a recurrent block is let in.
    words : int
        Depth of the weight ROMs.

    Members
    -------
    i_full, i_last : 1
        The input buffer has a vector, and it is the last of its sequence.
    i_space : 1
        What follows the layer can take another vector.
    o_release : 1
        The input vector is read for the last time.
    o_start : 1
        The first block of a step is let in.
    o_reserve : 1
        The block that makes the next output vector is let in.
    o_address : ROM address of the word that is issued.
    o_block, o_word : index of the block, and of the word in its source.
    o_plane : bit plane of a word that is fed serially, or activation plane of one that is fed in
        turn; 0 the highest.
    o_control : Control
    o_first, o_last : 1
        The step whose recurrent blocks run is the first, the last of its sequence; stable until
        its results have left.
    """

    def __init__(self, geometry, *, waits, words):
        self._blocks = geometry.blocks
        self._waits  = waits
        super().__init__({
            "i_full":    In(1),
            "i_last":    In(1),
            "i_space":   In(1),
            "o_release": Out(1),
            "o_start":   Out(1),
            "o_reserve": Out(1),
            "o_address": Out(range(max(words, 2))),
            "o_block":   Out(range(max(len(self._blocks), 2))),
            "o_word":    Out(range(max(max(block.words for block in self._blocks), 2))),
            "o_plane":   Out(range(max(max(block.passes for block in self._blocks), 2))),
            "o_control": Out(Control),
            "o_first":   Out(1),
            "o_last":    Out(1),
        })

    @property
    def waits(self):
        return self._waits

    @staticmethod
    def _constant(m, name, values, index):
        """A signal that has one constant value for each block."""
        signal = Signal(range(max(*values, 1) + 1), name=name)
        with m.Switch(index):
            for block, value in enumerate(values):
                with m.Case(block):
                    m.d.comb += signal.eq(value)
        return signal

    def elaborate(self, platform):
        m = Module()
        blocks, control = self._blocks, self.o_control

        running    = Signal()
        gaps       = [b.period - b.words * b.passes for b in blocks]
        idle       = Signal(range(max(*gaps, 1) + 1))
        group      = Signal(range(max(max(b.groups for b in blocks), 2)))
        base       = Signal.like(self.o_address)
        last_word  = Signal()
        group_ends = Signal()
        block_ends = Signal()
        words  = self._constant(m, "words", [b.words - 1 for b in blocks], self.o_block)
        planes = self._constant(m, "planes", [b.passes - 1 for b in blocks], self.o_block)
        turns  = self._constant(m, "turns", [int(b.turns > 1) for b in blocks], self.o_block)
        groups = self._constant(m, "groups", [b.groups - 1 for b in blocks], self.o_block)
        gap    = self._constant(m, "gap", gaps, self.o_block)
        m.d.comb += [
            control.valid.eq(running & (idle == 0)),
            control.first.eq((self.o_word == 0) & (self.o_plane == 0)),
            control.shift.eq(self.o_word == 0),
            control.aside.eq((self.o_word == 0) & (self.o_plane != 0) & turns),
            last_word.eq(self.o_word == words),
            control.last.eq(last_word & (self.o_plane == planes)),
            group_ends.eq(control.valid & control.last),
            block_ends.eq(group_ends & (group == groups)),
        ]

        with m.If(idle != 0):
            m.d.sync += idle.eq(idle - 1)
        with m.If(control.valid):
            m.d.sync += [
                self.o_word.eq(Mux(last_word, 0, self.o_word + 1)),
                self.o_address.eq(Mux(last_word & ~control.last, base, self.o_address + 1)),
            ]
            with m.If(last_word):
                m.d.sync += self.o_plane.eq(Mux(control.last, 0, self.o_plane + 1))
        with m.If(group_ends):
            m.d.sync += [base.eq(self.o_address + 1), group.eq(group + 1), idle.eq(gap)]
        with m.If(block_ends):
            m.d.sync += [group.eq(0), running.eq(0), idle.eq(0)]

        self._start(m, running, block_ends, idle, gaps, base)

        return m

    def _start(self, m, running, block_ends, idle, gaps, base):
        """Let the next block in, also in the last cycle of the one before."""
        blocks, waits = self._blocks, self._waits
        recurrent = [b.source is not Source.INPUT for b in blocks]
        inputs = [index for index, is_recurrent in enumerate(recurrent) if not is_recurrent]
        final = len(blocks) - 1

        following, upcoming = Signal.like(self.o_block), Signal.like(self.o_block)
        m.d.comb += [
            following.eq(Mux(self.o_block == final, 0, self.o_block + 1)),
            upcoming.eq(Mux(running, following, self.o_block)),
        ]

        settled = Signal(init=1)
        if any(recurrent):
            settling = Signal(range(max(max(waits), 2)))
            loaded = self._constant(m, "loaded", [max(w - 1, 0) for w in waits], self.o_block)
            with m.If(settling != 0):
                m.d.sync += settling.eq(settling - 1)
            is_recurrent = self._constant(m, "is_recurrent", [int(r) for r in recurrent],
                                          self.o_block)
            with m.If(block_ends & (is_recurrent | (settling <= loaded))):
                m.d.sync += settling.eq(loaded)
            pauses = self._constant(m, "pauses", [int(w > 0) for w in waits], self.o_block)
            m.d.comb += settled.eq((settling == 0) & ~(block_ends & pauses))
        else:
            m.d.comb += settled.eq(1)

        allowed, start, may_start = Signal(), Signal(), Signal()
        with m.Switch(upcoming):
            for index in range(len(blocks)):
                conditions = [Const(1)]
                if index == 0:
                    conditions.append(self.i_full)
                if recurrent[index]:
                    conditions.append(settled)
                if index == final:
                    conditions.append(self.i_space)
                with m.Case(index):
                    m.d.comb += allowed.eq(Cat(conditions).all())
        m.d.comb += [
            may_start.eq(~running | block_ends),
            start.eq(may_start & allowed),
            self.o_start.eq(start & (upcoming == 0)),
            self.o_reserve.eq(start & (upcoming == final)),
            self.o_release.eq(block_ends & (self.o_block == inputs[-1])),
        ]

        first_gap = self._constant(m, "first_gap", gaps, upcoming)
        begin, last = Signal(init=1), Signal()
        with m.If(may_start):
            m.d.sync += self.o_block.eq(upcoming)
        with m.If(start):
            m.d.sync += [running.eq(1), idle.eq(first_gap)]
            with m.If(upcoming == 0):
                m.d.sync += [last.eq(self.i_last), self.o_address.eq(0), base.eq(0)]
            with m.If(upcoming == (1 if any(recurrent) else 0)):
                m.d.sync += [
                    self.o_first.eq(begin),
                    self.o_last.eq(last if any(recurrent) else self.i_last),
                    begin.eq(last if any(recurrent) else self.i_last),
                ]
