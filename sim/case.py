"""Cases: what a simulation feeds a core, and what it must get back."""

import bisect
import dataclasses
import functools

import numpy as np

from ternloom.mapping.mapping import Mapping
from ternloom.model import golden
from ternloom.model.frozen import Frozen
from ternloom.model.network import When


__all__ = ["Case", "Transfer", "beat_width"]


def beat_width(mapping):
    """Bits of ``s_axis_tdata``, ``m_axis_tdata`` and ``m_axis_tuser`` of a core."""
    return mapping.taken.data_width, mapping.given.data_width, mapping.given.user_width


@dataclasses.dataclass(frozen=True)
class Transfer:
    """An output transfer that the golden model expects.

    Parameters
    ----------
    sequence, step, index : int
        Step counts within the sequence, index is the beat of the vector: the class of a logit.
    data : int
        Word of ``m_axis_tdata``, unsigned.
    user : int
        What its readout says beside a logit, such as the index of the largest up to and including
        this one; 1 with a coefficient of codes.
    last : int
        1 with the last beat of the sequence.
    """

    sequence: int
    step: int
    index: int
    data: int
    user: int
    last: int


class Case(Frozen):
    """One network, folded, and what to drive it with.

    Parameters
    ----------
    mapping : Mapping
    sequences : tuple of integer array (steps, inputs)
    design : object, optional
        What to simulate: has ``name``, ``verilog`` and may have ``probes`` and ``sources``. By
        default what ``ternloom.hw.verilog`` generates.
    offers : sequence of int, optional
        First cycle at which the source offers each input beat, counted from the release of the
        first reset; by default as soon as it can.
    ready : sequence of int, optional
        Pattern of ``m_axis_tready``, one value a cycle, repeated; by default always 1. Cycles are
        compared only when it is.
    resets : sequence of int
        Cycles after which the reset is pulsed, each counted from the release of the reset before.
        The source then starts with the first sequence of which it had sent nothing.
    short : sequence of int
        Beats that the last vector of each sequence lacks: it ends early with ``tlast``. By default
        none.
    """

    mapping: Mapping
    sequences: tuple
    design: object = None
    offers: tuple | None = None
    ready: tuple | None = None
    resets: tuple = ()
    short: tuple = ()

    def __post_init__(self):
        if not self.sequences:
            raise ValueError("there must be at least one sequence")
        for index, sequence in enumerate(self.sequences):
            shape = np.shape(sequence)
            if len(shape) != 2 or not shape[0] or shape[1] != self.network.inputs:
                raise ValueError(f"sequence {index} must have the shape (steps, "
                                 f"{self.network.inputs}), not {shape}")
        if self.short and (len(self.short) != len(self.sequences)
                           or not all(0 <= lack < self.taken.beats for lack in self.short)):
            raise ValueError(f"short must be from 0 to {self.taken.beats - 1} for each of the "
                             f"{len(self.sequences)} sequences, not {self.short}")
        if self.offers is not None and len(self.offers) != self.first_beats[-1]:
            raise ValueError(f"offers must have {self.first_beats[-1]} entries, one per beat, "
                             f"not {len(self.offers)}")
        if self.ready is not None and not any(self.ready):
            raise ValueError("ready must be 1 in at least one cycle")
        super().__post_init__()

    @functools.cached_property
    def lengths(self):
        """Steps of each sequence."""
        return [len(sequence) for sequence in self.sequences]

    @property
    def network(self):
        return self.mapping.network

    @property
    def taken(self):
        """The input stream."""
        return self.mapping.taken

    @property
    def given(self):
        """The output stream."""
        return self.mapping.given

    @property
    def beats_per_step(self):
        """Input beats of a vector."""
        return self.taken.beats

    @property
    def _speaks_last(self):
        """Whether a sequence has one output vector, at its last step."""
        return self.network.outputs[0].body.when is When.LAST

    @functools.cached_property
    def first_steps(self):
        """Index of the first step of each sequence, and of the one past the last."""
        return [0, *np.cumsum(self.lengths).tolist()]

    @functools.cached_property
    def first_beats(self):
        """Index of the first input beat of each sequence, and of the one past the last."""
        beats = np.multiply(self.lengths, self.beats_per_step) - (self.short or 0)
        return [0, *np.cumsum(beats).tolist()]

    @functools.cached_property
    def first_transfers(self):
        """Index of the first output transfer of each sequence, and of the one past the last."""
        vectors = [1 if self._speaks_last else length for length in self.lengths]
        return [0, *np.cumsum(np.multiply(vectors, self.given.beats)).tolist()]

    def beat_place(self, beat):
        """Sequence and step of an input beat."""
        sequence = bisect.bisect_right(self.first_beats, beat) - 1
        return sequence, (beat - self.first_beats[sequence]) // self.beats_per_step

    def step_place(self, start, step):
        """Sequence and step of the n-th step from sequence ``start`` on; None past the last."""
        step += self.first_steps[start]
        sequence = bisect.bisect_right(self.first_steps, step) - 1
        if sequence == len(self.sequences):
            return None
        return sequence, step - self.first_steps[sequence]

    @functools.cached_property
    def seen(self):
        """The sequences as the core sees them: codes that a vector lacks are zero bits."""
        sequences = [np.array(sequence, dtype=np.int64) for sequence in self.sequences]
        zero = int(self.network.input_format.decode(0))
        for sequence, lack in zip(sequences, self.short, strict=False):
            if lack:
                sequence[-1, (self.taken.beats - lack) * self.taken.slots:] = zero
        return sequences

    def error_beat(self, start=0):
        """Index of the beat after which the core must raise ``error``, of those from sequence
        ``start`` on; None if it must not.
        """
        for sequence, lack in enumerate(self.short):
            if sequence >= start and lack:
                return self.first_beats[sequence + 1] - 1 - self.first_beats[start]
        return None

    @functools.cached_property
    def beats(self):
        """Words of all input beats, and indices of those that end a sequence."""
        words = []
        for sequence, first, last in zip(self.sequences, self.first_beats, self.first_beats[1:],
                                         strict=False):
            words += self.taken.pack(sequence, filling=1)[:last - first]
        return words, [beat - 1 for beat in self.first_beats[1:]]

    @functools.cached_property
    def transfers(self):
        """Expected output transfers of all sequences, without a reset."""
        result = golden.run(self.network, self.seen)
        expected = []
        for sequence, length in enumerate(self.lengths):
            if self.network.gives_logits:
                mask = (1 << self.given.data_width) - 1
                logits = [answer.logits[sequence] for answer in result.answers.values()]
                words = (np.concatenate(logits, axis=1) & mask).ravel().tolist()
                users = np.concatenate([
                    node.body.marks(each) for node, each
                    in zip(self.network.outputs, logits, strict=True)], axis=1).ravel().tolist()
            else:
                words = self.given.pack(result.codes[sequence], coefficients=(
                    result.coefficients and result.coefficients[sequence]))
                users = [int(beat % self.given.beats < self.given.header)
                         for beat in range(len(words))]
            first = length - len(words) // self.given.beats
            for beat, (word, user) in enumerate(zip(words, users, strict=True)):
                vector, index = divmod(beat, self.given.beats)
                expected.append(Transfer(sequence, first + vector, index, word, user,
                                         int(beat == len(words) - 1)))
        return expected

    @functools.cached_property
    def trace(self):
        """Golden intermediates: name to one array (steps, units) a sequence."""
        return golden.run(self.network, self.seen, trace=True).trace

    def cycles(self, start=0):
        """Predicted cycles from the reset before sequence ``start``, with a sink always ready.

        Returns
        -------
        list of int, list of int
            Of every input beat and of every output transfer from that sequence on.
        """
        # The core fills in what lacks as if it were offered at once.
        sent = np.concatenate([np.arange(steps * self.taken.beats) < last - first
                               for steps, first, last in zip(self.lengths, self.first_beats,
                                                             self.first_beats[1:], strict=False)])
        sent = sent[self.first_steps[start] * self.taken.beats:]
        offers = None
        if self.offers is not None:
            part = np.asarray(self.offers[self.first_beats[start]:], dtype=np.int64)
            offers = np.zeros(len(sent), dtype=np.int64)
            offers[sent] = np.maximum(part - (part[0] if start else 0), 0)
        predicted = self.mapping.predict(self.lengths[start:], offers)
        return predicted.inputs[sent].tolist(), list(map(int, predicted.outputs))
