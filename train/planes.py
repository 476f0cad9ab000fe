"""Sign planes in PyTorch's operations alone, for a GPU: the same results as those in NumPy.

``alternating`` is :func:`ternloom.quantize.multibit.alternating` from the paper's start, and
``online`` the values of :func:`ternloom.model.online.quantize`, integer for integer. On a processor
training calls those themselves.
"""

import itertools

import torch


__all__ = ["alternating", "online"]


#: As in ``ternloom.quantize.multibit``.
_SINGULAR = 1e-9


def alternating(rows, planes, rounds):
    """Alternating multi-bit quantization from a greedy start (Xu et al. 2018, algorithms 1 and 2).

    Parameters
    ----------
    rows : float tensor (rows, columns)
    planes : int
        1 to 4.
    rounds : int
        T of the paper.

    Returns
    -------
    codes : float tensor (planes, rows, columns)
        Of {-1, +1}.
    scales : float tensor (planes, rows)
    """
    codes, scales, rest = [], [], rows
    for _ in range(planes):
        codes.append(torch.where(rest >= 0, 1.0, -1.0).to(rows.dtype))
        scales.append((rest * codes[-1]).sum(1) / rows.shape[1])
        rest = rest - scales[-1][:, None] * codes[-1]
    codes, scales = torch.stack(codes), torch.stack(scales)
    for _ in range(rounds if planes > 1 else 0):
        scales = _least_squares(rows, codes).abs().sort(dim=0, descending=True).values
        codes = _nearest(rows, scales)
    return codes, scales


def _least_squares(rows, codes):
    planes, columns = len(codes), rows.shape[1]
    normal = torch.full((len(rows), planes, planes), float(columns), dtype=torch.float64,
                        device=rows.device)
    for one, other in itertools.combinations(range(planes), 2):
        sums = (codes[one] * codes[other]).sum(1).double()
        normal[:, one, other] = normal[:, other, one] = sums
    normal /= columns
    target = (codes * rows).sum(2).double().t()[:, :, None] / columns
    dependent = torch.linalg.det(normal) < _SINGULAR
    if bool(dependent.any()):
        inverse = torch.linalg.pinv(normal[dependent], rtol=_SINGULAR, hermitian=True)
        target[dependent] = inverse @ target[dependent]
        normal[dependent] = torch.eye(planes, dtype=normal.dtype, device=rows.device)
    return torch.linalg.solve(normal, target)[:, :, 0].t().to(rows.dtype)


def _nearest(rows, scales):
    places = torch.arange(len(scales), device=rows.device)
    signs = 2.0 * (torch.arange(1 << len(scales), device=rows.device)[:, None] >> places & 1) - 1
    levels, order = (scales.t() @ signs.t().to(rows.dtype)).sort(dim=1, stable=True)
    cuts = (levels[:, :-1] + levels[:, 1:]) / 2
    found = order.gather(1, torch.searchsorted(cuts, rows.contiguous(), right=True))
    return (2 * (found >> places[:, None, None] & 1) - 1).to(rows.dtype)


def online(samples, planes, rounds):
    """Values of vectors whose planes have coefficients of their own.

    Nothing here waits for the GPU, so that the operations can be captured.

    Parameters
    ----------
    samples : int64 tensor (vectors, units)
        Codes of the format's ``sample``.
    planes, rounds : int
        Of the format; two or three planes.

    Returns
    -------
    int64 tensor (vectors, units)
        In units of ``2**-frac`` of the format.
    """
    vectors = _Vectors(samples)
    if planes == 2:
        upper, lower = _two(vectors, rounds)
        size = torch.where(vectors.reached(upper + lower), 2 * upper[:, None], 2 * lower[:, None])
    else:
        a, b, c = _greedy(vectors)
        for _ in range(rounds):
            a, b, c = _solve(vectors, a, b, c)
        size = (a - b - c).abs()[:, None]
        for cut, level in zip(_cuts(a, b, c), (a - b + c, a + b - c, a + b + c), strict=True):
            size = torch.where(vectors.reached(cut), level[:, None], size)
    return torch.where(vectors.negative, -size, size)


class _Vectors:
    """As in ``ternloom.model.online``."""

    def __init__(self, samples):
        self.negative, self.count = samples < 0, samples.shape[1]
        self._magnitudes = samples.abs()
        self._keys = 2 * self._magnitudes - self.negative.long()
        self.total = self._magnitudes.sum(1)

    def reached(self, cut):
        """Which samples are at or above each vector's cut."""
        return self._keys >= cut[:, None]

    def above(self, cut):
        """How many samples are, and the sum of their magnitudes."""
        hits = self.reached(cut)
        return hits.sum(1), (self._magnitudes * hits).sum(1)


def _quotient(numerator, denominator, default):
    safe = denominator.clamp(min=1)
    rounded = torch.div(numerator.abs() + (safe >> 1), safe, rounding_mode="floor")
    return torch.where(denominator == 0, default, rounded)


def _two(vectors, rounds):
    count, total = vectors.count, vectors.total
    upper = lower = torch.div(total + (count >> 1), count, rounding_mode="floor")
    for _ in range(rounds):
        above, reached = vectors.above(upper + lower)
        upper = _quotient(reached, above, upper)
        lower = _quotient(total - reached, count - above, lower)
    return upper, lower


def _cuts(a, b, c):
    return torch.maximum(a - b, c), a, a + b


def _greedy(vectors):
    count, total = vectors.count, 2 * vectors.total

    def mean(sums):
        return torch.div(sums + (count >> 1), count, rounding_mode="floor")

    def turned(cut):
        above, reached = vectors.above(cut)
        return 2 * (2 * reached - above * cut)

    a = mean(total)
    b = mean(turned(a) - total + count * a)
    c = mean(count * (a - b) - total + turned(a - b) - turned(a) + turned(a + b))
    return _sorted(a, b, c)


def _sorted(a, b, c):
    return torch.stack([a, b, c]).sort(dim=0, descending=True).values.unbind()


def _solve(vectors, a, b, c):
    above, reached = zip(*(vectors.above(cut) for cut in _cuts(a, b, c)), strict=True)
    n0, n1, n2, n3 = vectors.count - above[0], above[0] - above[1], above[1] - above[2], above[2]
    s0, s1, s2, s3 = (vectors.total - reached[0], reached[0] - reached[1],
                      reached[1] - reached[2], reached[2])
    s0 = torch.where(a - b < c, -s0, s0)
    weight = n3 * n2 * (n1 + n0) + n1 * n0 * (n3 + n2)
    return _sorted(*(_quotient(numerator, weight, old) for numerator, old in (
        ((n0 + n3) * (n1 * s2 + n2 * s1) + (n1 + n2) * (n0 * s3 + n3 * s0), a),
        ((n1 + n3) * (n0 * s2 - n2 * s0) + (n0 + n2) * (n1 * s3 - n3 * s1), b),
        ((n2 + n3) * (n0 * s1 - n1 * s0) + (n0 + n1) * (n2 * s3 - n3 * s2), c))))
