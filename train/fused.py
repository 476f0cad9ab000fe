"""Kernels of our own for a GPU, in Triton: what training does at every step, in few launches.

They compute what ``train/cell.py``, ``train/planes.py`` and ``train/word.py`` compute, a step of a
recurrent layer in one kernel beside its matrix product where PyTorch's operations take dozens.
Where Triton is missing, or a layer is one that they don't know, training runs those instead.
"""

import dataclasses
import typing

import torch

from ternloom.model.cell import GRU_RESET_AFTER, LSTM
from ternloom.model.limits import LARGEST_COEFFICIENT
from ternloom.train.quantize import gate_table

try:
    import triton
    import triton.language as tl
except ImportError:
    triton = None


__all__ = ["Sequence", "available", "entropy", "plan", "values"]


#: A sum of so many magnitudes and their count share 32 bits.
_MOST_UNITS, _MOST_BITS = 1000, 10
#: Fraction bits of the numbers that ternary codes are compared with: those of any product.
_FRAC = 20
#: Added to the diagonal of normal equations: where planes depend on each other the solution is the
#: shortest one, as nearly as weights are known.
_RIDGE = 1e-7


def available():
    """Whether there are kernels at all."""
    return triton is not None


if triton is not None:

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
    def _lstm_forward(
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
    def _lstm_backward(
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
    def _gru_forward(
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
    def _gru_backward(
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
    def _alternating(latent, meant, columns, most, unit, PLANES: tl.constexpr,
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
    def _entropy(logits, answers, targets, losses, words, weighed, TAUGHT: tl.constexpr,
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


@dataclasses.dataclass(frozen=True)
class _Plan:
    """How a layer's steps are launched.

    Parameters
    ----------
    forward, backward : kernel
    tables : tuple of tensors
        Entries of sigmoid and tanh and their slopes; of a float layer, whatever tensor.
    code, numbers : dict
        Constants of the codes, and of the other formats.
    """

    forward: typing.Any
    backward: typing.Any
    tables: tuple
    code: dict
    numbers: dict


def _power(frac):
    return 2.0**frac


def _code_numbers(form):
    """Constants of a format of outputs, or None of one that the kernels don't know."""
    if form.rounded:
        return None
    if not form.header and form.levels == (-1, 0, 1):
        low, high = (number * _power(-_FRAC) for number in form.cuts(_FRAC))
        return {"KIND": 1, "ROUNDS": 0, "SAMPLE": 1.0, "CODE_LOW": low, "CODE_HIGH": high,
                "UNIT": 1.0}
    if form.header and form.sample.width <= _MOST_BITS:
        sample = form.sample
        return {"KIND": form.planes, "ROUNDS": form.rounds, "SAMPLE": _power(sample.frac),
                "CODE_LOW": float(sample.low), "CODE_HIGH": float(sample.high),
                "UNIT": _power(-form.frac)}
    return None


_FLOAT_CODE = {"KIND": 0, "ROUNDS": 0, "SAMPLE": 1.0, "CODE_LOW": 0.0, "CODE_HIGH": 0.0,
               "UNIT": 1.0}
_FLOAT_NUMBERS = {"PREACT": 1.0, "LOW": 0.0, "HIGH": 0.0, "STATE": 1.0, "STATE_LOW": 0.0,
                  "STATE_HIGH": 0.0}


def plan(cell, units, quantization, dtype, device):
    """How a layer is launched, or None if the kernels don't know it.

    Parameters
    ----------
    cell : Cell
    units : int
    quantization : LayerCalibration or None
        None in floating point.
    dtype : torch.dtype
    device : torch.device
    """
    if triton is None or cell not in (LSTM, GRU_RESET_AFTER) or units > _MOST_UNITS:
        return None
    kernels = (_lstm_forward, _lstm_backward) if cell == LSTM else (_gru_forward, _gru_backward)
    block = {"BLOCK": triton.next_power_of_2(units)}
    if quantization is None:
        tables = (torch.zeros(1, device=device),) * 4
        return _Plan(*kernels, tables, _FLOAT_CODE, _FLOAT_NUMBERS | block)
    precision, code = quantization.precision, _code_numbers(quantization.state_format)
    if code is None or precision.comparators:
        return None
    found = [gate_table(function, precision, dtype, device)
             for function in ("sigmoid", "tanh")]
    tables = tuple(entries for entries, _ in found) + tuple(slopes for _, slopes in found)
    preact, state = precision.preact, precision.state
    return _Plan(*kernels, tables, code, {
        "PREACT": _power(preact.frac), "LOW": float(preact.low), "HIGH": float(preact.high),
        "STATE": _power(state.frac), "STATE_LOW": float(state.low),
        "STATE_HIGH": float(state.high), **block})


class Sequence(torch.autograd.Function):
    """All steps of a layer: codes of every step, and the last code and state.

    ``apply`` takes a plan, the input's product (steps, batch, rows), the recurrent weights (rows,
    units), the recurrent bias (units,) or None, and the code and the state before the first step,
    which get no gradient.
    """

    @staticmethod
    def forward(ctx, plan, inputs, weight, bias, code, state):
        steps, batch, rows = inputs.shape
        inputs = inputs.contiguous()
        units = weight.shape[1]
        codes, states = (inputs.new_empty(steps + 1, batch, units) for _ in range(2))
        codes[0], states[0] = code, state
        sums, turned = inputs.new_empty(steps, batch, rows), weight.t()
        own = plan.tables[0] if bias is None else bias
        for step in range(steps):
            torch.mm(codes[step], turned, out=sums[step])
            plan.forward[batch,](
                inputs[step], sums[step], own, states[step], states[step + 1], codes[step + 1],
                *plan.tables[:2], units, **plan.code, **plan.numbers)
        ctx.plan, ctx.has_bias = plan, bias is not None
        ctx.save_for_backward(inputs, weight, own, codes, states, sums)
        last = codes[-1].clone(), states[-1].clone()
        ctx.mark_non_differentiable(*last)
        return codes[1:], *last

    @staticmethod
    def backward(ctx, to_codes, *_):
        inputs, weight, own, codes, states, sums = ctx.saved_tensors
        steps, batch, rows = sums.shape
        units, plan, to_codes = weight.shape[1], ctx.plan, to_codes.contiguous()
        to_rows = torch.empty_like(sums)
        to_inputs = torch.empty_like(sums) if ctx.has_bias else to_rows
        to_state, to_sums = (sums.new_zeros(batch, units) for _ in range(2))
        for step in reversed(range(steps)):
            plan.backward[batch,](
                inputs[step], sums[step], own, states[step], states[step + 1], to_codes[step],
                to_sums, to_state, to_rows[step], to_inputs[step], *plan.tables, units,
                KIND=plan.code["KIND"], **plan.numbers)
            if step:
                torch.mm(to_rows[step], weight, out=to_sums)
        flat = to_rows.view(-1, rows)
        to_weight = flat.t() @ codes[:-1].reshape(-1, units)
        to_bias = flat[:, rows - units:].sum(0) if ctx.has_bias else None
        return None, to_inputs, to_weight, to_bias, None, None


def values(method, exponent, latent):
    """Weights as the integers of ``alternating`` with two or three planes mean them.

    Parameters
    ----------
    method : Alternating
    exponent : int
        Of the coefficients.
    latent : float32 tensor (rows, columns)

    Returns
    -------
    float32 tensor (rows, columns)
    """
    latent = latent.contiguous()
    meant, (rows, columns) = torch.empty_like(latent), latent.shape
    _alternating[rows,](latent, meant, columns, float(LARGEST_COEFFICIENT), _power(-exponent),
                        PLANES=method.planes, ROUNDS=method.rounds, RIDGE=_RIDGE,
                        BLOCK=triton.next_power_of_2(columns))
    return meant


def entropy(logits, targets, answers, weighed):
    """Mean cross entropy of rows of logits, which become its gradient but for the targets' ones.

    Parameters
    ----------
    logits : bfloat16 tensor (words, classes)
        Taken, and given back as the shares that they are, times ``1 + weighed``, less ``weighed``
        times the answers' shares.
    targets : int64 tensor (words,)
    answers : bfloat16 tensor (words, classes) or None
        Logits of a teacher.
    weighed : float
        What the cross entropy with its shares counts.

    Returns
    -------
    float32 tensor ()
    """
    count, words = logits.shape
    losses = torch.empty(count, device=logits.device)
    _entropy[count,](logits, logits if answers is None else answers, targets, losses, words,
                     float(weighed), TAUGHT=answers is not None,
                     BLOCK=triton.next_power_of_2(words), num_warps=16)
    return losses.mean()
