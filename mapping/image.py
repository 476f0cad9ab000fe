"""The image of an array: what its ROMs hold, and the constants that follow from the codes.

An element counts what is cheapest to count (equal bits, products plus one), an input that is fed
bit by bit is read as offset binary, and lanes without a column hold known codes. What these choices
add to a dot product is a constant of its row, so it goes into the row's addend here and costs
nothing in the hardware.
"""

import numpy as np

from ternloom.mapping.geometry import Arithmetic, Geometry, Source
from ternloom.mapping.wire import offset, scale
from ternloom.model.format import Format
from ternloom.model.frozen import Frozen
from ternloom.model.node import Layer, Readout


__all__ = ["BlockImage", "Image", "layer_image", "readout_image"]


class BlockImage(Frozen):
    """What one block of a chain needs.

    Parameters
    ----------
    words : int array (chains, dots, words, simd)
        Weight values, with the known ones of lanes without a column.
    scale : int
    offset : int array (chains, dots)
        Where coefficients of activation planes come with the vector, the signed sum of a plane is
        ``scale * raw + offset``; elsewhere 1 and 0, both being part of what follows.
    coefficients : int array (chains, dots)
        Of the mix of each dot's sums.
    constants : int array (chains, rows)
        Offsets of the rows' raw sums.
    raw_low, raw_high : int
        Range of an element's accumulator.
    mixed_low, mixed_high : int array (chains, dots)
        Range of each dot's sums, mixed.
    """

    words: np.ndarray
    scale: int
    offset: np.ndarray
    coefficients: np.ndarray
    constants: np.ndarray
    raw_low: int
    raw_high: int
    mixed_low: np.ndarray
    mixed_high: np.ndarray

    @property
    def product_low(self) -> np.ndarray:
        """Smallest product of a coefficient and a mix, (chains, dots)."""
        return np.minimum(self.coefficients * self.mixed_low, self.coefficients * self.mixed_high)

    @property
    def product_high(self) -> np.ndarray:
        """Largest product of a coefficient and a mix, (chains, dots)."""
        return np.maximum(self.coefficients * self.mixed_low, self.coefficients * self.mixed_high)


class Image(Frozen):
    """Everything that a node's array holds.

    Parameters
    ----------
    geometry : Geometry
    formats : tuple of Format
        Of the codes of each block's source.
    blocks : tuple of BlockImage
        One for each block of the geometry.
    addends : int array (chains, depth)
        What a row starts from: the rows of all blocks that begin rows, then the recurrent rows
        that stay apart.
    shift : int
        Bits that a row's sum drops.
    split : bool
        Whether the last gate's recurrent row stays apart from its input row.
    row_low, row_high : int
        Range of every partial sum of a row.
    """

    geometry: Geometry
    formats: tuple[Format, ...]
    blocks: tuple[BlockImage, ...]
    addends: np.ndarray
    shift: int
    split: bool
    row_low: int
    row_high: int

    def rom(self, chain: int, element: int) -> list[int]:
        """Weight words of one element, in the order in which a step reads them."""
        geometry, words = self.geometry, []
        for block, part in zip(geometry.blocks, self.blocks, strict=True):
            for group in range(block.groups):
                dot = group * block.chain_elements + block.chain_elements - 1 - element
                if dot < block.dots:
                    words.extend(_rom_words(geometry, part.words[chain, dot]))
                else:
                    words.extend([0] * block.words)
        return words


def _rom_words(geometry, values):
    """Words of lane-major weight values as Python integers."""
    bits = geometry.weight_bits
    wire = geometry.weight.wire(values, bits)
    expanded = ((wire[..., None] >> np.arange(bits)) & 1).astype(np.uint8)
    packed = np.packbits(expanded.reshape(len(values), -1), axis=1, bitorder="little")
    return [int.from_bytes(row.tobytes(), "little") for row in packed]


def _arrange(geometry, block, values, pad):
    """Values (planes, gates, units, columns) as (chains, dots, words, simd), padded."""
    columns = geometry.columns(block)
    spare = np.full(values.shape[:-1] + (1,), pad, values.dtype)
    words = np.concatenate([values, spare], axis=-1)[..., columns]
    depth, chains = geometry.chain_units, geometry.chains
    shape = (values.shape[0], len(block.gates), depth * chains) + columns.shape
    full = np.full(shape, pad, dtype=values.dtype)
    full[:, :, :geometry.units] = words
    full = full.reshape(shape[:2] + (depth, chains) + columns.shape)
    ordered = full.transpose(3, 2, 1, 0, 4, 5)
    return ordered.reshape((chains, block.dots) + columns.shape)


