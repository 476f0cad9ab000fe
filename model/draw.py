"""Random networks and inputs for tests and benchmarks, the same for the same seed everywhere.

Coefficients, shift and biases are chosen from the formats so that pre-activations spread over
their range, with a tail that saturates: a network whose gates are all stuck finds no fault. Where
``hostile`` asks for it, some parameters are drawn from all that the constructors allow instead, its
ends above all.
"""

import collections.abc
import math

import numpy as np

from ternloom.model.alphabet import (BINARY, EXPONENTIAL, INTEGER, PLANES, QUATERNARY, TERNARY,
                                     Alphabet)
from ternloom.model.cell import CELLS, GRU_RESET_AFTER, GRU_RESET_BEFORE, LSTM, Cell
from ternloom.model.format import Binary, Fixed, Format, Online, Planes, Ternary
from ternloom.model.limits import LARGEST_BIAS, LARGEST_COEFFICIENT, LARGEST_SHIFT
from ternloom.model.matrix import Matrix
from ternloom.model.network import INPUT, Layer, Network, Node, Operand, Readout, When
from ternloom.model.precision import Precision
from ternloom.model.rounding import Rounding


__all__ = ["random_graph", "random_network", "random_sequences"]


#: Cells and alphabets that are drawn from: no more, so that a seed's network stays what it is.
_DRAWN = (LSTM, GRU_RESET_AFTER, GRU_RESET_BEFORE)
_WEIGHTS = (BINARY, TERNARY, PLANES, QUATERNARY, EXPONENTIAL, INTEGER)
#: Largest magnitude of a coefficient that is drawn where no end of a range is asked for.
_TYPICAL_COEFFICIENT = (1 << 15) - 1
#: Exponential weights that are drawn are less than two to this power.
_EXPONENTS = 7
#: Kinds of formats that are drawn where none is asked for.
_FORMATS = ("fixed", "binary", "ternary", "planes")


class _Ends(np.random.Generator):
    """A generator that also draws ends.

    Parameters
    ----------
    rng : numpy Generator
        What is drawn here moves it on.
    hostile : float
        Share of what may be an end that is drawn from its whole range.
    """

    def __init__(self, rng, hostile):
        super().__init__(rng.bit_generator)
        self._hostile = hostile

    def end(self, usual, low, high):
        """``usual``, or an integer from ``low`` to ``high``, one of the two as often as not."""
        if not self._hostile or self.random() >= self._hostile:
            return usual
        return int(self.integers(low, high + 1) if self.random() < 0.5 else
                   self.choice([low, high]))

    def ends(self, usual, limit):
        """An array with some elements 0 or at plus or minus ``limit``."""
        if not self._hostile:
            return usual
        chosen = self.random(usual.shape) < self._hostile / 2
        return np.where(chosen, self.choice([-limit, 0, limit], usual.shape), usual)


def random_network(seed: int | np.random.Generator, *, cell: Cell | None = None,
                   layers: int | None = None, units: int | None = None, inputs: int | None = None,
                   classes: int | None = None, input_format: Format | str | None = None,
                   state_format: Format | str | None = None,
                   weight: Alphabet | collections.abc.Collection[Alphabet] | None = None,
                   when: When | None = None, precision: Precision | None = None,
                   name: str | None = None, readout: bool = True, hostile: float = 0.0) -> Network:
    """Draw a sound network; what isn't given is drawn, layer by layer where it may differ.

    Parameters
    ----------
    seed : int or numpy Generator
    cell : Cell, optional
        Any; drawn from LSTM and the GRUs with tanh.
    layers : int, optional
        Drawn from 1 to 3.
    units, inputs : int, optional
        Drawn from 1 to 40; ``units`` is that of every layer.
    classes : int, optional
        Drawn from 1 to 12.
    input_format, state_format : Format or str, optional
        A format, or the kind of one to draw: "fixed", "binary", "ternary", "planes" or, for the
        state of a cell that may have it, "online".
    weight : Alphabet or tuple of Alphabet, optional
        Of every matrix, or those that matrices are drawn from.
    when : When, optional
    precision : Precision, optional
    name : str, optional
        Drawn networks are called "random" otherwise.
    readout : bool
        Whether the network has one.
    hostile : float
        Share of the parameters that are drawn from all that is allowed: sizes among those of above,
        widths and fractions of formats, thresholds, precisions, slopes, coefficients, biases,
        shifts. Zero leaves a seed's network what it is.

    Returns
    -------
    Network
    """
    rng = _Ends(np.random.default_rng(seed), hostile)
    layers = int(rng.integers(1, 4)) if layers is None else layers
    columns = _size(rng, 40) if inputs is None else inputs
    column_format = _activation(rng, input_format, _input_fixed)
    parts = []
    for _ in range(layers):
        part = _layer(rng, _draw(rng, cell, _cells(state_format)),
                      _size(rng, 40) if units is None else units, [(columns, column_format)],
                      _activation(rng, state_format, _state_fixed), weight,
                      _precision(rng) if precision is None else precision)
        parts.append(part)
        columns, column_format = part.units, part.state_format
    name = "random" if name is None else name
    if not readout:
        return Network.line(name, parts)
    classes = _size(rng, 12) if classes is None else classes
    return Network.line(name, parts, _readout(rng, classes, [(columns, column_format)], weight,
                                              _draw(rng, when, When)))


