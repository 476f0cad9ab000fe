"""Matrices' integers: merged alphabets, scales shared or a gate's own, coefficients."""

import dataclasses
import math

import numpy as np
import pytest

from ternloom.model.alphabet import BINARY, EXPONENTIAL, INTEGER, PLANES, QUATERNARY, TERNARY
from ternloom.quantize.codes import Codes, relative_error
from ternloom.quantize.quantizer import MatrixQuantizer, merge, power_of_two
from ternloom.quantize.weights import names, parse


def latent(rows=8, columns=6, seed=0, dtype=np.float32, scale=0.2):
    return (scale * np.random.default_rng(seed).standard_normal((rows, columns))).astype(dtype)


def quantizer(*texts, **fields):
    return MatrixQuantizer(tuple(parse(text) for text in texts), **fields)


def test_biases():
    """Each bias takes the level of its row's weights that is nearest, of the last rows if few."""
    rng = np.random.default_rng(5)
    weights = rng.normal(0, 0.3, (8, 6))
    bias = rng.normal(0, 0.5, 8)
    made = MatrixQuantizer((parse("ott-ternary"), parse("alternating:2")))
    limit = math.sqrt(6 / (6 + 4))
    expected = [0.0 if abs(b) < limit / 2 else math.copysign(limit, b) for b in bias[:4]]
    scales = made.fit(weights).scales[:, 4:]
    for (major, minor), b in zip(scales.T.tolist(), bias[4:].tolist()):
        levels = [major + minor, major - minor, minor - major, -major - minor]
        expected.append(min(levels, key=lambda level: abs(level - b)))
    np.testing.assert_allclose(made.biases(weights, bias), expected, rtol=1e-12)
    np.testing.assert_allclose(made.biases(weights, bias[5:]), expected[5:], rtol=1e-12)


def test_drawn_biases():
    """The mean of draws is the bias."""
    weights, bias = np.full((4, 3), 0.1), np.array([0.2, -0.3, 0.05, 0.4])
    made = MatrixQuantizer((parse("ott-ternary"),))
    rng = np.random.default_rng(1)
    mean = np.mean([made.biases(weights, bias, rng) for _ in range(4000)], axis=0)
    np.testing.assert_allclose(mean, bias, atol=0.05)


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize("shape", [(8, 6), (4, 1), (1, 5), (1, 1)], ids=str)
def test_every_method(name, shape):
    """The integers stand for what the method fits, up to the rounding of coefficients."""
    weights = latent(*shape, dtype=np.float64)
    made = quantizer(name)
    made = made.with_exponent(made.exponents(weights, 12)[0])
    matrix = made.matrix(weights)
    assert matrix.codes.shape[1:] == shape
    fitted = parse(name).fit(weights)
    assert matrix.weight is made.weight is fitted.weight
    meant = sum(values * coefficients[:, None] for values, coefficients
                in zip(matrix.values, matrix.coefficients.astype(float)))
    np.testing.assert_array_equal(made.values(weights), meant * 2.0**-made.exponent)
    levels = np.abs(fitted.weight.values(fitted.codes)).max()
    bound = 0.5 * len(fitted.codes) * levels * 2.0**-made.exponent
    assert np.abs(made.values(weights) - fitted.reconstruct()).max() <= bound


@pytest.mark.parametrize("texts, weight", [
    (("ott-binary", "ott-ternary"), TERNARY),
    (("ott-binary", "quaternary-connect"), QUATERNARY),
    (("ott-ternary", "quaternary-connect"), INTEGER),
    (("quaternary-connect", "ott-exponential:6"), EXPONENTIAL),
    (("ott-ternary", "ott-exponential:6"), INTEGER),
    (("integer:5", "ott-exponential:7"), INTEGER),
    (("mean-binary", "integer:4", "twn"), INTEGER),
    (("mean-binary", "alternating:3"), PLANES),
    (("twn", "alternating:3", "greedy:1"), PLANES),
    (("quaternary-connect", "refined:1"), PLANES),
], ids=str)
def test_merged_alphabet(texts, weight):
    """Each gate's rows mean what its method alone makes of them."""
    weights = latent(3 * len(texts), dtype=np.float64)
    codes = quantizer(*texts).fit(weights)
    assert codes.weight is weight is quantizer(*texts).weight
    assert np.isin(codes.codes, weight.codes).all()
    for gate, text in enumerate(texts):
        rows = slice(3 * gate, 3 * gate + 3)
        alone = parse(text).fit(weights[rows], units=3).reconstruct()
        np.testing.assert_allclose(codes.reconstruct()[rows], alone, rtol=1e-12)


