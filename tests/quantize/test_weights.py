"""Weight methods against their definitions, entry by entry."""

import math

import msgspec
import numpy as np
import pytest

from ternloom.model.alphabet import BINARY, EXPONENTIAL, INTEGER, PLANES, QUATERNARY, TERNARY
from ternloom.model.matrix import Matrix
from ternloom.quantize import multibit, weights
from ternloom.quantize.codes import draw, nearest


METHODS = [weights.parse(text) for text in (
    *weights.names(), "alternating:3:2:greedy-start", "alternating:1", "greedy:4", "refined:3",
    "uniform:3", "balanced:3", "hitnet-ternary:0.5:scaled", "twn:0.7:by-row", "mean-binary:by-row",
    "integer:2", "integer:5:by-row", "ott-binary:scaled", "ott-pow2:1:2", "ott-exponential:3:-1",
    "ott-exponential:16", "binary-connect:scaled", "ternary-connect:scaled",
    "quaternary-connect:scaled", "uniform:3:by-matrix")]
STOCHASTIC = [method for method in METHODS if method.stochastic]
INPUTS, UNITS = 30, 5


def title(method):
    """Of a test case."""
    return method.text


def matrix(seed=1, dtype=np.float64):
    """Weights of four gates of five units, some of them exactly on levels and cuts."""
    rng = np.random.default_rng(seed)
    latent = rng.normal(0, 0.4, (4 * UNITS, INPUTS))
    latent[:, :9] = rng.choice([-1, -0.75, -0.5, -0.25, -0.0, 0, 0.25, 0.375, 0.5, 0.75, 1, 1.5],
                               (4 * UNITS, 9))
    return latent.astype(dtype)


def scalar_glorot():
    return math.sqrt(6 / (INPUTS + UNITS))


def power(w, exponent):
    """Ott's rounding to a power of two with the exponent below it."""
    return math.copysign(2.0**(exponent + (abs(w) / 2.0**exponent - 1 > 0.5)), w)


def exponential(w):
    """Ott's formula, and the smallest level for zero."""
    if w == 0:
        return 2.0**-22
    return power(w, min(max(math.floor(math.log2(abs(w))), -22), 9))


def pow2(integer, fraction):
    most = 2**(integer + fraction) - 1
    return lambda w: math.copysign(min(math.floor(abs(w) * 2**fraction + 0.5), most), w) \
        / 2**fraction


def ott_ternary(w):
    limit = scalar_glorot()
    return limit if w > limit / 2 else 0 if w > -limit / 2 else -limit


#: Level of a weight, by the formulas of research, for methods that need no more than the weight.
LEVELS = {
    "binary-connect": lambda w: 1 if w >= 0 else -1,
    "ternary-connect": lambda w: 0 if abs(w) <= 0.5 else math.copysign(1, w),
    "quaternary-connect": lambda w: (1 if w >= 0 else -1) * (0.5 if abs(w) < 0.75 else 1),
    "ott-binary": lambda w: 1 if min(max((w + 1) / 2, 0), 1) >= 0.5 else -1,
    "ott-binary:scaled": lambda w: scalar_glorot() * (1 if w >= 0 else -1),
    "ott-ternary": ott_ternary,
    "ott-pow2": pow2(0, 1),
    "ott-pow2:0:3": pow2(0, 3),
    "ott-pow2:1:2": pow2(1, 2),
    "ott-exponential:16": lambda w: math.copysign(max(abs(exponential(w)), 2.0**-15), w + 0),
    "ott-exponential:3:-1": lambda w: math.copysign(
        min(max(abs(exponential(w)), 0.125), 0.5), w + 0),
}


