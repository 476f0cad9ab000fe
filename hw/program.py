"""The program of an array: what its ROMs hold, and the constants that follow from the codes.

An element counts what is cheapest to count (equal bits, products plus one), an input that is fed
bit by bit is read as offset binary, and lanes without a column hold known codes. What these choices
add to a dot product is a constant of its row, so it goes into the row's addend here and costs
nothing in the hardware.
"""

import dataclasses

import numpy as np
from amaranth import unsigned

from ternloom.hw.adder import SelectAdd, ShiftAdd
from ternloom.hw.arith import range_shape
from ternloom.hw.element import GatedPopcount, QuaternaryPopcount, XnorPopcount
from ternloom.hw.wire import encode, gain, lacks
from ternloom.model.format import Binary, Fixed, Planes
from ternloom.model.geometry import Element, Source
from ternloom.model.network import Cell, Weight


__all__ = ["BlockProgram", "Program", "layer_program", "make_element", "readout_program"]


def make_element(geometry):
    """A fresh element of the kind, width and lanes that the geometry asks for."""
    simd, weight, bits = geometry.simd, geometry.weight, geometry.weight_bits
    match geometry.element:
        case Element.XNOR_POPCOUNT:
            return XnorPopcount(simd)
        case Element.GATED_POPCOUNT:
            return GatedPopcount(simd, weight_bits=bits, activation_bits=geometry.activation_bits)
        case Element.QUATERNARY_POPCOUNT:
            return QuaternaryPopcount(simd)
        case Element.SHIFT_ADD:
            return ShiftAdd(simd, weight=weight, weight_bits=bits,
                            activation_width=geometry.activation_bits)
        case Element.SELECT_ADD:
            return SelectAdd(simd, weight=weight, weight_bits=bits,
                             activation_bits=geometry.activation_bits)


def _zero_bits_value(form):
    """Value of the code whose wire form is all zeros, which lanes without a column hold."""
    if isinstance(form, Binary):
        return -1
    return int(form.value(np.int64(0)))


def _value_range(form):
    if isinstance(form, Fixed):
        return form.low, form.high
    return -form.magnitude, form.magnitude


@dataclasses.dataclass(frozen=True)
class BlockProgram:
    """What one block of a chain needs.

    Parameters
    ----------
    words : int array (chains, dots, words, simd)
        Weight values, with the known ones of lanes without a column.
    coefficients : int array (chains, dots)
        Of the raw sum of each dot.
    constants : int array (chains, rows)
        What the raw sums lack.
    raw_low, raw_high : int
        Range of an element's accumulator.
    product_low, product_high : int array (chains, dots)
        Range of coefficient times raw sum, for the planes mixed.
    """

    words: np.ndarray
    coefficients: np.ndarray
    constants: np.ndarray
    raw_low: int
    raw_high: int
    product_low: np.ndarray
    product_high: np.ndarray


@dataclasses.dataclass(frozen=True)
class Program:
    """Everything that a layer's or readout's array holds.

    Parameters
    ----------
    geometry : Geometry
    blocks : tuple of BlockProgram
        One for each block of the geometry.
    addends : int array (chains, depth)
        What a row starts from: the rows of all input blocks, then the recurrent rows that stay
        apart.
    shift : int
        Bits that a row's sum drops.
    mix : tuple of int
        Coefficients of the activation planes.
    split : bool
        Whether the last gate's recurrent row stays apart from its input row.
    row_low, row_high : int
        Range of every partial sum of a row.
    """

    geometry: object
    blocks: tuple[BlockProgram, ...]
    addends: np.ndarray
    shift: int
    mix: tuple[int, ...]
    split: bool
    row_low: int
    row_high: int

    @property
    def raw_shape(self):
        """Of an element's accumulator."""
        low = min(part.raw_low for part in self.blocks)
        shape = range_shape(low, max(part.raw_high for part in self.blocks))
        return shape if low < 0 else unsigned(max(shape.width - 1, 1))

    @property
    def row_shape(self):
        """Of a row's sum."""
        return range_shape(self.row_low, self.row_high)

    def rom(self, chain, element):
        """Weight words of one element, in the order in which a step reads them."""
        geometry, words = self.geometry, []
        for block, part in zip(geometry.blocks, self.blocks, strict=True):
            for group in range(block.groups):
                dot = group * block.elements + block.elements - 1 - element
                if dot < block.dots:
                    words.extend(_pack(geometry, part.words[chain, dot]))
                else:
                    words.extend([0] * block.words)
        return words


def _pack(geometry, values):
    """Words of lane-major weight values as Python integers."""
    bits = geometry.weight_bits
    wire = encode(geometry.weight, bits, values)
    expanded = ((wire[..., None] >> np.arange(bits)) & 1).astype(np.uint8)
    packed = np.packbits(expanded.reshape(len(values), -1), axis=1, bitorder="little")
    return [int.from_bytes(row.tobytes(), "little") for row in packed]


