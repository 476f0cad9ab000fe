"""How busy the arrays are: an LSTM of 300 units on 300 inputs, ternary weights and activations.

The busy cycles are counted in the simulated hardware, at the sequencer that issues the words.
"""

import pathlib
import subprocess
import tempfile

import numpy as np

from ternloom.hw.verilog import generate
from ternloom.mapping.folding import Folding, LayerFolding
from ternloom.mapping.mapping import Mapping
from ternloom.model.alphabet import TERNARY
from ternloom.model.cell import LSTM
from ternloom.model.draw import random_network, random_sequences
from ternloom.model.network import When
from ternloom.sim import vectors
from ternloom.sim.tools import find


__all__ = ["TITLE", "rows"]

TITLE = "Busy cycles: LSTM 300 on 300, ternary/ternary, one step, against rows * columns / lanes"

#: Elements and lanes of an element, for 256, 1024 and 4096 lanes.
_FOLDINGS = ((16, 16), (64, 16), (256, 16))

#: Elements of the input beat, so that the stream is not what is measured.
_INPUT_SLOTS = 16

#: Steps of the sequence; the first fills the pipeline and does not count.
_STEPS = 3

#: Share of the ideal that is the floor.
_FLOOR = 0.9

_WATCH = """
module watch;
  always @(posedge testbench.clk)
    if (!testbench.rst && testbench.core.layer0.array.sequencer.\\o_control.valid )
      $display("busy %0d", testbench.cycle);
endmodule
"""


def rows():
    """One row a folding, as dicts."""
    network = random_network(1, layers=1, cell=LSTM, units=300, inputs=300, classes=4,
                             weight=TERNARY, input_format="ternary",
                             state_format="ternary", when=When.LAST)
    sequences = random_sequences(1, network, 1, (_STEPS, _STEPS))
    return [_row(network, pe, simd, sequences) for pe, simd in _FOLDINGS]


def _row(network, pe, simd, sequences):
    mapping = Mapping(network, Folding((LayerFolding(pe, simd), LayerFolding(1, simd)),
                                       _INPUT_SLOTS))
    geometry = mapping.geometries[0]
    ideal = geometry.ideal_cycles
    cycles = _busy(mapping, sequences)
    if len(cycles) != _STEPS * geometry.busy_cycles:
        raise RuntimeError(f"The array must be busy {_STEPS * geometry.busy_cycles} cycles, "
                           f"not {len(cycles)}")
    ends = cycles[geometry.busy_cycles - 1::geometry.busy_cycles]
    step = (ends[-1] - ends[0]) / (_STEPS - 1)
    model = np.diff(mapping.predict([_STEPS]).ends[:, 0]).mean()
    return {"lanes": pe * simd, "pe x simd": f"{pe} x {simd}", "chains": geometry.chains,
            "ideal": f"{ideal:.1f}", "busy, hardware": geometry.busy_cycles,
            "step, hardware": f"{step:.1f}", "step, timing model": f"{model:.1f}",
            "ideal / busy": f"{100 * ideal / geometry.busy_cycles:.1f} %",
            "ideal / step": f"{100 * ideal / step:.1f} %", "floor": f"{100 * _FLOOR:.0f} %"}


def _busy(mapping, sequences):
    """Cycles at which the array of the simulated core takes a word, in order."""
    design = generate(mapping)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "core.v").write_text(design.verilog)
        (folder / "watch.v").write_text(_WATCH)
        vectors.write(folder / "vectors", mapping, design.name, sequences)
        subprocess.run([find("iverilog"), "-o", "bench", "-s", "testbench", "-s", "watch",
                        "testbench.v", "../watch.v", "../core.v"], cwd=folder / "vectors",
                       check=True)
        out = subprocess.run([find("vvp"), "bench"], cwd=folder / "vectors", check=True,
                             capture_output=True, text=True).stdout.splitlines()
    if not out[-1].startswith("passed"):
        raise RuntimeError(f"The core must pass its own bench: {out[-1]}")
    return [int(line.split()[1]) for line in out if line.startswith("busy ")]
