"""From recordings to data sets: reading raw values, windows, parts, and integer codes."""

import lazy_loader


__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["npz", "split", "table"],
    submod_attrs={
        "make": ["make"],
        "recordings": ["Recordings", "RecordingsError"],
    })
