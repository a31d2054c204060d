"""The history of a connector's client: JSON lines that outlive the process that wrote them.

A line is written whole before what it speaks of can have an effect: a decision before it is acknowledged, an
acknowledgement before it is sent, work before it is done. The successor of a killed process goes on from these lines, and
the checker reads nothing else.

    ["opened", resume]                        a stream is asked for; null: from what the server has
    ["ended", why]                            it did not, or broke
    ["welcome", generation, incarnation, acked_seq]
    ["got", seq, prev_seq, decision_id, ticket, ticket_seq, kind, external_id]
    ["ack", seq, count]
    ["do", seq, method, fields]               what the decision asks for
    ["done", seq, outcome]
    ["failed", what]                          a call that should not have failed
"""

import collections
import json
import os
import pathlib
import tempfile
import threading

from stream_checker import StreamChecker


def lines_of(path):
    """Every whole line; the last one may have been cut off by a kill."""
    try:
        text = pathlib.Path(path).read_bytes()
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in text.split(b"\n")[:-1]]


class HistoryWriter:
    """Goes on with a history: what its predecessor did not finish is in `to_do`."""

    def __init__(self, path, work_of):
        self.acked = 0
        self.last_got = 0
        self.to_do = {}  # seq -> (method, fields)
        self._work_of = work_of
        self._lock = threading.Lock()
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        for kind, *rest in lines_of(path):
            self._remember(kind, rest)
        os.ftruncate(self._file, self._whole_lines())

    def write(self, *entries):
        with self._lock:
            for kind, *rest in entries:
                self._remember(kind, rest)
            os.write(self._file, b"".join(json.dumps(entry).encode() + b"\n" for entry in entries))

    def write_decisions(self, decisions):
        """Writes them with the work that the new ones ask for; returns that work, as (seq, method, fields)."""
        entries, work = [], []
        for decision in decisions:
            kind = decision.WhichOneof("payload")
            place = [decision.seq, decision.prev_seq, decision.decision_id]
            entries.append(["got", *place, decision.ticket, decision.ticket_seq, kind, decision.external_id])
            asked = self._work_of(decision) if decision.seq > self.last_got else None
            if asked is not None:
                entries.append(["do", decision.seq, *asked])
                work.append((decision.seq, *asked))
        self.write(*entries)
        return work

    def _remember(self, kind, rest):
        if kind == "got":
            self.last_got = max(self.last_got, rest[0])
        elif kind == "ack":
            self.acked = max(self.acked, rest[0])
        elif kind == "do":
            self.to_do[rest[0]] = (rest[1], rest[2])
        elif kind == "done":
            self.to_do.pop(rest[0], None)

    def _whole_lines(self):
        text = os.pread(self._file, os.fstat(self._file).st_size, 0)
        return text.rfind(b"\n") + 1


class HistoryReader:
    """Follows a history while it grows, and checks it as a stream."""

    def __init__(self, path, window, whole_tickets):
        self.checker = StreamChecker(window, whole_tickets)
        self.arrivals = []  # (seq, ticket, ticket_seq, kind), in the order of their first arrival
        self.external_ids = collections.defaultdict(set)  # external id -> tickets
        self.done = collections.Counter()
        self.failures = []
        self._path = path and pathlib.Path(path)
        self._read = 0

    def advance(self):
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._read)
            text = file.read()
        whole = text[: text.rfind(b"\n") + 1]
        self._read += len(whole)
        for line in whole.splitlines():
            self.take(*json.loads(line))

    def take(self, kind, *rest):
        """One line of the history."""
        if kind == "opened":
            self.checker.opened(*rest)
        elif kind == "welcome":
            self.checker.welcomed(*rest)
        elif kind == "got":
            seq, prev_seq, decision_id, ticket, ticket_seq, content, external_id = rest
            if seq not in self.checker.decisions:
                self.arrivals.append((seq, ticket, ticket_seq, content))
            if external_id:
                self.external_ids[external_id].add(ticket)
            self.checker.delivered(seq, prev_seq, decision_id, ticket, ticket_seq, content)
        elif kind == "ack":
            self.checker.acknowledges(*rest)
        elif kind == "done":
            self.done[rest[1]] += 1
        elif kind == "failed":
            self.failures.append(rest[0])


def check_itself():
    """A successor goes on from the whole lines, and takes up what was begun; half a line is as if never written."""
    with tempfile.TemporaryDirectory(prefix="handoff-history-") as folder:
        path = pathlib.Path(folder) / "adapter.jsonl"
        writer = HistoryWriter(path, lambda decision: None)
        writer.write(["opened", None], ["welcome", 1, 7, 0])
        writer.write(["got", 3, 0, "d3", "t1", 1, "connect", "x"], ["do", 3, "Confirm", {}], ["ack", 3, 1])
        writer.write(["got", 5, 3, "d5", "t1", 2, "offered", "x"], ["do", 5, "Accept", {}], ["done", 3, "Confirm"])
        with path.open("ab") as file:
            file.write(b'["ack", 5')
        successor = HistoryWriter(path, lambda decision: None)
        assert (successor.acked, successor.last_got, list(successor.to_do)) == (3, 5, [5])
        successor.write(["ack", 5, 1])
        reader = HistoryReader(path, 2, whole_tickets=True)
        reader.advance()
        assert reader.checker.violations == [] and reader.checker.acked == 5
        assert [row[0] for row in reader.arrivals] == [3, 5]
        # Cut off by hand: the row that is missing is missed.
        path.write_bytes(b"".join(line for line in path.read_bytes().splitlines(True) if b"d3" not in line))
        spoilt = HistoryReader(path, 2, whole_tickets=True)
        spoilt.advance()
        assert {rule for rule, _ in spoilt.checker.violations} == {"ticket order"}, spoilt.checker.violations
    return 1
