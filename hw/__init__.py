"""Gates, and only gates: Amaranth components from processing element to core, and Verilog."""

import lazy_loader


__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "core": ["Core"],
        "verilog": ["Design", "generate"],
    })
