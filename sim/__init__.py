"""Simulation: cocotb benches, the runners of simulators, first-mismatch reports."""

import lazy_loader


__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "case": ["Case"],
        "run": ["Report", "simulate", "simulate_many"],
        "tools": ["SimulationError", "ToolNotFound"],
    })
