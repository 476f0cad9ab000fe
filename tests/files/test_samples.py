"""Network files of earlier versions."""

import pathlib

import pytest

from storing import parts
from ternloom.files.network import load, save


#: Files that were written by earlier versions, and the starts of their digests.
SAMPLES = {
    1: {"digits-gru-ternary-fixed8": "4d39d5b04ac1abf7",
        "digits-gru-ternary-ternary": "dea8dc1b7a1dbecf",
        "digits-lstm-binary-ternary": "1babc54db98bf666",
        "digits-lstm-planes2-planes2": "76d4d6ca1abe857c",
        "digits-lstm-ternary-ternary": "0d267efd9d2caac2",
        "japanese-vowels-gru-ternary-ternary": "9ff70e70f7a676a4"},
    2: {"digits-gru-online3": "567536eb6b1bcafd", "digits-lstm-integer8": "a1c9a989104c9204"},
}


@pytest.mark.parametrize("version, name", [(version, name) for version, names in SAMPLES.items()
                                           for name in names])
def test_samples(version, name, tmp_path):
    """Files of either version stay readable as they are, and what they hold can be written."""
    sample = pathlib.Path(__file__).parent / "samples" / f"{name}.safetensors"
    document, _ = parts(sample)
    assert (document["version"], document["digest"][:16]) == (version, SAMPLES[version][name])
    assert document["readout"]["logits"]["overflow"] == "saturate"
    network, path = load(sample), tmp_path / "again.safetensors"
    save(network, path)
    assert load(path) == network and parts(path)[0]["version"] == 3