def _spread(geometry, values):
    """Values (planes, gates, units) as (chains, units, gates, planes).

    Units that a chain has and the layer has not repeat the last, so that a coefficient that is the
    same everywhere stays so.
    """
    absent = geometry.chain_units * geometry.chains - geometry.units
    full = np.pad(values, ((0, 0), (0, 0), (0, absent)), mode="edge")
    full = full.reshape(values.shape[:2] + (geometry.chain_units, geometry.chains))
    return full.transpose(3, 2, 1, 0)


class _Feed:
    """How a block's activations reach its elements, and what that adds to a dot."""

    def __init__(self, geometry, block, form):
        self.serial = block.serial > 1
        self.geometry = geometry
        one_bit = geometry.activation_bits == 1
        self.element_scale = scale(geometry.arithmetic, geometry.activation_bits)
        self.scale: float = self.element_scale
        self.pad = form.padding
        self.lane_low, self.lane_high = form.value_range
        if self.serial:
            self.width = block.serial
            self.scale = self.element_scale / 2 if one_bit else self.element_scale
        elif geometry.arithmetic is not Arithmetic.SHIFT_ADD:
            self.lane_low, self.lane_high = -1, 1
            self.pad = -1 if one_bit else 0
        self.one_bit = one_bit

    def constants(self, values, absent):
        """What the dot product is beyond ``scale * raw``, per activation plane.

        values (..., words, simd) include lanes without a column, marked by ``absent``.
        """
        lanes = values.astype(np.int64)
        total = lanes.sum(axis=(-1, -2))
        padding = (lanes * absent).sum(axis=(-1, -2)) * self.pad
        fixed = self._offset(lanes)
        if not self.serial:
            return fixed - padding
        ones = (1 << self.width) - 1
        counted = (fixed + total) / 2 if self.one_bit else fixed
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
        return lowest // self.element_scale, highest // self.element_scale

    def _offset(self, lanes):
        """The elements' offset over all words of a dot, fed once."""
        geometry = self.geometry
        return offset(geometry.arithmetic, geometry.weight, geometry.weight_bits,
                      lanes).sum(axis=(-1, -2))

    def _accumulated(self, value):
        """What a lane of this value and of weight one adds, over all bit planes."""
        if not self.serial:
            return value
        bits = value + (1 << (self.width - 1))
        return 2 * bits - ((1 << self.width) - 1) if self.one_bit else bits


class _Part(Frozen):
    """A block before everything is scaled to integers.

    ``factor`` times a coefficient, and ``rows``, may be halves; the other fields are those of
    ``BlockImage``.
    """

    words: np.ndarray
    factor: float
    coefficients: np.ndarray
    rows: np.ndarray
    scale: int
    offset: np.ndarray
    raw: tuple[np.ndarray, np.ndarray]
    mixed: tuple[np.ndarray, np.ndarray]

    def multiplied(self, multiple):
        """The image of the block, every product times ``multiple``."""
        coefficients = (self.coefficients * self.factor * multiple).astype(np.int64)
        return BlockImage(self.words, self.scale, self.offset, coefficients,
                          (self.rows * multiple).astype(np.int64),
                          int(self.raw[0].min(initial=0)), int(self.raw[1].max(initial=0)),
                          *self.mixed)


def _part(geometry, block, matrix, form):
    gates = len(matrix.coefficients[0]) // geometry.units
    shape = (matrix.planes, gates, geometry.units)
    values = matrix.values.reshape(shape + (-1,))[:, list(block.gates)]
    coefficients = matrix.coefficients.astype(np.int64).reshape(shape)[:, list(block.gates)]
    pad = 0 if 0 in geometry.weight.codes else 1
    words = _arrange(geometry, block, values, pad)
    absent = geometry.columns(block) < 0
    feed = _Feed(geometry, block, form)
    flat = _spread(geometry, coefficients).reshape(geometry.chains, block.dots)
    raw, offsets = feed.raw_range(words, absent), feed.constants(words, absent)
    if block.mix is None:
        sums = np.maximum(-(raw[0] * feed.scale + offsets), raw[1] * feed.scale + offsets)
        mixed = -sums * form.magnitude, sums * form.magnitude
        rows = np.zeros((geometry.chains, block.rows), dtype=np.int64)
        return _Part(words, 1, flat, rows, feed.element_scale, offsets, raw, mixed)
    constants = (offsets * sum(block.mix) * flat).reshape(geometry.chains, block.rows, -1)
    if len(block.mix) == 1:
        # The coefficients of a single plane are one with those of the rows.
        flat, mixed = flat * block.mix[0], raw
    else:
        mixed = raw[0] * sum(block.mix), raw[1] * sum(block.mix)
    return _Part(words, feed.scale, flat, constants.sum(axis=-1), 1, np.zeros_like(flat), raw,
                 mixed)


