"""Batches and augmentation."""

import numpy as np
import pytest
import torch

from ternloom.files.dataset import Dataset, Labels
from ternloom.model.format import Fixed
from ternloom.train.batches import SequenceSet, augmented
from ternloom.train.recipe import Augment


pytestmark = pytest.mark.train

FORMAT = Fixed(8, 5)


def dataset(lengths, seed=1):
    random = np.random.default_rng(seed)
    sequences = [random.integers(-128, 128, (length, 3)).astype(np.int16) for length in lengths]
    return Dataset(name="test", sequences=sequences,
                   targets=Labels(tuple("abcd"), np.arange(len(lengths)) % 4),
                   split=np.array(["train"] * len(lengths)), format=FORMAT, notes={})


def generator(seed=2):
    return torch.Generator().manual_seed(seed)


def test_padding():
    data = dataset([3, 1, 5])
    part = SequenceSet.from_dataset(data)
    assert part.values.shape == (5, 3, 3)
    for index, sequence in enumerate(data.sequences):
        column = part.values[:, index].numpy() * 32
        assert np.array_equal(column[:len(sequence)], sequence)
        assert not column[len(sequence):].any()


def test_order():
    part = SequenceSet.from_dataset(dataset([3, 1, 5, 2, 9, 4]))
    seen = []
    for index, batch in part.in_order(4):
        assert batch.values.shape[0] == int(batch.lengths.max())
        assert torch.equal(batch.lengths, part.lengths[index])
        seen += batch.lengths.tolist()
    assert seen == [1, 2, 3, 4, 5, 9]


def test_shuffle():
    part = SequenceSet.from_dataset(dataset(list(range(1, 41))))
    first, again, other = ([batch.lengths.tolist() for batch in part.shuffled(8, generator(seed))]
                           for seed in (2, 2, 3))
    assert first == again != other
    assert sorted(sum(first, [])) == list(range(1, 41))
    spread = [max(lengths) - min(lengths) for lengths in first]
    assert max(spread) < 25


def test_no_augmentation():
    part = SequenceSet.from_dataset(dataset([3, 1, 5, 12]))
    same = augmented(part, Augment(), FORMAT, generator())
    assert torch.equal(same.lengths, part.lengths) and torch.equal(same.targets, part.targets)
    for index, length in enumerate(part.lengths.tolist()):
        assert torch.equal(same.values[:length, index], part.values[:length, index])


EVERYTHING = Augment(stretch=0.4, noise=0.5, offset=0.5, trim=3, mask=4)


def test_augmented_codes():
    part = SequenceSet.from_dataset(dataset([1, 2, 3, 4, 5, 9, 30, 92] * 20))
    changed = augmented(part, EVERYTHING, FORMAT, generator())
    codes = changed.values * 32
    assert torch.equal(codes, codes.round())
    assert -128 <= codes.min() and codes.max() <= 127
    assert changed.values.shape[0] == int(changed.lengths.max())
    assert bool((changed.lengths >= part.lengths.clamp(max=4)).all())
    assert bool((changed.lengths <= (part.lengths * 1.4).ceil()).all())
    assert bool((changed.lengths != part.lengths).any())


def test_augmentation_seed():
    part = SequenceSet.from_dataset(dataset([9, 30]))
    first, again, other = (augmented(part, EVERYTHING, FORMAT, generator(seed)).values
                           for seed in (2, 2, 3))
    assert torch.equal(first, again)
    assert not (first.shape == other.shape and torch.equal(first, other))


def test_trim():
    part = SequenceSet.from_dataset(dataset([20]))
    changed = augmented(part, Augment(trim=5), FORMAT, generator(4))
    length = int(changed.lengths[0])
    assert 10 <= length < 20
    assert any(torch.equal(changed.values[:length, 0], part.values[start:start + length, 0])
               for start in range(6))


def test_mask():
    part = SequenceSet(torch.ones(20, 50, 3), torch.full((50,), 20), torch.zeros(50).long())
    silent = (augmented(part, Augment(mask=4), FORMAT, generator()).values == 0).all(2).sum(0)
    assert set(silent.tolist()) == {0, 1, 2, 3, 4}
