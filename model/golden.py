"""The golden model: the network computed on integers, many sequences at a time.

Sequences are sorted by length and packed time-major, as PyTorch packs them, so that each step works
on the sequences that are still running and nothing is padded. Every node runs over the whole
batch before the next one starts: its input products are then one matrix product each.
"""

import collections.abc

import numpy as np
import numpy.typing as npt

from ternloom.model.batch import Batch
from ternloom.model.bounds import bounds
from ternloom.model.error import NetworkError
from ternloom.model.frozen import Frozen
from ternloom.model.network import INPUT, Network
from ternloom.model.runner import runner


__all__ = ["Answer", "Result", "Session", "run"]


#: Sequences that are computed together: as many as keep a step's arrays in the cache.
_BATCH = 256


class Answer(Frozen):
    """What one output of a network makes of its sequences; every tuple has an entry a sequence.

    Parameters
    ----------
    logits : tuple of int64 array (vectors, classes), or None
        Of a readout: one vector if ``when`` is the last step, else one a step.
    winners : tuple of int64 array (vectors,), or None
        Index of the largest logit of each vector, the lowest of equals.
    codes : tuple of int array (steps, units), or None
        Codes of a layer, where no readout takes them.
    coefficients : tuple of int array (steps, planes), or None
        Of those codes, where each vector brings its own.
    """

    logits: tuple[np.ndarray, ...] | None = None
    winners: tuple[np.ndarray, ...] | None = None
    codes: tuple[np.ndarray, ...] | None = None
    coefficients: tuple[np.ndarray, ...] | None = None


class Result(Frozen):
    """What a network makes of its sequences.

    Parameters
    ----------
    answers : mapping of str to Answer
        By the names of the outputs.
    trace : mapping of str to tuple of int array (steps, units)
        Every intermediate of docs/design.md section 2 by its name, if a trace was asked for;
        ``readout.logits`` is (vectors, classes) and ``readout.argmax`` (vectors, 1).

    Attributes
    ----------
    logits, winners, codes, coefficients
        Of the answer of a network with one output.
    """

    answers: collections.abc.Mapping[str, Answer]
    trace: collections.abc.Mapping[str, tuple[np.ndarray, ...]]

    @property
    def _answer(self):
        if len(self.answers) > 1:
            raise NetworkError("a result of several outputs has no single answer; take one of its "
                               f"answers, {', '.join(self.answers)}")
        return next(iter(self.answers.values()))

    @property
    def logits(self) -> tuple[np.ndarray, ...] | None:
        return self._answer.logits

    @property
    def winners(self) -> tuple[np.ndarray, ...] | None:
        return self._answer.winners

    @property
    def codes(self) -> tuple[np.ndarray, ...] | None:
        return self._answer.codes

    @property
    def coefficients(self) -> tuple[np.ndarray, ...] | None:
        return self._answer.coefficients


def run(network: Network, sequences: collections.abc.Iterable[npt.ArrayLike], *,
        trace: bool = False) -> Result:
    """Compute a network on sequences of input codes, exactly.

    Parameters
    ----------
    network : Network
    sequences : list of int array (steps, inputs)
        Input codes; the sequences may differ in length.
    trace : bool
        Whether to keep every named intermediate.

    Returns
    -------
    Result

    Raises
    ------
    ValueError
        A sequence that is empty, of the wrong width or with codes out of the input's format.
    NetworkError
        A network whose sums may exceed 62 bits.
    """
    sequences = list(sequences)
    return Session(network, len(sequences)).run(sequences, trace=trace)


