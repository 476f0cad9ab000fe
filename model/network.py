"""The frozen network: layers of integer codes that the golden model runs and the hardware is."""

import collections.abc
import dataclasses
import enum

import numpy as np

from ternloom.model.cell import Cell
from ternloom.model.error import NetworkError, check_integers, check_kinds
from ternloom.model.format import Fixed, Format
from ternloom.model.frozen import Frozen
from ternloom.model.limits import BIAS_BITS, LARGEST_SHIFT
from ternloom.model.matrix import Matrix, magnitude
from ternloom.model.names import check_notes
from ternloom.model.precision import Precision


__all__ = ["Layer", "Network", "Readout", "When", "check_diagonals", "check_recurrent",
           "embedding_type"]


#: Codes of an embedding that are looked at together.
_PIECE = 1 << 20
#: Widest code of a unit's own weight.
_DIAGONAL_BITS = 16


class When(enum.Enum):
    """The steps at which a readout speaks."""

    LAST  = "last"
    EVERY = "every"


def _check_bias(name, bias, shape):
    check_integers(name, bias)
    if bias.shape != shape:
        raise NetworkError(f"{name} must have the shape {shape}, not {bias.shape}")
    if magnitude(bias) >= 1 << BIAS_BITS:
        raise NetworkError(f"{name} must be less than 2**{BIAS_BITS} in magnitude")


def _check_shift(shift):
    if not isinstance(shift, int) or not 0 <= shift <= LARGEST_SHIFT:
        raise NetworkError(f"shift must be from 0 to {LARGEST_SHIFT}, not {shift!r}")


def check_diagonals(cell, units, diagonals):
    """Raise ``NetworkError`` unless diagonals are there, and as many, as the cell has."""
    shape = (len(cell.diagonals), units) if cell.diagonals else None
    if (None if diagonals is None else diagonals.shape) != shape:
        wanted = f"have the shape {shape}" if shape else "be None"
        raise NetworkError(f"diagonals must {wanted} in a {cell.name}, "
                           f"not {None if diagonals is None else diagonals.shape}")


def check_recurrent(cell, matrix, recurrent_bias, name="recurrent"):
    """Raise ``NetworkError`` unless a recurrent matrix, whose field has this name, and a recurrent
    bias are there exactly if the cell has such.
    """
    if (matrix is not None) != cell.recurrent:
        raise NetworkError(f"{name} must {'be there' if cell.recurrent else 'be None'} in a "
                           f"{cell.name}, which has {'a' if cell.recurrent else 'no'} recurrent "
                           "matrix")
    if (recurrent_bias is not None) != bool(cell.apart):
        raise NetworkError(f"recurrent_bias must {'be there' if cell.apart else 'be None'} in a "
                           f"{cell.name}, which keeps {'the' if cell.apart else 'no'} halves of "
                           f"{'gate ' + cell.apart[0] if cell.apart else 'a gate'} apart")


