"""A language network on the ULX3S-85F: an LSTM of 300 units on 300 inputs, 2/2 planes.

The core is placed and routed without its readout, and simulated word by word on the text that
the folder in the environment variable TERNLOOM_PTB holds; without one, on random words.

    TERNLOOM_PTB=FOLDER .venv/bin/python bench/run.py words
"""

import os
import pathlib
import tempfile

import numpy as np

from ternloom.boards.flow import build
from ternloom.cli import source
from ternloom.files import text
from ternloom.files.network import load
from ternloom.hw.verilog import generate
from ternloom.mapping.folding import Folding, LayerFolding
from ternloom.mapping.mapping import Mapping
from ternloom.sim.run import simulate


__all__ = ["NETWORK", "TITLE", "rows"]

NETWORK = "ptb-lstm-alternating-2-2"

TITLE = (f"Words a second: {NETWORK} without readout on ULX3S-85F (ECP5), placed and routed, and "
         "simulated against golden and timing model without tolerance")

#: Elements and lanes of an element.
_FOLDINGS = ((32, 16),)

#: Codes of an input beat.
_INPUT_SLOTS = 16

#: Words that are simulated.
_WORDS = 256

_BOARD = "ulx3s-85f"


def rows():
    """One row a folding, as dicts."""
    network = load(source.network_path(NETWORK)).edited(readout=None)
    name, tokens = _tokens(len(network.embedding))
    return [_row(Mapping(network, Folding((LayerFolding(pe, simd),), _INPUT_SLOTS)), name, tokens)
            for pe, simd in _FOLDINGS]


def _tokens(count):
    """Where the words come from, and the first of them."""
    folder = pathlib.Path(os.environ.get("TERNLOOM_PTB", "."))
    train, test = (folder / f"ptb.{part}.txt" for part in ("train", "test"))
    if not (train.is_file() and test.is_file()):
        return ("random, for TERNLOOM_PTB names no folder with ptb.train.txt and ptb.test.txt",
                np.random.default_rng(1).integers(0, count, _WORDS))
    return "Penn Treebank test", text.encode(text.read(test), text.build(text.read(train)))[:_WORDS]


def _row(mapping, name, tokens):
    geometry, design = mapping.geometries[0], generate(mapping)
    report = simulate(mapping, [mapping.network.embed(tokens)], design=design)
    if not report.exact:
        raise RuntimeError(f"The core must agree with the models: {report.mismatch}")
    step = mapping.predict([len(tokens)]).step_cycles
    with tempfile.TemporaryDirectory(prefix="ternloom-") as folder:
        result = build(_BOARD, design, work_dir=folder)
    clock, ideal = result.clock.achieved, geometry.ideal_cycles
    used = {resource: f"{usage.used:,}/{usage.available:,}"
            for resource, usage in result.utilization.items() if resource != "pins"}
    return {"lanes": geometry.chains * geometry.chain_elements * geometry.simd, **used,
            "clock MHz": f"{clock:.1f}", "cycles a word": step, "ideal": f"{ideal:.1f}",
            "words/s": f"{1e6 * clock / step:,.0f}",
            "ideal words/s at that clock": f"{1e6 * clock / ideal:,.0f}",
            "words simulated": f"{len(tokens)}, {name}", "transfers": f"{report.transfers:,}",
            "cycles": f"{report.cycles:,}", "mismatches": "0",
            "seconds": f"{report.seconds + sum(result.seconds.values()):.0f}"}
