"""Whether a float network's forward is the user's: outputs of the own model beside the reading's.

A ``state_dict`` holds tensors and not what a model does with them. A check file holds inputs and
the outputs that the model gave, as NPZ or safetensors: ``inputs`` (sequences, steps, inputs) and
``outputs`` (sequences, classes) of the last step or (sequences, steps, classes) of every step; or,
for sequences of unequal lengths, ``inputs0`` (steps, inputs) and ``outputs0`` (classes) or (steps,
classes), ``inputs1`` and so on. A network with an embedding has words, integers, as inputs: without
the last axis. Without a readout outputs are h of the last layer.
"""

import collections.abc
import dataclasses
import pathlib
import re
import zipfile

import numpy as np

from ternloom.files import container
from ternloom.model.error import NetworkError
from ternloom.quantize import forward
from ternloom.quantize.floats import FloatNetwork


__all__ = ["Check", "compare", "load"]


#: How much farther outputs may be than float32 took the reading itself: sums of another order
#: round otherwise, but not much.
_MARGIN = 16
#: Of the largest output, at least: where the reading happens to round nothing.
_FLOOR = 2.0**-20
#: Of the largest output, at most: outputs that float32 moves farther tell nothing.
_TELLING = 0.02
_NAME = re.compile(r"(inputs|outputs)(\d*)")
_LIKELY = ("a layer or activation between, a mean over time, an initial state that is not zero, "
           "other scaling of the inputs, a model that is still training, or reduced precision")


@dataclasses.dataclass(frozen=True)
class Check:
    """How far a model's outputs are from the float reading.

    Parameters
    ----------
    sequences, vectors : int
        Sequences, and output vectors that were compared.
    difference : float
        Largest absolute one.
    bound : float
        What float32 explains: 16 times the largest difference between the reading in float32 and
        that in float64 on the same inputs, at least ``2**-20`` of the largest output.
    sequence : int
        Where the largest difference is.
    resembles : str or None
        Where the bound is exceeded: another forward whose outputs are these.
    """

    sequences: int
    vectors: int
    difference: float
    bound: float
    sequence: int
    resembles: str | None = None

    @property
    def passed(self) -> bool:
        return self.difference <= self.bound

    @property
    def line(self) -> str:
        """Why it failed, in a line."""
        why = (f"they match a forward pass with {self.resembles}" if self.resembles
               else f"the model may have {_LIKELY}")
        return (f"outputs of sequence {self.sequence} are {self.difference:.3g} away from those of "
                "the recurrent layers from a cleared state and a readout of their h, where float32 "
                f"explains {self.bound:.1e}: {why}")


