"""Tables from half their entries, against every entry of the model's."""

import numpy as np
import pytest
from hwsim import play

from ternloom.hw.table import Table
from ternloom.model.format import Fixed
from ternloom.model.precision import Precision
from ternloom.model.table import sigmoid, tanh


PRECISIONS = [Precision(), Precision(Fixed(4, 0), 2, Fixed(8, 4)),
              Precision(Fixed(5, 4), 12, Fixed(16, 12)), Precision(Fixed(12, 8), 15, Fixed(20, 15)),
              Precision(Fixed(8, 5), 6, slope=3, slope_frac=3)]
MODELS = {"sigmoid": sigmoid, "tanh": tanh}


@pytest.mark.parametrize("functions", [("sigmoid",), ("tanh",),
                                       ("sigmoid", "tanh")])
@pytest.mark.parametrize("precision", PRECISIONS)
def test_every_entry(precision, functions):
    """All codes of all functions in a mixed order, one a cycle."""
    preact = precision.preact
    codes = np.tile(np.arange(preact.low, preact.high + 1), len(functions))
    select = np.repeat(np.arange(len(functions)), 1 << preact.width)
    order = np.random.default_rng(2).permutation(len(codes))
    codes, select = codes[order], select[order]
    expected = np.where(select, MODELS[functions[-1]](precision)[codes],
                        MODELS[functions[0]](precision)[codes])

    idle = np.zeros(Table.latency, dtype=np.int64)
    found = play(Table(precision, *functions), {"i_value": np.concatenate([codes, idle]),
                                                "i_select": np.concatenate([select, idle])}, ["o"])
    np.testing.assert_array_equal(found["o"][Table.latency:], expected)


def test_latency():
    """A value that is there for one cycle is seen in one cycle."""
    precision = Precision()
    codes = np.zeros(12, dtype=np.int64)
    codes[4] = precision.preact.high
    found = play(Table(precision, "tanh"), {"i_value": codes}, ["o"])["o"]
    assert np.flatnonzero(found).tolist() == [4 + Table.latency]
    assert found[4 + Table.latency] == (1 << precision.gate_frac) - 1