def test_missing_planes():
    """A plane that a gate does not have gets coefficient 0 there."""
    made = quantizer("greedy:1", "alternating:3").with_exponent(12)
    matrix = made.matrix(latent())
    assert matrix.planes == 3
    assert (matrix.coefficients[0] > 0).all() and not matrix.coefficients[1:, :4].any()
    assert matrix.coefficients[1:, 4:].all()


@pytest.mark.parametrize("texts", [("integer:4", "alternating:2"), ("ott-exponential", "greedy")])
def test_no_common_alphabet(texts):
    with pytest.raises(ValueError, match="^The gates of a matrix must share an alphabet, and none "
                                         "holds (exponential|integer) and planes$"):
        quantizer(*texts).fit(latent())


def test_exponential_beside_integers():
    with pytest.raises(ValueError, match="^Exponential weights beside ternary or integer ones must "
                                         "have at most 7 powers, not 8$"):
        quantizer("integer:4", "ott-exponential:8").fit(latent())


def test_gates_that_share_a_method():
    """One scale for all rows that are fitted together."""
    weights = latent(9)
    codes = quantizer("twn", "mean-binary", "twn").fit(weights)
    assert len(set(codes.scales[0, [0, 1, 2, 6, 7, 8]])) == 1
    together = parse("twn").fit(weights[[0, 1, 2, 6, 7, 8]])
    np.testing.assert_array_equal(codes.codes[:, [0, 1, 2, 6, 7, 8]], together.codes)


def test_glorot_limit():
    """Ott's limit counts the units of one gate, not all rows."""
    scale = quantizer(*["ott-ternary"] * 4).fit(latent(20, 7)).scales
    np.testing.assert_allclose(scale, np.sqrt(6 / (7 + 5)), rtol=1e-6)


def test_zero_row():
    weights = latent()
    weights[3] = 0
    for text in ("alternating:2", "twn:by-row", "mean-binary:by-row", "integer:4:by-row"):
        made = quantizer(text)
        made = made.with_exponent(made.exponents(weights, 8)[0])
        assert not made.matrix(weights).coefficients[:, 3].any()
        assert not made.values(weights)[3].any()
        assert np.isfinite(made.values(weights)).all()


def test_zero_matrix():
    zeros = np.zeros((4, 3), dtype=np.float32)
    assert quantizer("twn").exponents(zeros, 8) is None
    assert not quantizer("twn").values(zeros).any()
    assert not quantizer("twn").freeze(zeros).values(zeros).any()


def test_bits_of_coefficients():
    """The largest coefficient has the bits that are asked for, and more would still fit, in a
    multiplier or in a matrix.
    """
    for scale in (1e-3, 0.2, 30.0):
        weights = latent(scale=scale)
        made = quantizer("alternating:2")
        least, most, utmost = made.exponents(weights, 6)
        assert utmost == most + 9
        assert 32 <= made.with_exponent(least).matrix(weights).coefficients.max() <= 64
        matrix = made.with_exponent(most).matrix(weights)
        assert 1 << 13 <= matrix.coefficients.max() < 1 << 15
        error = [relative_error(weights, made.with_exponent(exponent).values(weights))
                 for exponent in (least, most)]
        assert error[1] <= error[0] < 1.1 * error[1]


def test_loss():
    """What rounding scales loses: little of many bits, everything where all become zero."""
    weights = latent(scale=0.2)
    made = quantizer("integer:8")
    codes = made.fit(weights)
    scale = float(codes.scales[0, 0])
    exponent = 6 - math.frexp(scale)[1]
    assert made.with_exponent(exponent).loss(weights) == pytest.approx(
        (round(scale * 2.0**exponent) / (scale * 2.0**exponent) - 1) ** 2, rel=1e-3)
    assert made.with_exponent(exponent - 8).loss(weights) == 1.0


@pytest.mark.parametrize("text, exact", [("integer:8", 5), ("integer:8:by-row", 5), ("twn", 1),
                                         ("alternating:2", 1)])
def test_coarsened(text, exact):
    """Integer codes make up for the bits that coefficients lack; other alphabets cannot."""
    weights = latent(scale=0.2)
    made = quantizer(text)
    made = made.with_exponent(made.exponents(weights, 2)[0])
    codes, coarse = made.fit(weights).reconstruct(), made.coarsened(weights)
    assert made.loss(weights) > 1e-3
    assert relative_error(codes, coarse.values(weights)) < 1.01 * made.loss(weights) / exact


def test_coefficient_limit():
    """A scale that training let grow beyond the integers stays at the largest one."""
    made = quantizer("mean-binary", exponent=30)
    assert made.matrix(latent(scale=1.0)).coefficients.max() == (1 << 24) - 1


