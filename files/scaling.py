"""The scaling of raw values in the description of a network and of a data set."""

import typing

import msgspec
import numpy as np

from ternloom.model.scaling import Scaling


__all__ = ["ScalingSpec", "scaling", "scaling_spec"]


_Numbers = typing.Annotated[tuple[float, ...], msgspec.Meta(min_length=1, max_length=1 << 20)]


class ScalingSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A ``Scaling`` as JSON has it, every number to its last bit."""

    mean: _Numbers
    deviation: _Numbers


def scaling_spec(scaling: Scaling | None) -> ScalingSpec | msgspec.UnsetType:
    """What a description says of a scaling; nothing at all without one."""
    if scaling is None:
        return msgspec.UNSET
    return ScalingSpec(tuple(scaling.mean.tolist()), tuple(scaling.deviation.tolist()))


def scaling(spec: ScalingSpec | msgspec.UnsetType) -> Scaling | None:
    """The scaling that a description tells; ``NetworkError`` on one that cannot be."""
    if isinstance(spec, msgspec.UnsetType):
        return None
    return Scaling(np.array(spec.mean, np.float64), np.array(spec.deviation, np.float64))
