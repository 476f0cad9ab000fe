"""Geometry: the chains, words and blocks that follow from a layer and its folding.

This is arithmetic on sizes only. The hardware is built from it and the timing model counts with it.
"""

import dataclasses
import enum
import functools
import math

import numpy as np

from ternloom.mapping.folding import LayerFolding
from ternloom.mapping.layout import InputLayout
from ternloom.model.alphabet import BINARY, INTEGER, QUATERNARY, TERNARY, smallest_lane
from ternloom.model.alphabet.alphabet import LaneAlphabet
from ternloom.model.error import NetworkError
from ternloom.model.node import Layer, Readout


__all__ = ["Arithmetic", "Block", "Geometry", "Source", "layer_geometry", "memory_gap",
           "readout_geometry"]


#: Cycles from a row's sum at the combiner until the next block's read of it finds it in memory.
_STORED = 4


class Arithmetic(enum.Enum):
    """Lane arithmetic of an array, chosen by the formats of weights and state."""

    #: Binary weights, lanes of one bit.
    XNOR_POPCOUNT       = "xnor-popcount"
    #: Binary or ternary weights, lanes of one or two bits, not both binary.
    GATED_POPCOUNT      = "gated-popcount"
    #: Quaternary weights, lanes of one bit.
    QUATERNARY_POPCOUNT = "quaternary-popcount"
    #: Weights of any alphabet, lanes of fixed point.
    SHIFT_ADD           = "shift-add"
    #: Weights of several bits, lanes of one or two bits.
    SELECT_ADD          = "select-add"


class Source(enum.Enum):
    """What a block multiplies."""

    #: The input vector x(t).
    INPUT = "input"
    #: The state codes h(t-1).
    STATE = "state"
    #: The codes of r*h, in a GRU that resets before the product.
    RESET = "reset"


