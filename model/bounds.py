"""Worst-case ranges of everything that is summed, from the actual weights.

Every range is attained but for those of online planes, whose magnitude is a bound: a row's extremes
by :func:`worst_inputs`, a sum of the elementwise part by the extremes of its tables and of the
state's format. Dot products assume that any code of a format
can occur, and the elementwise sums that any code of the state can.
"""

import collections.abc
import typing

import numpy as np

from ternloom.model.cell.ranges import Ranges, rounding_range
from ternloom.model.format import Fixed, Format
from ternloom.model.format.shared import Comparator
from ternloom.model.matrix import Matrix
from ternloom.model.network import Network
from ternloom.model.node import Body, Layer, Readout, rule
from ternloom.model.range import Range


__all__ = ["bounds", "dot_range", "effective", "row_range", "working_range",
           "worst_inputs"]


def effective(matrix: Matrix) -> np.ndarray:
    """Planes and coefficients of a matrix folded together.

    Returns
    -------
    int64 array (rows, columns)
        Row r of the product with integers v is ``effective[r] . v``.
    """
    total = np.zeros(matrix.codes.shape[1:], dtype=np.int64)
    for values, coefficients in zip(matrix.values, matrix.coefficients, strict=True):
        total += values * coefficients.astype(np.int64)[:, None]
    return total


def worst_inputs(row: np.ndarray, form: Fixed | Comparator) -> tuple[np.ndarray, np.ndarray]:
    """Activation codes that make a row of integer weights smallest and largest.

    Parameters
    ----------
    row : int array (columns)
        Weight codes of one plane, or a row of :func:`effective`.
    form : Format
        Of the activations.

    Returns
    -------
    (int64 array (columns), int64 array (columns))
        Codes at the smallest and at the largest product.
    """
    low, high = form.ends
    return np.where(row > 0, low, high), np.where(row > 0, high, low)


def _products(weights, form):
    """Lows and highs of each row's product, as Python integers: int64 might not hold them."""
    value = Range(*form.value_range)
    positive = np.maximum(weights, 0).sum(axis=-1, dtype=np.int64).astype(object)
    negative = np.minimum(weights, 0).sum(axis=-1, dtype=np.int64).astype(object)
    return (positive * value.low + negative * value.high,
            positive * value.high + negative * value.low)


def dot_range(matrix: Matrix, form: Format) -> Range:
    """Range of a dot product of one plane of one row, before coefficients."""
    lows, highs = _products(matrix.values, form)
    return Range(int(lows.min()), int(highs.max()))


def row_range(matrix: Matrix, form: Format, bias: int | np.ndarray = 0) -> Range:
    """Range of the rows of a matrix, coefficients and ``bias`` included.

    Parameters
    ----------
    matrix : Matrix
    form : Format
        Of the activations.
    bias : int or int array (rows)
    """
    lows, highs = _rows(matrix, form, bias)
    return Range(int(lows.min()), int(highs.max()))


def _rows(matrix, form, bias):
    """Lows and highs of each weighted row."""
    lows, highs = _products(effective(matrix), form)
    bias = np.asarray(bias).astype(object)
    return lows + bias, highs + bias


def _hull(ends):
    """Range of lows and highs of rows."""
    return Range(int(ends[0].min()), int(ends[1].max()))


def _layer_rows(layer):
    """Ranges of the dots, the parts of a row, and what is shifted into a pre-activation."""
    ranges, parts = {}, {}
    for name, term in layer.terms.items():
        ranges[f"{name}.dot"] = dot_range(term.matrix, term.format)
        bias: int | np.ndarray = 0
        if name == "input":
            bias = layer.bias
        elif name == "recurrent" and layer.recurrent_bias is not None:
            bias = np.zeros(layer.rows, dtype=np.int64)
            bias[layer.apart] = layer.recurrent_bias
        parts[name] = _rows(term.matrix, term.format, bias)
        ranges[f"{name}.row"] = _hull(parts[name])
    inputs = [sum(parts[name][end] for name in parts if name != "recurrent") for end in (0, 1)]
    ranges["sum"] = _hull(inputs)
    if layer.recurrent is not None:
        both = [np.delete(one + other, layer.apart)
                for one, other in zip(inputs, parts["recurrent"], strict=True)]
        halves = zip(inputs, parts["recurrent"], strict=True)
        ranges["sum"] = _hull([np.concatenate([whole, *(half[layer.apart] for half in pair)])
                               for whole, pair in zip(both, halves, strict=True)])
    return ranges


