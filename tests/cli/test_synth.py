"""What the outcome of synth says of speed."""

import types

from ternloom.boards.report import Clock
from ternloom.boards.shape import CoreShape
from ternloom.cli import synth
from ternloom.model.draw import random_network
from ternloom.model.network import When


def test_speed():
    """The core at the clock that it runs at, and the slower direction of the link."""
    shape = CoreShape("core", 6, 16, 2, beats=6, classes=4)
    network = random_network(1, layers=1, classes=4, when=When.LAST)
    result = types.SimpleNamespace(clock=Clock(41.25, 24.0), baud=115_200)
    assert synth.speed(result, network, 768.0, shape) == {
        "step": {"cycles": 768.0, "clock": 24.0, "microseconds": 32.0},
        "link": {"baud": 115_200, "request_bytes": 7, "answer_bytes": 9,
                 "microseconds": 7e7 / 115_200}}
    network = random_network(1, layers=1, classes=4, when=When.EVERY)
    assert synth.speed(result, network, 768.0, shape)["link"]["microseconds"] == 9e7 / 115_200
    alone = types.SimpleNamespace(clock=Clock(48.0, 30.0), baud=None)
    assert synth.speed(alone, network, 768.0, shape) == {
        "step": {"cycles": 768.0, "clock": 48.0, "microseconds": 16.0}, "link": None}


def test_speed_text():
    data = {"board": "tang-nano-9k", "top": "uart", "bitstream": "core.fs", "program": "load {}",
            "clock": {"achieved": 61.5, "asked": 27.0}, "untimed": "paths out of block RAM",
            "step": {"cycles": 768.0, "clock": 27.0, "microseconds": 768 / 27},
            "link": {"baud": 115_200, "request_bytes": 7, "answer_bytes": 9,
                     "microseconds": 7e7 / 115_200}, "utilization": {}}
    assert synth.clock(data) == \
        "runs at 27 MHz; place and route reached 61.5 MHz"
    assert synth.speed_lines(data) == [
        ("not timed", "paths out of block RAM"),
        ("time step", "768 cycles, 28.4 us at 27 MHz"),
        ("serial link", "608 us per step at 115,200 baud, 7 bytes to the board, "
                        "9 bytes per answer")]
    alone = data | {"bitstream": None, "untimed": "", "link": None}
    assert synth.clock(alone) == "61.5 MHz reached, 27 MHz asked for"
    assert synth.speed_lines(alone) == [("time step", "768 cycles, 28.4 us at 27 MHz")]
