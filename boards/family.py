"""FPGA families: their synthesis script, their constraints, and what their reports call things."""

import dataclasses
import typing

from ternloom.boards import gowin, tool


if typing.TYPE_CHECKING:
    from ternloom.boards.board import Pin


__all__ = ["Command", "ECP5", "FAMILIES", "Family", "GOWIN", "ICE40"]


@dataclasses.dataclass(frozen=True)
class Command:
    """One call of a tool in the folder of a build.

    Parameters
    ----------
    stage : str
        What a user is told is going on; also the name of the log, ``<stage>.log``.
    tool : Tool
    arguments : tuple of str
    """

    stage: str
    tool: tool.Tool
    arguments: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Family:
    """Parts that share a synthesis script and a place-and-route tool.

    Parameters
    ----------
    name : str
    synthesis : str
        Yosys command that maps to the family, without its top and output.
    products : tuple of str
        Yosys commands that make cells ``$__MUL...`` of the products for which that command takes
        multipliers, one of each.
    multipliers : tuple of str
        Types of cells that those become.
    needs : dict of str to tuple of dict
        Of a resource, what cells of a type take at least: a count for each of several disjoint
        groups, of which the largest is a lower bound. Names of types are patterns.
    place : Tool
        nextpnr.
    packer : Tool
        Makes the bitstream of the routed design.
    extension : str
        Of the bitstream.
    constraints, routed : str
        Names of the files that go into nextpnr and come out of it.
    output : str
        Option of nextpnr that names the latter.
    resources : dict of str to tuple of str
        What a report names, and the bel types of nextpnr that it is the sum of.
    untimed : str
        What nextpnr's timing analysis of the family leaves out; empty if nothing is known.
    finish : tuple of str
        Yosys commands after the mapping of arithmetic, in which ``{}`` stands for ``synthesis``
        with its top and output.
    files : dict of str to str
        That ``finish`` reads.
    """

    name: str
    synthesis: str
    products: tuple[str, ...]
    multipliers: tuple[str, ...]
    needs: dict[str, tuple[dict[str, int], ...]]
    place: tool.Tool
    packer: tool.Tool
    extension: str
    constraints: str
    routed: str
    output: str
    resources: dict[str, tuple[str, ...]]
    untimed: str = ""
    finish: tuple[str, ...] = ("{} -run map_ram:",)
    files: dict[str, str] = dataclasses.field(default_factory=dict)

    def pin_lines(self, port: str, pin: "Pin") -> list[str]:
        """Lines of the constraint file that put ``port`` on ``pin``."""
        return _PIN_LINES[self.name](port, pin)

    def place_arguments(self, part: tuple[str, ...]) -> tuple[str, ...]:
        """Arguments of nextpnr for a part: the part and the constraints.

        Parameters
        ----------
        part : tuple of str
            What names the part to this family's tools.
        """
        return _PLACE[self.name](self, part)

    def pack_arguments(self, part: tuple[str, ...], bitstream: str) -> tuple[str, ...]:
        """Arguments of the packer."""
        return _PACK[self.name](self, part, bitstream)


def _ice40_pin(port, pin):
    pullup = "-pullup yes " if pin.attributes.get("PULLUP") else ""
    return [f"set_io {pullup}{port} {pin.location}"]


def _ecp5_pin(port, pin):
    settings = " ".join(f"{key}={value}" for key, value in pin.attributes.items())
    return [f'LOCATE COMP "{port}" SITE "{pin.location}";', f'IOBUF PORT "{port}" {settings};']


def _gowin_pin(port, pin):
    settings = " ".join(f"{key}={value}" for key, value in pin.attributes.items())
    return [f'IO_LOC "{port}" {pin.location};', f'IO_PORT "{port}" {settings};']


def _ice40_place(family, part):
    device, package = part
    return ("--" + device, "--package", package, "--pcf", family.constraints)


def _ecp5_place(family, part):
    device, package, speed = part
    # Over six seeds of a GRU, a placer that weighs timing more than nextpnr's default of 10 gave
    # 110 to 123 MHz (mean 117) in place of 97 to 123 (mean 112).
    return ("--" + device, "--package", package, "--speed", speed, "--lpf", family.constraints,
            "--placer-heap-timingweight", "60")


def _gowin_place(family, part):
    device, series = part
    return ("--device", device, "--vopt", f"family={series}",
            "--vopt", f"cst={family.constraints}")


