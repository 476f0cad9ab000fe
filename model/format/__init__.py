"""Formats: what an integer code means, and how a wide value becomes a code."""

from ternloom.model.format.binary import Binary
from ternloom.model.format.fixed import Fixed
from ternloom.model.format.online import Online
from ternloom.model.format.planes import Planes
from ternloom.model.format.ternary import Ternary


__all__ = ["Binary", "Fixed", "Format", "Online", "Planes", "Ternary"]


Format = Fixed | Binary | Ternary | Planes | Online
