"""Texts for language networks: files to read, and the vocabulary that makes tokens of them."""

from ternloom.cli.error import UserError


__all__ = ["add_text", "read_text"]


def add_text(parser):
    """Add ``--text`` and ``--vocabulary``."""
    parser.add_argument("--text", metavar="FILE",
                        help="text for a language network: words between white space, a sentence "
                             "a line")
    parser.add_argument("--vocabulary", metavar="FILE",
                        help="text that the network was trained on, whose words in the order of "
                             "their frequency are its vocabulary; needed where the network's file "
                             "does not name its words")


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
        raise UserError(f"--text must go with a network that has an embedding; {network.name} has "
                        "none")
    count = len(network.embedding)
    if network.labels:
        vocabulary = network.labels
    elif chosen.vocabulary is None:
        raise UserError(f"--vocabulary must name the text that {network.name} was trained on, "
                        f"since its file does not name its {count} words")
    else:
        vocabulary = text.build(text.read(chosen.vocabulary))
    if len(vocabulary) != count:
        raise UserError(f"--vocabulary must have {count} different words as {network.name} has, "
                        f"not {len(vocabulary)}")
    return text.encode(text.read(chosen.text), vocabulary)