def random_graph(seed: int | np.random.Generator, *,
                 cells: collections.abc.Iterable[Cell] | None = None, largest: int = 12,
                 name: str = "graph") -> Network:
    """Draw a sound network whose nodes take several inputs, and are taken by several.

    Parameters
    ----------
    seed : int or numpy Generator
    cells : sequence of Cell, optional
        That layers are drawn from; all that files know by default.
    largest : int
        Units, inputs and classes at most.
    name : str

    Returns
    -------
    Network
        Of up to four layers; with up to three readouts, or with none.
    """
    rng = _Ends(np.random.default_rng(seed), 0.0)
    sources = {INPUT: (_size(rng, largest), _activation(rng, None, _input_fixed))}
    nodes, cells = [], list(CELLS.values() if cells is None else cells)
    for index in range(int(rng.integers(1, 5))):
        cell = _draw(rng, None, cells)
        kinds = (*_FORMATS, "online") if not cell.feedback else _FORMATS
        names = _sources(rng, list(sources))
        precision = _precision(rng) if cell.comparable or rng.random() < 0.5 else Precision()
        body = _layer(rng, cell, _size(rng, largest), [sources[each] for each in names],
                      _activation(rng, _draw(rng, None, kinds), _state_fixed), None, precision)
        nodes.append(Node(f"part{index}", names, body))
        sources[nodes[-1].name] = body.size, body.form
    taken = {each for node in nodes for each in node.inputs}
    ends = [node.name for node in nodes if node.name not in taken]
    if len(ends) == 1 and rng.random() < 0.25:
        return Network(name, tuple(nodes))
    when = _draw(rng, None, When)
    readouts = int(rng.integers(1, 4))
    for index in range(readouts):
        # Every end is taken, by the first readout if by no other.
        names = tuple(dict.fromkeys([*(ends if not index else ()),
                                     *_sources(rng, list(sources))]))
        body = _readout(rng, _size(rng, largest), [sources[each] for each in names], None, when)
        nodes.append(Node(f"say{index}", names, body))
    return Network(name, tuple(nodes))


def _sources(rng, known):
    """Up to three of the nodes so far, the newest as often as not."""
    count = min(len(known), int(rng.choice([1, 1, 2, 2, 3])))
    chosen = rng.choice(known, count, replace=False).tolist()
    if rng.random() < 0.5 and known[-1] not in chosen:
        chosen[0] = known[-1]
    return tuple(chosen)


def random_sequences(seed: int | np.random.Generator, network: Network, count: int,
                     steps: tuple[int, int] = (1, 12)) -> list[np.ndarray]:
    """Draw input codes for a network.

    Parameters
    ----------
    seed : int or numpy Generator
    network : Network
    count : int
        Sequences.
    steps : (int, int)
        Shortest and longest sequence.

    Returns
    -------
    list of int64 array (steps, inputs)
    """
    rng = np.random.default_rng(seed)
    lengths = rng.integers(steps[0], steps[1] + 1, count)
    return [_codes(rng, network.input_format, (int(length), network.inputs)) for length in lengths]


def _draw(rng, given, kinds):
    return list(kinds)[rng.integers(len(kinds))] if given is None else given


def _size(rng, largest):
    return rng.end(int(rng.integers(1, largest + 1)), 1, largest)


def _cells(state_format):
    """Cells that may have a state format."""
    online = state_format == "online" or getattr(state_format, "header", 0)
    return [cell for cell in _DRAWN if not online or not cell.feedback]


