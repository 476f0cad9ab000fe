"""Products of sign planes, activations quantized online, beside PyTorch's float32 on one thread."""

import statistics
import time

import numpy as np

from ternloom.model import online
from ternloom.model.alphabet import PLANES
from ternloom.model.bitplanes import COMPILED, BitPlanes
from ternloom.model.format import Fixed, Online
from ternloom.model.matrix import Matrix


__all__ = ["NOTE", "TITLE", "rows"]

TITLE = "Product of bit planes and one vector, 4096 x 1024, with online quantization, one thread"

NOTE = """\
Median of 1000 calls each, PyTorch and ours in turns of 20 in the same run. Ours starts from the
1024 samples of h and ends with 4096 exact sums. Floors: what Xu et al. 2018 report for their binary
product on a CPU, with quantization, against a float library's.
"""

_ROWS, _COLUMNS = 4096, 1024
#: Speed-ups that the paper measured, by planes of weights and activations.
_FLOORS = {2: 6, 3: 3}
#: Calls of one side before it is the other's turn, and turns.
_CALLS, _TURNS = 20, 50


def rows():
    """One row a number of planes, as dicts."""
    import torch

    torch.set_num_threads(1)
    rng = np.random.default_rng(1)
    weights = torch.from_numpy(rng.normal(0, 0.1, (_ROWS, _COLUMNS)).astype(np.float32))
    vector = torch.from_numpy(rng.normal(0, 0.3, _COLUMNS).astype(np.float32))
    form = Fixed(16, 15)
    samples = form.quantize((vector.numpy() * 2**20).astype(np.int64), 20)
    return [_row(planes, lambda: torch.mv(weights, vector), Online(form, planes), samples, rng)
            for planes in _FLOORS]


def _row(planes, theirs, form, samples, rng):
    codes = rng.choice([-1, 1], (planes, _ROWS, _COLUMNS)).astype(np.int8)
    matrix = Matrix(PLANES, codes,
                    rng.integers(1, 256, (planes, _ROWS)).astype(np.int32))
    values = online.values(form, *online.quantize(form, samples[None]))[0]
    expected = np.vecdot(matrix.codes @ values, matrix.coefficients, axis=0)
    row = {"weights/activations": f"{planes}/{planes}"}
    sides = [theirs] + [lambda made=BitPlanes(matrix, compiled): made.online(form, samples)
                        for compiled in (True, False)[not COMPILED:]]
    for side in sides[1:]:
        if not np.array_equal(side(), expected):
            raise ValueError("The product of bit planes must be the integer product")
    times = _microseconds(sides)
    row["PyTorch us"] = f"{times[0]:.0f}"
    if COMPILED:
        row |= {"Numba us": f"{times[1]:.0f}", "ratio": f"{times[0] / times[1]:.1f}"}
    return row | {"floor": _FLOORS[planes], "NumPy alone us": f"{times[-1]:.0f}",
                  "its ratio": f"{times[0] / times[-1]:.1f}"}


def _microseconds(sides):
    """Median of each side's calls."""
    seconds = [[] for _ in sides]
    for _ in range(_TURNS):
        for side, spent in zip(sides, seconds, strict=True):
            for _ in range(_CALLS):
                start = time.perf_counter()
                side()
                spent.append(time.perf_counter() - start)
    return [1e6 * statistics.median(spent) for spent in seconds]
