"""Worst-case ranges of everything that is summed, from the actual weights.

Every range is attained but for those of online planes, whose magnitude is a bound: a row's extremes
by :func:`worst_inputs`, a sum of the elementwise part by the extremes of its tables and of the
state's format. Dot products assume that any code of a format
can occur, and the elementwise sums that any code of the state can.
"""

import dataclasses

import numpy as np

from ternloom.model.format import Fixed, Online
from ternloom.model.network import Cell
from ternloom.model.rounding import signed_width
from ternloom.model.table import sigmoid, tanh


__all__ = ["Range", "bounds", "dot_range", "effective", "row_range", "working_range",
           "worst_inputs"]


@dataclasses.dataclass(frozen=True)
class Range:
    """Integers from ``low`` to ``high``, both included.

    Parameters
    ----------
    low, high : int
    """

    low: int
    high: int

    def __post_init__(self):
        if self.low > self.high:
            raise ValueError(f"Range must not end below its start, not {self!r}")

    @property
    def width(self):
        """Bits of a two's complement number that holds the range."""
        return signed_width(self.low, self.high)

    @property
    def magnitude(self):
        """Largest absolute value."""
        return max(-self.low, self.high)

    def __add__(self, other):
        """Range of the sum of two independent numbers."""
        return Range(self.low + other.low, self.high + other.high)

    def __or__(self, other):
        """Smallest range that holds both."""
        return Range(min(self.low, other.low), max(self.high, other.high))

    def __lshift__(self, shift):
        return Range(self.low << shift, self.high << shift)

    def __mul__(self, other):
        """Range of the product of two independent numbers."""
        products = [a * b for a in (self.low, self.high) for b in (other.low, other.high)]
        return Range(min(products), max(products))


def _extreme_codes(kind):
    """Codes of a format with the smallest and the largest value."""
    return (kind.low, kind.high) if isinstance(kind, Fixed) else (kind.levels[0], kind.levels[-1])


def _value_range(kind):
    """Range of what a dot product sees of a format."""
    if isinstance(kind, Online):
        return Range(-kind.magnitude, kind.magnitude)
    return Range(*(int(kind.value(code)) for code in _extreme_codes(kind)))


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
    low, high = _extreme_codes(kind)
    return np.where(row > 0, low, high), np.where(row > 0, high, low)


def _products(weights, kind):
    """Lows and highs of each row's product, as Python integers: int64 might not hold them."""
    value = _value_range(kind)
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
    recurrent_bias = np.zeros(layer.rows, dtype=np.int64)
    if layer.recurrent_bias is not None:
        recurrent_bias[2 * layer.units:] = layer.recurrent_bias
    halves = [_rows(layer.input, layer.input_format, layer.bias),
              _rows(layer.recurrent, layer.state_format, recurrent_bias)]
    ranges = [Range(int(lows.min()), int(highs.max())) for lows, highs in halves]
    merged = layer.rows if layer.recurrent_bias is None else 2 * layer.units
    total = Range(int((halves[0][0] + halves[1][0])[:merged].min()),
                  int((halves[0][1] + halves[1][1])[:merged].max()))
    for lows, highs in halves:
        if merged < layer.rows:
            total |= Range(int(lows[merged:].min()), int(highs[merged:].max()))
    return {"input.dot": dot_range(layer.input, layer.input_format),
            "recurrent.dot": dot_range(layer.recurrent, layer.state_format),
            "input.row": ranges[0], "recurrent.row": ranges[1], "sum": total}


def _table_range(table):
    return Range(int(table.min()), int(table.max()))


def _format_range(kind):
    return Range(kind.low, kind.high)


def _lstm(layer):
    precision = layer.precision
    preact, gate_frac, state = precision.preact, precision.gate_frac, precision.state
    sigmoids = _table_range(sigmoid(precision))
    tanhs = _table_range(tanh(precision))
    lift = state.frac - gate_frac
    argument = [int(preact.quantize(code, state.frac)) for code in (state.low, state.high)]
    outputs = Range(*(int(tanh(precision)[code]) for code in argument))
    return {"cell.sum": sigmoids * _format_range(state) + ((sigmoids * tanhs) << lift),
            "h.product": sigmoids * outputs}


