"""Reading and writing: networks, float networks, data, texts, and what others write."""

import lazy_loader


__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["dataset", "floats", "network", "shipped", "text"],
    submod_attrs={
        "dataset": ["Dataset", "DatasetError"],
        "text": ["TextError"],
    })
