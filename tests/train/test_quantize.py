"""Fake quantizers: the model's numbers forwards, straight through backwards."""

import numpy as np
import pytest
import torch

from ternloom.model import online, table
from ternloom.model.format import Binary, Fixed, Online, Planes, Ternary
from ternloom.model.precision import Precision
from ternloom.train.quantize import code_values, draw, gate, grid, to_code


pytestmark = pytest.mark.train

FRAC = 9
#: Functions of gates as PyTorch has them.
GATES = {"sigmoid": torch.sigmoid, "tanh": torch.tanh,
         "softplus_tail": lambda a: torch.log1p(torch.exp(-a.abs()))}
WIDE = np.arange(-2 << FRAC, (2 << FRAC) + 1)
FORMATS = [
    Binary(), Ternary(), Ternary(3, 2), Ternary(5, 4), Ternary(341, 10), Planes((5,), 3),
    Planes((5, 3), 3), Planes((28, 18), 6), Planes((7, 3, 1), 4), Planes((9, 9, 2), 12),
    Fixed(8, 7), Fixed(2, 1), Fixed(3, 0), Fixed(12, 9), Fixed(16, 13), Fixed(4, 3, signed=False),
]


def real(values, frac):
    return torch.from_numpy(np.asarray(values) * 2.0**-frac)


@pytest.mark.parametrize("form", FORMATS, ids=repr)
def test_codes(form):
    codes = form.value(form.quantize(WIDE, FRAC))
    made = to_code(real(WIDE, FRAC), form, FRAC)
    assert torch.equal(made, real(codes, form.frac))


@pytest.mark.parametrize("form", FORMATS[:10], ids=repr)
def test_levels(form):
    values = code_values(form)
    assert values == sorted(values)
    assert len(values) == len(form.levels)


@pytest.mark.parametrize("preact, gate_frac", [
    (Fixed(10, 6), 8), (Fixed(12, 8), 8), (Fixed(12, 11), 15), (Fixed(4, 0), 2), (Fixed(6, 5), 11),
])
def test_tables(preact, gate_frac):
    precision = Precision(preact=preact, gate_frac=gate_frac, state=Fixed(18, 16))
    codes = np.arange(preact.low, preact.high + 1)
    for name in GATES:
        expected = table.FUNCTIONS[name](precision)[codes]
        assert torch.equal(gate(name, real(codes, preact.frac), precision),
                           real(expected, gate_frac))


def test_single_precision_tables():
    codes = torch.arange(-512, 512, dtype=torch.float64) / 64
    for name in GATES:
        assert torch.equal(gate(name, codes.float(), Precision()).double(),
                           gate(name, codes, Precision()))


def test_gate_rounding():
    preact = torch.tensor([0.1, 0.4921875, 100.0, -100.0], dtype=torch.float64)
    snapped = torch.tensor([0.09375, 0.5, 511 / 64, -8.0], dtype=torch.float64)
    for name in GATES:
        assert torch.equal(gate(name, preact, Precision()), gate(name, snapped, Precision()))


def gradient(function, values):
    value = torch.tensor(values, dtype=torch.float64, requires_grad=True)
    function(value).sum().backward()
    return value.grad.tolist()


def test_straight_through():
    values = [-1.7, -0.5, 0.0, 0.3, 0.9]
    for form in (Binary(), Ternary(), Planes((5, 3), 3)):
        assert gradient(lambda value: to_code(value, form, FRAC), values) == [1.0] * 5


def test_saturated_gradient():
    assert gradient(lambda value: grid(value, Fixed(4, 2)), [-2.3, -2.0, 0.3, 1.75, 1.9]) \
        == [0.0, 1.0, 1.0, 1.0, 0.0]


@pytest.mark.parametrize("name", GATES)
def test_gate_gradient(name):
    """The slope is the exact function's at the rounded argument."""
    values = [0.5 + 1 / 256, -1.25, 8.5, -9.0]
    assert gradient(lambda value: gate(name, value, Precision()), values) \
        == pytest.approx(gradient(GATES[name], [0.5, -1.25]) + [0.0, 0.0], rel=1e-12)


@pytest.mark.parametrize("planes", [2, 3])
def test_online_codes(planes):
    """The integers of the model, a vector at a time; gradients go straight through."""
    form = Online(Fixed(8, 7), planes)
    samples = np.random.default_rng(3).integers(-128, 128, (5, 40))
    expected = online.values(form, *online.quantize(form, samples))
    value = real(samples, 7).requires_grad_()
    made = to_code(value, form, 7)
    assert torch.equal(made, real(expected, form.frac))
    made.sum().backward()
    assert torch.equal(value.grad, torch.ones_like(value))


COMPARATORS = Precision(gate_frac=0, state=Fixed(4, 0))


def test_comparator_gates():
    values = torch.tensor([-3.0, -0.5, 0.0, 0.5, 0.6], dtype=torch.float64)
    assert gate("sigmoid", values, COMPARATORS).tolist() == [0, 0, 1, 1, 1]
    assert gate("tanh", values, COMPARATORS).tolist() == [-1, 0, 0, 0, 1]


def test_drawn_values():
    """Of the alphabet, and in the mean the value: five deviations of as many draws."""
    torch.manual_seed(2)
    value = torch.tensor([-1.5, -1.0, -0.3, 0.0, 0.8, 1.0], dtype=torch.float64)
    drawn = draw(value.expand(20_000, 6))
    assert set(drawn.unique().tolist()) == {-1.0, 0.0, 1.0}
    mean = value.clamp(-1, 1)
    bound = 5 * (mean.abs() * (1 - mean.abs()) / 20_000).sqrt()
    assert bool(((drawn.mean(0) - mean).abs() <= bound).all())


def test_drawn_gates():
    torch.manual_seed(2)
    at = torch.full((20_000,), 0.5, dtype=torch.float64)
    for name in ("sigmoid", "tanh"):
        drawn, mean = gate(name, at, COMPARATORS, drawn=1.0), GATES[name](at[0])
        assert abs(float(drawn.mean() - mean)) <= 5 * float(mean * (1 - mean) / 20_000) ** 0.5
        assert torch.equal(gate(name, at, Precision(), drawn=1.0), gate(name, at, Precision()))


def test_drawn_gradient():
    """That of the function whose value is the mean."""
    torch.manual_seed(2)
    at = torch.tensor([0.5, -1.25], dtype=torch.float64)
    sigmoid = torch.sigmoid(at)
    assert gradient(lambda value: gate("sigmoid", value, COMPARATORS, drawn=1.0), at.tolist()) \
        == pytest.approx((sigmoid * (1 - sigmoid)).tolist(), rel=1e-12)


def test_warm_gates():
    """A slope of twice the size halves the argument."""
    at = [0.5, -1.25]
    sigmoid = torch.sigmoid(torch.tensor(at, dtype=torch.float64) / 2)
    assert gradient(lambda value: gate("sigmoid", value, COMPARATORS, drawn=2.0), at) \
        == pytest.approx((sigmoid * (1 - sigmoid) / 2).tolist(), rel=1e-12)
