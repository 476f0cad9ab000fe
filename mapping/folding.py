"""Folding: how many processing elements and lanes a network is spread over."""

import dataclasses
import operator

from ternloom.model.mistake import Mistake


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
    in_turn : bool
        Activation planes are fed one after another to one counter an element, instead of all at
        once to one counter a plane.
    """

    pe: int
    simd: int
    in_turn: bool = False

    def __post_init__(self):
        _positive("pe", self.pe, 4096)
        _positive("simd", self.simd, 256)

    @property
    def lanes(self):
        """Products a cycle."""
        return self.pe * self.simd


@dataclasses.dataclass(frozen=True)
class Folding:
    """Sizes of all arrays of a network.

    Parameters
    ----------
    layers : tuple of LayerFolding
        One a recurrent layer.
    readout : LayerFolding or None
        None for a network without a readout.
    input_lanes : int
        Codes a beat of the input stream, at most the first layer's ``simd``.
    """

    layers: tuple[LayerFolding, ...]
    readout: LayerFolding | None
    input_lanes: int = 1

    def __post_init__(self):
        _positive("input_lanes", self.input_lanes, 256)
        if self.layers and self.input_lanes > self.layers[0].simd:
            raise FoldingError(f"input_lanes must be at most the first layer's simd of "
                               f"{self.layers[0].simd}, not {self.input_lanes!r}")

    @classmethod
    def uniform(cls, network, pe=4, simd=8, input_lanes=None):
        """The same ``pe`` and ``simd`` for every recurrent layer.

        The readout gets one element, or as many as it needs to keep up with the slowest layer when
        it speaks at every step. ``input_lanes`` is by default the smallest power of two that lets
        the input stream keep up with the first layer.
        """
        layer_folding = LayerFolding(pe, simd)
        layers = (layer_folding,) * len(network.layers)
        cycles = min(layer.rows * (layer.inputs + layer.units) // layer_folding.lanes
                     for layer in network.layers)
        readout = None
        if network.readout is not None:
            readout = LayerFolding(_readout_pe(network.readout, simd, cycles), simd)
        if input_lanes is None:
            input_lanes = 1
            while input_lanes * 2 <= simd and input_lanes * max(cycles, 1) < network.inputs:
                input_lanes *= 2
        return cls(layers, readout, input_lanes)

    def check(self, network):
        """Raise ``FoldingError`` unless it has an entry for each array of the network."""
        if len(self.layers) != len(network.layers):
            raise FoldingError(f"folding must have {len(network.layers)} layers, one for each of "
                               f"the network's, not {len(self.layers)}")
        if (self.readout is None) != (network.readout is None):
            raise FoldingError("folding must have a readout if the network has one, and none if it "
                               f"has none, not {self.readout!r}")


def _readout_pe(readout, simd, cycles):
    """Elements of a readout that keeps up with a step of ``cycles``."""
    elements = 1
    if readout.when.value == "every":
        while (elements < readout.classes
               and readout.classes * readout.inputs > elements * simd * max(cycles, 1)):
            elements *= 2
    return elements
