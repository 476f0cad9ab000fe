"""Planted faults: known ways to spoil a core, each of which a bench must catch.

Some are planted in the network that the core is generated from, so that its ROMs are wrong; the
first change is taken that the golden model says can be seen. The others edit the Verilog.
"""

import dataclasses
import re
from collections.abc import Callable

import numpy as np

from ternloom.hw import verilog
from ternloom.mapping.mapping import Mapping
from ternloom.model import golden


__all__ = ["FAULTS", "Fault", "FaultError", "plant"]


class FaultError(ValueError):
    """A fault that cannot be planted in this core."""


@dataclasses.dataclass(frozen=True)
class Fault:
    """A way to spoil a core.

    Parameters
    ----------
    name : str
    summary : str
    spoil : callable
        Takes a case with a sound design, and returns the design with the fault.
    environment : dict
        Fields of the case without which the fault does not show.
    """

    name: str
    summary: str
    spoil: Callable
    environment: dict = dataclasses.field(default_factory=dict)


def plant(fault, case):
    """The case with the fault in its core.

    Parameters
    ----------
    fault : Fault
    case : Case
        With a design as ``ternloom.hw.verilog`` generates it.

    Returns
    -------
    Case

    Raises
    ------
    FaultError
        If the core has no place for the fault, or it would not show.
    """
    design = fault.spoil(case)
    if design.verilog == case.design.verilog:
        raise FaultError(f"fault {fault.name} does not change the Verilog of {case.network.name}")
    return dataclasses.replace(case, design=design, **fault.environment)


# In the network.


def _regenerated(change):
    """Spoiler that generates the core from the first of a generator's networks that differs."""
    def spoil(case):
        sound = _outputs(case.network, case.sequences)
        for network in change(case.network):
            spoiled = _outputs(network, case.sequences)
            if any(np.any(one != other) for one, other in zip(sound, spoiled, strict=True)):
                mapping = Mapping(network, case.mapping.folding)
                return verilog.generate(mapping, name=case.design.name)
        raise FaultError(f"no fault of {change.__name__.strip('_')} shows in the output of "
                         f"{case.network.name}")
    return spoil


def _outputs(network, sequences):
    """Logits of each sequence, or codes of a network without a readout."""
    answers = golden.run(network, list(sequences)).answers.values()
    return [each for answer in answers for each in (answer.logits or answer.codes)]


def _with_layer(network, **fields):
    return network.edited(layer0=dataclasses.replace(network.layers[0], **fields))


def _with_operand(network, name, matrix):
    """The network with another matrix of the only input of a node."""
    body = next(node.body for node in network.nodes if node.name == name)
    operand = dataclasses.replace(body.operands[0], matrix=matrix)
    return network.edited(**{name: dataclasses.replace(body, operands=(operand,))})


def _changed(array, index, value):
    array = array.copy()
    array[index] = value
    return array


def _flips(matrix):
    """The matrix with one code negated, each in turn."""
    for index in zip(*np.nonzero(matrix.codes), strict=True):
        negative = -int(matrix.codes[index])
        if negative in matrix.weight.codes:
            yield dataclasses.replace(matrix, codes=_changed(matrix.codes, index, negative))


def _input_weights(network):
    for matrix in _flips(network.layers[0].input):
        yield _with_operand(network, "layer0", matrix)


def _recurrent_weights(network):
    for matrix in _flips(network.layers[0].recurrent):
        yield _with_layer(network, recurrent=matrix)


def _readout_weights(network):
    for matrix in _flips(network.readout.weights):
        yield _with_operand(network, "readout", matrix)


def _permuted(layer, order):
    """Fields of the layer with its rows in another order."""
    def turned(matrix):
        return dataclasses.replace(matrix, codes=matrix.codes[:, order],
                                   coefficients=matrix.coefficients[:, order])

    return {"operands": tuple(dataclasses.replace(each, matrix=turned(each.matrix))
                              for each in layer.operands),
            "recurrent": layer.recurrent and turned(layer.recurrent), "bias": layer.bias[order]}


def _gates(network):
    layer = network.layers[0]
    rows = np.arange(layer.rows).reshape(-1, layer.units)
    for first, second in ((0, 1), (1, 2), (0, 2)):
        order = rows.copy()
        order[[first, second]] = order[[second, first]]
        yield _with_layer(network, **_permuted(layer, order.ravel()))


def _units(network):
    layer = network.layers[0]
    rows = np.arange(layer.rows).reshape(-1, layer.units)
    for unit in range(layer.units - 1):
        order = rows.copy()
        order[:, [unit, unit + 1]] = order[:, [unit + 1, unit]]
        yield _with_layer(network, **_permuted(layer, order.ravel()))


