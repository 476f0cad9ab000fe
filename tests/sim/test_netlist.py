"""What synthesis makes of a core, simulated with Yosys' cell models against the same vectors."""

import pytest

from ternloom.hw import verilog
from ternloom.mapping.folding import Folding
from ternloom.mapping.mapping import Mapping
from ternloom.model.alphabet import TERNARY
from ternloom.model.cell import GRU_RESET_AFTER
from ternloom.model.draw import random_network, random_sequences
from ternloom.model.format import Fixed, Ternary
from ternloom.model.precision import Precision
from ternloom.sim.netlist import FAMILIES, synthesize
from ternloom.sim.run import simulate


@pytest.fixture(scope="module")
def small():
    network = random_network(2, layers=1, cell=GRU_RESET_AFTER, units=5, inputs=4, classes=3,
                             input_format=Fixed(6, 4), state_format=Ternary(),
                             weight=TERNARY,
                             precision=Precision(Fixed(8, 5), 6, Fixed(10, 7)))
    folding = Folding.uniform(network, pe=2, simd=4)
    sequences = random_sequences(2, network, 3, (1, 5))
    return network, folding, sequences, verilog.generate(Mapping(network, folding))


@pytest.mark.parametrize("family", FAMILIES)
def test_netlist(small, family):
    network, folding, sequences, design = small
    netlist = synthesize(design, family)
    assert netlist.verilog != design.verilog
    assert netlist.family == family
    # ROMs are in block RAM where Yosys has a model of it, so that their contents are tested.
    assert ("SB_RAM40_4K" in netlist.verilog) == (family == "ice40")
    report = simulate(Mapping(network, folding), sequences, simulator="icarus", design=netlist)
    assert report.mismatch is None, str(report.mismatch)


def test_unknown_family(small):
    known = ', '.join(FAMILIES)
    with pytest.raises(ValueError, match=f"^Family must be one of {known}, not 'xc7'$"):
        synthesize(small[3], "xc7")
