"""From floats to integers: the methods of the papers, calibration, lowering."""

import lazy_loader


__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["activations", "forward", "weights"],
    submod_attrs={
        "calibration": ["Calibration", "calibrate"],
        "floats": ["FloatLayer", "FloatNetwork"],
        "lowering": ["lower"],
        "quantizer": ["MatrixQuantizer"],
        "spec": ["QuantizationSpec"],
    })
