"""Text as tokens: the words of a line, then the end of the line.

A vocabulary orders words by frequency, the most frequent first, and words of the same frequency by
code point, so the text that it was built from decides it alone.
"""

import collections
import collections.abc
import pathlib

import numpy as np

from ternloom.model.mistake import Mistake


__all__ = ["EOS", "UNKNOWN", "TextError", "build", "encode", "read"]


#: Token of the end of a line.
EOS = "<eos>"
#: Token that stands for every word that is not in a vocabulary.
UNKNOWN = "<unk>"


class TextError(Mistake, ValueError):
    """A text that cannot be read as tokens of a vocabulary."""


def read(path: str | pathlib.Path) -> list[str]:
    """Tokens of a text file: the words of each line as white space parts them, then ``EOS``.

    Parameters
    ----------
    path : str or Path
        UTF-8. An empty line is a line without words.

    Returns
    -------
    list of str

    Raises
    ------
    TextError
        A file that is not text, or has no words.
    """
    try:
        lines = pathlib.Path(path).read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as failure:
        raise TextError(f"Text {path} is not valid UTF-8 (byte {failure.start})") from None
    tokens = [token for line in lines for token in (*line.split(), EOS)]
    if len(tokens) == len(lines):
        raise TextError(f"Text {path} has no words")
    return tokens


def build(tokens: collections.abc.Iterable[str], size: int | None = None) -> tuple[str, ...]:
    """Vocabulary of a text: its tokens, the most frequent first, equals by code point.

    Parameters
    ----------
    tokens : iterable of str
    size : int or None
        At most so many; the rest is what ``UNKNOWN`` stands for, which must be among those kept.

    Returns
    -------
    tuple of str
    """
    counts = collections.Counter(tokens)
    ranked = sorted(counts, key=lambda token: (-counts[token], token))
    return tuple(ranked if size is None else ranked[:size])


def encode(tokens: collections.abc.Sequence[str],
           vocabulary: collections.abc.Iterable[str]) -> np.ndarray:
    """Index of each token in a vocabulary; that of ``UNKNOWN`` for one that it lacks.

    Parameters
    ----------
    tokens : sequence of str
    vocabulary : sequence of str

    Returns
    -------
    int64 array (tokens,)

    Raises
    ------
    TextError
        A token that a vocabulary without ``UNKNOWN`` lacks.
    """
    index = {token: place for place, token in enumerate(vocabulary)}
    unknown = index.get(UNKNOWN)
    codes = np.empty(len(tokens), dtype=np.int64)
    for place, token in enumerate(tokens):
        code = index.get(token, unknown)
        if code is None:
            raise TextError(f"Word {token!r} is not in the vocabulary of {len(index)} words, which "
                            f"has no {UNKNOWN} to replace it")
        codes[place] = code
    return codes
