"""Data files: labelled sequences of input codes with a fixed split, in safetensors.

The tensors are ``codes`` (all steps, inputs), one sequence after the other, int8 where the format
allows it and int16 otherwise; ``offsets`` int32 (sequences + 1), the first step of each sequence;
``labels`` int16 (sequences) and ``split`` uint8 (sequences), an index into train, valid, test. The
scaling that raw values went through is in the description.
"""

import collections.abc
import dataclasses
import pathlib
import typing

import msgspec
import numpy as np
import numpy.typing as npt

from ternloom.files.container import Description, read, write
from ternloom.files.decode import convert
from ternloom.files.scaling import ScalingSpec, scaling, scaling_spec
from ternloom.model.error import NetworkError
from ternloom.model.format import Format
from ternloom.model.frozen import Frozen
from ternloom.model.mistake import Mistake
from ternloom.model.names import check_notes
from ternloom.model.scaling import Scaling

if typing.TYPE_CHECKING:
    from ternloom.model.network import Network


__all__ = ["PARTS", "VERSION", "Dataset", "DatasetError", "load", "save"]


#: The version of the description that is written, and the newest one that is read.
VERSION = 1
#: Names of the parts of a data set.
PARTS = ("train", "valid", "test")

_KIND = "data set"
_CODES_LIMIT = 1 << 30
#: Type of the names of parts.
_SPLIT = np.array(PARTS).dtype

_Count = typing.Annotated[int, msgspec.Meta(ge=0, le=1 << 26)]
_Inputs = typing.Annotated[int, msgspec.Meta(ge=1, le=1 << 20)]


class DatasetError(Mistake, ValueError):
    """A data set or its file that cannot be what it claims to be."""


class _Spec(Description, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    classes: typing.Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=1 << 15)]
    format: Format
    notes: dict[str, str]
    inputs: _Inputs
    sequences: _Count
    steps: _Count
    scaling: ScalingSpec | msgspec.UnsetType = msgspec.UNSET


class Dataset(Frozen):
    """Labelled sequences of input codes.

    Parameters
    ----------
    name : str
    sequences : tuple of int16 array (steps, inputs)
        At least one step each.
    labels : int64 array (sequences)
        Indices into ``classes``. Other integers are held as int64.
    split : array of str (sequences)
        "train", "valid" or "test".
    classes : tuple of str
    format : Format
        Of a code.
    notes : mapping of str to str
        Source, licence, preparation.
    scaling : Scaling or None
        What raw values went through before they were rounded to codes.

    Raises
    ------
    DatasetError
        Parts that don't fit each other; a name, class or note that has control characters.
    """

    name: str
    sequences: tuple[np.ndarray, ...]
    labels: np.ndarray
    split: np.ndarray
    classes: tuple[str, ...]
    format: Format
    notes: collections.abc.Mapping[str, str] = dataclasses.field(default_factory=dict)
    scaling: Scaling | None = None

    def __post_init__(self):
        check_notes(self.name, self.classes, self.notes, DatasetError, "classes")
        count = len(self.sequences)
        for field in ("labels", "split"):
            shape = np.shape(getattr(self, field))
            if shape != (count,):
                raise DatasetError(f"{field} must have the shape ({count},), one per sequence, "
                                   f"not {shape}")
        labels = np.asarray(self.labels)
        if not np.issubdtype(labels.dtype, np.integer):
            raise DatasetError(f"labels must be integers, not {labels.dtype}")
        if not np.all((labels >= 0) & (labels < len(self.classes))):
            raise DatasetError(f"labels must be from 0 to {len(self.classes) - 1}, "
                               f"not {int(labels.min())} to {int(labels.max())}")
        for part in np.unique(self.split):
            if part not in PARTS:
                raise DatasetError(f"split must be one of {', '.join(PARTS)}, not {str(part)!r}")
        for index, sequence in enumerate(self.sequences):
            self._check_sequence(index, sequence)
        if self.scaling is not None and count and len(self.scaling.mean) != self.inputs:
            raise DatasetError(f"scaling must have {self.inputs} entries, one per input, "
                               f"not {len(self.scaling.mean)}")
        super().__post_init__()
        self._hold(labels=labels.astype(np.int64, copy=False),
                   split=np.asarray(self.split).astype(_SPLIT, copy=False))

    def _check_sequence(self, index, sequence):
        if np.ndim(sequence) != 2 or not len(sequence) or sequence.shape[1] != self.inputs:
            raise DatasetError(f"sequence {index} must have the shape (steps, {self.inputs}), "
                               f"not {np.shape(sequence)}")
        if sequence.dtype != np.int16 or not self.format.contains(sequence):
            raise DatasetError(f"sequence {index} must hold int16 codes of {self.format!r}, "
                               f"not {sequence.dtype} from {sequence.min()} to {sequence.max()}")

    def __repr__(self):
        return (f"Dataset({self.name!r}, {len(self.sequences)} sequences of {self.inputs} inputs, "
                f"{len(self.classes)} classes, digest {self.digest[:12]})")

    @property
    def inputs(self) -> int:
        """Elements of an input vector; 0 of an empty data set."""
        return self.sequences[0].shape[-1] if self.sequences else 0

    def part(self, name: str) -> typing.Self:
        """The sequences of one part, as a data set of the same name.

        Parameters
        ----------
        name : str
            "train", "valid" or "test".
        """
        if name not in PARTS:
            raise DatasetError(f"part must be one of {', '.join(PARTS)}, not {name!r}")
        return self.take(np.flatnonzero(self.split == name))

    def take(self, indices: npt.ArrayLike) -> typing.Self:
        """The sequences of these indices, in this order, as a data set of the same name."""
        indices = np.asarray(indices, dtype=np.int64)
        sequences = tuple(self.sequences[index] for index in indices)
        return dataclasses.replace(self, sequences=sequences, labels=self.labels[indices],
                                   split=self.split[indices])

    def match(self, network: "Network") -> None:
        """Raise ``DatasetError`` unless a network can be run on the sequences.

        Their labels are classes of its readout, if it has one; it may know more than the data have.

        Parameters
        ----------
        network : Network
        """
        if self.inputs != network.inputs:
            raise DatasetError(f"Data {self.name} has {self.inputs} inputs per step, but network "
                               f"{network.name} expects {network.inputs}")
        if not _same_codes(self.format, network.input_format):
            raise DatasetError(f"Data {self.name} has codes of {self.format!r}, but network "
                               f"{network.name} expects {network.input_format!r}")
        if None not in (self.scaling, network.scaling) and self.scaling != network.scaling:
            raise DatasetError(f"Data {self.name} was scaled by another mean and deviation than "
                               f"network {network.name} expects; make it of the raw values with "
                               "ternloom data --like")
        known = _most_classes(network)
        if known is not None and len(self.classes) > known:
            raise DatasetError(f"Data {self.name} has {len(self.classes)} classes, but network "
                               f"{network.name} has {known}")


