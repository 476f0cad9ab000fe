"""Kernels in Triton beside the operations that they replace, by Triton's interpreter or on a GPU.

    TRITON_INTERPRET=0 python -m pytest tests/train/test_fused.py
"""

import os

import numpy as np
import pytest
import torch

from ternloom.model.cell import CELLS
from ternloom.model.format import Fixed, Online, Ternary
from ternloom.model.precision import Precision
from ternloom.quantize.calibration import LayerCalibration
from ternloom.quantize.quantizer import MatrixQuantizer
from ternloom.quantize.weights import parse
from ternloom.train import fused
from ternloom.train.cell import RecurrentLayer


#: Where the kernels run; ``tests/conftest.py`` says whether it is Triton's interpreter.
DEVICE = "cpu" if os.environ["TRITON_INTERPRET"] == "1" else "cuda"

pytestmark = pytest.mark.train


@pytest.mark.parametrize("cell", ["lstm", "gru-reset-after"])
@pytest.mark.parametrize("form", [None, Ternary(1, 2), Online(Fixed(8, 7), 2),
                                  Online(Fixed(8, 7), 3)], ids=str)
def test_sequence(cell, form):
    """Codes are the same on the grids, and gradients but for the order of sums."""
    torch.manual_seed(1)
    units, layer = 13, RecurrentLayer(CELLS[cell], 13, 13).to(DEVICE)
    for bias in [layer.bias] + [layer.recurrent_bias] * (layer.recurrent_bias is not None):
        torch.nn.init.uniform_(bias, -0.5, 0.5)
    if form is not None:
        quantizer = MatrixQuantizer((parse("alternating:2"),) * len(layer.cell.gates), exponent=8)
        layer.quantization = LayerCalibration(form, form, Precision(state=Fixed(14, 11)), 6,
                                              quantizer, quantizer)
    sequences = (2 * torch.randn(4, 3, units, device=DEVICE)).requires_grad_()
    weight, recurrent, bias, own = layer.effective()
    inputs, first = torch.nn.functional.linear(sequences, weight, bias), layer.cleared(sequences)
    tensors = {"inputs": inputs, "recurrent_weight": recurrent, "recurrent_bias": own,
               layer._names[-1]: first.state, "h": first.code}
    wanted, *states = layer._run({name: tensor for name, tensor in tensors.items()
                                  if tensor is not None}, None)
    plan = fused.plan(layer.cell, units, layer.quantization, inputs.dtype, inputs.device)
    found, *last = fused.Sequence.apply(plan, inputs, recurrent, own, first.code, first.state)
    tolerance = {"rtol": 0, "atol": 1e-6 if form is None else 0}
    torch.testing.assert_close(found, wanted, **tolerance)
    torch.testing.assert_close(last[1], states[-1], **tolerance)
    weights, ends = torch.randn_like(wanted), [*layer.parameters(), sequences]
    for one, other in zip(*(torch.autograd.grad((outputs * weights).sum(), ends, retain_graph=True)
                            for outputs in (found, wanted)), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("planes", [2, 3])
def test_alternating(planes):
    rows = np.random.default_rng(planes).normal(0, 0.3, (20, 50)).astype(np.float32)
    method = parse(f"alternating:{planes}:2:greedy-start")
    found = fused.values(method, 9, torch.from_numpy(rows).to(DEVICE)).cpu().numpy()
    np.testing.assert_array_equal(found, MatrixQuantizer((method,), exponent=9).values(rows))


@pytest.mark.parametrize("taught", [False, True])
def test_entropy(taught):
    torch.manual_seed(2)
    logits, answers = (3 * torch.randn(5, 37, device=DEVICE).bfloat16() for _ in range(2))
    targets = torch.randint(37, (5,), device=DEVICE)
    exact = logits.float().requires_grad_()
    wanted = torch.nn.functional.cross_entropy(exact, targets)
    if taught:
        wanted = wanted + 0.7 * torch.nn.functional.cross_entropy(exact, answers.float().softmax(1))
    gradient, = torch.autograd.grad(5 * wanted, exact)
    gradient[torch.arange(5), targets] += 1
    loss = fused.entropy(logits, targets, answers if taught else None, 0.7)
    torch.testing.assert_close(loss, wanted.detach(), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(logits.float(), gradient, rtol=0.01, atol=0.01)
