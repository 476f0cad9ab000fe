"""Multi-bit codes: each row of a matrix as a sum of sign planes with coefficients of its own.

``row ~ sum over p of scales[p] * codes[p]`` with codes of {-1, +1}: the greedy, refined greedy and
alternating quantizers of Xu et al. 2018 (ICLR, "Alternating Multi-bit Quantization for Recurrent
Neural Networks"), and the uniform and balanced baselines that the paper compares with, whose
levels are evenly spaced and thus planes with coefficients 1, 2, 4 and so on times a step.

Every function takes float32 or float64 rows and works in their type.
"""

import itertools

import numpy as np


__all__ = ["alternating", "balanced", "check_rows", "greedy", "least_squares", "nearest", "refined",
           "uniform"]


#: Elements that are worked on at a time, so that intermediate arrays stay in the cache.
_BLOCK = 1 << 16
#: Planes count as dependent below this determinant of their cosines. Rounding leaves less than
#: 1e-14 of zero, and what is above zero is seldom below ``(4 / columns)**3``.
_SINGULAR = 1e-9


def check_rows(rows: object, thing: str = "Weights") -> None:
    """Raise ``ValueError`` unless ``rows`` is a finite, not empty float matrix (rows, columns)."""
    if not isinstance(rows, np.ndarray) or rows.dtype not in (np.float32, np.float64):
        kind = rows.dtype if isinstance(rows, np.ndarray) else type(rows).__name__
        raise ValueError(f"{thing} must be an array of float32 or float64, not {kind}")
    if rows.ndim != 2 or 0 in rows.shape:
        raise ValueError(f"{thing} must be a matrix of at least one row and one column, "
                         f"not of the shape {rows.shape}")
    if not np.isfinite(rows).all():
        row, column = np.argwhere(~np.isfinite(rows))[0].tolist()
        raise ValueError(f"{thing} must be finite, not {float(rows[row, column])!r} "
                         f"in row {row}, column {column}")


def _check_planes(planes):
    if planes not in (1, 2, 3, 4):
        raise ValueError(f"Planes must be from 1 to 4, not {planes!r}")


