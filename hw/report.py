"""What a core holds and what can be watched in it: report lines and probes."""

import dataclasses
import importlib.metadata
import json

import msgspec

from ternloom.files.network import digest
from ternloom.hw.array import raw_shape
from ternloom.hw.coefficient import Scaling, scaling
from ternloom.hw.combiner import mix_bits, row_shape
from ternloom.hw.pipeline import pipeline_probes, pipeline_units
from ternloom.mapping.geometry import Source
from ternloom.mapping.microcode import microcode
from ternloom.model.network import Layer


__all__ = ["Probe", "describe", "header", "probes", "streams"]


@dataclasses.dataclass(frozen=True)
class Probe:
    """A named intermediate as it can be seen in a simulation.

    Parameters
    ----------
    name : str
        For messages.
    valid, data : str
        Hierarchical paths below the top module.
    signed : bool
        How ``data`` is to be read.
    names : tuple of (str, int)
        Name in the golden model's trace, and unit, of the values in the order in which they appear
        over a step, one each time ``valid`` is high at a clock edge. A unit of -1 does not exist.
    """

    name: str
    valid: str
    data: str
    signed: bool
    names: tuple[tuple[str, int], ...]


def probes(mapping):
    """Probes of all pipelines of all layers, in the order of the data flow."""
    found = []
    for stem, layer, image in _layers(mapping):
        geometry = image.geometry
        for kind in pipeline_probes(layer):
            for chain in range(geometry.chains):
                path = f"{stem}.pipeline{chain}.{kind.name}"
                units = _units(geometry, chain)
                names = tuple((f"{stem}.{kind.value}", unit) for unit in units)
                found.append(Probe(path, f"{path}_valid", path, kind.signed, names))
        if layer.state_format.header:
            found.extend(_online_probes(stem, layer.state_format, geometry))
    return tuple(found)


def _layers(mapping):
    """Name, layer and image of each node that is a layer."""
    for node, image in zip(mapping.network.nodes, mapping.images, strict=True):
        if isinstance(node.body, Layer):
            yield node.name, node.body, image


def _online_probes(name, form, geometry):
    """Probes of an online quantizer."""
    places = {f"beta{plane}": ((f"{name}.beta", plane),) for plane in range(form.planes)}
    places |= {f"code{chain}": tuple((f"{name}.h", unit) for unit in _units(geometry, chain))
               for chain in range(geometry.chains)}
    for signal, names in places.items():
        path = f"{name}.quantizer.{signal}"
        yield Probe(path, f"{path}_valid", path, False, names)


def _units(geometry, chain):
    """Units of a chain in the order of their codes, -1 for one that does not exist."""
    units = (local * geometry.chains + chain for local in range(geometry.chain_units))
    return [unit if unit < geometry.units else -1 for unit in units]


def describe(mapping):
    """Report of a core.

    Returns
    -------
    dict
        ``matrices``: for each, ``name``, ``rows``, ``columns``, ``planes``, ``weight``, ``bits`` of
        its codes, and ``roms`` of ``rom_width`` by ``rom_depth`` bits that hold it together with
        the layer's other matrices. ``arrays``: for each, the element, its lanes and widths, what
        multiplies the coefficients of its rows, and how many multipliers there are.
        ``elementwise``: for each layer, how many ``pipelines``, and in all of them ``multipliers``
        and ``tables``; where gates are comparators there are none. ``quantizers``: for each layer
        with online planes how many, its ``rounds``, the ``cycles`` that it adds to a step and its
        ``multipliers``.
    """
    matrices, arrays = [], []
    for node, image in zip(mapping.network.nodes, mapping.images, strict=True):
        name, geometry = node.name, image.geometry
        depth = sum(block.groups * block.words for block in geometry.blocks)
        width = geometry.simd * geometry.weight_bits
        for kind, matrix in node.body.matrices.items():
            matrices.append({
                "name": f"{name}.{kind}", "weight": matrix.weight.name, "rows": matrix.rows,
                "columns": matrix.columns, "planes": matrix.planes,
                "bits": matrix.codes.size * matrix.code_bits,
                "roms": geometry.chains * geometry.chain_elements, "rom_width": width,
                "rom_depth": depth})
        kind = scaling(image)
        arrays.append({
            "name": name, "element": geometry.arithmetic.value, "chains": geometry.chains,
            "elements": geometry.chain_elements, "simd": geometry.simd,
            "lanes": geometry.chains * geometry.chain_elements * geometry.simd,
            "weight_bits": geometry.weight_bits, "activation_bits": geometry.activation_bits,
            "activation_planes": geometry.activation_planes, "multiplexed": geometry.multiplexed,
            "accumulator_bits": raw_shape(image).width, "row_bits": row_shape(image).width,
            "serial_planes": max(block.serial for block in geometry.blocks
                                 if block.source is Source.INPUT),
            "coefficients": kind.value,
            "multipliers": geometry.chains * (
                (kind is Scaling.PRODUCT)
                + (geometry.activation_planes if mix_bits(image) else 0)),
            "busy_cycles": geometry.busy_cycles, "ideal_cycles": geometry.ideal_cycles})
    return {"matrices": matrices, "arrays": arrays, "elementwise": _elementwise(mapping),
            "quantizers": _quantizers(mapping)}


