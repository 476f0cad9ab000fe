"""How good a network is: accuracy, errors, perplexity, size, and what quantization lost."""

import lazy_loader


__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["accuracy", "answers", "check", "errors", "fidelity", "floats", "measure",
                "perplexity"],
    submod_attrs={
        "score": ["Accuracy", "Perplexity", "Rmse"],
        "size": ["network_size", "relative_errors"],
    })
