"""Amaranth components, from processing element to network top, and Verilog emission."""
