"""Judgement: what a bench saw against the golden model and the timing model, without tolerance."""

import bisect
import dataclasses
import itertools


__all__ = ["Mismatch", "checked", "first_mismatch", "first_probe_mismatch"]


@dataclasses.dataclass(frozen=True)
class Mismatch:
    """The first difference between a core and the models.

    Parameters
    ----------
    sequence, step : int
        Step within the sequence.
    cycle : int
        Counted from the release of the reset.
    signal : str
        Port of the core, or name of an intermediate with the unit, ``layer0.gate.i.preact[5]``.
    expected, got : int or str
    """

    sequence: int
    step: int
    cycle: int
    signal: str
    expected: object
    got: object

    def __str__(self):
        return (f"sequence {self.sequence}, step {self.step}, cycle {self.cycle}: {self.signal} "
                f"must be {self.expected}, not {self.got}")


def _data_difference(case, transfer, data):
    """Signal, expected and got of a beat whose data is wrong, by the name of what it carries."""
    stream, gives_logits = case.given, case.network.gives_logits
    if isinstance(data, str):
        return "m_axis_tdata", f"{transfer.data:0{stream.data_width}b}", data
    if transfer.index < stream.header:
        return f"{case.network.outputs[0].name}.beta[{transfer.index}]", transfer.data, data
    width = stream.data_width if gives_logits else stream.form.width
    mask = (1 << width) - 1
    for slot in range(stream.slots):
        pair = [word >> (slot * width) & mask for word in (transfer.data, data)]
        element = (transfer.index - stream.header) * stream.slots + slot
        if pair[0] == pair[1] or element >= stream.elements:
            continue
        name, place = _place(case.network, element)
        if not gives_logits:
            return f"{name}.h[{place}]", *(int(stream.form.decode(bits)) for bits in pair)
        return f"{name}.logits[{place}]", *(bits - ((bits >> (width - 1)) << width)
                                            for bits in pair)
    return "m_axis_tdata", transfer.data, data


def _place(network, element):
    """Output, and index in its vector, of an element of the output stream."""
    for node in network.outputs:
        if element < node.body.size:
            return node.name, element
        element -= node.body.size
    raise ValueError(f"element is {element + 1} beyond the outputs of network {network.name}")


def checked(record):
    """Number of transfers, in and out, that a record holds."""
    return sum(len(segment["inputs"]) + len(segment["outputs"]) for segment in record)


def first_mismatch(case, record):
    """First difference at the ports.

    Parameters
    ----------
    case : Case
    record : list of dict
        One for each reset, as the bench wrote it.

    Returns
    -------
    Mismatch or None
    """
    for segment in record:
        judge = _Judge(case, segment)
        parts = judge.held(), judge.inputs(), judge.outputs(), judge.error()
        found = [mismatch for mismatch in parts if mismatch is not None]
        if found:
            return min(found, key=lambda mismatch: mismatch.cycle)
    return None


