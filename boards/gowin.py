"""What a netlist for Gowin must be made of so that nextpnr's timing analysis sees its paths.

Read off the nets with a path in nextpnr's report (``--detailed-timing-report``), version 0.11.
"""

__all__ = ["MEMORIES", "TABLES"]


#: Forms of block RAM for Yosys' ``memory_libmap``. nextpnr times the addresses of one port of the
#: dual-port form only, and both of the others'; with Yosys' own list a memory of at most 18 bits
#: with a write and a read port becomes the former, which costs the same.
MEMORIES = """\
ram block $__GOWIN_SP_ {
  abits 14;
  widths 1 2 4 9 18 36 per_port;
  cost 128;
  byte 9;
  init no_undef;
  port srsw "A" {
    clock posedge;
    clken;
    rdsrst zero ungated;
    rdinit zero;
    portoption "WRITE_MODE" 0 { rdwr no_change; }
    portoption "WRITE_MODE" 1 { rdwr new; }
    portoption "WRITE_MODE" 2 { rdwr old; }
    wrbe_separate;
  }
}

ram block $__GOWIN_SDP_ {
  abits 14;
  widths 1 2 4 9 18 36 per_port;
  cost 128;
  byte 9;
  init no_undef;
  port sr "R" {
    clock posedge;
    clken;
    rdsrst zero ungated;
    rdinit zero;
  }
  port sw "W" {
    clock posedge;
    clken;
    wrbe_separate;
  }
}
"""

_TABLE = """\
module LUT{inputs} (F, {ports});
parameter INIT = 0;
output F;
input {ports};
LUT4 #(.INIT({{{copies}{{INIT[{last}:0]}}}})) _TECHMAP_REPLACE_ (.F(F), {connections});
endmodule
"""


def _table(inputs):
    ports = [f"I{index}" for index in range(inputs)]
    return _TABLE.format(inputs=inputs, ports=", ".join(ports), copies=16 >> inputs,
                         last=(1 << inputs) - 1,
                         connections=", ".join(f".{port}({port})" for port in ports))


#: Techmap that makes a four-input table of every smaller one, with inputs that do not matter:
#: nextpnr knows the delay of those alone, and leaves out the paths through others.
TABLES = "".join(_table(inputs) for inputs in (1, 2, 3))
