"""Benches that were built before are not built again, and nothing else is taken for them."""

import dataclasses
import os

import pytest
from cachehome import cache_home

from ternloom.files import cache
from ternloom.hw import verilog
from ternloom.mapping.folding import Folding
from ternloom.mapping.mapping import Mapping
from ternloom.model.draw import random_network, random_sequences
from ternloom.sim import build
from ternloom.sim.run import simulate


@pytest.fixture
def built(tmp_path, monkeypatch):
    """Counts what is compiled, in a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", cache_home(tmp_path / "cache"))
    tools, compile = [], build._compile
    monkeypatch.setattr(build, "_compile", lambda command, folder, tool: (
        tools.append(tool), compile(command, folder, tool)))
    return tools


@pytest.fixture(scope="module")
def small():
    network = random_network(4, layers=1, units=3, inputs=3, classes=2)
    folding = Folding.uniform(network, pe=1, simd=2)
    sequences = random_sequences(4, network, 3, (1, 3))
    return network, folding, sequences, verilog.generate(Mapping(network, folding))


def test_built_once(built, small):
    network, folding, sequences, design = small
    assert simulate(Mapping(network, folding), sequences, design=design).exact
    assert built == ["verilator", "c++"]
    assert simulate(Mapping(network, folding), sequences[1:], design=design).exact
    assert built == ["verilator", "c++"]
    spoiled = dataclasses.replace(design, probes=(), verilog=design.verilog.replace(
        "updated0 : sum0;", "(updated0 & ~4) : sum0;"))
    assert not simulate(Mapping(network, folding), sequences, design=spoiled).exact
    assert built == 2 * ["verilator", "c++"]


def test_no_cache(tmp_path, monkeypatch):
    """A place that cannot be written costs time and nothing else."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "cache").write_text("a file")
    (tmp_path / "core.v").write_text("module core; endmodule")
    bench, tools = tmp_path / "build" / "bench", []

    def compile(command, folder, tool):
        tools.append(tool)
        bench.parent.mkdir(exist_ok=True)
        bench.write_text("made")

    monkeypatch.setattr(build, "_compile", compile)
    for _ in range(2):
        build.build("verilator", tmp_path, ["core.v"])
        assert bench.read_text() == "made"
    assert tools == 2 * ["verilator", "c++"]


def test_key():
    assert cache.key("a", "bc") != cache.key("ab", "c") != cache.key("abc")


def test_limit(tmp_path, monkeypatch):
    """The file that was not used for longest goes first."""
    monkeypatch.setattr(cache, "_LIMIT", 25)
    source = tmp_path / "made"
    source.write_bytes(bytes(10))
    source.chmod(0o755)
    place = tmp_path / "cache"
    place.mkdir()
    for age, name in enumerate("abc"):
        cache.store(place, name, source)
        os.utime(place / name, ns=(0, age))
        if name == "b":
            assert cache.fetch(place, "a", tmp_path / "out" / "again")
    assert sorted(os.listdir(place)) == ["a", "c"]
    assert os.access(tmp_path / "out" / "again", os.X_OK)
    assert not cache.fetch(place, "b", tmp_path / "out" / "b")


def test_text(tmp_path):
    """Made once for a name; what is damaged, or has no place, is made anew."""
    made = []

    def make():
        made.append(len(made))
        return f"text {made[-1]}"

    assert [cache.text(tmp_path, "one", make) for _ in range(2)] == ["text 0", "text 0"]
    assert cache.text(tmp_path, "two", make) == "text 1"
    (tmp_path / "one").write_bytes(b"\xff")
    assert cache.text(tmp_path, "one", make) == "text 2"
    assert cache.text(None, "one", make) == "text 3"
    assert cache.text(tmp_path / "two", "one", make) == "text 4"


def test_verilog_once(tmp_path, monkeypatch, small):
    """A core that was generated before is converted by no tool."""
    network, folding, _, design = small
    monkeypatch.setenv("XDG_CACHE_HOME", cache_home(tmp_path / "cache"))
    assert verilog.generate(Mapping(network, folding)) == design
    kept, = (tmp_path / "cache" / "ternloom" / "verilog").iterdir()
    kept.write_text(kept.read_text().replace("endmodule", "endmodule // kept", 1))
    again = verilog.generate(Mapping(network, folding)).verilog
    assert again == design.verilog.replace("endmodule", "endmodule // kept", 1)
