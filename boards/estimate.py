"""Four-input tables and multipliers that a core will take, without making it."""

import collections.abc
import dataclasses
import math
import typing

from ternloom.hw.array import raw_shape
from ternloom.hw.report import describe
from ternloom.mapping.geometry import Arithmetic
from ternloom.model.alphabet import EXPONENTIAL, INTEGER, QUATERNARY, Alphabet


if typing.TYPE_CHECKING:
    from ternloom.mapping.image import Image
    from ternloom.mapping.mapping import Mapping


__all__ = ["Estimate", "beside", "estimate", "lane_tables"]


#: Tables beside those of the lanes.
_BESIDE = {"core": 250, "chain": 880, "word bit": 2.5, "accumulator bit": 4.05}
#: Of an online quantizer, by its planes.
_QUANTIZER = {2: 720, 3: 1310}


@dataclasses.dataclass(frozen=True)
class Estimate:
    """What a core takes on ECP5.

    Parameters
    ----------
    luts : int
        Four-input tables, with two a carry cell and four a cell of distributed memory.
    multipliers : int
        As they are generated; Yosys makes some of DSP blocks and small ones of tables.
    """

    luts: int
    multipliers: int


def lane_tables(arithmetic: Arithmetic, weight: Alphabet, weight_bits: int,
                activation_bits: int) -> float:
    """Tables of one lane of an element, fitted to elements of 8 lanes on ECP5.

    Parameters
    ----------
    arithmetic : Arithmetic
    weight : Alphabet
    weight_bits, activation_bits : int
        Of a lane.

    Returns
    -------
    float
        Within a tenth of what synthesis makes of 8 lanes of every kind.
    """
    match arithmetic:
        case Arithmetic.XNOR_POPCOUNT:
            return 2.1
        case Arithmetic.GATED_POPCOUNT:
            return 4.5 if weight_bits == activation_bits else 3.75
        case Arithmetic.QUATERNARY_POPCOUNT:
            return 5.5
        case Arithmetic.SHIFT_ADD if weight == INTEGER:
            digits = -(-weight_bits // 2)
            return digits * (2.2 * activation_bits + 0.5 + 5.5 * math.log2(digits))
        case Arithmetic.SHIFT_ADD if weight == EXPONENTIAL:
            return 0.65 * (activation_bits + (1 << (weight_bits - 1))) * (weight_bits + 1)
        case Arithmetic.SHIFT_ADD:
            return 2.2 * activation_bits + 0.5
        case _ if weight == EXPONENTIAL:
            bits = (1 << (weight_bits - 1)) + 1
            return (1.9 if activation_bits == 1 else 3.3) * bits + 1.9
        case _ if weight == QUATERNARY:
            return 7.25
        case _:
            return 1.9 * weight_bits + 0.4 + 1.5 * activation_bits


def beside(images: collections.abc.Iterable["Image"]) -> dict[str, int]:
    """What the other tables of a core grow with, as counts.

    Parameters
    ----------
    images : sequence of Image
        Of a mapping.

    Returns
    -------
    dict of str to int
        ``core``, the ``chain`` of a layer, the ``word bit`` that arrays multiply at once, and the
        ``accumulator bit`` of elements.
    """
    counts = {"core": 1, "chain": 0, "word bit": 0, "accumulator bit": 0}
    for image in images:
        made = image.geometry
        # A readout has no pipelines, and nothing waits for what it makes.
        counts["chain"] += made.chains * made.blocks[-1].waits
        counts["word bit"] += made.simd * made.activation_bits * made.planes_at_once
        counts["accumulator bit"] += (made.chains * made.chain_elements * made.activation_planes
                                      * raw_shape(image).width)
    return counts


def estimate(mapping: "Mapping") -> Estimate:
    """Estimate what a core takes.

    Parameters
    ----------
    mapping : Mapping

    Returns
    -------
    Estimate
        The constants were fitted to sixteen synthesized cores, of the shipped digits networks and
        of conversions of the float ones by most kinds of weights and activations, with 4 elements
        of 8 lanes to 8 of 32. They are within 8 % of all of these, 3.5 % in the mean; of the
        shipped ones, from 8 % below to 2 % above.
    """
    images, report = mapping.images, describe(mapping)
    luts = sum(_BESIDE[name] * count for name, count in beside(images).items())
    for image in images:
        made = image.geometry
        lanes = made.chains * made.chain_elements * made.simd * made.planes_at_once
        luts += lanes * lane_tables(made.arithmetic, made.weight, made.weight_bits,
                                    made.activation_bits)
    luts += sum(_QUANTIZER[each["planes"]] for each in report["quantizers"])
    multipliers = sum(part["multipliers"] for kind in ("arrays", "elementwise", "quantizers")
                      for part in report[kind])
    return Estimate(round(luts), multipliers)
