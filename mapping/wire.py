"""What elements make of the wire forms of weights and activations.

The wire forms themselves, one an alphabet, are :meth:`ternloom.model.alphabet.Alphabet.wire`.
"""

import numpy as np
import numpy.typing as npt

from ternloom.mapping.geometry import Arithmetic
from ternloom.model.alphabet.alphabet import LaneAlphabet


__all__ = ["offset", "scale"]


def scale(arithmetic: Arithmetic, activation_bits: int) -> int:
    """Factor of an element's sums: the sum of products is ``scale * raw + offset``."""
    one_bit = arithmetic is Arithmetic.SELECT_ADD and activation_bits == 1
    return 2 if arithmetic is Arithmetic.XNOR_POPCOUNT or one_bit else 1


def offset(arithmetic: Arithmetic, weight: LaneAlphabet, bits: int,
           values: npt.ArrayLike) -> np.ndarray:
    """What a product is beyond ``scale`` times the number that an element adds for it.

    Popcounts count from the smallest product on. A complement is a negative less one. What is
    selected is added never, once or twice, by an activation of -1, 0 or +1.

    Parameters
    ----------
    arithmetic : Arithmetic
    weight : Alphabet
    bits : int
    values : int array
        Of weights.

    Returns
    -------
    int64 array
    """
    values = np.asarray(values, dtype=np.int64)
    match arithmetic:
        case Arithmetic.XNOR_POPCOUNT | Arithmetic.GATED_POPCOUNT:
            return np.full_like(values, -1)
        case Arithmetic.QUATERNARY_POPCOUNT:
            return np.full_like(values, -2)
        case Arithmetic.SELECT_ADD:
            return -weight.selected(values)
        case Arithmetic.SHIFT_ADD:
            return weight.complemented(values, bits)
