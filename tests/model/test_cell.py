"""Cells against floating point, within a bound that is derived step by step.

The bound follows every rounding of docs/design.md section 2 through the equations of the cells:
``|a*b - A*B| <= |a - A|*|b| + |A|*|b - B|``, where the lower-case values are the integer model's
and ``|A| <= |a| + |a - A|``. It holds where nothing saturates, which the tests check.
"""

import dataclasses

import numpy as np
import pytest
from cellstep import step
from edit import edited

from ternloom.model.bounds import effective
from ternloom.model.cell import CELLS, GRU_RESET_AFTER, GRU_RESET_BEFORE, LSTM
from ternloom.model.cell.integers import initial_code
from ternloom.model.draw import random_network, random_sequences
from ternloom.model.format import Binary, Fixed, Planes, Ternary
from ternloom.model.golden import run
from ternloom.model.network import When
from ternloom.model.precision import Precision


FINE = Precision(Fixed(12, 9), 15, Fixed(24, 20))
CODES = Fixed(16, 14)
INPUTS = Fixed(8, 6)


def fine_network(seed, cell, layers):
    """A network of fine formats, scaled so that its pre-activations stay in their range."""
    network = random_network(seed, cell=cell, layers=layers, units=8, inputs=5, classes=4,
                             input_format=INPUTS, state_format=CODES, precision=FINE,
                             when=When.EVERY)
    parts = tuple(dataclasses.replace(layer, shift=layer.shift + 2) for layer in network.layers)
    readout = dataclasses.replace(network.readout, logits=Fixed(32, 12))
    return edited(network, layers=parts, readout=readout)


def floats(layer):
    """Weights and biases of a layer as real numbers: W, U, b, b'."""
    scale = 2.0 ** -(layer.shift + layer.precision.preact.frac)
    weights = [effective(matrix) * scale * 2.0 ** form.frac
               for matrix, form in ((layer.input, layer.input_format),
                                    (layer.recurrent, layer.state_format))]
    extra = np.zeros(layer.rows)
    if layer.recurrent_bias is not None:
        extra[2 * layer.units:] = layer.recurrent_bias * scale
    return *weights, layer.bias * scale, extra


def logistic(values):
    return 1 / (1 + np.exp(-values))


def float_reset_before(layer, inputs):
    """Cho's GRU in double precision: states (steps, units)."""
    weights, recurrent, bias, _ = floats(layer)
    units, h, states = layer.units, np.zeros(layer.units), []
    for x in inputs:
        a = weights @ x + bias
        r, z = (logistic(a[part] + recurrent[part] @ h)
                for part in (slice(0, units), slice(units, 2 * units)))
        n = np.tanh(a[2 * units:] + recurrent[2 * units:] @ (r * h))
        h = n + z * (h - n)
        states.append(h)
    return np.array(states)


