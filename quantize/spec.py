"""What to make of a float network: methods for weights and activations, and widths between them."""

import collections.abc
import re
import typing

import msgspec

from ternloom.model.cell import Cell
from ternloom.model.format import Fixed
from ternloom.model.network import When
from ternloom.model.precision import Precision
from ternloom.quantize import activations, weights
from ternloom.quantize.method import WeightMethod


__all__ = ["QuantizationSpec"]


_PLACE = re.compile(r"(layer(?P<layer>\d+))?\.?(?P<part>input|recurrent|readout)?"
                    r"\.?(?P<gate>[fginorz])?")
_ALL = "all"
_RANGES = {"coefficient_bits": (2, 12)}
#: Widest format of a class's logit, and of a number in deviations from its mean.
_LOGITS, _NUMBERS = Fixed(16, 6), Fixed(16, 11)


def _place(key):
    """Layer, part and gate that a key names, None for what it leaves open."""
    if key == _ALL:
        return None, None, None
    match = _PLACE.fullmatch(key)
    named = match and ".".join(filter(None, (match[1], match["part"], match["gate"])))
    readout = match and match["part"] == "readout" and (match["layer"] or match["gate"])
    if not match or not key or named != key or readout:
        raise ValueError(f"Weights cannot be set for {key!r}: it must be {_ALL}, readout, or a "
                         "layer, matrix or gate such as layer0, input, f or layer0.recurrent.f")
    return match["layer"] and int(match["layer"]), match["part"], match["gate"]


class QuantizationSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Methods and widths.

    Parameters
    ----------
    weights : dict of str to str
        Weight methods, such as ``alternating:2``, by what they are for: ``all`` (with the readout),
        ``readout``, or a layer, a matrix or a gate: ``layer0``, ``input``, ``f``, ``recurrent.f``,
        ``layer0.input.f``. A gate counts more than a matrix, and a matrix more than a layer.
    activations : str
        Method of every layer's outputs, such as ``planes:2``.
    calibrated_range : bool
        Fixed point (and the samples of ``online``) gets the fraction bits at which it holds what
        the layer puts out on the calibration data; else those at which it holds all from -1 to 1,
        of which comparators put out the ends. Cells that leave this range get the former anyway.
    embedding : str
        Method of an embedding's table, ``fixed`` or ``planes``.
    power_of_two : bool
        Scales of weights other than sign planes become powers of two: no multiplier is needed.
    bias_as_weight : bool
        Biases of layers take the codes of their row's weights, at its scale, as Ott et al. 2016
        have it by default: those of pre-activations by the input weights', that of a recurrent sum
        by the recurrent ones'.
    coefficient_bits : int
        Bits of the largest integer coefficient of a matrix where they aren't powers of two.
    preact_width, preact_frac, gate_frac, state_frac, slope, slope_frac : int
        Of the network's ``Precision``; with a ``gate_frac`` of 0 gates are comparators.
    logits : Fixed or None
        Widest format of a logit; None: 16 bits, of which 11 are fraction bits for numbers and 6
        for classes.
    when : When or None
        Steps at which the readout gives logits; None: those that the data have a target of, without
        data every one of a network with an embedding, and else the last.
    """

    weights: dict[str, str]
    activations: str = "fixed:8"
    calibrated_range: bool = False
    embedding: str = "fixed:8"
    power_of_two: bool = False
    bias_as_weight: bool = False
    coefficient_bits: int = 8
    preact_width: int = 10
    preact_frac: int = 6
    gate_frac: int = 8
    state_frac: int = 11
    slope: int = 1
    slope_frac: int = 0
    logits: Fixed | None = None
    when: When | None = None

    def __post_init__(self):
        for key, text in self.weights.items():
            _place(key)
            weights.parse(text)
        activations.parse(self.activations)
        method = activations.parse(self.embedding).name
        if method not in ("fixed", "planes"):
            raise ValueError(f"Embedding method must be fixed or planes, not {method}")
        for field, (low, high) in _RANGES.items():
            value = getattr(self, field)
            if not low <= value <= high:
                raise ValueError(f"{field} must be from {low} to {high}, not {value!r}")
        if not isinstance(self.when, When | None):
            raise ValueError("when must be When.LAST, When.EVERY or None, "
                             f"not {self.when!r}")
        # The ranges of the rest are the network's own.
        self.precision(state_bits=5)

    def settled(self, when: When, numbers: bool) -> typing.Self:
        """The same, with what suits the data where it leaves the readout open.

        Parameters
        ----------
        when : When
            Steps that have a target.
        numbers : bool
            Whether the targets are numbers, not classes.
        """
        return msgspec.structs.replace(
            self, logits=self.logits or (_NUMBERS if numbers else _LOGITS), when=self.when or when)

    @property
    def logits_format(self) -> Fixed:
        """Widest format of a logit."""
        return self.logits or _LOGITS

    def precision(self, state_bits: int) -> Precision:
        """The network's ``Precision`` with so many bits above the state's fraction."""
        return Precision(preact=Fixed(self.preact_width, self.preact_frac),
                         gate_frac=self.gate_frac,
                         state=Fixed(max(2, self.state_frac + state_bits), self.state_frac),
                         slope=self.slope, slope_frac=self.slope_frac)

    def methods(self, cells: collections.abc.Sequence[Cell],
                readout: bool = True) -> dict[str, tuple[WeightMethod, ...]]:
        """Weight methods of every matrix.

        Parameters
        ----------
        cells : sequence of Cell
            One a layer.
        readout : bool
            Whether there is one.

        Returns
        -------
        dict of str to tuple of Method
            One method a gate for ``layer0.input``, ``layer0.recurrent`` and so on; one for
            ``readout``.

        Raises
        ------
        ValueError
            For a matrix or a gate without a method, and for a key that fits no matrix.
        """
        used: set[str] = set()
        chosen = {}
        for index, cell in enumerate(cells):
            for part in ("input", "recurrent") if cell.recurrent else ("input",):
                chosen[f"layer{index}.{part}"] = tuple(self._method(index, part, gate, used)
                                                       for gate in cell.gates)
        if readout:
            chosen["readout.weights"] = (self._method(None, "readout", None, used),)
        for key in self.weights:
            if key not in used:
                raise ValueError(f"Weights for {key!r} fit no matrix of the network, whose layers "
                                 f"are {', '.join(cell.name for cell in cells)}")
        return chosen

    def _method(self, layer, part, gate, used):
        """Method of the key that says most about a place."""
        best, found = -1, None
        for key in self.weights:
            asked = _place(key)
            rank = sum(count for count, one in zip((1, 2, 4), asked) if one is not None)
            if rank > best and all(one in (None, here)
                                   for one, here in zip(asked, (layer, part, gate))):
                best, found = rank, key
        if found is None:
            name = ".".join(filter(None, (f"layer{layer}" if layer is not None else None, part,
                                          gate)))
            raise ValueError(f"Weights of {name} have no method: give one for them, or for {_ALL}")
        used.add(found)
        return weights.parse(self.weights[found])
