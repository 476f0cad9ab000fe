"""Networks that go to the ends of everything that the constructors allow.

Every parameter is an end of its range, or even over it, or sensible, by a coin of the network's own
weight, so that some networks are hostile in one thing and others in all.
"""

import random

import numpy as np

from ternloom.model.alphabet import ALPHABETS, EXPONENTIAL, PLANES
from ternloom.model.cell import CELLS
from ternloom.model.format import Binary, Fixed, Online, Planes, Ternary
from ternloom.model.matrix import Matrix
from ternloom.model.network import Layer, Network, Operand, Readout, When
from ternloom.model.precision import Precision
from ternloom.model.rounding import Rounding


__all__ = ["Hostile"]


class Hostile:
    """A draw of a network and of input sequences.

    Parameters
    ----------
    seed : int
    """

    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.weight = self.rng.choice([0.0, 0.1, 0.3, 0.6, 1.0])

    def pick(self, low, high, sensible=None):
        """An integer from ``low`` to ``high``: hostile, or from the sensible range."""
        if sensible is not None and self.rng.random() >= self.weight:
            least, most = (min(max(end, low), high) for end in sensible)
            return self.rng.randint(least, most)
        if self.rng.random() < 0.5:
            return self.rng.choice([low, high])
        return self.rng.randint(low, high)

    def rounding(self):
        return self.rng.choice(list(Rounding))

    def fixed(self, widths, fracs, sensible_frac, **given):
        """A fixed-point format; the sensible fraction is that many bits below the width."""
        width = self.pick(*widths, (4, 10))
        most, least = sensible_frac
        frac = self.pick(*fracs, (width - most, width - least))
        # An end among sensible numbers: those that narrow integers hold elsewhere.
        frac = self.rng.choice(fracs) if self.rng.random() < 0.2 else frac
        return Fixed(width, frac, **{"rounding": self.rounding()} | given)

    def format(self, *, online):
        """A format of activations."""
        kind = self.rng.choice(["fixed", "binary", "ternary", "planes"] + ["online"] * online)
        match kind:
            case "fixed":
                return self.fixed((2, 32), (-16, 32), (3, 0), signed=self.rng.random() < 0.85)
            case "binary":
                return Binary()
            case "ternary":
                frac = self.pick(0, 64, (1, 6))
                return Ternary(self.pick(1, (1 << 32) - 1, (1, 1 << min(frac, 31))), frac)
            case "planes":
                coefficients = [self.pick(1, 65535, (1, 20)) for _ in range(self.rng.randint(1, 4))]
                # Codes of one value: of twins, and of one coefficient that is two others' sum.
                if self.rng.random() < 0.3:
                    coefficients = [coefficients[0]] * len(coefficients)
                elif self.rng.random() < 0.3 and sum(coefficients[1:3]) in range(1, 65536):
                    coefficients[0] = sum(coefficients[1:3])
                return Planes(tuple(coefficients), self.pick(0, 64, (2, 5)))
            case "online":
                sample = self.fixed((4, 16), (-16, 32), (3, 0))
                return Online(sample, self.rng.choice([2, 3]), self.pick(1, 4, (1, 3)))

    def precision(self):
        rounding = self.rounding()
        gate_frac = 0 if self.rng.random() < 0.3 else self.pick(2, 15, (3, 10))
        state_frac = self.pick(gate_frac, 32, (max(gate_frac, 4), gate_frac + 4))
        state_width = self.pick(2, 24, (state_frac + 1, state_frac + 6))
        if not gate_frac and self.rng.random() < 0.5:
            state_width, state_frac = self.pick(2, 24, (3, 8)), 0
        width = self.pick(4, 12, (5, 9))
        frac = self.pick(0, state_frac if gate_frac else 32, (width - 5, width - 2))
        slope_frac = self.pick(0, 16, (0, 3))
        return Precision(Fixed(width, frac, rounding=rounding), gate_frac,
                         Fixed(state_width, state_frac, rounding=rounding), rounding,
                         self.pick(1, 65535, (1, 2 << slope_frac)), slope_frac)

    def matrix(self, rows, columns):
        weight = self.rng.choice(list(ALPHABETS.values()))
        planes = self.rng.randint(1, 4) if weight == PLANES else 1
        alphabet = list(weight.codes)
        reach = self.rng.randint(1, len(alphabet) // 2)
        middle = len(alphabet) // 2
        used = alphabet if self.rng.random() < 0.5 else alphabet[middle - reach:middle + reach]
        if self.rng.random() < 0.1 * self.weight:
            used = [self.rng.choice([alphabet[0], alphabet[-1]])]
        codes = [[[self.rng.choice(used) for _ in range(columns)] for _ in range(rows)]
                 for _ in range(planes)]
        top = (1 << 24) - 1
        typical = self.rng.choice([1, 4, 50, 1000])
        coefficients = [[self.rng.choice([1, 1, -1]) * self.pick(0, top, (typical, 2 * typical))
                         for _ in range(rows)] for _ in range(planes)]
        return Matrix(weight, np.array(codes, np.int8), np.array(coefficients, np.int32))

    def spread(self, matrix, form):
        """Bits of a typical sum of a row."""
        magnitude = form.high if isinstance(form, Fixed) else \
            sum(form.coefficients) if isinstance(form, Planes) else \
            form.sample.high if isinstance(form, Online) else 1
        total = magnitude * max(int(np.abs(matrix.coefficients).max()), 1)
        largest = int(np.abs(matrix.codes.astype(int)).max())
        largest = 1 << largest - 1 if matrix.weight == EXPONENTIAL else max(largest, 1)
        return (total * largest * max(int(matrix.columns ** 0.5), 1)).bit_length() - 1

    def shift(self, bits, width):
        wanted = min(max(bits - width + 1, 0), 40)
        return self.pick(0, 40, (wanted - 1, wanted + 1))

    def bias(self, count, top):
        limit = (1 << 30) - 1
        top = min(top, limit)
        return np.array([self.rng.choice([-1, 1]) * self.pick(0, limit, (0, top))
                         for _ in range(count)], np.int32)

    def layer(self, cell, units, inputs, input_format, state_format):
        precision = self.precision()
        while precision.comparators and not cell.comparable:
            precision = self.precision()
        rows = len(cell.gates) * units
        matrices = [self.matrix(rows, inputs), self.matrix(rows, units) if cell.recurrent else None]
        bits = max(self.spread(matrix, form)
                   for matrix, form in zip(matrices, (input_format, state_format)) if matrix)
        shift = self.shift(bits, precision.preact.width)
        top = precision.preact.high << shift
        extra = self.bias(units, top) if cell.apart else None
        own = form = None
        if cell.diagonals:
            form = self.fixed((2, 16), (-16, 32), (6, 6))
            own = np.array([[self.pick(form.low, form.high, (form.low, form.high))
                             for _ in range(units)] for _ in cell.diagonals])
        return Layer(cell, units, (Operand(input_format, matrices[0]),), state_format, precision,
                     matrices[1], self.bias(rows, top), extra, shift, own, form)

    def network(self):
        """A network of one to three layers."""
        inputs = self.pick(1, 12, (2, 8))
        form = self.format(online=False)
        columns, layers = inputs, []
        for _ in range(self.rng.randint(1, 3)):
            cell, units = self.rng.choice(list(CELLS.values())), self.pick(1, 12, (2, 8))
            state_format = self.format(online=not cell.feedback)
            layers.append(self.layer(cell, units, columns, form, state_format))
            columns, form = units, state_format
        readout = None
        if self.rng.random() < 0.7:
            classes = self.pick(1, 8, (2, 6))
            matrix = self.matrix(classes, columns)
            logits = self.fixed((2, 32), (-16, 32), (3, 0))
            shift = self.shift(self.spread(matrix, form), logits.width)
            readout = Readout((Operand(form, matrix),), self.bias(classes, logits.high << shift),
                              shift, logits, self.rng.choice(list(When)))
        return Network.line("hostile", layers, readout)

    def sequence(self, network, steps):
        """Input codes of one sequence, some of it ends of the format's range."""
        form = network.input_format
        return [[self.code(form) for _ in range(network.inputs)] for _ in range(steps)]

    def code(self, form):
        match form:
            case Fixed():
                return self.pick(form.low, form.high, (form.low, form.high))
            case Planes():
                return self.rng.randrange(1 << len(form.coefficients))
            case Binary():
                return self.rng.choice([-1, 1])
            case Ternary():
                return self.rng.choice([-1, 0, 1])
