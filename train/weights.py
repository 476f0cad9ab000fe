"""Weight quantizers: a float matrix becomes codes and a scale for each plane of each row."""

import dataclasses
import math

import numpy as np
import torch

from ternloom.model.network import Matrix, Weight
from ternloom.train.quantize import straight_through


__all__ = ["MatrixQuantizer", "alternating", "power_of_two", "ternary_scale"]


#: Bits of the largest coefficient that a ``Matrix`` may have.
_COEFFICIENT_BITS = 15
#: TWN's threshold in units of the mean magnitude (Li & Liu 2016, eq. 6).
_TERNARY_THRESHOLD = 0.7


def power_of_two(scale):
    """Nearest power of two, on the logarithmic axis."""
    return torch.exp2(torch.round(torch.log2(scale)))


def _mean(value, weight, by_row):
    """Weighted mean over the row, or over the matrix repeated for each row; (rows, 1)."""
    axes = (1,) if by_row else (0, 1)
    total = (value * weight).sum(axes, keepdim=True)
    mean = total / weight.sum(axes, keepdim=True).clamp(min=1)
    return mean.expand(value.shape[0], 1)


def ternary_scale(latent, by_row):
    """Scale and threshold of ternary weights (Li & Liu 2016, eqs. 5 and 6), each (rows, 1)."""
    size = latent.abs()
    threshold = _TERNARY_THRESHOLD * _mean(size, torch.ones_like(size), by_row)
    return _mean(size, (size > threshold).to(size.dtype), by_row), threshold


def alternating(latent, planes, rounds=2):
    """Alternating multi-bit quantization of each row (Xu et al. 2018, algorithms 1 and 2).

    Greedy start, then ``rounds`` times: least-squares coefficients for the codes, nearest codes
    for the coefficients.

    Parameters
    ----------
    latent : float tensor (rows, columns)
    planes : int

    Returns
    -------
    codes : float tensor (planes, rows, columns)
        Of {-1, +1}.
    scales : float tensor (planes, rows)
        Not negative.
    """
    rest, codes, scales = latent, [], []
    for _ in range(planes):
        scale = rest.abs().mean(1, keepdim=True)
        sign = torch.where(rest >= 0, 1.0, -1.0).to(latent.dtype)
        codes.append(sign)
        scales.append(scale)
        rest = rest - scale * sign
    codes, scales = torch.stack(codes), torch.cat(scales, 1)
    for _ in range(rounds):
        scales = _least_squares(latent, codes)
        codes = _nearest(latent, scales)
    return codes, scales.t()


def _least_squares(latent, codes):
    """Best coefficients (rows, planes), made positive: a sign belongs to the plane."""
    basis = codes.permute(1, 2, 0)
    normal = basis.mT @ basis
    # Two equal planes make the normal matrix singular; the ridge then shares their scale.
    ridge = 1e-6 * torch.eye(codes.shape[0], dtype=latent.dtype)
    solution = torch.linalg.solve(normal + ridge, basis.mT @ latent[:, :, None])
    return solution[:, :, 0].abs()


def _nearest(latent, scales):
    """Codes (planes, rows, columns) of the nearest level, the upper one in a tie."""
    planes = scales.shape[1]
    signs = torch.tensor([[2.0 * (code >> plane & 1) - 1 for plane in range(planes)]
                          for code in range(1 << planes)], dtype=latent.dtype)
    levels, order = torch.sort(scales @ signs.t(), dim=1)
    cuts = ((levels[:, 1:] + levels[:, :-1]) / 2).contiguous()
    index = torch.searchsorted(cuts, latent.contiguous(), right=True)
    return signs[torch.gather(order, 1, index)].permute(2, 0, 1)


@dataclasses.dataclass(frozen=True)
class MatrixQuantizer:
    """How the latent floats of one matrix become the integers of a ``Matrix``.

    Parameters
    ----------
    weight : Weight
    planes : int
        Planes of ``Weight.PLANES``, which are always fitted row by row; 1 otherwise.
    by_row : bool
        A scale of its own for each row, instead of one for the matrix.
    frozen : float tensor (rows, 1) or None
        Scales that training keeps, powers of two; None fits them at every forward pass.
    exponent : int
        A coefficient is ``round(scale * 2**exponent)``, from 1 to what a ``Matrix`` may have.
    """

    weight: Weight
    planes: int = 1
    by_row: bool = False
    frozen: torch.Tensor | None = None
    exponent: int = 0

    def fit(self, latent):
        """Codes (planes, rows, columns) and real scales (planes, rows)."""
        if self.weight is Weight.PLANES:
            return alternating(latent, self.planes)
        if self.frozen is not None:
            scale = self.frozen.to(latent.dtype)
            threshold = scale / 2
        elif self.weight is Weight.TERNARY:
            scale, threshold = ternary_scale(latent, self.by_row)
        else:
            scale, threshold = _mean(latent.abs(), torch.ones_like(latent), self.by_row), None
        if self.weight is Weight.BINARY:
            codes = torch.where(latent >= 0, 1.0, -1.0).to(latent.dtype)
        else:
            codes = (latent >= threshold).to(latent.dtype) - (latent <= -threshold).to(latent.dtype)
        return codes[None], scale.t()

    def coefficients(self, scales):
        """Integers, as floats, that stand for the scales."""
        coefficients = torch.floor(scales * 2.0**self.exponent + 0.5)
        return coefficients.clamp(1, 2**_COEFFICIENT_BITS - 1)

    def effective(self, latent):
        """Weights as the integers mean them; the gradient goes straight to the latent weights."""
        with torch.no_grad():
            codes, scales = self.fit(latent)
            scales = self.coefficients(scales) * 2.0**-self.exponent
            meant = (codes * scales[:, :, None]).sum(0)
        return straight_through(latent, meant)

    def bound(self):
        """Latent weights are clipped to this magnitude, (rows, 1) or a number.

        Beyond its level a weight would only take longer to come back (Courbariaux et al. 2015).
        """
        return 1.0 if self.frozen is None else self.frozen

    def lower(self, latent):
        """The integer ``Matrix`` of the latent weights."""
        with torch.no_grad():
            codes, scales = self.fit(latent)
            coefficients = self.coefficients(scales)
        return Matrix(weight=self.weight, codes=codes.numpy().astype(np.int8),
                      coefficients=coefficients.numpy().astype(np.int32))

    def freeze(self, latent):
        """This quantizer with scales frozen at the powers of two nearest to the fitted ones."""
        _, scales = self.fit(latent)
        return dataclasses.replace(self, frozen=power_of_two(scales.t().detach().clone()))

    def with_exponent(self, exponent):
        """This quantizer with another exponent of its coefficients."""
        return dataclasses.replace(self, exponent=exponent)

    def exponents(self, latent, bits):
        """Smallest useful and largest possible exponent.

        At the smallest one every coefficient is exact if the scales are frozen, and the largest
        has ``bits`` bits otherwise; beyond the largest one it would not fit a ``Matrix``.
        """
        _, scales = self.fit(latent)
        top = math.floor(math.log2(float(scales.max())))
        if self.frozen is not None:
            bits = top - math.floor(math.log2(float(scales.min()))) + 1
        return bits - 1 - top, _COEFFICIENT_BITS - 2 - top
