"""Reports: what becomes of the tools' JSON."""

import pytest

from ternloom.boards import report
from ternloom.boards.error import BoardError
from ternloom.boards.family import ECP5, ICE40
from ternloom.boards.report import Clock, Hop, Usage


def hop(kind, delay, cell, net=None):
    found = {"type": kind, "delay": delay, "from": {"cell": cell, "port": "A"},
             "to": {"cell": cell, "port": "Q"}}
    return found | ({"net": net} if net else {})


PATH = [
    hop("clk-to-q", 0.5, "core.a_TRELLIS_FF_Q"),
    hop("routing", 1.0, "core.a_TRELLIS_FF_Q", "core.a[3]"),
    hop("logic", 0.25, "core.b_CCU2C_S0"),
    hop("routing", 0.0, "core.b_CCU2C_S0", "core.b_CCU2C_S0_COUT"),
    hop("logic", 0.25, "core.b_CCU2C_S1"),
    hop("routing", 2.0, "core.b_CCU2C_S1", "core.b_CCU2C_S0_A1_LUT4_Z[1]"),
    hop("setup", 0.125, "core.c_TRELLIS_FF_Q"),
]

REPORT = {
    "critical_paths": [
        {"from": "posedge clk", "to": "posedge clk", "path": PATH},
        {"from": "<async>", "to": "posedge clk", "path": [hop("routing", 99.0, "rx", "rx")]},
    ],
    "fmax": {"clk": {"achieved": 242.5, "constraint": 100.0}},
    "utilization": {
        "TRELLIS_COMB": {"used": 10, "available": 100},
        "TRELLIS_FF": {"used": 7, "available": 100},
        "DP16KD": {"used": 3, "available": 2},
        "MULT18X18D": {"used": 9, "available": 4},
        "TRELLIS_IO": {"used": 2, "available": 50},
    },
}


def test_utilization():
    assert report.utilization(REPORT, ECP5) == {
        "LUT": Usage(10, 100), "FF": Usage(7, 100), "block RAM": Usage(3, 2), "DSP": Usage(9, 4),
        "pins": Usage(2, 50)}


def test_absent_resource():
    assert report.utilization(REPORT, ICE40)["DSP"] == Usage(0, 0)


def test_overflow():
    usage = report.utilization(REPORT, ECP5)
    assert report.first_overflow(usage) == ("DSP", Usage(9, 4))
    assert report.first_overflow({"LUT": Usage(5, 5)}) is None


def test_clock():
    assert report.clock(REPORT, 300.0) == Clock(242.5, 300.0)
    assert not report.clock(REPORT, 300.0).met
    assert report.clock(REPORT, 200.0).met


def test_clock_absent():
    with pytest.raises(BoardError, match="^the design has no path between registers"):
        report.clock({"fmax": {}}, 100.0)


def test_critical_path():
    assert report.critical_path(REPORT) == (
        Hop("core.a[3]", 0.5, 1.0), Hop("core.b[1]", 0.5, 2.0), Hop("core.c", 0.125, 0.0))
    assert report.critical_path({"critical_paths": []}) == ()


def test_cells():
    statistics = {"design": {"num_cells_by_type": {"LUT4": 3, "CCU2C": 1}}}
    assert report.cells(statistics) == {"CCU2C": 1, "LUT4": 3}
    with pytest.raises(BoardError, match="^Yosys's statistics have no cell counts by type$"):
        report.cells({})


@pytest.mark.parametrize("text", [None, "", "{", "not json"])
def test_damaged(tmp_path, text):
    path = tmp_path / "report.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(BoardError) as error:
        report.read_json(path)
    assert str(error.value) == "report.json is missing or damaged"
