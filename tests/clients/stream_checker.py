"""What one connector may see on its decision stream, over any number of reconnects.

The checker knows only what the client sent and got, never the server's own counters. Run as a program it checks itself:
one good history, and that history spoilt in one place at a time.
"""

import sys


class StreamChecker:
    """`whole_tickets`: the connector is sent every decision of each ticket it hears of, so that ticket_seq is dense."""

    def __init__(self, window, whole_tickets=True):
        self.window = window
        self.whole_tickets = whole_tickets
        self.violations = []
        self.decisions = {}  # seq -> decision
        self.duplicates = 0
        self.acked = 0  # the highest acknowledgement this client has sent
        self.streams = 0
        self._seq_of = {}  # decision_id -> seq
        self._ticket_seq = {}  # ticket -> its last ticket_seq
        self._stored_ack = 0  # the highest position the server has shown to have kept
        self._last = None  # seq seen last on this stream; None: the server chooses where to begin
        self._in_stream = set()
        self._unacked = 0
        self._incarnation = None
        self._generation = 0

    def opened(self, resume):
        """A stream begins; `resume` is the cursor asked for, None for "from what you have as acknowledged"."""
        self.streams += 1
        self._last = resume
        self._in_stream = set()
        self._unacked = 0

    def welcomed(self, generation, incarnation, acked_seq):
        """The server opened the stream, and says what it has stored as acknowledged."""
        if generation <= self._generation:
            self._violated("generation", f"{generation} after {self._generation}")
        self._generation = generation
        if self._incarnation not in (None, incarnation):
            self._violated("incarnation", f"was {self._incarnation}, is {incarnation}: the log was replaced")
        self._incarnation = incarnation
        self._check_stored(acked_seq)

    def delivered(self, seq, prev_seq, decision_id, ticket, ticket_seq, content=None):
        self._check_place(seq, prev_seq)
        if decision_id in self._in_stream:
            self._violated("redelivery", f"{decision_id} twice within one stream")
        self._in_stream.add(decision_id)
        self._last = seq
        self._unacked += 1
        if self._unacked > self.window:
            self._violated("window", f"{self._unacked} unacknowledged decisions in a window of {self.window}")
        decision = (decision_id, ticket, ticket_seq, content)
        if seq in self.decisions:
            self._check_same(seq, decision)
        else:
            self._check_new(seq, decision)

    def acknowledges(self, seq, count):
        """The client is about to acknowledge up to `seq`, which settles `count` decisions of this stream."""
        self.acked = max(self.acked, seq)
        self._unacked -= count

    def settled(self):
        """All that was acknowledged so far must be stored by now, and survive whatever comes."""
        self._stored_ack = self.acked

    def missing(self, tickets):
        """Those of `tickets` of which no decision ever came."""
        return sorted(set(tickets) - set(self._ticket_seq))

    def tickets(self):
        return set(self._ticket_seq)

    def _check_place(self, seq, prev_seq):
        if self._last is None:
            self._check_stored(prev_seq)
        elif prev_seq != self._last:
            self._violated("gap", f"prev_seq of {seq} is {prev_seq}, seen last was {self._last}")
        if seq <= prev_seq:
            self._violated("order", f"seq {seq} is not above its prev_seq {prev_seq}")

    def _check_stored(self, acked_seq):
        """The server has at most what was sent, and never less than before."""
        if acked_seq > self.acked:
            self._violated("ack", f"the server has {acked_seq} as acknowledged, but only {self.acked} was sent")
        if acked_seq < self._stored_ack:
            self._violated("ack", f"acknowledged fell from {self._stored_ack} to {acked_seq}")
        self._stored_ack = max(self._stored_ack, acked_seq)

    def _check_same(self, seq, decision):
        self.duplicates += 1
        if self.decisions[seq] != decision:
            self._violated("redelivery", f"seq {seq} was {self.decisions[seq]}, is now {decision}")

    def _check_new(self, seq, decision):
        decision_id, ticket, ticket_seq, _ = decision
        if decision_id in self._seq_of:
            self._violated("redelivery", f"{decision_id} under seq {self._seq_of[decision_id]} and {seq}")
        if self.decisions and seq < max(self.decisions):
            self._violated("gap", f"seq {seq} is new, but later ones were seen before")
        before = self._ticket_seq.get(ticket, 0)
        if ticket_seq <= before or (self.whole_tickets and ticket_seq != before + 1):
            self._violated("ticket order", f"{ticket}: ticket_seq {ticket_seq} after {before}")
        self._ticket_seq[ticket] = ticket_seq
        self._seq_of[decision_id] = seq
        self.decisions[seq] = decision

    def _violated(self, rule, what):
        self.violations.append((rule, what))