def _gru(layer):
    precision = layer.precision
    preact, gate_frac, state = precision.preact, precision.gate_frac, precision.state
    sigmoids = _table_range(sigmoid(precision))
    candidate = _table_range(tanh(precision)) << (state.frac - gate_frac)
    held = _format_range(state)
    # z*h + (2**G - z)*n grows with h and with n, and is linear in z: its extremes are corners.
    corners = [(z * h + ((1 << gate_frac) - z) * n)
               for z in (sigmoids.low, sigmoids.high)
               for h, n in ((held.low, candidate.low), (held.high, candidate.high))]
    ranges = {"state.difference": Range(held.low - candidate.high, held.high - candidate.low),
              "state.sum": Range(min(corners), max(corners))}
    if layer.cell is Cell.GRU_RESET_AFTER:
        argument = _format_range(preact)
        ranges["gate.n.sum"] = (argument << gate_frac) + sigmoids * argument
    else:
        ranges["reset.product"] = sigmoids * held
    return ranges


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
        ``sum``
            what is shifted into a pre-activation: both rows, or each alone in the n rows of a
            reset-after GRU;
        ``cell.sum``, ``h.product``
            LSTM: ``f*c + ((i*g) << (sf-G))`` and ``o*T[k]``;
        ``gate.n.sum``
            reset-after GRU: ``(ax << G) + r*ah``;
        ``reset.product``
            reset-before GRU: ``r*h``;
        ``state.difference``, ``state.sum``
            GRU: ``h - n`` and ``(n << G) + z*(h - n)``.

        For a readout: ``readout.dot``, ``readout.row`` without and ``readout.sum`` with the bias.
    """
    ranges = {}
    for index, layer in enumerate(network.layers):
        elementwise = _lstm(layer) if layer.cell is Cell.LSTM else _gru(layer)
        for name, value in (_layer_rows(layer) | elementwise).items():
            ranges[f"layer{index}.{name}"] = value
    readout = network.readout
    if readout is None:
        return ranges
    ranges["readout.dot"] = dot_range(readout.weights, readout.input_format)
    ranges["readout.row"] = row_range(readout.weights, readout.input_format)
    ranges["readout.sum"] = row_range(readout.weights, readout.input_format, readout.bias)
    return ranges


def _quantizing(value, frac, kind):
    """What a format's ``quantize`` computes on its way from a range of ``frac`` fraction bits."""
    if isinstance(kind, Online):
        kind = kind.sample
    if not isinstance(kind, Fixed):
        return value
    shift = frac - kind.frac
    if shift <= 0:
        return value << -shift | _format_range(kind)
    half = Range(0, 1 << (shift - 1))
    return value | value + half | half | _format_range(kind)


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
    precision, kind = layer.precision, layer.state_format
    preact, gate_frac, state = precision.preact, precision.gate_frac, precision.state
    held, argument = _format_range(state), _format_range(preact)
    sigmoids, tanhs = (_table_range(table(precision)) for table in (sigmoid, tanh))
    candidate = tanhs << (state.frac - gate_frac)
    wide = state.frac + gate_frac
    total = held | sigmoids | candidate | _quantizing(ranges["sum"], preact.frac + layer.shift,
                                                      preact)
    for name, bias in (("input.row", layer.bias), ("recurrent.row", layer.recurrent_bias)):
        ends = Range(0, 0) if bias is None else Range(int(bias.min()), int(bias.max()))
        # A row is also met before its bias is added.
        total |= ranges[name] | ends | ranges[name] + Range(-ends.high, -ends.low)
    if layer.cell is Cell.LSTM:
        total |= sigmoids * held | sigmoids * candidate
        total |= _quantizing(ranges["cell.sum"], wide, state)
        total |= _quantizing(held, state.frac, preact)
        return total | _quantizing(ranges["h.product"], 2 * gate_frac, kind)
    total |= candidate << gate_frac | sigmoids * ranges["state.difference"]
    total |= ranges["state.difference"] | _quantizing(ranges["state.sum"], wide, state)
    total |= _quantizing(held, state.frac, kind)
    if layer.cell is Cell.GRU_RESET_BEFORE:
        return total | _quantizing(ranges["reset.product"], wide, kind)
    total |= argument << gate_frac | sigmoids * argument
    return total | _quantizing(ranges["gate.n.sum"], preact.frac + gate_frac, preact)
