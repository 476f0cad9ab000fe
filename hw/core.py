"""The core: a whole network between two AXI4-Streams."""

import functools
import operator

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ternloom.hw.layer import RecurrentLayer
from ternloom.hw.output import CodeOutput, Turns, beat_layout
from ternloom.hw.readout import DenseReadout
from ternloom.model.network import INPUT, Layer, Readout
from ternloom.model.node.operand import named


__all__ = ["Core"]


class Core(wiring.Component):
    """All nodes of a network, each an array of its own.

    Parameters
    ----------
    mapping : Mapping

    Members
    -------
    s_axis_tdata, s_axis_tvalid, s_axis_tready, s_axis_tlast
        Beats of ``input_lanes`` codes, ``ceil(inputs / input_lanes)`` a vector; ``tlast`` with the
        last beat of a sequence. It ends a vector early too: what lacks is taken as zero bits, one
        beat a cycle. Not ready in reset.
    m_axis_tdata, m_axis_tvalid, m_axis_tready, m_axis_tlast, m_axis_tuser
        One logit a beat; ``tuser`` is the index of the largest up to it. Of several readouts one
        after another, each sign-extended; ``tlast`` with the last. Without a readout a beat of
        codes of the last layer for each of its chains' units; coefficients that come with the codes
        precede them, one a beat, with a ``tuser`` of 1. Not valid in reset.
    error : 1
        A vector was ended early, from the cycle after its last beat until the next reset.

    """

    def __init__(self, mapping):
        self._network, self._images = mapping.network, mapping.images
        taken, given = mapping.taken, mapping.given
        super().__init__({
            "s_axis_tdata":  In(taken.data_width),
            "s_axis_tvalid": In(1),
            "s_axis_tready": Out(1),
            "s_axis_tlast":  In(1),
            "m_axis_tdata":  Out(given.data_width),
            "m_axis_tvalid": Out(1),
            "m_axis_tready": In(1),
            "m_axis_tlast":  Out(1),
            "m_axis_tuser":  Out(given.user_width),
            "error":         Out(1),
        })

    def elaborate(self, platform):
        m = Module()

        stages = {}
        for node, image in zip(self._network.nodes, self._images, strict=True):
            make = DenseReadout if isinstance(node.body, Readout) else RecurrentLayer
            streamed = tuple(port for port, name in enumerate(node.inputs) if name == INPUT)
            m.submodules[node.name] = stages[node.name] = make(node.body, image, streamed=streamed)
        final = self._end(m, stages)

        self._feed(m, [(stages[self._network.nodes[index].name], port)
                       for index, port in self._network.consumers(INPUT)])
        for node in self._network.nodes:
            consumers = [(stages[self._network.nodes[index].name], port)
                         for index, port in self._network.consumers(node.name)]
            if isinstance(node.body, Layer):
                self._hand_on(m, stages[node.name], consumers or [(final, 0)])
        m.d.comb += [
            self.m_axis_tvalid.eq(final.o_valid & ~ResetSignal()),
            self.m_axis_tdata.eq(final.o_data.data),
            self.m_axis_tuser.eq(final.o_data.user),
            self.m_axis_tlast.eq(final.o_data.last),
            final.i_ready.eq(self.m_axis_tready),
        ]

        return m

    def _end(self, m, stages):
        """What the output stream comes from."""
        outputs = self._network.outputs
        if not self._network.speaks:
            place = [node.name for node in self._network.nodes].index(outputs[0].name)
            final = CodeOutput(outputs[0].body, self._images[place].geometry)
            m.submodules.output = final
            return final
        ends = [stages[node.name] for node in outputs]
        if len(ends) == 1:
            return ends[0]
        widest = max((node.body.logits.width for node in outputs))
        layout = beat_layout(signed(widest), len(self.m_axis_tuser))
        m.submodules.output = final = Turns(
            [(end.layout, node.body.classes) for end, node in zip(ends, outputs, strict=True)],
            layout)
        for index, end in enumerate(ends):
            m.d.comb += [
                getattr(final, f"i_valid{index}").eq(end.o_valid),
                getattr(final, f"i_data{index}").eq(end.o_data),
                end.i_ready.eq(getattr(final, f"o_ready{index}")),
            ]
        return final

    def _feed(self, m, consumers):
        """Hand beats of the input stream to all that take it, when all can."""
        ready = [_port(*each, "o_ready") for each in consumers]
        m.d.comb += self.s_axis_tready.eq(functools.reduce(operator.and_, ready) & ~ResetSignal())
        for consumer in consumers:
            m.d.comb += [
                _port(*consumer, "i_valid").eq(self.s_axis_tvalid & self.s_axis_tready),
                _port(*consumer, "i_data").eq(self.s_axis_tdata),
                _port(*consumer, "i_last").eq(self.s_axis_tlast),
            ]
        m.d.sync += self.error.eq(self.error | _port(*consumers[0], "o_short"))

    @staticmethod
    def _hand_on(m, stage, consumers):
        """Hand a layer's vectors to all that take them; it makes one only if all have room."""
        spaces = [_port(*each, "o_space") for each in consumers]
        m.d.comb += stage.i_space.eq(functools.reduce(operator.and_, spaces))
        for consumer in consumers:
            m.d.comb += [
                _port(*consumer, "i_valid").eq(stage.o_valid),
                _port(*consumer, "i_data").eq(stage.o_data),
                _port(*consumer, "i_last").eq(stage.o_last),
                _port(*consumer, "i_reserve").eq(stage.o_reserve),
            ]
            if hasattr(stage, "o_beta"):
                m.d.comb += _port(*consumer, "i_beta").eq(stage.o_beta)


def _port(stage, port, name):
    """A port of one of a stage's inputs."""
    return getattr(stage, named(name, port))
