# amaranth: UnusedElaboratable=no
"""Processing elements against integer arithmetic, in Amaranth's simulator and as Verilog."""

import itertools
import subprocess

import numpy as np
import pytest
from amaranth.back import verilog
from hwsim import play

from ternloom.hw.adder import SelectAdd, ShiftAdd
from ternloom.hw.element import GatedPopcount, QuaternaryPopcount, XnorPopcount
from ternloom.model.alphabet import ALPHABETS, BINARY, EXPONENTIAL, INTEGER, QUATERNARY, TERNARY


ALPHABETS = {1: (-1, 1), 2: (-1, 0, 1)}
FOUR = QUATERNARY.codes

#: What makes each element, given lanes, and the codes of its weights and activations.
KINDS = {
    "xnor": (XnorPopcount, {}, (-1, 1), (-1, 1)),
    "binary-ternary": (GatedPopcount, {"weight_bits": 1, "activation_bits": 2},
                       (-1, 1), (-1, 0, 1)),
    "ternary-binary": (GatedPopcount, {"weight_bits": 2, "activation_bits": 1},
                       (-1, 0, 1), (-1, 1)),
    "ternary-ternary": (GatedPopcount, {"weight_bits": 2, "activation_bits": 2},
                        (-1, 0, 1), (-1, 0, 1)),
    "quaternary-binary": (QuaternaryPopcount, {}, FOUR, (-1, 1)),
    "quaternary-ternary": (SelectAdd, {"weight": QUATERNARY, "activation_bits": 2},
                           FOUR, (-1, 0, 1)),
    "exponential-binary": (SelectAdd, {"weight": EXPONENTIAL, "weight_bits": 4,
                                       "activation_bits": 1},
                           EXPONENTIAL.lane_levels(4), (-1, 1)),
    "exponential-ternary": (SelectAdd, {"weight": EXPONENTIAL, "weight_bits": 5,
                                        "activation_bits": 2},
                            EXPONENTIAL.lane_levels(5), (-1, 0, 1)),
    "integer-binary": (SelectAdd, {"weight": INTEGER, "weight_bits": 4,
                                   "activation_bits": 1}, range(-8, 8), (-1, 1)),
    "integer-ternary": (SelectAdd, {"weight": INTEGER, "weight_bits": 8,
                                    "activation_bits": 2}, range(-128, 128), (-1, 0, 1)),
    "binary-fixed": (ShiftAdd, {"weight": BINARY, "activation_width": 8},
                     (-1, 1), range(-128, 128)),
    "ternary-fixed": (ShiftAdd, {"weight": TERNARY, "activation_width": 5},
                      (-1, 0, 1), range(-16, 16)),
    "quaternary-fixed": (ShiftAdd, {"weight": QUATERNARY, "activation_width": 6},
                         FOUR, range(-32, 32)),
    "exponential-fixed": (ShiftAdd, {"weight": EXPONENTIAL, "weight_bits": 4,
                                     "activation_width": 6},
                          EXPONENTIAL.lane_levels(4), range(-32, 32)),
    "integer-fixed": (ShiftAdd, {"weight": INTEGER, "weight_bits": 8,
                                 "activation_width": 8}, range(-128, 128), range(-128, 128)),
}


def word(wires, bits):
    """Wire forms of one word, lane 0 in the low bits."""
    return sum((int(wire) & ((1 << bits) - 1)) << (lane * bits) for lane, wire in enumerate(wires))


def weight_word(element, weights):
    return word(element.wire(weights), element.weight_bits)


def activation_word(element, codes):
    bits = element.activation_bits
    return word([(code + 1) >> 1 if bits == 1 else code for code in codes], bits)


def responses(element, vectors):
    """``o`` for each pair of weights and activations, one pair a cycle."""
    idle = [0] * element.latency
    found = play(element, {
        "weights": [weight_word(element, weights) for weights, _ in vectors] + idle,
        "activations": [activation_word(element, codes) for _, codes in vectors] + idle,
    }, ["o"])
    return found["o"][element.latency:]