class Layer(Frozen):
    """One recurrent layer.

    Rows are gate by gate, unit by unit within a gate: row ``g * units + u``. A pre-activation is
    ``(input row + recurrent row + bias) >> shift`` with a named rounding, saturated; rows
    whose halves the cell keeps apart are ``(input row + bias) >> shift`` and
    ``(recurrent row + recurrent_bias) >> shift``.

    Parameters
    ----------
    cell : Cell
    units : int
    input_format, state_format : Format
        Of the codes that the input and the recurrent matrix multiply. The latter is also what the
        layer puts out, and what a cell feeds back within a step.
    precision : Precision
    input : Matrix
        (planes, gates * units, inputs).
    recurrent : Matrix or None
        (planes, gates * units, units), where the cell has a recurrent matrix.
    bias : int32 array (gates * units)
        Less than 2**30 in magnitude, as is the other one; other integers are held as int32.
    recurrent_bias : int32 array (units) or None
        Of the rows whose halves the cell keeps apart, where there are such.
    shift : int
        Fraction bits of a row's sum beyond those of the pre-activation, 0 to 40.
    diagonals : int32 array (count, units) or None
        Codes of the weights that a unit has of its own, in the order of ``cell.diagonals``.
    diagonal_format : Fixed or None
        Theirs, signed and of at most 16 bits; both are there or neither is.

    Raises
    ------
    NetworkError
        Parts that don't fit each other, with the name of the field.
    """

    cell: Cell
    units: int
    input_format: Format
    state_format: Format
    precision: Precision
    input: Matrix
    recurrent: Matrix | None
    bias: np.ndarray
    recurrent_bias: np.ndarray | None
    shift: int
    diagonals: np.ndarray | None = None
    diagonal_format: Fixed | None = None

    def __post_init__(self):
        check_kinds(self, cell=Cell, units=int, input_format=Format, state_format=Format,
                     precision=Precision, input=Matrix)
        if self.units < 1:
            raise NetworkError(f"units must be from 1, not {self.units!r}")
        check_recurrent(self.cell, self.recurrent, self.recurrent_bias)
        if self.recurrent is not None:
            check_kinds(self, recurrent=Matrix)
        for name, matrix in self.matrices.items():
            shape, columns = matrix.codes.shape, self.inputs if name == "input" else self.units
            if shape[1:] != (self.rows, columns):
                raise NetworkError(f"{name}.codes must have the shape (planes, {self.rows}, "
                                   f"{columns}), not {shape}")
        _check_bias("bias", self.bias, (self.rows,))
        if self.recurrent_bias is not None:
            _check_bias("recurrent_bias", self.recurrent_bias, (self.units,))
            self._hold(recurrent_bias=self.recurrent_bias.astype(np.int32, copy=False))
        _check_shift(self.shift)
        if self.precision.comparators and not self.cell.comparable:
            raise NetworkError(f"precision must have gate fraction bits in a {self.cell.name}, "
                               "whose gates cannot be comparators")
        if self.state_format.header and self.cell.feedback:
            raise NetworkError(f"state_format must not be online in a {self.cell.name}, whose "
                               f"{self.cell.feedback} is quantized before the step is complete")
        self._hold(bias=self.bias.astype(np.int32, copy=False))
        self._check_diagonals()

    def _check_diagonals(self):
        form = self.diagonal_format
        if self.diagonals is not None:
            check_integers("diagonals", self.diagonals)
        check_diagonals(self.cell, self.units, self.diagonals)
        if self.diagonals is None:
            if form is not None:
                raise NetworkError(f"diagonal_format must be None without diagonals, not {form!r}")
            return
        if not isinstance(form, Fixed) or not form.signed or form.width > _DIAGONAL_BITS:
            raise NetworkError("diagonal_format must be signed fixed point of at most "
                               f"{_DIAGONAL_BITS} bits, not {form!r}")
        if not form.contains(self.diagonals):
            raise NetworkError(f"diagonals must hold codes of {form!r}")
        self._hold(diagonals=self.diagonals.astype(np.int32, copy=False))

    @property
    def inputs(self):
        return self.input.columns

    @property
    def matrices(self):
        """``input``, and ``recurrent`` where the cell has it."""
        both = {"input": self.input, "recurrent": self.recurrent}
        return {name: matrix for name, matrix in both.items() if matrix is not None}

    @property
    def rows(self):
        return len(self.cell.gates) * self.units

    @property
    def apart(self):
        """Slice of the rows whose halves stay apart, of none in most cells."""
        start = sum(gate not in self.cell.apart for gate in self.cell.gates[:-1])
        return slice(start * self.units, (start + len(self.cell.apart)) * self.units)

    @property
    def lane_format(self):
        """Format of what the cell's equations give: online the samples, else the codes."""
        return self.state_format.lane_format

    @property
    def graph(self):
        """The cell's equations in the layer's formats."""
        return self.graph_of(self.state_format)

    @property
    def lane_graph(self):
        """The same, of what a lane gives."""
        return self.graph_of(self.lane_format)

    def graph_of(self, form):
        if self.diagonal_format is None:
            return self.cell.graph(self.precision, form)
        return self.cell.graph(self.precision, form, self.diagonal_format)

    @property
    def own_weights(self):
        """Codes (units) of each diagonal, by name."""
        return dict(zip(self.cell.diagonals, () if self.diagonals is None else self.diagonals))


class Readout(Frozen):
    """Dense layer on the last recurrent layer's codes: logits, and the index of the largest.

    Parameters
    ----------
    input_format : Format
    weights : Matrix
        (planes, classes, inputs).
    bias : int32 array (classes)
        Less than 2**30 in magnitude; other integers are held as int32.
    shift : int
        0 to 40.
    logits : Fixed
        ``(row + bias) >> shift``, saturated; ties of the largest go to the lower index. Signed.
    when : When

    Raises
    ------
    NetworkError
        Parts that don't fit each other, with the name of the field.
    """

    input_format: Format
    weights: Matrix
    bias: np.ndarray
    shift: int
    logits: Fixed
    when: When

    def __post_init__(self):
        check_kinds(self, input_format=Format, weights=Matrix, logits=Fixed, when=When)
        _check_bias("bias", self.bias, (self.classes,))
        _check_shift(self.shift)
        if not self.logits.signed:
            raise NetworkError("logits must be signed")
        self._hold(bias=self.bias.astype(np.int32, copy=False))

    @property
    def inputs(self):
        return self.weights.columns

    @property
    def classes(self):
        return self.weights.rows


def embedding_type(kind):
    """Type of an embedding's codes: int8 if it holds all of the input format's, else int16.

    Raises
    ------
    NetworkError
        A format whose codes do not fit 16 bits.
    """
    low, high = kind.code_range
    for dtype in (np.int8, np.int16):
        if np.iinfo(dtype).min <= low and high <= np.iinfo(dtype).max:
            return dtype
    raise NetworkError(f"embedding must have an input format whose codes fit 16 bits, not {kind!r}")


