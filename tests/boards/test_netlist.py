"""Netlists of the script that bitstreams are made by, simulated against golden model and timing."""

import pytest

from ternloom.boards import synthesis
from ternloom.boards.family import ICE40
from ternloom.boards.tool import YOSYS
from ternloom.hw import verilog
from ternloom.hw.coefficient import Scaling, scaling
from ternloom.mapping.folding import Folding
from ternloom.mapping.mapping import Mapping
from ternloom.model.alphabet import TERNARY
from ternloom.model.cell import GRU_RESET_AFTER, GRU_RESET_BEFORE, LSTM
from ternloom.model.draw import random_network, random_sequences
from ternloom.model.format import Binary, Fixed, Online, Planes, Ternary
from ternloom.model.network import When
from ternloom.model.precision import Precision
from ternloom.sim.netlist import netlist, synthesize
from ternloom.sim.run import simulate


TABLES      = Precision(Fixed(8, 5), 6, Fixed(10, 7))
COMPARATORS = Precision(Fixed(8, 5), 0, Fixed(6, 0))
FIXED, ONLINE, PLANES = Fixed(6, 4), Fixed(5, 4), Planes((3, 2), 3)


def drawn(seed, cell, state, precision=TABLES):
    """A network of one layer that is soon synthesized."""
    return random_network(seed, layers=1, cell=cell, units=4, inputs=3, classes=2,
                          input_format=FIXED, state_format=state, weight=TERNARY,
                          precision=precision, when=When.EVERY)


LSTM, AFTER, BEFORE = LSTM, GRU_RESET_AFTER, GRU_RESET_BEFORE

#: A network for each kind of pipeline and of combiner, and what multiplies its rows.
KINDS = {
    "lstm fixed":               (drawn(1, LSTM, Fixed(8, 7)), Scaling.PRODUCT),
    "lstm powers of two":       (drawn(3, LSTM, Fixed(8, 7)), Scaling.SHIFT),
    "lstm one power of two":    (drawn(5, LSTM, Fixed(8, 7)), Scaling.CONSTANT),
    "lstm online 2":            (drawn(1, LSTM, Online(ONLINE, 2)), Scaling.PRODUCT),
    "after planes":             (drawn(3, AFTER, PLANES), Scaling.PRODUCT),
    "after online 3":           (drawn(3, AFTER, Online(ONLINE, 3)), Scaling.PRODUCT),
    "before ternary":           (drawn(1, BEFORE, Ternary()), Scaling.PRODUCT),
    "lstm comparators":         (drawn(1, LSTM, Binary(), COMPARATORS), Scaling.PRODUCT),
    "after comparators":        (drawn(1, AFTER, Ternary(), COMPARATORS), Scaling.PRODUCT),
    "before comparators":       (drawn(2, BEFORE, PLANES, COMPARATORS), Scaling.CONSTANT),
}
#: Those that are tried each time; the others are alike, and take as long.
QUICK = ("after planes", "before comparators")


def marked(names):
    return [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow)
            for name in names]


def built(design, folder):
    """The iCE40 netlist of a design, as a bitstream is made of it."""
    texts = synthesis.files(["core.v"], design.name, ICE40, adders=True)
    texts["core.v"] = design.verilog
    texts["synthesize.ys"] = texts["synthesize.ys"].replace(
        "tee -q -o cells.json", "write_verilog -noattr -noexpr netlist.v\ntee -q -o cells.json")
    for name, text in texts.items():
        (folder / name).write_text(text)
    YOSYS.run(("-q", "-s", "synthesize.ys"), folder, "synthesize.log")
    synthesis.verify(folder, ICE40)
    return netlist(design.name, (folder / "netlist.v").read_text(), "ice40")


def check(network, make):
    """Values and cycles of the netlist that a function makes of the network's core."""
    folding = Folding.uniform(network, pe=2, simd=2)
    made = make(verilog.generate(Mapping(network, folding)))
    report = simulate(Mapping(network, folding), random_sequences(2, network, 3, (1, 4)),
                      simulator="icarus", design=made)
    assert report.mismatch is None, str(report.mismatch)
    return made


@pytest.mark.parametrize("name", marked(KINDS))
def test_ice40(tmp_path, name):
    """Block RAM and DSP blocks of the bitstream's own netlist."""
    network, kind = KINDS[name]
    assert scaling(Mapping.uniform(network, pe=2, simd=2).images[0]) is kind
    made = check(network, lambda design: built(design, tmp_path))
    assert "SB_RAM40_4K" in made.verilog
    tables = not network.layers[0].precision.comparators
    assert ("SB_MAC16" in made.verilog) == (tables or kind is Scaling.PRODUCT)


@pytest.mark.slow
@pytest.mark.parametrize("family", ["ecp5", "gowin"])
@pytest.mark.parametrize("name", ["lstm online 2", "before comparators"])
def test_others(name, family):
    """Memories of tables, since Yosys has no models of the others."""
    check(KINDS[name][0], lambda design: synthesize(design, family))


@pytest.mark.slow
@pytest.mark.parametrize("family", ["ecp5", "gowin"])
@pytest.mark.parametrize("name", KINDS)
def test_kept(name, family):
    """No kind is taken for one that has lost a multiplier."""
    design = verilog.generate(Mapping.uniform(KINDS[name][0], pe=2, simd=2))
    assert synthesis.synthesize(design.verilog, design.name, family, adders=True)
