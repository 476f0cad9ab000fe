"""Test vectors of a generated core, and a plain Verilog bench that plays them.

They let any simulator check the core with no Python near it: ``input.hex`` has one line a beat,
``{tlast, tdata}``, ``output.hex`` one line a transfer, ``{tlast, tuser, tdata}``, and
``cycles.hex`` the cycle of each output transfer, all of them in hexadecimal for ``$readmemh``.
"""

import pathlib

from ternloom.sim.case import Case, beat_width


__all__ = ["write"]

_BENCH = """\
// Plays input.hex into {name} and holds what comes out against output.hex and cycles.hex.
// iverilog -o ../../bench.vvp testbench.v ../{name}.v && vvp ../../bench.vvp    (in this folder)
`timescale 1ns/1ps
module testbench;
  reg clk = 0, rst = 1;
  always #5 clk = ~clk;

  reg [{input_bits}:0] inputs [0:{last_input}];
  reg [{output_bits}:0] outputs [0:{last_output}];
  reg [63:0] cycles [0:{last_output}];
  reg [{input_bits}:0] beat;
  reg [{output_bits}:0] wanted;
  wire s_axis_tready, m_axis_tvalid, m_axis_tlast;
  wire [{user_high}:0] m_axis_tuser;
  wire [{data_high}:0] m_axis_tdata;
  wire [{output_bits}:0] seen = {{m_axis_tlast, m_axis_tuser, m_axis_tdata}};
  integer sent = 0, received = 0, errors = 0;
  reg [63:0] cycle = 0;

  {name} core (
    .clk(clk), .rst(rst),
    .s_axis_tdata(beat[{input_high}:0]), .s_axis_tlast(beat[{input_bits}]),
    .s_axis_tvalid(!rst && sent <= {last_input}), .s_axis_tready(s_axis_tready),
    .m_axis_tdata(m_axis_tdata), .m_axis_tuser(m_axis_tuser), .m_axis_tlast(m_axis_tlast),
    .m_axis_tvalid(m_axis_tvalid), .m_axis_tready(1'b1));

  initial begin
    $readmemh("input.hex", inputs);
    $readmemh("output.hex", outputs);
    $readmemh("cycles.hex", cycles);
    beat = inputs[0];
    repeat (4) @(posedge clk);
    #1 rst = 0;
  end

  always @(posedge clk) if (!rst) begin
    cycle <= cycle + 1;
    if (m_axis_tvalid) begin
      wanted = outputs[received];
      if (seen !== wanted || cycle !== cycles[received]) begin
        errors = errors + 1;
        $display("transfer %0d: cycle %0d, expected %0d; value %h, expected %h", received,
                 cycle, cycles[received], seen, wanted);
      end
      received = received + 1;
      if (received > {last_output} || errors > 9) begin
        $display("%s: %0d of {transfers} transfers seen, %0d wrong",
                 errors ? "FAILED" : "passed", received, errors);
        $finish;
      end
    end
    if (s_axis_tready && sent <= {last_input}) begin
      #1 sent = sent + 1;
      if (sent <= {last_input}) beat = inputs[sent];
    end
    if (cycle > {timeout}) begin
      $display("FAILED: timeout, %0d of {transfers} transfers seen", received);
      $finish;
    end
  end
endmodule
"""


def write(folder, mapping, name, sequences):
    """Write the vectors of some sequences, back to back, and the bench.

    Parameters
    ----------
    folder : path
    mapping : Mapping
    name : str
        Top module.
    sequences : list of int arrays (steps, inputs)

    Returns
    -------
    dict
        Counts of sequences, beats, transfers and cycles.
    """
    folder = pathlib.Path(folder)
    folder.mkdir()
    case = Case(mapping, tuple(sequences))
    input_bits, data_bits, user_bits = beat_width(mapping)
    beats = list(_beats(case, input_bits))
    transfers = list(_transfers(case, data_bits, user_bits))
    cycles = case.cycles()[1]
    for file, words in (("input", beats), ("output", transfers), ("cycles", cycles)):
        (folder / f"{file}.hex").write_text("".join(f"{word:x}\n" for word in words))
    (folder / "testbench.v").write_text(_BENCH.format(
        name=name, input_bits=input_bits, input_high=input_bits - 1, last_input=len(beats) - 1,
        output_bits=data_bits + user_bits, data_high=data_bits - 1, user_high=user_bits - 1,
        last_output=len(transfers) - 1, transfers=len(transfers), timeout=cycles[-1] + 1000))
    return {"sequences": len(sequences), "beats": len(beats), "transfers": len(transfers),
            "cycles": cycles[-1] + 1}


def _beats(case, data_bits):
    """Input beats, tlast above the data."""
    words, last = case.beats
    last = set(last)
    for index, word in enumerate(words):
        yield (index in last) << data_bits | word


def _transfers(case, data_bits, user_bits):
    """Output transfers, tlast above tuser above the data."""
    for transfer in case.transfers:
        yield (transfer.last << user_bits | transfer.user) << data_bits | transfer.data
