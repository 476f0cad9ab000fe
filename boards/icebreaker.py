"""iCEBreaker: Lattice iCE40 UP5K, 5280 logic cells, 30 block RAMs, 8 multipliers."""

from amaranth_boards.icebreaker import ICEBreakerPlatform

from ternloom.boards.board import Board, amaranth_pin
from ternloom.boards.family import ICE40


__all__ = ["ICEBREAKER"]


ICEBREAKER = Board(
    name="icebreaker",
    title="iCEBreaker (UP5K)",
    family=ICE40,
    part=("up5k", "sg48"),
    capacity={"logic cells": 5280, "block RAM": 30, "DSP": 8},
    crystal=12_000_000,
    pins={
        "clk": amaranth_pin(ICEBreakerPlatform, "clk12"),
        "rx":  amaranth_pin(ICEBreakerPlatform, "uart", "rx"),
        "tx":  amaranth_pin(ICEBreakerPlatform, "uart", "tx"),
        "led": amaranth_pin(ICEBreakerPlatform, "led_r"),
    },
    goal=30.0,
    frequency=24.0,
    baud=115_200,
    program="iceprog {}",
)