def _codes(rng, form, shape):
    """Codes of a format: mostly even over its range, one in ten an extreme."""
    if not form.rounded:
        return np.array(form.levels, dtype=np.int64)[rng.integers(len(form.levels), size=shape)]
    even = rng.integers(form.low, form.high + 1, size=shape)
    extreme = np.where(rng.random(shape) < 0.5, form.low, form.high)
    return np.where(rng.random(shape) < 0.1, extreme, even)


def _rms(form, *, state):
    """Typical magnitude of what a dot product sees of a code."""
    if form.header:
        return 2 * _rms(form.pipeline_format, state=state)
    if not form.rounded:
        values = form.value(np.array(form.levels, dtype=np.int64))
        return math.sqrt(np.mean(values.astype(np.float64) ** 2))
    return 0.55 * (min(form.high, 2.0 ** form.frac) if state else form.high) + 0.1


def _fixed(rng, width, frac, widths=(2, 32), **given):
    """A fixed-point format of about this width and fraction."""
    return Fixed(rng.end(width, *widths), rng.end(frac, -16, 32), **given)


def _input_fixed(rng):
    width = int(rng.integers(2, 17))
    return _fixed(rng, width, int(rng.integers(0, width + 1)), rounding=_rounding(rng))


def _state_fixed(rng):
    width = int(rng.integers(2, 17))
    return _fixed(rng, width, int(rng.integers(max(width - 3, 0), width)), rounding=_rounding(rng))


def _activation(rng, given, fixed):
    """A format of the kind given, or of any kind; a fixed one by the function ``fixed``."""
    if given is not None and not isinstance(given, str):
        return given
    kind = _draw(rng, given, _FORMATS)
    if kind == "fixed":
        return fixed(rng)
    if kind == "binary":
        return Binary()
    if kind == "ternary":
        return Ternary(rng.end(int(rng.integers(1, 8)), 1, (1 << 32) - 1), rng.end(4, 0, 64))
    if kind == "planes":
        count = int(rng.integers(1, 5))
        return Planes(tuple(rng.end(int(c), 1, 65535) for c in rng.integers(1, 13, count)),
                      rng.end(4, 0, 64))
    if kind == "online":
        width = int(rng.integers(4, 13))
        sample = _fixed(rng, width, int(rng.integers(width - 3, width)), (4, 16),
                        rounding=_rounding(rng))
        return Online(sample, int(rng.integers(2, 4)), rng.end(int(rng.integers(1, 4)), 1, 4))
    raise ValueError(f"Format must be one of {', '.join(_FORMATS)} or online, not {kind!r}")


def _rounding(rng):
    kinds = list(Rounding)
    return kinds[rng.choice(len(kinds), p=[0.7, 0.15, 0.15])]


def _precision(rng):
    """The default half of the time, else any widths that are allowed and sensible."""
    if rng.random() < 0.5:
        return _hostile_precision(rng, Precision())
    rounding = _rounding(rng)
    width = int(rng.integers(5, 13))
    frac = int(rng.integers(max(width - 5, 0), width - 1))
    gate_frac = int(rng.integers(3, 13))
    state_frac = max(gate_frac, frac) + int(rng.integers(0, 4))
    state_width = min(state_frac + int(rng.integers(1, 6)), 24)
    return _hostile_precision(rng, Precision(
        Fixed(width, frac, rounding=rounding), gate_frac,
        Fixed(state_width, state_frac, rounding=rounding), rounding))


def _hostile_precision(rng, usual):
    """The precision with some of its parameters anywhere in their ranges."""
    gate_frac = rng.end(usual.gate_frac, 1, 15)
    # One fraction bit is not allowed: it stands for comparators, which have none.
    gate_frac = 0 if gate_frac == 1 else gate_frac
    state_frac = rng.end(max(usual.state.frac, gate_frac), gate_frac, 32)
    highest = state_frac if gate_frac else 32
    preact_frac = rng.end(min(usual.preact.frac, highest), 0, highest)
    return Precision(
        Fixed(rng.end(usual.preact.width, 4, 12), preact_frac, rounding=usual.rounding), gate_frac,
        Fixed(rng.end(usual.state.width, 2, 24), state_frac, rounding=usual.rounding),
        usual.rounding, rng.end(1, 1, 65535), rng.end(0, 0, 16))


