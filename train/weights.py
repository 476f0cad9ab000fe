"""Weight quantizers in training: the integers of ``ternloom.quantize``, and a gradient."""

import functools

import numpy as np
import torch

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
    if latent.is_cuda and not draw and planes.covers(quantizer):
        return straight_through(latent, planes.values(quantizer, latent.detach()))
    values = quantizer.values(_numpy(latent), _generator() if draw else None)
    return straight_through(latent, torch.from_numpy(values).to(latent.device))


def _numpy(tensor):
    return tensor.detach().cpu().numpy()


def effective_bias(quantizer, latent, bias, draw=False):
    """Biases as one more weight of their row, as ``MatrixQuantizer.biases``; arguments likewise."""
    values = quantizer.biases(_numpy(latent), _numpy(bias), _generator() if draw else None)
    return straight_through(bias, torch.from_numpy(values).to(bias.device))


def _generator():
    """A generator seeded by PyTorch's: whoever restores that one restores the draws."""
    return np.random.default_rng(int(torch.randint(1 << 62, ())))


@functools.lru_cache(maxsize=64)
def _bound(quantizer, shape, dtype, device):
    """Where latent weights are clipped, or None."""
    bound = torch.from_numpy(quantizer.clip(shape)).to(dtype)
    return bound.to(device) if bool(bound.isfinite().any()) else None


def clip(quantizer, latent):
    """Pull latent weights back, in place, to where they still matter."""
    bound = _bound(quantizer, latent.shape, latent.dtype, latent.device)
    if bound is None:
        return
    with torch.no_grad():
        torch.clamp(latent, -bound, bound, out=latent)
