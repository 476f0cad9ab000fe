"""Weight quantizers in training: the integers of ``ternloom.model.quantizer``, and a gradient."""

import numpy as np
import torch

from ternloom.train.quantize import straight_through


__all__ = ["clip", "effective"]


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
    rng = None
    if draw:
        # A seed from PyTorch's generator: whoever restores that one restores the draws.
        rng = np.random.default_rng(int(torch.randint(1 << 62, ())))
    values = quantizer.values(latent.detach().numpy(), rng)
    return straight_through(latent, torch.from_numpy(values))


def clip(quantizer, latent):
    """Pull latent weights back, in place, to where they still matter."""
    bound = torch.from_numpy(quantizer.clip(latent.shape)).to(latent.dtype)
    with torch.no_grad():
        if bool(bound.isfinite().any()):
            torch.clamp(latent, -bound, bound, out=latent)
