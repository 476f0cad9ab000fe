"""Clock generators: settings against the limits and formulas of the data sheets."""

import pytest
from amaranth import ClockDomain, Module, Signal
from amaranth.back import verilog

from ternloom.boards.error import BoardError
from ternloom.boards.pll import solve


def ice40_frequency(crystal, s):
    return crystal * (s["DIVF"] + 1) / (s["DIVR"] + 1) / 2 ** s["DIVQ"]


def ecp5_frequency(crystal, s):
    return crystal / s["CLKI_DIV"] * s["CLKOP_DIV"] / s["CLKOS_DIV"]


def gowin_frequency(crystal, s):
    return crystal * (s["FBDIV_SEL"] + 1) / (s["IDIV_SEL"] + 1)


def ice40_oscillator(crystal, s):
    return ice40_frequency(crystal, s) * 2 ** s["DIVQ"], 533e6, 1066e6


def ecp5_oscillator(crystal, s):
    return ecp5_frequency(crystal, s) * s["CLKOS_DIV"], 400e6, 800e6


def gowin_oscillator(crystal, s):
    return gowin_frequency(crystal, s) * s["ODIV_SEL"], 400e6, 1200e6


FAMILIES = {
    "ice40": (12_000_000, ice40_frequency, ice40_oscillator),
    "ecp5": (25_000_000, ecp5_frequency, ecp5_oscillator),
    "gowin": (27_000_000, gowin_frequency, gowin_oscillator),
}


@pytest.mark.parametrize("megahertz", [20, 24, 30, 36, 48, 50, 54, 60, 75, 80, 100])
@pytest.mark.parametrize("family", FAMILIES)
def test_settings(family, megahertz):
    crystal, frequency, oscillator = FAMILIES[family]
    pll = solve(family, crystal, megahertz * 1_000_000)
    assert frequency(crystal, pll.settings) == pytest.approx(pll.frequency, rel=1e-12)
    assert abs(pll.frequency / megahertz / 1e6 - 1) <= 0.02
    made, low, high = oscillator(crystal, pll.settings)
    assert low <= round(made) <= high


def test_icebreaker_settings():
    """The settings that Project IceStorm's icepll gives for 12 and 24 MHz."""
    pll = solve("ice40", 12_000_000, 24_000_000)
    assert pll.settings == {"DIVR": 0, "DIVF": 63, "DIVQ": 5, "FILTER_RANGE": 1}


@pytest.mark.parametrize("family", FAMILIES)
def test_crystal(family):
    assert solve(family, 12_000_000, 12_000_000) is None


@pytest.mark.parametrize(("family", "nearest"), [("ice40", ""), ("gowin", ""),
                                                 ("ecp5", "; the nearest is 800 MHz")])
def test_unreachable(family, nearest):
    crystal = FAMILIES[family][0]
    with pytest.raises(BoardError) as error:
        solve(family, crystal, 900_000_000)
    assert str(error.value) == (f"the PLL cannot make 900 MHz from {crystal / 1e6:g} MHz"
                                f"{nearest}")


@pytest.mark.parametrize(("family", "primitive"),
                         [("ice40", "SB_PLL40_PAD"), ("ecp5", "EHXPLLL"), ("gowin", "rPLL")])
def test_primitive(family, primitive):
    crystal = FAMILIES[family][0]
    pll = solve(family, crystal, 60_000_000)
    m = Module()
    m.domains.sync = ClockDomain(reset_less=True)
    clock = Signal()
    toggle = Signal()
    locked = pll.instance(m, clock)
    m.d.sync += toggle.eq(~toggle & locked)
    text = verilog.convert(m, ports=[clock, toggle])
    assert f"{primitive} #(" in text
    for name in pll.settings:
        assert f".{name}(" in text
