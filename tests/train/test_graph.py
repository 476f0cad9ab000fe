"""What is captured when, with captures that a processor can make."""

import copy

import pytest
import torch

from ternloom.train import graph


pytestmark = pytest.mark.train


@pytest.fixture
def captures(monkeypatch):
    """Notes what is captured; a replay gives twice what the function does."""
    made = []

    def capture(function, tensors):
        made.append((torch.is_grad_enabled(), [tuple(tensor.shape) for tensor in tensors]))
        return lambda *given: tuple(2 * one for one in function(*given))

    for name in ("_with_gradients", "_without_gradients"):
        monkeypatch.setattr(graph, name, capture)
    return made


def double(tensor):
    return (tensor + 1,)


def test_within_a_step(captures, monkeypatch):
    """What is captured as a whole is not captured in parts."""
    monkeypatch.setattr(graph.Step, "running", True)
    assert graph.Graphs()(double, "one", torch.zeros(1))[0].tolist() == [1.0]
    assert not captures


def test_variants(captures):
    """A capture a shape, a mode and a variant; others replay it."""
    graphs, few, many = graph.Graphs(), torch.zeros(2), torch.zeros(3)
    for tensor in (few, many, few):
        assert graphs(double, "one", tensor)[0].tolist() == [2.0] * len(tensor)
    assert captures == [(True, [(2,)]), (True, [(3,)])]
    with torch.no_grad():
        graphs(double, "one", few)
    graphs(double, "another", few)
    assert captures[2:] == [(False, [(2,)]), (True, [(2,)])]


def test_too_many(captures):
    """Beyond some variants the function itself runs: captures take memory."""
    graphs = graph.Graphs()
    found = [graphs(double, "one", torch.zeros(1 + size))[0][0].item() for size in range(10)]
    assert found == [2.0] * 8 + [1.0] * 2 and len(captures) == 8


def test_copy_captures_anew(captures):
    graphs = graph.Graphs()
    graphs(double, "one", torch.zeros(2))
    copy.deepcopy(graphs)(double, "one", torch.zeros(2))
    assert len(captures) == 2


def test_no_capture(monkeypatch):
    """What can't be captured runs, and says once that it is slow."""
    def capture(function, tensors):
        raise RuntimeError("operation failed due to a previous error during capture\nmore")

    monkeypatch.setattr(graph, "_with_gradients", capture)
    graphs = graph.Graphs()
    with pytest.warns(RuntimeWarning, match="^The GPU launches kernels one by one, which is slow: "
                                            "operation failed .* during capture$"):
        assert graphs(double, "one", torch.zeros(2))[0].tolist() == [1.0, 1.0]
    assert graphs(double, "one", torch.ones(2))[0].tolist() == [2.0, 2.0]
