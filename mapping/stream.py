"""The streams of a core: how codes and logits lie in their beats."""

import collections.abc
import dataclasses

import numpy as np
import numpy.typing as npt

from ternloom.mapping.folding import Folding
from ternloom.mapping.geometry import Geometry
from ternloom.model.format import Format
from ternloom.model.network import Network


__all__ = ["Stream", "input_stream", "output_stream", "whole_bytes"]


def whole_bytes(bits: int) -> int:
    """Bits of as many whole bytes."""
    return -(-bits // 8) * 8


@dataclasses.dataclass(frozen=True)
class Stream:
    """Vectors of codes as beats of a few slots.

    Codes whose coefficients come with the vector follow them: a beat for each plane's, unsigned.

    Parameters
    ----------
    form : Format
        Of a code; a logit's for the stream of a readout.
    elements : int
        Codes of a vector.
    slots : int
        Codes of a beat, slot 0 in the low bits.
    user_width : int
        Bits of ``tuser``.
    """

    form: Format
    elements: int
    slots: int
    user_width: int = 0

    @property
    def header(self) -> int:
        """Beats of coefficients before a vector's codes."""
        return self.form.header

    @property
    def beats(self) -> int:
        """Beats of a vector."""
        return self.header + -(-self.elements // self.slots)

    @property
    def data_width(self) -> int:
        """Bits of ``tdata``."""
        widest = self.slots * self.form.width
        if not self.header:
            return whole_bytes(widest)
        return whole_bytes(max(widest, self.form.header_bits // self.header))

    def pack(self, vectors: npt.ArrayLike, filling: int = 0,
             coefficients: npt.ArrayLike | None = None) -> list[int]:
        """Words of ``tdata`` that carry vectors.

        Parameters
        ----------
        vectors : int array (vectors, elements)
            Codes.
        filling : int
            0 or 1: every bit of the slots beyond the vector.
        coefficients : int array (vectors, header), optional
            Where the codes need them.

        Returns
        -------
        list of int
            ``vectors * beats`` words, without the sign extension of a logit.
        """
        width = self.form.width
        bits = np.asarray(self.form.bits(np.asarray(vectors, dtype=np.int64)))
        spare = [filling * ((1 << width) - 1)] * (-self.elements % self.slots)
        words = []
        heads = [[]] * len(bits) if coefficients is None else np.asarray(coefficients).tolist()
        for head, row in zip(heads, bits.tolist(), strict=True):
            words += head
            row += spare
            for first in range(0, len(row), self.slots):
                words.append(sum(bit << (slot * width)
                                 for slot, bit in enumerate(row[first:first + self.slots])))
        return words

    def unpack(self, words: collections.abc.Iterable[int]) -> np.ndarray:
        """Codes of the vectors that words of ``tdata`` carry.

        Parameters
        ----------
        words : sequence of int
            Of whole vectors.

        Returns
        -------
        int64 array (vectors, elements)
        """
        width, mask = self.form.width, (1 << self.form.width) - 1
        bits = [[word >> (slot * width) & mask for slot in range(self.slots)]
                for beat, word in enumerate(words) if beat % self.beats >= self.header]
        codes = self.form.decode(np.array(bits, dtype=np.int64).reshape(-1, self.slots))
        return codes.reshape(-1, (self.beats - self.header) * self.slots)[:, :self.elements]

    def coefficients(self, words: collections.abc.Iterable[int]) -> np.ndarray:
        """Coefficients of the vectors that words of ``tdata`` carry, int64 array (vectors, header).
        """
        found = np.array([word for beat, word in enumerate(words)
                          if beat % self.beats < self.header], dtype=np.int64)
        return found.reshape(-1, self.header)


def input_stream(network: Network, folding: Folding) -> Stream:
    """Stream that a network's core takes: ``input_slots`` codes of the input a beat."""
    return Stream(network.input_format, network.inputs, folding.input_slots)


def output_stream(network: Network, geometries: collections.abc.Sequence[Geometry]) -> Stream:
    """Stream that a network's core gives, see ``Mapping.given``."""
    if network.gives_logits:
        bodies = [node.body for node in network.outputs]
        widest = max((body.form for body in bodies), key=lambda form: form.width)
        marks = max(body.mark_values for body in bodies)
        return Stream(widest, sum(body.size for body in bodies), 1,
                      max(1, (marks - 1).bit_length()))
    name, body = network.outputs[0].name, network.outputs[0].body
    place = next(index for index, node in enumerate(network.nodes) if node.name == name)
    return Stream(body.form, body.size, geometries[place].chains, 1)
