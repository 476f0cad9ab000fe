"""The core: a whole network between two AXI4-Streams."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect

from ternloom.hw.interface import Beats, fork
from ternloom.hw.layer import RecurrentLayer
from ternloom.hw.output import CodeOutput, Turns, beat_layout
from ternloom.hw.readout import DenseReadout
from ternloom.model.network import INPUT
from ternloom.model.node import Layer, Readout, rule
from ternloom.model.node.operand import named


__all__ = ["Core"]


#: What a node of each kind is in gates.
_STAGES = {Layer: RecurrentLayer, Readout: DenseReadout}


class Core(wiring.Component):
    """All nodes of a network, each an array of its own.

    Parameters
    ----------
    mapping : Mapping

    Members
    -------
    s_axis_tdata, s_axis_tvalid, s_axis_tready, s_axis_tlast
        Beats of ``input_slots`` codes, ``ceil(inputs / input_slots)`` a vector; ``tlast`` with the
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
        self._taken, given = mapping.taken, mapping.given
        super().__init__({
            "s_axis_tdata":  In(self._taken.data_width),
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
        network = self._network

        stages = {}
        for node, image in zip(network.nodes, self._images, strict=True):
            make = rule(_STAGES, node.body)
            streamed = tuple(port for port, name in enumerate(node.inputs) if name == INPUT)
            m.submodules[node.name] = stages[node.name] = make(node.body, image, streamed=streamed)
        final = self._end(m, stages)

        self._feed(m, self._takers(stages, INPUT))
        for node in network.nodes:
            if not node.body.gives_logits:
                fork(m, stages[node.name].o, self._takers(stages, node.name) or [final.i])
        m.d.comb += [
            self.m_axis_tvalid.eq(final.o.valid & ~ResetSignal()),
            self.m_axis_tdata.eq(final.o.payload.data),
            self.m_axis_tuser.eq(final.o.payload.user),
            self.m_axis_tlast.eq(final.o.payload.last),
            final.o.ready.eq(self.m_axis_tready),
        ]

        return m

    def _takers(self, stages, name):
        """Ports of all that take a node's vectors, or the core's input."""
        return [getattr(stages[self._network.nodes[index].name], named("i", port))
                for index, port in self._network.consumers(name)]

    def _end(self, m, stages):
        """What the output stream comes from."""
        outputs = self._network.outputs
        if not self._network.gives_logits:
            place = self._network.nodes.index(outputs[0])
            m.submodules.output = final = CodeOutput(outputs[0].body, self._images[place].geometry)
            return final
        ends = [stages[node.name] for node in outputs]
        if len(ends) == 1:
            return ends[0]
        widest = max(node.body.form.width for node in outputs)
        layout = beat_layout(signed(widest), len(self.m_axis_tuser))
        m.submodules.output = final = Turns(
            [(end.o.payload.shape(), node.body.size)
             for end, node in zip(ends, outputs, strict=True)], layout)
        for index, end in enumerate(ends):
            connect(m, end.o, getattr(final, named("i", index)))
        return final

    def _feed(self, m, takers):
        """Hand beats of the input stream to all that take it, when all can."""
        # The port has whole bytes.
        beats = Beats(self._taken.slots * self._taken.form.width).create()
        m.d.comb += [
            self.s_axis_tready.eq(beats.ready & ~ResetSignal()),
            beats.valid.eq(self.s_axis_tvalid & self.s_axis_tready),
            beats.data.eq(self.s_axis_tdata),
            beats.last.eq(self.s_axis_tlast),
        ]
        fork(m, beats, takers)
        m.d.sync += self.error.eq(self.error | beats.short)
