"""The online quantizer against restatements in rational numbers and against brute force."""

import itertools
from fractions import Fraction

import numpy as np
import pytest

from ternloom.model import online
from ternloom.model.format import Fixed, Online
from ternloom.quantize import multibit


FORMS = [Online(Fixed(width, 5), planes, rounds)
         for planes, width, rounds in itertools.product((2, 3), (4, 8, 16), (1, 2, 4))]


def _vectors(form, units, count=40):
    """Vectors of many distributions, degenerate ones among them."""
    rng = np.random.default_rng([form.sample.width, form.planes, units])
    low, high = form.sample.low, form.sample.high
    spread = rng.normal(0, high / 3, (count, units))
    heavy = spread * rng.exponential(1, (count, units)) ** 2
    levels = rng.choice([low, 0, high, 1], (count, units))
    even = rng.integers(low, high + 1, (count, units))
    same = np.repeat(rng.integers(low, high + 1, (count, 1)), units, axis=1)
    extremes = np.array([[low] * units, [high] * units, [0] * units, [-1] * units])
    parts = [spread.round(), heavy.round(), levels, even, same, same * rng.choice([0, 1, -1], 1),
             extremes]
    return np.clip(np.concatenate(parts), low, high).astype(np.int64)


def _nearest_round(value):
    return (2 * value.numerator + value.denominator) // (2 * value.denominator)


def _plain_mean(group, default):
    return _nearest_round(Fraction(sum(group), len(group))) if group else default


def _plain_two(form, vector):
    """Two means, restated on single numbers."""
    upper = lower = _plain_mean([abs(v) for v in vector], None)
    for _ in range(form.rounds):
        cut = Fraction(upper + lower, 2)
        outer = [v >= cut or v < -cut for v in vector]
        groups = [[abs(v) for v, one in zip(vector, outer, strict=True) if one == kind]
                  for kind in (True, False)]
        upper, lower = (_plain_mean(group, old)
                        for group, old in zip(groups, (upper, lower), strict=True))
    return [upper + lower, upper - lower]


def _plain_nearest(coefficients, vector):
    """Nearest level of each sample in rational numbers, the upper one in a tie."""
    sums = sorted({sum(c * sign for c, sign in zip(coefficients, signs, strict=True))
                   for signs in itertools.product((-1, 1), repeat=len(coefficients))})
    return [max(sums, key=lambda level: (-abs(2 * v - level), level)) for v in vector]


def _plain_solve(planes, target):
    """Least squares by elimination in rational numbers, or None where it is not unique."""
    size = len(planes)
    rows = [[Fraction(sum(a * b for a, b in zip(one, other, strict=True))) for other in planes]
            + [Fraction(sum(a * b for a, b in zip(one, target, strict=True)))] for one in planes]
    for column in range(size):
        pivot = next((row for row in range(column, size) if rows[row][column]), None)
        if pivot is None:
            return None
        rows[column], rows[pivot] = rows[pivot], rows[column]
        for row in range(size):
            if row != column:
                factor = rows[row][column] / rows[column][column]
                rows[row] = [a - factor * b for a, b in zip(rows[row], rows[column], strict=True)]
    return [row[size] / row[index] for index, row in enumerate(rows)]


def _plain_three(form, vector):
    """Greedy start and alternation, restated on single numbers in half samples."""
    coefficients, rest = [], [2 * abs(v) for v in vector]
    for _ in range(3):
        coefficients.append(_plain_mean(rest, None))
        rest = [abs(value - coefficients[-1]) for value in rest]
    for _ in range(form.rounds):
        coefficients.sort(reverse=True)
        solution = _plain_solve(_plain_planes(coefficients, vector), [2 * v for v in vector])
        if solution is not None:
            coefficients = [_nearest_round(abs(value)) for value in solution]
    return sorted(coefficients, reverse=True)


