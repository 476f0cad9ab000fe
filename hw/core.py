"""The core: a whole network between two AXI4-Streams."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ternloom.hw.layer import RecurrentLayer
from ternloom.hw.output import CodeOutput
from ternloom.hw.readout import DenseReadout
from ternloom.mapping.image import network_images
from ternloom.mapping.stream import input_stream, output_stream


__all__ = ["Core"]


class Core(wiring.Component):
    """Recurrent layers and readout in a row.

    Parameters
    ----------
    network : Network
    folding : Folding

    Members
    -------
    s_axis_tdata, s_axis_tvalid, s_axis_tready, s_axis_tlast
        Beats of ``input_lanes`` codes, ``ceil(inputs / input_lanes)`` a vector; ``tlast`` with the
        last beat of a sequence. It ends a vector early too: what lacks is taken as zero bits, one
        beat a cycle. Not ready in reset.
    m_axis_tdata, m_axis_tvalid, m_axis_tready, m_axis_tlast, m_axis_tuser
        One logit a beat; ``tuser`` is the index of the largest up to it. Without a readout a beat
        of codes of the last layer for each of its chains' units; coefficients that come with the
        codes precede them, one a beat, with a ``tuser`` of 1. Not valid in reset.
    error : 1
        A vector was ended early, from the cycle after its last beat until the next reset.

    Raises
    ------
    FoldingError
        If the folding does not belong to the network.
    """

    def __init__(self, network, folding):
        folding.check(network)
        self._network  = network
        self._images = network_images(network, folding)
        taken, given = input_stream(network, folding), output_stream(network, folding)
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

    @property
    def network(self):
        return self._network

    @property
    def images(self):
        """One a layer, then the readout's if there is one."""
        return self._images

    def elaborate(self, platform):
        m = Module()

        stages = []
        for index, layer in enumerate(self._network.layers):
            stage = RecurrentLayer(layer, self._images[index], fills=index == 0)
            m.submodules[f"layer{index}"] = stage
            stages.append(stage)
        if self._network.readout is not None:
            final = DenseReadout(self._network.readout, self._images[-1])
            m.submodules.readout = final
        else:
            final = CodeOutput(self._network.layers[-1], self._images[-1].geometry)
            m.submodules.output = final
        stages.append(final)

        m.d.comb += [
            self.s_axis_tready.eq(stages[0].o_ready & ~ResetSignal()),
            stages[0].i_valid.eq(self.s_axis_tvalid & self.s_axis_tready),
            stages[0].i_data.eq(self.s_axis_tdata),
            stages[0].i_last.eq(self.s_axis_tlast),
        ]
        m.d.sync += self.error.eq(self.error | stages[0].o_short)
        for before, after in zip(stages, stages[1:]):
            m.d.comb += [
                after.i_valid.eq(before.o_valid),
                after.i_data.eq(before.o_data),
                after.i_last.eq(before.o_last),
                after.i_reserve.eq(before.o_reserve),
                before.i_space.eq(after.o_space),
            ]
            if hasattr(before, "o_beta"):
                m.d.comb += after.i_beta.eq(before.o_beta)
        m.d.comb += [
            self.m_axis_tvalid.eq(final.o_valid & ~ResetSignal()),
            self.m_axis_tdata.eq(final.o_data.data),
            self.m_axis_tuser.eq(final.o_data.user),
            self.m_axis_tlast.eq(final.o_data.last),
            final.i_ready.eq(self.m_axis_tready),
        ]

        return m
