"""Checkpoints: everything that a training run needs to go on after it was killed.

One safetensors file of named tensors, with facts as JSON in its metadata and a SHA-256 digest over
both; written whole or not at all, and read without running anything that it holds.
"""

import json
import pathlib
import time

import safetensors
import safetensors.torch
import torch

from ternloom.files import durable, container
from ternloom.train.recipe import RecipeError


__all__ = ["INTERVAL", "Checkpoints", "load", "save", "section"]


#: Metadata of a checkpoint: its digest and its facts, with a blank between them.
_KEY = "ternloom-checkpoint"

#: Seconds between checkpoints, unless somebody wants others.
INTERVAL = 120.0


class Checkpoints:
    """Where and when a run writes how far it is.

    Parameters
    ----------
    path : pathlib.Path
    interval : float
        Seconds between two.
    """

    def __init__(self, path, interval=INTERVAL):
        self.path, self._interval = path, interval
        self._saved = time.monotonic()

    @property
    def due(self):
        """Whether it is time for another."""
        return time.monotonic() - self._saved >= self._interval

    def save(self, tensors, facts):
        """Write a checkpoint, as ``save`` does."""
        save(self.path, tensors, facts)
        self._saved = time.monotonic()


def save(path, tensors, facts):
    """Write a checkpoint in the place of one that is there.

    Parameters
    ----------
    path : pathlib.Path
    tensors : dict of str to dict of str to tensor
        Sections by name, without dots in it.
    facts : dict
        JSON values.
    """
    # Clones, as safetensors refuses tensors that share memory.
    flat = {f"{name}.{key}": tensor.detach().clone(memory_format=torch.contiguous_format)
            for name, part in tensors.items() for key, tensor in part.items()}
    data = safetensors.torch.save(flat, {_KEY: f"{_digest(facts, flat)} {json.dumps(facts)}"})
    with durable.replacing(path) as partial:
        partial.write_bytes(data)


def _digest(facts, tensors):
    return container.digest(facts, {name: tensor.cpu().numpy() for name, tensor in tensors.items()})


def load(path):
    """Read a checkpoint.

    Parameters
    ----------
    path : pathlib.Path

    Returns
    -------
    (dict of str to dict of str to tensor, dict)
        As they were saved; a section without tensors is missing.

    Raises
    ------
    RecipeError
        One line, on a file that isn't a checkpoint, or not the one that was written.
    """
    path = pathlib.Path(path)
    try:
        with safetensors.safe_open(path, framework="pt") as stored:
            digest, _, text = (stored.metadata() or {})[_KEY].partition(" ")
            flat = {name: stored.get_tensor(name) for name in stored.keys()}
        facts, sections = json.loads(text), {}
        if digest != _digest(facts, flat):
            raise ValueError("a digest that isn't its content's")
        for name, tensor in flat.items():
            part, _, key = name.partition(".")
            sections.setdefault(part, {})[key] = tensor
    except (OSError, KeyError, ValueError, safetensors.SafetensorError) as error:
        raise RecipeError(f"Checkpoint {path} is damaged, or was not written by training; delete "
                          "it to restart") from error
    return sections, facts


def section(prefix, tensors):
    """The part of named tensors whose names begin with ``prefix`` and a dot, without it."""
    return {name.removeprefix(f"{prefix}."): tensor for name, tensor in tensors.items()
            if name.startswith(f"{prefix}.")}