def _assemble(geometry, formats, parts, biases, shift, split):
    """Scale everything to integers and gather the constants of each row in its addend.

    ``biases`` are (chains, rows) of the blocks that begin rows and, with ``split``, of the separate
    rows.
    """
    multiple = 2 if any(float(part.factor) != int(part.factor) for part in parts) else 1
    blocks = [part.multiplied(multiple) for part in parts]
    addends: list[np.ndarray] = []
    for block, part in zip(geometry.blocks, blocks, strict=True):
        if block.begins:
            addends.append(biases[len(addends)] * multiple + part.constants)
        else:
            constants = part.constants.reshape(geometry.chains, geometry.chain_units, -1)
            merged = addends[-1].reshape(geometry.chains, geometry.chain_units, -1)
            if split and block.source is not Source.INPUT:
                merged[:, :, :-1] += constants[:, :, :-1]
                tail = biases[-1] * multiple + constants[:, :, -1]
            else:
                merged += constants
    if split:
        addends.append(tail)
    low, high = _row_range(geometry, blocks, addends, split)
    return Image(geometry, formats, tuple(blocks), np.concatenate(addends, axis=1),
                 shift + multiple - 1, split, low, high)


def _row_range(geometry, blocks, addends, split):
    """Range over every prefix of every row's sum, worst case of the actual codes."""
    low = high = 0
    held: tuple[np.ndarray, ...] = ()
    pair = 0
    for block, part in zip(geometry.blocks, blocks, strict=True):
        shape = (geometry.chains, block.rows, block.planes)
        lows = np.cumsum(part.product_low.reshape(shape), axis=-1)
        highs = np.cumsum(part.product_high.reshape(shape), axis=-1)
        if block.begins:
            start_low = start_high = addends[pair]
            pair += 1
        else:
            start_low, start_high = (each.copy() for each in held)
            if split and block.source is not Source.INPUT:
                gate = len(block.gates) - 1
                start_low[:, gate::gate + 1] = start_high[:, gate::gate + 1] = addends[-1]
        low = min(low, int(np.min(start_low)), int((start_low[..., None] + lows).min()))
        high = max(high, int(np.max(start_high)), int((start_high[..., None] + highs).max()))
        held = start_low + lows[..., -1], start_high + highs[..., -1]
    return low, high


def layer_image(layer: Layer, geometry: Geometry) -> Image:
    """Image of a layer."""
    formats, parts, biases = [], [], []
    bias = layer.bias.astype(np.int64).reshape(len(layer.cell.gates), layer.units)
    for block in geometry.blocks:
        term = layer.terms["recurrent"] if block.source is not Source.INPUT else \
            layer.operands[block.port]
        formats.append(term.format)
        parts.append(_part(geometry, block, term.matrix, term.format))
        if block.begins:
            biases.append(_spread(geometry, bias[None, list(block.gates)])
                          .reshape(geometry.chains, block.rows))
    split = bool(layer.cell.apart)
    if layer.recurrent_bias is not None:
        recurrent = layer.recurrent_bias.astype(np.int64)[None, None]
        biases.append(_spread(geometry, recurrent).reshape(geometry.chains, geometry.chain_units))
    return _assemble(geometry, tuple(formats), parts, biases, layer.shift, split)


def readout_image(readout: Readout, geometry: Geometry) -> Image:
    """Image of a readout."""
    parts = [_part(geometry, block, operand.matrix, operand.format)
             for block, operand in zip(geometry.blocks, readout.operands, strict=True)]
    bias = readout.bias.astype(np.int64).reshape(1, -1)
    formats = tuple(operand.format for operand in readout.operands)
    return _assemble(geometry, formats, parts, [bias], readout.shift, False)
