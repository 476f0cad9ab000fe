"""The feed: words of codes become the lanes that the elements of an array take."""

import numpy as np
from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ternloom.mapping.geometry import Arithmetic


__all__ = ["Feed"]


class Feed(wiring.Component):
    """Combinational: a word of one source to activation planes of lanes.

    Codes of the state's own kind pass as they are, all planes or one. For ``SHIFT_ADD`` a code
    becomes its value, sign-extended. Any other source of another element gives one bit of each
    value, in offset binary: a bit of a ternary lane is 0 or +1, of a binary lane -1 or +1.

    Parameters
    ----------
    geometry : Geometry
    block : Block
    form : Format
        Of the source's codes.

    Members
    -------
    i_word : ``simd`` codes
    i_index : of the word, where lanes without a column must be cleared
    i_levels
        Value of each code, where coefficients come with the vector and a code is fed as its value.
    i_plane : bit plane or activation plane, 0 the highest
    o : activation word
    """

    def __init__(self, geometry, block, form):
        self._geometry = geometry
        self._block    = block
        self._form     = form
        #: Whether codes are fed as values that are known only as they come.
        self.has_levels = bool(form.header) and block.mix is not None
        levels = data.ArrayLayout(signed(form.value_width), 1 << form.width)
        super().__init__(({"i_levels": In(levels), "i_index": In(range(max(block.words, 2)))}
                          if self.has_levels else {}) | {
            "i_word":  In(geometry.simd * form.width),
            "i_plane": In(range(max(block.passes, 2))),
            "o":       Out(geometry.simd * geometry.activation_bits * geometry.planes_at_once),
        })

    def _value(self, code):
        """Signed value of one code."""
        form = self._form
        if self.has_levels:
            return self.i_levels[code]
        if form.signed:
            return code.as_signed()
        if form.rounded:
            return Cat(code, 0).as_signed()
        shape = signed(form.value_width)
        value = Const(form.padding, shape)
        for pattern in range(1, 1 << form.width):
            found = code if form.width == 1 else code == pattern
            value = Mux(found, Const(int(form.value(form.decode(pattern))), shape), value)
        return value

    def elaborate(self, platform):
        m = Module()
        geometry, form = self._geometry, self._form
        codes = [self.i_word.word_select(lane, form.width) for lane in range(geometry.simd)]

        if geometry.arithmetic is Arithmetic.SHIFT_ADD:
            lanes = []
            for index, code in enumerate(codes):
                lane = Signal(signed(geometry.activation_bits))
                m.d.comb += lane.eq(self._present(index, self._value(code)))
                lanes.append(lane)
            m.d.comb += self.o.eq(Cat(lanes))
        elif self._block.serial > 1:
            m.d.comb += self.o.eq(Cat(self._serial(m, index, code)
                                      for index, code in enumerate(codes)))
        elif self._block.turns > 1:
            m.d.comb += self.o.eq(Cat(code[::-1].bit_select(self.i_plane, 1) for code in codes))
        elif geometry.activation_planes > 1:
            m.d.comb += self.o.eq(Cat(code[plane] for plane in range(geometry.activation_planes)
                                      for code in codes))
        else:
            m.d.comb += self.o.eq(self.i_word)

        return m

    def _present(self, lane, value):
        """The value, or zero in words that have no column in this lane."""
        if not self.has_levels:
            return value
        absent = np.nonzero(self._geometry.columns(self._block)[:, lane] < 0)[0].tolist()
        if not absent:
            return value
        return Mux(Cat(self.i_index == word for word in absent).any(), 0, value)

    def _serial(self, m, lane, code):
        """One bit of a value in offset binary, as a lane."""
        width = self._block.serial
        value = Signal(signed(width))
        bits  = Signal(width)
        m.d.comb += [value.eq(self._present(lane, self._value(code))),
                     bits.eq(value ^ (1 << (width - 1)))]
        bit = bits[::-1].bit_select(self.i_plane, 1)
        return Cat(bit, Const(0, self._geometry.activation_bits - 1))
