"""Recurrent networks among the tensors of a PyTorch ``state_dict``.

``weight_ih_l0``, ``weight_hh_l0``, ``bias_ih_l0`` and ``bias_hh_l0`` (and l1, l2, ...) of one
``nn.LSTM``, ``nn.GRU`` or ``nn.RNN``, under any module's prefix; at most one ``nn.Linear`` as the
readout and one ``nn.Embedding``. Gates are in PyTorch's order, which is ours: i, f, g, o and
r, z, n. The tensors of an ``nn.RNN`` do not tell its nonlinearity.
"""

import collections.abc
import pathlib
import re
import typing

import numpy as np
import numpy.typing as npt

from ternloom.files import container
from ternloom.files.reader import Reader
from ternloom.model.cell import GRU_RESET_AFTER, LSTM, RNN_RELU, RNN_TANH
from ternloom.model.error import NetworkError


__all__ = ["PYTORCH", "collect"]


_RECURRENT = re.compile(r"(?P<prefix>.*?)(?P<part>weight_ih|weight_hh|bias_ih|bias_hh)"
                        r"_l(?P<layer>\d+)")
_CELLS = {3: GRU_RESET_AFTER, 4: LSTM}
#: Of an ``nn.RNN``, by its nonlinearity.
_SIMPLE = {"tanh": RNN_TANH, "relu": RNN_RELU}
#: Names that tell a network of another kind, and what PyTorch calls it.
_OTHERS = (
    (re.compile(r".*(weight|bias)_(ih|hh)_l\d+_reverse"),
     "is of a bidirectional network, which is not supported: a network must read its sequence in "
     "one direction"),
    (re.compile(r".*weight_hr_l\d+"),
     "is of a projection, which is not supported: train the nn.LSTM without proj_size"),
    (re.compile(r".*(weight_ih|weight_hh)"),
     "is of an nn.LSTMCell, nn.GRUCell or nn.RNNCell; rename the tensors of the cell to what "
     "nn.LSTM or nn.GRU calls them, here {name}_l0"),
)


def collect(tensors: collections.abc.Mapping[str, npt.ArrayLike],
            nonlinearity: str | None = None) -> dict[str, typing.Any]:
    """Parts of a float network among named tensors.

    Parameters
    ----------
    tensors : dict of str to float array
    nonlinearity : "tanh", "relu" or None
        Of an ``nn.RNN``; None for any other network.

    Returns
    -------
    dict
        See :class:`ternloom.files.reader.Reader`.

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
    layers = _layers(_take_recurrent(rest), nonlinearity)
    embedding, linear = _take_dense(rest, inputs=layers[0][1].shape[1],
                                    units=layers[-1][2].shape[1])
    if rest:
        unknown = ", ".join(f"{name} {rest[name].shape}" for name in sorted(rest))
        raise NetworkError(f"the state_dict has tensors that are not supported, {unknown}: it must "
                           "hold one LSTM, GRU or RNN, and at most one Linear of its units and one "
                           "Embedding of its inputs")
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
        raise NetworkError("the state_dict has no weight_ih_l0 and weight_hh_l0 of an LSTM, GRU or "
                           f"RNN; it has {', '.join(sorted(rest)) or 'nothing'}")
    if len(prefixes) > 1:
        raise NetworkError("the state_dict has several recurrent modules, and only one is "
                           "supported: "
                           + " and ".join(repr(prefix) for prefix in sorted(prefixes)))
    for index in range(max(found) + 1):
        for part in ("weight_ih", "weight_hh"):
            if part not in found.get(index, ()):
                raise NetworkError(f"the state_dict has no {part}_l{index}")
    return [found[index] for index in sorted(found)]


def _layers(found, nonlinearity):
    return [_layer(index, parts, nonlinearity) for index, parts in enumerate(found)]


def _cell(name, shape, nonlinearity):
    """Cell of a recurrent matrix."""
    gates = shape[0] / shape[1] if len(shape) == 2 and shape[1] else 0
    if gates == 1:
        if nonlinearity not in _SIMPLE:
            raise NetworkError(f"{name} is of an nn.RNN, whose tensors do not record its "
                               "nonlinearity: give --nonlinearity tanh (PyTorch's default) or relu")
        return _SIMPLE[nonlinearity]
    if gates not in _CELLS:
        raise NetworkError(f"{name} must have as many rows as columns (RNN), or three (GRU) or "
                           f"four (LSTM) times as many, not the shape {shape}")
    if nonlinearity is not None:
        raise NetworkError(f"{name} is of an nn.{'LSTM' if gates == 4 else 'GRU'}; a nonlinearity "
                           "can only be given for an nn.RNN")
    return _CELLS[int(gates)]


def _layer(index, parts, nonlinearity):
    """Cell, weights and biases; of a GRU the biases of r and z are added, those of n stay apart."""
    recurrent = parts["weight_hh"]
    cell = _cell(f"weight_hh_l{index}", recurrent.shape, nonlinearity)
    rows, units = recurrent.shape
    zeros = np.zeros(rows, dtype=np.float32)
    first, second = parts.get("bias_ih", zeros), parts.get("bias_hh", zeros)
    for name, bias in (("bias_ih", first), ("bias_hh", second)):
        if bias.shape != (rows,):
            raise NetworkError(f"{name}_l{index} must have the shape ({rows},), not {bias.shape}")
    if not cell.apart:
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


def _fits(path: pathlib.Path) -> bool:
    return any("weight_hh_l0" in name for name in container.foreign_names(path))


def _read(path: pathlib.Path, nonlinearity: str | None) -> dict[str, typing.Any]:
    return collect(container.foreign(path, "float network", NetworkError) or {}, nonlinearity)


PYTORCH = Reader("a PyTorch float network", _fits, _read)