def _arrange(geometry, block, values, pad):
    """Values (planes, gates, total, columns) as (chains, dots, words, simd), padded."""
    columns = geometry.columns(block)
    spare = np.full(values.shape[:-1] + (1,), pad, values.dtype)
    words = np.concatenate([values, spare], axis=-1)[..., columns]
    shape = (values.shape[0], len(block.gates), geometry.units * geometry.chains) + columns.shape
    full = np.full(shape, pad, dtype=values.dtype)
    full[:, :, :geometry.total] = words
    full = full.reshape(shape[:2] + (geometry.units, geometry.chains) + columns.shape)
    ordered = full.transpose(3, 2, 1, 0, 4, 5)
    return ordered.reshape((geometry.chains, block.dots) + columns.shape)


def _spread(geometry, values):
    """Values (planes, gates, total) as (chains, units, gates, planes).

    Units that a chain has and the layer has not repeat the last, so that a coefficient that is the
    same everywhere stays so.
    """
    absent = geometry.units * geometry.chains - geometry.total
    full = np.pad(values, ((0, 0), (0, 0), (0, absent)), mode="edge")
    full = full.reshape(values.shape[:2] + (geometry.units, geometry.chains))
    return full.transpose(3, 2, 1, 0)


class _Feed:
    """How a block's activations reach its elements, and what that adds to a dot."""

    def __init__(self, geometry, block, form):
        self.serial = block.serial > 1
        self.geometry = geometry
        one_bit = geometry.activation_bits == 1
        self.gain = self.element_gain = gain(geometry.element, geometry.activation_bits)
        self.pad = _zero_bits_value(form)
        self.lane_low, self.lane_high = _value_range(form)
        if self.serial:
            self.width = block.serial
            self.gain = self.element_gain / 2 if one_bit else self.element_gain
        elif geometry.element is not Element.SHIFT_ADD:
            self.lane_low, self.lane_high = -1, 1
            self.pad = -1 if one_bit else 0
        self.one_bit = one_bit

    def constants(self, values, absent):
        """What ``gain * raw`` lacks to the dot product, per activation plane.

        values (..., words, simd) include lanes without a column, marked by ``absent``.
        """
        lanes = values.astype(np.int64)
        total = lanes.sum(axis=(-1, -2))
        padding = (lanes * absent).sum(axis=(-1, -2)) * self.pad
        offset = self._offset(lanes)
        if not self.serial:
            return offset - padding
        ones = (1 << self.width) - 1
        counted = (offset + total) / 2 if self.one_bit else offset
        return counted * ones - (total << (self.width - 1)) - padding

    def raw_range(self, values, absent):
        """Lowest and highest accumulator of each dot; (...,) each."""
        lanes = values.astype(np.int64)
        present = lanes * ~absent
        positive = np.maximum(present, 0).sum(axis=(-1, -2))
        negative = np.minimum(present, 0).sum(axis=(-1, -2))
        low, high, pad = (self._accumulated(value)
                          for value in (self.lane_low, self.lane_high, self.pad))
        ones = (1 << self.width) - 1 if self.serial else 1
        fixed = (lanes * absent).sum(axis=(-1, -2)) * pad
        fixed -= self._offset(lanes) * ones
        lowest = positive * low + negative * high + fixed
        highest = positive * high + negative * low + fixed
        return lowest // self.element_gain, highest // self.element_gain

    def _offset(self, lanes):
        """What the elements lack over all words of a dot, fed once."""
        geometry = self.geometry
        return lacks(geometry.element, geometry.weight, geometry.weight_bits,
                     lanes).sum(axis=(-1, -2))

    def _accumulated(self, value):
        """What a lane of this value and of weight one adds, over all bit planes."""
        if not self.serial:
            return value
        bits = value + (1 << (self.width - 1))
        return 2 * bits - ((1 << self.width) - 1) if self.one_bit else bits


def _block_program(geometry, block, matrix, form, mix):
    gates = len(matrix.coefficients[0]) // geometry.total
    shape = (matrix.planes, gates, geometry.total)
    values = matrix.values.reshape(shape + (-1,))[:, list(block.gates)]
    coefficients = matrix.coefficients.astype(np.int64).reshape(shape)[:, list(block.gates)]
    pad = 0 if geometry.weight in (Weight.TERNARY, Weight.INTEGER) else 1
    words = _arrange(geometry, block, values, pad)
    absent = geometry.columns(block) < 0
    feed = _Feed(geometry, block, form)
    spread = _spread(geometry, coefficients)
    flat = spread.reshape(geometry.chains, block.dots)
    weights = (1,) if feed.serial or geometry.element is Element.SHIFT_ADD else mix
    constants = feed.constants(words, absent) * sum(weights) * flat
    if len(weights) == 1:
        flat, weights = flat * weights[0], (1,)
    rows = constants.reshape(geometry.chains, block.rows, block.planes).sum(axis=-1)
    raw_low, raw_high = feed.raw_range(words, absent)
    mixed_low, mixed_high = raw_low * sum(weights), raw_high * sum(weights)
    return feed.gain, flat, rows, words, raw_low, raw_high, mixed_low, mixed_high


