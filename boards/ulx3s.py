"""ULX3S-85F: Lattice ECP5 LFE5U-85F of speed grade 6, 84k LUTs, 208 block RAMs."""

from amaranth_boards.ulx3s import ULX3S_85F_Platform

from ternloom.boards.board import Board, amaranth_pin
from ternloom.boards.family import ECP5


__all__ = ["ULX3S_85F"]


ULX3S_85F = Board(
    name="ulx3s-85f",
    title="ULX3S-85F (ECP5)",
    family=ECP5,
    part=("85k", "CABGA381", "6"),
    capacity={"LUT": 83_640, "FF": 83_640, "block RAM": 208, "DSP": 156},
    crystal=25_000_000,
    pins={
        "clk": amaranth_pin(ULX3S_85F_Platform, "clk25"),
        "rx":  amaranth_pin(ULX3S_85F_Platform, "uart", "rx"),
        "tx":  amaranth_pin(ULX3S_85F_Platform, "uart", "tx"),
        "led": amaranth_pin(ULX3S_85F_Platform, "led"),
    },
    goal=130.0,
    frequency=75.0,
    baud=115_200,
    program="openFPGALoader -b ulx3s {}",
)
