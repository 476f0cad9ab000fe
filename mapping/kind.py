"""What the mapping of each kind of node is: the one table of this room."""

import collections.abc
import dataclasses
import typing

from ternloom.mapping.geometry import Geometry, layer_geometry, readout_geometry
from ternloom.mapping.image import Image, layer_image, readout_image
from ternloom.mapping.steps import LayerTiming, ReadoutTiming
from ternloom.model.node import Layer, Readout


__all__ = ["KINDS", "Kind"]


@dataclasses.dataclass(frozen=True)
class Kind:
    """How a kind of node lies in its array.

    Parameters
    ----------
    geometry : function of a body, a LayerFolding, and the codes in a beat of each input
    image : function of a body and its geometry
    timing : function of a body, its geometry and the output stream
        Gives the cycles step after step, as ``LayerTiming`` does.
    """

    geometry: collections.abc.Callable[..., Geometry]
    image: collections.abc.Callable[[typing.Any, Geometry], Image]
    timing: collections.abc.Callable[..., typing.Any]


#: By the type of the body.
KINDS = {
    Layer: Kind(layer_geometry, layer_image, LayerTiming),
    Readout: Kind(readout_geometry, readout_image, ReadoutTiming),
}