@pytest.mark.parametrize("text", LEVELS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_levels(text, dtype):
    latent = matrix(dtype=dtype)
    latent[0, 0] = 0.875
    got = weights.parse(text).fit(latent, units=UNITS).reconstruct()
    expected = [[LEVELS[text](float(w)) for w in row] for row in latent]
    np.testing.assert_array_equal(got, np.array(expected, dtype=dtype))


@pytest.mark.parametrize("text", ["binary-connect", "ternary-connect", "quaternary-connect"])
@pytest.mark.parametrize("size", [0.003, 0.1, 0.25, 0.7, 5.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scaled(text, size, dtype):
    """One power of two: the plain rule on the matrix in its units, and no other is nearer."""
    latent = np.random.default_rng(7).normal(0, size, (2 * UNITS, INPUTS)).astype(dtype)
    codes = weights.parse(f"{text}:scaled").fit(latent)
    unit = 0.5 if text.startswith("quaternary") else 1.0
    scale, = set((codes.scales / unit).ravel().tolist())

    def meant(power):
        return np.array([[power * LEVELS[text](w / power) for w in row]
                         for row in latent.tolist()])

    assert math.frexp(scale)[0] == 0.5
    np.testing.assert_array_equal(codes.reconstruct(), meant(scale))
    errors = {power: np.square(latent - meant(power)).sum()
              for power in 2.0**np.arange(-14, 6)}
    # float32 cannot tell errors that are equal in all its digits.
    assert errors[scale] <= min(errors.values()) * (1 + 1e-6)


def test_scaled_zeros():
    zeros = np.zeros((2, 3))
    assert weights.parse("ternary-connect:scaled").fit(zeros).scales.tolist() == [[1, 1]]


def test_ott_defaults():
    """Pow2-ternarization as released: levels of a half, cuts at a quarter."""
    latent = np.array([[0.24, 0.25, -0.25, -0.26, 0.9, -7]])
    codes = weights.OttPow2().fit(latent)
    assert codes.reconstruct().tolist() == [[0, 0.5, -0.5, -0.5, 0.5, -0.5]]
    assert codes.weight == TERNARY
    assert weights.OttPow2(1, 2).weight == INTEGER


def row_parts(latent, by_row):
    """Rows that share a scale, one set after the other."""
    return [row[None] for row in latent] if by_row else [latent]


@pytest.mark.parametrize("by_row", [False, True])
@pytest.mark.parametrize("threshold", [0, 0.7, 1.2])
def test_twn_definition(by_row, threshold):
    latent = matrix()
    got = weights.Twn(threshold, by_row).fit(latent).reconstruct()
    expected = []
    for part in row_parts(latent, by_row):
        size = np.abs(part)
        outer = size > threshold * size.mean()
        expected.append(np.where(outer, np.sign(part) * size[outer].mean(), 0))
    np.testing.assert_allclose(got, np.concatenate(expected), rtol=1e-12)


@pytest.mark.parametrize("scaled", [False, True])
def test_hitnet_definition(scaled):
    latent = matrix()
    size = np.abs(latent)
    outer = size > 0.7 * size.mean()
    scale = size[outer].mean() if scaled else 1
    np.testing.assert_allclose(weights.HitnetTernary(0.7, scaled).fit(latent).reconstruct(),
                               np.where(outer, np.sign(latent) * scale, 0), rtol=1e-12)


@pytest.mark.parametrize("by_row", [False, True])
def test_mean_binary_definition(by_row):
    latent = matrix()
    expected = [np.where(part >= 0, 1, -1) * np.abs(part).mean()
                for part in row_parts(latent, by_row)]
    np.testing.assert_allclose(weights.MeanBinary(by_row).fit(latent).reconstruct(),
                               np.concatenate(expected), rtol=1e-12)


@pytest.mark.parametrize("by_row", [False, True])
@pytest.mark.parametrize("bits", range(2, 9))
def test_integer_definition(by_row, bits):
    latent = matrix()
    codes = weights.Integer(bits, by_row).fit(latent)
    assert np.abs(codes.codes).max() == 2**(bits - 1) - 1
    scale = [np.full(len(part), np.abs(part).max() / (2**(bits - 1) - 1))
             for part in row_parts(latent, by_row)]
    np.testing.assert_array_equal(codes.scales[0], np.concatenate(scale))
    assert (np.abs(codes.reconstruct() - latent) <= codes.scales.T / 2 * (1 + 1e-12)).all()


@pytest.mark.parametrize("name", ["greedy", "refined", "alternating", "uniform", "balanced"])
def test_multibit_methods(name):
    codes = weights.parse(f"{name}:3").fit(matrix())
    expected = getattr(multibit, name)(matrix(), 3)
    np.testing.assert_array_equal(codes.codes, expected[0])
    np.testing.assert_array_equal(codes.scales, expected[1])


@pytest.mark.parametrize("method", METHODS, ids=title)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_form(method, dtype):
    """Codes are those of the alphabet, scales of the weights' type and not negative."""
    latent = matrix(dtype=dtype)
    codes = method.fit(latent, units=UNITS)
    assert codes.codes.dtype == np.int8 and codes.scales.dtype == dtype
    assert codes.codes.shape == (method.planes, *latent.shape)
    assert codes.scales.shape == (method.planes, len(latent))
    assert codes.weight is method.weight and (codes.scales >= 0).all()
    assert codes.reconstruct().dtype == dtype
    Matrix(codes.weight, codes.codes, np.ones(codes.scales.shape, dtype=np.int32))


@pytest.mark.parametrize("method", METHODS, ids=title)
def test_nearest(method):
    """No level of the alphabet is nearer, at scales that are not the fitted ones."""
    latent = matrix()
    scales = method.fit(latent, units=UNITS).scales * 0.8
    codes = method.nearest(latent, scales)
    got = weights.Codes(codes, scales, method.weight).reconstruct()
    allowed = np.array([code for code in method.weight.codes if abs(code) <= method.limit])
    if method.planes == 1 and method.weight != PLANES:
        levels = method.weight.values(allowed)[:, None, None] * scales[0, :, None]
    else:
        signs = np.indices((2,) * method.planes).reshape(method.planes, -1) * 2 - 1
        levels = (signs.T @ scales)[:, :, None]
    distance = np.abs(latent - levels).min(0)
    assert (np.abs(latent - got) <= distance + 1e-12).all()


@pytest.mark.parametrize("weight, limit", [
    (BINARY, 1), (TERNARY, 1), (QUATERNARY, 2), (EXPONENTIAL, 5),
    (INTEGER, 7)])
def test_nearest_ties(weight, limit):
    """Halfway between two levels the upper one is taken."""
    levels = sorted(weight.values(np.array([code for code in weight.codes
                                            if abs(code) <= limit])).tolist())
    middles = np.array([[(a + b) / 2 for a, b in zip(levels, levels[1:])]])
    codes = nearest(weight, middles, np.ones((1, 1)), limit)
    assert weight.values(codes)[0, 0].tolist() == levels[1:]


@pytest.mark.parametrize("method", STOCHASTIC, ids=title)
def test_unbiased(method):
    """The mean of n draws is the weight, within six of its own standard errors.

    A draw between levels a <= w <= b has the variance ``(w - a) * (b - w)``, so a mean of 20000
    strays by at most 0.36 % of the gap, and a bias of 2.5 % of it shows.
    """
    draws, rng = 20000, np.random.default_rng(2)
    top = method.fit(matrix()).reconstruct().max()
    latent = np.linspace(-top, top, 21)[None]
    total = np.zeros_like(latent)
    lower, upper = np.full_like(latent, np.inf), np.full_like(latent, -np.inf)
    for _ in range(draws // 2000):
        many = np.repeat(latent, 2000, axis=0)
        # Scales of the matrix, as a fit to the grid would have.
        scales = np.full((1, 2000), method.fit(matrix()).scales[0, 0])
        codes = draw(method.weight, many, scales, rng, method.limit)
        drawn = weights.Codes(codes, scales, method.weight).reconstruct()
        total += drawn.sum(0)
        lower, upper = np.minimum(lower, drawn.min(0)), np.maximum(upper, drawn.max(0))
    deviation = np.sqrt((latent - lower) * (upper - latent) / draws)
    assert (lower <= latent + 1e-12).all() and (latent - 1e-12 <= upper).all()
    assert (np.abs(total / draws - latent) <= 6 * deviation + 1e-12).all()


@pytest.mark.parametrize("method", STOCHASTIC, ids=title)
def test_draws(method):
    """A draw takes one of the two neighbouring levels; beyond the levels, the outermost."""
    latent = matrix(seed=3)
    rng = np.random.default_rng(4)
    codes = method.fit(latent, rng=rng, units=UNITS)
    allowed = np.array([code for code in method.weight.codes if abs(code) <= method.limit])
    levels = np.sort(method.weight.values(allowed)) * codes.scales[0, 0]
    meant = codes.reconstruct()
    clipped = np.clip(latent, levels[0], levels[-1])
    gap = np.searchsorted(levels, clipped, side="right").clip(1, len(levels) - 1)
    assert ((meant == levels[gap - 1]) | (meant == levels[gap])).all()
    assert (meant[latent <= levels[0]] == levels[0]).all()
    assert (meant[latent >= levels[-1]] == levels[-1]).all()
    again = method.fit(latent, rng=np.random.default_rng(4), units=UNITS)
    np.testing.assert_array_equal(again.codes, codes.codes)
    assert (method.fit(latent, rng=rng, units=UNITS).codes != codes.codes).any()


@pytest.mark.parametrize("method", [one for one in METHODS if not one.stochastic], ids=title)
def test_no_stochastic_rule(method):
    with pytest.raises(ValueError, match="^Weights cannot be drawn at random by "
                                         f"{method.name}, which has no stochastic rule$"):
        method.fit(matrix(), rng=np.random.default_rng(1))


@pytest.mark.parametrize("text", ["ternary-connect", "quaternary-connect", "twn", "ott-ternary",
                                  "hitnet-ternary", "ott-pow2", "binary-connect", "mean-binary"])
def test_as_planes(text):
    """Sign planes give the direct form's floats, and its integer products, exactly."""
    codes = weights.parse(text).fit(matrix(dtype=np.float32))
    planes = weights.as_planes(codes)
    assert planes.weight == PLANES and set(np.unique(planes.codes)) == {-1, 1}
    np.testing.assert_array_equal(planes.reconstruct(), codes.reconstruct())
    rng = np.random.default_rng(5)
    inputs, scale = rng.integers(-128, 128, INPUTS), rng.integers(1, 1000, (1, 4 * UNITS))
    direct = weights.Codes(codes.codes, 2.0 * scale, codes.weight)
    as_planes = weights.as_planes(direct)
    integers = as_planes.scales.astype(np.int64)
    np.testing.assert_array_equal(integers, as_planes.scales)
    product = np.einsum("pr,prc,c->r", integers, as_planes.codes, inputs)
    expected = 2 * scale[0] * (codes.codes[0].astype(np.int64) @ inputs)
    np.testing.assert_array_equal(product, expected)


def test_planes_as_planes():
    codes = weights.Alternating(3).fit(matrix())
    assert weights.as_planes(codes).codes is codes.codes
    with pytest.raises(ValueError, match="^Weights as planes must be binary, ternary, quaternary "
                                         "or planes, not integer$"):
        weights.as_planes(weights.Integer(4).fit(matrix()))


def test_bounding_cost():
    """Sixteen powers cost nothing on these weights, and fewer ever more."""
    latent = np.random.default_rng(6).normal(0, 0.1, (50, 40))
    costs = [weights.bounding_cost(latent, weights.OttExponential(levels))
             for levels in (16, 8, 4, 2, 1)]
    bounded, free = zip(*costs)
    expected = np.array([[exponential(w) for w in row] for row in latent])
    assert set(free) == {weights.relative_error(latent, expected)}
    assert bounded[0] >= free[0] and list(bounded) == sorted(bounded)
    assert bounded[0] == pytest.approx(free[0], rel=1e-6)
    assert weights.bounding_cost(latent, weights.OttExponential(4, 0))[0] > 10 * bounded[2]


def test_relative_error():
    codes = weights.TernaryConnect().fit(np.array([[0.75, -0.5, 2.0]]))
    assert weights.relative_error(np.array([[0.75, -0.5, 2.0]]), codes) == (
        (0.25**2 + 0.5**2 + 1) / (0.75**2 + 0.5**2 + 4))
    zeros = np.zeros((2, 3))
    assert weights.relative_error(zeros, weights.Alternating().fit(zeros)) == 0
    assert weights.relative_error(zeros, weights.BinaryConnect().fit(zeros)) == math.inf


@pytest.mark.parametrize("method", METHODS, ids=title)
@pytest.mark.parametrize("shape", [(1, 7), (7, 1), (1, 1)], ids=["one row", "one column", "one"])
def test_thin_matrix(method, shape):
    latent = np.random.default_rng(7).normal(0, 0.5, shape)
    codes = method.fit(latent)
    assert codes.codes.shape == (method.planes, *shape)
    assert np.isfinite(codes.reconstruct()).all()


@pytest.mark.parametrize("method", METHODS, ids=title)
def test_zero_row(method):
    """Zeros stay zeros where the alphabet has a zero or the row a scale of its own."""
    latent = matrix()
    latent[3] = 0
    meant = method.fit(latent).reconstruct()
    assert np.isfinite(meant).all()
    keeps = 0 in method.weight.levels or (
        method.weight == PLANES and not getattr(method, "by_matrix", False))
    assert (not meant[3].any()) == (keeps or getattr(method, "by_row", False))
    zeros = method.fit(np.zeros((3, 4)))
    assert np.isfinite(zeros.scales).all()


@pytest.mark.parametrize("method", METHODS, ids=title)
@pytest.mark.parametrize("value, row, column", [(np.nan, 0, 4), (np.inf, 2, 0), (-np.inf, 1, 1)])
def test_not_finite(method, value, row, column):
    latent = matrix(dtype=np.float32)
    latent[row, column] = value
    with pytest.raises(ValueError, match=f"^Weights must be finite, not {value} in row {row}, "
                                         f"column {column}$"):
        method.fit(latent)


def test_clip():
    assert weights.glorot((20, 30), 5) == weights.OttTernary().clip((20, 30), 5) == scalar_glorot()
    assert weights.OttBinary().clip((20, 30)) == weights.Alternating().clip((20, 30)) == 1
    assert weights.OttBinary(scaled=True).clip((5, 30)) == scalar_glorot()
    assert weights.OttPow2(1, 2).clip((2, 2)) == 1.75
    assert weights.OttExponential().clip((2, 2)) is weights.Integer().clip((2, 2)) is None


@pytest.mark.parametrize("method", METHODS, ids=title)
def test_text(method):
    """Text and JSON stand for the value, and the citation is one line."""
    assert weights.parse(method.text) == method
    assert msgspec.json.decode(msgspec.json.encode(method), type=weights.Method) == method
    assert "\n" not in method.citation and "20" in method.citation


def test_names():
    assert list(weights.names()) == sorted(weights.names())


MISTAKES = {
    "frobnicate:2": "Weight method must be one of " + ", ".join(weights.names())
                    + ", not 'frobnicate'",
    "": "Weight method must be one of " + ", ".join(weights.names()) + ", not ''",
    "alternating:two": r"Weight method must be alternating[:planes[:rounds]][:greedy-start], "
                       "not 'alternating:two'",
    "alternating:2:2:2": r"Weight method must be alternating[:planes[:rounds]][:greedy-start], "
                         "not 'alternating:2:2:2'",
    "twn:by-row:by-row": "Weight method must be twn[:threshold][:by-row], not 'twn:by-row:by-row'",
    "binary-connect:1": "Weight method must be binary-connect[:scaled], not 'binary-connect:1'",
    "alternating:5": "alternating's planes must be from 1 to 4, not 5",
    "alternating:2:-1": "alternating's rounds must be from 0 to 100, not -1",
    "uniform:0": "uniform's planes must be from 1 to 4, not 0",
    "twn:-1": "twn's threshold must be finite and not negative, not -1.0",
    "hitnet-ternary:nan": "hitnet-ternary's threshold must be finite and not negative, not nan",
    "integer:9": "integer's bits must be from 2 to 8, not 9",
    "ott-pow2:4:4": "ott-pow2's integer and fraction bits must add up to 1 to 7, not 4 and 4",
    "ott-exponential:17": "ott-exponential's levels must be from 1 to 16, not 17",
    "ott-exponential:4:11": "ott-exponential's top must be from -22 to 10, not 11",
}


@pytest.mark.parametrize("text", MISTAKES)
def test_mistakes(text):
    with pytest.raises(ValueError) as caught:
        weights.parse(text)
    assert str(caught.value) == MISTAKES[text]