def _by_blocks(quantize, rows, planes):
    """Codes and scales of all rows, some rows at a time."""
    check_rows(rows)
    _check_planes(planes)
    codes = np.empty((planes, *rows.shape), dtype=np.int8)
    scales = np.empty((planes, len(rows)), dtype=rows.dtype)
    step = max(1, _BLOCK // rows.shape[1])
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        signs, scales[:, part] = quantize(rows[part])
        codes[:, part] = signs
    return codes, scales


def _signs(values):
    """+1 where a value is zero or more and -1 elsewhere, in the type of ``values``."""
    return (2 * (values >= 0).view(np.int8) - 1).astype(values.dtype)


def _greedy(rows, planes):
    """Greedy planes as floats (planes, rows, columns) and their scales (planes, rows)."""
    codes, scales = _empty(rows, planes)
    rest = rows
    for plane in range(planes):
        codes[plane] = _signs(rest)
        scales[plane] = np.vecdot(rest, codes[plane]) / rest.shape[1]
        rest = rest - scales[plane, :, None] * codes[plane]
    return codes, scales


def _refined(rows, planes):
    """Refined greedy planes and scales, as :func:`_greedy` gives them."""
    codes, scales = _empty(rows, planes)
    rest = rows
    for plane in range(planes):
        codes[plane] = _signs(rest)
        scales[:plane + 1] = least_squares(rows, codes[:plane + 1])
        rest = rows - _sum(codes[:plane + 1], scales[:plane + 1])
    signs = _signs(scales)
    return codes * signs[:, :, None], scales * signs


def _empty(rows, planes):
    """Arrays for codes and scales, in the type of the rows."""
    return (np.empty((planes, *rows.shape), dtype=rows.dtype),
            np.empty((planes, len(rows)), dtype=rows.dtype))


def _sum(codes, scales):
    """Rows that planes stand for."""
    return sum(scale[:, None] * code for code, scale in zip(codes, scales, strict=True))


def greedy(rows: np.ndarray, planes: int) -> tuple[np.ndarray, np.ndarray]:
    """Plane after plane, the sign and mean magnitude of what is left (Xu et al., section 2).

    Parameters
    ----------
    rows : float array (rows, columns)
    planes : int
        1 to 4.

    Returns
    -------
    codes : int8 array (planes, rows, columns)
        Of {-1, +1}; the sign of zero is +1.
    scales : float array (planes, rows)
        Not negative, in the type of ``rows``.
    """
    return _by_blocks(lambda part: _greedy(part, planes), rows, planes)


def refined(rows: np.ndarray, planes: int) -> tuple[np.ndarray, np.ndarray]:
    """Greedy codes, with all coefficients solved anew after each plane (Xu et al., section 2).

    Parameters and results are those of :func:`greedy`.
    """
    return _by_blocks(lambda part: _refined(part, planes), rows, planes)


def alternating(rows: np.ndarray, planes: int, rounds: int = 2,
                greedy_start: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Alternating multi-bit quantization (Xu et al., algorithms 1 and 2).

    Greedy start; then, ``rounds`` times, the best coefficients for the codes
    (:func:`least_squares`) and the best codes for the coefficients (:func:`nearest`). No half-step
    makes the error of a row larger, so a row never ends above :func:`greedy`.

    With three or four planes a short row may still end above :func:`refined`, whose later codes
    differ (with three planes one Gaussian row of 16 columns in eight, of 300 columns none). Unless
    ``greedy_start`` asks for the paper's start, each row therefore starts from the better of both,
    and ends above neither: Ternloom's choice. With one or two planes both starts have equal codes.

    Parameters
    ----------
    rows : float array (rows, columns)
    planes : int
        1 to 4.
    rounds : int
        T of the paper, which finds 2 enough; 0 or more.
    greedy_start : bool
        Start as the paper does, which takes two thirds of the time.

    Returns
    -------
    codes : int8 array (planes, rows, columns)
        Of {-1, +1}.
    scales : float array (planes, rows)
        Not negative, and descending if ``rounds`` is not 0.
    """
    if rounds < 0:
        raise ValueError(f"Rounds must be 0 or more, not {rounds!r}")

    def quantize(part):
        codes, scales = (_greedy(part, planes) if greedy_start or planes <= 2 else
                         _better(part, _greedy(part, planes), _refined(part, planes)))
        # One plane is at its optimum.
        for _ in range(rounds if planes > 1 else 0):
            # A sign belongs to the codes, which are chosen anew, and so does the order of planes.
            scales = -np.sort(-np.abs(least_squares(part, codes)), axis=0)
            codes = nearest(part, scales)
        return codes, scales

    return _by_blocks(quantize, rows, planes)


def _better(rows, one, other):
    """Row by row, the codes and scales with the smaller error."""
    errors = []
    for codes, scales in (one, other):
        rest = rows - _sum(codes, scales)
        errors.append(np.vecdot(rest, rest))
    better = errors[0] <= errors[1]
    return (np.where(better[:, None], one[0], other[0]), np.where(better, one[1], other[1]))


def least_squares(rows: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Coefficients that bring the sum of the planes nearest to each row (Xu et al., section 3).

    Parameters
    ----------
    rows : float array (rows, columns)
    codes : int8 or float array (planes, rows, columns)
        Of {-1, +1}.

    Returns
    -------
    float array (planes, rows)
        The shortest solution where planes depend on each other, as two equal ones do.
    """
    planes, columns = len(codes), rows.shape[1]
    codes = codes.astype(rows.dtype, copy=False)
    normal = np.full((len(rows), planes, planes), float(columns))
    for one, other in itertools.combinations(range(planes), 2):
        normal[:, one, other] = normal[:, other, one] = np.vecdot(codes[one], codes[other])
    normal /= columns
    target = np.vecdot(codes, rows).T[:, :, None].astype(np.float64) / columns
    dependent = np.linalg.det(normal) < _SINGULAR
    if dependent.any():
        inverse = np.linalg.pinv(normal[dependent], rcond=_SINGULAR, hermitian=True)
        target[dependent] = inverse @ target[dependent]
        normal[dependent] = np.eye(planes)
    return np.linalg.solve(normal, target)[:, :, 0].T.astype(rows.dtype)


def nearest(rows: np.ndarray, scales: np.ndarray) -> np.ndarray:
    """Codes whose level is nearest to each element, the upper one in a tie (Xu et al., alg. 1).

    A binary search tree over the sorted levels: each node compares with the midpoint between the
    halves of its levels; ">=" takes the upper half.

    Parameters
    ----------
    rows : float array (rows, columns)
    scales : float array (planes, rows)

    Returns
    -------
    float array (planes, rows, columns)
        Of {-1, +1}. Where levels are equal, the search decides whose codes are taken.
    """
    planes = np.arange(len(scales), dtype=np.uint8)
    codes = np.arange(1 << len(scales), dtype=np.uint8)
    signs = 2.0 * (codes[:, None] >> planes & 1) - 1
    levels = scales.T @ signs.T.astype(rows.dtype)
    order = np.argsort(levels, axis=1, kind="stable")
    levels = np.take_along_axis(levels, order, axis=1)
    found = _search(rows, (levels[:, :-1] + levels[:, 1:]) / 2, codes[order])
    return (2 * (found >> planes[:, None, None] & 1).view(np.int8) - 1).astype(rows.dtype)


def _search(rows, cuts, codes):
    """Codes that binary search trees have for elements.

    Both halves of a tree are searched and one result is chosen, which vector instructions do in
    less time than they look up the cut of each element's own half.

    Parameters
    ----------
    rows : float array (rows, columns)
    cuts : float array (rows, 2**depth - 1)
        Ascending.
    codes : uint8 array (rows, 2**depth)
        Leaves of the tree.

    Returns
    -------
    uint8 array (rows, columns)
    """
    half = codes.shape[1] // 2
    if not half:
        return codes
    lower = _search(rows, cuts[:, :half - 1], codes[:, :half])
    upper = _search(rows, cuts[:, half:], codes[:, half:])
    mask = -(rows >= cuts[:, half - 1:half]).view(np.uint8)
    return lower ^ (mask & (lower ^ upper))


def _evenly_spaced(index, largest, planes):
    """Planes and scales of the levels ``2**planes`` from ``-largest`` to ``largest``."""
    places = np.arange(planes - 1, -1, -1)
    codes = 2 * (index >> places[:, None, None] & 1) - 1
    step = largest / (2**planes - 1)
    return codes, (2.0**places[:, None] * step).astype(largest.dtype)


def uniform(rows: np.ndarray, planes: int,
            by_matrix: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Evenly spaced levels between plus and minus the largest magnitude of the row or the matrix.

    The uniform baseline of Xu et al., section 2 (Hubara et al. 2016): scaled into [-1, 1],
    ``2 * (round((2**k - 1) * (x + 1) / 2) / (2**k - 1) - 1/2)``; a tie takes the upper level. Its
    k bits are k planes of which each counts twice the next. Whether the paper's span is a row's or
    a matrix's is not known.

    Parameters and results are those of :func:`greedy`, and whether all rows have the matrix's span.
    """
    check_rows(rows)
    span = np.abs(rows).max() if by_matrix else None

    def quantize(part):
        largest = np.abs(part).max(axis=1) if span is None else np.full(len(part), span)
        scaled = part / np.where(largest > 0, largest, 1)[:, None]
        index = np.floor((2**planes - 1) * (scaled + 1) / 2 + 0.5).astype(np.int8)
        return _evenly_spaced(index, largest, planes)

    return _by_blocks(quantize, rows, planes)


def balanced(rows: np.ndarray, planes: int) -> tuple[np.ndarray, np.ndarray]:
    """Bins of equally many elements, mapped in order onto the levels of :func:`uniform`.

    The balanced baseline of Xu et al., section 2 (Zhou et al. 2017). Equal elements share a bin,
    the uppermost that one of them belongs to: Ternloom's choice, and so is to scale by row.

    Parameters and results are those of :func:`greedy`.
    """
    def quantize(part):
        bins = 2**planes
        ascending = np.sort(part, axis=1)
        index = np.zeros(part.shape, dtype=np.int8)
        for edge in range(1, bins):
            index += part >= ascending[:, edge * part.shape[1] // bins, None]
        return _evenly_spaced(index, np.abs(part).max(axis=1), planes)

    return _by_blocks(quantize, rows, planes)
