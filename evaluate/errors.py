"""How far the numbers that a network gives are from the true ones, on the golden model."""

import typing

import numpy as np

from ternloom.evaluate.answers import Answers
from ternloom.files.dataset import Numbers
from ternloom.model.frozen import Frozen
from ternloom.model.network import Network


__all__ = ["Errors", "compare"]


class Errors(Frozen):
    """Errors of the numbers of sequences, or of their steps.

    Parameters
    ----------
    numbers : float64 array (vectors, numbers)
        That the network gives, in units of their own, one sequence after the other.
    by_number : float64 array (numbers,)
        Root of the mean square error of each number, in its unit.
    rmse : float
        The same of all numbers together, each in deviations of the training part: 1 is what saying
        their mean comes to.
    sequences, steps : int
        Time steps are those of all sequences.
    seconds : float
        Time that the golden model took.
    """

    numbers: np.ndarray
    by_number: np.ndarray
    rmse: float
    sequences: int
    steps: int
    seconds: float

    @property
    def score(self) -> float:
        """The root of all numbers together, as of ``Decisions`` the share."""
        return self.rmse

    def data(self) -> dict[str, typing.Any]:
        """The measurement as JSON values."""
        return {"sequences": self.sequences, "vectors": len(self.numbers), "rmse": self.rmse,
                "rmse_by_number": self.by_number.tolist(), "steps": self.steps,
                "seconds": self.seconds}


def compare(network: Network, answers: Answers, targets: Numbers) -> Errors:
    """Errors of the numbers that logits stand for."""
    numbers = network.numbers(answers.flat)
    by_number = np.sqrt(np.square(numbers - targets.flat).mean(axis=0))
    rmse = float(np.sqrt(np.square(by_number / targets.scaling.deviation).mean()))
    return Errors(numbers, by_number, rmse, len(answers.logits), answers.steps, answers.seconds)
