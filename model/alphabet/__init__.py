"""Alphabets of weight codes, each written once: what its codes stand for, which of them is nearest
to a real number, how a file holds them, and how a lane of an array carries them.
"""

import collections.abc

from ternloom.model.alphabet.alphabet import Alphabet, LaneAlphabet
from ternloom.model.alphabet.binary import BINARY, PLANES
from ternloom.model.alphabet.exponential import EXPONENTIAL
from ternloom.model.alphabet.integer import INTEGER
from ternloom.model.alphabet.quaternary import QUATERNARY
from ternloom.model.alphabet.ternary import TERNARY
from ternloom.model.plugin import Registry


__all__ = ["ALPHABETS", "BINARY", "EXPONENTIAL", "INTEGER", "PLANES", "QUATERNARY", "TERNARY",
           "Alphabet", "smallest", "smallest_lane"]


#: The alphabets that files know, by name; other packages bring theirs (``ternloom.alphabets``).
ALPHABETS: Registry[Alphabet] = Registry(
    "ternloom.alphabets", (BINARY, TERNARY, PLANES, QUATERNARY, EXPONENTIAL, INTEGER),
    lambda found: isinstance(found, Alphabet), lambda alphabet: alphabet.name)


def smallest(alphabets: collections.abc.Collection[Alphabet]) -> Alphabet | None:
    """The alphabet of the fewest planes and codes that holds some others, or None."""
    return _smallest((*ALPHABETS.values(), *alphabets), alphabets)


def smallest_lane(alphabets: collections.abc.Collection[LaneAlphabet]) -> LaneAlphabet:
    """The same of those that have a wire form; integers hold whatever has one plane."""
    known = (one for one in ALPHABETS.values() if isinstance(one, LaneAlphabet))
    return _smallest((*known, *alphabets), alphabets)


def _smallest(known, alphabets):
    fitting = [one for one in known if all(one.holds(other) for other in alphabets)]
    return min(fitting, key=lambda one: (one.planes, len(one.codes)), default=None)
