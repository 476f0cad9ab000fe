"""Clock generators: settings that make one frequency of another, and the primitive with them."""

import dataclasses
import itertools

from amaranth import ClockSignal, Const, Instance, Module, Signal

from ternloom.boards.error import BoardError


__all__ = ["Pll", "solve"]


#: Largest relative error of a frequency that a PLL may make in place of the one asked for.
_TOLERANCE = 0.02


@dataclasses.dataclass(frozen=True)
class Pll:
    """Settings of a family's PLL.

    Parameters
    ----------
    family : str
    crystal : int
        Input frequency in Hz.
    frequency : float
        Output frequency in Hz.
    settings : dict of str to int
        By the names of the family's data sheet.
    """

    family: str
    crystal: int
    frequency: float
    settings: dict[str, int]

    def instance(self, m: Module, clock: Signal) -> Signal:
        """Add the primitive to a module.

        Parameters
        ----------
        m : Module
            Whose ``sync`` domain gets the clock.
        clock : Signal (1)
            The board's clock pin.

        Returns
        -------
        Signal (1)
            High when the output is stable.
        """
        locked = Signal()
        make = {"ice40": _ice40_instance, "ecp5": _ecp5_instance, "gowin": _gowin_instance}
        m.submodules.pll = make[self.family](self, clock, ClockSignal("sync"), locked)
        return locked


def solve(family: str, crystal: int, frequency: float) -> Pll | None:
    """Settings of the nearest frequency that a family's PLL makes.

    Parameters
    ----------
    family : str
    crystal, frequency : float
        In Hz.

    Returns
    -------
    Pll or None
        None when the crystal is what was asked for.

    Raises
    ------
    BoardError
        When the nearest is more than two percent away.
    """
    if frequency == crystal:
        return None
    candidates = {"ice40": _ice40_settings, "ecp5": _ecp5_settings, "gowin": _gowin_settings}
    best = min(candidates[family](crystal, frequency), default=None,
               key=lambda candidate: (abs(candidate[0] - frequency), *candidate[1].values()))
    if best is None or abs(best[0] - frequency) > _TOLERANCE * frequency:
        nearest = "" if best is None else f" (the nearest is {best[0] / 1e6:g} MHz)"
        raise BoardError(f"frequency must be one that the PLL makes of {crystal / 1e6:g} MHz"
                         f"{nearest}, not {frequency / 1e6:g} MHz")
    return Pll(family, crystal, *best)


def _ice40_settings(crystal, frequency):
    """SB_PLL40, simple feedback: VCO 533 to 1066 MHz, phase detector 10 to 133 MHz."""
    for divr, divq in itertools.product(range(16), range(1, 7)):
        reference = crystal / (divr + 1)
        divf = round(frequency * 2**divq / reference) - 1
        if not (10e6 <= reference <= 133e6 and 0 <= divf <= 127):
            continue
        if 533e6 <= reference * (divf + 1) <= 1066e6:
            limits = (17e6, 26e6, 44e6, 66e6, 101e6)
            band = 1 + sum(reference >= limit for limit in limits)
            yield (reference * (divf + 1) / 2**divq,
                   {"DIVR": divr, "DIVF": divf, "DIVQ": divq, "FILTER_RANGE": band})


def _ecp5_settings(crystal, frequency):
    """EHXPLLL, CLKOP fed back, CLKOS put out: VCO 400 to 800 MHz, phase detector from 10 MHz."""
    for divider, multiplier in itertools.product(range(1, 3), range(1, 81)):
        oscillator = crystal / divider * multiplier
        output_divider = round(oscillator / frequency)
        if not (crystal >= 10e6 * divider and 1 <= output_divider <= 128):
            continue
        if 400e6 <= oscillator <= 800e6:
            yield (oscillator / output_divider,
                   {"CLKI_DIV": divider, "CLKOP_DIV": multiplier, "CLKOS_DIV": output_divider})


def _gowin_settings(crystal, frequency):
    """rPLL of GW1N-9C C6/I5: VCO 400 to 1200 MHz, phase detector 3 to 400 MHz."""
    output_dividers = (2, 4, 8, 16, 32, 48, 64, 80, 96, 112, 128)
    for divider, output_divider in itertools.product(range(64), output_dividers):
        reference = crystal / (divider + 1)
        feedback = round(frequency / reference) - 1
        if not (3e6 <= reference <= 400e6 and 0 <= feedback <= 63):
            continue
        output = reference * (feedback + 1)
        if 400e6 <= output * output_divider <= 1200e6:
            yield output, {"IDIV_SEL": divider, "FBDIV_SEL": feedback, "ODIV_SEL": output_divider}


def _ice40_instance(pll, clock, output, locked):
    widths = {"DIVR": 4, "DIVF": 7, "DIVQ": 3, "FILTER_RANGE": 3}
    return Instance("SB_PLL40_PAD",
        p_FEEDBACK_PATH="SIMPLE",
        **{f"p_{name}": Const(value, widths[name]) for name, value in pll.settings.items()},
        i_PACKAGEPIN=clock, i_RESETB=Const(1), i_BYPASS=Const(0),
        o_PLLOUTGLOBAL=output, o_LOCK=locked)


def _ecp5_instance(pll, clock, output, locked):
    feedback = Signal()
    return Instance("EHXPLLL",
        a_FREQUENCY_PIN_CLKI=f"{pll.crystal / 1e6:g}",
        a_FREQUENCY_PIN_CLKOS=f"{pll.frequency / 1e6:g}",
        a_ICP_CURRENT="12", a_LPF_RESISTOR="8",
        **{f"p_{name}": value for name, value in pll.settings.items()},
        p_CLKFB_DIV=1, p_CLKOP_ENABLE="ENABLED", p_CLKOS_ENABLE="ENABLED",
        # A phase counter of the divider less one is no shift.
        p_CLKOP_CPHASE=pll.settings["CLKOP_DIV"] - 1, p_CLKOP_FPHASE=0,
        p_CLKOS_CPHASE=pll.settings["CLKOS_DIV"] - 1, p_CLKOS_FPHASE=0,
        p_FEEDBK_PATH="CLKOP",
        i_CLKI=clock, i_CLKFB=feedback, i_RST=Const(0), i_STDBY=Const(0), i_PLLWAKESYNC=Const(0),
        i_PHASESEL0=Const(0), i_PHASESEL1=Const(0), i_PHASEDIR=Const(0), i_PHASESTEP=Const(0),
        i_PHASELOADREG=Const(0), i_ENCLKOP=Const(0), i_ENCLKOS=Const(0),
        o_CLKOP=feedback, o_CLKOS=output, o_LOCK=locked)


def _gowin_instance(pll, clock, output, locked):
    return Instance("rPLL",
        p_FCLKIN=f"{pll.crystal / 1e6:g}", p_DEVICE="GW1NR-9C",
        **{f"p_{name}": value for name, value in pll.settings.items()},
        p_CLKFB_SEL="internal", p_DYN_FBDIV_SEL="false", p_DYN_IDIV_SEL="false",
        p_DYN_ODIV_SEL="false",
        i_CLKIN=clock, i_CLKFB=Const(0), i_RESET=Const(0), i_RESET_P=Const(0),
        i_FBDSEL=Const(0, 6), i_IDSEL=Const(0, 6), i_ODSEL=Const(0, 6), i_PSDA=Const(0, 4),
        i_FDLY=Const(0, 4), i_DUTYDA=Const(0, 4),
        o_CLKOUT=output, o_LOCK=locked)
