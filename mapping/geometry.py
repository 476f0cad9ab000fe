"""Geometry: the chains, words and blocks that follow from a layer and its folding.

This is arithmetic on sizes only. The hardware is built from it and the timing model counts with it.
"""

import dataclasses
import enum
import functools
import math

import numpy as np

from ternloom.model.alphabet import BINARY, INTEGER, QUATERNARY, TERNARY, Alphabet, smallest
from ternloom.model.error import NetworkError
from ternloom.model.rounding import signed_width


__all__ = ["Block", "Element", "Geometry", "Source", "layer_geometry", "network_geometry",
           "readout_geometry"]


class Element(enum.Enum):
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
        Whether it is let in only when what earlier blocks make is complete: all of a layer but
        those of the input that have a recurrent half.
    serial : int
        Bit planes in which a word is fed, most significant first; 1 if fed whole.
    turns : int
        Activation planes that are fed one after another; 1 if they are fed at once.
    mix : tuple of int, or None
        Coefficients of the activation planes, (1,) where a dot has one sum; None if they come with
        each vector.
    units : int
        Units of a chain.
    elements : int
        Processing elements of a chain.
    """

    source: Source
    gates: tuple[int, ...]
    planes: int
    words: int
    waits: bool
    serial: int
    units: int
    elements: int
    turns: int = 1
    mix: tuple[int, ...] | None = (1,)

    @property
    def rows(self):
        """Rows of a chain."""
        return self.units * len(self.gates)

    @property
    def dots(self):
        """Dot products of a chain."""
        return self.rows * self.planes

    @property
    def groups(self):
        """Groups of dots that the elements of a chain work on together."""
        return -(-self.dots // self.elements)

    @property
    def passes(self):
        """Times that the words of a dot are gone through."""
        return self.serial * self.turns

    @property
    def period(self):
        """Cycles a group: its words, or the elements of a chain where those are more."""
        return max(self.words * self.passes, self.elements)

    @property
    def cycles(self):
        """Cycles in which the block occupies the array."""
        return self.groups * self.period

    def exits(self):
        """Cycle after the block's first at which each dot's group ends, plus its place in it."""
        dot = np.arange(self.dots)
        return (dot // self.elements + 1) * self.period - 1 + dot % self.elements


@dataclasses.dataclass(frozen=True)
class Geometry:
    """An array and the blocks that make a step.

    Parameters
    ----------
    element : Element
    weight : Alphabet
        Alphabet that holds all weights of the array; binary for planes.
    weight_bits : int
        Bits of a weight in the ROM.
    activation_bits : int
        Bits of a lane: 1, 2, or the width of the widest value for ``SHIFT_ADD``.
    activation_planes : int
        Activation planes, of which each dot has a sum.
    in_turn : bool
        The planes meet a weight word one after another, not at once.
    chains, elements : int
        Systolic chains, and processing elements of each.
    simd : int
    units : int
        Units (or classes) of a chain.
    total : int
        Units of the layer.
    inputs : int
    beat_lanes : int
        Codes that arrive together in the input buffer.
    blocks : tuple of Block
    """

    element: Element
    weight: Alphabet
    weight_bits: int
    activation_bits: int
    activation_planes: int
    in_turn: bool
    chains: int
    elements: int
    simd: int
    units: int
    total: int
    inputs: int
    beat_lanes: int
    blocks: tuple[Block, ...]

    @property
    def planes_at_once(self):
        """Activation planes that meet a weight word at once."""
        return 1 if self.in_turn else self.activation_planes

    @property
    def slice(self):
        """Lanes of a state word that belong to one chain."""
        return self.simd // self.chains

    @property
    def state_words(self):
        """Words of the state memory."""
        return -(-self.units // self.slice)

    @property
    def beats(self):
        """Beats of an input vector."""
        return -(-self.inputs // self.beat_lanes)

    @property
    def beats_per_row(self):
        """Beats that share a row of the input buffer."""
        return max(1, self.simd // self.beat_lanes)

    @property
    def words_per_row(self):
        """Words in a row of the input buffer, a power of two."""
        return 1 << (-(-self.beat_lanes // self.simd) - 1).bit_length()

    @property
    def input_rows(self):
        """Rows of one bank of the input buffer."""
        return -(-self.beats // self.beats_per_row)

    @property
    def input_words(self):
        """Words of an input vector."""
        return self.input_rows * self.words_per_row

    @functools.cached_property
    def input_columns(self):
        """Input element of each word and lane, -1 where there is none; (words, simd)."""
        columns = np.full((self.input_words, self.simd), -1)
        for word, lane in np.ndindex(columns.shape):
            if self.words_per_row > 1 or self.beat_lanes > self.simd:
                beat, sub = divmod(word, self.words_per_row)
                place = sub * self.simd + lane
            else:
                beat, place = divmod(lane, self.beat_lanes)
                if beat >= self.beats_per_row:
                    continue
                beat += word * self.beats_per_row
            if place < self.beat_lanes and beat * self.beat_lanes + place < self.inputs:
                columns[word, lane] = beat * self.beat_lanes + place
        return columns

    @functools.cached_property
    def state_columns(self):
        """Unit of each word and lane of the state memory, -1 where there is none."""
        columns = np.full((self.state_words, self.simd), -1)
        for word, lane in np.ndindex(columns.shape):
            chain, place = divmod(lane, self.slice)
            local = word * self.slice + place
            if local < self.units and local * self.chains + chain < self.total:
                columns[word, lane] = local * self.chains + chain
        return columns

    def columns(self, block):
        """Column of the block's matrix at each word and lane, -1 where there is none."""
        return self.input_columns if block.source is Source.INPUT else self.state_columns

    @property
    def mixes_at_run_time(self):
        """Whether coefficients of activation planes come with some vectors."""
        return any(block.mix is None for block in self.blocks)

    @property
    def ideal_cycles(self):
        """Cycles of a step if every lane did a product of the matrices every cycle."""
        products = sum(b.planes * len(b.gates) * self.total * b.passes
                       * (self.inputs if b.source is Source.INPUT else self.total)
                       for b in self.blocks)
        return products / (self.chains * self.elements * self.simd)

    @property
    def busy_cycles(self):
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
    found = [matrix.weight.lane(matrix.codes) or (INTEGER, None) for matrix in matrices]
    weight = smallest({weight for weight, _ in found})
    if weight != INTEGER:
        return weight, max(bits for each, bits in found if each == weight)
    low = min(int(matrix.values.min()) for matrix in matrices)
    high = max(int(matrix.values.max()) for matrix in matrices)
    if not -128 <= low <= high <= 127:
        raise NetworkError(f"{name} must have weights from -128 to 127 where an exponential and "
                           f"another alphabet meet, not from {low} to {high}")
    return INTEGER, max(2, signed_width(low, high))


