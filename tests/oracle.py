"""The network on single integers: docs/design.md section 2 restated, formula by formula.

Nothing here computes with NumPy or imports a function of the package that computes; of the data
classes only fields are read. So it shares no code with the golden model.
"""

import decimal
import operator
from fractions import Fraction

import msgspec

from ternloom.model.alphabet import EXPONENTIAL
from ternloom.model.format import Binary, Fixed, Online, Planes, Ternary
from ternloom.model.network import Readout, When
from ternloom.model.rounding import Rounding


__all__ = ["Restatement", "restated", "side_by_side"]


_GATES = {"lstm": "ifgo", "lstm-cifg": "fgo", "rnn-tanh": "h", "rnn-relu": "h", "min-gru": "zn",
          "min-lstm": "ifn", "lstm-peephole": "ifgo", "dense": "h", "dense-relu": "h",
          "dense-sigmoid": "h", "dense-tanh": "h"}
_DIGITS = decimal.Context(prec=60)


def round_shift(value, shift, rounding):
    """``value / 2**shift``, rounded as named."""
    if shift <= 0:
        return value << -shift
    floor, rest, half = value >> shift, value & ((1 << shift) - 1), 1 << (shift - 1)
    if rest == half:
        return floor + {Rounding.HALF_UP: 1, Rounding.HALF_AWAY: value > 0,
                        Rounding.HALF_EVEN: floor & 1}[rounding]
    return floor + (rest > half)


def saturate(form, value):
    low, high = ((-(1 << form.width - 1), (1 << form.width - 1) - 1) if form.signed else
                 (0, (1 << form.width) - 1))
    return min(max(value, low), high)


def fixed(form, value, frac):
    return saturate(form, round_shift(value, frac - form.frac, form.rounding))


def plane_sum(coefficients, code):
    return sum(c if code >> j & 1 else -c for j, c in enumerate(coefficients))


def quantize(form, value, frac):
    """Code, or online the sample, of an integer of ``frac`` fraction bits."""
    real = Fraction(value) / Fraction(2) ** frac
    match form:
        case Fixed():
            return fixed(form, value, frac)
        case Binary():
            return 1 if real >= 0 else -1
        case Ternary():
            cut = Fraction(form.threshold, 1 << form.threshold_frac)
            return (real >= cut) - (real <= -cut)
        case Planes():
            # Of codes of one value the greater ranks above: it is that of the value and beyond.
            ranked = sorted((Fraction(plane_sum(form.coefficients, code), 1 << form.frac), code)
                            for code in range(1 << len(form.coefficients)))
            chosen = ranked[0][1]
            for (below, _), (above, code) in zip(ranked, ranked[1:], strict=False):
                if 2 * real >= below + above:
                    chosen = code
            return chosen
        case Online():
            return fixed(form.sample, value, frac)


def nearest(numerator, denominator):
    """A quotient of a numerator from 0, rounded half up."""
    return (2 * numerator + denominator) // (2 * denominator)


def mean(values, empty=None):
    return nearest(sum(values), len(values)) if values else empty


def above(sample, cut):
    return 2 * abs(sample) - (sample < 0) >= cut


def online_two(samples, rounds):
    upper = lower = mean([abs(v) for v in samples])
    for _ in range(rounds):
        cut = upper + lower
        outer = [abs(v) for v in samples if above(v, cut)]
        inner = [abs(v) for v in samples if not above(v, cut)]
        upper, lower = mean(outer, upper), mean(inner, lower)
    codes = [0b11 if above(v, upper + lower) else 0b01 for v in samples]
    return (upper + lower, upper - lower), codes


def online_level(sample, a, b, c):
    return sum(above(sample, cut) for cut in (max(a - b, c), a, a + b))


