"""Quantize only the weights of a trained language model, by method after method.

    python -m ternloom.train.posttraining ptb-lstm-float.safetensors TEXTS results.json

This is the protocol of tables 1 and 2 of Xu et al. 2018: embedding, input, recurrent and softmax
weights are quantized row by row, activations and biases stay as they are, and nothing is trained
after it. Results are added to the file as they come, so that the command goes on where it was
stopped.
"""

import argparse
import json
import math
import pathlib

import numpy as np
import torch

from ternloom.files import durable, floats
from ternloom.model.error import NetworkError
from ternloom.quantize.codes import relative_error
from ternloom.quantize.weights import parse
from ternloom.train.corpus import Corpus
from ternloom.train.recipe import RecipeError
from ternloom.train.start import load_floats
from ternloom.train.word import LanguageNetwork, perplexity


__all__ = ["METHODS", "main", "measure", "quantized"]


#: Methods of the paper's tables by their names there.
METHODS = {"uniform": "uniform:{}", "balanced": "balanced:{}", "greedy": "greedy:{}",
           "refined": "refined:{}", "alternating": "alternating:{}:2:greedy-start"}
_BITS = (2, 3, 4)
#: Parts of the text that are run side by side, each from a cleared state.
_STREAMS = 10


def _matrices(network):
    """The weights that are quantized, by name."""
    layer = network.layers[0]
    return {"embedding": network.embedding, "input": layer.input_weight,
            "recurrent": layer.recurrent_weight, "softmax": network.readout_weight}


def quantized(network, method):
    """Quantize the weights of a network in place.

    Parameters
    ----------
    network : LanguageNetwork
        In floating point, of one layer.
    method : Method

    Returns
    -------
    dict of str to float
        Relative square error of each matrix, and of all together as ``all``.
    """
    errors, power, lost = {}, 0.0, 0.0
    for name, parameter in _matrices(network).items():
        latent = parameter.detach().numpy().copy()
        codes = method.fit(latent)
        errors[name] = relative_error(latent, codes)
        square = float(np.square(latent, dtype=np.float64).sum())
        power, lost = power + square, lost + errors[name] * square
        parameter.data.copy_(torch.from_numpy(codes.reconstruct()))
    return errors | {"all": lost / power}


def measure(network, tokens):
    """Perplexity per word of a text."""
    return math.exp(perplexity(network.eval(), tokens, _STREAMS)[0])


def _network(path):
    """A float network file as a ``LanguageNetwork``."""
    stored = floats.load(path)
    if stored.embedding is None or len(stored.layers) != 1 or not stored.classes:
        raise RecipeError(f"Float network {path} is not a language model of one layer")
    network = LanguageNetwork(stored.layers[0].cell, len(stored.embedding), stored.inputs,
                              stored.layers[0].units, 1)
    load_floats(network, path)
    return network


def _write(path, results):
    with durable.replacing(path) as partial:
        partial.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def main(arguments=None):
    """Measure what is still missing in a file of results."""
    parser = argparse.ArgumentParser(prog="python -m ternloom.train.posttraining",
                                     description=__doc__.partition("\n")[0])
    parser.add_argument("network", metavar="FLOAT", type=pathlib.Path, help="float network")
    parser.add_argument("texts", metavar="TEXTS", type=pathlib.Path,
                        help="folder of the texts *train.txt, *valid.txt and *test.txt")
    parser.add_argument("path", metavar="PATH", type=pathlib.Path, help="file of results, JSON")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    try:
        results = json.loads(options.path.read_text()) if options.path.exists() else {}
        corpus = Corpus.load(options.texts)
        network = _network(options.network)
        original = {name: value.clone() for name, value in network.state_dict().items()}
        for name, text, bits in [("float", None, 32), *(
                (name, pattern.format(bits), bits) for name, pattern in METHODS.items()
                for bits in _BITS)]:
            if f"{name} {bits}" in results:
                continue
            network.load_state_dict(original)
            errors = {} if text is None else quantized(network, parse(text))
            tokens = torch.tensor(corpus.parts["test"])
            results[f"{name} {bits}"] = {"perplexity": measure(network, tokens), "errors": errors}
            _write(options.path, results)
            print(f"{name} {bits}: {results[f'{name} {bits}']['perplexity']:.1f}", flush=True)
    except (OSError, ValueError, NetworkError) as error:
        parser.exit(2, f"{error}\n")


if __name__ == "__main__":
    main()