def bounds(network: Network) -> dict[str, Range]:
    """Worst-case range of everything that the network sums, before rounding and saturation.

    Parameters
    ----------
    network : Network

    Returns
    -------
    dict of str to Range
        For each layer, ``layer0.`` for one:

        ``input.dot``, ``recurrent.dot``
            dot product of one plane of one row; of further inputs ``input1.dot`` and so on;
        ``input.row``, ``recurrent.row``
            row with its coefficients; that of the first input includes the bias, the recurrent one
            the recurrent bias; no recurrent ones in a cell without a recurrent matrix;
        ``sum``
            what is shifted into a pre-activation: all rows, or the inputs' and the recurrent one
            alone in the n rows of a reset-after GRU;
        ``cell.sum``, ``h.product``, ``gate.n.sum``, ``state.difference``, ...
            every sum or product of the cell's equations that is rounded, by the name of what it is
            rounded to.

        For a readout: ``readout.dot``, ``readout.row`` without and ``readout.sum`` with the bias;
        of further inputs ``readout.dot1`` and so on.
    """
    ranges: dict[str, Range] = {}
    for node in network.nodes:
        ranges |= {f"{node.name}.{name}": reach
                   for name, reach in rule(_RANGES, node.body)(node.body).items()}
    return ranges


def _layer_ranges(layer):
    reached = layer.graph.walk(Ranges(layer.precision))
    return _layer_rows(layer) | {node.name: value for node, value in reached.items()
                                 if node.exact and node.name}


def _readout_ranges(readout):
    ranges, sums = {}, [readout.bias.astype(object)] * 2
    for index, operand in enumerate(readout.operands):
        ends = _rows(operand.matrix, operand.format, 0)
        ranges[f"dot{index or ''}"] = dot_range(operand.matrix, operand.format)
        ranges[f"row{index or ''}"] = _hull(ends)
        sums = [one + other for one, other in zip(sums, ends, strict=True)]
    return ranges | {"sum": _hull(sums)}


#: Ranges of each kind of node.
_RANGES: dict[type[Body], collections.abc.Callable[[typing.Any], dict[str, Range]]] = {
    Layer: _layer_ranges, Readout: _readout_ranges}


def working_range(layer: Layer, ranges: dict[str, Range]) -> Range:
    """Range of every integer that the golden model computes of a layer outside of its products.

    Parts of sums, half an ulp that a rounding adds, values that are shifted left before they
    saturate, and the ends that they saturate at are among them.

    Parameters
    ----------
    layer : Layer
    ranges : dict of str to Range
        The layer's bounds, by their names without the layer's.

    Returns
    -------
    Range
    """
    preact = layer.precision.preact
    total = rounding_range(ranges["sum"], preact.frac + layer.shift, preact)
    biases, met = {"input": layer.bias, "recurrent": layer.recurrent_bias}, Range(0, 0)
    for name in layer.terms:
        bias, reach = biases.get(name), ranges[f"{name}.row"]
        ends = Range(0, 0) if bias is None else Range(int(bias.min()), int(bias.max()))
        # A row is also met before its bias is added, and before further inputs are.
        met = met + reach if name != "recurrent" else Range(0, 0)
        total |= reach | ends | reach - ends | met
    values = layer.graph.walk(Ranges(layer.precision))
    for node, value in values.items():
        total |= value
        operands = [values[arg] for arg in node.args]
        if node.kind in ("add", "sub"):
            for operand, shift in zip(operands, node.parameter, strict=True):
                total |= operand << shift
        if node.kind == "round":
            total |= rounding_range(operands[0], node.args[0].frac, node.parameter)
    return total
