"""The schedule: pipeline depths of the hardware as a contract, and the waits that follow.

The hardware is built to these figures and the timing model counts with them. A figure that is wrong
shows in simulation as a wrong cycle, or as a wrong bit where a memory is read too early.
"""

import numpy as np

from ternloom.mapping.geometry import Arithmetic, Block, Geometry, Source, memory_gap
from ternloom.mapping.microcode import microcode
from ternloom.mapping.pipeline import pipeline
from ternloom.model.alphabet.alphabet import LaneAlphabet
from ternloom.model.node import Layer


__all__ = ["MIX", "code_leads", "combiner_latency", "element_latency", "element_levels",
           "element_stages", "exit_latency", "first_row", "overlaps", "pipeline_latency",
           "result_latency", "row_waits", "waits"]


#: Cycles of a combiner, and those that it takes more to mix planes with coefficients that come with
#: the vectors.
_COMBINER, MIX = 5, 3


def element_levels(arithmetic: Arithmetic, weight: LaneAlphabet, weight_bits: int,
                   simd: int) -> int:
    """Levels of an element's tree: those that halve the lanes, and what it has beside them.

    Parameters
    ----------
    arithmetic : Arithmetic
    weight : Alphabet
    weight_bits : int
        Of a lane.
    simd : int
    """
    lanes = (simd - 1).bit_length()
    match arithmetic:
        case Arithmetic.QUATERNARY_POPCOUNT:
            return lanes + 2
        case Arithmetic.SHIFT_ADD:
            return lanes + weight.product_levels(weight_bits)
        case _:
            return lanes


def element_stages(arithmetic: Arithmetic, weight: LaneAlphabet, weight_bits: int,
                   simd: int) -> int:
    """Register stages of an element: one for three levels that count, for two that add."""
    depth = 2 if arithmetic in (Arithmetic.SHIFT_ADD, Arithmetic.SELECT_ADD) else 3
    return -(-element_levels(arithmetic, weight, weight_bits, simd) // depth)


def element_latency(geometry: Geometry) -> int:
    """Register stages inside an element of an array."""
    return element_stages(geometry.arithmetic, geometry.weight, geometry.weight_bits, geometry.simd)


def exit_latency(geometry: Geometry) -> int:
    """Cycles from the issue of a group's last word to its first dot at the end of the chain.

    Two for the memory, one an element, and the element's own.
    """
    return 4 + geometry.chain_elements + element_latency(geometry)


def combiner_latency(geometry: Geometry) -> int:
    """Cycles from a dot at the end of its chain to its row's pre-activation: five, or eight where
    coefficients of activation planes come with the vectors.
    """
    return _COMBINER + (MIX if geometry.mixes_at_run_time else 0)


def pipeline_latency(layer: Layer, source: Source) -> int:
    """Cycles from the last pre-activation of a unit to its code.

    Parameters
    ----------
    layer : Layer
        Comparators for gates take fewer than tables and multipliers.
    source : Source
        Of the block: one of the state makes codes that are fed back, in a cell that has such.
    """
    return pipeline(layer).latency(_codes(layer, source))


def _codes(layer, source):
    """Name of the codes that a block's rows make."""
    feeds = layer.cell.feedback if source is Source.STATE else None
    return feeds or "h"


def result_latency(layer: Layer, geometry: Geometry, block: Block) -> int:
    """Cycles from the issue of a block's last word to the last code that it makes."""
    last = (block.dots - 1) % block.chain_elements
    latency = exit_latency(geometry) + last + combiner_latency(geometry)
    latency += pipeline_latency(layer, block.source)
    if layer.state_format.header:
        latency += microcode(layer.state_format, geometry.chain_units, geometry.chains).cycles
    return latency


def code_leads(layer: Layer, geometry: Geometry) -> np.ndarray:
    """Cycles by which the code of each of a chain's units comes before that of the last.

    Returns
    -------
    int64 array (units)
        Falling, the last one 0.
    """
    if layer.state_format.header:
        return np.arange(geometry.chain_units)[::-1]
    block = geometry.blocks[-1]
    complete = block.exits()[block.dots // block.chain_units - 1::block.dots // block.chain_units]
    return complete[-1] - complete


def first_row(geometry: Geometry) -> int:
    """Cycles from the issue of the first word of the block that completes rows to its first row's
    pre-activation, where all blocks are of inputs.
    """
    exits = geometry.blocks[-1].exits()[geometry.blocks[-1].planes - 1]
    return int(exits) + exit_latency(geometry) + combiner_latency(geometry)


def overlaps(layer: Layer, geometry: Geometry) -> bool:
    """Whether a step may begin while results of the one before leave: its rows multiply nothing
    that those make, and coefficients of planes that come with the vectors are none.
    """
    return not (layer.cell.recurrent or layer.state_format.header
                or geometry.mixes_at_run_time)


def waits(layer: Layer, geometry: Geometry) -> tuple[int, ...]:
    """For each block, the least cycles from its last word until one that waits is let in.

    After a block that completes rows, their codes must be complete. After any other its first rows
    must be in memory before they are read: zero but for the smallest layers. Where steps overlap,
    each unit's state must be in memory before the next step reads it: likewise.
    """
    result, blocks = list(row_waits(geometry)), geometry.blocks
    if overlaps(layer, geometry):
        block, made = blocks[-1], pipeline(layer)
        rows = block.exits()[block.planes - 1::block.planes].reshape(-1, len(block.gates))
        gap = int(np.max(rows[:, -1] - rows[:, 0])) + made.latency() + made.late() + 1
        result[-1] = max(0, gap - sum(each.cycles for each in blocks))
        return tuple(result)
    for index, block in enumerate(blocks):
        if block.completes:
            late = pipeline(layer).late(_codes(layer, block.source))
            result[index] = result_latency(layer, geometry, block) + late
    return tuple(result)


def row_waits(geometry: Geometry) -> tuple[int, ...]:
    """What ``waits`` says of blocks that do not complete their rows, and zero for the others; that
    is all for a readout.
    """
    blocks = geometry.blocks
    return tuple(0 if block.completes else memory_gap(block, following)
                 for block, following in zip(blocks, blocks[1:] + blocks[:1], strict=True))