def _plain_planes(coefficients, vector):
    """Signs of the nearest level; of codes with equal levels those of the sorted cuts."""
    a, b, c = coefficients
    planes = []
    for v in vector:
        def above(cut, v=v):
            return 2 * v >= cut or 2 * v < -cut
        inner = (1, -1, -1) if a >= b + c else (-1, 1, 1)
        signs = ((1, 1, 1) if above(a + b) else (1, 1, -1) if above(a) else
                 (1, -1, 1) if above(max(a - b, c)) else inner)
        planes.append([sign if v >= 0 else -sign for sign in signs])
    return list(zip(*planes, strict=True))


@pytest.mark.parametrize("form", FORMS, ids=lambda f: f"{f.planes}-{f.sample.width}-{f.rounds}")
@pytest.mark.parametrize("units", [1, 2, 3, 7, 24])
def test_coefficients(form, units):
    samples = _vectors(form, units, count=12)
    _, coefficients = online.quantize(form, samples)
    plain = _plain_two if form.planes == 2 else _plain_three
    expected = [plain(form, vector) for vector in samples.tolist()]
    np.testing.assert_array_equal(coefficients, expected)


@pytest.mark.parametrize("form", FORMS, ids=lambda f: f"{f.planes}-{f.sample.width}-{f.rounds}")
@pytest.mark.parametrize("units", [1, 5, 60])
def test_nearest_codes(form, units):
    samples = _vectors(form, units, count=12)
    codes, coefficients = online.quantize(form, samples)
    assert form.contains(codes)
    expected = [_plain_nearest(one, vector)
                for one, vector in zip(coefficients.tolist(), samples.tolist(), strict=True)]
    np.testing.assert_array_equal(online.values(form, codes, coefficients), expected)


@pytest.mark.parametrize("form", FORMS, ids=lambda f: f"{f.planes}-{f.sample.width}-{f.rounds}")
@pytest.mark.parametrize("units", [1, 2, 3, 40])
def test_ranges(form, units):
    codes, coefficients = online.quantize(form, _vectors(form, units))
    assert (np.diff(coefficients, axis=1) <= 0).all()
    assert coefficients.min() >= 0
    assert coefficients.max() < 1 << form.coefficient_bits
    assert np.abs(online.values(form, codes, coefficients)).max() <= form.magnitude


@pytest.mark.parametrize("planes", [2, 3])
@pytest.mark.parametrize("units", [4, 16, 300])
def test_error_beside_float(planes, units):
    """Never above the float greedy quantizer but for the rounding of coefficients."""
    form = Online(Fixed(12, 11), planes, 2)
    rng = np.random.default_rng(units)
    samples = np.clip(np.round(rng.normal(0, 500, (500, units))), -2048, 2047).astype(np.int64)
    meant = online.values(form, *online.quantize(form, samples)) / 2
    errors = np.sqrt(((samples - meant) ** 2).mean(axis=1))
    rows = samples.astype(np.float64)
    codes, scales = multibit.greedy(rows, planes)
    restored = np.einsum("pr,prc->rc", scales, codes)
    assert (errors <= np.sqrt(((rows - restored) ** 2).mean(axis=1)) + planes / 2).all()


@pytest.mark.parametrize("planes", [2, 3])
def test_constant_vectors(planes):
    form = Online(Fixed(8, 7), planes)
    samples = np.array([[value] * 9 for value in (0, 1, 5, 127, -1, -5, -128)])
    codes, coefficients = online.quantize(form, samples)
    np.testing.assert_array_equal(online.values(form, codes, coefficients), 2 * samples)


def test_levels_kept():
    """Two magnitudes give two planes an exact answer, four of a kind give three planes one."""
    two, three = Online(Fixed(8, 7), 2), Online(Fixed(8, 7), 3)
    for form, magnitudes in ((two, [10, 90]), (three, [15, 25, 75, 85])):
        samples = np.array([[*magnitudes, *(-m for m in magnitudes)] * 5])
        codes, coefficients = online.quantize(form, samples)
        np.testing.assert_array_equal(online.values(form, codes, coefficients), 2 * samples)
