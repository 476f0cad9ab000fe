"""Run the complete flow on a shipped example, from a trained network to a bitstream.

A GRU with ternary weights, trained on recordings of spoken digits, is evaluated on recordings it
has never heard; its Verilog is generated, simulated on some of them against the golden model, bit
for bit and cycle for cycle, and built into a bitstream for a board. A picture follows one
recording through the network, and two files hold the bytes to send to the board for it and the
bytes of the expected answer. Takes a few minutes.
"""

import json
import pathlib
import shlex
import time

from ternloom.cli import generate, output, simulate, source, synth
from ternloom.cli.console import Command, Outcome, facts
from ternloom.cli.describe import note, percent
from ternloom.cli.option import add_folding, count, mapped
from ternloom.cli.stimulus import stimulus


__all__ = ["EXAMPLE", "arguments", "run"]

EXAMPLE = "ternloom demo -o demo --board icebreaker"

#: What the demo shows.
NETWORK, DATA = "digits-gru-ternary-ternary", "digits"

#: Steps of the recording in the picture, or nearly so.
_STEPS = 45

#: Recordings among the test vectors.
_VECTORS = 4

#: Debian packages of the programs that load a bitstream.
_LOADERS = {"iceprog": "fpga-icestorm", "openFPGALoader": "openfpgaloader"}

#: The bytes that go to the board and those that come back.
_SENT, _RECEIVED = "recording.bin", "answer.bin"


def arguments(parser):
    """Add the verb's arguments."""
    from ternloom.boards.registry import BOARDS

    parser.add_argument("-o", "--output", metavar="DIR", default="demo",
                        help="folder to write; replaced if ternloom demo wrote it (default: "
                             "%(default)s)")
    output.add_folder_force(parser)
    parser.add_argument("--board", default="icebreaker", metavar="BOARD",
                        help=f"board to build for: {', '.join(BOARDS)} (default: %(default)s)")
    parser.add_argument("--sequences", type=count, default=20, metavar="N",
                        help="recordings to simulate (default: %(default)s)")
    parser.set_defaults(data=DATA, part="test", text=None)
    add_folding(parser)


def run(chosen, console):
    """Do the job, and say what came of each part."""
    from ternloom.boards import registry
    from ternloom.cli.background import Background

    began = time.monotonic()
    board = registry.find(chosen.board)
    network = source.network(NETWORK)
    mapping = mapped(chosen, network)
    inputs = stimulus(chosen, network)
    with output.folder(chosen.output, verb="demo", force=chosen.force,
                       network=network.name) as place:
        with Background(_synth(chosen, place)) as building:
            data = _foreground(console, mapping, inputs, place)
            with console.progress(f"Building for {board.title}") as report:
                data["synth"] = building.result(report)
        data["seconds"] = round(time.monotonic() - began, 1)
        (place / "report.json").write_text(json.dumps(data, indent=2) + "\n")
    return Outcome({"output": chosen.output, **data}, tables(chosen.output, data),
                   status=0 if data["simulate"]["exact"] else 1)


def _synth(chosen, place):
    """Arguments of the verb that makes the bitstream."""
    sizes = [f"--{name}={','.join(map(str, getattr(chosen, name)))}" for name in ("pe", "simd")]
    sizes += ["--multiplexed"] * chosen.multiplexed
    return ["synth", NETWORK, "--board", chosen.board, "--top", "uart",
            "--output", str(place / "bitstream"), *sizes]


def _foreground(console, mapping, inputs, place):
    """What runs while the bitstream is made."""
    from ternloom.boards import exchange
    from ternloom.cli.picture import draw
    from ternloom.evaluate.measure import measure

    network = mapping.network
    test = source.data(DATA, "test", network)
    with console.progress("Golden model, recordings") as report:
        accuracy = measure(network, test, report)
    with console.progress("Generating Verilog"):
        design, written = generate.produce(place, mapping, "ternloom_core",
                                           inputs.sequences[:_VECTORS])
    run = simulate.simulate_sequences(console, mapping, inputs, "verilator", design)
    # A recording that is heard right and fills a picture.
    labels = test.targets.values
    right = [index for index, label in enumerate(labels) if accuracy.winners[index] == label]
    shown = min(right, key=lambda index: abs(len(test.sequences[index]) - _STEPS))
    draw(place / "picture.png", network, test.sequences[shown], int(labels[shown]))
    sent, received = (make(mapping, test.sequences[shown])
                      for make in (exchange.question, exchange.answer))
    (place / _SENT).write_bytes(sent)
    (place / _RECEIVED).write_bytes(received)
    return {"network": network.name, "notes": dict(network.notes), "eval": accuracy.data(),
            "generate": written, "picture": "picture.png",
            "recording": {"label": int(labels[shown]), "sent": len(sent),
                          "received": len(received)},
            "simulate": {"sequences": len(inputs.sequences), **simulate.describe(run)}}


def tables(place, data):
    """The result for people."""
    found, ran, built = data["eval"], data["simulate"], data["synth"]
    place = pathlib.Path(place)
    exact = ("bit- and cycle-exact" if ran["exact"] else f"WRONG, {ran['mismatch']['text']}")
    pairs = [
        ("network", data["network"]),
        ("accuracy", f"{percent(found['accuracy'])}, {found['correct']} of {found['sequences']} "
                     f"test recordings, golden model"),
        *((name, note(name, text)) for name, text in data["notes"].items()
          if name == "float accuracy"),
        ("Verilog", f"{data['generate']['lines']:,} lines, {place / 'ternloom_core.v'}"),
        ("simulation", f"{ran['sequences']} recordings {exact}: {ran['transfers']:,} transfers in "
                       f"{ran['cycles']:,} cycles, {ran['simulator']}"),
        ("board", built["board"]),
        ("clock", synth.clock(built)),
        ("utilization", synth.sentence(built)),
        ("bitstream", place / "bitstream" / built["bitstream"]),
        ("time", f"{data['seconds']:.0f} s"),
    ]
    return facts(pairs), "\nWhat to do next", facts(_next(place, data))


def _next(place, data):
    """What remains for hands to do."""
    from ternloom.boards import registry

    board, recording = registry.find(data["synth"]["board"]), data["recording"]
    bitstream = shlex.quote(str(place / "bitstream" / data["synth"]["bitstream"]))
    return [
        ("look", place / "picture.png"),
        ("install", Command(f"apt-get install {_LOADERS[board.program.split()[0]]}")),
        ("load", Command(board.program.format(bitstream))),
        ("send", f"{place / _SENT}, {recording['sent']} bytes, to the board's serial port: "
                 f"{board.baud:,} baud, 8N1"),
        ("receive", f"{place / _RECEIVED}, {recording['received']} bytes; the last, "
                    f"{recording['label']}, is the digit that was spoken"),
    ]
