"""What a core may meet from outside: gaps in its input, a sink that is not ready, resets."""

import dataclasses

import numpy as np


__all__ = ["disturbed"]


def disturbed(rng, case, kind):
    """The case with gaps in the input, back-pressure or resets, as bits 0 to 2 of ``kind`` say."""
    fields = {}
    if kind & 1:
        gaps = rng.integers(0, 12, case.first_beats[-1]) ** 2
        fields["offers"] = tuple(np.cumsum(gaps // 3).tolist())
    if kind & 2:
        pattern = rng.integers(0, 2, int(rng.integers(1, 12)))
        fields["ready"] = (*pattern.tolist(), 1)
    if kind & 4:
        end = case.cycles()[1][-1]
        fields["resets"] = tuple(int(cycle) for cycle in rng.integers(1, end, 2))
    return dataclasses.replace(case, **fields)
