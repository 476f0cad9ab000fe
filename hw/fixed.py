"""Arithmetic between fixed-point formats, as expressions in signals of exact width.

A product goes from registers through one register and then into logic, everywhere in ``hw/``. A
second register that takes nothing but the product would read well and cost little, and Yosys 0.70
with ``synth_ice40 -dsp`` then drops the multiplier without a word.
"""

from amaranth import *

from ternloom.model.format import Fixed
from ternloom.model.rounding import Rounding, signed_width


__all__ = ["delayed", "quantized", "range_shape", "rounded", "rounded_sum", "saturated", "watch"]


def range_shape(low, high):
    """Signed shape that holds ``low`` to ``high``."""
    return signed(signed_width(low, high))


def delayed(m, value, cycles):
    """``value`` after that many registers."""
    for _ in range(cycles):
        register = Signal.like(value, name=f"{getattr(value, 'name', 'value')}_r", init=0)
        m.d.sync += register.eq(value)
        value = register
    return value


def rounded(m, value, shift, rounding):
    """``value / 2**shift`` as a new signal, rounded as named; a negative shift is exact."""
    shape = value.shape()
    if shift <= 0:
        result = Signal(signed(shape.width - shift), name=f"{value.name}_rounded")
        m.d.comb += result.eq(value << -shift)
        return result
    width = max(shape.width, shift) + 1
    biased = Signal(signed(width), name=f"{value.name}_biased")
    half = 1 << (shift - 1)
    match rounding:
        case Rounding.HALF_UP:
            m.d.comb += biased.eq(value + half)
        case Rounding.HALF_AWAY:
            m.d.comb += biased.eq(value + Mux(value < 0, half - 1, half))
        case Rounding.HALF_EVEN:
            odd = value[shift] if shift < len(value) else value[-1]
            m.d.comb += biased.eq(value + Mux(odd, half, half - 1))
    result = Signal(signed(width - shift), name=f"{value.name}_rounded")
    m.d.comb += result.eq(biased >> shift)
    return result


def rounded_sum(m, whole, fine, shift, rounding):
    """``whole + fine / 2**shift`` as a new signal, rounded as named; one carry chain for half up.

    ``shift`` is positive.
    """
    half_up = rounding is Rounding.HALF_UP
    # Half an ulp fits in the bits below ``whole``, which are zero.
    start = Cat(Const(1 << (shift - 1) if half_up else 0, shift), whole).as_signed()
    total = Signal(signed(max(len(start), len(fine)) + 1), name=f"{fine.name}_total")
    m.d.comb += total.eq(start + fine)
    if not half_up:
        return rounded(m, total, shift, rounding)
    result = Signal(signed(len(total) - shift), name=f"{fine.name}_rounded")
    m.d.comb += result.eq(total >> shift)
    return result


def saturated(m, value, form):
    """``value`` clipped to a signed fixed-point format, as a new signal."""
    result = Signal(signed(form.width), name=f"{value.name}_saturated")
    above = len(value) - form.width
    if above <= 0:
        m.d.comb += result.eq(value)
        return result
    overflows = Signal(name=f"{value.name}_overflows")
    head = value[form.width - 1:]
    m.d.comb += [
        overflows.eq(~(head.all() | ~head.any())),
        result.eq(Mux(overflows, Mux(value[-1], Const(form.low, signed(form.width)),
                                     Const(form.high, signed(form.width))), value)),
    ]
    return result


def quantized(m, value, frac, form):
    """Wire form of the code of ``value``, which has ``frac`` fraction bits, as a new signal."""
    if form.rounded and form.signed:
        return saturated(m, rounded(m, value, frac - form.frac, form.rounding), form)
    if form.rounded:
        wide = rounded(m, value, frac - form.frac, form.rounding)
        clipped = saturated(m, wide, Fixed(form.width + 1, form.frac))
        result = Signal(form.width, name=f"{value.name}_code")
        m.d.comb += result.eq(Mux(clipped < 0, 0, clipped))
        return result
    result = Signal(form.width, name=f"{value.name}_code")
    levels = [int(form.bits(code)) & ((1 << form.width) - 1) for code in form.levels]
    m.d.comb += result.eq(levels[0])
    for cut, level in zip(form.cuts(frac), levels[1:], strict=True):
        with m.If(value >= cut):
            m.d.comb += result.eq(level)
    return result


def watch(m, name, valid, value):
    """Give an intermediate a name in waveforms and for probes."""
    # Kept through the clean-up at emission, which then drops the attribute.
    shown  = Signal(value.shape(), name=name, attrs={"keep": 1})
    strobe = Signal(name=f"{name}_valid", attrs={"keep": 1})
    m.d.comb += [shown.eq(value), strobe.eq(valid)]
