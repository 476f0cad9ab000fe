"""What a data set says is right: classes or numbers, of each sequence or of each of its steps."""

import abc
import collections.abc
import dataclasses
import typing

import numpy as np
import numpy.typing as npt

from ternloom.model.frozen import Frozen
from ternloom.model.mistake import Mistake
from ternloom.model.network import Network, When
from ternloom.model.scaling import Scaling


__all__ = ["DatasetError", "Labels", "Numbers", "Targets"]


class DatasetError(Mistake, ValueError):
    """A data set or its file that cannot be what it claims to be."""


class Targets(Frozen, abc.ABC):
    """What is right, of some sequences in order: ``names``, and ``values``.

    An array of values has an entry per sequence, for its last step; a tuple has an array per
    sequence, with an entry per step.
    """

    if typing.TYPE_CHECKING:
        names: tuple[str, ...]
        values: np.ndarray | tuple[np.ndarray, ...]

    #: What messages call them, and what the score of answers is.
    what: typing.ClassVar[str]
    metric: typing.ClassVar[str]
    #: Type of an entry.
    _type: typing.ClassVar[type]

    def __post_init__(self):
        values = self.values
        if isinstance(values, np.ndarray) or any(not np.ndim(each) for each in values):
            values = self._array(values)
        else:
            values = tuple(map(self._array, values))
        super().__post_init__()
        self._hold(values=values)

    def _array(self, values):
        array = np.asarray(values)
        if not array.size:
            array = array.astype(self._type)
        self._check(array)
        return array.astype(self._type, copy=False)

    @abc.abstractmethod
    def _check(self, array):
        """Raise ``DatasetError`` unless an array holds entries of this kind."""

    @property
    def when(self) -> When:
        """Steps that have an entry."""
        return When.EVERY if isinstance(self.values, tuple) else When.LAST

    def __len__(self):
        return len(self.values)

    @property
    def flat(self) -> np.ndarray:
        """The entries of all sequences, one after the other."""
        if isinstance(self.values, tuple):
            return np.concatenate(self.values) if self.values else self._array(())
        return self.values

    def take(self, indices: npt.NDArray[np.int64]) -> typing.Self:
        """The targets of these sequences, in this order."""
        values = (tuple(self.values[each] for each in indices)
                  if isinstance(self.values, tuple) else self.values[indices])
        return dataclasses.replace(self, values=values)

    def check(self, lengths: collections.abc.Sequence[int]) -> None:
        """Raise ``DatasetError`` unless they can be of sequences of so many steps."""
        if len(self) != len(lengths):
            raise DatasetError(f"{self.what} must have {len(lengths)} entries, one per sequence, "
                               f"not {len(self)}")
        if isinstance(self.values, tuple):
            for index, (each, steps) in enumerate(zip(self.values, lengths, strict=True)):
                if len(each) != steps:
                    raise DatasetError(f"{self.what} of sequence {index} must have {steps} "
                                       f"entries, one per step, not {len(each)}")

    def match(self, name: str, network: Network) -> None:
        """Raise ``DatasetError`` unless they are what a network gives.

        Parameters
        ----------
        name : str
            Of the data.
        network : Network
            One without a readout gives nothing that they could contradict.
        """
        ends = [node.body for node in network.outputs if node.body.gives_logits]
        if not ends:
            return
        if self.when is When.EVERY and ends[0].when is When.LAST:
            raise DatasetError(f"Data {name} has {self.what} of every step, but network "
                               f"{network.name} answers at a sequence's last step alone")
        self._match(name, network, max(end.size for end in ends))

    @abc.abstractmethod
    def _match(self, name, network, answers):
        """Raise ``DatasetError`` unless a network's so many answers are of this kind."""

    @property
    def per(self) -> str:
        """What has an entry: "sequence" or "step"."""
        return "step" if self.when is When.EVERY else "sequence"


class Labels(Targets):
    """Classes.

    Parameters
    ----------
    names : tuple of str
        Of the classes.
    values : int64 array (sequences,), or tuple of int64 array (steps,)
        Indices into ``names``.

    Raises
    ------
    DatasetError
        An index that no class has, or what is no index.
    """

    names: tuple[str, ...]
    values: np.ndarray | tuple[np.ndarray, ...]

    what, metric, _type = "labels", "accuracy", np.int64
    #: They are no numbers, which have one.
    scaling = None

    def _check(self, array):
        if array.ndim != 1 or not np.issubdtype(array.dtype, np.integer):
            raise DatasetError(f"labels must be integers, one per sequence or step, "
                               f"not {array.dtype} {array.shape}")
        if not np.all((array >= 0) & (array < len(self.names))):
            raise DatasetError(f"labels must be from 0 to {len(self.names) - 1}, "
                               f"not {int(array.min())} to {int(array.max())}")

    def _match(self, name, network, answers):
        if network.output_scaling is not None:
            raise DatasetError(f"Data {name} has classes, but network {network.name} gives numbers")
        # A network may know more classes than the data have.
        if len(self.names) > answers:
            raise DatasetError(f"Data {name} has {len(self.names)} classes, but network "
                               f"{network.name} has {answers}")


class Numbers(Targets):
    """Real numbers: what is to be measured, or foretold.

    Parameters
    ----------
    names : tuple of str
        Of the numbers.
    values : float64 array (sequences, numbers), or tuple of float64 array (steps, numbers)
        In units of their own.
    scaling : Scaling
        Mean and deviation of each over the training part: what training aims at, and a network
        gives, is a number shifted and divided by them.

    Raises
    ------
    DatasetError
        Numbers that are not finite, or not as many as there are names.
    """

    names: tuple[str, ...]
    values: np.ndarray | tuple[np.ndarray, ...]
    scaling: Scaling

    what, metric, _type = "numbers", "rmse", np.float64

    def __post_init__(self):
        super().__post_init__()
        if len(self.scaling.mean) != len(self.names):
            raise DatasetError(f"scaling of the numbers must have {len(self.names)} entries, "
                               f"not {len(self.scaling.mean)}")

    def _array(self, values):
        array = np.asarray(values, np.float64)
        return super()._array(array if array.size else array.reshape(0, len(self.names)))

    def _check(self, array):
        if array.ndim != 2 or array.shape[1] != len(self.names):
            raise DatasetError(f"numbers must have the shape (sequences or steps, "
                               f"{len(self.names)}), not {array.shape}")
        if not np.isfinite(array).all():
            raise DatasetError("numbers must be finite")

    def _match(self, name, network, answers):
        if network.output_scaling is None:
            raise DatasetError(f"Data {name} has numbers, but network {network.name} gives classes")
        if network.output_scaling != self.scaling:
            raise DatasetError(f"Data {name} has numbers of another mean and deviation than "
                               f"network {network.name} gives; make it of the raw values with "
                               "ternloom data --like")
