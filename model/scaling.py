"""Scaling of raw values: what stands between a sensor and input codes, and between logits and the
numbers that they are to be.
"""

import collections.abc
import typing

import numpy as np
import numpy.typing as npt

from ternloom.model.error import NetworkError
from ternloom.model.format import Format
from ternloom.model.frozen import Frozen


__all__ = ["Scaling"]


#: Fraction bits at which scaled values are compared with cuts, and the largest that are.
_FRAC, _LARGEST = 20, 1 << 20


class Scaling(Frozen):
    """Mean and deviation of each value of a step, by which raw values are shifted and divided.

    Parameters
    ----------
    mean : float64 array (values,)
    deviation : float64 array (values,)
        Above zero.

    Raises
    ------
    NetworkError
        Arrays of other shapes, or numbers that are not finite or not above zero.
    """

    mean: np.ndarray
    deviation: np.ndarray

    def __post_init__(self):
        super().__post_init__()
        for name in ("mean", "deviation"):
            array = getattr(self, name)
            if not isinstance(array, np.ndarray) or array.dtype != np.float64 or array.ndim != 1:
                raise NetworkError(f"{name} of the scaling must be a float64 array (values,)")
            if not np.isfinite(array).all():
                raise NetworkError(f"{name} of the scaling must hold finite numbers")
        if self.mean.shape != self.deviation.shape or not len(self.mean):
            raise NetworkError(f"deviation of the scaling must have {len(self.mean) or 1} entries, "
                               f"one per value, not {len(self.deviation)}")
        if (self.deviation <= 0).any():
            place = int(np.argmax(self.deviation <= 0))
            raise NetworkError(f"deviation of the scaling must be above 0, not "
                               f"{self.deviation[place]} of value {place}")

    @classmethod
    def fit(cls, sequences: collections.abc.Iterable[npt.ArrayLike]) -> typing.Self:
        """Mean and deviation over all steps; a value that never changes is only shifted.

        Parameters
        ----------
        sequences : sequence of float array (steps, inputs)
            Of the training part alone.
        """
        steps = np.concatenate([np.asarray(each, np.float64) for each in sequences])
        deviation = steps.std(axis=0)
        return cls(steps.mean(axis=0), np.where(deviation > 0, deviation, 1.0))

    def scaled(self, values: npt.ArrayLike) -> np.ndarray:
        """Raw values, shifted and divided, float64 array (..., inputs)."""
        return (np.asarray(values, np.float64) - self.mean) / self.deviation

    def raw(self, values: npt.ArrayLike) -> np.ndarray:
        """Raw values of scaled ones, float64 array (..., inputs)."""
        return np.asarray(values, np.float64) * self.deviation + self.mean

    def codes(self, values: npt.ArrayLike, form: Format) -> np.ndarray:
        """Input codes of raw values: shifted, divided, and then the codes that are nearest.

        Parameters
        ----------
        values : float array (..., inputs)
        form : Format
            Fixed point: rounded half up. Any other compares with its cuts.

        Returns
        -------
        int16 array (..., inputs)
        """
        scaled = self.scaled(values)
        if not form.rounded:
            scaled = np.clip(scaled, -_LARGEST, _LARGEST)
            return form.quantize(np.floor(scaled * 2.0**_FRAC + 0.5).astype(np.int64),
                                 _FRAC).astype(np.int16)
        low, high = form.code_range
        return np.clip(np.floor(scaled * 2.0**form.frac + 0.5), low, high).astype(np.int16)
