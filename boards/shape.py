"""What a core looks like from outside: widths and lengths, as its mapping says."""

import collections.abc
import dataclasses
import typing

from amaranth import Instance, Value


if typing.TYPE_CHECKING:
    from ternloom.hw.verilog import Design


__all__ = ["CoreShape"]


_OUTPUTS = ("s_axis_tready", "m_axis_tdata", "m_axis_tvalid", "m_axis_tlast", "m_axis_tuser",
            "error")


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
    def of(cls, design: "Design") -> typing.Self:
        """Shape of a generated design.

        Parameters
        ----------
        design : Design
            Its ``name`` and ``mapping`` are read.
        """
        mapping = design.mapping
        taken, given = mapping.taken, mapping.given
        return cls(design.name, taken.data_width, given.data_width, given.user_width, taken.beats,
                   given.beats, mapping.network.gives_logits)

    @property
    def input_bytes(self) -> int:
        """Bytes that carry an input beat."""
        return -(-self.input_width // 8)

    @property
    def output_bytes(self) -> int:
        """Bytes that carry an output beat."""
        return -(-self.output_width // 8)

    @property
    def winner_bytes(self) -> int:
        """Bytes that carry the index of a class, none without a readout."""
        return -(-self.winner_width // 8) if self.has_winner else 0

    @property
    def request_bytes(self) -> int:
        """Bytes of a vector to the board: a flag and the input beats."""
        return 1 + self.beats * self.input_bytes

    @property
    def answer_bytes(self) -> int:
        """Bytes of a vector from the board: the output beats and the index of a class."""
        return self.classes * self.output_bytes + self.winner_bytes

    def instance(self, signals: collections.abc.Mapping[str, Value]) -> Instance:
        """The core as an Amaranth instance.

        Parameters
        ----------
        signals : dict of str to Signal
            One for every port, by the port's name.
        """
        ports = {("o_" if name in _OUTPUTS else "i_") + name: signal
                 for name, signal in signals.items()}
        return Instance(self.name, **ports)

