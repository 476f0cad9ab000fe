"""Texts for language models: the tokens of a folder's training, validation and test text."""

import collections.abc
import pathlib

import numpy as np

from ternloom.files import text
from ternloom.model.frozen import Frozen
from ternloom.train.recipe import RecipeError


__all__ = ["PARTS", "Corpus", "texts"]


#: The texts that a folder must have: one file each whose name ends so, before ``.txt``.
PARTS = ("train", "valid", "test")


class Corpus(Frozen):
    """The texts of one folder.

    Parameters
    ----------
    name : str
        The folder's.
    words : int
        In the vocabulary, which is that of the training text.
    parts : mapping of str to int64 array (tokens,)
        Indices into the vocabulary by the name of the part.
    """

    name: str
    words: int
    parts: collections.abc.Mapping[str, np.ndarray]

    @classmethod
    def load(cls, folder):
        """Read ``*train.txt``, ``*valid.txt`` and ``*test.txt``.

        Parameters
        ----------
        folder : str or pathlib.Path

        Raises
        ------
        RecipeError
            One line, on a folder without these texts or with more than one of a kind, and on a
            text that isn't sound.
        """
        folder = pathlib.Path(folder)
        try:
            tokens = {part: text.read(path) for part, path in zip(PARTS, texts(folder))}
            vocabulary = text.build(tokens["train"])
            parts = {part: text.encode(each, vocabulary) for part, each in tokens.items()}
        except (text.TextError, OSError) as error:
            raise RecipeError(" ".join(str(error).split())) from error
        return cls(folder.resolve().name, len(vocabulary), parts)


def texts(folder):
    """Paths of a folder's texts in the order of ``PARTS``; a ``RecipeError`` if one is missing."""
    return [_find(folder, part) for part in PARTS]


def _find(folder, part):
    found = sorted(folder.glob(f"*{part}.txt"))
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise RecipeError(f"{folder} must have exactly one text *{part}.txt, not {names}")
    return found[0]