#: What counts products with one-bit activations; weights of other alphabets are selected.
_POPCOUNTS = {BINARY: Element.XNOR_POPCOUNT, TERNARY: Element.GATED_POPCOUNT,
              QUATERNARY: Element.QUATERNARY_POPCOUNT}


def _element(weight, form):
    """Element, lane bits and lane planes for a multiplied format."""
    if not form.counted:
        kind = Element.SHIFT_ADD
    elif form.lane_bits == 1:
        kind = _POPCOUNTS.get(weight, Element.SELECT_ADD)
    else:
        kind = Element.GATED_POPCOUNT if weight in (BINARY, TERNARY) else Element.SELECT_ADD
    return kind, form.lane_bits, form.lane_planes


def _same_planes(first, second):
    """Whether two formats of few levels feed lanes of one width in the same number of planes."""
    lanes = {(form.counted, form.lane_bits, form.lane_planes) for form in (first, second)}
    return len(lanes) == 1 and first.counted


def _mix(element, form, serial):
    """Coefficients of the activation planes of a block."""
    if element is Element.SHIFT_ADD or serial > 1:
        return (1,)
    return None if form.header else form.coefficients


def layer_geometry(layer, folding, beat_lanes):
    """Geometry of a recurrent layer.

    Parameters
    ----------
    layer : Layer
    folding : LayerFolding
    beat_lanes : int
        Codes that arrive together: the input stream's, or the chains of the layer before.
    """
    recurrent = layer.cell.recurrent
    weight, weight_bits = _wire(layer.matrices.values(), "a layer's matrices")
    element, lane_bits, lane_planes = _element(
        weight, layer.state_format if recurrent else layer.input_format)
    in_turn = folding.in_turn and lane_planes > 1
    serial, turns = 1, lane_planes if in_turn else 1
    if element is Element.SHIFT_ADD:
        lane_bits = max(lane_bits, layer.input_format.value_width)
    elif recurrent and not _same_planes(layer.input_format, layer.state_format):
        serial = layer.input_format.value_width
    # The chains' results leave in the block that completes the rows.
    chains = _split(folding, -(-(layer.units if recurrent else layer.inputs) // folding.simd))
    frame = Geometry(element, weight, weight_bits, lane_bits, lane_planes, in_turn, chains,
                     folding.pe // chains, folding.simd, -(-layer.units // chains), layer.units,
                     layer.inputs, beat_lanes, ())
    block = functools.partial(Block, units=frame.units, elements=frame.elements)

    def halves(gates, source):
        given = block(Source.INPUT, gates, layer.input.planes, frame.input_words, not recurrent,
                      serial, turns=turns if serial == 1 else 1,
                      mix=_mix(element, layer.input_format, serial))
        if not recurrent:
            return given,
        return given, block(source, gates, layer.recurrent.planes, frame.state_words, True, 1,
                            turns=turns, mix=_mix(element, layer.state_format, 1))

    blocks, first = (), 0
    for gates, source in zip(layer.cell.passes, (Source.STATE, Source.RESET)):
        blocks += halves(tuple(range(first, first + len(gates))), source)
        first += len(gates)
    return dataclasses.replace(frame, blocks=blocks)


def readout_geometry(readout, folding, beat_lanes):
    """Geometry of a readout: one chain, one block."""
    weight, weight_bits = _wire((readout.weights,), "the readout's matrix")
    element, lane_bits, lane_planes = _element(weight, readout.input_format)
    in_turn = folding.in_turn and lane_planes > 1
    frame = Geometry(element, weight, weight_bits, lane_bits, lane_planes, in_turn, 1, folding.pe,
                     folding.simd, readout.classes, readout.classes, readout.inputs, beat_lanes, ())
    block = Block(Source.INPUT, (0,), readout.weights.planes, frame.input_words, False, 1,
                  readout.classes, folding.pe, lane_planes if in_turn else 1,
                  _mix(element, readout.input_format, 1))
    return dataclasses.replace(frame, blocks=(block,))


def network_geometry(network, folding):
    """Geometries of a network's layers in order, then of its readout if it has one."""
    geometries, beat_lanes = [], folding.input_lanes
    for layer, part in zip(network.layers, folding.layers, strict=True):
        geometries.append(layer_geometry(layer, part, beat_lanes))
        beat_lanes = geometries[-1].chains
    if network.readout is not None:
        geometries.append(readout_geometry(network.readout, folding.readout, beat_lanes))
    return tuple(geometries)