def check_itself():
    """A good history passes; spoilt in one place, it breaks the rule that guards that place."""
    good = [
        ("opened", None),
        ("welcomed", 1, 7, 0),
        ("delivered", 3, 0, "d3", "t1", 1),
        ("delivered", 5, 3, "d5", "t2", 1),
        ("acknowledges", 3, 1),
        ("opened", 3),
        ("welcomed", 2, 7, 0),
        ("delivered", 5, 3, "d5", "t2", 1),
        ("delivered", 9, 5, "d9", "t1", 2),
        ("acknowledges", 9, 2),
        ("opened", None),
        ("welcomed", 3, 7, 3),
        ("delivered", 12, 9, "d12", "t3", 1),
        ("acknowledges", 12, 1),
        ("settled",),
        ("opened", None),
        ("delivered", 13, 12, "d13", "t3", 2),
    ]
    edits = [
        ("gap", 3, ("delivered", 5, 4, "d5", "t2", 1)),
        ("gap", 7, ("delivered", 5, 0, "d5", "t2", 1)),
        ("gap", 7, ("delivered", 4, 3, "d4", "t2", 1)),
        ("redelivery", 7, ("delivered", 5, 3, "d6", "t2", 1)),
        ("redelivery", 8, ("delivered", 9, 5, "d5", "t1", 2)),
        ("redelivery", 12, ("delivered", 12, 9, "d9", "t3", 1)),
        ("order", 8, ("delivered", 5, 5, "d5", "t2", 1)),
        ("ticket order", 8, ("delivered", 9, 5, "d9", "t1", 3)),
        ("ticket order", 12, ("delivered", 12, 9, "d12", "t1", 2)),
        ("ack", 12, ("delivered", 12, 10, "d12", "t3", 1)),
        ("ack", 12, ("delivered", 5, 0, "d5", "t2", 1)),
        ("ack", 16, ("delivered", 12, 9, "d12", "t3", 1)),
        ("incarnation", 11, ("welcomed", 3, 8, 3)),
        ("generation", 11, ("welcomed", 2, 7, 3)),
        ("ack", 11, ("welcomed", 3, 7, 12)),
        ("window", 4, ("delivered", 7, 5, "d7", "t4", 1)),
    ]
    assert run(good, window=2).violations == [], run(good, window=2).violations
    assert run(good, window=2).duplicates == 1
    for rule, at, step in edits:
        spoilt = good[:at] + [step] + good[at + 1 :]
        broken = {broken for broken, _ in run(spoilt, window=2).violations}
        assert rule in broken, f"{step} at {at} should break {rule!r}, broke {broken}"
    # A connector that is sent a part of each ticket sees gaps in ticket_seq, but never a step back.
    part = good[:8] + [("delivered", 9, 5, "d9", "t1", 3)] + good[9:]
    assert run(part, window=2, whole_tickets=False).violations == []
    back = part[:12] + [("delivered", 12, 9, "d12", "t1", 3)] + part[13:]
    assert run(back, window=2, whole_tickets=False).violations, "a ticket_seq that comes again must be refused"
    return len(edits) + 1


def run(history, window, whole_tickets=True):
    checker = StreamChecker(window, whole_tickets)
    for step, *arguments in history:
        getattr(checker, step)(*arguments)
    return checker


if __name__ == "__main__":
    print(f"stream_checker: one good history passes, {check_itself()} spoilt ones are refused")
    sys.exit(0)
