"""Networks with other parts, for tests that need one thing to be different."""

import dataclasses

from ternloom.model.network import Network


__all__ = ["edited", "refed"]


def edited(network, **fields):
    """A network that is a line, with other ``layers``, another ``readout`` or other fields."""
    given = {"name": network.name, "layers": network.layers, "readout": network.readout,
             "labels": network.labels, "notes": network.notes, "embedding": network.embedding}
    return Network.line(**given | fields)


def refed(body, **fields):
    """A layer or readout with another ``matrix`` or ``format`` of its input, or other fields."""
    changed = {name: fields.pop(name) for name in ("matrix", "format") if name in fields}
    operand = dataclasses.replace(body.operands[0], **changed)
    return dataclasses.replace(body, operands=(operand, *body.operands[1:]), **fields)
