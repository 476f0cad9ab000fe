"""Where every weight lies and when every word moves: folding, schedule, ROM images, timing."""

import lazy_loader


__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "folding": ["Folding", "FoldingError", "LayerFolding"],
        "geometry": ["Geometry"],
        "image": ["Image"],
        "mapping": ["Mapping"],
        "stream": ["Stream"],
        "timing": ["Timing"],
    })
