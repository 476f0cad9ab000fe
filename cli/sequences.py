"""What hardware is run on."""

from ternloom.model.frozen import Frozen


__all__ = ["Stimulus"]


class Stimulus(Frozen):
    """Sequences of input codes.

    Parameters
    ----------
    name : str
        Where they come from.
    sequences : tuple of int array (steps, inputs)
    """

    name: str
    sequences: tuple
