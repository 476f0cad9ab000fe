"""The network around the layers."""

import pytest
import torch

from ternloom.model.cell import LSTM
from ternloom.model.format import Fixed
from ternloom.quantize.spec import QuantizationSpec
from ternloom.train.lower import calibrate
from ternloom.train.recurrent import RecurrentNetwork


pytestmark = pytest.mark.train

LENGTHS = torch.tensor([3, 7, 5])


@pytest.fixture(params=[False, True], ids=["float", "quantized"])
def network(request):
    torch.manual_seed(9)
    network = RecurrentNetwork(LSTM, 4, 6, 2, 3, dropout=0.5).eval()
    if request.param:
        spec = QuantizationSpec(weights={"all": "twn"}, activations="fixed:8", power_of_two=True)
        calibrate(network, spec, list(torch.randn(3, 7, 4).numpy()), Fixed(8, 5))
    return network


def sequences():
    torch.manual_seed(10)
    return torch.randn(7, 3, 4).mul(32).round().div(32)


def test_padding(network):
    """What stands beyond a sequence's end doesn't matter."""
    padded = sequences()
    logits = network(padded, LENGTHS)
    beyond = torch.arange(7)[:, None] >= LENGTHS
    assert torch.equal(network(padded.masked_fill(beyond[:, :, None], 3.0), LENGTHS), logits)
    for index, length in enumerate(LENGTHS):
        alone = network(padded[:length, index:index + 1], LENGTHS[index:index + 1])
        torch.testing.assert_close(alone[0], logits[index], rtol=0, atol=1e-6)


def test_dropout(network):
    """Only while training, and only of the readout's inputs."""
    padded = sequences()
    logits = network(padded, LENGTHS)
    assert torch.equal(network(padded, LENGTHS), logits)
    torch.manual_seed(1)
    assert not torch.equal(network.train()(padded, LENGTHS), logits)


def test_carried_states(network):
    states = []
    network(sequences(), LENGTHS, states)
    assert [len(carried) for carried in states] == [7, 7]
    assert {state.shape for carried in states for state in carried} == {(3, 6)}


def test_latent_bounds(network):
    """Quantized weights are pulled back to their levels, float weights are left alone."""
    with torch.no_grad():
        for weight, _ in network.matrices():
            weight.mul_(100)
    before = [weight.clone() for weight, _ in network.matrices()]
    network.clip()
    for old, (weight, quantizer) in zip(before, network.matrices()):
        if quantizer is None:
            assert torch.equal(weight, old)
        else:
            bound = torch.from_numpy(quantizer.clip(weight.shape))
            assert bool((weight.abs() <= bound).all())
            assert torch.equal(weight.sign(), old.sign())
            assert bool((weight.abs() == bound).any())
