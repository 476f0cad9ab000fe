"""Emission: a core as one self-contained Verilog file, with a report of what is in it."""

import dataclasses

from amaranth.back import verilog

from ternloom.hw.core import Core
from ternloom.model.folding import Folding
from ternloom.model.network import Network


__all__ = ["Design", "Probe", "generate"]


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
    names : tuple of (str, int)
        Name in the golden model's trace, and unit, of the values in the order in which they appear,
        one each time ``valid`` is high at a clock edge; over a step, then again. A unit of -1 does
        not exist.
    """

    name: str
    valid: str
    data: str
    signed: bool
    names: tuple[tuple[str, int], ...]


@dataclasses.dataclass(frozen=True)
class Design:
    """A generated core.

    Parameters
    ----------
    name : str
        Top module.
    verilog : str
    network : Network
    folding : Folding
    report : dict
        ``matrices``: one entry a matrix; ``arrays``: one entry an array.
    probes : tuple of Probe
    """

    name: str
    verilog: str
    network: Network
    folding: Folding
    report: dict
    probes: tuple[Probe, ...]


def generate(network, folding, name="ternloom_core"):
    """Emit a core as Verilog.

    Parameters
    ----------
    network : Network
    folding : Folding
    name : str
        Of the top module; submodules are named ``name.path``.

    Returns
    -------
    Design
    """
    core = Core(network, folding)
    ports = [getattr(core, member) for member in core.signature.members]
    text = verilog.convert(core, name=name, ports=ports, strip_internal_attrs=True)
    return Design(name, text, network, folding, {}, ())
