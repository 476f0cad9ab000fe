"""Sign planes in PyTorch's operations alone, for a GPU: the same results as those in NumPy.

``alternating`` is :func:`ternloom.quantize.multibit.alternating` from the paper's start, written
for whole matrices at once where that one keeps blocks of rows in a processor's cache; ``online``
runs the rule of :mod:`ternloom.model.online` on tensors. On a processor training calls those.
"""

import itertools

import torch

from ternloom.model.limits import LARGEST_COEFFICIENT
from ternloom.model.online import Vectors, coefficients
from ternloom.quantize.weights import Alternating, HitnetTernary
from ternloom.train import fused


__all__ = ["alternating", "covers", "online", "values"]


#: As in ``ternloom.quantize.multibit``.
_SINGULAR = 1e-9


def covers(quantizer):
    """Whether :func:`values` knows what a ``MatrixQuantizer`` does."""
    method = quantizer.methods[0]
    if set(quantizer.methods) != {method} or quantizer.frozen is not None:
        return False
    if isinstance(method, HitnetTernary):
        return method.scaled
    return isinstance(method, Alternating) and (method.greedy_start or method.planes <= 2)


def values(quantizer, latent):
    """Weights as the integers mean them, as ``MatrixQuantizer.values``, of one that is covered.

    Parameters
    ----------
    quantizer : MatrixQuantizer
    latent : float tensor (rows, columns)

    Returns
    -------
    float tensor (rows, columns)
    """
    method = quantizer.methods[0]
    if isinstance(method, HitnetTernary):
        codes, scales = _ternary(latent, method.threshold)
    elif latent.is_cuda and fused.available() and method.planes in (2, 3) \
            and latent.dtype == torch.float32:
        return fused.values(method, quantizer.exponent, latent)
    else:
        codes, scales = alternating(latent, method.planes, method.rounds)
    scales = (scales * 2.0**quantizer.exponent + 0.5).floor_().clamp_(max=LARGEST_COEFFICIENT)
    return (codes * scales[:, :, None]).sum(0).mul_(2.0**-quantizer.exponent)


def _ternary(latent, threshold):
    size = latent.abs()
    above = size > threshold * size.mean()
    scale = (size * above).sum() / above.sum().clamp(min=1)
    return (latent.sign() * above)[None], scale.expand(1, len(latent))


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
    found, cuts = coefficients(vectors, planes, rounds)
    if planes == 2:
        a, b = found
        levels = a - b, a + b
    else:
        a, b, c = found
        levels = abs(a - b - c), a - b + c, a + b - c, a + b + c
    size = levels[0][:, None]
    for cut, level in zip(cuts, levels[1:], strict=True):
        size = torch.where(vectors.reached(cut), level[:, None], size)
    return torch.where(vectors.negative, -size, size)


class _Vectors(Vectors):
    """Samples of vectors as tensors."""

    larger, where = staticmethod(torch.maximum), staticmethod(torch.where)

    def __init__(self, samples):
        self.negative, self.count = samples < 0, samples.shape[1]
        self._magnitudes = samples.abs()
        self._keys = 2 * self._magnitudes - self.negative.long()
        self.total = self._magnitudes.sum(1)

    def above(self, cut):
        hits = self.reached(cut)
        return hits.sum(1), (self._magnitudes * hits).sum(1)

    def descending(self, *coefficients):
        return torch.stack(coefficients).sort(dim=0, descending=True).values.unbind()
