"""Samples of a vector, kept for the passes of the online quantizer over them."""

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ternloom.hw.fixed import delayed
from ternloom.hw.interface import Codes
from ternloom.mapping.microcode import tree_stages


__all__ = ["Passes", "SampleStore", "cut_count", "cut_shape", "sum_bits"]


def cut_shape(form):
    """Of a cut: the sum or the difference of two coefficients."""
    return signed(form.sample.width + 3)


def cut_count(form):
    """Cuts on magnitudes."""
    return (1 << (form.planes - 1)) - 1


def sum_bits(form, units):
    """Bits of a sum of magnitudes."""
    return (units << (form.sample.width - 1)).bit_length()


class Passes(wiring.Signature):
    """Passes over the samples of a vector, as who asks for them has them.

    Parameters
    ----------
    form : Online
    units : int
        Samples.

    Members
    -------
    scan, write : 1
        Start a pass that counts and adds up, or one that gives codes.
    cuts, inner
        Ascending; whether the innermost of three planes' levels is 0b110. Stable during a pass.
    complete : 1
        With the last sample.
    counts, sums
        Of the samples at or above each cut.
    """

    def __init__(self, form, units):
        cuts = cut_count(form)
        super().__init__({
            "scan":     Out(1),
            "write":    Out(1),
            "cuts":     Out(data.ArrayLayout(cut_shape(form), cuts)),
            "inner":    Out(1),
            "complete": In(1),
            "counts":   In(data.ArrayLayout(range(units + 1), cuts)),
            "sums":     In(data.ArrayLayout(sum_bits(form, units), cuts)),
        })


class SampleStore(wiring.Component):
    """Samples of a vector; passes over them count, add up and give codes.

    Parameters
    ----------
    form : Online
    chains, depth, units : int
        Samples that come together; of a chain; in all.

    Members
    -------
    i : Codes
        Samples of every chain. As they come, all are counted and added up.
    passes : Passes
        Counts and sums come ``depth + 4 + tree_stages`` cycles after ``scan``, or
        ``3 + tree_stages`` after the last sample.
    o : Codes
        Of every chain; the last ``depth + 4`` cycles after ``write``.
    """

    def __init__(self, form, *, chains, depth, units):
        self._form   = form
        self._chains = chains
        self._depth  = depth
        self._units  = units
        super().__init__({
            "i":      In(Codes(chains * form.sample.width)),
            "passes": In(Passes(form, units)),
            "o":      Out(Codes(chains * form.planes)),
        })

    def elaborate(self, platform):
        m = Module()
        form, width = self._form, self._form.sample.width

        unit    = Signal(range(max(self._depth, 2)))
        reading, emitting, last = Signal(), Signal(), Signal()
        m.d.comb += [last.eq(unit == self._depth - 1), self.passes.complete.eq(self.i.valid & last)]
        with m.If(self.passes.scan | self.passes.write):
            m.d.sync += [reading.eq(1), emitting.eq(self.passes.write)]
        with m.If(self.i.valid | reading):
            m.d.sync += unit.eq(Mux(last, 0, unit + 1))
            with m.If(last):
                m.d.sync += reading.eq(0)

        m.submodules.memory = memory = Memory(shape=unsigned(self._chains * width),
                                              depth=max(self._depth, 2), init=[])
        write, read = memory.write_port(), memory.read_port()
        m.d.comb += [
            write.addr.eq(unit), write.data.eq(self.i.data), write.en.eq(self.i.valid),
            read.addr.eq(unit),
        ]
        valid, first, final = Signal(), Signal(), Signal()
        samples = Signal(self._chains * width)
        m.d.sync += [
            samples.eq(Mux(self.i.valid, self.i.data, read.data)),
            valid.eq(self.i.valid | delayed(m, reading, 1)),
            first.eq(Mux(self.i.valid, unit == 0, delayed(m, unit == 0, 1))),
            final.eq(Mux(self.i.valid, last, delayed(m, last, 1))),
        ]
        arriving = delayed(m, self.i.valid, 1)
        compared = [self._chain(m, chain, samples.word_select(chain, width).as_signed(), arriving,
                                final) for chain in range(self._chains)]
        self._gather(m, compared, delayed(m, valid, 1), delayed(m, first, 1))
        m.d.sync += [
            self.o.data.eq(Cat(self._code(hits, negative) for hits, _, negative in compared)),
            self.o.valid.eq(delayed(m, reading & emitting, 3)),
        ]

        return m

    def _chain(self, m, chain, sample, arriving, final):
        """Which cuts a chain's sample is at or above, its magnitude and its sign, a cycle later."""
        width = self._form.sample.width
        negative = sample[-1]
        # Twice the magnitude, less one if negative, whose ties are below a cut.
        key = Signal(width, name=f"key{chain}")
        m.d.comb += key.eq(Cat(Const(0, 1), sample[:-1]) ^ negative.replicate(width))
        # Chains beyond the units that are left over have no last one.
        exists = Const(1) if (self._depth - 1) * self._chains + chain < self._units else ~final
        hits      = Signal(cut_count(self._form), name=f"hits{chain}")
        magnitude = Signal(width, name=f"magnitude{chain}")
        sign      = Signal(name=f"sign{chain}")
        m.d.sync += [
            hits.eq(Cat((arriving | (key >= cut)) & exists for cut in self.passes.cuts)),
            magnitude.eq(Mux(negative, -sample, sample)),
            sign.eq(negative),
        ]
        return hits, magnitude, sign

    def _gather(self, m, compared, valid, first):
        """Counts and sums over chains, then over the units of a pass."""
        stages = tree_stages(self._chains)
        valid, first = delayed(m, valid, stages), delayed(m, first, stages)
        for cut in range(cut_count(self._form)):
            count = self._tree(m, [hits[cut] for hits, _, _ in compared])
            total = self._tree(m, [Mux(hits[cut], magnitude, 0) for hits, magnitude, _ in compared])
            with m.If(valid):
                m.d.sync += [
                    self.passes.counts[cut].eq(Mux(first, 0, self.passes.counts[cut]) + count),
                    self.passes.sums[cut].eq(Mux(first, 0, self.passes.sums[cut]) + total),
                ]

    @staticmethod
    def _tree(m, values):
        """Sum of values, with a register every other level."""
        level = 0
        while len(values) > 1:
            odd = values[len(values) // 2 * 2:]
            values = [a + b for a, b in zip(values[::2], values[1::2], strict=False)] + odd
            level += 1
            if level % 2 == 0 or len(values) == 1:
                held = [Signal(value.shape(), name=f"sum{level}") for value in values]
                m.d.sync += [one.eq(value) for one, value in zip(held, values, strict=True)]
                values = held
        return values[0]

    def _code(self, hits, negative):
        """Code of a sample; each plane of a negative one is the other sign."""
        if self._form.planes == 2:
            return Cat(~negative, hits[0] ^ negative)
        low, middle, high = hits
        lowest = Mux(self.passes.inner, 0b110, 1)
        code = Mux(high, 0b111, Mux(middle, 0b011, Mux(low, 0b101, lowest)))
        return code[:3] ^ negative.replicate(3)
