"""Kernels for a GPU, in Triton: steps of recurrent layers, sign planes of rows, the softmax loss.

What they compute, and when they are used, is in ``train/fused.py``. Importing this needs Triton.
"""

import triton
import triton.language as tl


__all__ = ["alternating", "entropy", "gru_backward", "gru_forward", "lstm_backward",
           "lstm_forward"]


@triton.jit
def _descending(a, b, c):
    a, b = tl.maximum(a, b), tl.minimum(a, b)
    b, c = tl.maximum(b, c), tl.minimum(b, c)
    return tl.maximum(a, b), tl.minimum(a, b), c


@triton.jit
def _above(keys, sizes, cut):
    """How many samples are at or above a cut, and the sum of their magnitudes."""
    packed = tl.sum(tl.where(keys >= cut, sizes * 1024 + 1, 0), axis=0)
    return packed % 1024, packed // 1024


@triton.jit
def _quotient(numerator, denominator, default):
    safe = tl.maximum(denominator, 1)
    return tl.where(denominator == 0, default, (tl.abs(numerator) + safe // 2) // safe)


@triton.jit
def _turned(keys, sizes, cut):
    count, reached = _above(keys, sizes, cut)
    return 2 * (2 * reached - count * cut)


@triton.jit
def _solve(keys, sizes, total, units, a, b, c):
    count0, reached0 = _above(keys, sizes, tl.maximum(a - b, c))
    count1, reached1 = _above(keys, sizes, a)
    count2, reached2 = _above(keys, sizes, a + b)
    n0 = (units - count0).to(tl.int64)
    n1, n2, n3 = (count0 - count1).to(tl.int64), (count1 - count2).to(tl.int64), \
        count2.to(tl.int64)
    s0 = (total - reached0).to(tl.int64)
    s1, s2, s3 = (reached0 - reached1).to(tl.int64), (reached1 - reached2).to(tl.int64), \
        reached2.to(tl.int64)
    s0 = tl.where(a - b < c, -s0, s0)
    weight = n3 * n2 * (n1 + n0) + n1 * n0 * (n3 + n2)
    one = (n0 + n3) * (n1 * s2 + n2 * s1) + (n1 + n2) * (n0 * s3 + n3 * s0)
    two = (n1 + n3) * (n0 * s2 - n2 * s0) + (n0 + n2) * (n1 * s3 - n3 * s1)
    three = (n2 + n3) * (n0 * s1 - n1 * s0) + (n0 + n1) * (n2 * s3 - n3 * s2)
    return _descending(_quotient(one, weight, a.to(tl.int64)).to(tl.int32),
                       _quotient(two, weight, b.to(tl.int64)).to(tl.int32),
                       _quotient(three, weight, c.to(tl.int64)).to(tl.int32))


@triton.jit
def _online(value, inside, units, PLANES: tl.constexpr, ROUNDS: tl.constexpr,
            SAMPLE: tl.constexpr, LOW: tl.constexpr, HIGH: tl.constexpr, UNIT: tl.constexpr):
    """Planes with the vector's own coefficients, by the rule of ``model/online.py``."""
    sample = tl.floor(value * SAMPLE + 0.5)
    sample = tl.minimum(tl.maximum(sample, LOW), HIGH).to(tl.int32)
    sample = tl.where(inside, sample, 0)
    sizes = tl.abs(sample)
    keys = tl.where(inside, 2 * sizes - (sample < 0).to(tl.int32), -1000000000)
    total = tl.sum(sizes, axis=0)
    if PLANES == 2:
        upper = (total + units // 2) // units
        lower = upper
        for _ in tl.static_range(ROUNDS):
            above, reached = _above(keys, sizes, upper + lower)
            upper = _quotient(reached, above, upper)
            lower = _quotient(total - reached, units - above, lower)
        size = tl.where(keys >= upper + lower, 2 * upper, 2 * lower)
    else:
        twice = 2 * total
        a = (twice + units // 2) // units
        at_a = _turned(keys, sizes, a)
        b = (at_a - twice + units * a + units // 2) // units
        c = (units * (a - b) - twice + _turned(keys, sizes, a - b) - at_a
             + _turned(keys, sizes, a + b) + units // 2) // units
        a, b, c = _descending(a, b, c)
        for _ in tl.static_range(ROUNDS):
            a, b, c = _solve(keys, sizes, total, units, a, b, c)
        size = tl.where(keys >= tl.maximum(a - b, c), a - b + c, tl.abs(a - b - c))
        size = tl.where(keys >= a, a + b - c, size)
        size = tl.where(keys >= a + b, a + b + c, size)
    return tl.where(sample < 0, -size, size).to(value.dtype) * UNIT


@triton.jit
def _code(value, inside, units, KIND: tl.constexpr, ROUNDS: tl.constexpr,
          SAMPLE: tl.constexpr, LOW: tl.constexpr, HIGH: tl.constexpr, UNIT: tl.constexpr):
    """What a product sees of outputs; for ternary codes LOW and HIGH are the cuts."""
    if KIND == 0:
        return value
    elif KIND == 1:
        return tl.where(value >= HIGH, 1.0, tl.where(value >= LOW, 0.0, -1.0))
    else:
        return _online(value, inside, units, KIND, ROUNDS, SAMPLE, LOW, HIGH, UNIT)


@triton.jit
def _index(value, SCALE: tl.constexpr, LOW: tl.constexpr, HIGH: tl.constexpr):
    code = tl.minimum(tl.maximum(tl.floor(value * SCALE + 0.5), LOW), HIGH)
    return (code - LOW).to(tl.int32)


@triton.jit
def _sigmoid(value, table, KIND: tl.constexpr, SCALE: tl.constexpr, LOW: tl.constexpr,
             HIGH: tl.constexpr):
    if KIND == 0:
        return 1 / (1 + tl.exp(-value))
    else:
        return tl.load(table + _index(value, SCALE, LOW, HIGH))


@triton.jit
def _tanh(value, table, KIND: tl.constexpr, SCALE: tl.constexpr, LOW: tl.constexpr,
          HIGH: tl.constexpr):
    if KIND == 0:
        return 2 / (1 + tl.exp(-2 * value)) - 1
    else:
        return tl.load(table + _index(value, SCALE, LOW, HIGH))


@triton.jit
def _slope(value, found, table, EVEN: tl.constexpr, KIND: tl.constexpr, SCALE: tl.constexpr,
           LOW: tl.constexpr, HIGH: tl.constexpr):
    """Slope of a gate of this value that was found to be ``found``; EVEN is tanh's."""
    if KIND == 0:
        if EVEN:
            return 1 - found * found
        else:
            return found * (1 - found)
    else:
        return tl.load(table + _index(value, SCALE, LOW, HIGH))


@triton.jit
def _grid(value, KIND: tl.constexpr, SCALE: tl.constexpr, LOW: tl.constexpr,
          HIGH: tl.constexpr):
    if KIND == 0:
        return value
    else:
        code = tl.minimum(tl.maximum(tl.floor(value * SCALE + 0.5), LOW), HIGH)
        return code / SCALE


@triton.jit
def _inside(value, KIND: tl.constexpr, SCALE: tl.constexpr, LOW: tl.constexpr,
            HIGH: tl.constexpr):
    """One where rounding to a format doesn't saturate, else zero."""
    if KIND == 0:
        return tl.full(value.shape, 1.0, value.dtype)
    else:
        code = tl.floor(value * SCALE + 0.5)
        return ((code >= LOW) & (code <= HIGH)).to(value.dtype)


@triton.jit
def lstm_forward(
        inputs, sums, bias, old, new, codes, sigmoids, tanhs, units,
        KIND: tl.constexpr, ROUNDS: tl.constexpr, SAMPLE: tl.constexpr, CODE_LOW: tl.constexpr,
        CODE_HIGH: tl.constexpr, UNIT: tl.constexpr, PREACT: tl.constexpr, LOW: tl.constexpr,
        HIGH: tl.constexpr, STATE: tl.constexpr, STATE_LOW: tl.constexpr,
        STATE_HIGH: tl.constexpr, BLOCK: tl.constexpr):
    place = tl.arange(0, BLOCK)
    known = place < units
    row, place = tl.program_id(0), tl.where(known, place, 0)
    at = row * 4 * units + place
    i = _sigmoid(tl.load(inputs + at) + tl.load(sums + at), sigmoids, KIND, PREACT, LOW, HIGH)
    at += units
    f = _sigmoid(tl.load(inputs + at) + tl.load(sums + at), sigmoids, KIND, PREACT, LOW, HIGH)
    at += units
    g = _tanh(tl.load(inputs + at) + tl.load(sums + at), tanhs, KIND, PREACT, LOW, HIGH)
    at += units
    o = _sigmoid(tl.load(inputs + at) + tl.load(sums + at), sigmoids, KIND, PREACT, LOW, HIGH)
    at = row * units + place
    cell = _grid(f * tl.load(old + at) + i * g, KIND, STATE, STATE_LOW, STATE_HIGH)
    output = o * _tanh(cell, tanhs, KIND, PREACT, LOW, HIGH)
    tl.store(new + at, cell, mask=known)
    tl.store(codes + at, _code(output, known, units, KIND, ROUNDS, SAMPLE, CODE_LOW, CODE_HIGH,
                               UNIT), mask=known)


@triton.jit
def lstm_backward(
        inputs, sums, bias, old, new, to_codes, to_sums, to_state, to_rows, to_inputs,
        sigmoids, tanhs, sigmoid_slopes, tanh_slopes, units,
        KIND: tl.constexpr, PREACT: tl.constexpr, LOW: tl.constexpr, HIGH: tl.constexpr,
        STATE: tl.constexpr, STATE_LOW: tl.constexpr, STATE_HIGH: tl.constexpr,
        BLOCK: tl.constexpr):
    place = tl.arange(0, BLOCK)
    known = place < units
    row, place = tl.program_id(0), tl.where(known, place, 0)
    at_i = row * 4 * units + place
    at_f, at_g, at_o, at = at_i + units, at_i + 2 * units, at_i + 3 * units, row * units + place
    sum_i = tl.load(inputs + at_i) + tl.load(sums + at_i)
    sum_f = tl.load(inputs + at_f) + tl.load(sums + at_f)
    sum_g = tl.load(inputs + at_g) + tl.load(sums + at_g)
    sum_o = tl.load(inputs + at_o) + tl.load(sums + at_o)
    i = _sigmoid(sum_i, sigmoids, KIND, PREACT, LOW, HIGH)
    f = _sigmoid(sum_f, sigmoids, KIND, PREACT, LOW, HIGH)
    g = _tanh(sum_g, tanhs, KIND, PREACT, LOW, HIGH)
    o = _sigmoid(sum_o, sigmoids, KIND, PREACT, LOW, HIGH)
    before, cell = tl.load(old + at), tl.load(new + at)
    size = _tanh(cell, tanhs, KIND, PREACT, LOW, HIGH)
    to_output = tl.load(to_codes + at) + tl.load(to_sums + at)
    to_cell = tl.load(to_state + at) + to_output * o * _slope(
        cell, size, tanh_slopes, True, KIND, PREACT, LOW, HIGH)
    to_cell *= _inside(f * before + i * g, KIND, STATE, STATE_LOW, STATE_HIGH)
    tl.store(to_rows + at_i, to_cell * g * _slope(
        sum_i, i, sigmoid_slopes, False, KIND, PREACT, LOW, HIGH), mask=known)
    tl.store(to_rows + at_f, to_cell * before * _slope(
        sum_f, f, sigmoid_slopes, False, KIND, PREACT, LOW, HIGH), mask=known)
    tl.store(to_rows + at_g, to_cell * i * _slope(
        sum_g, g, tanh_slopes, True, KIND, PREACT, LOW, HIGH), mask=known)
    tl.store(to_rows + at_o, to_output * size * _slope(
        sum_o, o, sigmoid_slopes, False, KIND, PREACT, LOW, HIGH), mask=known)
    tl.store(to_state + at, to_cell * f, mask=known)


@triton.jit
def gru_forward(
        inputs, sums, bias, old, new, codes, sigmoids, tanhs, units,
        KIND: tl.constexpr, ROUNDS: tl.constexpr, SAMPLE: tl.constexpr, CODE_LOW: tl.constexpr,
        CODE_HIGH: tl.constexpr, UNIT: tl.constexpr, PREACT: tl.constexpr, LOW: tl.constexpr,
        HIGH: tl.constexpr, STATE: tl.constexpr, STATE_LOW: tl.constexpr,
        STATE_HIGH: tl.constexpr, BLOCK: tl.constexpr):
    place = tl.arange(0, BLOCK)
    known = place < units
    row, place = tl.program_id(0), tl.where(known, place, 0)
    at = row * 3 * units + place
    r = _sigmoid(tl.load(inputs + at) + tl.load(sums + at), sigmoids, KIND, PREACT, LOW, HIGH)
    at += units
    z = _sigmoid(tl.load(inputs + at) + tl.load(sums + at), sigmoids, KIND, PREACT, LOW, HIGH)
    at += units
    given = _grid(tl.load(inputs + at), KIND, PREACT, LOW, HIGH)
    fed = _grid(tl.load(sums + at) + tl.load(bias + place), KIND, PREACT, LOW, HIGH)
    n = _tanh(given + r * fed, tanhs, KIND, PREACT, LOW, HIGH)
    at = row * units + place
    state = _grid(n + z * (tl.load(old + at) - n), KIND, STATE, STATE_LOW, STATE_HIGH)
    tl.store(new + at, state, mask=known)
    tl.store(codes + at, _code(state, known, units, KIND, ROUNDS, SAMPLE, CODE_LOW, CODE_HIGH,
                               UNIT), mask=known)


@triton.jit
def gru_backward(
        inputs, sums, bias, old, new, to_codes, to_sums, to_state, to_rows, to_inputs,
        sigmoids, tanhs, sigmoid_slopes, tanh_slopes, units,
        KIND: tl.constexpr, PREACT: tl.constexpr, LOW: tl.constexpr, HIGH: tl.constexpr,
        STATE: tl.constexpr, STATE_LOW: tl.constexpr, STATE_HIGH: tl.constexpr,
        BLOCK: tl.constexpr):
    place = tl.arange(0, BLOCK)
    known = place < units
    row, place = tl.program_id(0), tl.where(known, place, 0)
    at_r = row * 3 * units + place
    at_z, at_n, at = at_r + units, at_r + 2 * units, row * units + place
    sum_r = tl.load(inputs + at_r) + tl.load(sums + at_r)
    sum_z = tl.load(inputs + at_z) + tl.load(sums + at_z)
    given, fed = tl.load(inputs + at_n), tl.load(sums + at_n) + tl.load(bias + place)
    r = _sigmoid(sum_r, sigmoids, KIND, PREACT, LOW, HIGH)
    z = _sigmoid(sum_z, sigmoids, KIND, PREACT, LOW, HIGH)
    rounded = _grid(fed, KIND, PREACT, LOW, HIGH)
    sum_n = _grid(given, KIND, PREACT, LOW, HIGH) + r * rounded
    n = _tanh(sum_n, tanhs, KIND, PREACT, LOW, HIGH)
    before = tl.load(old + at)
    to_new = tl.load(to_state + at) + tl.load(to_codes + at) + tl.load(to_sums + at)
    to_new *= _inside(n + z * (before - n), KIND, STATE, STATE_LOW, STATE_HIGH)
    to_n = to_new * (1 - z) * _slope(sum_n, n, tanh_slopes, True, KIND, PREACT, LOW, HIGH)
    to_r = to_n * rounded * _slope(sum_r, r, sigmoid_slopes, False, KIND, PREACT, LOW, HIGH)
    to_z = to_new * (before - n) * _slope(
        sum_z, z, sigmoid_slopes, False, KIND, PREACT, LOW, HIGH)
    tl.store(to_rows + at_r, to_r, mask=known)
    tl.store(to_inputs + at_r, to_r, mask=known)
    tl.store(to_rows + at_z, to_z, mask=known)
    tl.store(to_inputs + at_z, to_z, mask=known)
    tl.store(to_rows + at_n, to_n * r * _inside(fed, KIND, PREACT, LOW, HIGH), mask=known)
    tl.store(to_inputs + at_n, to_n * _inside(given, KIND, PREACT, LOW, HIGH), mask=known)
    tl.store(to_state + at, to_new * z, mask=known)


@triton.jit
def _nearest(size, level0, level1, level2, level3):
    """Rank of magnitudes among ascending levels."""
    rank = (size >= (level0 + level1) * 0.5).to(tl.int32)
    rank += (size >= (level1 + level2) * 0.5).to(tl.int32)
    return rank + (size >= (level2 + level3) * 0.5).to(tl.int32)


@triton.jit
def alternating(latent, meant, columns, most, unit, PLANES: tl.constexpr,
                 ROUNDS: tl.constexpr, RIDGE: tl.constexpr, BLOCK: tl.constexpr):
    place = tl.arange(0, BLOCK)
    known = place < columns
    at = tl.program_id(0) * columns + place
    weight = tl.load(latent + at, mask=known, other=0.0)
    one = tl.where(known, 1.0, 0.0)
    first = tl.where(weight >= 0, one, -one)
    a = tl.sum(weight * first, axis=0) / columns
    rest = weight - a * first
    second = tl.where(rest >= 0, one, -one)
    b = tl.sum(rest * second, axis=0) / columns
    third, c = tl.zeros_like(one), a * 0
    if PLANES == 3:
        rest -= b * second
        third = tl.where(rest >= 0, one, -one)
        c = tl.sum(rest * third, axis=0) / columns
    for _ in tl.static_range(ROUNDS):
        x = tl.sum(weight * first, axis=0).to(tl.float64) / columns
        y = tl.sum(weight * second, axis=0).to(tl.float64) / columns
        xy = tl.sum(first * second, axis=0).to(tl.float64) / columns
        full = xy * 0 + 1 + RIDGE
        if PLANES == 2:
            determinant = full * full - xy * xy
            a = tl.abs((full * x - xy * y) / determinant).to(weight.dtype)
            b = tl.abs((full * y - xy * x) / determinant).to(weight.dtype)
            a, b = tl.maximum(a, b), tl.minimum(a, b)
            outer = tl.abs(weight) >= ((a - b) + (a + b)) * 0.5
            first = tl.where(weight >= 0, one, -one)
            second = tl.where(outer, first, -first)
        else:
            w = tl.sum(weight * third, axis=0).to(tl.float64) / columns
            xw = tl.sum(first * third, axis=0).to(tl.float64) / columns
            yw = tl.sum(second * third, axis=0).to(tl.float64) / columns
            # Cofactors of the symmetric matrix.
            xx, yy, ww = full * full - yw * yw, full * full - xw * xw, full * full - xy * xy
            cxy, cxw, cyw = xw * yw - full * xy, xy * yw - full * xw, xy * xw - full * yw
            determinant = full * xx + xy * cxy + xw * cxw
            a = tl.abs((xx * x + cxy * y + cxw * w) / determinant).to(weight.dtype)
            b = tl.abs((cxy * x + yy * y + cyw * w) / determinant).to(weight.dtype)
            c = tl.abs((cxw * x + cyw * y + ww * w) / determinant).to(weight.dtype)
            a, b, c = _descending(a, b, c)
            inner = a - b - c
            rank = _nearest(tl.abs(weight), tl.abs(inner), a - b + c, a + b - c, a + b + c)
            sign = tl.where(weight >= 0, one, -one)
            flipped = rank < tl.where(inner < 0, 1, 0)
            first = tl.where(flipped, -sign, sign)
            second = tl.where((rank >= 2) | flipped, sign, -sign)
            third = tl.where((rank == 1) | (rank == 3) | flipped, sign, -sign)
    a = tl.minimum(tl.floor(a / unit + 0.5), most)
    b = tl.minimum(tl.floor(b / unit + 0.5), most)
    c = tl.minimum(tl.floor(c / unit + 0.5), most)
    tl.store(meant + at, (a * first + b * second + c * third) * unit, mask=known)


@triton.jit
def entropy(logits, answers, targets, losses, words, weighed, TAUGHT: tl.constexpr,
             BLOCK: tl.constexpr):
    """Cross entropies of a row; its logits become their gradient but for the target's one."""
    row, place = tl.program_id(0).to(tl.int64), tl.arange(0, BLOCK)
    known = place < words
    own = tl.load(logits + row * words + place, mask=known, other=-float("inf")).to(tl.float32)
    own -= tl.max(own, axis=0)
    share = tl.exp(own)
    total = tl.sum(share, axis=0)
    share /= total
    target = tl.load(targets + row)
    logs = own - tl.log(total)
    loss = -tl.sum(tl.where(place == target, logs, 0.0), axis=0)
    if TAUGHT:
        other = tl.load(answers + row * words + place, mask=known,
                        other=-float("inf")).to(tl.float32)
        other = tl.exp(other - tl.max(other, axis=0))
        other /= tl.sum(other, axis=0)
        loss -= weighed * tl.sum(other * tl.where(known, logs, 0.0), axis=0)
        share = share * (1 + weighed) - other * weighed
    tl.store(logits + row * words + place, share.to(logits.dtype.element_ty), mask=known)
    tl.store(losses + row, loss)
