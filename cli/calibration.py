"""Data that calibrate a conversion, and the accuracy on those that don't."""

import dataclasses

from ternloom.cli import source
from ternloom.cli.error import UserError
from ternloom.evaluate import floats
from ternloom.evaluate.fidelity import measure as measure_fidelity
from ternloom.evaluate.measure import measure
from ternloom.files import text
from ternloom.files.dataset import PARTS, Dataset, Numbers
from ternloom.files.dataset import load as load_dataset
from ternloom.model.format import Format
from ternloom.model.frozen import Frozen
from ternloom.model.node import When
from ternloom.quantize.calibration import calibrate
from ternloom.quantize.lowering import lower
from ternloom.quantize.weights import OttExponential, bounding_cost


__all__ = ["Calibrating", "convert", "fidelity", "load", "scores", "unbounded", "whole"]

#: Words of a text that calibrate.
_WORDS = 5000
#: Steps of each sequence, or words of a text, on which both networks are compared.
_COMPARED = 1000


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
        With ``calibration``, ``part``, ``sequences`` and ``vocabulary``.

    Returns
    -------
    Calibrating
    """
    if reference.embedding is not None:
        return _load_text(reference, chosen)
    path = source.data_path(chosen.calibration)
    dataset = load_dataset(path)
    if dataset.inputs != reference.inputs:
        raise UserError(f"Data {dataset.name} has {dataset.inputs} inputs per step, but float "
                        f"network {reference.name} expects {reference.inputs}")
    known, numbers = len(dataset.targets.names), isinstance(dataset.targets, Numbers)
    if reference.classes and (known > reference.classes
                              or numbers and known < reference.classes):
        raise UserError(f"Data {dataset.name} has {known} {'numbers' if numbers else 'classes'}, "
                        f"but float network {reference.name} has {reference.classes}")
    part = source.data(chosen.calibration, chosen.part)
    taken = part.sequences[:chosen.sequences]
    return Calibrating(f"{len(taken)} sequences of {dataset.name}, part {chosen.part}",
                       [dataset.format.real(each) for each in taken], tuple(taken),
                       dataset.format, dataset, chosen.part)


def whole(dataset):
    """All sequences of a data set, as a conversion's data are given."""
    return Calibrating(dataset.name, [dataset.format.real(each) for each in dataset.sequences],
                       tuple(dataset.sequences), dataset.format, dataset)


def _load_text(reference, chosen):
    """The first words of a text, as rows of the embedding."""
    tokens = text.read(chosen.calibration)
    words = reference.labels
    if not words:
        whole = text.read(chosen.vocabulary) if chosen.vocabulary else tokens
        words = text.build(whole, len(reference.embedding))
    if len(words) != len(reference.embedding):
        raise UserError(f"The vocabulary has {len(words)} words, but the embedding has "
                        f"{len(reference.embedding)}; name the training text with --vocabulary")
    chosen_words = text.encode(tokens[:_WORDS], words)
    return Calibrating(f"{len(chosen_words)} words of {chosen.calibration}",
                       (reference.embedding[chosen_words],), (chosen_words,))


def convert(reference, data, spec):
    """Quantize a float network.

    Parameters
    ----------
    reference : FloatNetwork
    data : Calibrating
    spec : QuantizationSpec
        What it leaves open of the readout is as the data set's targets call for.

    Returns
    -------
    Network
    """
    if data.dataset is not None:
        targets = data.dataset.targets
        if targets.when is When.EVERY and spec.when is When.LAST:
            raise UserError(f"--when last does not suit data {data.dataset.name}, which has "
                            f"{targets.what} of every step")
        spec = spec.settled(targets.when, isinstance(targets, Numbers))
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
    if data.dataset is not None and isinstance(data.dataset.targets, Numbers):
        # The largest of several numbers is no decision.
        found["agreement"] = None
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


def scores(reference, network, data, report):
    """How right both networks are on the parts that did not calibrate.

    Parameters
    ----------
    reference : FloatNetwork
    network : Network
    data : Calibrating
    report : callable
        Progress.

    Returns
    -------
    (str, dict of str to dict)
        ``"accuracy"`` or ``"rmse"``, and of each part ``float`` and ``integer``; none without a
        data set or a readout.
    """
    if data.dataset is None or network.readout is None:
        return "accuracy", {}
    found = {}
    for name in PARTS:
        part = data.dataset.part(name)
        if name == data.part or data.part == "all" or not part.sequences:
            continue
        report(text=f"part {name}")
        found[name] = {"float": floats.score(reference, part),
                       "integer": measure(network, part, report).score}
    return data.dataset.targets.metric, found
