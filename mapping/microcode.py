"""The microcode by which the hardware quantizes online: instructions, and the cycles they take.

The online quantizer of the hardware is a small machine: samples in memory, a pass over them that
counts and adds up those at or above some cuts, and an arithmetic unit with registers. Its microcode
has no branches, so it takes the same cycles for every vector, and they are known here. What a
microcode computes is defined by :mod:`ternloom.model.online`, which shares nothing with it.

An instruction that is issued at cycle i reads its registers then, and its result can be read by one
that is issued at i + 4; a multiplication can be followed by one that adds to its product at once.
"""

import dataclasses
import enum
import functools

from ternloom.model.format import Online


__all__ = ["Instruction", "Microcode", "Operation", "microcode", "tree_stages"]


#: Cycles from the issue of an instruction to the first at which its result can be read.
_RESULT = 4
#: Cycles from the issue of a pass to that of an instruction that reads its counts and sums, less
#: the samples of a chain and the stages of the adders over chains.
_PASS = 3
#: Cycles from the issue of the writing pass to its last code, less the samples of a chain.
_WRITE = 4


class Operation(enum.IntEnum):
    """What an instruction does with its operands x and y."""

    #: Nothing.
    WAIT = 0
    #: x + y, x - y, the larger, the smaller.
    ADD = 1
    SUB = 2
    MAX = 3
    MIN = 4
    #: y, negated if x is negative.
    SIGN = 5
    #: x * y; added to, subtracted from the last product. x is not negative and at most the units.
    MUL = 6
    MAC = 7
    MSC = 8
    #: ``abs(x) / y`` rounded half up; no result if y is zero.
    DIV = 9
    #: Pass over the samples that counts and adds up those at or above each cut.
    PASS = 10
    #: Pass over the samples that gives their codes.
    WRITE = 11


@dataclasses.dataclass(frozen=True)
class Instruction:
    """An instruction.

    Parameters
    ----------
    operation : Operation
    x, y, target : str
        Registers. x may be a count or a sum of the last pass, ``count.0`` or ``sum.0`` for the
        lowest cut; the target may be a cut, a coefficient or the sign of the innermost level:
        ``cut.0``, ``beta.0``, ``inner``.
    wait : int
        Cycles to let pass before the next instruction.
    """

    operation: Operation
    x: str
    y: str
    target: str
    wait: int


@dataclasses.dataclass(frozen=True)
class Microcode:
    """A program of instructions without branches.

    Parameters
    ----------
    instructions : tuple of Instruction
    registers : tuple of str
        Names; the first two hold the constants ``zero`` and ``units``.
    cycles : int
        From a vector's last sample to its last code.
    """

    instructions: tuple[Instruction, ...]
    registers: tuple[str, ...]
    cycles: int


