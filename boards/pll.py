"""Clock generators: settings that make one frequency of another, as each family has them."""

import dataclasses

from amaranth import ClockSignal, Module, Signal

from ternloom.boards.error import BoardError
from ternloom.boards.family import FAMILIES


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
        m.submodules.pll = FAMILIES[self.family].pll_instance(self, clock, ClockSignal("sync"),
                                                              locked)
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
    best = min(FAMILIES[family].pll_settings(crystal, frequency), default=None,
               key=lambda candidate: (abs(candidate[0] - frequency), *candidate[1].values()))
    if best is None or abs(best[0] - frequency) > _TOLERANCE * frequency:
        nearest = "" if best is None else f"; the nearest is {best[0] / 1e6:g} MHz"
        raise BoardError(f"the PLL cannot make {frequency / 1e6:g} MHz from {crystal / 1e6:g} MHz"
                         f"{nearest}")
    return Pll(family, crystal, *best)
