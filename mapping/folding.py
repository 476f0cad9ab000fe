"""Folding: how many processing elements and lanes a network is spread over."""

import collections.abc
import dataclasses
import operator
import typing

from ternloom.model.mistake import Mistake
from ternloom.model.network import INPUT, Network, When


__all__ = ["Folding", "FoldingError", "LayerFolding"]


class FoldingError(Mistake, ValueError):
    """A folding that cannot be, or that does not belong to the network."""


def _positive(name, value, limit):
    try:
        value = operator.index(value)
    except TypeError:
        raise FoldingError(f"{name} must be an integer, not {value!r}") from None
    if not 1 <= value <= limit:
        raise FoldingError(f"{name} must be from 1 to {limit}, not {value!r}")


@dataclasses.dataclass(frozen=True)
class LayerFolding:
    """Size of one layer's array.

    Parameters
    ----------
    pe : int
        Processing elements, 1 to 4096: rows in work at once. Need not divide the rows.
    simd : int
        Lanes of an element, 1 to 256: columns in work at once. Need not divide the columns.
    multiplexed : bool
        Activation planes are time-multiplexed: fed one after another to one counter per element,
        instead of all at once to one counter per plane.
    """

    pe: int
    simd: int
    multiplexed: bool = False

    def __post_init__(self):
        _positive("pe", self.pe, 4096)
        _positive("simd", self.simd, 256)

    @property
    def lanes(self) -> int:
        """Products a cycle."""
        return self.pe * self.simd


@dataclasses.dataclass(frozen=True)
class Folding:
    """Sizes of all arrays of a network.

    Parameters
    ----------
    arrays : tuple of LayerFolding
        One for each node, in their order.
    input_slots : int
        Codes a beat of the input stream, at most the ``simd`` of each node that takes it.
    """

    arrays: tuple[LayerFolding, ...]
    input_slots: int = 1

    def __post_init__(self):
        _positive("input_slots", self.input_slots, 256)
        if self.arrays and self.input_slots > self.arrays[0].simd:
            raise FoldingError(f"input_slots must be at most the first layer's simd of "
                               f"{self.arrays[0].simd}, not {self.input_slots!r}")

    @classmethod
    def line(cls, layers: collections.abc.Iterable[LayerFolding],
             readout: LayerFolding | None = None, input_slots: int = 1) -> typing.Self:
        """Of layers one after another, and a readout unless there is none."""
        return cls((*layers, *(() if readout is None else (readout,))), input_slots)

    @classmethod
    def uniform(cls, network: Network, pe: int = 4, simd: int = 8,
                input_slots: int | None = None) -> typing.Self:
        """The same ``pe`` and ``simd`` for every layer.

        A readout gets one element, or one of every step as many as it needs to keep up with the
        slowest layer. ``input_slots`` is by default the smallest power of two that lets the input
        stream keep up with the first layer.
        """
        part = LayerFolding(pe, simd)
        cycles = min((layer.rows * (layer.inputs + layer.units) // part.lanes
                      for layer in network.layers), default=0)
        arrays = tuple(LayerFolding(_readout_pe(node.body, simd, cycles), simd)
                       if node.body.gives_logits else part for node in network.nodes)
        if input_slots is None:
            input_slots = 1
            while input_slots * 2 <= simd and input_slots * max(cycles, 1) < network.inputs:
                input_slots *= 2
        return cls(arrays, input_slots)

    def check(self, network: Network) -> None:
        """Raise ``FoldingError`` unless it fits the nodes of the network."""
        if len(self.arrays) != len(network.nodes):
            raise FoldingError(f"folding must have {len(network.nodes)} arrays, one for each of "
                               f"{', '.join(node.name for node in network.nodes)}, "
                               f"not {len(self.arrays)}")
        for index, _ in network.consumers(INPUT):
            if self.input_slots > self.arrays[index].simd:
                raise FoldingError(f"input_slots must be at most the simd of "
                                   f"{network.nodes[index].name}, {self.arrays[index].simd}, "
                                   f"not {self.input_slots}")


def _readout_pe(body, simd, cycles):
    """Elements of a readout that keeps up with a step of ``cycles``."""
    elements = 1
    if body.when is When.EVERY:
        while (elements < body.size
               and body.size * body.inputs > elements * simd * max(cycles, 1)):
            elements *= 2
    return elements
