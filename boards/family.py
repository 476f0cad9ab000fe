"""FPGA families: their synthesis script, their constraints, and what their reports call things."""

import dataclasses

from ternloom.boards import tool


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
    """

    name: str
    synthesis: str
    place: tool.Tool
    packer: tool.Tool
    extension: str
    constraints: str
    routed: str
    output: str
    resources: dict
    untimed: str = ""

    def pin_lines(self, port, pin):
        """Lines of the constraint file that put ``port`` on ``pin``."""
        return _PIN_LINES[self.name](port, pin)

    def place_arguments(self, part):
        """Arguments of nextpnr for a part: the part and the constraints.

        Parameters
        ----------
        part : tuple of str
            What names the part to this family's tools.
        """
        return _PLACE[self.name](self, part)

    def pack_arguments(self, part, bitstream):
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
    untimed="paths out of block RAM and through multipliers",
)

FAMILIES = {family.name: family for family in (ICE40, ECP5, GOWIN)}