def dots(vectors):
    """Dot product of each pair."""
    return np.array([sum(w * a for w, a in zip(weights, codes, strict=True))
                     for weights, codes in vectors])


def check(element, vectors):
    """Every response, and what the contract says of its range."""
    found = responses(element, vectors)
    offsets = element.offset([weights for weights, _ in vectors])
    np.testing.assert_array_equal(element.scale * found + offsets, dots(vectors))
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
@pytest.mark.parametrize("weight", [BINARY, TERNARY])
def test_shift_add_every_code(weight, width, lanes):
    activations = range(-1 << (width - 1), 1 << (width - 1))
    check(ShiftAdd(lanes, weight=weight, activation_width=width),
          every(weight.codes, activations, lanes))


#: Alphabets of several bits, and the bits of each.
WIDE = [(QUATERNARY, 2), *((EXPONENTIAL, bits) for bits in range(2, 6)),
        *((INTEGER, bits) for bits in range(2, 9))]


@pytest.mark.parametrize("width, lanes", [(2, 1), (5, 1), (2, 2)])
@pytest.mark.parametrize("weight, bits", WIDE)
def test_shift_add_every_wide_code(weight, bits, width, lanes):
    weights = weight.lane_levels(bits)
    if lanes == 2:
        weights = weights[::max(1, len(weights) // 10)]
    activations = range(-1 << (width - 1), 1 << (width - 1))
    check(ShiftAdd(lanes, weight=weight, weight_bits=bits, activation_width=width),
          every(weights, activations, lanes))


@pytest.mark.parametrize("lanes", [1, 2])
@pytest.mark.parametrize("activation_bits", [1, 2])
@pytest.mark.parametrize("weight, bits", WIDE)
def test_select_add_every_code(weight, bits, activation_bits, lanes):
    weights = weight.lane_levels(bits)
    if lanes == 2:
        weights = weights[::max(1, len(weights) // 10)]
    check(SelectAdd(lanes, weight=weight, weight_bits=bits, activation_bits=activation_bits),
          every(weights, ALPHABETS[activation_bits], lanes))


@pytest.mark.parametrize("lanes", [1, 2, 3])
def test_quaternary_every_code(lanes):
    check(QuaternaryPopcount(lanes), every(FOUR, (-1, 1), lanes))


@pytest.mark.parametrize("turn", [0, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("lanes", range(1, 71))
def test_random_lanes(lanes, turn):
    """Each size with one of the elements, and with a second one where there is time."""
    kind = list(KINDS)[(lanes + turn) % len(KINDS)]
    check(make(kind, lanes), draw(kind, lanes))


#: Large sizes, and those around powers of two; ``make test`` takes five elements of each.
SIZES = [pytest.param(*case, marks=[pytest.mark.slow] * (place % 3 > 0))
         for place, case in enumerate(itertools.product(KINDS, [7, 8, 15, 16, 32, 64, 129, 256]))]


@pytest.mark.parametrize("kind, lanes", SIZES)
def test_random_element(kind, lanes):
    check(make(kind, lanes), draw(kind, lanes, 4))


@pytest.mark.parametrize("width", [2, 3, 12, 16])
def test_random_width(width):
    random = np.random.default_rng(width)
    codes = random.integers(-1 << (width - 1), 1 << (width - 1), (8, 11)).tolist()
    for weight, bits in [(TERNARY, 2), *WIDE]:
        weights = random.choice(weight.lane_levels(bits), (8, 11)).tolist()
        check(ShiftAdd(11, weight=weight, weight_bits=bits, activation_width=width),
              list(zip(weights, codes, strict=True)))


@pytest.mark.parametrize("stages", range(6))
@pytest.mark.parametrize("kind", KINDS)
def test_latency(kind, stages):
    """Another vector every cycle, whatever the registers."""
    element = make(kind, 20, stages=stages)
    assert element.latency == element.stages == stages
    check(element, draw(kind, 20))


@pytest.mark.parametrize("kind, expected", [
    ("xnor", [0, 1, 1, 2, 2, 3, 3]), ("ternary-ternary", [0, 1, 1, 2, 2, 3, 3]),
    ("quaternary-binary", [1, 1, 2, 2, 3, 3, 4]), ("ternary-fixed", [0, 1, 2, 2, 3, 4, 4]),
    ("exponential-fixed", [1, 1, 2, 3, 4, 4, 5]), ("integer-fixed", [1, 2, 3, 3, 4, 5, 5]),
    ("integer-binary", [0, 1, 2, 2, 3, 4, 4]),
])
def test_default_latency(kind, expected):
    assert [make(kind, lanes).latency for lanes in (1, 2, 8, 9, 64, 65, 256)] == expected


def test_parameters():
    """What a component was made of comes back."""
    element = GatedPopcount(9, weight_bits=1, activation_bits=2)
    assert (element.simd, element.weight_bits, element.activation_bits) == (9, 1, 2)
    assert (element.low, element.high, element.scale) == (0, 18, 1)
    assert element.offset([[1] * 9, [-1] * 9]).tolist() == [-9, -9]
    element = XnorPopcount(9)
    assert (element.low, element.high, element.scale, element.offset([1] * 9)) == (0, 9, 2, -9)
    element = QuaternaryPopcount(3)
    assert (element.low, element.high, element.scale, element.offset([2] * 3)) == (0, 12, 1, -6)
    element = ShiftAdd(3, weight=TERNARY, activation_width=8)
    assert (element.low, element.high, element.scale) == (-384, 381, 1)
    assert element.offset([[0, 1, 1], [-1, 1, -1]]).tolist() == [0, 2]
    element = ShiftAdd(2, weight=INTEGER, weight_bits=4, activation_width=8)
    assert element.offset([[7, -8], [-1, 3]]).tolist() == [5, 2]
    element = SelectAdd(2, weight=EXPONENTIAL, weight_bits=3, activation_bits=1)
    assert (element.low, element.high, element.scale, element.offset([8, -4])) == (0, 16, 2, -12)


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
    lines = [f"{weight_word(element, weights):x} {activation_word(element, codes):x}\n"
             for weights, codes in [*vectors, *vectors[:element.latency]]]
    (tmp_path / "vectors.txt").write_text("".join(lines))
    subprocess.run(["iverilog", "-g2005", "-o", "bench", "bench.v", "element.v"], cwd=tmp_path,
                   check=True)
    ran = subprocess.run(["vvp", "-n", "bench"], cwd=tmp_path, check=True, capture_output=True,
                         text=True)
    found = np.array([int(line, 2) for line in ran.stdout.split()[element.latency:]])
    if element.low < 0:
        found -= (found >> (len(element.o) - 1)) << len(element.o)
    offsets = element.offset([weights for weights, _ in vectors])
    np.testing.assert_array_equal(element.scale * found + offsets, dots(vectors))


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
    with pytest.raises(ValueError, match=r"^Bits of ternary weights must be from 2 to 2, not 3$"):
        ShiftAdd(4, weight=TERNARY, weight_bits=3, activation_width=8)
    with pytest.raises(ValueError, match=r"^Bits of integer weights must be from 2 to 8, "
                                         r"not None$"):
        ShiftAdd(4, weight=INTEGER, activation_width=8)
    with pytest.raises(ValueError, match=r"^Activation width must be from 2 to 33, not 34$"):
        ShiftAdd(4, weight=TERNARY, activation_width=34)
    with pytest.raises(ValueError, match=r"^Weights that are selected must be quaternary, "
                                         r"exponential or integer, not ternary$"):
        SelectAdd(4, weight=TERNARY, activation_bits=1)
    with pytest.raises(ValueError, match=r"^Activation bits must be 1 or 2, not 3$"):
        SelectAdd(4, weight=QUATERNARY, activation_bits=3)
