"""Tables of runs: the interval against exact numbers, and what stands in docs/papers.md."""

import pathlib
import re

import pytest

from ternloom.quantize import activations, weights
from ternloom.train import schedule
from ternloom.train.papers import accuracies, main, perplexities, wilson


pytestmark = pytest.mark.train

HOUSE = pathlib.Path(__file__).resolve().parents[2]
PAGE = HOUSE / "docs" / "papers.md"


@pytest.mark.parametrize("right, text", [
    (299, "98.1 to 99.9"), (296, "96.6 to 99.5"), (271, "86.5 to 93.2"), (300, "98.7 to 100.0"),
    (0, "0.0 to 1.3"),
])
def test_wilson(right, text):
    """Each end is the share from which the one found is 1.96 deviations away."""
    low, high = wilson(right / 300, 300)
    assert f"{100 * low:.1f} to {100 * high:.1f}" == text
    for end in low, high:
        assert (right / 300 - end)**2 == pytest.approx(1.959964**2 * end * (1 - end) / 300,
                                                       abs=1e-12)


@pytest.mark.parametrize("kinds", [weights, activations, schedule],
                         ids=["weights", "activations", "schedule"])
def test_sources(kinds):
    """Every method says whose it is."""
    for usage, line in kinds.listing():
        assert re.search(r"\b(19|20)\d\d\b|HitNet|Ternloom's choice", line), usage


def test_page_names_every_method():
    """Those of other papers than the five are missing by name."""
    text = PAGE.read_text(encoding="utf-8")
    others = {"twn", "mean-binary"}
    for kinds in (weights, activations):
        for name in set(kinds.names()) - others - {"binary", "planes", "ternary"}:
            assert f"`{name}" in text, name


def test_page():
    """The tables on the page are those that the records make."""
    text = PAGE.read_text(encoding="utf-8")
    assert accuracies(HOUSE / "examples") in text
    assert perplexities(HOUSE / "examples") in text


def test_document_without_marks(tmp_path, capsys):
    (tmp_path / "page.md").write_text("nothing\n")
    with pytest.raises(SystemExit):
        main([str(HOUSE / "examples"), str(tmp_path / "page.md")])
    assert capsys.readouterr().err \
        == "Document lacks the lines <!-- accuracies --> and <!-- /accuracies -->\n"
