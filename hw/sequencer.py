"""The sequencer: one word a cycle, block after block; all waiting of a layer happens here."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ternloom.hw.array import Control
from ternloom.hw.interface import Pending, Room, Step
from ternloom.mapping.geometry import Source


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
        For each block, the least cycles from its last word until one that waits is let in.
    words : int
        Depth of the weight ROMs.

    Members
    -------
    pending : Pending
        The input vector, released when it is read for the last time.
    room : Room
        In what follows the layer; reserved when the block is let in that makes the next vector.
    step : Step
    o_start : 1
        The first block of a step was let in a cycle ago: a release in that cycle is counted now.
    o_address : ROM address of the word that is issued.
    o_block, o_word : index of the block, and of the word in its source.
    o_plane : bit plane of a word that is fed serially, or activation plane of one that is fed in
        turn; 0 the highest.
    o_control : Control
    """

    def __init__(self, geometry, *, waits, words):
        self._blocks = geometry.blocks
        self._waits  = waits
        super().__init__({
            "pending":   In(Pending()),
            "room":      Out(Room()),
            "step":      Out(Step()),
            "o_start":   Out(1),
            "o_address": Out(range(max(words, 2))),
            "o_block":   Out(range(max(len(self._blocks), 2))),
            "o_word":    Out(range(max(max(block.words for block in self._blocks), 2))),
            "o_plane":   Out(range(max(max(block.passes for block in self._blocks), 2))),
            "o_control": Out(Control),
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

        # Whatever decides when a block ends is a register: that the word, pass and group are the
        # last of theirs, and that a group does not idle. Only then is there time to decide in the
        # same cycle whether the next block may start.
        running    = Signal()
        group_ends = Signal()
        block_ends = Signal()
        following  = Signal.like(self.o_block)
        m.d.comb += following.eq(Mux(self.o_block == len(blocks) - 1, 0, self.o_block + 1))
        ends = block_ends, following

        group = Signal(range(max(max(b.groups for b in blocks), 2)))
        gaps  = [b.period - b.words * b.passes for b in blocks]
        ready = self._idle(m, gaps, running, group_ends, ends)
        last_word  = self._count(m, self.o_word, [b.words for b in blocks], control.valid, ends)
        last_pass  = self._count(m, self.o_plane, [b.passes for b in blocks],
                                 control.valid & last_word, ends)
        last_group = self._count(m, group, [b.groups for b in blocks], group_ends, ends)
        turns = self._constant(m, "turns", [int(b.turns > 1) for b in blocks], self.o_block)
        m.d.comb += [
            control.valid.eq(running & ready),
            control.first.eq((self.o_word == 0) & (self.o_plane == 0)),
            control.shift.eq(self.o_word == 0),
            control.aside.eq((self.o_word == 0) & (self.o_plane != 0) & turns),
            control.last.eq(last_word & last_pass),
            group_ends.eq(control.valid & control.last),
            block_ends.eq(group_ends & last_group),
        ]

        base = Signal.like(self.o_address)
        with m.If(control.valid):
            m.d.sync += self.o_address.eq(Mux(last_word & ~last_pass, base, self.o_address + 1))
        with m.If(group_ends):
            m.d.sync += base.eq(self.o_address + 1)
        with m.If(block_ends & (self.o_block == len(blocks) - 1)):
            m.d.sync += [self.o_address.eq(0), base.eq(0)]

        self._start(m, running, *ends, self._settle(m, block_ends))

        return m

    def _count(self, m, counter, lengths, step, ends):
        """Count at each step as far as the block's length; returns a register: it is the last."""
        block_ends, following = ends
        is_last = Signal(init=lengths[0] == 1, name=f"{counter.name}_is_last")
        before  = self._constant(m, f"{counter.name}_before", [max(length - 2, 0)
                                                               for length in lengths], self.o_block)
        singles = [int(length == 1) for length in lengths]
        single  = self._constant(m, f"{counter.name}_single", singles, self.o_block)
        first   = self._constant(m, f"{counter.name}_first", singles, following)
        with m.If(step):
            m.d.sync += [
                counter.eq(Mux(is_last, 0, counter + 1)),
                is_last.eq(single | (~is_last & (counter == before))),
            ]
        with m.If(block_ends):
            m.d.sync += is_last.eq(first)
        return is_last

    def _idle(self, m, gaps, running, group_ends, ends):
        """Count the idle cycles before a group; returns a register: there are no more."""
        block_ends, following = ends
        idle  = Signal(range(max(*gaps, 1) + 1), init=gaps[0])
        ready = Signal(init=gaps[0] == 0)
        gap   = self._constant(m, "gap", gaps, Mux(block_ends, following, self.o_block))
        with m.If(running & ~ready):
            m.d.sync += [idle.eq(idle - 1), ready.eq(idle == 1)]
        with m.If(group_ends):
            m.d.sync += [idle.eq(gap), ready.eq(gap == 0)]
        return ready

    def _settle(self, m, block_ends):
        """Count down to the next block that waits; returns what it may start by: now, at an end.
        """
        waits, waiting = self._waits, [block.waits for block in self._blocks]
        if not any(waiting):
            return Const(1), Const(1)
        left    = Signal(range(max(max(waits), 2)))
        settled = Signal(init=1)
        load   = self._constant(m, "load", [max(w - 1, 0) for w in waits], self.o_block)
        single = self._constant(m, "load_none", [int(w <= 1) for w in waits], self.o_block)
        always = self._constant(m, "load_always", [int(w) for w in waiting], self.o_block)
        pauses = self._constant(m, "pauses", [int(w > 0) for w in waits], self.o_block)
        with m.If(~settled):
            m.d.sync += [left.eq(left - 1), settled.eq(left == 1)]
        with m.If(block_ends & (always | (left <= load))):
            m.d.sync += [left.eq(load), settled.eq(single)]
        return settled, settled & ~pauses

    def _allowed(self, m, name, index, full, settled):
        """Whether the block of this index may start."""
        allowed = Signal(name=name)
        with m.Switch(index):
            for block, part in enumerate(self._blocks):
                conditions = [Const(1)]
                if block == 0:
                    conditions.append(full)
                if part.waits:
                    conditions.append(settled)
                if block == len(self._blocks) - 1:
                    conditions.append(self.room.space)
                with m.Case(block):
                    m.d.comb += allowed.eq(Cat(conditions).all())
        return allowed

    def _start(self, m, running, block_ends, following, settled):
        """Let the next block in, also in the last cycle of the one before."""
        blocks, final = self._blocks, len(self._blocks) - 1
        inputs = [index for index, b in enumerate(blocks) if b.source is Source.INPUT]
        alone  = inputs[-1] == final

        start      = Signal()
        start_now  = Signal()
        start_next = Signal()

        def starts(index):
            return (start_now & (self.o_block == index)) | (start_next & (following == index))
        now  = self._allowed(m, "allowed_now", self.o_block, self.pending.full, settled[0])
        then = self._allowed(m, "allowed_next", following,
                             self.pending.next if alone else self.pending.full, settled[1])
        m.d.comb += [
            start_now.eq(~running & now),
            start_next.eq(block_ends & then),
            start.eq(start_now | start_next),
            self.room.reserve.eq(starts(final)),
            self.pending.release.eq(block_ends & (self.o_block == inputs[-1])),
        ]
        m.d.sync += self.o_start.eq(starts(0))
        with m.If(block_ends):
            m.d.sync += self.o_block.eq(following)
        with m.If(block_ends | start):
            m.d.sync += running.eq(start)

        begin   = Signal(init=1)
        last    = Signal()
        flagged = Signal()
        upcoming = self.pending.last
        if alone:
            upcoming = Mux(running, self.pending.next_last, upcoming)
        complete = next(index for index, block in enumerate(blocks) if block.completes)
        if complete == 0:
            m.d.comb += [last.eq(upcoming), flagged.eq(start)]
        else:
            with m.If((~running & (self.o_block == 0)) | (block_ends & (following == 0))):
                m.d.sync += last.eq(upcoming)
            m.d.comb += flagged.eq(starts(complete))
        with m.If(flagged):
            m.d.sync += [self.step.first.eq(begin), self.step.last.eq(last), begin.eq(last)]
