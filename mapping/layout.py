"""The layout of an input vector: how its beats become the words that an array reads."""

import dataclasses
import functools

import numpy as np


__all__ = ["InputLayout"]


@dataclasses.dataclass(frozen=True)
class InputLayout:
    """A vector in an input buffer.

    Rows of the buffer hold several beats where words are wider than those, and several words where
    beats are wider.

    Parameters
    ----------
    elements : int
        Codes of the vector.
    beat_slots : int
        Codes that arrive together.
    simd : int
        Codes of a word.
    """

    elements: int
    beat_slots: int
    simd: int

    @property
    def beats(self) -> int:
        """Beats of a vector."""
        return -(-self.elements // self.beat_slots)

    @property
    def beats_per_row(self) -> int:
        """Beats that share a row of the buffer."""
        return max(1, self.simd // self.beat_slots)

    @property
    def words_per_row(self) -> int:
        """Words in a row of the buffer, a power of two."""
        return 1 << (-(-self.beat_slots // self.simd) - 1).bit_length()

    @property
    def rows(self) -> int:
        """Rows of one bank of the buffer."""
        return -(-self.beats // self.beats_per_row)

    @property
    def words(self) -> int:
        """Words of a vector."""
        return self.rows * self.words_per_row

    @functools.cached_property
    def columns(self) -> np.ndarray:
        """Element of each word and lane, -1 where there is none; (words, simd)."""
        columns = np.full((self.words, self.simd), -1)
        for word, lane in np.ndindex(columns.shape):
            if self.words_per_row > 1 or self.beat_slots > self.simd:
                beat, sub = divmod(word, self.words_per_row)
                place = sub * self.simd + lane
            else:
                beat, place = divmod(lane, self.beat_slots)
                if beat >= self.beats_per_row:
                    continue
                beat += word * self.beats_per_row
            if place < self.beat_slots and beat * self.beat_slots + place < self.elements:
                columns[word, lane] = beat * self.beat_slots + place
        return columns
