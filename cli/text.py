"""Texts for language networks: files to read, and the vocabulary that makes tokens of them."""

from ternloom.cli.error import UserError


__all__ = ["add_text", "read_text"]


def add_text(parser):
    """Add ``--text`` and ``--vocabulary``."""
    parser.add_argument("--text", metavar="FILE",
                        help="text for a language network: words separated by white space, "
                             "one sentence per line")
    parser.add_argument("--vocabulary", metavar="FILE",
                        help="text that the network was trained on: its words, most frequent "
                             "first, are the vocabulary; needed if the network file does not name "
                             "its words")


def read_text(chosen, network):
    """Tokens of ``--text`` in a network's vocabulary.

    Parameters
    ----------
    chosen : argparse.Namespace
    network : Network
        With an embedding.

    Returns
    -------
    int64 array (tokens,)
    """
    from ternloom.files import text

    if network.embedding is None:
        raise UserError(f"--text needs a network with an embedding, and {network.name} has none")
    count = len(network.embedding)
    if network.labels:
        vocabulary = network.labels
    elif chosen.vocabulary is None:
        raise UserError(f"--vocabulary is missing: the file of {network.name} does not name its "
                        f"{count} words; give the text that it was trained on")
    else:
        vocabulary = text.build(text.read(chosen.vocabulary))
    if len(vocabulary) != count:
        raise UserError(f"--vocabulary must have {count} different words, as {network.name} has, "
                        f"not {len(vocabulary)}")
    return text.encode(text.read(chosen.text), vocabulary)