def _products(name, a_width, b_width, a_least, b_least, more=""):
    """Yosys commands that make a cell ``name`` of each product that is wide enough."""
    return (f"techmap -map +/mul2dsp.v -D DSP_NAME={name} -D DSP_A_MAXWIDTH={a_width} "
            f"-D DSP_B_MAXWIDTH={b_width} -D DSP_A_MINWIDTH={a_least} "
            f"-D DSP_B_MINWIDTH={b_least}{more}",
            "chtype -set $mul t:$__soft_mul")


_PIN_LINES = {"ice40": _ice40_pin, "ecp5": _ecp5_pin, "gowin": _gowin_pin}
_PLACE     = {"ice40": _ice40_place, "ecp5": _ecp5_place, "gowin": _gowin_place}
_PACK      = {
    "ice40": lambda family, part, bitstream: (family.routed, bitstream),
    "ecp5": lambda family, part, bitstream: ("--compress", "--input", family.routed,
                                             "--bit", bitstream),
    "gowin": lambda family, part, bitstream: ("-d", part[1], "-o", bitstream, family.routed),
}

ICE40 = Family(
    name="ice40",
    # Without -dsp nothing becomes an SB_MAC16.
    synthesis="synth_ice40 -dsp -device u",
    products=("alumacc -macc-only", "maccmap -unmap", "opt_clean", "wreduce t:$mul",
              *_products("$__MUL16X16", 16, 16, 2, 2, " -D DSP_Y_MINWIDTH=11")),
    multipliers=("SB_MAC16",),
    needs={
        "logic cells": ({"SB_LUT4": 1}, {"SB_DFF*": 1}, {"SB_CARRY": 1}),
        "block RAM":   ({"SB_RAM40_4K*": 1},),
        "DSP":         ({"SB_MAC16": 1},),
    },
    place=tool.NEXTPNR_ICE40, packer=tool.ICEPACK, extension="bin",
    constraints="pins.pcf", routed="routed.asc", output="--asc",
    resources={
        "logic cells": ("ICESTORM_LC",),
        "block RAM":   ("ICESTORM_RAM",),
        "DSP":         ("ICESTORM_DSP",),
        "pins":        ("SB_IO",),
    },
)

ECP5 = Family(
    name="ecp5",
    # Wide LUTs cost a quarter more LUT4 on popcounts and gain no clock.
    synthesis="synth_ecp5 -nowidelut",
    products=_products("$__MUL18X18", 18, 18, 2, 2),
    multipliers=("MULT18X18D",),
    needs={
        "LUT":       ({"LUT4": 1, "CCU2C": 2},),
        "FF":        ({"TRELLIS_FF": 1},),
        "block RAM": ({"DP16KD": 1, "PDPW16KD": 1},),
        "DSP":       ({"MULT18X18D": 1},),
    },
    place=tool.NEXTPNR_ECP5, packer=tool.ECPPACK, extension="bit",
    constraints="pins.lpf", routed="routed.config", output="--textcfg",
    resources={
        "LUT":       ("TRELLIS_COMB",),
        "FF":        ("TRELLIS_FF",),
        "block RAM": ("DP16KD",),
        "DSP":       ("MULT18X18D",),
        "pins":      ("TRELLIS_IO",),
    },
)

GOWIN = Family(
    name="gowin",
    # Wide LUTs cost a quarter of the clock and save nothing.
    synthesis="synth_gowin -family gw1n -nowidelut",
    products=(*_products("$__MUL36X36", 36, 36, 22, 22), *_products("$__MUL18X18", 18, 18, 10, 4),
              *_products("$__MUL18X18", 18, 18, 4, 10), *_products("$__MUL9X9", 9, 9, 4, 4)),
    multipliers=("MULT36X36", "MULT18X18", "MULT9X9"),
    needs={
        "LUT":       ({"LUT4": 1},),
        "ALU":       ({"ALU": 1},),
        "FF":        ({"DFF*": 1},),
        "block RAM": ({"SP": 1, "SPX9": 1, "SDP*": 1, "DP*": 1, "pROM*": 1},),
        "DSP 18x18": ({"MULT18X18": 1},),
        "DSP 9x9":   ({"MULT9X9": 1},),
    },
    place=tool.NEXTPNR_GOWIN, packer=tool.GOWIN_PACK, extension="fs",
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
    files={"memories.txt": gowin.MEMORIES, "tables.v": gowin.TABLES},
)

FAMILIES = {family.name: family for family in (ICE40, ECP5, GOWIN)}
