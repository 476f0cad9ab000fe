"""How the learning rate of a stage runs: a rise, a level part, and a rule by which it falls."""

import math

from ternloom.quantize import method


__all__ = ["Cosine", "Decay", "Divide", "listing", "parse"]


class Decay(method.Named, frozen=True):
    """What all rules share: each adds ``_fall``."""

    def factor(self, step, steps, rise, level, worse):
        """What a stage's highest learning rate is multiplied by at a step.

        Parameters
        ----------
        step, steps : int
            From 0, and those of the stage.
        rise, level : float
            Shares of the steps in which the rate rises linearly, and then stays.
        worse : int
            Epochs so far that were not the best when they ended.
        """
        rising, level = max(1, round(rise * steps)), round(level * steps)
        if step < rising:
            return (step + 1) / rising
        passed = max(0, step - rising - level) / max(1, steps - rising - level)
        return self._fall(passed, worse)


class Cosine(Decay, tag="cosine", frozen=True):
    """Falls to zero along half a cosine (Loshchilov and Hutter 2017, without restarts)."""

    def _fall(self, passed, worse):
        return 0.5 * (1 + math.cos(math.pi * passed))


class Divide(Decay, tag="divide", frozen=True):
    """Is divided after each epoch that is not the best so far (Xu et al. 2018, section 5)."""

    by: float = 1.2

    def __post_init__(self):
        if not 1 < self.by <= 100:
            raise ValueError(f"divide must be by more than 1 and at most 100, not {self.by!r}")

    def _fall(self, passed, worse):
        return self.by**-worse


_RULES = method.by_name((Cosine, Divide))


def listing():
    """How each rule's text looks, and its citation: pairs of str, by name."""
    return method.listing(_RULES)


def parse(text):
    """The rule that a text stands for, such as ``cosine`` or ``divide:1.2``.

    Raises
    ------
    ValueError
        One line, as ``ternloom.quantize.method.parse``.
    """
    return method.parse(text, _RULES, "decay")
