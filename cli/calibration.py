"""Data that calibrate a conversion, and the accuracy on those that don't."""

import dataclasses
import math

import numpy as np

from ternloom.cli import source
from ternloom.cli.accuracy import measure
from ternloom.cli.error import UserError
from ternloom.model import forward, text
from ternloom.model.dataset import PARTS, Dataset
from ternloom.model.dataset import load as load_dataset
from ternloom.model.fidelity import measure as measure_fidelity
from ternloom.model.format import Format
from ternloom.model.frozen import Frozen
from ternloom.model.language import surprise
from ternloom.model.lower import calibrate, lower
from ternloom.model.weights import OttExponential, bounding_cost


__all__ = ["Calibrating", "accuracy", "convert", "fidelity", "float_perplexity", "float_share",
           "load", "unbounded", "whole"]

#: Words of a text that calibrate.
_WORDS = 5000
#: Steps of each sequence, or words of a text, on which both networks are compared.
_COMPARED = 1000
#: Words whose logits are held at a time.
_PIECE = 512


class Calibrating(Frozen):
    """Data to calibrate on.

    Parameters
    ----------
    title : str
    sequences : tuple of float array (steps, inputs)
        Real input values.
    codes : tuple of int array (steps, inputs) or (steps,)
        The same as the integer network reads them: codes, or words of its embedding.
    form : Format or None
        Of the network's input; None takes it from the embedding.
    dataset : Dataset or None
        Where the sequences are from, with all its parts.
    part : str
        The part that they are of.
    """

    title: str
    sequences: tuple
    codes: tuple
    form: Format | None = None
    dataset: Dataset | None = None
    part: str = "all"


def load(reference, chosen):
    """Read the data that a conversion's options name.

    Parameters
    ----------
    reference : FloatNetwork
    chosen : argparse.Namespace
        With ``calibration``, ``part``, ``clips`` and ``vocabulary``.

    Returns
    -------
    Calibrating
    """
    if reference.embedding is not None:
        return _load_text(reference, chosen)
    path = source.data_path(chosen.calibration)
    dataset = load_dataset(path)
    if dataset.inputs != reference.inputs:
        raise UserError(f"Data {dataset.name} has {dataset.inputs} inputs a step, float network "
                        f"{reference.name} takes {reference.inputs}")
    if reference.classes and len(dataset.classes) > reference.classes:
        raise UserError(f"Data {dataset.name} has {len(dataset.classes)} classes, float network "
                        f"{reference.name} knows {reference.classes}")
    part = source.data(chosen.calibration, chosen.part)
    taken = part.sequences[:chosen.clips]
    return Calibrating(f"{len(taken)} sequences of {dataset.name}, part {chosen.part}",
                       _real(taken, dataset.format), tuple(taken), dataset.format, dataset,
                       chosen.part)


def whole(dataset):
    """All sequences of a data set, as a conversion's data are given."""
    return Calibrating(dataset.name, _real(dataset.sequences, dataset.format),
                       tuple(dataset.sequences), dataset.format, dataset)


def _real(sequences, form):
    """Values of codes."""
    return [form.value(sequence.astype(np.float32)) * np.float32(2.0**-form.frac)
            for sequence in sequences]


def _load_text(reference, chosen):
    """The first words of a text, as rows of the embedding."""
    tokens = text.read(chosen.calibration)
    words = reference.labels
    if not words:
        whole = text.read(chosen.vocabulary) if chosen.vocabulary else tokens
        words = text.build(whole, len(reference.embedding))
    if len(words) != len(reference.embedding):
        raise UserError(f"Vocabulary must have {len(reference.embedding)} words, as the embedding "
                        f"has, not {len(words)}; --vocabulary names the training text")
    chosen_words = text.encode(tokens[:_WORDS], words)
    return Calibrating(f"{len(chosen_words)} words of {chosen.calibration}",
                       (reference.embedding[chosen_words],), (chosen_words,))


def convert(reference, data, spec):
    """Quantize a float network.

    Parameters
    ----------
    reference : FloatNetwork
    data : Calibrating
    spec : Spec

    Returns
    -------
    Network
    """
    try:
        return lower(reference, calibrate(reference, data.sequences, spec, data.form))
    except ValueError as error:
        raise UserError(str(error)) from None


def fidelity(reference, network, data):
    """How near a network is to the float one on data, as JSON values."""
    codes = [each[:_COMPARED] for each in data.codes]
    if network.embedding is not None:
        codes = [network.embed(each) for each in codes]
    found = dataclasses.asdict(measure_fidelity(network, reference, codes, data.sequences,
                                                _COMPARED))
    return found | {"layers": list(found["layers"]),
                    "cut": any(len(each) > _COMPARED for each in data.codes)}


def unbounded(reference, spec):
    """Errors that matrices of exponential weights would have without a bound on the powers.

    Returns
    -------
    dict of str to float
        For each matrix all of whose gates have one such method.
    """
    methods = spec.methods([layer.cell for layer in reference.layers], reference.classes > 0)
    return {name: bounding_cost(latent, methods[name][0])[1]
            for name, latent in reference.matrices.items()
            if isinstance(methods[name][0], OttExponential) and len(set(methods[name])) == 1}


def float_share(reference, dataset):
    """Share of a data set's sequences that a float network gives their true class."""
    outputs = forward.run(reference, _real(dataset.sequences, dataset.format))[-1].outputs
    winners = [forward.logits(reference, each[-1]).argmax() for each in outputs]
    return float(np.mean(np.asarray(winners) == dataset.labels))


def float_perplexity(reference, tokens):
    """Perplexity per word of a float language network on a text, each word but the first."""
    outputs = forward.run(reference, [reference.embedding[tokens[:-1]]])[-1].outputs[0]
    nats = 0.0
    for start in range(0, len(outputs), _PIECE):
        logits = forward.logits(reference, outputs[start:start + _PIECE]).astype(np.float64)
        nats += surprise(logits, 1.0, tokens[1 + start:][:len(logits)])
    return math.exp(nats / len(outputs))


def accuracy(reference, network, data, report):
    """Shares of right answers on the parts that did not calibrate.

    Parameters
    ----------
    reference : FloatNetwork
    network : Network
    data : Calibrating
    report : callable
        Progress.

    Returns
    -------
    dict of str to dict
        For each part ``float`` and ``integer``; empty without labels or a readout.
    """
    if data.dataset is None or network.readout is None:
        return {}
    shares = {}
    for name in PARTS:
        part = data.dataset.part(name)
        if name == data.part or data.part == "all" or not part.sequences:
            continue
        report(text=f"part {name}")
        shares[name] = {"float": float_share(reference, part),
                        "integer": measure(network, part, report).fraction}
    return shares
