"""FPGA families, one a file. A new one is its file and its place in ``FAMILIES``."""

from ternloom.boards.family.ecp5 import ECP5
from ternloom.boards.family.family import Command, Family
from ternloom.boards.family.gowin import GOWIN
from ternloom.boards.family.ice40 import ICE40


__all__ = ["Command", "ECP5", "FAMILIES", "Family", "GOWIN", "ICE40"]


#: Families by the name that a user types.
FAMILIES = {family.name: family for family in (ICE40, ECP5, GOWIN)}
