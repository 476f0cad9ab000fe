"""What an array does with its ROMs and constants, restated on integers."""

import numpy as np
from hwsim import pack, unpack

from ternloom.mapping.folding import LayerFolding
from ternloom.mapping.geometry import Source, layer_geometry, readout_geometry
from ternloom.mapping.image import layer_image, readout_image
from ternloom.mapping.wire import offset, scale
from ternloom.model import online
from ternloom.model.bounds import worst_inputs
from ternloom.model.cell import GRU_RESET_AFTER
from ternloom.model.format import Binary, Fixed, Online, Planes
from ternloom.model.product import Product


__all__ = ["Rows", "activation_words", "by_unit", "codes_of", "drawn", "exact_rows", "folded",
           "folded_readout", "raw_sums", "rom_codes", "source_form", "worst_codes"]


def folded(layer, pe, simd, beat_slots=1, multiplexed=False):
    """Image of a layer; its geometry is an attribute."""
    folding = LayerFolding(pe, simd, multiplexed)
    return layer_image(layer, layer_geometry(layer, folding, beat_slots))


def folded_readout(readout, pe, simd, beat_slots=1, multiplexed=False):
    """Image of a readout."""
    folding = LayerFolding(pe, simd, multiplexed)
    return readout_image(readout, readout_geometry(readout, folding, beat_slots))


def codes_of(form, rng, shape):
    """Random codes of a format."""
    if isinstance(form, Fixed):
        return rng.integers(form.low, form.high + 1, shape)
    return rng.choice(np.array(form.levels), shape)


def drawn(form, rng, count):
    """Random codes of a format, and their coefficients if those come with the vector, else None."""
    if not isinstance(form, Online):
        return codes_of(form, rng, count), None
    samples = codes_of(form.sample, rng, (1, count))
    (codes,), (beta,) = online.quantize(form, samples)
    return codes, beta


def source_form(layer, block):
    """Format of the codes that a block of a layer multiplies."""
    return layer.input_format if block.source is Source.INPUT else layer.state_format


#: What the ROMs of the image that was asked for last hold, by block.
_decoded = {"image": None}


def rom_codes(image, index):
    """Weight values of a block as its ROMs hold them: (chains, dots, words, simd)."""
    if _decoded["image"] is not image:
        _decoded.clear()
        _decoded["image"] = image
    if index not in _decoded:
        _decoded[index] = _decode(image, index)
    return _decoded[index]


def _decode(image, index):
    geometry, block = image.geometry, image.geometry.blocks[index]
    first = sum(before.groups * before.words for before in geometry.blocks[:index])
    bits = geometry.weight_bits
    codes = np.zeros((geometry.chains, block.dots, block.words, geometry.simd), dtype=np.int64)
    for chain in range(geometry.chains):
        roms = [image.rom(chain, element) for element in range(geometry.chain_elements)]
        for dot in range(block.dots):
            group, place = divmod(dot, block.chain_elements)
            rom = roms[block.chain_elements - 1 - place]
            for word in range(block.words):
                codes[chain, dot, word] = unpack(rom[first + group * block.words + word], bits,
                                                 geometry.simd)
    return _weights(geometry.weight, bits, codes)


def _weights(weight, bits, wire):
    """Value of each weight on the wire."""
    match weight.name:
        case "binary":
            return 2 * wire - 1
        case "quaternary":
            return (3 * (2 * (wire >> 1) - 1) + 2 * (wire & 1) - 1) // 2
        case "exponential":
            negative = wire >> (bits - 1)
            return (1 - 2 * negative) << (wire - (negative << (bits - 1)))
        case _:
            return wire - ((wire >> (bits - 1)) << bits)


def _value(form, bits, beta):
    """Value of each wire form."""
    if isinstance(form, Online):
        return online.values(form, bits, np.broadcast_to(beta, (len(bits), form.planes)))
    if isinstance(form, Binary):
        return 2 * bits - 1
    if isinstance(form, Planes):
        return form.value(bits)
    if isinstance(form, Fixed) and not form.signed:
        return bits
    return bits - ((bits >> (form.width - 1)) << form.width)


def _lanes(geometry, block, form, codes, beta=None):
    """Lane values as elements see them: (bit planes, activation planes, words, simd).

    Lanes without a column hold zero bits, or the value zero where the values of codes come with
    their vector.
    """
    columns = geometry.columns(block)
    padded = np.append(form.bits(codes) & ((1 << form.width) - 1), 0)
    bits = padded[np.where(columns < 0, len(codes), columns)]
    value = _value(form, bits, beta)
    if isinstance(form, Online):
        value = np.where(columns < 0, 0, value)
    if block.serial > 1:
        offset = value + (1 << (block.serial - 1))
        ones = np.stack([offset >> plane & 1 for plane in range(block.serial)][::-1])[:, None]
        return 2 * ones - 1 if geometry.activation_bits == 1 else ones
    if geometry.activation_bits == 1:
        return 2 * np.stack([bits >> plane & 1 for plane in range(geometry.activation_planes)]
                            )[None] - 1
    return value[None, None]


