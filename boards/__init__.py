"""Boards: synthesis, place and route, bitstreams, and what a host exchanges with a core."""

import lazy_loader


__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["exchange", "link"],
    submod_attrs={
        "error": ["BoardError"],
        "flow": ["Plan", "Result", "build", "plan"],
        "registry": ["BOARDS"],
    })
