"""Worst-case ranges of everything that is summed, from the actual weights.

Every range is attained but for those of online planes, whose magnitude is a bound: a row's extremes
by :func:`worst_inputs`, a sum of the elementwise part by the extremes of its tables and of the
state's format. Dot products assume that any code of a format
can occur, and the elementwise sums that any code of the state can.
"""

import numpy as np

from ternloom.model.cell.ranges import Ranges, rounding_range
from ternloom.model.range import Range


__all__ = ["bounds", "dot_range", "effective", "row_range", "working_range",
           "worst_inputs"]


def effective(matrix):
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


def worst_inputs(row, kind):
    """Activation codes that make a row of integer weights smallest and largest.

    Parameters
    ----------
    row : int array (columns)
        Weight codes of one plane, or a row of :func:`effective`.
    kind : Format
        Of the activations.

    Returns
    -------
    (int64 array (columns), int64 array (columns))
        Codes at the smallest and at the largest product.
    """
    low, high = kind.ends
    return np.where(row > 0, low, high), np.where(row > 0, high, low)


def _products(weights, kind):
    """Lows and highs of each row's product, as Python integers: int64 might not hold them."""
    value = Range(*kind.value_range)
    positive = np.maximum(weights, 0).sum(axis=-1, dtype=np.int64).astype(object)
    negative = np.minimum(weights, 0).sum(axis=-1, dtype=np.int64).astype(object)
    return (positive * value.low + negative * value.high,
            positive * value.high + negative * value.low)


def dot_range(matrix, kind):
    """Range of a dot product of one plane of one row, before coefficients."""
    lows, highs = _products(matrix.values, kind)
    return Range(int(lows.min()), int(highs.max()))


def row_range(matrix, kind, bias=0):
    """Range of the rows of a matrix, coefficients and ``bias`` included.

    Parameters
    ----------
    matrix : Matrix
    kind : Format
        Of the activations.
    bias : int or int array (rows)
    """
    lows, highs = _rows(matrix, kind, bias)
    return Range(int(lows.min()), int(highs.max()))


def _rows(matrix, kind, bias):
    """Lows and highs of each weighted row."""
    lows, highs = _products(effective(matrix), kind)
    bias = np.asarray(bias).astype(object)
    return lows + bias, highs + bias


def _layer_rows(layer):
    """Ranges of the dots, the two halves of a row, and what is shifted into a pre-activation."""
    if layer.recurrent is None:
        row = row_range(layer.input, layer.input_format, layer.bias)
        return {"input.dot": dot_range(layer.input, layer.input_format), "input.row": row,
                "sum": row}
    recurrent_bias = np.zeros(layer.rows, dtype=np.int64)
    if layer.recurrent_bias is not None:
        recurrent_bias[layer.apart] = layer.recurrent_bias
    halves = [_rows(layer.input, layer.input_format, layer.bias),
              _rows(layer.recurrent, layer.state_format, recurrent_bias)]
    ranges = [Range(int(lows.min()), int(highs.max())) for lows, highs in halves]
    lows, highs = (np.concatenate([np.delete(halves[0][end] + halves[1][end], layer.apart),
                                   *(half[end][layer.apart] for half in halves)]) for end in (0, 1))
    total = Range(int(lows.min()), int(highs.max()))
    return {"input.dot": dot_range(layer.input, layer.input_format),
            "recurrent.dot": dot_range(layer.recurrent, layer.state_format),
            "input.row": ranges[0], "recurrent.row": ranges[1], "sum": total}


def bounds(network):
    """Worst-case range of everything that the network sums, before rounding and saturation.

    Parameters
    ----------
    network : Network

    Returns
    -------
    dict of str to Range
        For each layer ``layer0.``:

        ``input.dot``, ``recurrent.dot``
            dot product of one plane of one row;
        ``input.row``, ``recurrent.row``
            row with its coefficients; the former includes the bias, the latter the recurrent bias;
            no recurrent ones in a cell without a recurrent matrix;
        ``sum``
            what is shifted into a pre-activation: both rows, or each alone in the n rows of a
            reset-after GRU;
        ``cell.sum``, ``h.product``, ``gate.n.sum``, ``state.difference``, ...
            every sum or product of the cell's equations that is rounded, by the name of what it is
            rounded to.

        For a readout: ``readout.dot``, ``readout.row`` without and ``readout.sum`` with the bias.
    """
    ranges = {}
    for index, layer in enumerate(network.layers):
        reached = layer.graph.walk(Ranges(layer.precision))
        elementwise = {node.name: value for node, value in reached.items()
                       if node.exact and node.name}
        for name, value in (_layer_rows(layer) | elementwise).items():
            ranges[f"layer{index}.{name}"] = value
    readout = network.readout
    if readout is None:
        return ranges
    ranges["readout.dot"] = dot_range(readout.weights, readout.input_format)
    ranges["readout.row"] = row_range(readout.weights, readout.input_format)
    ranges["readout.sum"] = row_range(readout.weights, readout.input_format, readout.bias)
    return ranges


def working_range(layer, ranges):
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
    for name, bias in (("input.row", layer.bias), ("recurrent.row", layer.recurrent_bias)):
        if name not in ranges:
            continue
        ends = Range(0, 0) if bias is None else Range(int(bias.min()), int(bias.max()))
        # A row is also met before its bias is added.
        total |= ranges[name] | ends | ranges[name] - ends
    values = layer.graph.walk(Ranges(layer.precision))
    for node, value in values.items():
        total |= value
        operands = [values[arg] for arg in node.args]
        if node.kind in ("add", "sub"):
            for operand, shift in zip(operands, node.parameter, strict=True):
                total |= operand << shift
        if node.kind == "round":
            total |= rounding_range(*operands, node.args[0].frac, node.parameter)
    return total
