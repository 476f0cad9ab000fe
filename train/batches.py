"""Batches of sequences of like length, and random changes that make more of them."""

import dataclasses

import numpy as np
import torch

from ternloom.model.format import Fixed


__all__ = ["SequenceSet", "augmented"]


#: Steps that trimming and stretching leave of a sequence that has as many.
_LEAST_STEPS = 4


@dataclasses.dataclass(frozen=True)
class SequenceSet:
    """One part of a data set as padded tensors.

    Parameters
    ----------
    values : float tensor (steps, sequences, inputs)
        Codes as real numbers, zero beyond a sequence's end.
    lengths : int tensor (sequences,)
    labels : int tensor (sequences,)
    """

    values: torch.Tensor
    lengths: torch.Tensor
    labels: torch.Tensor

    @classmethod
    def from_dataset(cls, dataset):
        """Pad and scale the sequences of a ``Dataset``."""
        lengths = np.array([len(sequence) for sequence in dataset.sequences])
        values = np.zeros((lengths.max(), len(lengths), dataset.sequences[0].shape[1]), np.float32)
        for index, sequence in enumerate(dataset.sequences):
            values[:len(sequence), index] = sequence
        scale = np.float32(2.0**-dataset.format.frac)
        return cls(torch.from_numpy(values * scale), torch.from_numpy(lengths),
                   torch.from_numpy(np.asarray(dataset.labels).astype(np.int64)))

    def __len__(self):
        return len(self.lengths)

    def select(self, index):
        """The sequences of these indices, padded no more than they need."""
        lengths = self.lengths[index]
        return SequenceSet(self.values[:int(lengths.max()), index], lengths, self.labels[index])

    def to(self, device):
        """The sequences on a device of PyTorch's."""
        return SequenceSet(*(getattr(self, field.name).to(device)
                             for field in dataclasses.fields(self)))

    def in_order(self, batch):
        """Batches in ascending order of length; indices and ``SequenceSet``."""
        for index in torch.argsort(self.lengths, stable=True).split(batch):
            yield index, self.select(index)

    def shuffled(self, batch, generator):
        """Batches of like lengths, drawn anew, in random order."""
        jitter = torch.rand(len(self), generator=generator) * 0.3 + 0.85
        batches = torch.argsort(self.lengths * jitter).split(batch)
        for which in torch.randperm(len(batches), generator=generator):
            yield self.select(batches[which])


def augmented(batch, augment, input_format: Fixed, generator):
    """Stretch, trim, shift, blur and mask sequences at random, and round them to codes again.

    Parameters
    ----------
    batch : SequenceSet
    augment : Augment
    input_format : Fixed
    generator : torch.Generator

    Returns
    -------
    SequenceSet
    """
    def uniform(*shape):
        return torch.rand(shape, generator=generator)

    count, inputs = len(batch), batch.values.shape[2]
    spare = (batch.lengths - _LEAST_STEPS).clamp(min=0).div(2, rounding_mode="floor")
    head = torch.minimum((uniform(count) * (augment.trim + 1)).long(), spare)
    tail = torch.minimum((uniform(count) * (augment.trim + 1)).long(), spare)
    kept = batch.lengths - head - tail
    factor = 1 + augment.stretch * (2 * uniform(count) - 1)
    lengths = torch.maximum((kept * factor).round().long(), kept.clamp(max=_LEAST_STEPS))
    values = _resampled(batch.values, head, kept, lengths)
    values = values + augment.offset * torch.randn((1, count, inputs), generator=generator)
    values = values + augment.noise * torch.randn(values.shape, generator=generator)
    width = (uniform(count) * (augment.mask + 1)).long().clamp(max=augment.mask)
    start = (uniform(count) * lengths).long()
    step = torch.arange(values.shape[0])[:, None]
    values = values * ~((step >= start) & (step < start + width))[:, :, None]
    codes = torch.floor(values * 2.0**input_format.frac + 0.5)
    codes = codes.clamp(input_format.low, input_format.high)
    return SequenceSet(codes * 2.0**-input_format.frac, lengths, batch.labels)


def _resampled(values, start, kept, lengths):
    """Spread ``kept`` steps from ``start`` on evenly over ``lengths`` steps, interpolating."""
    step = torch.arange(int(lengths.max()))[:, None]
    stride = (kept - 1) / (lengths - 1).clamp(min=1)
    position = start + torch.minimum(step * stride, (kept - 1).to(stride.dtype))
    below = position.floor().long()
    above = torch.minimum(below + 1, (start + kept - 1)[None])
    which = torch.arange(values.shape[1])[None]
    share = (position - below)[:, :, None]
    return values[below, which] * (1 - share) + values[above, which] * share
