"""What can go wrong between a core and its bitstream; each message is one line for a user."""

from ternloom.model.mistake import Mistake


__all__ = ["BoardError", "NetlistBroken", "TooLarge", "TooSlow", "ToolFailed", "ToolMissing",
           "UnknownBoard"]


class BoardError(Mistake):
    """A bitstream that cannot be made."""


class UnknownBoard(BoardError):
    """A board that the registry does not have."""


class TooLarge(BoardError):
    """A design that needs more of a resource than the board has.

    Parameters
    ----------
    board : str
        Title of the board.
    resource : str
        What runs out first, relative to what there is.
    needed, available : int
    at_least : bool
        Whether ``needed`` is what the netlist alone shows, before it is placed.
    """

    def __init__(self, board: str, resource: str, needed: int, available: int, *,
                 at_least: bool = False) -> None:
        super().__init__(f"the design needs {'at least ' * at_least}{needed} {resource}, "
                         f"but {board} has {available}")
        self.board     = board
        self.resource  = resource
        self.needed    = needed
        self.available = available


class TooSlow(BoardError):
    """A board design whose clock misses what the board's clock generator gives it."""


class NetlistBroken(BoardError):
    """A netlist that has lost a part of its design."""


class ToolMissing(BoardError):
    """A tool that is not installed."""


class ToolFailed(BoardError):
    """A tool that stopped with an error of its own."""
