"""Specifications: which method a gate gets, and what is refused."""

import msgspec
import pytest

from ternloom.files.decode import convert
from ternloom.model.cell import GRU_RESET_AFTER, LSTM
from ternloom.model.format import Fixed
from ternloom.model.precision import Precision
from ternloom.quantize.spec import QuantizationSpec
from ternloom.quantize.weights import parse


def texts(spec, cells=(LSTM,), readout=True):
    return {name: " ".join(method.text for method in methods)
            for name, methods in spec.methods(cells, readout).items()}


def test_one_for_all():
    spec = QuantizationSpec(weights={"all": "alternating:3"})
    assert spec.methods([LSTM, GRU_RESET_AFTER]) == {
        "layer0.input": (parse("alternating:3"),) * 4,
        "layer0.recurrent": (parse("alternating:3"),) * 4,
        "layer1.input": (parse("alternating:3"),) * 3,
        "layer1.recurrent": (parse("alternating:3"),) * 3,
        "readout.weights": (parse("alternating:3"),)}


def test_what_counts_more():
    """A gate beats a matrix beats a layer, and more of them beat fewer."""
    spec = QuantizationSpec(weights={
        "all": "twn", "layer1": "greedy:1", "recurrent": "greedy:3", "f": "refined:1",
        "layer0.recurrent": "refined:3", "input.f": "uniform:1", "layer1.input.f": "uniform:3",
        "readout": "integer"})
    assert texts(spec, [LSTM] * 2) == {
        "layer0.input": "twn uniform:1 twn twn",
        "layer0.recurrent": "refined:3 refined:1 refined:3 refined:3",
        "layer1.input": "greedy:1 uniform:3 greedy:1 greedy:1",
        "layer1.recurrent": "greedy:3 refined:1 greedy:3 greedy:3",
        "readout.weights": "integer"}


def test_order_of_keys():
    """The order in which keys are given doesn't matter."""
    keys = {"all": "twn", "f": "greedy", "recurrent": "refined", "recurrent.f": "integer"}
    spec = QuantizationSpec(weights=keys)
    assert texts(spec) == texts(QuantizationSpec(weights=dict(reversed(keys.items()))))


def test_without_readout():
    spec = QuantizationSpec(weights={"all": "twn"})
    assert list(texts(spec, readout=False)) == ["layer0.input", "layer0.recurrent"]


@pytest.mark.parametrize("weights, message", [
    ({"input": "twn", "readout": "twn"},
     "Weights of layer0.recurrent.i have no method: give one for them, or for all"),
    ({"input": "twn", "recurrent": "twn"},
     "Weights of readout have no method: give one for them, or for all"),
    ({"all": "twn", "z": "greedy"},
     "Weights for 'z' fit no matrix of the network, whose layers are lstm"),
    ({"all": "twn", "layer3.f": "greedy"},
     "Weights for 'layer3.f' fit no matrix of the network, whose layers are lstm"),
])
def test_keys_that_fit_nothing(weights, message):
    with pytest.raises(ValueError) as caught:
        QuantizationSpec(weights=weights).methods([LSTM])
    assert str(caught.value) == message


@pytest.mark.parametrize("key", ["", "Input", "input.", ".f", "f.input", "layer", "layer0.", "a",
                                 "readout.f", "layer0.readout", "input f", "all.f"])
def test_bad_key(key):
    with pytest.raises(ValueError) as caught:
        QuantizationSpec(weights={key: "twn"})
    assert str(caught.value) == (f"Weights cannot be set for {key!r}: it must be all, readout, or "
                                 "a layer, matrix or gate such as layer0, input, f or "
                                 "layer0.recurrent.f")


@pytest.mark.parametrize("fields, message", [
    ({"weights": {"all": "binry"}}, "^Weight method must be one of alternating, .*, not 'binry'$"),
    ({"activations": "twn"}, "^Activation method must be one of binary, .*, not 'twn', which is "
                             "for weights alone$"),
    ({"embedding": "ternary"}, "^Embedding method must be fixed or planes, not ternary$"),
    ({"coefficient_bits": 1}, "^coefficient_bits must be from 2 to 12, not 1$"),
    ({"preact_width": 20}, "^Pre-activations must be signed and of 4 to 12 bits, not Fixed.*$"),
    ({"gate_frac": 1}, "^Gate fraction bits must be 0 .* or from 2 to 15, not 1$"),
    ({"when": "each"}, "^when must be When.LAST, When.EVERY or None, not 'each'$"),
    ({"when": "last"}, "^when must be When.LAST, When.EVERY or None, not 'last'$"),
])
def test_bad_fields(fields, message):
    with pytest.raises(ValueError, match=message):
        QuantizationSpec(**{"weights": {"all": "twn"}} | fields)


def test_plain_data():
    """A specification goes through JSON and back; an unknown key is refused."""
    spec = QuantizationSpec(weights={"all": "twn"}, activations="online:3", logits=Fixed(12, 4))
    assert convert(QuantizationSpec, msgspec.to_builtins(spec)) == spec
    with pytest.raises(ValueError, match="^unknown key 'colour'; the known ones are weights, "):
        convert(QuantizationSpec, {"weights": {}, "colour": 3})


def test_precision():
    spec = QuantizationSpec(weights={}, preact_width=9, preact_frac=5, gate_frac=6, state_frac=9)
    assert spec.precision(3) == Precision(Fixed(9, 5), 6, Fixed(12, 9))
    counter = QuantizationSpec(weights={}, gate_frac=0, state_frac=0)
    assert counter.precision(1).state == Fixed(2, 0) and counter.precision(1).comparators
