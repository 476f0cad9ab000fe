"""What a board is: a part, its pins, and the clocks that it can make."""

import dataclasses
import typing

from ternloom.boards.error import UnknownBoard
from ternloom.boards.family import Family


if typing.TYPE_CHECKING:
    from amaranth.build import Platform


__all__ = ["Board", "Pin", "amaranth_pin"]


@dataclasses.dataclass(frozen=True)
class Pin:
    """A ball or pad of the package.

    Parameters
    ----------
    location : str
        As the family's constraint file names it.
    invert : bool
        Whether the board's function is active low.
    attributes : dict of str to str
        Electrical settings, in the words of the family's constraint file.
    """

    location: str
    invert: bool = False
    attributes: dict[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Board:
    """A board that carries a core behind a UART.

    Parameters
    ----------
    name, title : str
        What a user types, and what a user reads.
    family : Family
    part : tuple of str
        What names the part to the family's tools.
    capacity : dict of str to int
        Of the part, by the family's names of resources, without its pins.
    crystal : int
        Frequency of the clock pin in Hz.
    pins : dict of str to Pin
        ``clk``, ``rx`` (bytes from the host), ``tx`` and ``led``.
    goal : float
        MHz that place and route aims at for a core alone.
    frequency : float
        MHz of the clock that the UART top gives its core unless told otherwise.
    baud : int
        Bits a second of the UART unless told otherwise.
    program : str
        Command that loads a bitstream, with ``{}`` for its file.
    """

    name: str
    title: str
    family: Family
    part: tuple[str, ...]
    capacity: dict[str, int]
    crystal: int
    pins: dict[str, Pin]
    goal: float
    frequency: float
    baud: int
    program: str

    def __post_init__(self):
        missing = {"clk", "rx", "tx", "led"} - set(self.pins)
        if missing:
            raise UnknownBoard(f"Board {self.name} has no pin {', '.join(sorted(missing))}")


def amaranth_pin(platform: "type[Platform]", name: str, signal: str | None = None,
                 number: int = 0) -> Pin:
    """Take a pin from the board files of amaranth-boards.

    Parameters
    ----------
    platform : class of amaranth-boards
    name : str
        Resource.
    signal : str or None
        Subsignal of it.
    number : int

    Returns
    -------
    Pin
    """
    for resource in platform.resources:
        if (resource.name, resource.number) == (name, number):
            break
    else:
        raise UnknownBoard(f"{platform.__name__} has no resource {name} {number}")
    attributes = dict(resource.attrs)
    pins = resource.ios[0]
    if signal is not None:
        part = next(io for io in resource.ios if io.name == signal)
        attributes |= part.attrs
        pins = part.ios[0]
    return Pin(pins.names[0], bool(pins.invert),
               {key: value for key, value in attributes.items() if value is not True})
