"""Bytes between a host and a board: what to send for a sequence, and the answer to expect."""

import typing

import numpy as np
import numpy.typing as npt

from ternloom.boards.link import pack_vector
from ternloom.model import golden


if typing.TYPE_CHECKING:
    from ternloom.mapping.mapping import Mapping


__all__ = ["answer", "question"]


def question(mapping: "Mapping", sequence: npt.ArrayLike) -> bytes:
    """Bytes that carry a sequence to the board (see ``ternloom.boards.link``).

    Parameters
    ----------
    mapping : Mapping
    sequence : int array (steps, inputs)

    Returns
    -------
    bytes
    """
    stream = mapping.taken
    words = stream.pack(sequence)
    starts = range(0, len(words), stream.beats)
    return b"".join(pack_vector(words[start:start + stream.beats], stream.data_width // 8,
                                last=start == starts[-1]) for start in starts)


def answer(mapping: "Mapping", sequence: npt.ArrayLike) -> bytes:
    """Bytes that the board answers to a sequence, by the golden model.

    Parameters
    ----------
    mapping : Mapping
        Of a network with a readout.
    sequence : int array (steps, inputs)

    Returns
    -------
    bytes
        Of each output vector the logits, those of one readout after another, and the winner, that
        of the last readout.
    """
    stream = mapping.given
    result = golden.run(mapping.network, [sequence])
    size, winner_size = stream.data_width // 8, -(-stream.user_width // 8)
    decided = [(each.logits[0], each.winners[0]) for each in result.answers.values()
               if each.logits is not None and each.winners is not None]
    vectors = np.concatenate([logits for logits, _ in decided], axis=1).tolist()
    return b"".join(
        b"".join(logit.to_bytes(size, "little", signed=True) for logit in logits)
        + int(winner).to_bytes(winner_size, "little")
        for logits, winner in zip(vectors, decided[-1][1], strict=True))