def activation_words(image, index, form, codes):
    """Words that the elements take, in the order of their issue: list (bit planes * words)."""
    geometry, bits = image.geometry, image.geometry.activation_bits
    lanes = _lanes(geometry, geometry.blocks[index], form, codes)
    wire = (lanes + 1) >> 1 if bits == 1 else lanes & ((1 << bits) - 1)
    if geometry.blocks[index].turns > 1:
        wire = wire[0, ::-1, None]
    return [pack(word.ravel(), bits) for plane in wire for word in plane.swapaxes(0, 1)]


def raw_sums(image, index, form, codes, beta=None):
    """What the accumulators of a block end with.

    Returns
    -------
    int64 array (chains, dots, activation planes)
        One activation plane in a block that is fed serially, in which the others mean nothing.
    """
    geometry, block = image.geometry, image.geometry.blocks[index]
    lanes, weights = _lanes(geometry, block, form, codes, beta), rom_codes(image, index)
    fixed = offset(geometry.arithmetic, geometry.weight, geometry.weight_bits, weights)
    fixed = fixed.sum(axis=(-1, -2))[..., None]
    factor = scale(geometry.arithmetic, geometry.activation_bits)
    total = np.zeros(weights.shape[:2] + lanes.shape[1:2], dtype=np.int64)
    for plane in lanes:
        products = np.einsum("cdws,aws->cda", weights, plane)
        total = 2 * total + (products - fixed) // factor
    return total


def worst_codes(image, index, form, chain, dot):
    """Codes that make the accumulator of a dot smallest and largest: two int arrays (columns)."""
    geometry, block = image.geometry, image.geometry.blocks[index]
    columns = geometry.columns(block)
    row = np.zeros(geometry.inputs[0].elements if block.source is Source.INPUT
                   else geometry.units, np.int64)
    row[columns[columns >= 0]] = rom_codes(image, index)[chain, dot][columns >= 0]
    return worst_inputs(row, form)


class Rows:
    """Sums of all rows of a step, and every partial sum on the way.

    Parameters
    ----------
    image : Image
    raws : list of int array (chains, dots, activation planes)
        Of each block.
    betas : list of int array (activation planes) or None
        Coefficients of each block that come with its vector, if any do.

    Attributes
    ----------
    sums : list of int64 array (chains, units, gates)
        What each block's rows end with: halves that wait where the block is an input's.
    starts, partial : list of int64 array (chains, rows), (chains, rows, weight planes)
    """

    def __init__(self, image, raws, betas=None):
        geometry = image.geometry
        betas = betas or [None] * len(raws)
        self.sums, self.starts, self.partial = [], [], []
        used = 0
        for block, part, raw, beta in zip(geometry.blocks, image.blocks, raws, betas,
                                          strict=True):
            if block.mix is None:
                mixed = (part.scale * raw + part.offset[..., None]) @ beta
            else:
                # The coefficient of a single plane is part of the row's.
                mixed = raw @ np.array(block.mix) if len(block.mix) > 1 else raw[..., 0]
            assert (part.mixed_low <= mixed).all() and (mixed <= part.mixed_high).all()
            products = (part.coefficients * mixed).reshape(geometry.chains, block.rows, -1)
            if block.source is Source.INPUT:
                start = image.addends[:, used:used + block.rows]
                used += block.rows
            else:
                start = self.partial[-1][..., -1].copy()
                if image.split:
                    last = len(block.gates)
                    start[:, last - 1::last] = image.addends[:, block.rows:]
            self.starts.append(start)
            self.partial.append(start[..., None] + np.cumsum(products, axis=-1))
            self.sums.append(self.partial[-1][..., -1].reshape(geometry.chains,
                                                               geometry.chain_units, -1))

    @property
    def low(self):
        return min(int(values.min()) for values in self.starts + self.partial)

    @property
    def high(self):
        return max(int(values.max()) for values in self.starts + self.partial)


def by_unit(geometry, values):
    """Values (chains, units, gates) as (gates, units of the layer)."""
    return values.transpose(2, 1, 0).reshape(values.shape[2], -1)[:, :geometry.units]


def _rows(matrix, form, codes, beta):
    """Product of a matrix with codes."""
    if beta is None:
        return Product(matrix, form)(codes[None])
    return Product(matrix, form).rows(online.values(form, codes[None], beta[None]))


def exact_rows(layer, block, before, codes, betas=(None, None)):
    """Sums that a recurrent block ends with, from the matrices: (gates, units).

    Parameters
    ----------
    layer : Layer
    block : Block
    before : int array (inputs)
        Input codes.
    codes : int array (units)
        State or r*h codes.
    betas : (int array or None, int array or None)
        Coefficients that come with the input and with the state.

    Returns
    -------
    (int64 array (gates, units), int64 array (units) or None)
        The latter is the waiting input row of a gate that stays split.
    """
    shape = len(layer.cell.gates), layer.units
    x = _rows(layer.input, layer.input_format, before, betas[0]).reshape(shape)
    x = x + layer.bias.reshape(shape)
    h = _rows(layer.recurrent, layer.state_format, codes, betas[1]).reshape(shape)
    gates, aside = list(block.gates), None
    total = x + h
    if layer.cell is GRU_RESET_AFTER:
        total[2], aside = h[2] + layer.recurrent_bias, x[2]
    return total[gates], aside
