# amaranth: UnusedElaboratable=no
"""Processing elements against integer arithmetic, in Amaranth's simulator and as Verilog."""

import itertools
import subprocess

import numpy as np
import pytest
from amaranth.back import verilog
from hwsim import play

from ternloom.hw.element import GatedPopcount, ShiftAdd, XnorPopcount, default_stages


ALPHABETS = {1: (-1, 1), 2: (-1, 0, 1)}

#: What makes each element, given lanes, and the codes of its weights and activations.
KINDS = {
    "xnor": (XnorPopcount, {}, (-1, 1), (-1, 1)),
    "binary-ternary": (GatedPopcount, {"weight_bits": 1, "activation_bits": 2},
                       (-1, 1), (-1, 0, 1)),
    "ternary-binary": (GatedPopcount, {"weight_bits": 2, "activation_bits": 1},
                       (-1, 0, 1), (-1, 1)),
    "ternary-ternary": (GatedPopcount, {"weight_bits": 2, "activation_bits": 2},
                        (-1, 0, 1), (-1, 0, 1)),
    "binary-fixed": (ShiftAdd, {"weight_bits": 1, "activation_width": 8},
                     (-1, 1), range(-128, 128)),
    "ternary-fixed": (ShiftAdd, {"weight_bits": 2, "activation_width": 5},
                      (-1, 0, 1), range(-16, 16)),
}


def word(codes, bits):
    """Codes of one word, lane 0 in the low bits."""
    wires = [(code + 1) >> 1 if bits == 1 else code & ((1 << bits) - 1) for code in codes]
    return sum(wire << (lane * bits) for lane, wire in enumerate(wires))


def responses(element, vectors):
    """``o`` for each pair of weights and activations, one pair a cycle."""
    idle = [0] * element.latency
    found = play(element, {
        "weights": [word(weights, element.weight_bits) for weights, _ in vectors] + idle,
        "activations": [word(codes, element.activation_bits) for _, codes in vectors] + idle,
    }, ["o"])
    return found["o"][element.latency:]


def dots(vectors):
    """Dot product of each pair."""
    return np.array([sum(w * a for w, a in zip(weights, codes, strict=True))
                     for weights, codes in vectors])


def check(element, vectors):
    """Every response, and what the contract says of its range."""
    found = responses(element, vectors)
    np.testing.assert_array_equal(element.gain * found + element.offset, dots(vectors))
    np.testing.assert_array_equal(found, [element.reference(*vector) for vector in vectors])
    assert element.low <= min(found) and max(found) <= element.high


def draw(kind, lanes, count=12):
    """Random vectors, after the extremes of both signs."""
    _, _, weights, activations = KINDS[kind]
    random = np.random.default_rng(lanes)
    extremes = itertools.product((min(weights), max(weights)), (min(activations), max(activations)))
    vectors = [([w] * lanes, [a] * lanes) for w, a in extremes]
    return vectors + [(random.choice(weights, lanes).tolist(),
                       random.choice(activations, lanes).tolist()) for _ in range(count)]


def make(kind, lanes, **options):
    build, parameters, *_ = KINDS[kind]
    return build(lanes, **parameters, **options)


def every(weights, activations, lanes):
    """All vectors of some lanes."""
    return [(pair[:lanes], pair[lanes:])
            for pair in itertools.product(*[weights] * lanes, *[activations] * lanes)]


@pytest.mark.parametrize("lanes", [1, 2, 3, 4])
def test_xnor_every_code(lanes):
    check(XnorPopcount(lanes), every((-1, 1), (-1, 1), lanes))


@pytest.mark.parametrize("lanes", [1, 2, 3, 4])
@pytest.mark.parametrize("bits", [(1, 2), (2, 1), (2, 2)])
def test_gated_every_code(bits, lanes):
    weight_bits, activation_bits = bits
    check(GatedPopcount(lanes, weight_bits=weight_bits, activation_bits=activation_bits),
          every(ALPHABETS[weight_bits], ALPHABETS[activation_bits], lanes))


@pytest.mark.parametrize("width, lanes", [(2, 1), (2, 2), (2, 3), (3, 2), (8, 1)])
@pytest.mark.parametrize("weight_bits", [1, 2])
def test_shift_add_every_code(weight_bits, width, lanes):
    activations = range(-1 << (width - 1), 1 << (width - 1))
    check(ShiftAdd(lanes, weight_bits=weight_bits, activation_width=width),
          every(ALPHABETS[weight_bits], activations, lanes))


@pytest.mark.parametrize("lanes", range(1, 71))
def test_random_lanes(lanes):
    """Each size with two of the elements."""
    for kind in (list(KINDS) * 2)[lanes % 6:lanes % 6 + 2]:
        check(make(kind, lanes), draw(kind, lanes))


@pytest.mark.parametrize("lanes", [7, 8, 15, 16, 32, 64, 129, 256])
@pytest.mark.parametrize("kind", KINDS)
def test_random_element(kind, lanes):
    check(make(kind, lanes), draw(kind, lanes, 4))


