"""What a network is made of: nodes that make vectors of codes or logits of other nodes' codes."""

from ternloom.model.node.body import Body, When, rule
from ternloom.model.node.layer import Layer, check_diagonals, check_recurrent
from ternloom.model.node.operand import Operand
from ternloom.model.node.readout import Readout


__all__ = ["Body", "Layer", "Operand", "Readout", "When", "check_diagonals", "check_recurrent",
           "rule"]
