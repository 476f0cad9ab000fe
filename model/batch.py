"""Sequences of different lengths in one time-major array without gaps, as PyTorch packs them."""

import collections.abc

import numpy as np
import numpy.typing as npt


__all__ = ["Batch"]


class Batch:
    """Places of sequences, sorted by falling length, in a time-major array without gaps.

    Parameters
    ----------
    lengths : list of int
        Falling.
    """

    def __init__(self, lengths: npt.ArrayLike) -> None:
        lengths = np.asarray(lengths)
        #: Sequences that have each step.
        self.sizes = [int(np.count_nonzero(lengths > step)) for step in range(lengths.max())]
        starts = np.concatenate([[0], np.cumsum(self.sizes[:-1], dtype=np.int64)])
        self._places = [starts[:length] + rank for rank, length in enumerate(lengths)]

    def pack(self, arrays: collections.abc.Sequence[np.ndarray],
             dtype: npt.DTypeLike = np.int64) -> np.ndarray:
        """One array (all steps, columns) of the sequences' arrays."""
        packed = np.empty((sum(self.sizes), arrays[0].shape[1]), dtype=dtype)
        for places, array in zip(self._places, arrays, strict=True):
            packed[places] = array
        return packed

    def unpack(self, packed: np.ndarray) -> list[np.ndarray]:
        """The sequences' arrays of a packed one."""
        return [packed[places] for places in self._places]

    def last(self, packed: np.ndarray) -> np.ndarray:
        """Row of each sequence's last step."""
        return packed[[places[-1] for places in self._places]]
