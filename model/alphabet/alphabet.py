"""What an alphabet of weight codes is."""

import abc
import functools

import numpy as np
import numpy.typing as npt


__all__ = ["Alphabet", "LaneAlphabet", "sign"]


def sign(values: np.ndarray) -> np.ndarray:
    """Codes +1 where a value is zero or more and -1 elsewhere, int8."""
    return 2 * (values >= 0).astype(np.int8) - 1


class Alphabet(abc.ABC):
    """The codes that a weight may have, and everything that is done with one.

    A lane of an array carries a weight in the wire form of a ``LaneAlphabet``: this one's own,
    another one's, or that of integers.

    Attributes
    ----------
    name : str
        In files, reports and messages.
    codes : tuple of int
        Every code, ascending; a range, with zero or without it.
    planes : int
        Most planes of a matrix.
    base : int
        Of the digits that a file holds: 2, or 3 for codes of three values.
    sized : bool
        Whether a code takes as many bits as the codes in use need, so that a file notes them.
    major : float or None
        With b of {-1, +1} a code is ``major * b1 + b2 / 2``; None if it isn't.
    """

    name: str
    codes: tuple[int, ...]
    planes = 1
    base = 2
    sized = False
    major: float | None = None

    def __eq__(self, other):
        return type(self) is type(other)

    def __hash__(self):
        return hash(type(self))

    def __repr__(self):
        return self.name.upper()

    def __deepcopy__(self, memo):
        return self

    def values(self, codes: np.ndarray) -> np.ndarray:
        """Integer that each code stands for in a dot product, of the type of ``codes`` or int32."""
        return codes

    def recode(self, values: np.ndarray) -> np.ndarray:
        """Codes, int8, that stand for integers which all are levels of the alphabet."""
        return values.astype(np.int8)

    @functools.cached_property
    def levels(self) -> tuple[int, ...]:
        """What the codes stand for, ascending."""
        return tuple(self.values(np.array(self.codes, dtype=np.int32)).tolist())

    def holds(self, other: "Alphabet") -> bool:
        """Whether the weights of another alphabet can be written in this one."""
        return other.planes <= self.planes and set(other.levels) <= set(self.levels)

    @abc.abstractmethod
    def code_bits(self, codes: np.ndarray) -> int:
        """Bits of a stored code: the fewest that hold the codes in use, an int8 array."""

    @abc.abstractmethod
    def digits(self, codes: np.ndarray) -> np.ndarray:
        """Numbers that a file has for codes, not negative; of ``base`` 3, or of some bits each."""

    @abc.abstractmethod
    def read(self, digits: np.ndarray, bits: int) -> np.ndarray:
        """Codes of the numbers that a file has."""

    @abc.abstractmethod
    def nearest(self, values: np.ndarray, limit: int) -> np.ndarray:
        """Codes of the levels nearest to real numbers; the upper one in a tie.

        Parameters
        ----------
        values : float array
            In units of the scale.
        limit : int
            Largest magnitude of a code.

        Returns
        -------
        array of integers, or of floats that are integers
        """

    def draw(self, values: np.ndarray, chance: np.ndarray, limit: int) -> np.ndarray:
        """Codes of one of the two neighbouring levels, so that the mean is the real number.

        What lies beyond the outermost levels becomes the outermost one.

        Parameters
        ----------
        values : float array
            In units of the scale.
        chance : float array
            From 0 to below 1, uniform.
        limit : int
            Largest magnitude of a code.

        Raises
        ------
        ValueError
            Where there is no such rule.
        """
        raise ValueError("Stochastic weights must be binary, ternary, quaternary or exponential, "
                         f"not {self.name}")

    def lane(self, codes: np.ndarray) -> "tuple[LaneAlphabet, int] | None":
        """The alphabet that lanes carry, and the bits of one, for codes in use.

        Parameters
        ----------
        codes : int8 array

        Returns
        -------
        (LaneAlphabet, int) or None
            None, which is the default: as integers.
        """
        return None


class LaneAlphabet(Alphabet):
    """An alphabet with a wire form of its own.

    Attributes
    ----------
    lane_bits : (int, int)
        Fewest and most bits of a lane.
    """

    lane_bits: tuple[int, int]

    def lane_levels(self, bits: int) -> tuple[int, ...]:
        """Values that the wire form of so many bits has, ascending."""
        return self.levels

    def lane_width(self, values: np.ndarray) -> int:
        """Bits of a lane that holds integers which all are levels of the alphabet."""
        return self.code_bits(self.recode(values))

    def wire(self, values: npt.ArrayLike, bits: int) -> np.ndarray:
        """Wire form of integers, an int64 array: numbers of ``bits`` bits that are not negative."""
        return self._wire(np.asarray(values, dtype=np.int64), bits)

    @abc.abstractmethod
    def _wire(self, values, bits):
        """What ``wire`` does, of int64."""

    def product_levels(self, bits: int) -> int:
        """Levels of adders and shifters that make a product of a lane, beside the tree of lanes."""
        return 0

    def complemented(self, values: np.ndarray, bits: int) -> np.ndarray:
        """Offset of a product where negatives are complements, which are less by one: int64."""
        return (values < 0).astype(np.int64)

    def selected(self, values: np.ndarray) -> np.ndarray:
        """What an activation that selects a weight adds, once or twice: int64."""
        return np.abs(values)