def _assemble(geometry, parts, biases, shift, mix, split):
    """Scale everything to integers and gather the constants of each row in its addend.

    ``biases`` are (chains, rows) of the input blocks and, with ``split``, of the separate rows.
    """
    scale = 2 if any(float(part[0]) != int(part[0]) for part in parts) else 1
    blocks, addends = [], []
    for index, (block, part) in enumerate(zip(geometry.blocks, parts, strict=True)):
        gain, flat, rows, words, raw_low, raw_high, mixed_low, mixed_high = part
        coefficients = (flat * gain * scale).astype(np.int64)
        edges = np.stack([coefficients * mixed_low, coefficients * mixed_high])
        blocks.append(BlockProgram(words, coefficients, (rows * scale).astype(np.int64),
                                   int(raw_low.min(initial=0)), int(raw_high.max(initial=0)),
                                   edges.min(axis=0), edges.max(axis=0)))
        if block.source is Source.INPUT:
            addends.append(biases[len(addends)] * scale + blocks[-1].constants)
        else:
            constants = blocks[-1].constants.reshape(geometry.chains, geometry.units, -1)
            merged = addends[-1].reshape(geometry.chains, geometry.units, -1)
            if split:
                merged[:, :, :-1] += constants[:, :, :-1]
                tail = biases[-1] * scale + constants[:, :, -1]
            else:
                merged += constants
    if split:
        addends.append(tail)
    low, high = _row_range(geometry, blocks, addends, split)
    return Program(geometry, tuple(blocks), np.concatenate(addends, axis=1), shift + scale - 1,
                   mix, split, low, high)


def _row_range(geometry, blocks, addends, split):
    """Range over every prefix of every row's sum, worst case of the actual codes."""
    low = high = 0
    held_low = held_high = None
    pair = 0
    for block, part in zip(geometry.blocks, blocks, strict=True):
        shape = (geometry.chains, block.rows, block.planes)
        lows = np.cumsum(part.product_low.reshape(shape), axis=-1)
        highs = np.cumsum(part.product_high.reshape(shape), axis=-1)
        if block.source is Source.INPUT:
            start_low = start_high = addends[pair]
            pair += 1
        else:
            start_low, start_high = held_low.copy(), held_high.copy()
            if split:
                gate = len(block.gates) - 1
                start_low[:, gate::gate + 1] = start_high[:, gate::gate + 1] = addends[-1]
        low = min(low, int(np.min(start_low)), int((start_low[..., None] + lows).min()))
        high = max(high, int(np.max(start_high)), int((start_high[..., None] + highs).max()))
        held_low, held_high = start_low + lows[..., -1], start_high + highs[..., -1]
    return low, high


def _mix(geometry, form):
    return form.coefficients if isinstance(form, Planes) and geometry.activation_bits == 1 else (1,)


def layer_program(layer, geometry):
    """Program of a recurrent layer."""
    mix = _mix(geometry, layer.state_format)
    parts, biases = [], []
    bias = layer.bias.astype(np.int64).reshape(len(layer.cell.gates), layer.units)
    for block in geometry.blocks:
        is_input = block.source is Source.INPUT
        matrix = layer.input if is_input else layer.recurrent
        form = layer.input_format if is_input else layer.state_format
        parts.append(_block_program(geometry, block, matrix, form, mix))
        if is_input:
            biases.append(_spread(geometry, bias[None, list(block.gates)])
                          .reshape(geometry.chains, block.rows))
    split = layer.cell is Cell.GRU_RESET_AFTER
    if split:
        recurrent = layer.recurrent_bias.astype(np.int64)[None, None]
        biases.append(_spread(geometry, recurrent)
                      .reshape(geometry.chains, geometry.units))
    return _assemble(geometry, parts, biases, layer.shift, mix, split)


def readout_program(readout, geometry):
    """Program of a readout."""
    mix = _mix(geometry, readout.input_format)
    part = _block_program(geometry, geometry.blocks[0], readout.weights, readout.input_format, mix)
    bias = readout.bias.astype(np.int64).reshape(1, -1)
    return _assemble(geometry, [part], [bias], readout.shift, mix, False)