def online_three(samples, rounds):
    doubled = [2 * abs(v) for v in samples]
    a = mean(doubled)
    b = mean([abs(m - a) for m in doubled])
    c = mean([abs(abs(m - a) - b) for m in doubled])
    a, b, c = sorted((a, b, c), reverse=True)
    for _ in range(rounds):
        levels = [online_level(v, a, b, c) for v in samples]
        n0, n1, n2, n3 = (levels.count(level) for level in range(4))
        s0, s1, s2, s3 = (sum(abs(v) for v, at in zip(samples, levels, strict=True) if at == level)
                          for level in range(4))
        if a - b < c:
            s0 = -s0
        e = n3 * n2 * (n1 + n0) + n1 * n0 * (n3 + n2)
        if e > 0:
            quotients = (
                (n0 + n3) * (n1 * s2 + n2 * s1) + (n1 + n2) * (n0 * s3 + n3 * s0),
                (n1 + n3) * (n0 * s2 - n2 * s0) + (n0 + n2) * (n1 * s3 - n3 * s1),
                (n2 + n3) * (n0 * s1 - n1 * s0) + (n0 + n1) * (n2 * s3 - n3 * s2))
            a, b, c = sorted((nearest(abs(q), e) for q in quotients), reverse=True)
    lowest = 0b110 if a - b < c else 0b001
    codes = [(lowest, 0b101, 0b011, 0b111)[online_level(v, a, b, c)] for v in samples]
    return (a, b, c), codes


def online(form, samples):
    """Coefficients of a vector of samples, and their codes."""
    beta, codes = {2: online_two, 3: online_three}[form.planes](samples, form.rounds)
    every = (1 << form.planes) - 1
    return beta, [code ^ every if v < 0 else code for code, v in zip(codes, samples, strict=True)]


class Table(dict):
    """A table's value of each pre-activation code, computed when it is asked for.

    Parameters
    ----------
    precision : Precision
    curve : function
        Of a Decimal ``exp(-x)``, for x from 0 on.
    below : function
        Value of a negative code, from that of its mirror.
    far : int
        What the curve is far out, from 80 on to more digits than any table has.
    """

    def __init__(self, precision, curve, below, far=1):
        super().__init__()
        self.precision, self.curve, self.below, self.far = precision, curve, below, far
        self.cap = (1 << precision.gate_frac) - 1 if precision.gate_frac else 1

    def __missing__(self, code):
        high = (1 << self.precision.preact.width - 1) - 1
        self[code] = self.entry(code) if code >= 0 else self.below(self[min(-code, high)])
        return self[code]

    def entry(self, code):
        precision = self.precision
        point = Fraction(code << precision.slope_frac,
                         precision.slope << precision.preact.frac)
        real = decimal.Decimal(self.far)
        if point < 80:
            real = self.curve(_DIGITS.exp(_DIGITS.divide(-point.numerator, point.denominator)))
        rounded = _DIGITS.multiply(1 << precision.gate_frac, real) + decimal.Decimal("0.5")
        return min(int(rounded), self.cap)


def tables(precision):
    """Sigmoid, tanh, and what softplus has above its argument, which knows no slope."""
    one = 1 << precision.gate_frac
    plain = msgspec.structs.replace(precision, slope=1, slope_frac=0)
    return (Table(precision, lambda e: _DIGITS.divide(1, 1 + e), lambda value: one - value),
            Table(precision, lambda e: _DIGITS.divide(1 - e * e, 1 + e * e), lambda value: -value),
            Table(plain, lambda e: _DIGITS.ln(1 + e), lambda value: value, far=0))


def weight_value(weight, code):
    if weight == EXPONENTIAL:
        return 2 ** (code - 1) if code > 0 else -2 ** (-code - 1)
    return code


def effective(matrix):
    """Each row's integer weights, coefficients and planes multiplied out."""
    planes, coefficients = matrix.codes.tolist(), matrix.coefficients.tolist()
    return [[sum(coefficients[p][r] * weight_value(matrix.weight, planes[p][r][column])
                 for p in range(len(planes))) for column in range(len(planes[0][r]))]
            for r in range(len(planes[0]))]


def side_by_side(body):
    """Each row's integer weights of all inputs."""
    return [sum(rows, []) for rows in zip(*(effective(each.matrix) for each in body.operands))]


def dot(row, values):
    return sum(map(operator.mul, row, values))


def values_of(form, codes, beta):
    """What a dot product sees of codes."""
    if isinstance(form, Planes):
        return [plane_sum(form.coefficients, code) for code in codes]
    if isinstance(form, Online):
        return [plane_sum(beta, code) for code in codes]
    return codes


