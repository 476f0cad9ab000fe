"""Weight methods of Ott, Lin, Zhang, Liu and Bengio 2016, with the rules of their released code.

"Recurrent Neural Networks With Limited Numerical Precision", arXiv:1608.06902. Where training
clips its master weights is Ternloom's choice: the paper's gradient passes the quantizer unchanged,
and its layer clips nothing.
"""

import math

import numpy as np

from ternloom.model.alphabet import BINARY, EXPONENTIAL, INTEGER, TERNARY, Alphabet
from ternloom.model.alphabet.exponential import exponents, powers
from ternloom.quantize.codes import relative_error
from ternloom.quantize.method import WeightMethod, same_scale


__all__ = ["OttBinary", "OttExponential", "OttPow2", "OttTernary", "bounding_cost", "glorot"]


def glorot(shape: tuple[int, int], units: int | None = None) -> float:
    """Limit of Glorot's uniform initialization, ``sqrt(6 / (inputs + units))``.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns.
    units : int or None
        Rows of one gate, if those of several are stacked.
    """
    rows, columns = shape
    return math.sqrt(6 / (columns + (units or rows)))


class OttBinary(WeightMethod, tag="ott-binary", frozen=True):
    """Weights -H and +H (Ott et al. 2016, binarization), H = 1, or Glorot's limit if scaled.

    +H if ``p = clip((w/H + 1) / 2, 0, 1)`` is a half or more. Stochastic: with probability p. The
    released code has H = 1.
    """

    scaled: bool = False

    weight = BINARY
    stochastic = True

    def clip(self, shape: tuple[int, int], units: int | None = None) -> float:
        return glorot(shape, units) if self.scaled else 1.0

    def _scales(self, latent, units):
        return same_scale(latent, self.clip(latent.shape, units))


class OttTernary(WeightMethod, tag="ott-ternary", frozen=True):
    """Weights -W, 0 and +W (Ott et al. 2016, ternarization), W being Glorot's limit.

    +W above W/2, -W from -W/2 down. Stochastic: the sign with probability ``min(|w| / W, 1)``.
    """

    weight = TERNARY
    stochastic = True

    def clip(self, shape: tuple[int, int], units: int | None = None) -> float:
        return glorot(shape, units)

    def _scales(self, latent, units):
        return same_scale(latent, glorot(latent.shape, units))

    def _codes(self, latent, scales):
        half = scales[0, :, None] / 2
        return ((latent > half).view(np.int8) - (latent <= -half).view(np.int8))[None]


class OttPow2(WeightMethod, tag="ott-pow2", frozen=True):
    """Low-bit fixed point (Ott et al. 2016, pow2-ternarization), -1/2, 0 and +1/2 by default.

    ``clip(round(w * 2**fraction), -m, m) / 2**fraction`` with ``m = 2**(integer + fraction) - 1``,
    ties away from zero.

    Parameters
    ----------
    integer, fraction : int
        Bits; together 1 to 7.
    """

    integer: int = 0
    fraction: int = 1

    def __post_init__(self):
        if not 1 <= self.integer + self.fraction <= 7 or min(self.integer, self.fraction) < 0:
            raise ValueError("ott-pow2's integer and fraction bits must add up to 1 to 7, "
                             f"not {self.integer!r} and {self.fraction!r}")

    @property
    def weight(self) -> Alphabet:
        return TERNARY if self.limit == 1 else INTEGER

    @property
    def limit(self) -> int:
        return 2**(self.integer + self.fraction) - 1

    def clip(self, shape: tuple[int, int], units: int | None = None) -> float:
        return self.limit / 2**self.fraction

    def _scales(self, latent, units):
        return same_scale(latent, 2.0**-self.fraction)

    def _codes(self, latent, scales):
        size = np.floor(np.abs(latent) * 2.0**self.fraction + 0.5)
        return (np.sign(latent) * np.minimum(size, self.limit)).astype(np.int8)[None]


#: Exponents of Ott et al. before the rounding, as their code has them.
_OTT_EXPONENTS = -22, 9


class OttExponential(WeightMethod, tag="ott-exponential", frozen=True):
    """Signed powers of two, no zero (Ott et al. 2016, exponential quantization), bounded.

    ``2**(e + [u > 1/2])`` with ``e = floor(log2(|w|))`` and ``u = |w| / 2**e - 1``. Stochastic: the
    upper power with probability u. The paper's e is from -22 to 9; ours is bounded further, to what
    few bits address (:func:`bounding_cost`). Weights below the smallest power take it with their
    sign, that of zero +1, or draw between it and its negative.

    Parameters
    ----------
    levels : int
        Powers, 1 to 16.
    top : int or None
        Exponent of the largest power, -22 to 10; by default that of the matrix's largest weight.
    """

    levels: int = 8
    top: int | None = None

    weight = EXPONENTIAL
    stochastic = True

    def __post_init__(self):
        if not 1 <= self.levels <= 16:
            raise ValueError(f"ott-exponential's levels must be from 1 to 16, not {self.levels!r}")
        if self.top is not None and not -22 <= self.top <= 10:
            raise ValueError(f"ott-exponential's top must be from -22 to 10, not {self.top!r}")

    @property
    def limit(self) -> int:
        return self.levels

    def clip(self, shape: tuple[int, int], units: int | None = None) -> float | None:
        return None

    def _scales(self, latent, units):
        top = self.top
        if top is None:
            # A matrix of zeros takes the smallest powers.
            exponent, fraction = exponents(max(np.abs(latent).max(), 2.0**_OTT_EXPONENTS[0]))
            top = min(int(exponent) + bool(fraction > 0.5), _OTT_EXPONENTS[1] + 1)
        return same_scale(latent, 2.0**(top - self.levels + 1))

    def _codes(self, latent, scales):
        values = latent / scales[0, :, None]
        return powers(values, lambda fraction: fraction > 0.5, self.levels)[None]


def bounding_cost(latent: np.ndarray, bounded: OttExponential) -> tuple[float, float]:
    """Relative errors of exponential weights as bounded by a method and with the paper's range.

    Parameters
    ----------
    latent : float array (rows, columns)
    bounded : OttExponential

    Returns
    -------
    (float, float)
        Bounded, and with 32 exponents from -22 to 9 before the rounding.
    """
    low, high = _OTT_EXPONENTS
    codes = powers(latent / 2.0**low, lambda fraction: fraction > 0.5, high + 1 - low + 1)
    free = np.ldexp(np.sign(codes).astype(latent.dtype), np.abs(codes) - 1 + low)
    return relative_error(latent, bounded.fit(latent)), relative_error(latent, free)