def _columns(network):
    matrix = network.layers[0].recurrent
    for column in range(matrix.columns - 1):
        order = np.arange(matrix.columns)
        order[[column, column + 1]] = order[[column + 1, column]]
        yield _with_layer(network, recurrent=dataclasses.replace(
            matrix, codes=matrix.codes[:, :, order]))


def _coefficients(network):
    matrix = network.layers[0].recurrent
    for index in np.ndindex(matrix.coefficients.shape):
        coefficients = _changed(matrix.coefficients, index, matrix.coefficients[index] + 1)
        yield _with_layer(network,
                          recurrent=dataclasses.replace(matrix, coefficients=coefficients))


def _biases(network):
    layer = network.layers[0]
    for row in range(layer.rows):
        yield _with_layer(network, bias=_changed(layer.bias, row, layer.bias[row] + 1))


def _halves(network):
    layer = network.layers[0]
    if layer.shift:
        yield _with_layer(network, bias=layer.bias - (1 << (layer.shift - 1)))


def _shifts(network):
    yield _with_layer(network, shift=network.layers[0].shift + 1)


# In the Verilog.


def _edited(path, pattern, replacement, number=1):
    """Spoiler that replaces a pattern's first matches in one module, ``path`` below the top."""
    def spoil(case):
        design = case.design
        module = re.escape("\\" + f"{design.name}.{path} " if path else f"{design.name}(")
        found = re.search(rf"^module {module}.*?^endmodule", design.verilog,
                          re.MULTILINE | re.DOTALL)
        if found is None:
            raise FaultError(f"core {design.name} has no module {path}")
        text, count = re.subn(pattern, replacement, found[0], count=number, flags=re.MULTILINE)
        if not count:
            raise FaultError(f"module {path} has no match for {pattern!r}")
        verilog = design.verilog[:found.start()] + text + design.verilog[found.end():]
        return dataclasses.replace(design, verilog=verilog)
    return spoil


def _table(path):
    """Spoiler that adds one to every value of a table."""
    def spoil(case):
        rom = re.search(rf"^module \\{re.escape(case.design.name)}\.{re.escape(path)}\.rom "
                        rf".*?\\{re.escape(case.design.name)}\.(\w+) ", case.design.verilog,
                        re.MULTILINE | re.DOTALL)
        if rom is None:
            raise FaultError(f"module {path} has no table")
        return _edited(rom[1], r"(?<=data <= )contents\[addr\]", r"contents[addr] + 1'b1")(case)
    return spoil


#: The instance of the output queue: its head, its other pins, data and valid of what is put in.
_QUEUE = (r"^( *\\\S+readout\.queue +queue \()((?:[^;]|\n)*?)"
          r"\.w_data\((.*)\),\n *\.w_en\((.*)\)")
_PIPELINE = "layer0.pipeline0"
_SEQUENCER = "layer0.array.sequencer"
_ELEMENT = "layer0.array.chain0.pe0"
_QUANTIZER = "layer0.quantizer"

