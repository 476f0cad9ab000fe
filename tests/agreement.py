"""The golden model held against the restatement of docs/design.md, without tolerance."""

import numpy as np

from oracle import restated
from ternloom.model.golden import Session, run
from ternloom.model.network import When


__all__ = ["compare", "compare_pieces"]


#: Tables of earlier networks.
_TABLES = {}


def compare(network, sequences):
    """Compare every named intermediate, logits, winners, codes and coefficients.

    Parameters
    ----------
    network : Network
    sequences : list of int array (steps, inputs)

    Returns
    -------
    Result
        Of the golden model, with its trace.
    """
    result, plain = run(network, sequences, trace=True), run(network, sequences)
    for index, sequence in enumerate(sequences):
        expected = restated(network, sequence.tolist(), _TABLES)
        assert result.trace.keys() == expected.keys()
        for name, rows in expected.items():
            assert result.trace[name][index].tolist() == rows, f"{name} of sequence {index}"
        for each in (result, plain):
            _compare_outputs(network, each, index, expected)
    return result


def compare_pieces(network, sequences, cuts):
    """Compare a session's outputs, each sequence in two pieces cut where ``cuts`` says."""
    session = Session(network, len(sequences))
    pieces = [[sequence[:cut] for sequence, cut in zip(sequences, cuts, strict=True)],
              [sequence[cut:] for sequence, cut in zip(sequences, cuts, strict=True)]]
    results = [session.run(each, trace=True) for each in pieces]
    late = {name for node in network.outputs if getattr(node.body, "when", None) is When.LAST
            for name in (f"{node.name}.logits", f"{node.name}.argmax")}
    for index, (sequence, cut) in enumerate(zip(sequences, cuts, strict=True)):
        expected = restated(network, sequence.tolist(), _TABLES)
        first = restated(network, sequence[:cut].tolist(), _TABLES)
        for name, rows in expected.items():
            rows = first[name] + rows if name in late else rows
            joined = [result.trace[name][index].tolist() for result in results]
            assert joined[0] + joined[1] == rows, f"{name} of sequence {index}"


def _compare_outputs(network, result, index, expected):
    assert list(result.answers) == [node.name for node in network.outputs]
    for name, answer in result.answers.items():
        if f"{name}.logits" in expected:
            assert answer.logits[index].tolist() == expected[f"{name}.logits"]
            assert answer.logits[index].dtype == np.int64
            assert answer.winners[index].tolist() == [row[0] for row in expected[f"{name}.argmax"]]
            continue
        assert answer.codes[index].tolist() == expected[f"{name}.h"]
        if f"{name}.beta" in expected:
            assert answer.coefficients[index].tolist() == expected[f"{name}.beta"]
        else:
            assert answer.coefficients is None
