"""Recurrent networks among the tensors of a PyTorch ``state_dict``.

``weight_ih_l0``, ``weight_hh_l0``, ``bias_ih_l0`` and ``bias_hh_l0`` (and l1, l2, ...) of one
``nn.LSTM`` or ``nn.GRU``, under any module's prefix; at most one ``nn.Linear`` as the readout and
one ``nn.Embedding``. Gates are in PyTorch's order, which is ours: i, f, g, o and r, z, n.
"""

import collections.abc
import re
import typing

import numpy as np
import numpy.typing as npt

from ternloom.model.cell import GRU_RESET_AFTER, LSTM
from ternloom.model.error import NetworkError


__all__ = ["collect"]


_RECURRENT = re.compile(r"(?P<prefix>.*?)(?P<part>weight_ih|weight_hh|bias_ih|bias_hh)"
                        r"_l(?P<layer>\d+)")
_CELLS = {3: GRU_RESET_AFTER, 4: LSTM}
#: Names that tell a network of another kind, and what PyTorch calls it.
_OTHERS = (
    (re.compile(r".*(weight|bias)_(ih|hh)_l\d+_reverse"),
     "is bidirectional: a network must read its sequence in one direction, as nn.LSTM and nn.GRU "
     "do without bidirectional=True"),
    (re.compile(r".*weight_hr_l\d+"),
     "has a projection: an nn.LSTM must be without proj_size"),
    (re.compile(r".*(weight_ih|weight_hh)"),
     "is of an nn.LSTMCell, nn.GRUCell or nn.RNNCell: the tensors of a cell must have the names "
     "that nn.LSTM or nn.GRU gives them, {name}_l0 here"),
)


def collect(tensors: collections.abc.Mapping[str, npt.ArrayLike]) -> dict[str, typing.Any]:
    """Parts of a float network among named tensors.

    Parameters
    ----------
    tensors : dict of str to float array

    Returns
    -------
    dict
        ``layers``, a list of (cell, input weight, recurrent weight, bias, recurrent bias or None)
        of float32 arrays, and ``readout_weight``, ``readout_bias`` and ``embedding``, each None
        where there is none.

    Raises
    ------
    NetworkError
        Tensors that aren't those of a recurrent network, named.
    """
    rest = {name: np.asarray(tensor) for name, tensor in tensors.items()}
    for name, tensor in rest.items():
        if tensor.dtype not in (np.float16, np.float32, np.float64):
            raise NetworkError(f"{name} must hold floating-point numbers, not {tensor.dtype}")
        rest[name] = tensor.astype(np.float32)
    _refuse_others(rest)
    layers = _layers(_take_recurrent(rest))
    embedding, linear = _take_dense(rest, inputs=layers[0][1].shape[1],
                                    units=layers[-1][2].shape[1])
    if rest:
        raise NetworkError("a state_dict must hold one LSTM or GRU, at most one Linear of its "
                           "units and one Embedding of its inputs, and not "
                           + ", ".join(f"{name} {rest[name].shape}" for name in sorted(rest)))
    return {"layers": layers, "embedding": embedding, "readout_weight": linear[0],
            "readout_bias": linear[1]}


def _refuse_others(tensors):
    """Say what a recurrent network of another kind is, by its first tensor that tells."""
    for pattern, line in _OTHERS:
        for name in tensors:
            if pattern.fullmatch(name):
                raise NetworkError(f"{name} {line.format(name=name)}")


def _take_recurrent(rest):
    """Move the tensors of recurrent layers out: a dict of part to tensor, for each layer."""
    found: dict[int, dict[str, np.ndarray]] = {}
    prefixes = set()
    for name in list(rest):
        match = _RECURRENT.fullmatch(name)
        if match:
            prefixes.add(match["prefix"])
            found.setdefault(int(match["layer"]), {})[match["part"]] = rest.pop(name)
    if not found:
        raise NetworkError("a state_dict must hold weight_ih_l0 and weight_hh_l0 of an LSTM or GRU,"
                           f" not {', '.join(sorted(rest)) or 'nothing'}")
    if len(prefixes) > 1:
        raise NetworkError("a state_dict must hold one LSTM or GRU, not "
                           + " and ".join(repr(prefix) for prefix in sorted(prefixes)))
    for index in range(max(found) + 1):
        for part in ("weight_ih", "weight_hh"):
            if part not in found.get(index, ()):
                raise NetworkError(f"a state_dict must hold {part}_l{index}, which is missing")
    return [found[index] for index in sorted(found)]


def _layers(found):
    return [_layer(index, parts) for index, parts in enumerate(found)]


def _layer(index, parts):
    """Cell, weights and biases; of a GRU the biases of r and z are added, those of n stay apart."""
    recurrent = parts["weight_hh"]
    if recurrent.ndim == 2 and recurrent.shape[0] == recurrent.shape[1]:
        raise NetworkError(f"weight_hh_l{index} is of an nn.RNN, one gate of the shape "
                           f"{recurrent.shape}: a network must be an nn.LSTM or nn.GRU")
    if recurrent.ndim != 2 or recurrent.shape[0] not in [gates * recurrent.shape[1]
                                                        for gates in _CELLS]:
        raise NetworkError(f"weight_hh_l{index} must have three (GRU) or four (LSTM) times as many "
                           f"rows as columns, not the shape {recurrent.shape}")
    rows, units = recurrent.shape
    zeros = np.zeros(rows, dtype=np.float32)
    first, second = parts.get("bias_ih", zeros), parts.get("bias_hh", zeros)
    for name, bias in (("bias_ih", first), ("bias_hh", second)):
        if bias.shape != (rows,):
            raise NetworkError(f"{name}_l{index} must have the shape ({rows},), not {bias.shape}")
    cell = _CELLS[rows // units]
    if cell is LSTM:
        return cell, parts["weight_ih"], recurrent, first + second, None
    merged = first + second
    merged[2 * units:] = first[2 * units:]
    return cell, parts["weight_ih"], recurrent, merged, second[2 * units:].copy()


def _take_dense(rest, inputs, units):
    """Move an embedding and a dense layer out: the embedding, and (weight, bias), or None."""
    matrices = [name for name in rest if rest[name].ndim == 2 and name.endswith("weight")]
    biased = {name: name.removesuffix("weight") + "bias" for name in matrices}
    linear = [name for name in matrices if biased[name] in rest and rest[name].shape[1] == units]
    alone = [name for name in matrices if biased[name] not in rest]
    # Where sizes don't tell, a name does.
    embedding = [name for name in alone if rest[name].shape[1] == inputs
                 and (linear or inputs != units or re.search("emb|encoder", name))]
    linear = linear or [name for name in alone if rest[name].shape[1] == units
                        and name not in embedding[:1]]
    table = rest.pop(embedding[0]) if embedding else None
    if not linear:
        return table, (None, None)
    weight = rest.pop(linear[0])
    bias = rest.pop(biased[linear[0]], np.zeros(len(weight), dtype=np.float32))
    return table, (weight, bias)
