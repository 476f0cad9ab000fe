"""What coefficients that come with every vector cost, beside frozen ones."""

import collections
import pathlib
import tempfile

from bench_elements import Harness, clock, netlist, tables

from ternloom.hw.array import raw_shape
from ternloom.hw.combiner import Combiner
from ternloom.hw.online import OnlineQuantizer
from ternloom.mapping.folding import Folding, LayerFolding
from ternloom.mapping.image import layer_image
from ternloom.mapping.mapping import Mapping
from ternloom.mapping.microcode import microcode
from ternloom.model.alphabet import BINARY
from ternloom.model.cell import LSTM
from ternloom.model.draw import random_network
from ternloom.model.format import Fixed, Online, Planes
from ternloom.model.network import When


__all__ = ["NOTE", "TITLE", "rows"]

_UNITS = 300
_FOLDING = LayerFolding(64, 16)

TITLE = (f"Activation planes of an LSTM {_UNITS} on {_UNITS}, binary weights, {_FOLDING.pe} x "
         f"{_FOLDING.simd} lanes: frozen coefficients beside those of every step, samples of 8 "
         "bits, 2 rounds; a combiner is one chain's, MHz those of the quantizer")
NOTE = ("A frozen quantizer is the comparators in the pipelines, 3 or 7 cuts each; an online "
        "one is one a layer. Registers are without those of the bench.")

_FORMS = {
    "frozen 2": Planes((66, 29), 7), "online 2": Online(Fixed(8, 7), 2),
    "frozen 3": Planes((70, 36, 16), 7), "online 3": Online(Fixed(8, 7), 3),
}

_DSP = {"ice40": ("SB_MAC16",), "ecp5": ("MULT18X18D",)}
_RAM = {"ice40": ("SB_RAM40_4K",), "ecp5": ("DP16KD", "PDPW16KD")}


def rows():
    """One row a format and family, as dicts."""
    return [_row(name, family) for family in _DSP for name in _FORMS]


def _network(form):
    return random_network(1, cell=LSTM, layers=1, units=_UNITS, inputs=_UNITS, classes=2,
                          input_format=Planes((1,) * form.width, 1), state_format=form,
                          weight=BINARY, when=When.LAST)


def _row(name, family):
    form = _FORMS[name]
    network = _network(form)
    mapping = Mapping(network, Folding((_FOLDING, LayerFolding(1, 16)), 16))
    geometry = mapping.geometries[0]
    row = {"planes": name, "family": family, "chains": geometry.chains,
           "cycles per step": mapping.predict([8]).step_cycles}
    if isinstance(form, Online):
        row["of the quantizer"] = microcode(form, geometry.chain_units, geometry.chains).cycles
        quantizer = OnlineQuantizer(form, geometry)
        row |= _cost(quantizer, [quantizer.i.valid, quantizer.i.data],
                     [quantizer.o.valid, quantizer.o.data, quantizer.o.beta], family,
                     "quantizer", timed=True)
    image = layer_image(network.layers[0], geometry)
    combiner = Combiner(image, 0, form=network.layers[0].precision.preact,
                        raw=raw_shape(image))
    inputs = [combiner.i_raw.as_value(), combiner.i_place.as_value()]
    if isinstance(form, Online):
        inputs.append(combiner.i_mix.as_value())
    return row | _cost(combiner, inputs, [combiner.o.valid, combiner.o.value], family, "combiner")


def _cost(component, inputs, outputs, family, name, *, timed=False):
    """Cells of a component, in columns that start with its name."""
    harness = Harness(component, inputs, outputs)
    with tempfile.TemporaryDirectory(prefix="ternloom-") as folder:
        folder = pathlib.Path(folder)
        cells = netlist(harness, family, folder)
        kinds = collections.Counter(each["type"] for each in cells)
        registers = sum(count for kind, count in kinds.items()
                        if kind.startswith("SB_DFF") or kind == "TRELLIS_FF")
        row = {
            f"{name} LUT4": tables(cells, family)[0],
            f"{name} registers": registers - harness.registers,
            f"{name} multipliers": sum(kinds[kind] for kind in _DSP[family]),
            f"{name} block RAMs": sum(kinds[kind] for kind in _RAM[family]),
        }
        return row | ({"MHz": f"{clock(family, folder):.0f}"} if timed else {})
