"""Parts that are drawn: by class, and by group."""

import numpy as np
import pytest

from ternloom.data.recordings import RecordingsError
from ternloom.data.split import grouped, stratified


def test_stratified():
    labels = np.repeat([0, 1, 2], [20, 40, 100])
    split = stratified(labels, {"test": 0.1, "valid": 0.2}, seed=5)
    for label, count in enumerate([20, 40, 100]):
        parts = split[labels == label]
        assert [(parts == name).sum() for name in ("test", "valid", "train")] \
            == [count // 10, count // 5, count - count // 10 - count // 5]
    again, other = (stratified(labels, {"test": 0.1, "valid": 0.2}, seed=seed) for seed in (5, 6))
    assert np.array_equal(split, again) and not np.array_equal(split, other)


@pytest.mark.parametrize("count", [3, 4, 10, 23])
def test_grouped(count):
    """No group is in two parts, and every part has one."""
    groups = np.random.default_rng(count).permutation(np.arange(count).repeat(7)).astype(str)
    split = grouped(groups, {"test": 0.2, "valid": 0.1}, seed=1)
    found = {name: set(groups[split == name]) for name in ("train", "valid", "test")}
    assert not found["train"] & found["valid"] and not found["valid"] & found["test"]
    assert not found["train"] & found["test"]
    assert len(found["test"]) == max(1, round(0.2 * count))
    assert len(found["valid"]) == max(1, round(0.1 * count)) and found["train"]


def test_too_few_groups():
    with pytest.raises(RecordingsError, match="^2 groups are too few for train, test, valid: "
                                              "each part needs one of its own$"):
        grouped(["a", "b", "a"], {"test": 0.2, "valid": 0.1}, seed=1)
    assert set(grouped(["a", "b"], {"test": 0.2, "valid": 0}, seed=1)) == {"train", "test"}