def load(path: str | pathlib.Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """Read a check file.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    list of (array, array)
        Inputs and outputs of each sequence.

    Raises
    ------
    NetworkError
        One line that says what is wrong with the file.
    """
    arrays = _arrays(path)
    try:
        return _pairs(arrays)
    except ValueError as error:
        raise NetworkError(f"check file {path} {error}") from None


def _arrays(path):
    """Arrays of an NPZ or safetensors file by name."""
    try:
        with pathlib.Path(path).open("rb") as stream:
            if stream.read(2) == b"PK":
                stream.seek(0)
                with np.load(stream, allow_pickle=False) as stored:
                    return {name: np.asarray(stored[name]) for name in stored.files}
        return container.foreign(path, "check", NetworkError)
    except OSError as error:
        raise NetworkError(f"check file {path} cannot be read: {error.strerror}") from None
    except (ValueError, zipfile.BadZipFile) as error:
        if isinstance(error, NetworkError):
            raise
        raise NetworkError(f"check file {path} is neither NPZ nor safetensors with plain "
                           "numbers") from None


def _pairs(arrays):
    """Inputs and outputs of each sequence, in the order of their numbers."""
    found: dict[str, dict[str, np.ndarray]] = {"inputs": {}, "outputs": {}}
    for name, array in (arrays or {}).items():
        match = _NAME.fullmatch(name)
        if not match:
            raise ValueError("must hold inputs and outputs, or inputs0, outputs0, inputs1 and so "
                             f"on, not {name}")
        if array.dtype.kind not in "fiu" or not np.isfinite(array).all():
            raise ValueError(f"must hold finite numbers in {name}")
        found[match[1]][match[2]] = array
    if not found["inputs"] or set(found["inputs"]) != set(found["outputs"]):
        raise ValueError("must hold one outputs array for each inputs array, with the same number")
    if "" not in found["inputs"]:
        return [(found["inputs"][number], found["outputs"][number])
                for number in sorted(found["inputs"], key=int)]
    if len(found["inputs"]) > 1:
        raise ValueError("must hold either inputs and outputs or numbered ones, not both")
    inputs, outputs = found["inputs"][""], found["outputs"][""]
    if inputs.ndim < 2 or len(inputs) != len(outputs):
        raise ValueError("must hold outputs for as many sequences as inputs, not the shapes "
                         f"{outputs.shape} and {inputs.shape}")
    return list(zip(inputs, outputs, strict=True))


def _inputs(reference, index, inputs):
    """Input values of a sequence in float64."""
    if reference.embedding is not None:
        words = len(reference.embedding)
        if inputs.ndim != 1 or inputs.dtype.kind not in "iu" or not inputs.size \
                or inputs.min() < 0 or inputs.max() >= words:
            raise NetworkError(f"inputs of sequence {index} must be words: integers from 0 to "
                               f"{words - 1}, of the shape (steps,)")
        return reference.embedding[inputs].astype(np.float64)
    if inputs.ndim != 2 or not len(inputs) or inputs.shape[1] != reference.inputs:
        raise NetworkError(f"inputs of sequence {index} must have the shape (steps, "
                           f"{reference.inputs}), not {inputs.shape}")
    return inputs.astype(np.float64)


def _outputs(reference, index, steps, outputs):
    """Outputs of a sequence in float64: (1, classes) or (steps, classes)."""
    classes = reference.classes or reference.layers[-1].units
    if outputs.shape not in ((classes,), (steps, classes)):
        raise NetworkError(f"outputs of sequence {index} must have the shape ({classes},) for the "
                           f"last step, or ({steps}, {classes}) for every step, "
                           f"not {outputs.shape}")
    return np.atleast_2d(outputs).astype(np.float64)


def _as(reference, dtype):
    """The float network in another type of numbers."""
    def cast(each):
        return dataclasses.replace(each, **{
            field.name: value.astype(dtype) for field in dataclasses.fields(each)
            if isinstance(value := getattr(each, field.name), np.ndarray)})

    return dataclasses.replace(cast(reference), layers=tuple(map(cast, reference.layers)))


def _read(reference, values):
    """h and c of the last layer, a list each."""
    last = forward.run(reference, values)[-1]
    return last.outputs, last.states


def _said(reference, hidden):
    return forward.logits(reference, hidden) if reference.classes else hidden


def compare(reference: FloatNetwork,
            pairs: collections.abc.Sequence[tuple[np.ndarray, np.ndarray]]) -> Check:
    """Hold a model's outputs against the reading of its tensors.

    Parameters
    ----------
    reference : FloatNetwork
    pairs : list of (array, array)
        As ``load`` gives them.

    Returns
    -------
    Check

    Raises
    ------
    NetworkError
        For arrays of other shapes, and for networks that are chaotic on these inputs.
    """
    values = [_inputs(reference, index, inputs) for index, (inputs, _) in enumerate(pairs)]
    given = [_outputs(reference, index, len(value), outputs)
             for index, (value, (_, outputs)) in enumerate(zip(values, pairs, strict=True))]
    whole = [outputs.ndim == 2 for _, outputs in pairs]
    exact, single = _as(reference, np.float64), _as(reference, np.float32)
    hidden, states = _read(exact, values)
    rough, _ = _read(single, values)
    expected, coarse = ([_said(network, each if full else each[-1:])
                         for each, full in zip(found, whole, strict=True)]
                        for network, found in ((exact, hidden), (single, rough)))
    noise = max(float(np.abs(a - b).max()) for a, b in zip(expected, coarse, strict=True))
    largest = max(float(np.abs(each).max()) for each in expected)
    bound = max(_MARGIN * noise, _FLOOR * largest)
    if bound > _TELLING * largest > 0:
        raise NetworkError(f"outputs up to {largest:.3g} move by {noise:.2g} when the network is "
                           "computed in float32, too much for a check; use shorter sequences")
    distances = [float(np.abs(a - b).max()) for a, b in zip(given, expected, strict=True)]
    worst = int(np.argmax(distances))
    check = Check(len(pairs), sum(map(len, given)), distances[worst], bound, worst)
    if check.passed:
        return check
    return dataclasses.replace(check, resembles=_resembled(exact, given, hidden, states, whole,
                                                           bound))


def _resembled(reference, given, hidden, states, whole, bound):
    """Which of the usual other forwards gives these outputs, or None."""
    for words, change in _others(reference):
        found = (change(h, c, full) for h, c, full in zip(hidden, states, whole, strict=True))
        if all(np.abs(one - other).max() <= _MARGIN * bound
               for one, other in zip(given, found, strict=True)):
            return words
    return None


def _others(reference):
    """Forwards that models often have: words, and outputs of h, c and whether at every step."""
    def before(function):
        return lambda h, c, full: _said(reference, function(h if full else h[-1:]))

    def after(function):
        return lambda h, c, full: function(_said(reference, h if full else h[-1:]))

    def pooled(function):
        return lambda h, c, full: _said(reference, function(h, axis=0, keepdims=True))

    yield "a ReLU before the readout", before(lambda h: np.maximum(h, 0))
    yield "a tanh before the readout", before(np.tanh)
    yield "a softmax after the readout", after(lambda logits: np.exp(_log_softmax(logits)))
    yield "a log-softmax after the readout", after(_log_softmax)
    yield "a sigmoid after the readout", after(lambda logits: 0.5 + 0.5 * np.tanh(0.5 * logits))
    if "cell" in reference.layers[-1].cell.carried:
        yield "c in place of h", lambda h, c, full: _said(reference, c if full else c[-1:])
    yield "the mean of h over time", pooled(np.mean)
    yield "the largest h over time", pooled(np.max)
    yield "h of the first step", lambda h, c, full: _said(reference, h[:1])


def _log_softmax(logits):
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
