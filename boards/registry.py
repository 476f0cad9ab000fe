"""The boards that there are. A new one is a file of data and a line here."""

from ternloom.boards.board import Board
from ternloom.boards.error import UnknownBoard
from ternloom.boards.icebreaker import ICEBREAKER
from ternloom.boards.tang_nano_9k import TANG_NANO_9K
from ternloom.boards.ulx3s import ULX3S_85F


__all__ = ["BOARDS", "find"]


#: Boards by the name that a user types.
BOARDS = {board.name: board for board in (ICEBREAKER, ULX3S_85F, TANG_NANO_9K)}


def find(name: str) -> Board:
    """Board of this name.

    Raises
    ------
    UnknownBoard
        Listing the known ones.
    """
    if name not in BOARDS:
        raise UnknownBoard(f"board must be one of {', '.join(BOARDS)}, not {name!r}")
    return BOARDS[name]