class Bound:
    """Largest error of every unit of a layer, from step to step."""

    def __init__(self, layer, trace):
        self.layer, self.trace = layer, trace
        precision = layer.precision
        #: Half an ulp of each format; a table's entry is off by a whole one where it is clipped.
        self.preact = 2.0 ** -(precision.preact.frac + 1)
        self.state = 2.0 ** -(precision.state.frac + 1)
        self.codes = 2.0 ** -(layer.state_format.frac + 1)
        self.entry = 2.0 ** -precision.gate_frac
        self.weights, self.recurrent = (np.abs(part) for part in floats(layer)[:2])
        self.h = self.e_state = np.zeros(layer.units)

    def real(self, name, step, frac=None):
        return self.trace[name][step] * 2.0 ** -(self.layer.precision.gate_frac if frac is None
                                                 else frac)

    def rows(self, gates, e_x, e_h):
        """Error of rows before rounding, by gate."""
        units, e_h = self.layer.units, self.h if e_h is None else e_h
        total = (self.weights @ e_x).reshape(-1, units), (self.recurrent @ e_h).reshape(-1, units)
        chosen = [self.layer.cell.gates.index(gate) for gate in gates]
        return [(total[0][index], total[1][index]) for index in chosen]

    def sigmoid(self, row):
        return (sum(row) + self.preact) / 4 + self.entry

    def step(self, step, e_x):
        """Error of the codes of this step, given that of the inputs."""
        return {LSTM: self.lstm, GRU_RESET_AFTER: self.after,
                GRU_RESET_BEFORE: self.before}[self.layer.cell](step, e_x)

    def carried(self, name, step):
        frac = self.layer.precision.state.frac
        return np.zeros(self.layer.units) if step == 0 else np.abs(self.real(name, step - 1, frac))

    def lstm(self, step, e_x):
        rows = dict(zip("ifgo", self.rows("ifgo", e_x, None), strict=True))
        i, f, g, o = (self.real(f"gate.{gate}", step) for gate in "ifgo")
        e_i, e_f, e_o = (self.sigmoid(rows[gate]) for gate in "ifo")
        e_g = sum(rows["g"]) + self.preact + self.entry
        e_c = (e_f * self.carried("cell", step) + (f + e_f) * self.e_state
               + e_i * np.abs(g) + (i + e_i) * e_g + self.state)
        cell = np.abs(self.real("cell", step, self.layer.precision.state.frac))
        e_k = e_c + self.preact + self.entry
        self.e_state = e_c
        self.h = e_o * np.minimum(cell + e_k, 1) + (o + e_o) * e_k + self.codes
        return self.h

    def update(self, step, e_z, e_n):
        z, n = self.real("gate.z", step), self.real("gate.n", step)
        frac = self.layer.precision.state.frac
        old = np.zeros_like(n) if step == 0 else self.real("state", step - 1, frac)
        self.e_state = (e_z * np.abs(old - n) + (z + e_z) * self.e_state + (1 - z + e_z) * e_n
                        + self.state)
        self.h = self.e_state + self.codes
        return self.h

    def after(self, step, e_x):
        r_row, z_row, n_row = self.rows("rzn", e_x, None)
        e_r, e_z = self.sigmoid(r_row), self.sigmoid(z_row)
        frac = self.layer.precision.preact.frac
        recurrent = np.abs(self.real("gate.n.recurrent", step, frac))
        e_a = (n_row[0] + self.preact + e_r * recurrent
               + (self.real("gate.r", step) + e_r) * (n_row[1] + self.preact) + self.preact)
        return self.update(step, e_z, e_a + self.entry)

    def before(self, step, e_x):
        r_row, z_row = self.rows("rz", e_x, None)
        e_r, e_z = self.sigmoid(r_row), self.sigmoid(z_row)
        e_rh = (e_r * self.carried("state", step) + (self.real("gate.r", step) + e_r) * self.e_state
                + self.codes)
        n_row, = self.rows("n", e_x, e_rh)
        return self.update(step, e_z, sum(n_row) + self.preact + self.entry)


def check_range(layer, trace):
    """Fail on a saturated value: what the bound says of rounding doesn't hold for it."""
    for name, values in trace.items():
        form = (layer.precision.state if name in ("cell", "state") else
                layer.state_format if name in ("h", "reset") else layer.precision.preact)
        is_gate = name.startswith("gate.") and name.count(".") == 1
        assert is_gate or form.low < values.min() and values.max() < form.high, name


def bound(network, trace, steps):
    """Largest error of the codes of every layer: list of (steps, units)."""
    errors = np.zeros((steps, network.inputs))
    found = []
    for number, layer in enumerate(network.layers):
        prefix = f"layer{number}."
        own = {name.removeprefix(prefix): values for name, values in trace.items()
               if name.startswith(prefix)}
        check_range(layer, own)
        steps_bound = Bound(layer, own)
        errors = np.array([steps_bound.step(step, errors[step]) for step in range(steps)])
        found.append(errors)
    return found


