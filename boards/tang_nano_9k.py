"""Tang Nano 9K: Gowin GW1NR-9C, 8640 LUTs, 26 block RAMs, 20 multipliers.

nextpnr 0.11 leaves some paths of this part out of its timing (``GOWIN.untimed``), so its clock is
an upper bound; the board's own clock leaves a wide margin.
"""

from amaranth_boards.tang_nano_9k import TangNano9kPlatform

from ternloom.boards.board import Board, amaranth_pin
from ternloom.boards.family import GOWIN


__all__ = ["TANG_NANO_9K"]


TANG_NANO_9K = Board(
    name="tang-nano-9k",
    title="Tang Nano 9K (GW1NR-9C)",
    family=GOWIN,
    part=(TangNano9kPlatform.part, "GW1N-9C"),
    capacity={"LUT": 8640, "ALU": 6480, "FF": 6480, "block RAM": 26, "DSP 18x18": 20,
              "DSP 9x9": 40},
    crystal=27_000_000,
    pins={
        "clk": amaranth_pin(TangNano9kPlatform, "clk27"),
        "rx":  amaranth_pin(TangNano9kPlatform, "uart", "rx"),
        "tx":  amaranth_pin(TangNano9kPlatform, "uart", "tx"),
        "led": amaranth_pin(TangNano9kPlatform, "led"),
    },
    goal=80.0,
    frequency=27.0,
    baud=115_200,
    program="openFPGALoader -b tangnano9k {}",
)