@pytest.mark.parametrize("width", [2, 3, 12, 16])
def test_random_width(width):
    random = np.random.default_rng(width)
    codes = random.integers(-1 << (width - 1), 1 << (width - 1), (8, 11)).tolist()
    weights = random.integers(-1, 2, (8, 11)).tolist()
    check(ShiftAdd(11, weight_bits=2, activation_width=width),
          list(zip(weights, codes, strict=True)))


@pytest.mark.parametrize("stages", range(6))
@pytest.mark.parametrize("kind", KINDS)
def test_latency(kind, stages):
    """Another vector every cycle, whatever the registers."""
    element = make(kind, 20, stages=stages)
    assert element.latency == element.stages == stages
    check(element, draw(kind, 20))


def test_default_latency():
    sizes = (1, 2, 8, 9, 64, 65, 256)
    counted, added = ([default_stages(lanes, depth) for lanes in sizes] for depth in (3, 2))
    assert counted == [0, 1, 1, 2, 2, 3, 3]
    assert added == [0, 1, 2, 2, 3, 4, 4]
    for kind in KINDS:
        found = [make(kind, lanes).latency for lanes in sizes]
        assert found == (added if isinstance(make(kind, 1), ShiftAdd) else counted)


def test_parameters():
    """What a component was made of comes back."""
    element = GatedPopcount(9, weight_bits=1, activation_bits=2)
    assert (element.simd, element.weight_bits, element.activation_bits) == (9, 1, 2)
    assert (element.low, element.high, element.gain, element.offset) == (0, 18, 1, -9)
    element = XnorPopcount(9)
    assert (element.low, element.high, element.gain, element.offset) == (0, 9, 2, -9)
    element = ShiftAdd(3, weight_bits=2, activation_width=8)
    assert (element.low, element.high, element.gain, element.offset) == (-384, 384, 1, 0)


BENCH = """
module bench;
reg clk = 0, rst = 0;
reg [{weights}:0] weights;
reg [{activations}:0] activations;
wire [{o}:0] o;
{instance}
integer file, status, cycle;
initial begin
  file = $fopen("vectors.txt", "r");
  for (cycle = 0; cycle < {cycles}; cycle = cycle + 1) begin
    status = $fscanf(file, "%h %h", weights, activations);
    #1 $display("%b", o);
    clk = 1; #1 clk = 0;
  end
end
endmodule
"""


@pytest.mark.parametrize("kind", KINDS)
def test_verilog(kind, tmp_path):
    """What is emitted, in Icarus."""
    element, vectors = make(kind, 23), draw(kind, 23)
    (tmp_path / "element.v").write_text(verilog.convert(element, name="element"))
    (tmp_path / "bench.v").write_text(BENCH.format(
        weights=len(element.weights) - 1, activations=len(element.activations) - 1,
        o=len(element.o) - 1, cycles=len(vectors) + element.latency,
        instance="element dut(.clk(clk), .rst(rst), .weights(weights), .activations(activations),"
                 " .o(o));"))
    lines = [f"{word(weights, element.weight_bits):x} {word(codes, element.activation_bits):x}\n"
             for weights, codes in [*vectors, *vectors[:element.latency]]]
    (tmp_path / "vectors.txt").write_text("".join(lines))
    subprocess.run(["iverilog", "-g2005", "-o", "bench", "bench.v", "element.v"], cwd=tmp_path,
                   check=True)
    ran = subprocess.run(["vvp", "-n", "bench"], cwd=tmp_path, check=True, capture_output=True,
                         text=True)
    found = np.array([int(line, 2) for line in ran.stdout.split()[element.latency:]])
    if element.low < 0:
        found -= (found >> (len(element.o) - 1)) << len(element.o)
    np.testing.assert_array_equal(element.gain * found + element.offset, dots(vectors))


@pytest.mark.parametrize("lanes", [0, -1, 257])
@pytest.mark.parametrize("kind", KINDS)
def test_wrong_lanes(kind, lanes):
    with pytest.raises(ValueError, match=rf"^Lanes must be from 1 to 256, not {lanes}$"):
        make(kind, lanes)


def test_wrong_parameters():
    with pytest.raises(ValueError, match=r"^Register stages must be a non-negative integer, "
                                         r"not -1$"):
        XnorPopcount(4, stages=-1)
    with pytest.raises(ValueError, match=r"^Weight and activation bits must be 1 or 2 and not "
                                         r"both 1, not \(1, 1\)$"):
        GatedPopcount(4, weight_bits=1, activation_bits=1)
    with pytest.raises(ValueError, match=r"^Weight bits must be 1 or 2, not 3$"):
        ShiftAdd(4, weight_bits=3, activation_width=8)
    with pytest.raises(ValueError, match=r"^Activation width must be from 2 to 16, not 17$"):
        ShiftAdd(4, weight_bits=2, activation_width=17)