def check(network, seed, reference):
    """Compare codes of all layers and logits with real states: list of (steps, units) a layer."""
    sequences = random_sequences(seed, network, 3, (6, 10))
    result = run(network, sequences, trace=True)
    for index, sequence in enumerate(sequences):
        trace = {name: values[index] for name, values in result.trace.items()}
        errors = bound(network, trace, len(sequence))
        states = reference(network, sequence * 2.0 ** -INPUTS.frac)
        for number, (allowed, real) in enumerate(zip(errors, states, strict=True)):
            h = trace[f"layer{number}.h"] * 2.0 ** -CODES.frac
            assert h.std() > 0.05
            assert allowed.max() < 0.15
            assert (np.abs(h - real) <= allowed).all()
        readout = network.readout
        scale = 2.0 ** -(readout.shift + readout.logits.frac)
        weights = effective(readout.weights) * scale * 2.0 ** CODES.frac
        logits = states[-1] @ weights.T + readout.bias * scale
        allowed = errors[-1] @ np.abs(weights).T + 2.0 ** -(readout.logits.frac + 1)
        found = result.logits[index] * 2.0 ** -readout.logits.frac
        assert (np.abs(found - logits) <= allowed).all()


@pytest.mark.parametrize("seed", range(5))
def test_float_reset_before(seed):
    def reference(network, values):
        states = []
        for layer in network.layers:
            values = float_reset_before(layer, values)
            states.append(values)
        return states
    check(fine_network(seed, GRU_RESET_BEFORE, 2), seed, reference)


@pytest.mark.train
@pytest.mark.parametrize("cell", [LSTM, GRU_RESET_AFTER])
@pytest.mark.parametrize("seed", range(5))
def test_torch(seed, cell):
    """PyTorch's own LSTM and GRU, in double precision, one module a layer."""
    import torch

    def reference(network, values):
        states, values = [], torch.tensor(values)
        for layer in network.layers:
            module = (torch.nn.LSTM if cell is LSTM else torch.nn.GRU)(
                layer.inputs, layer.units, dtype=torch.float64)
            with torch.no_grad():
                for parameter, value in zip(module.parameters(), floats(layer), strict=True):
                    parameter.copy_(torch.tensor(value))
                values, _ = module(values)
            states.append(values.numpy())
        return states
    check(fine_network(seed, cell, 2), seed, reference)


@pytest.mark.parametrize("cell", CELLS.values(), ids=str)
def test_single_steps(cell):
    """A step takes any leading shape, and no unit depends on its neighbours."""
    rng = np.random.default_rng(1)
    names = [gate for gate in cell.gates if gate not in cell.apart]
    names += [f"{gate}.{part}" for gate in cell.apart for part in ("input", "recurrent")]
    rows = {name: rng.integers(-512, 512, (3, 5, 7)) for name in names}
    state = rng.integers(-2048, 2048, (3, 5, 7))
    own = {name: rng.integers(-128, 128, 7) for name in cell.diagonals}
    whole = step(cell, Precision(), Ternary(), rows, state, diagonals=own)
    single = step(cell, Precision(), Ternary(),
                  {name: values[2, 3, 4:5] for name, values in rows.items()}, state[2, 3, 4:5],
                  diagonals={name: codes[4:5] for name, codes in own.items()})
    assert whole.keys() == single.keys() and "h" in whole
    for name, values in whole.items():
        assert values.shape == (3, 5, 7)
        assert values[2, 3, 4] == single[name][0], name


def test_known_step():
    """One LSTM step worked out by hand: i = f = o = 1/2, g = tanh(1), c = 2 + 1/4."""
    rows = {gate: np.array([value]) for gate, value in zip("ifgo", (0, 0, 64, 0))}
    named = step(LSTM, Precision(), Fixed(8, 7), rows, np.array([(2 << 11) + (1 << 9)]))
    assert [int(named[f"gate.{gate}"][0]) for gate in "ifgo"] == [128, 128, 195, 128]
    assert int(named["cell"][0]) == (4608 + 195 * 8) // 2
    # c = 1.506: tanh of its code, 96 / 64, is 232 / 256.
    assert int(named["h"][0]) == 58


@pytest.mark.parametrize("form, code", [
    (Fixed(8, 6), 0), (Binary(), 1), (Ternary(), 0), (Planes((3, 1), 2), 1),
    (Planes((2, 2), 2), 2),
])
def test_initial_codes(form, code):
    assert initial_code(form) == code
