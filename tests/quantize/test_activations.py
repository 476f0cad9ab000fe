"""Activation methods: names, the formats that they choose, and what they refuse."""

import numpy as np
import pytest

from ternloom.model.format import Binary, Fixed, Online, Planes, Ternary
from ternloom.quantize import activations
from ternloom.quantize.activations import names, parse


def values(seed=0, scale=0.4):
    return np.tanh(scale * np.random.default_rng(seed).standard_normal((50, 20)))


@pytest.mark.parametrize("text, form", [
    ("fixed", Fixed(8, 7)), ("fixed:5", Fixed(5, 4)), ("binary", Binary()),
    ("ternary", Ternary(1, 1)), ("ternary:0.25", Ternary(1, 2)), ("ternary:0.375", Ternary(3, 3)),
    ("ternary:0.3", Ternary(77, 8)), ("ternary:0.004", Ternary(1, 8)),
    ("online", Online(Fixed(8, 7), 2, 2)), ("online:3:1:6", Online(Fixed(6, 5), 3, 1)),
])
def test_formats(text, form):
    assert parse(text).form(values(), 1.0) == form
    assert parse(parse(text).text) == parse(text)


@pytest.mark.parametrize("largest, frac", [(1.0, 7), (1.01, 6), (4.0, 5), (0.5, 8), (0.01, 13),
                                           (0.0, 7), (1e-9, 23)])
def test_range(largest, frac):
    """A power of two that holds the largest value, as far as codes can."""
    assert parse("fixed:8").form(None, largest) == Fixed(8, frac)


@pytest.mark.parametrize("planes", [1, 2, 3, 4])
@pytest.mark.parametrize("scale", [0.05, 0.4, 2.0])
def test_plane_coefficients(planes, scale):
    """The levels fit the values better than slightly other ones do."""
    seen = values(scale=scale).astype(np.float32)
    form = parse(f"planes:{planes}").form(seen, 1.0)
    assert isinstance(form, Planes) and form.width == planes and form.frac == 6
    assert list(form.coefficients) == sorted(form.coefficients, reverse=True)

    def error(coefficients):
        levels = Planes(coefficients, form.frac).value(np.arange(1 << planes)) / 2**form.frac
        return (np.abs(seen.reshape(-1, 1) - levels).min(axis=1) ** 2).mean()

    assert error(form.coefficients) < error(tuple(c + 6 for c in form.coefficients))
    assert error(form.coefficients) <= error(tuple(max(1, c - 6) for c in form.coefficients))


@pytest.mark.parametrize("constant", [0.0, 0.5, -1.0])
def test_constant_values(constant):
    """Planes of a constant are defined: no coefficient is below one."""
    form = parse("planes:3").form(np.full((4, 5), constant), 1.0)
    assert min(form.coefficients) >= 1
    level = min(abs(form.value(np.arange(8)) / 64 - constant))
    assert level <= 3 / 64


def test_small_values():
    """An embedding's levels keep six bits below its largest value."""
    form = parse("planes:2").form(values(scale=0.01), 0.03)
    assert form.frac == 11 and form.coefficients[0] > 8


@pytest.mark.parametrize("text, message", [
    ("sigmoid", "Activation method must be one of binary, fixed, online, planes, ternary, "
                "not 'sigmoid'"),
    ("alternating:2", "Activation method must be one of binary, fixed, online, planes, ternary, "
                      "not 'alternating', which is for weights alone"),
    ("fixed:1", "fixed's bits must be from 2 to 16, not 1"),
    ("ternary:0", "ternary's threshold must be from 0.00390625 to 1, not 0.0"),
    ("ternary:nan", "ternary's threshold must be from 0.00390625 to 1, not nan"),
    ("planes:5", "planes's planes must be from 1 to 4, not 5"),
    ("online:4", "Online planes must be 2 or 3, not 4"),
    ("online:2:9", "Online rounds must be from 1 to 4, not 9"),
    ("fixed:eight", "Activation method must be fixed[:bits], not 'fixed:eight'"),
    ("binary:1", "Activation method must be binary, not 'binary:1'"),
])
def test_mistakes(text, message):
    with pytest.raises(ValueError) as caught:
        parse(text)
    assert str(caught.value) == message


def test_listing():
    """One line a method, with its source."""
    listed = activations.listing()
    assert [usage.partition("[")[0] for usage, _ in listed] == list(names())
    assert all("Ternloom's choice" in line or "et al." in line or "20" in line
               for _, line in listed)
