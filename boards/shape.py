"""What a core looks like from outside: widths and lengths, as its Verilog and its network say."""

import dataclasses
import re

from amaranth import Instance

from ternloom.boards.error import BoardError
from ternloom.mapping.stream import output_stream


__all__ = ["CoreShape"]


_INPUTS  = {"clk": 1, "rst": 1, "s_axis_tvalid": 1, "s_axis_tlast": 1, "m_axis_tready": 1}
_OUTPUTS = {"s_axis_tready": 1, "m_axis_tvalid": 1, "m_axis_tlast": 1, "error": 1}


@dataclasses.dataclass(frozen=True)
class CoreShape:
    """Ports of a core and the lengths of its vectors.

    Parameters
    ----------
    name : str
        Module of the core.
    input_width, output_width, winner_width : int
        Bits of ``s_axis_tdata``, ``m_axis_tdata`` and ``m_axis_tuser``.
    beats : int
        Input beats of a vector.
    classes : int
        Output beats of a vector.
    has_winner : bool
        Whether ``m_axis_tuser`` says which class is the largest; not without a readout.
    """

    name: str
    input_width: int
    output_width: int
    winner_width: int
    beats: int
    classes: int
    has_winner: bool = True

    @classmethod
    def of(cls, design):
        """Shape of a generated design.

        Parameters
        ----------
        design : Design
            Its ``verilog``, ``name``, ``network`` and ``folding`` are read.

        Raises
        ------
        BoardError
            When the Verilog has no such module or port.
        """
        widths = _port_widths(design.verilog, design.name)
        network = design.network
        return cls(design.name, widths["s_axis_tdata"], widths["m_axis_tdata"],
                   widths["m_axis_tuser"], -(-network.inputs // design.folding.input_lanes),
                   output_stream(network, design.folding).beats, network.speaks)

    @property
    def input_bytes(self):
        """Bytes that carry an input beat."""
        return -(-self.input_width // 8)

    @property
    def output_bytes(self):
        """Bytes that carry an output beat."""
        return -(-self.output_width // 8)

    @property
    def winner_bytes(self):
        """Bytes that carry the index of a class, none without a readout."""
        return -(-self.winner_width // 8) if self.has_winner else 0

    @property
    def request_bytes(self):
        """Bytes of a vector to the board: a flag and the input beats."""
        return 1 + self.beats * self.input_bytes

    @property
    def answer_bytes(self):
        """Bytes of a vector from the board: the output beats and the index of a class."""
        return self.classes * self.output_bytes + self.winner_bytes

    def instance(self, signals):
        """The core as an Amaranth instance.

        Parameters
        ----------
        signals : dict of str to Signal
            One for every port, by the port's name.
        """
        outputs = {*_OUTPUTS, "m_axis_tdata", "m_axis_tuser"}
        ports = {("o_" if name in outputs else "i_") + name: signal
                 for name, signal in signals.items()}
        return Instance(self.name, **ports)


def _port_widths(verilog, name):
    body = re.search(rf"^module\s+\\?{re.escape(name)}\s*[(;].*?^endmodule", verilog, re.M | re.S)
    if body is None:
        raise BoardError(f"the Verilog must have the module {name}")
    found = {}
    for match in re.finditer(r"^\s*(?:input|output)\s+(?:wire\s+|reg\s+)?(?:signed\s+)?"
                             r"(?:\[(\d+):0\]\s*)?(\w+)\s*;", body[0], re.M):
        found[match[2]] = int(match[1] or 0) + 1
    for port, width in {**_INPUTS, **_OUTPUTS}.items():
        if found.get(port) != width:
            raise BoardError(f"{name} must have the port {port} of {width} bits")
    for port in ("s_axis_tdata", "m_axis_tdata", "m_axis_tuser"):
        if port not in found:
            raise BoardError(f"{name} must have the port {port}")
    return found