def _quantizers(mapping):
    lines = []
    for name, layer, image in _layers(mapping):
        form, geometry = layer.state_format, image.geometry
        if form.header:
            cycles = microcode(form, geometry.chain_units, geometry.chains).cycles
            lines.append({"name": name, "planes": form.planes, "rounds": form.rounds,
                          "cycles": cycles, "multipliers": int(form.planes == 3)})
    return lines


def _elementwise(mapping):
    lines = []
    for stem, layer, image in _layers(mapping):
        chains = image.geometry.chains
        lines.append({"name": stem, "pipelines": chains,
                      "gates": "comparators" if layer.precision.comparators else "tables"}
                     | {name: chains * count for name, count in pipeline_units(layer).items()})
    return lines


def streams(mapping):
    """What a host must know of a core's streams.

    Returns
    -------
    dict
        ``input`` and ``output``, for each: ``codes`` of a vector, ``slots``, which are codes of a
        beat, ``coefficients`` that precede the codes, ``beats`` of a vector, bits of ``tdata`` and
        ``tuser``, and ``format`` of a code, or a logit, as in a network's file.
    """
    parts = {"input": mapping.taken, "output": mapping.given}
    return {name: {"codes": part.elements, "slots": part.slots, "coefficients": part.header,
                   "beats": part.beats, "data_bits": part.data_width, "user_bits": part.user_width,
                   "format": msgspec.to_builtins(part.form)} for name, part in parts.items()}


def header(name, mapping):
    """The comment that a core's Verilog starts with: which network it is, and its ports."""
    network, found = mapping.network, streams(mapping)
    taken, given = found["input"], found["output"]
    version = importlib.metadata.version("ternloom")
    what = "logits" if network.gives_logits else "codes"
    ports = [("clk", "in", 1, "rising edges"),
             ("rst", "in", 1, "synchronous, active high, for at least one cycle"),
             ("s_axis_tdata", "in", taken["data_bits"], "codes, the first in the low bits"),
             ("s_axis_tvalid", "in", 1, ""), ("s_axis_tready", "out", 1, "low in reset"),
             ("s_axis_tlast", "in", 1, "with the last beat of a sequence"),
             ("m_axis_tdata", "out", given["data_bits"], what),
             ("m_axis_tvalid", "out", 1, "low in reset"), ("m_axis_tready", "in", 1, ""),
             ("m_axis_tlast", "out", 1, "with the last beat of a sequence"),
             ("m_axis_tuser", "out", given["user_bits"],
              "class of the largest so far" if network.gives_logits else "1 with a coefficient"),
             ("error", "out", 1, "a vector ended early; high until reset")]
    # No character of a name may end the comment.
    lines = [f"{name}: network {json.dumps(network.name)}, by Ternloom {version}",
             f"SHA-256 of the network: {digest(network)}",
             *(f"{direction}: {part['codes']} {kind} a vector, {part['slots']} a beat; "
               f"{json.dumps(part['format'])}"
               for direction, kind, part in (("in", "codes", taken), ("out", what, given))),
             *(f"  {port:<13} {direction:<3} {bits:>4}  {meaning}"
               for port, direction, bits, meaning in ports)]
    return "".join(f"// {line}".rstrip() + "\n" for line in lines)