class RestatedLayer:
    """One layer and its state."""

    def __init__(self, layer, cache):
        self.layer, self.precision = layer, layer.precision
        self.input = side_by_side(layer)
        self.recurrent = None if layer.recurrent is None else effective(layer.recurrent)
        self.bias = layer.bias.tolist()
        key = (self.precision.preact.width, self.precision.preact.frac, self.precision.gate_frac,
               Fraction(self.precision.slope, 1 << self.precision.slope_frac))
        if key not in cache:
            cache[key] = tables(self.precision)
        self.sigmoid, self.tanh, self.tail = cache[key]
        # c of an LSTM, wide h of a GRU.
        self.state = [0] * layer.units
        start = 0 if isinstance(layer.state_format, Online) else quantize(layer.state_format, 0, 0)
        self.codes = [start] * layer.units
        self.beta = (0,) * layer.state_format.planes if isinstance(layer.state_format, Online) \
            else None

    def values(self):
        return values_of(self.layer.state_format, self.codes, self.beta)

    def preact(self, total):
        return saturate(self.precision.preact,
                        round_shift(total, self.layer.shift, self.precision.rounding))

    def gate_rows(self, gate):
        units = self.layer.units
        first = _GATES.get(self.layer.cell.name, "rzn").index(gate) * units
        return range(first, first + units)

    def merged(self, gate, x, h):
        return [self.preact(dot(self.input[r], x) + dot(self.recurrent[r], h) + self.bias[r])
                for r in self.gate_rows(gate)]

    def step(self, x):
        """Everything named of one step, a list over units each, from the input's values."""
        steps = {"lstm": self.lstm, "lstm-cifg": self.cifg, "rnn-tanh": self.rnn,
                 "rnn-relu": self.rnn, "min-gru": self.min_gru, "min-lstm": self.min_lstm,
                 "lstm-peephole": self.peephole}
        steps |= {f"dense{end}": self.dense for end in ("", "-relu", "-sigmoid", "-tanh")}
        for end in ("", "-relu", "-linear"):
            steps |= {f"gru-reset-after{end}": self.gru_after,
                      f"gru-reset-before{end}": self.gru_before}
        named = steps[self.layer.cell.name](x, self.values())
        form = self.layer.state_format
        if isinstance(form, Online):
            named["sample"] = named.pop("h")
            self.beta, named["h"] = online(form, named["sample"])
            named["beta"] = list(self.beta)
        self.codes = named["h"]
        return named

    def lstm(self, x, h):
        named = {f"gate.{gate}.preact": self.merged(gate, x, h) for gate in "ifgo"}
        i, f, o = ([self.sigmoid[a] for a in named[f"gate.{gate}.preact"]] for gate in "ifo")
        g = [self.tanh[a] for a in named["gate.g.preact"]]
        return named | {"gate.i": i} | self.count(i, f, g, o)

    def peephole(self, x, h):
        p, form = self.precision, self.layer.state_format
        rows = {gate: self.merged(gate, x, h) for gate in "ifgo"}
        own = dict(zip("ifo", self.layer.diagonals.tolist(), strict=True))

        def seen(gate):
            """Pre-activations of a gate that sees c."""
            extra = p.state.frac + self.layer.diagonal_format.frac
            frac = max(p.preact.frac, extra)
            return [fixed(p.preact, (a << frac - p.preact.frac) + (w * c << frac - extra), frac)
                    for a, w, c in zip(rows[gate], own[gate], self.state, strict=True)]

        preacts = {gate: seen(gate) for gate in "if"} | {"g": rows["g"]}
        i, f = ([self.sigmoid[a] for a in preacts[gate]] for gate in "if")
        g = [self.tanh[a] for a in preacts["g"]]
        self.state = [fixed(p.state, a * c + ((b * d) << p.state.frac - p.gate_frac),
                            p.state.frac + p.gate_frac)
                      for a, c, b, d in zip(f, self.state, i, g, strict=True)]
        preacts["o"] = seen("o")
        o = [self.sigmoid[a] for a in preacts["o"]]
        out = [quantize(form, a * self.tanh[fixed(p.preact, c, p.state.frac)], 2 * p.gate_frac)
               for a, c in zip(o, self.state, strict=True)]
        return {f"gate.{gate}.preact": row for gate, row in preacts.items()} | {
            f"gate.{gate}.row": rows[gate] for gate in "ifo"} | {
            "gate.i": i, "gate.f": f, "gate.g": g, "gate.o": o, "cell": self.state, "h": out}

    def cifg(self, x, h):
        named = {f"gate.{gate}.preact": self.merged(gate, x, h) for gate in "fgo"}
        f, o = ([self.sigmoid[a] for a in named[f"gate.{gate}.preact"]] for gate in "fo")
        g = [self.tanh[a] for a in named["gate.g.preact"]]
        one = 1 << self.precision.gate_frac
        return named | self.count([one - each for each in f], f, g, o)

    def count(self, i, f, g, o):
        """New c and h of an LSTM from its gates."""
        p, form = self.precision, self.layer.state_format
        state, preact, gate_frac, frac = p.state, p.preact, p.gate_frac, p.state.frac
        cell, out = [], []
        for unit, c in enumerate(self.state):
            total = f[unit] * c + ((i[unit] * g[unit]) << (frac - gate_frac))
            c = fixed(state, total, frac + gate_frac)
            k = fixed(preact, c, frac)
            cell.append(c)
            out.append(quantize(form, o[unit] * self.tanh[k], 2 * gate_frac))
        self.state = cell
        return {"gate.f": f, "gate.g": g, "gate.o": o, "cell": cell, "h": out}

    def rnn(self, x, h):
        preact = self.merged("h", x, h)
        values, frac = self.candidate(preact)
        return {"gate.h.preact": preact, "gate.h": values,
                "h": [quantize(self.layer.state_format, value, frac) for value in values]}

    def dense(self, x, h):
        preact, name = self.alone("h", x), self.layer.cell.name
        values, frac = preact, self.precision.preact.frac
        if name == "dense-relu":
            values = [max(a, 0) for a in preact]
        elif name != "dense":
            table = self.sigmoid if name == "dense-sigmoid" else self.tanh
            values, frac = [table[a] for a in preact], self.precision.gate_frac
        named = {} if name == "dense" else {"gate.h": values}
        return named | {"gate.h.preact": preact, "h": [
            quantize(self.layer.state_format, value, frac) for value in values]}

    def candidate(self, preact):
        """The candidate's function of pre-activations, and fraction bits of what it gives."""
        if self.layer.cell.name.endswith("-relu"):
            return [max(a, 0) for a in preact], self.precision.preact.frac
        if self.layer.cell.name.endswith("-linear"):
            return preact, self.precision.preact.frac
        return [self.tanh[a] for a in preact], self.precision.gate_frac

    def update(self, z, n_preact):
        """New wide states and codes of a GRU, from z and the pre-activation of n."""
        p = self.precision
        n, n_frac = self.candidate(n_preact)
        frac = max(n_frac, p.state.frac)
        states = []
        for unit, h in enumerate(self.state):
            wide, h = n[unit] << (frac - n_frac), h << (frac - p.state.frac)
            total = (wide << p.gate_frac) + z[unit] * (h - wide)
            states.append(fixed(p.state, total, frac + p.gate_frac))
        self.state = states
        named = {} if self.layer.cell.name.endswith("-linear") else {"gate.n": n}
        return named | {
            "gate.n.preact": n_preact, "state": states,
            "h": [quantize(self.layer.state_format, h, p.state.frac) for h in states]}

    def reset_update(self, x, h):
        named = {f"gate.{gate}.preact": self.merged(gate, x, h) for gate in "rz"}
        return named | {f"gate.{gate}": [self.sigmoid[a] for a in named[f"gate.{gate}.preact"]]
                        for gate in "rz"}

    def gru_after(self, x, h):
        p = self.precision
        named = self.reset_update(x, h)
        rows, extra = self.gate_rows("n"), self.layer.recurrent_bias.tolist()
        ax = [self.preact(dot(self.input[r], x) + self.bias[r]) for r in rows]
        ah = [self.preact(dot(self.recurrent[r], h) + b) for r, b in zip(rows, extra, strict=True)]
        an = [fixed(p.preact, (i << p.gate_frac) + r * j, p.preact.frac + p.gate_frac)
              for i, r, j in zip(ax, named["gate.r"], ah, strict=True)]
        return named | {"gate.n.input": ax, "gate.n.recurrent": ah} | self.update(
            named["gate.z"], an)

    def alone(self, gate, x):
        """Pre-activations of the input alone."""
        return [self.preact(dot(self.input[r], x) + self.bias[r]) for r in self.gate_rows(gate)]

    def min_gru(self, x, h):
        z_preact, n = (self.alone(gate, x) for gate in "zn")
        z = [self.sigmoid[a] for a in z_preact]
        return {"gate.z.preact": z_preact, "gate.n.preact": n, "gate.z": z} | self.mixed(z, n)

    def min_lstm(self, x, h):
        p = self.precision
        rows = {gate: self.alone(gate, x) for gate in "ifn"}
        frac = max(p.gate_frac, p.preact.frac)

        def logarithm(a):
            return (min(a, 0) << frac - p.preact.frac) - (self.tail[a] << frac - p.gate_frac)

        share = [fixed(p.preact, logarithm(f) - logarithm(i), frac)
                 for i, f in zip(rows["i"], rows["f"], strict=True)]
        kept = [self.sigmoid[a] for a in share]
        return {"gate.i.preact": rows["i"], "gate.f.row": rows["f"], "gate.n.preact": rows["n"],
                "gate.f.preact": share, "gate.f": kept} | self.mixed(kept, rows["n"])

    def mixed(self, kept, n):
        """New wide states and codes, a share of the old and the rest of n, pre-activations."""
        p = self.precision
        frac, states = max(p.preact.frac, p.state.frac), []
        for share, new, old in zip(kept, n, self.state, strict=True):
            old, new = old << (frac - p.state.frac), new << (frac - p.preact.frac)
            states.append(fixed(p.state, share * old + ((1 << p.gate_frac) - share) * new,
                                frac + p.gate_frac))
        self.state = states
        return {"state": states,
                "h": [quantize(self.layer.state_format, h, p.state.frac) for h in states]}

    def gru_before(self, x, h):
        p, form = self.precision, self.layer.state_format
        named = self.reset_update(x, h)
        rh = [quantize(form, r * wide, p.state.frac + p.gate_frac)
              for r, wide in zip(named["gate.r"], self.state, strict=True)]
        an = self.merged("n", x, values_of(form, rh, None))
        return named | {"reset": rh} | self.update(named["gate.z"], an)


