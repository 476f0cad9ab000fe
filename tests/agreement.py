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
    speaks_last = network.readout is not None and network.readout.when is When.LAST
    for index, (sequence, cut) in enumerate(zip(sequences, cuts, strict=True)):
        expected = restated(network, sequence.tolist(), _TABLES)
        first = restated(network, sequence[:cut].tolist(), _TABLES)
        for name, rows in expected.items():
            rows = first[name] + rows if speaks_last and name.startswith("readout") else rows
            joined = [result.trace[name][index].tolist() for result in results]
            assert joined[0] + joined[1] == rows, f"{name} of sequence {index}"


def _compare_outputs(network, result, index, expected):
    if network.readout is not None:
        assert result.logits[index].tolist() == expected["readout.logits"]
        assert result.logits[index].dtype == np.int64
        assert result.winners[index].tolist() == [row[0] for row in expected["readout.argmax"]]
        return
    last = f"layer{len(network.layers) - 1}"
    assert result.codes[index].tolist() == expected[f"{last}.h"]
    if f"{last}.beta" in expected:
        assert result.coefficients[index].tolist() == expected[f"{last}.beta"]
    else:
        assert result.coefficients is None
