"""What a network is and computes, in integers: formats, matrices, cells, the golden model."""

import lazy_loader


__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["bounds", "golden"],
    submod_attrs={
        "error": ["NetworkError"],
        "format": ["Binary", "Fixed", "Format", "Online", "Planes", "Ternary"],
        "golden": ["Session"],
        "matrix": ["Matrix", "Weight"],
        "mistake": ["Mistake"],
        "network": ["Cell", "Layer", "Network", "Precision", "Readout", "When"],
        "random": ["random_network", "random_sequences"],
        "rounding": ["Overflow", "Rounding"],
    })
