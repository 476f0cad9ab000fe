"""Multi-bit codes against brute force, and against each other."""

import itertools

import numpy as np
import pytest

from ternloom.quantize import multibit


QUANTIZERS = (multibit.greedy, multibit.refined, multibit.alternating, multibit.uniform,
              multibit.balanced)
#: Largest float64 rounding error of a sum of a few products of numbers around one.
ROUNDING = 1e-12


def gaussian(rows, columns, seed=1):
    return np.random.default_rng(seed).normal(0, 1, (rows, columns))


def coarse(rows, columns, seed=2):
    """Small integers: full of ties, equal magnitudes and zeros."""
    return np.random.default_rng(seed).integers(-3, 4, (rows, columns)).astype(float)


def error(rows, codes, scales):
    """Square error of each row."""
    return np.square(rows - (codes * scales[:, :, None]).sum(0)).sum(1)


def all_signs(planes):
    return np.array(list(itertools.product((-1, 1), repeat=planes)))


@pytest.mark.parametrize("quantize", QUANTIZERS)
@pytest.mark.parametrize("planes", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_form(quantize, planes, dtype):
    codes, scales = quantize(gaussian(7, 33).astype(dtype), planes)
    assert codes.shape == (planes, 7, 33) and scales.shape == (planes, 7)
    assert codes.dtype == np.int8 and scales.dtype == dtype
    assert set(np.unique(codes)) == {-1, 1}
    assert (scales > 0).all()


@pytest.mark.parametrize("quantize", QUANTIZERS)
def test_rows_apart(quantize):
    """A row's codes depend on that row alone, also where blocks of rows end."""
    rows = gaussian(500, 300)
    codes, scales = quantize(rows, 3)
    for row in (0, 1, 217, 218, 219, 499):
        alone = quantize(rows[row:row + 1].copy(), 3)
        np.testing.assert_array_equal(codes[:, row], alone[0][:, 0])
        np.testing.assert_array_equal(scales[:, row], alone[1][:, 0])


def test_greedy_definition():
    """The paper's recurrence, entry by entry."""
    for row in (*gaussian(50, 9), *coarse(50, 9)):
        codes, scales = multibit.greedy(row[None], 4)
        rest = list(row)
        for plane in range(4):
            signs = [1 if value >= 0 else -1 for value in rest]
            scale = sum(abs(value) for value in rest) / len(rest)
            assert codes[plane, 0].tolist() == signs
            assert scales[plane, 0] == pytest.approx(scale, abs=ROUNDING)
            rest = [value - scales[plane, 0] * sign
                    for value, sign in zip(rest, signs, strict=True)]


def test_refined_definition():
    """Signs of what is left, with the coefficients of ``numpy.linalg.lstsq``."""
    for row in gaussian(200, 9, seed=3):
        basis = np.empty((9, 0))
        rest = row
        for _ in range(4):
            basis = np.column_stack([basis, np.where(rest >= 0, 1.0, -1.0)])
            solution, *_ = np.linalg.lstsq(basis, row, rcond=None)
            rest = row - basis @ solution
        codes, scales = multibit.refined(row[None], 4)
        np.testing.assert_array_equal(codes[:, 0] * np.sign(solution)[:, None], basis.T)
        np.testing.assert_allclose(scales[:, 0], np.abs(solution), atol=1e-9)


@pytest.mark.parametrize("planes", [1, 2, 3, 4])
@pytest.mark.parametrize("columns", [1, 2, 5, 16])
def test_least_squares(planes, columns):
    """The residual of ``numpy.linalg.lstsq``, also where planes are equal or depend on others."""
    rng = np.random.default_rng(planes)
    rows = np.concatenate([gaussian(500, columns), coarse(500, columns)])
    codes = rng.choice([-1.0, 1.0], (planes, 1000, columns))
    codes[-1, ::3] = codes[0, ::3]
    codes[-1, 1::9] = -codes[0, 1::9]
    scales = multibit.least_squares(rows, codes)
    for row in range(len(rows)):
        best, *_ = np.linalg.lstsq(codes[:, row].T, rows[row], rcond=None)
        np.testing.assert_allclose(scales[:, row], best, atol=1e-9)


def test_dependent_planes():
    """Four planes of which no two are equal or opposite, and yet one depends on the others."""
    patterns = [signs for signs in itertools.product((-1.0, 1.0), repeat=4) if sum(signs) == 0]
    codes = np.array(patterns).T[:, None]
    rows = gaussian(1, len(patterns))
    best, *_ = np.linalg.lstsq(codes[:, 0].T, rows[0], rcond=None)
    np.testing.assert_allclose(multibit.least_squares(rows, codes)[:, 0], best, atol=1e-9)


def scale_sets(planes, seed=4):
    """Coefficients of 600 rows: random, unordered, with equal ones, with zeros, ``a < b + c``."""
    rng = np.random.default_rng(seed)
    scales = rng.uniform(0, 1, (planes, 600))
    scales[-1, 100:200] = scales[0, 100:200]
    scales[:, 200:250] = 0
    scales[-1, 250:300] = 0
    scales[:, 300:450] = rng.integers(0, 4, (planes, 150)) / 2
    scales[:, 450:] = -np.sort(-scales[:, 450:], axis=0)
    return scales


@pytest.mark.parametrize("planes", [1, 2, 3, 4])
def test_nearest(planes):
    """The binary search finds a level as near as the nearest of all, the upper one in a tie."""
    scales = scale_sets(planes)
    rows = np.concatenate([gaussian(300, 20), coarse(300, 20) / 4])
    # Exact ties: midpoints between levels that halves have.
    rows[300:, :10] = np.random.default_rng(5).integers(-24, 25, (300, 10)) / 8
    codes = multibit.nearest(rows, scales)
    chosen = np.einsum("prc,pr->rc", codes, scales)
    for row, coefficients, found in zip(rows, scales.T, chosen, strict=True):
        levels = all_signs(planes) @ coefficients
        distance = np.abs(row[:, None] - levels)
        assert (np.abs(row - found) <= distance.min(1) + ROUNDING).all()
        tied = distance <= distance.min(1, keepdims=True)
        best = np.where(tied, levels, -np.inf).max(1)
        # Sums of eighths are exact, so there the choice among tied levels is certain.
        exact = np.all(coefficients * 2 % 1 == 0) & (row * 8 % 1 == 0)
        np.testing.assert_array_equal(found[exact], best[exact])


def test_nearest_two_planes():
    """The paper's closed form for two planes: the sign, then the sign of what is left."""
    scales = -np.sort(-np.random.default_rng(6).integers(0, 9, (2, 400)) / 4, axis=0)
    rows = np.random.default_rng(7).integers(-20, 21, (400, 30)) / 4
    first = np.where(rows >= 0, 1, -1)
    second = np.where(rows - scales[0, :, None] * first >= 0, 1, -1)
    # Where the coefficients are equal, so are the two inner levels.
    distinct = scales[0] > scales[1]
    found = multibit.nearest(rows, scales)
    np.testing.assert_array_equal(found[:, distinct], np.stack([first, second])[:, distinct])


@pytest.mark.parametrize("planes", [2, 3, 4])
def test_binary_search(planes):
    """The paper's algorithm 1, one element at a time, k comparisons each."""
    scales = scale_sets(planes)
    rows = np.concatenate([gaussian(300, 20), coarse(300, 20) / 4])
    found = np.einsum("prc,pr->rc", multibit.nearest(rows, scales), scales)
    for row, coefficients, levels_found in zip(rows, scales.T, found, strict=True):
        levels = sorted(float(level) for level in all_signs(planes) @ coefficients)
        for value, level in zip(row, levels_found, strict=True):
            rest = levels
            while len(rest) > 1:
                half = len(rest) // 2
                upper = value >= (rest[half - 1] + rest[half]) / 2
                rest = rest[half:] if upper else rest[:half]
            assert level == pytest.approx(rest[0], abs=ROUNDING)


@pytest.mark.parametrize("planes", [2, 3, 4])
@pytest.mark.parametrize("columns", [1, 2, 3, 5, 8, 16, 300])
@pytest.mark.parametrize("rounds", [0, 1, 2, 4])
def test_alternating_never_worse(planes, columns, rounds):
    """Thousands of short rows: never above greedy, nor above refined, nor above fewer rounds."""
    count = 50 if columns == 300 else 700
    rows = np.concatenate([gaussian(count, columns), coarse(count, columns),
                           gaussian(count, columns) ** 3])
    found = error(rows, *multibit.alternating(rows, planes, rounds))
    limit = ROUNDING * (1 + np.square(rows).sum(1))
    assert (found <= error(rows, *multibit.greedy(rows, planes)) + limit).all()
    if rounds:
        assert (found <= error(rows, *multibit.refined(rows, planes)) + limit).all()
        assert (found <= error(rows, *multibit.alternating(rows, planes, rounds - 1)) + limit).all()
    paper = error(rows, *multibit.alternating(rows, planes, rounds, greedy_start=True))
    assert (paper <= error(rows, *multibit.greedy(rows, planes)) + limit).all()


@pytest.mark.parametrize("planes", [2, 3, 4])
def test_alternating_half_steps(planes):
    """The paper's algorithm from brute force: ``lstsq``, then the nearest of all codes."""
    rows = gaussian(200, 12, seed=8)
    codes, scales = multibit.alternating(rows, planes, 2, greedy_start=True)
    for index, row in enumerate(rows):
        chosen = multibit.greedy(row[None], planes)[0][:, 0]
        for _ in range(2):
            solution, *_ = np.linalg.lstsq(chosen.T.astype(float), row, rcond=None)
            solution = np.abs(solution)
            signs = all_signs(planes)
            chosen = signs[np.abs(row - (signs @ solution)[:, None]).argmin(0)].T
        expected = np.square(row - chosen.T @ solution).sum()
        got = error(row[None], codes[:, index:index + 1], scales[:, index:index + 1])[0]
        assert got == pytest.approx(expected, abs=1e-9)


def test_two_means():
    """Two planes are the two means of the magnitudes, with cuts between them."""
    rows = gaussian(100, 40, seed=9)
    _, scales = multibit.alternating(rows, 2, rounds=3)
    for row, found in zip(np.abs(rows), scales.T, strict=True):
        cut = row.mean()
        for _ in range(3):
            upper, lower = row[row > cut].mean(), row[row <= cut].mean()
            cut = (upper + lower) / 2
        assert found.tolist() == pytest.approx([(upper + lower) / 2, (upper - lower) / 2])


def test_gaussian_error():
    """Between the bound of Lloyd and Max for a Gaussian source and the greedy error."""
    rows = gaussian(400, 1000, seed=10)
    power = np.square(rows).sum()
    for planes, bound in ((1, 0.3634), (2, 0.1175), (3, 0.03454), (4, 0.009497)):
        found = error(rows, *multibit.alternating(rows, planes)).sum() / power
        greedy = error(rows, *multibit.greedy(rows, planes)).sum() / power
        # A fit to 1000 samples can beat the bound for the distribution by its 2**planes levels.
        assert bound * (1 - 2**planes / 1000) < found <= greedy + ROUNDING


@pytest.mark.parametrize("planes", [1, 2, 3, 4])
def test_uniform_definition(planes):
    steps = 2**planes - 1
    for row in (*gaussian(50, 9), *coarse(50, 9)):
        largest = np.abs(row).max()
        codes, scales = multibit.uniform(row[None], planes)
        expected = [2 * (np.floor(steps * (value / largest + 1) / 2 + 0.5) / steps - 0.5) * largest
                    for value in row]
        assert (codes[:, 0].T @ scales[:, 0]).tolist() == pytest.approx(expected)


def test_uniform_by_matrix():
    """Every row has the span of the one with the largest element."""
    rows = gaussian(200, 20)
    outer = np.abs(rows).max()
    codes, scales = multibit.uniform(rows, 2, by_matrix=True)
    levels = np.array([-outer, -outer / 3, outer / 3, outer])
    nearest = levels[np.abs(rows[..., None] - levels).argmin(axis=-1)]
    np.testing.assert_allclose(np.einsum("prc,pr->rc", codes, scales), nearest, rtol=1e-12)


@pytest.mark.parametrize("planes", [1, 2, 3, 4])
def test_balanced_definition(planes):
    row = np.random.default_rng(11).permutation(np.arange(48) - 20.5)[None]
    codes, scales = multibit.balanced(row, planes)
    levels = (codes[:, 0].T @ scales[:, 0])[np.argsort(row[0])]
    expected = np.linspace(-26.5, 26.5, 2**planes)
    np.testing.assert_allclose(levels, np.repeat(expected, 48 // 2**planes), atol=1e-9)


@pytest.mark.parametrize("quantize", QUANTIZERS)
@pytest.mark.parametrize("planes", [1, 2, 3, 4])
def test_zero_row(quantize, planes):
    codes, scales = quantize(np.zeros((2, 5)), planes)
    assert not scales.any()
    assert set(np.unique(codes)) <= {-1, 1}


@pytest.mark.parametrize("quantize", QUANTIZERS[:3])
@pytest.mark.parametrize("planes", [1, 2, 3, 4])
@pytest.mark.parametrize("rows", [np.full((3, 4), -2.0), np.array([[1.5], [-0.25]]),
                                  np.array([[3.0, -3.0, 3.0, 3.0]])],
                         ids=["constant", "one column", "one magnitude"])
def test_one_magnitude(quantize, planes, rows):
    """Rows of a single magnitude make all planes equal or opposite, and are met exactly."""
    assert error(rows, *quantize(rows, planes)).max() < ROUNDING


def test_negative_zero():
    codes, _ = multibit.greedy(np.array([[-0.0, 0.0, 1.0]]), 1)
    assert codes[0, 0].tolist() == [1, 1, 1]


BAD = [
    (np.ones(3), r"Weights must be a matrix of at least one row and one column, "
                 r"not of the shape \(3,\)"),
    (np.ones((0, 3)), r"Weights must be a matrix of at least one row and one column, "
                      r"not of the shape \(0, 3\)"),
    (np.ones((3, 0)), r"Weights must be a matrix of at least one row and one column, "
                      r"not of the shape \(3, 0\)"),
    (np.ones((2, 2), dtype=int), "Weights must be an array of float32 or float64, not int64"),
    ([[1.0]], "Weights must be an array of float32 or float64, not list"),
    (np.array([[1, 2], [3, np.nan]]), "Weights must be finite, not nan in row 1, column 1"),
    (np.array([[1, -np.inf], [3, 4]]), "Weights must be finite, not -inf in row 0, column 1"),
]


@pytest.mark.parametrize("quantize", QUANTIZERS)
@pytest.mark.parametrize("rows, message", BAD)
def test_bad_rows(quantize, rows, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        quantize(rows, 2)


@pytest.mark.parametrize("quantize", QUANTIZERS)
@pytest.mark.parametrize("planes", [0, 5, 2.5])
def test_bad_planes(quantize, planes):
    with pytest.raises(ValueError, match=f"^Planes must be from 1 to 4, not {planes}$"):
        quantize(np.ones((2, 2)), planes)


def test_bad_rounds():
    with pytest.raises(ValueError, match="^Rounds must be 0 or more, not -1$"):
        multibit.alternating(np.ones((2, 2)), 2, -1)