@pytest.mark.parametrize("text", ["ott-exponential:5", "ott-pow2:0:3", "quaternary-connect",
                                  "binary-connect"])
def test_natural_powers_of_two(text):
    """Scales that are powers of two are exact with the smallest coefficients."""
    made = quantizer(text)
    made = made.with_exponent(made.exponents(latent(), 8)[0])
    assert (made.matrix(latent()).coefficients == 1).all()
    np.testing.assert_array_equal(made.values(latent()), parse(text).fit(latent()).reconstruct())


@pytest.mark.parametrize("texts", [("twn",), ("twn:by-row",), ("mean-binary:by-row", "twn"),
                                   ("integer:4",), ("quaternary-connect",)])
def test_frozen_scales(texts):
    """Powers of two next to the fitted scales, and the nearest level for every weight."""
    weights = latent(dtype=np.float64)
    made = quantizer(*texts)
    frozen = made.freeze(weights)
    ratio = frozen.frozen / made.fit(weights).scales
    assert (np.frexp(frozen.frozen)[0] == 0.5).all()
    assert (ratio >= 2**-0.5).all() and (ratio <= 2**0.5).all()
    codes = frozen.fit(weights)
    np.testing.assert_array_equal(codes.scales, frozen.frozen)
    levels = np.array(sorted(set(codes.weight.values(np.array(
        [code for code in codes.weight.codes if abs(code) <= 7], dtype=np.int8)).tolist())))
    for row, (values, meant) in enumerate(zip(weights, codes.reconstruct())):
        method = frozen.methods[row * len(texts) // len(weights)]
        held = levels[np.abs(levels) <= method.limit] * frozen.frozen[0, row]
        if method.weight == BINARY:
            held = held[held != 0]
        nearest = held[np.abs(values[:, None] - held).argmin(axis=1)]
        np.testing.assert_array_equal(meant, nearest)
    frozen = frozen.with_exponent(frozen.exponents(weights, 2)[0])
    np.testing.assert_array_equal(frozen.values(weights), codes.reconstruct())
    assert frozen.matrix(weights).coefficients.min() == 1


def test_frozen_planes():
    assert quantizer("alternating:2").freeze(latent()) == quantizer("alternating:2")


def test_nearest_powers():
    scales = np.array([[0.0, 1.0, 1.41, 1.42, 0.3, 2**-0.49]])
    assert power_of_two(scales).tolist() == [[0, 1, 1, 2, 0.25, 1]]
    assert power_of_two(scales.astype(np.float32)).dtype == np.float32


@pytest.mark.parametrize("frozen", [False, True])
def test_stochastic(frozen):
    """Draws come from the method's rule, and only where it has one."""
    weights = latent(6, 500, scale=0.1)
    made = quantizer("ott-ternary", "twn")
    made = made.freeze(weights) if frozen else made
    first, second = (made.fit(weights, np.random.default_rng(seed)) for seed in (1, 2))
    assert (first.codes[:, :3] != second.codes[:, :3]).any()
    np.testing.assert_array_equal(first.codes[:, 3:], made.fit(weights).codes[:, 3:])
    assert set(np.unique(first.codes)) <= {-1, 0, 1}


def test_clip():
    made = quantizer("ott-ternary", "integer:4", "binary-connect", "alternating:2")
    bounds = quantizer(*[method.text for method in made.methods]).clip((8, 4))
    assert bounds.shape == (8, 1)
    np.testing.assert_allclose(bounds[:2], 1.0)
    assert np.isinf(bounds[2:4]).all()
    assert (bounds[4:] == 1).all()


def test_clip_of_frozen_scales():
    """Weights are kept within the outermost level."""
    weights = latent()
    for text, top in (("twn:by-row", 1), ("quaternary-connect", 2), ("integer:3", 3)):
        frozen = quantizer(text).freeze(weights)
        np.testing.assert_array_equal(frozen.clip(weights.shape), top * frozen.frozen.T)


def test_bad_weights():
    weights = latent()
    weights[2, 1] = np.nan
    with pytest.raises(ValueError, match="^Weights must be finite, not nan in row 2, column 1$"):
        quantizer("twn").fit(weights)


def test_merge_of_rows():
    one = Codes(np.full((1, 2, 3), -1, np.int8), np.full((1, 2), 0.5), BINARY)
    other = dataclasses.replace(one, codes=np.zeros((1, 2, 3), np.int8), weight=TERNARY)
    merged = merge([(np.array([0, 3]), one), (np.array([1, 2]), other)])
    assert merged.weight == TERNARY
    assert merged.codes[0, :, 0].tolist() == [-1, 0, 0, -1]
