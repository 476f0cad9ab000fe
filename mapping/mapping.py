"""The mapping: a network on arrays of given sizes, worked out once for all who build or count."""

import collections.abc
import functools
import typing

import numpy.typing as npt

from ternloom.mapping.folding import Folding
from ternloom.mapping.geometry import Geometry
from ternloom.mapping.image import Image
from ternloom.mapping.kind import KINDS
from ternloom.mapping.stream import Stream, input_stream, output_stream
from ternloom.mapping.timing import Timing, cycles_per_step, predict
from ternloom.model.frozen import Frozen
from ternloom.model.network import INPUT, Network
from ternloom.model.node import rule


__all__ = ["Mapping"]


class Mapping(Frozen):
    """Where every weight of a network lies, and when every word moves.

    Parameters
    ----------
    network : Network
    folding : Folding

    Raises
    ------
    FoldingError
        If the folding does not belong to the network.
    """

    network: Network
    folding: Folding

    def __post_init__(self):
        super().__post_init__()
        self.folding.check(self.network)

    @classmethod
    def uniform(cls, network: Network, pe: int = 4, simd: int = 8,
                input_slots: int | None = None) -> typing.Self:
        """With the same sizes for every layer; arguments are those of ``Folding.uniform``."""
        return cls(network, Folding.uniform(network, pe, simd, input_slots))

    @functools.cached_property
    def geometries(self) -> tuple[Geometry, ...]:
        """Geometry of each node's array, in the order of the nodes.

        Raises
        ------
        NetworkError
            If no array holds the alphabets of a node's matrices together.
        """
        found, slots = [], {INPUT: self.folding.input_slots}
        for node, part in zip(self.network.nodes, self.folding.arrays, strict=True):
            beat_slots = (slots[name] for name in node.inputs)
            found.append(rule(KINDS, node.body).geometry(node.body, part, *beat_slots))
            slots[node.name] = found[-1].chains
        return tuple(found)

    @functools.cached_property
    def images(self) -> tuple[Image, ...]:
        """Image of each node's array: what its ROMs hold."""
        return tuple(rule(KINDS, node.body).image(node.body, geometry)
                     for node, geometry in zip(self.network.nodes, self.geometries, strict=True))

    @functools.cached_property
    def taken(self) -> Stream:
        """The input stream: ``input_slots`` codes a beat."""
        return input_stream(self.network, self.folding)

    @functools.cached_property
    def given(self) -> Stream:
        """The output stream.

        With readouts one logit a beat, those of one readout after another, and in ``tuser`` the
        index of the largest of its readout so far. Without one the codes of the last layer, as many
        a beat as its array has chains; ``tuser`` is 1 with a coefficient and 0 with codes.
        """
        return output_stream(self.network, self.geometries)

    def predict(self, lengths: collections.abc.Iterable[int],
                offers: npt.ArrayLike | None = None) -> Timing:
        """Predict the cycle of every input and output transfer.

        Parameters
        ----------
        lengths : sequence of int
            Steps of each sequence; they follow one another without a pause of the source's own.
        offers : int array, optional
            For each beat of the input stream the first cycle at which the source offers it; a beat
            is never offered before the one before it was taken. Default: at once.

        Returns
        -------
        Timing
        """
        return predict(self, lengths, offers)

    @functools.cached_property
    def cycles_per_step(self) -> float:
        """Cycles between steps once a long sequence is under way."""
        return cycles_per_step(self)