@dataclasses.dataclass(frozen=True)
class Block:
    """A run of the array over some gates of all units, with one source.

    Parameters
    ----------
    source : Source
    gates : tuple of int
        Gate indices of the rows, in the order in which they leave.
    planes : int
        Weight planes, so dots a row.
    words : int
        Activation words a dot.
    waits : bool
        Whether it is let in only when what earlier blocks make is complete: what completes the rows
        of a layer, and in the smallest of several inputs what goes on with rows that have not got
        to memory.
    serial : int
        Bit planes in which a word is fed, most significant first; 1 if fed whole.
    begins, completes : bool
        Whether its rows start from their addends, not from what waits in memory, and whether they
        are complete at its end, not to wait in memory.
    port : int
        Which of the inputs it multiplies.
    turns : int
        Activation planes that are fed one after another; 1 if they are fed at once.
    mix : tuple of int, or None
        Coefficients of the activation planes, (1,) where a dot has one sum; None if they come with
        each vector.
    chain_units : int
        Units of a chain.
    chain_elements : int
        Processing elements of a chain.
    """

    source: Source
    gates: tuple[int, ...]
    planes: int
    words: int
    waits: bool
    serial: int
    chain_units: int
    chain_elements: int
    begins: bool = True
    completes: bool = True
    port: int = 0
    turns: int = 1
    mix: tuple[int, ...] | None = (1,)

    @property
    def rows(self) -> int:
        """Rows of a chain."""
        return self.chain_units * len(self.gates)

    @property
    def dots(self) -> int:
        """Dot products of a chain."""
        return self.rows * self.planes

    @property
    def groups(self) -> int:
        """Groups of dots that the elements of a chain work on together."""
        return -(-self.dots // self.chain_elements)

    @property
    def passes(self) -> int:
        """Times that the words of a dot are gone through."""
        return self.serial * self.turns

    @property
    def period(self) -> int:
        """Cycles a group: its words, or the elements of a chain where those are more."""
        return max(self.words * self.passes, self.chain_elements)

    @property
    def cycles(self) -> int:
        """Cycles in which the block occupies the array."""
        return self.groups * self.period

    def exits(self) -> np.ndarray:
        """Cycle after the block's first at which each dot's group ends, plus its place in it."""
        dot = np.arange(self.dots)
        return (dot // self.chain_elements + 1) * self.period - 1 + dot % self.chain_elements


def memory_gap(block: Block, following: Block) -> int:
    """Cycles after a block's end before the next one of the same rows may begin, so that each row
    is in memory before it is read: none but in the smallest layers.
    """
    complete = block.exits()[block.planes - 1::block.planes]
    wanted = following.exits()[::following.planes]
    return max(0, int(np.max(complete - wanted)) + _STORED - block.cycles)


@dataclasses.dataclass(frozen=True)
class Geometry:
    """An array and the blocks that make a step.

    Parameters
    ----------
    arithmetic : Arithmetic
    weight : Alphabet
        Alphabet that holds all weights of the array; binary for planes.
    weight_bits : int
        Bits of a weight in the ROM.
    activation_bits : int
        Bits of a lane: 1, 2, or the width of the widest value for ``SHIFT_ADD``.
    activation_planes : int
        Activation planes, of which each dot has a sum.
    multiplexed : bool
        The planes meet a weight word one after another, not at once.
    chains, chain_elements : int
        Systolic chains, and processing elements of each.
    simd : int
    chain_units : int
        Units (or classes) of a chain.
    units : int
        Units of the layer.
    inputs : tuple of InputLayout
        In the buffer of each input.
    blocks : tuple of Block
    """

    arithmetic: Arithmetic
    weight: LaneAlphabet
    weight_bits: int
    activation_bits: int
    activation_planes: int
    multiplexed: bool
    chains: int
    chain_elements: int
    simd: int
    chain_units: int
    units: int
    inputs: tuple[InputLayout, ...]
    blocks: tuple[Block, ...]

    @property
    def planes_at_once(self) -> int:
        """Activation planes that meet a weight word at once."""
        return 1 if self.multiplexed else self.activation_planes

    @property
    def slice(self) -> int:
        """Lanes of a state word that belong to one chain."""
        return self.simd // self.chains

    @property
    def state_words(self) -> int:
        """Words of the state memory."""
        return -(-self.chain_units // self.slice)

    @functools.cached_property
    def state_columns(self) -> np.ndarray:
        """Unit of each word and lane of the state memory, -1 where there is none."""
        columns = np.full((self.state_words, self.simd), -1)
        for word, lane in np.ndindex(columns.shape):
            chain, place = divmod(lane, self.slice)
            local = word * self.slice + place
            if local < self.chain_units and local * self.chains + chain < self.units:
                columns[word, lane] = local * self.chains + chain
        return columns

    def columns(self, block: Block) -> np.ndarray:
        """Column of the block's matrix at each word and lane, -1 where there is none."""
        if block.source is Source.INPUT:
            return self.inputs[block.port].columns
        return self.state_columns

    @property
    def mixes_at_run_time(self) -> bool:
        """Whether coefficients of activation planes come with some vectors."""
        return any(block.mix is None for block in self.blocks)

    @property
    def ideal_cycles(self) -> float:
        """Cycles of a step if every lane did a product of the matrices every cycle."""
        products = sum(b.planes * len(b.gates) * self.units * b.passes
                       * (self.inputs[b.port].elements if b.source is Source.INPUT
                          else self.units) for b in self.blocks)
        return products / (self.chains * self.chain_elements * self.simd)

    @property
    def busy_cycles(self) -> int:
        """Cycles of a step in which the array takes words."""
        return sum(block.groups * block.words * block.passes for block in self.blocks)


def _split(folding, words):
    """Chains: the fewest that let a chain's results leave while the next group is read."""
    divisors = [d for d in range(1, math.gcd(folding.pe, folding.simd) + 1)
                if folding.pe % d == 0 and folding.simd % d == 0]
    for chains in divisors:
        if folding.pe // chains <= words:
            return chains
    return divisors[-1]


def _wire(matrices, name):
    """Alphabet and bits of a lane that hold the weights of all matrices of an array."""
    weight = smallest_lane({(matrix.weight.lane(matrix.codes) or (INTEGER, 0))[0]
                            for matrix in matrices})
    if weight == INTEGER:
        low = min(int(matrix.values.min()) for matrix in matrices)
        high = max(int(matrix.values.max()) for matrix in matrices)
        if not -128 <= low <= high <= 127:
            raise NetworkError(f"{name} must have weights from -128 to 127 where an exponential "
                               f"and another alphabet meet, not from {low} to {high}")
    return weight, max(weight.lane_width(matrix.values) for matrix in matrices)


#: What counts products with one-bit activations; weights of other alphabets are selected.
_POPCOUNTS = {BINARY: Arithmetic.XNOR_POPCOUNT, TERNARY: Arithmetic.GATED_POPCOUNT,
              QUATERNARY: Arithmetic.QUATERNARY_POPCOUNT}


def _arithmetic(weight, form):
    """Arithmetic, lane bits and lane planes for a multiplied format."""
    if not form.counted:
        arithmetic = Arithmetic.SHIFT_ADD
    elif form.lane_bits == 1:
        arithmetic = _POPCOUNTS.get(weight, Arithmetic.SELECT_ADD)
    elif weight in (BINARY, TERNARY):
        arithmetic = Arithmetic.GATED_POPCOUNT
    else:
        arithmetic = Arithmetic.SELECT_ADD
    return arithmetic, form.lane_bits, form.lane_planes


def _same_planes(first, second):
    """Whether two formats of few levels feed lanes of one width in the same number of planes."""
    lanes = {(form.counted, form.lane_bits, form.lane_planes) for form in (first, second)}
    return len(lanes) == 1 and first.counted


def _mix(arithmetic, form, serial):
    """Coefficients of the activation planes of a block."""
    if arithmetic is Arithmetic.SHIFT_ADD or serial > 1:
        return (1,)
    return None if form.header else form.coefficients


def _halves(block, operands, gates, frame, serials, turns):
    """Blocks of some gates over all inputs, which go on with each other's rows."""
    made = []
    for port, (operand, serial) in enumerate(zip(operands, serials, strict=True)):
        made.append(block(Source.INPUT, gates, operand.matrix.planes, frame.inputs[port].words,
                          False, serial, begins=port == 0, completes=False, port=port,
                          turns=turns if serial == 1 else 1,
                          mix=_mix(frame.arithmetic, operand.format, serial)))
    for index, (before, after) in enumerate(zip(made, made[1:], strict=False)):
        made[index + 1] = dataclasses.replace(after, waits=memory_gap(before, after) > 0)
    return made


def _lanes(operands, main, matrices, multiplexed, name
           ) -> tuple[tuple[Arithmetic, LaneAlphabet, int, int, int, bool], list[int]]:
    """Arithmetic, alphabet, widths and planes of an array, and the bit planes of each operand.

    ``main`` is the format whose codes are fed as they are; others of few levels too if they have
    the same planes, else bit by bit.
    """
    weight, weight_bits = _wire(matrices, name)
    arithmetic, lane_bits, lane_planes = _arithmetic(weight, main)
    serials = [1] * len(operands)
    if arithmetic is Arithmetic.SHIFT_ADD:
        lane_bits = max([lane_bits, *(operand.format.value_width for operand in operands)])
    else:
        serials = [1 if _same_planes(operand.format, main) else operand.format.value_width
                   for operand in operands]
    multiplexed = multiplexed and lane_planes > 1
    return (arithmetic, weight, weight_bits, lane_bits, lane_planes, multiplexed), serials


def layer_geometry(layer: Layer, folding: LayerFolding, *beat_slots: int) -> Geometry:
    """Geometry of a layer.

    Parameters
    ----------
    layer : Layer
    folding : LayerFolding
    *beat_slots : int
        Codes that arrive together of each input: the input stream's, or the chains of the layer
        that it comes from.
    """
    recurrent = layer.cell.recurrent
    main = layer.state_format if recurrent else layer.input_format
    lanes, serials = _lanes(layer.operands, main, layer.matrices.values(), folding.multiplexed,
                            "a layer's matrices")
    turns = lanes[4] if lanes[5] else 1
    inputs = _layouts(layer, folding, beat_slots)
    # The chains' results leave in the block that completes the rows.
    last = layer.units if recurrent else layer.operands[-1].matrix.columns
    chains = _split(folding, -(-last // folding.simd))
    frame = Geometry(*lanes, chains, folding.pe // chains, folding.simd, -(-layer.units // chains),
                     layer.units, inputs, ())
    block = functools.partial(Block, chain_units=frame.chain_units,
                              chain_elements=frame.chain_elements)

    blocks, first = [], 0
    for names, source in zip(layer.cell.passes, (Source.STATE, Source.RESET)):
        gates = tuple(range(first, first + len(names)))
        blocks += _halves(block, layer.operands, gates, frame, serials, turns)
        if layer.recurrent is not None:
            blocks.append(block(source, gates, layer.recurrent.planes, frame.state_words, True, 1,
                                begins=False, turns=turns,
                                mix=_mix(frame.arithmetic, layer.state_format, 1)))
        blocks[-1] = dataclasses.replace(blocks[-1], completes=True, waits=True)
        first += len(gates)
    return dataclasses.replace(frame, blocks=tuple(blocks))


def _layouts(body, folding, beat_slots):
    return tuple(InputLayout(operand.matrix.columns, slots, folding.simd)
                 for operand, slots in zip(body.operands, beat_slots, strict=True))


def readout_geometry(readout: Readout, folding: LayerFolding, *beat_slots: int) -> Geometry:
    """Geometry of a readout: one chain, a block for each input; arguments as of
    ``layer_geometry``.
    """
    lanes, serials = _lanes(readout.operands, readout.input_format, readout.matrices.values(),
                            folding.multiplexed, "the readout's matrix")
    frame = Geometry(*lanes, 1, folding.pe, folding.simd, readout.classes, readout.classes,
                     _layouts(readout, folding, beat_slots), ())
    block = functools.partial(Block, chain_units=readout.classes, chain_elements=folding.pe)
    blocks = _halves(block, readout.operands, (0,), frame, serials, lanes[4] if lanes[5] else 1)
    blocks[-1] = dataclasses.replace(blocks[-1], completes=True)
    return dataclasses.replace(frame, blocks=tuple(blocks))
