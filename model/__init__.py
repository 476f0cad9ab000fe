"""What a network is and computes, in integers: formats, matrices, cells, the golden model."""

import lazy_loader


__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["bounds", "golden"],
    submod_attrs={
        "alphabet": ["ALPHABETS", "Alphabet"],
        "cell": ["CELLS", "Cell"],
        "draw": ["random_graph", "random_network", "random_sequences"],
        "error": ["NetworkError"],
        "format": ["Binary", "Fixed", "Format", "Online", "Planes", "Ternary"],
        "golden": ["Session"],
        "matrix": ["Matrix"],
        "mistake": ["Mistake"],
        "node": ["Body"],
        "network": ["Layer", "Network", "Node", "Operand", "Readout", "When"],
        "precision": ["Precision"],
        "rounding": ["Overflow", "Rounding"],
    })
