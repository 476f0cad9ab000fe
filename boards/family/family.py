"""What an FPGA family is: its tools, its clock generator, and what its reports call things."""

import abc
import collections.abc
import dataclasses
import typing

from amaranth import Instance, Signal, Value

from ternloom.boards.tool import Tool


if typing.TYPE_CHECKING:
    from ternloom.boards.board import Pin
    from ternloom.boards.pll import Pll


__all__ = ["Command", "Family", "products"]


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
    tool: Tool
    arguments: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Family(abc.ABC):
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
    place: Tool
    packer: Tool
    extension: str
    constraints: str
    routed: str
    output: str
    resources: dict[str, tuple[str, ...]]
    untimed: str = ""
    finish: tuple[str, ...] = ("{} -run map_ram:",)
    files: dict[str, str] = dataclasses.field(default_factory=dict)

    @abc.abstractmethod
    def pin_lines(self, port: str, pin: "Pin") -> list[str]:
        """Lines of the constraint file that put ``port`` on ``pin``."""

    @abc.abstractmethod
    def place_arguments(self, part: tuple[str, ...]) -> tuple[str, ...]:
        """Arguments of nextpnr for a part: the part and the constraints.

        Parameters
        ----------
        part : tuple of str
            What names the part to this family's tools.
        """

    @abc.abstractmethod
    def pack_arguments(self, part: tuple[str, ...], bitstream: str) -> tuple[str, ...]:
        """Arguments of the packer."""

    @abc.abstractmethod
    def pll_settings(self, crystal: float, frequency: float
                     ) -> collections.abc.Iterator[tuple[float, dict[str, int]]]:
        """Frequencies near to one that the family's PLL makes of a crystal's, all in Hz, each with
        its settings by the names of the data sheet.
        """

    @abc.abstractmethod
    def pll_instance(self, pll: "Pll", clock: Signal, output: Value, locked: Signal) -> Instance:
        """The primitive with its settings, between the board's clock pin and a clock."""


def products(name: str, a_width: int, b_width: int, a_least: int, b_least: int,
             more: str = "") -> tuple[str, ...]:
    """Yosys commands that make a cell ``name`` of each product that is wide enough."""
    return (f"techmap -map +/mul2dsp.v -D DSP_NAME={name} -D DSP_A_MAXWIDTH={a_width} "
            f"-D DSP_B_MAXWIDTH={b_width} -D DSP_A_MINWIDTH={a_least} "
            f"-D DSP_B_MINWIDTH={b_least}{more}",
            "chtype -set $mul t:$__soft_mul")