class _Judge:
    """One segment of a record, beside what was expected of it.

    A segment ends at a reset, at its limit of cycles, or when the bench stopped it; in the last
    case the very cycle may be half written down.
    """

    def __init__(self, case, segment):
        self._case = case
        self._segment = segment
        self._horizon = segment["end"] - (segment["why"] == "stop")
        self._timed = case.ready is None
        self._cycles = case.cycles(segment["start"]) if self._timed else (None, None)

    def _due(self, cycles, index):
        """Cycle by which an event that was not seen should have been, or None if it need not."""
        if self._timed:
            return cycles[index] if cycles[index] < self._horizon else None
        return None if self._segment["why"] == "reset" else self._horizon

    def inputs(self):
        """First difference in the acceptance of input beats."""
        case, seen, (cycles, _) = self._case, self._segment["inputs"], self._cycles
        first = case.first_beats[self._segment["start"]]
        for index in range(case.first_beats[-1] - first):
            place = case.beat_place(first + index)
            if index >= len(seen):
                due = self._due(cycles, index)
                return due if due is None else Mismatch(
                    *place, due, "s_axis_tready", "1", f"0 until cycle {self._horizon}")
            if self._timed and cycles[index] != seen[index]:
                return Mismatch(*place, min(cycles[index], seen[index]), "s_axis_tready",
                                f"1 at cycle {cycles[index]}", f"1 at cycle {seen[index]}")
        return None

    def outputs(self):
        """First difference in output transfers, of value or of cycle."""
        case, seen, (_, cycles) = self._case, self._segment["outputs"], self._cycles
        expected = case.transfers[case.first_transfers[self._segment["start"]]:]
        for index, transfer in enumerate(expected):
            place = (transfer.sequence, transfer.step)
            if index >= len(seen):
                due = self._due(cycles, index)
                return due if due is None else Mismatch(
                    *place, due, "m_axis_tvalid", "1", f"0 until cycle {self._horizon}")
            cycle, *got = seen[index]
            wrong = self._wrong_value(transfer, got)
            if wrong:
                return Mismatch(*place, cycle, *wrong)
            if self._timed and cycles[index] != cycle:
                return Mismatch(*place, min(cycles[index], cycle), "m_axis_tvalid",
                                f"1 at cycle {cycles[index]}", f"1 at cycle {cycle}")
        if len(seen) > len(expected):
            return Mismatch(len(case.sequences) - 1, case.lengths[-1] - 1, seen[len(expected)][0],
                            "m_axis_tvalid", "0 after the last transfer", "1")
        return None

    def _wrong_value(self, transfer, got):
        """Signal, expected and got of the first wrong part of a transfer, or None."""
        data, user, last = got
        if data != transfer.data:
            return _data_difference(self._case, transfer, data)
        name = "m_axis_tuser"
        if self._case.network.gives_logits:
            name = f"{_place(self._case.network, transfer.index)[0]}.argmax"
        for signal, expected, value in ((name, transfer.user, user),
                                        ("m_axis_tlast", transfer.last, last)):
            if expected != value:
                return signal, expected, value
        return None

    def error(self):
        """First difference of ``error``, which rises with the cycle after a short vector's end."""
        case, segment, seen = self._case, self._segment, self._segment["inputs"]
        beat = case.error_beat(segment["start"])
        expected = [[0, 0]]
        if beat is not None and beat < len(seen):
            expected.append([seen[beat] + 1, 1])
        changes = [[change for change in part if change[0] < self._horizon]
                   for part in (expected, segment["error"])]
        for due, got in itertools.zip_longest(*changes):
            if due != got:
                first = case.first_beats[segment["start"]]
                cycle = min(change[0] for change in (due, got) if change is not None)
                place = case.beat_place(min(first + max(bisect.bisect_left(seen, cycle) - 1, 0),
                                            case.first_beats[-1] - 1))
                return Mismatch(*place, cycle, "error", *(
                    "unchanged" if change is None else f"{change[1]} at cycle {change[0]}"
                    for change in (due, got)))
        return None

    def held(self):
        """An offer that the core took back or changed while the sink was not ready."""
        if not self._segment["faults"]:
            return None
        cycle, before, after = self._segment["faults"][0]
        outputs = len(self._segment["outputs"]) + self._case.first_transfers[self._segment["start"]]
        transfer = self._case.transfers[min(outputs, len(self._case.transfers) - 1)]
        signal = "m_axis_tvalid" if after is None else "m_axis_tdata"
        return Mismatch(transfer.sequence, transfer.step, cycle, signal,
                        f"held at {before} until taken", "0" if after is None else after)


def first_probe_mismatch(case, record, probes):
    """First wrong intermediate that probes saw: the earliest, in the order of the probes.

    Parameters
    ----------
    case : Case
    record : list of dict
        With the values of each probe.
    probes : list
        What the design says of its probes.

    Returns
    -------
    Mismatch or None
    """
    for segment in record:
        found = []
        for probe in probes:
            mismatch = _probe_mismatch(case, segment, probe)
            if mismatch is not None:
                found.append(mismatch)
        if found:
            return min(found, key=lambda mismatch: mismatch.cycle)
    return None


def _probe_mismatch(case, segment, probe):
    names = list(probe.names)
    for index, (cycle, got) in enumerate(segment["probes"].get(probe.valid, ())):
        place = case.step_place(segment["start"], index // len(names))
        if place is None:
            return None
        name, unit = names[index % len(names)]
        if unit < 0:
            continue
        expected = int(case.trace[name][place[0]][place[1], unit])
        if got != expected:
            return Mismatch(*place, cycle, f"{name}[{unit}]", expected, got)
    return None