def tree_stages(chains: int) -> int:
    """Register stages of the adders over chains: one every other level."""
    return -(-(chains - 1).bit_length() // 2)


class _Assembler:
    """Puts instructions one after another, each as soon as its operands are there.

    Parameters
    ----------
    depth, chains : int
        Samples of a chain, and chains.
    quotient : int
        Cycles of a division.
    """

    def __init__(self, depth, chains, quotient):
        self._latency  = {Operation.DIV: quotient, Operation.PASS: depth + _PASS
                          + tree_stages(chains), Operation.WRITE: depth + _WRITE}
        # The samples themselves are counted and added up as they arrive.
        self._ready = {"count": 1 + tree_stages(chains), "sum": 1 + tree_stages(chains)}
        self._next  = 1
        self._issued = [(0, Operation.WAIT, "zero", "zero", "zero")]

    def put(self, operation, x="zero", y="zero", target="zero"):
        """Append an instruction."""
        cycle = max(self._next, *(self._ready.get(name.split(".")[0] if "." in name else name, 0)
                                  for name in (x, y)))
        self._issued.append((cycle, operation, x, y, target))
        takes = self._latency.get(operation, 0)
        if operation is Operation.PASS:
            self._ready |= {"count": cycle + takes, "sum": cycle + takes}
            takes = 0
        self._next = cycle + 1 + (takes if operation is Operation.DIV else 0)
        self._ready[target] = cycle + takes + _RESULT

    def finish(self):
        """The microcode; its last instruction is the writing pass."""
        cycles = [entry[0] for entry in self._issued]
        waits = [after - before - 1 for before, after in zip(cycles, cycles[1:], strict=False)]
        instructions = tuple(Instruction(*entry[1:], wait)
                             for entry, wait in zip(self._issued, [*waits, 0], strict=True))
        names = dict.fromkeys(("zero", "units"))
        for one in instructions:
            names |= dict.fromkeys(name for name in (one.x, one.y, one.target)
                                   if "." not in name and name != "inner")
        return Microcode(instructions, tuple(names),
                         1 + cycles[-1] + self._latency[Operation.WRITE])


def _two(put, rounds):
    """Two means: ``upper`` and ``lower`` are the levels."""
    put(Operation.ADD, "sum.0", "zero", "total")
    put(Operation.DIV, "total", "units", "upper")
    put(Operation.ADD, "upper", "zero", "lower")
    for _ in range(rounds):
        put(Operation.ADD, "upper", "lower", "cut.0")
        put(Operation.PASS)
        put(Operation.ADD, "count.0", "zero", "above")
        put(Operation.ADD, "sum.0", "zero", "reached")
        put(Operation.SUB, "units", "above", "below")
        put(Operation.SUB, "total", "reached", "missed")
        put(Operation.DIV, "reached", "above", "upper")
        put(Operation.DIV, "missed", "below", "lower")
    put(Operation.ADD, "upper", "lower", "cut.0")
    put(Operation.ADD, "upper", "lower", "beta.0")
    put(Operation.SUB, "upper", "lower", "beta.1")


def _deviations(put):
    """Greedy a, b and c, not sorted; ``twice`` is twice the sum of all magnitudes."""
    put(Operation.ADD, "sum.0", "zero", "total")
    put(Operation.ADD, "total", "total", "twice")
    put(Operation.DIV, "twice", "units", "a")
    put(Operation.ADD, "a", "zero", "cut.1")
    put(Operation.PASS)
    put(Operation.MUL, "units", "a", "t0")
    put(Operation.ADD, "sum.1", "zero", "s1")
    put(Operation.MUL, "count.1", "a", "t1")
    put(Operation.SUB, "t0", "twice", "t0")
    put(Operation.ADD, "s1", "s1", "s1")
    put(Operation.SUB, "s1", "t1", "s1")
    put(Operation.ADD, "s1", "s1", "turned")
    put(Operation.ADD, "t0", "turned", "t0")
    put(Operation.DIV, "t0", "units", "b")
    put(Operation.SUB, "a", "b", "lo")
    put(Operation.ADD, "a", "b", "hi")
    put(Operation.SUB, "a", "b", "cut.0")
    put(Operation.ADD, "a", "b", "cut.2")
    put(Operation.PASS)
    put(Operation.MUL, "units", "lo", "t0")
    put(Operation.ADD, "sum.0", "zero", "s0")
    put(Operation.ADD, "sum.2", "zero", "s2")
    put(Operation.MUL, "count.0", "lo")
    put(Operation.MAC, "count.2", "hi", "t1")
    put(Operation.SUB, "t0", "twice", "t0")
    put(Operation.ADD, "s0", "s2", "s0")
    put(Operation.SUB, "t0", "turned", "t0")
    put(Operation.ADD, "s0", "s0", "s0")
    put(Operation.SUB, "s0", "t1", "s0")
    put(Operation.ADD, "s0", "s0", "s0")
    put(Operation.ADD, "t0", "s0", "t0")
    put(Operation.DIV, "t0", "units", "c")


def _sort(put):
    put(Operation.MIN, "a", "b", "t0")
    put(Operation.MAX, "a", "b", "t1")
    put(Operation.MAX, "t0", "c", "t2")
    put(Operation.MIN, "t0", "c", "c")
    put(Operation.MAX, "t1", "t2", "a")
    put(Operation.MIN, "t1", "t2", "b")


def _cut(put):
    """Cuts between the levels of a, b and c."""
    put(Operation.SUB, "a", "b", "lo")
    put(Operation.ADD, "a", "b", "cut.2")
    put(Operation.ADD, "a", "zero", "cut.1")
    put(Operation.MAX, "lo", "c", "cut.0")
    put(Operation.SUB, "lo", "c", "sign")


def _levels(put):
    """Counts n and sums s of the four levels, 0 the innermost."""
    for level in range(3):
        put(Operation.ADD, f"count.{level}", "zero", f"n{level + 1}")
    for level in range(3):
        put(Operation.ADD, f"sum.{level}", "zero", f"s{level + 1}")
    put(Operation.SUB, "units", "n1", "n0")
    put(Operation.SUB, "n1", "n2", "n1")
    put(Operation.SUB, "n2", "n3", "n2")
    put(Operation.SUB, "total", "s1", "s0")
    put(Operation.SUB, "s1", "s2", "s1")
    put(Operation.SUB, "s2", "s3", "s2")
    put(Operation.SIGN, "sign", "s0", "s0")


#: Of each coefficient: the pairs of levels whose counts are added, and products of a count and a
#: sum of which two are added or subtracted: A = (n0 + n3) (n1 s2 + n2 s1) + (n1 + n2) (...).
_NUMERATORS = {
    "a": (("03", "12", "21", Operation.MAC), ("12", "03", "30", Operation.MAC)),
    "b": (("13", "02", "20", Operation.MSC), ("02", "13", "31", Operation.MSC)),
    "c": (("23", "01", "10", Operation.MSC), ("01", "23", "32", Operation.MSC)),
}


def _solve(put):
    """Least squares: new a, b and c, not sorted."""
    for pair in ("03", "12", "13", "02", "23", "01"):
        put(Operation.ADD, f"n{pair[0]}", f"n{pair[1]}", f"p{pair}")
    put(Operation.MUL, "n3", "n2", "t0")
    put(Operation.MUL, "n1", "n0", "t1")
    for halves in _NUMERATORS.values():
        for pair, one, other, operation in halves:
            put(Operation.MUL, f"n{one[0]}", f"s{one[1]}")
            put(operation, f"n{other[0]}", f"s{other[1]}", f"q{pair}")
    put(Operation.MUL, "p01", "t0")
    put(Operation.MAC, "p23", "t1", "t0")
    for name, (first, second) in _NUMERATORS.items():
        put(Operation.MUL, f"p{first[0]}", f"q{first[0]}")
        put(Operation.MAC, f"p{second[0]}", f"q{second[0]}", f"q{first[0]}")
    for name, (first, _) in _NUMERATORS.items():
        put(Operation.DIV, f"q{first[0]}", "t0", name)


def _three(put, rounds):
    _deviations(put)
    _sort(put)
    for _ in range(rounds):
        _cut(put)
        put(Operation.PASS)
        _levels(put)
        _solve(put)
        _sort(put)
    _cut(put)
    put(Operation.ADD, "sign", "zero", "inner")
    for index, name in enumerate("abc"):
        put(Operation.ADD, name, "zero", f"beta.{index}")


@functools.cache
def microcode(form: Online, depth: int, chains: int) -> Microcode:
    """Microcode of the online quantizer of a layer.

    Parameters
    ----------
    form : Online
    depth : int
        Samples of a chain.
    chains : int
        Chains, whose samples come and are read together.

    Returns
    -------
    Microcode
    """
    assembler = _Assembler(depth, chains, form.sample.width + 2)
    (_two if form.planes == 2 else _three)(assembler.put, form.rounds)
    assembler.put(Operation.WRITE)
    return assembler.finish()
