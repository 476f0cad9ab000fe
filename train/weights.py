"""Weight quantizers in training: the integers of ``ternloom.quantize``, and a gradient."""

import numpy as np
import torch

from ternloom.model.limits import LARGEST_COEFFICIENT
from ternloom.quantize.weights import Alternating
from ternloom.train import planes
from ternloom.train.quantize import straight_through


__all__ = ["clip", "effective", "effective_bias"]


def effective(quantizer, latent, draw=False):
    """Weights as the integers mean them; the gradient goes straight to the latent weights.

    Parameters
    ----------
    quantizer : MatrixQuantizer
    latent : float tensor (rows, columns)
    draw : bool
        Draw codes by those methods that have a stochastic rule, anew at each call: one sample a
        forward pass, as Ott et al. 2016 do.

    Returns
    -------
    float tensor (rows, columns)
    """
    if latent.is_cuda and not draw and _by_planes(quantizer):
        return straight_through(latent, _planes(quantizer, latent.detach()))
    values = quantizer.values(_numpy(latent), _generator() if draw else None)
    return straight_through(latent, torch.from_numpy(values).to(latent.device))


def _numpy(tensor):
    return tensor.detach().cpu().numpy()


def _by_planes(quantizer):
    """Whether there is a function of tensors for what a quantizer does."""
    method = quantizer.methods[0]
    return (set(quantizer.methods) == {method} and isinstance(method, Alternating)
            and (method.greedy_start or method.planes <= 2))


def _planes(quantizer, latent):
    """Weights as the integers mean them, by way of tensors alone."""
    method = quantizer.methods[0]
    codes, scales = planes.alternating(latent, method.planes, method.rounds)
    scales = (scales * 2.0**quantizer.exponent + 0.5).floor_().clamp_(max=LARGEST_COEFFICIENT)
    return (codes * scales[:, :, None]).sum(0).mul_(2.0**-quantizer.exponent)


def effective_bias(quantizer, latent, bias, draw=False):
    """Biases as one more weight of their row, as ``MatrixQuantizer.biases``; arguments likewise."""
    values = quantizer.biases(_numpy(latent), _numpy(bias), _generator() if draw else None)
    return straight_through(bias, torch.from_numpy(values).to(bias.device))


def _generator():
    """A generator seeded by PyTorch's: whoever restores that one restores the draws."""
    return np.random.default_rng(int(torch.randint(1 << 62, ())))


def clip(quantizer, latent):
    """Pull latent weights back, in place, to where they still matter."""
    bound = torch.from_numpy(quantizer.clip(latent.shape)).to(latent.dtype)
    if not bool(bound.isfinite().any()):
        return
    bound = bound.to(latent.device, non_blocking=True)
    with torch.no_grad():
        torch.clamp(latent, -bound, bound, out=latent)
