"""Limits of a network's integers, each named once."""

__all__ = ["BIAS_BITS", "COEFFICIENT_BITS", "LARGEST_BIAS", "LARGEST_COEFFICIENT",
           "LARGEST_SHIFT"]


#: Bits of a coefficient's magnitude.
COEFFICIENT_BITS = 24
#: Largest coefficient of a ``Matrix``; the smallest is its negative.
LARGEST_COEFFICIENT = (1 << COEFFICIENT_BITS) - 1
#: Bits of a bias's magnitude.
BIAS_BITS = 30
#: Largest bias; the smallest is its negative.
LARGEST_BIAS = (1 << BIAS_BITS) - 1
#: Most fraction bits that a row's sum has beyond those of what it becomes.
LARGEST_SHIFT = 40
