"""What elements make of the wire forms of weights and activations.

The wire forms themselves, one an alphabet, are :meth:`ternloom.model.alphabet.Alphabet.wire`.
"""

import numpy as np
import numpy.typing as npt

from ternloom.mapping.geometry import Element
from ternloom.model.alphabet.alphabet import LaneAlphabet


__all__ = ["offset", "scale"]


def scale(element: Element, activation_bits: int) -> int:
    """Factor of an element's sums: the sum of products is ``scale * raw + offset``."""
    one_bit = element is Element.SELECT_ADD and activation_bits == 1
    return 2 if element is Element.XNOR_POPCOUNT or one_bit else 1


def offset(element: Element, weight: LaneAlphabet, bits: int, values: npt.ArrayLike) -> np.ndarray:
    """What a product is beyond ``scale`` times the number that an element adds for it.

    Popcounts count from the smallest product on. A complement is a negative less one. What is
    selected is added never, once or twice, by an activation of -1, 0 or +1.

    Parameters
    ----------
    element : Element
    weight : Alphabet
    bits : int
    values : int array
        Of weights.

    Returns
    -------
    int64 array
    """
    values = np.asarray(values, dtype=np.int64)
    match element:
        case Element.XNOR_POPCOUNT | Element.GATED_POPCOUNT:
            return np.full_like(values, -1)
        case Element.QUATERNARY_POPCOUNT:
            return np.full_like(values, -2)
        case Element.SELECT_ADD:
            return -weight.selected(values)
        case Element.SHIFT_ADD:
            return weight.complemented(values, bits)