class Restatement:
    """A network and the state of one sequence.

    Parameters
    ----------
    network : Network
    cache : dict, optional
        Tables of earlier networks, which take most of the time.
    """

    def __init__(self, network, cache=None):
        cache = {} if cache is None else cache
        self.network = network
        self.bodies = {node.name: side_by_side(node.body) if isinstance(node.body, Readout)
                       else RestatedLayer(node.body, cache) for node in network.nodes}

    def step(self, codes):
        """One step.

        Parameters
        ----------
        codes : list of int
            Input codes.

        Returns
        -------
        dict of str to list of int
            Everything that docs/design.md names, logits and winner as if the readout spoke.
        """
        named, values = {}, {"input": values_of(self.network.input_format, codes, None)}
        for node in self.network.nodes:
            x, body = sum((values[name] for name in node.inputs), []), self.bodies[node.name]
            if isinstance(node.body, Readout):
                said = logits_of(node.body, body, x)
            else:
                said = body.step(x)
                values[node.name] = body.values()
            named |= {f"{node.name}.{name}": row for name, row in said.items()}
        return named


def logits_of(readout, weights, x):
    """Logits and winner of a readout."""
    logits = [saturate(readout.logits, round_shift(dot(row, x) + bias, readout.shift,
                                                   readout.logits.rounding))
              for row, bias in zip(weights, readout.bias.tolist(), strict=True)]
    return {"logits": logits, "argmax": [logits.index(max(logits))]}


def restated(network, sequence, cache=None):
    """What :func:`ternloom.model.golden.run` says of one sequence: its trace, by name.

    Parameters
    ----------
    network : Network
    sequence : list of list of int
    cache : dict, optional

    Returns
    -------
    dict of str to list of list of int
        A list a step, but one alone of a readout of the last step.
    """
    restatement, trace = Restatement(network, cache), {}
    for codes in sequence:
        for name, row in restatement.step(codes).items():
            trace.setdefault(name, []).append(row)
    for node in network.nodes:
        if isinstance(node.body, Readout) and node.body.when is When.LAST:
            trace |= {name: trace[name][-1:] for name in (f"{node.name}.logits",
                                                          f"{node.name}.argmax")}
    return trace
