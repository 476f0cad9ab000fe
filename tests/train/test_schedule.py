"""Learning rates by step, against the formulas."""

import math

import pytest

from ternloom.train import schedule


def rates(text, steps, rise=0.0, level=0.0, worse=0):
    rule = schedule.parse(text)
    return [rule.factor(step, steps, rise, level, worse) for step in range(steps)]


def test_cosine():
    """Two steps up, three level, then half a cosine over the five that are left."""
    fall = [0.5 * (1 + math.cos(math.pi * step / 5)) for step in range(5)]
    assert rates("cosine", 10, 0.2, 0.3) == [0.5, 1, 1, 1, 1, *fall]


def test_divide():
    assert rates("divide", 3, worse=2) == [1, 1.2**-2, 1.2**-2]
    assert rates("divide:4", 3) == [1, 1, 1]
    assert rates("divide:4", 4, rise=0.5, worse=1) == [0.5, 1, 0.25, 0.25]


def test_listing():
    (cosine, cited), (divide, _) = schedule.listing()
    assert (cosine, divide) == ("cosine", "divide[:by]")
    assert cited.startswith("Falls to zero along half a cosine (Loshchilov and Hutter 2017")


@pytest.mark.parametrize("text, message", [
    ("linear", "decay must be one of cosine, divide, not 'linear'"),
    ("divide:1", "divide must be by more than 1 and at most 100, not 1.0"),
    ("divide:nan", "divide must be by more than 1 and at most 100, not nan"),
    ("cosine:2", "decay must be cosine, not 'cosine:2'"),
])
def test_mistakes(text, message):
    with pytest.raises(ValueError) as caught:
        schedule.parse(text)
    assert str(caught.value) == message
