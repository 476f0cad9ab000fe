"""The streams of a core: how codes and logits lie in their beats."""

import dataclasses

import numpy as np

from ternloom.model.format import Binary, Fixed, Ternary
from ternloom.model.geometry import network_geometry


__all__ = ["Stream", "decode", "input_stream", "output_stream", "whole_bytes"]


def whole_bytes(bits):
    """Bits of as many whole bytes."""
    return -(-bits // 8) * 8


def decode(form, bits):
    """Codes of wire forms: the inverse of ``form.bits``.

    Parameters
    ----------
    form : Format
    bits : int array
        Unsigned, of ``form.width`` bits.

    Returns
    -------
    int64 array
    """
    bits = np.asarray(bits, dtype=np.int64)
    if isinstance(form, Binary):
        return 2 * bits - 1
    if isinstance(form, Ternary) or isinstance(form, Fixed) and form.signed:
        sign = 1 << (form.width - 1)
        return (bits ^ sign) - sign
    return bits


@dataclasses.dataclass(frozen=True)
class Stream:
    """Vectors of codes as beats of a few lanes.

    Parameters
    ----------
    form : Format
        Of a code; a logit's for the stream of a readout.
    elements : int
        Codes of a vector.
    lanes : int
        Codes of a beat, lane 0 in the low bits.
    user_width : int
        Bits of ``tuser``.
    """

    form: object
    elements: int
    lanes: int
    user_width: int = 0

    @property
    def beats(self):
        """Beats of a vector."""
        return -(-self.elements // self.lanes)

    @property
    def data_width(self):
        """Bits of ``tdata``."""
        return whole_bytes(self.lanes * self.form.width)

    def pack(self, vectors, filling=0):
        """Words of ``tdata`` that carry vectors.

        Parameters
        ----------
        vectors : int array (vectors, elements)
            Codes.
        filling : int
            0 or 1: every bit of the lanes beyond the vector.

        Returns
        -------
        list of int
            ``vectors * beats`` words, without the sign extension of a logit.
        """
        width = self.form.width
        bits = np.asarray(self.form.bits(np.asarray(vectors, dtype=np.int64)))
        spare = [filling * ((1 << width) - 1)] * (-self.elements % self.lanes)
        words = []
        for row in bits.tolist():
            row += spare
            for first in range(0, len(row), self.lanes):
                words.append(sum(bit << (lane * width)
                                 for lane, bit in enumerate(row[first:first + self.lanes])))
        return words

    def unpack(self, words):
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
        bits = [[word >> (lane * width) & mask for lane in range(self.lanes)] for word in words]
        codes = decode(self.form, np.array(bits, dtype=np.int64).reshape(-1, self.lanes))
        return codes.reshape(-1, self.beats * self.lanes)[:, :self.elements]


def input_stream(network, folding):
    """Stream that a network's core takes: ``input_lanes`` codes of the input a beat."""
    return Stream(network.input_format, network.inputs, folding.input_lanes)


def output_stream(network, folding):
    """Stream that a network's core gives.

    With a readout one logit a beat, and in ``tuser`` the index of the largest so far. Without one
    the codes of the last layer, as many a beat as its array has chains.
    """
    readout = network.readout
    if readout is not None:
        return Stream(readout.logits, readout.classes, 1,
                      max(1, (readout.classes - 1).bit_length()))
    layer, geometry = network.layers[-1], network_geometry(network, folding)[-1]
    return Stream(layer.state_format, layer.units, geometry.chains, 1)