def _most_classes(network):
    """Classes of the readout that has the most, or None without one."""
    return max((node.body.classes for node in network.outputs if network.gives_logits),
               default=None)


def _same_codes(one, other):
    """Whether codes mean the same in two formats: how the values between became codes is no matter.

    A threshold is: it says which values are a code's own.
    """
    return one.meaning == other.meaning


def _codes_type(form):
    """Narrowest dtype that holds the codes of a format."""
    low, high = form.code_range
    if low < -(1 << 15) or high >= 1 << 15:
        raise ValueError(f"has the format {form!r}, whose codes do not fit 16 signed bits")
    return np.dtype(np.int8 if low >= -128 and high < 128 else np.int16)


def _layout(spec: _Spec) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Types and shapes of the tensors that a description calls for."""
    if not spec.sequences:
        raise ValueError("has no sequences")
    if spec.steps * spec.inputs > _CODES_LIMIT:
        raise ValueError(f"has {spec.steps * spec.inputs} codes, and at most {_CODES_LIMIT} are "
                         "allowed")
    return {"codes": (_codes_type(spec.format).name, (spec.steps, spec.inputs)),
            "offsets": ("int32", (spec.sequences + 1,)),
            "labels": ("int16", (spec.sequences,)),
            "split": ("uint8", (spec.sequences,))}


def save(dataset: Dataset, path: str | pathlib.Path) -> None:
    """Write a data file, whole or not at all.

    Parameters
    ----------
    dataset : Dataset
        With at least one sequence.
    path : str or Path
        Replaced if it exists.

    Raises
    ------
    DatasetError
        A data set beyond the limits of the file, or a place that cannot be written.
    """
    lengths = [len(sequence) for sequence in dataset.sequences]
    spec = _Spec(kind=_KIND, version=VERSION, name=dataset.name, classes=tuple(dataset.classes),
                 format=dataset.format, notes=dict(dataset.notes), inputs=max(dataset.inputs, 1),
                 sequences=len(lengths), steps=sum(lengths),
                 scaling=scaling_spec(dataset.scaling))
    try:
        shapes = _layout(convert(_Spec, msgspec.to_builtins(spec)))
    except ValueError as failure:
        raise DatasetError(f"data set {dataset.name!r} {failure}") from None
    parts = np.array([PARTS.index(part) for part in dataset.split])
    tensors = {"codes": np.concatenate(dataset.sequences), "offsets": np.cumsum([0, *lengths]),
               "labels": dataset.labels, "split": parts}
    write(path, spec, {name: np.ascontiguousarray(tensors[name], dtype=dtype)
                       for name, (dtype, _) in shapes.items()}, DatasetError)


def load(path: str | pathlib.Path) -> Dataset:
    """Read a data file.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    Dataset

    Raises
    ------
    DatasetError
        One line that says what is wrong with the file.
    """
    spec, tensors = read(path, {VERSION: _Spec}, _KIND, _layout, DatasetError)
    try:
        dataset = _dataset(spec, tensors)
    except (DatasetError, NetworkError) as failure:
        raise DatasetError(f"data set file {path} is invalid: {failure}") from None
    return dataset


def _dataset(spec, tensors):
    """The data set that a description and its tensors make."""
    offsets, parts = tensors["offsets"], tensors["split"]
    if offsets[0] != 0 or offsets[-1] != spec.steps or (np.diff(offsets) < 1).any():
        raise DatasetError(f"offsets must rise from 0 to {spec.steps}")
    if (parts >= len(PARTS)).any():
        raise DatasetError(f"split must be from 0 to {len(PARTS) - 1}, not {int(parts.max())}")
    codes = tensors["codes"].astype(np.int16)
    # Nobody else has it: the data set takes over what it cannot change.
    codes.flags.writeable = False
    return Dataset(spec.name, tuple(np.split(codes, offsets[1:-1])), tensors["labels"],
                   np.array(PARTS)[parts], spec.classes, spec.format, spec.notes,
                   scaling(spec.scaling))