def _weights(rng, weight, rows, columns):
    """Codes of a matrix, and the typical magnitude of one of its dot products with unit inputs."""
    if not isinstance(weight, Alphabet):
        weight = _draw(rng, None, weight or _WEIGHTS)
    planes = int(rng.integers(1, weight.planes + 1)) if weight.planes > 1 else 1
    shape = (planes, rows, columns)
    if weight == TERNARY:
        codes = rng.choice([-1, 0, 1], size=shape, p=[0.3, 0.4, 0.3])
    elif weight == EXPONENTIAL:
        codes = rng.integers(1, rng.integers(2, _EXPONENTS + 1) + 1, shape)
        codes *= rng.choice([-1, 1], size=shape)
    elif weight == INTEGER:
        edge = 1 << int(rng.integers(1, 8))
        codes = rng.integers(-edge, edge, shape)
    else:
        codes = rng.choice(weight.codes, size=shape)
    codes = codes.astype(np.int8)
    energy = np.mean(weight.values(codes).astype(np.float64) ** 2)
    return weight, codes, math.sqrt(max(energy, 0.25) * planes * columns)


def _coefficients(rng, shape, typical):
    """Integers around ``typical``: one power of two, or one a row and plane, some of them negative.
    """
    if rng.random() < 0.4:
        values = np.full(shape, 2.0 ** round(math.log2(max(typical, 1.0))))
    else:
        values = typical * rng.uniform(0.4, 1.6, shape) * rng.choice([1, 1, 1, -1], shape)
    values = np.clip(np.round(values), -_TYPICAL_COEFFICIENT, _TYPICAL_COEFFICIENT)
    return rng.ends(values, LARGEST_COEFFICIENT).astype(np.int32)


def _bias(rng, limit, count):
    values = rng.integers(-limit, limit + 1, count)
    return rng.ends(values, LARGEST_BIAS).astype(np.int32)


def _layer(rng, cell, units, inputs, state_format, weight, precision):
    """A layer on inputs of some columns and formats."""
    rows = len(cell.gates) * units
    halves = [_weights(rng, weight, rows, columns) for columns, _ in inputs]
    spreads = [half[2] * _rms(form, state=False)
               for half, (_, form) in zip(halves, inputs, strict=True)]
    if cell.recurrent:
        halves.append(_weights(rng, weight, rows, units))
        spreads.append(halves[-1][2] * _rms(state_format, state=True))
    shift, typical = _scale(rng, spreads, 0.3 * precision.preact.high)
    matrices = [Matrix(kind, codes, _coefficients(rng, codes.shape[:2], size))
                for (kind, codes, _), size in zip(halves, typical, strict=True)]
    recurrent = matrices.pop() if cell.recurrent else None
    operands = tuple(Operand(form, matrix)
                     for (_, form), matrix in zip(inputs, matrices, strict=True))
    limit = min(1 << 29, precision.preact.high << shift) // 2
    bias = _bias(rng, limit, rows)
    recurrent_bias = _bias(rng, limit, units) if cell.apart else None
    diagonals = form = None
    if cell.diagonals:
        form = Fixed(8, int(rng.integers(4, 9)))
        diagonals = rng.integers(form.low, form.high + 1, (len(cell.diagonals), units))
    return Layer(cell, units, operands, state_format, precision, recurrent, bias, recurrent_bias,
                 shift, diagonals, form)


def _scale(rng, spreads, target):
    """A shift, and for each spread of dot products the coefficient that makes it ``target``."""
    needed = [target / spread for spread in spreads]
    shift = max(0, math.ceil(-math.log2(min(needed)))) + int(rng.integers(0, 7))
    while shift and max(needed) * 2.0 ** shift > _TYPICAL_COEFFICIENT / 2:
        shift -= 1
    shift = rng.end(min(shift, LARGEST_SHIFT), 0, LARGEST_SHIFT)
    return shift, [need * 2.0 ** shift for need in needed]


def _readout(rng, classes, inputs, weight, when):
    parts = [_weights(rng, weight, classes, columns) for columns, _ in inputs]
    width = int(rng.integers(4, 25))
    logits = _fixed(rng, width, int(rng.integers(0, width)), rounding=_rounding(rng))
    target = min(0.3 * logits.high, 4096.0)
    shift, typical = _scale(rng, [spread * _rms(form, state=True)
                                  for (*_, spread), (_, form) in zip(parts, inputs, strict=True)],
                            target)
    operands = tuple(Operand(form, Matrix(kind, codes, _coefficients(rng, codes.shape[:2], size)))
                     for (kind, codes, _), (_, form), size in zip(parts, inputs, typical,
                                                                  strict=True))
    limit = min(1 << 29, int(target) << shift) // 2
    bias = _bias(rng, limit, classes)
    return Readout(operands, bias, shift, logits, when)