#: All faults. Those that edit the Verilog are for a first layer that is an LSTM, those whose names
#: start with "online" for one with online planes, in several chains, and those that start with
#: "codes" for the same without a readout, with units that do not fill the last beat.
FAULTS = (
    Fault("input-weight", "one input weight has the other sign", _regenerated(_input_weights)),
    Fault("recurrent-weight", "one recurrent weight has the other sign",
          _regenerated(_recurrent_weights)),
    Fault("readout-weight", "one readout weight has the other sign",
          _regenerated(_readout_weights)),
    Fault("gates-swapped", "two gates have each other's rows", _regenerated(_gates)),
    Fault("units-swapped", "two units have each other's rows", _regenerated(_units)),
    Fault("columns-swapped", "two units are read for each other", _regenerated(_columns)),
    Fault("coefficient", "one coefficient is too large by one", _regenerated(_coefficients)),
    Fault("bias", "one bias is too large by one", _regenerated(_biases)),
    Fault("rounding-half", "pre-activations are cut off, not rounded", _regenerated(_halves)),
    Fault("shift", "rows are shifted by one bit too many", _regenerated(_shifts)),
    Fault("gate-table", "the table of the gates is off by one", _table(f"{_PIPELINE}.table0")),
    Fault("output-table", "the table of the output is off by one", _table(f"{_PIPELINE}.table1")),
    Fault("dropped-carry", "bit 1 of a sum has no carry into it",
          _edited(_ELEMENT, r"assign (\{ \S+ \[\d+\], updated0 \}) = (.*) \+ (.*);",
                  r"assign \1 = ((\2 + \3) & ~2) | ((\2 ^ \3) & 2);")),
    Fault("accumulator-bit", "bit 2 of a sum is lost",
          _edited(_ELEMENT, r"updated0 : sum0;", "(updated0 & ~4) : sum0;")),
    Fault("accumulator-first", "a sum isn't started from zero",
          _edited(_ELEMENT, r"assign carried0 = .*;", "assign carried0 = sum0;")),
    Fault("saturation", "the state wraps where it should saturate",
          _edited(_PIPELINE, r"(cell_of_rounded_saturated \}? *= )\S+ +\?", r"\g<1>1'b1 ?")),
    Fault("state-kept", "the state isn't cleared at the start of a sequence",
          _edited("layer0", r"(pipeline0 \(\n(?:[^;]|\n)*?\.first\()\w+\)", r"\g<1>1'b0)")),
    Fault("last-ignored", "tlast is ignored",
          _edited("", r"\.i__last\(s_axis_tlast\)", ".i__last(1'b0)")),
    Fault("short-kept", "a vector that ends early isn't filled up",
          _edited("layer0.buffer", r"^    filling <= .*;", "    filling <= 1'b0;"),
          {"short": (0, 1, 0, 0, 2, 0)}),
    Fault("error-silent", "a vector that ends early isn't told",
          _edited("", r"^    error <= .*;", "    error <= 1'b0;"), {"short": (0, 1, 0, 0, 2, 0)}),
    Fault("initial-code", "the first codes of a sequence aren't those of zero",
          _edited("layer0.state", r"(assign words__codes = \S+ \? \d+'h)0+( :.*;)", r"\g<1>1\2")),
    Fault("bank", "the banks of the state memory aren't swapped",
          _edited("layer0.state.chain0", r"^    bank <= .*;", "    bank <= 1'b0;")),
    Fault("input-mask", "slots beyond the input vector aren't ignored",
          _edited("layer0.buffer", r"assign masked = .* : (.*);", r"assign masked = \1;")),
    Fault("tie", "the winner of a tie is the higher index",
          _edited("readout", r"(assign \S+ +=.*\)) > (\$signed)", r"\1 >= \2")),
    Fault("wait-long", "the recurrent half starts one cycle late",
          _edited(_SEQUENCER, r"(\bleft +)== 1'h1;", r"\1== 1'h0;")),
    Fault("wait-short", "the recurrent half starts one cycle early",
          _edited(_SEQUENCER, r"(\bleft +)== 1'h1;", r"\1== 2'h2;")),
    Fault("output-latency", "logits come one cycle late",
          _edited("readout", _QUEUE, r"reg [63:0] late = 0; always @(posedge clk) late <= {\3, \4};"
                                     r" \1 \2 .w_data(late >> 1), .w_en(late[0])")),
    Fault("back-pressure", "logits go when they are not taken",
          _edited("", r"\.o__ready\(m_axis_tready\)", ".o__ready(1'b1)"), {"ready": (0, 1, 1)}),
    Fault("no-room", "a vector of logits starts without room for it",
          _edited("readout.array", r"\.room__space\(room__space\)", ".room__space(1'b1)"),
          {"ready": (0,) * 40 + (1,)}),
    Fault("no-reset", "the sequencer goes on through a reset",
          _edited(_SEQUENCER, r"rst \? \d+'h\w+ : ", "", number=99), {"resets": (150,)}),
    Fault("online-tie", "a positive sample in a tie with a cut goes to the lower level",
          _edited(f"{_QUANTIZER}.store", r"(key0 \}\)) >= ", r"\1 > ")),
    Fault("online-count", "two samples at or above a cut count as one",
          _edited(f"{_QUANTIZER}.store", r"hits0 \+ hits1", "hits0 | hits1")),
    Fault("online-rounding", "quotients are cut off, not rounded",
          _edited(f"{_QUANTIZER}.unit", r"\+ 1'h1;", "+ 1'h0;")),
    Fault("online-start", "coefficients are kept from one sequence to the next",
          _edited("layer0.state", r"(assign words__beta = ).* : (.*);", r"\1\2;")),
    Fault("online-bank", "the readout takes the coefficients of another vector",
          _edited("readout.buffer", r"(assign words__beta = ).* : (.*);", r"\1\2;")),
    Fault("codes-mask", "slots beyond the last unit aren't zero",
          _edited("output", r"assign codes = .* : (.*);", r"assign codes = \1;")),
    Fault("codes-coefficient", "the first coefficient is lost",
          _edited("output", r"(i__beta\[\d+:0\])", r"(\1 ^ \1)")),
    Fault("codes-last", "tlast comes with every vector",
          _edited("output", r"& i__last;", "& 1'b1;")),
    Fault("codes-room", "a vector of codes starts without room for it",
          _edited("layer0.array", r"\.room__space\(room__space\)", ".room__space(1'b1)"),
          {"ready": (0,) * 40 + (1,)}),
)