class Session:
    """Sequences that come piece by piece: each goes on from the state that its last piece left.

    Parameters
    ----------
    network : Network
    count : int
        Sequences.

    Raises
    ------
    NetworkError
        A network whose sums may exceed 62 bits.
    """

    def __init__(self, network: Network, count: int = 1) -> None:
        self._network = network
        self._bodies = _prepare(network)
        self._states = {name: body.start(count) for name, body in self._bodies.items()}

    def run(self, pieces: collections.abc.Iterable[npt.ArrayLike], *,
            trace: bool = False) -> Result:
        """Compute a piece of every sequence.

        Parameters
        ----------
        pieces : list of int array (steps, inputs)
            One for each sequence, of any length.
        trace : bool

        Returns
        -------
        Result
            A readout of the last step gives logits at that of each piece.

        Raises
        ------
        ValueError
            As ``run`` does.
        """
        arrays = _check_sequences(self._network, pieces)
        order = sorted(range(len(arrays)), key=lambda index: -len(arrays[index]))
        outputs: list = [None] * len(arrays)
        traces: list = [None] * len(arrays)
        for start in range(0, len(order), _BATCH):
            chosen = order[start:start + _BATCH]
            vectors, named = self._run_batch([arrays[index] for index in chosen], chosen, trace)
            for place, index in enumerate(chosen):
                outputs[index] = {name: each[place] for name, each in vectors.items()}
                traces[index] = {name: values[place] for name, values in named.items()}
        return _result(self._network, outputs, traces, trace)

    def _run_batch(self, arrays, chosen, trace):
        """Outputs and traces of sequences of falling length, whose states are those ``chosen``."""
        batch = Batch([len(array) for array in arrays])
        named: dict[str, list[np.ndarray]] = {}
        values, vectors = {}, {}
        values[INPUT] = self._network.input_format.value(batch.pack(arrays))
        for node in self._network.nodes:
            body, states = self._bodies[node.name], self._states[node.name]
            state = {name: each[chosen] for name, each in states.items()}
            vectors[node.name], values[node.name], steps = body.run(
                [values[name] for name in node.inputs], batch, state, trace)
            for name, final in state.items():
                states[name][chosen] = final
            named |= {f"{node.name}.{name}": batch.unpack(np.concatenate(arrays))
                      for name, arrays in steps.items()}
        return {node.name: vectors[node.name] if node.body.gives_logits else
                batch.unpack(vectors[node.name]) for node in self._network.outputs}, named


def _result(network, outputs, traces, trace):
    """What a session hands out, of the output vectors and the traces of each sequence."""
    gathered = {name: tuple(one[name] for one in traces) for name in (traces[0] if traces else ())}
    answers = {}
    for node in network.outputs:
        vectors = tuple(each[node.name] for each in outputs)
        if not node.body.gives_logits:
            answers[node.name] = Answer(codes=vectors,
                                        coefficients=gathered.get(f"{node.name}.beta"))
            continue
        winners = tuple(np.argmax(each, axis=1) for each in vectors)
        answers[node.name] = Answer(vectors, winners)
        if trace:
            gathered[f"{node.name}.logits"] = vectors
            gathered[f"{node.name}.argmax"] = tuple(winner[:, None] for winner in winners)
    return Result(answers, gathered if trace else {})


def _check_sequences(network, sequences):
    """Sequences as arrays, or a ``ValueError`` that names the first sequence and step at fault."""
    arrays = [np.asarray(sequence) for sequence in sequences]
    form, inputs = network.input_format, network.inputs
    for index, array in enumerate(arrays):
        if array.ndim != 2 or array.shape[1] != inputs:
            raise ValueError(f"sequence {index} must have the shape (steps, {inputs}), "
                             f"not {array.shape}")
        if not len(array):
            raise ValueError(f"sequence {index} must have at least one step, not 0")
        if not np.issubdtype(array.dtype, np.integer):
            raise ValueError(f"sequence {index} must hold integer codes, not {array.dtype}")
        if not form.contains(array):
            step, column = next((step, column) for step, column in np.ndindex(array.shape)
                                if not form.contains(array[step, column]))
            raise ValueError(f"sequence {index} step {step} must hold codes of {form!r}, "
                             f"not {int(array[step, column])} in column {column}")
    return arrays


def _prepare(network):
    """Bodies ready to run by the names of their nodes, in integer types that their bounds allow."""
    ranges = bounds(network)
    for name, reach in ranges.items():
        if reach.magnitude >= 1 << 62:
            raise NetworkError(f"{name} must be less than 2**62 in magnitude, "
                               f"not {reach.magnitude}")
    return {node.name: runner(node.body, {
        name.removeprefix(f"{node.name}."): reach for name, reach in ranges.items()
        if name.startswith(f"{node.name}.")}) for node in network.nodes}