class Network(Frozen):
    """Stacked recurrent layers and a readout, frozen to integers.

    Parameters
    ----------
    name : str
    layers : tuple of Layer
        The input format of each is the state format of the one before.
    readout : Readout or None
        Without one the network puts out the last layer's codes at every step.
    labels : tuple of str
        Names of the readout's classes, or of the embedding's words without a readout; or empty.
    notes : mapping of str to str
        Where the network comes from: recipe, data, accuracy as trained. Never read by the model.
    embedding : array (words, inputs) or None
        Input codes of each word of a language network, of ``embedding_type(input_format)``.
        Software on the host looks them up; they are no part of the hardware.

    Raises
    ------
    NetworkError
        Parts that don't fit each other; a name, label or note that has control characters.
    """

    name: str
    layers: tuple[Layer, ...]
    readout: Readout | None
    labels: tuple[str, ...] = ()
    notes: collections.abc.Mapping[str, str] = dataclasses.field(default_factory=dict)
    embedding: np.ndarray | None = None

    def __post_init__(self):
        check_notes(self.name, self.labels, self.notes, NetworkError)
        if not self.layers:
            raise NetworkError("a network must have at least one layer")
        for index, layer in enumerate(self.layers):
            if not isinstance(layer, Layer):
                raise NetworkError(f"layer{index} must be of the type Layer, not {layer!r}")
        inputs, input_format = self.inputs, self.input_format
        if input_format.header:
            raise NetworkError("layer0.input_format must not be online: coefficients come from a "
                               "layer's own state, and an input stream carries codes alone")
        for index, layer in enumerate(self.layers):
            self._match(f"layer{index}", layer, inputs, input_format)
            inputs, input_format = layer.units, layer.state_format
        if self.readout is not None:
            check_kinds(self, readout=Readout)
            self._match("readout", self.readout, inputs, input_format)
        if self.embedding is not None:
            self._validate_embedding()
        self._validate_labels()
        super().__post_init__()

    def _validate_embedding(self):
        check_integers("embedding", self.embedding)
        shape, kind = self.embedding.shape, self.input_format
        if len(shape) != 2 or not shape[0] or shape[1] != self.inputs:
            raise NetworkError(f"embedding must have the shape (words, {self.inputs}), not {shape}")
        dtype = embedding_type(kind)
        if self.embedding.dtype != dtype:
            raise NetworkError(f"embedding must be of {np.dtype(dtype)}, which holds the codes of "
                               f"{kind!r}, not of {self.embedding.dtype}")
        step = -(-_PIECE // self.inputs)
        for start in range(0, shape[0], step):
            piece = self.embedding[start:start + step]
            if not kind.contains(piece):
                word = start + next(word for word, codes in enumerate(piece)
                                    if not kind.contains(codes))
                raise NetworkError(f"embedding must hold codes of {kind!r}, "
                                   f"not what word {word} has")

    def _validate_labels(self):
        if self.readout is not None:
            count, what = self.readout.classes, "class"
        else:
            count, what = 0 if self.embedding is None else len(self.embedding), "word"
        if self.labels and len(self.labels) != count:
            raise NetworkError(f"labels must be {count}, one a {what}, not {len(self.labels)}")

    @staticmethod
    def _match(name, layer, inputs, input_format):
        if layer.inputs != inputs:
            raise NetworkError(f"{name} must have {inputs} inputs, as many as the units before it, "
                               f"not {layer.inputs}")
        if layer.input_format != input_format:
            raise NetworkError(f"{name}.input_format must be the state format before it, "
                               f"{input_format!r}, not {layer.input_format!r}")

    def __repr__(self):
        cells = "+".join(dict.fromkeys(layer.cell.name for layer in self.layers))
        sizes = [self.inputs, *(layer.units for layer in self.layers)]
        sizes += [] if self.readout is None else [self.readout.classes]
        words = "" if self.embedding is None else f", {len(self.embedding)} words"
        return (f"Network({self.name!r}, {cells}, {'-'.join(map(str, sizes))}{words}, "
                f"digest {self.digest[:12]})")

    @property
    def matrices(self):
        """Every ``Matrix`` by name: ``layer0.input``, ``layer0.recurrent``, ..., ``readout``."""
        named = {f"layer{index}.{part}": matrix for index, layer in enumerate(self.layers)
                 for part, matrix in layer.matrices.items()}
        return named | ({} if self.readout is None else {"readout": self.readout.weights})

    @property
    def inputs(self):
        """Elements of an input vector."""
        return self.layers[0].inputs

    @property
    def input_format(self):
        """Format of an input element."""
        return self.layers[0].input_format

    def embed(self, tokens):
        """Input codes of words.

        Parameters
        ----------
        tokens : int array (steps,)
            Index of each word in the vocabulary.

        Returns
        -------
        int64 array (steps, inputs)

        Raises
        ------
        ValueError
            A network without an embedding, or an index that it does not have.
        """
        if self.embedding is None:
            raise ValueError(f"Network {self.name} must have an embedding to read words")
        tokens = np.asarray(tokens, dtype=np.int64)
        wrong = (tokens < 0) | (tokens >= len(self.embedding))
        if wrong.any():
            raise ValueError(f"Words must be from 0 to {len(self.embedding) - 1}, "
                             f"not {int(tokens[wrong][0])}")
        return self.embedding[tokens].astype(np.int64)
