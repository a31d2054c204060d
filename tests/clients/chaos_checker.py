"""A run under chaos, judged: the log and the clients' histories against the invariants I1 to I14.

The evidence is plain data, taken at rest, and nothing in it is the service's own count of anything:

    rows           the log, as `log_checker.Row`
    head           the number of its last entry, from the desk's head
    epoch          how often the availability view was begun anew, from the same row
    agents         [agent, used_live, used_deferred] as stored
    tickets        {id: name} as stored
    acked          {connector: seq} as stored
    addressed      {connector: [[seq, ticket, ticket_seq, kind]]}, by SQL
    connectors     {connector: the lines of its client's history}
    commands       {process: the lines of its journal}
    faults         [[kind, began, healed, in flight]] in microseconds
    interruptions  likewise, when everything stood still
    until          each connector had time to get everything up to this seq
    window         unacknowledged decisions of a stream
"""

import collections

from connector_history import HistoryReader
from kill_desk import DESK, WHOLE_TICKETS
from log_checker import LogChecker, Row, compare
from pair_replay import PairReplay

# What a pair may stand beside each other, and an offer outlive its time, beside the time of faults.
AT_WORST = 30_000_000
# For so long after an outage a replica fires no time-outs, so that whoever answered in time may still say so; and a second for the poll.
HELD_UP = 6_000_000

INVARIANTS = [
    ("load", "there was load, and each kind of fault"),
    ("calls", "no call failed but by a fault, or by a state that forbids it"),
    ("I1", "what was acknowledged is in the log: tickets, and the effect of every command"),
    ("I2", "at no point of the log is an agent booked over capacity, and bookings add up to the stored agents"),
    ("I3", "a leg has one holder and at most as many offers as it wants, each made on its present version"),
    ("I4", "one request id, one effect, one answer, also from two replicas at once"),
    ("I5", "no waiting leg stays beside an eligible free agent for longer than 30 s of time without a fault"),
    ("I7", "no view was found by anti-entropy to be other than the log says"),
    ("I9", "the log is dense up to its head; in streams prev_seq is unbroken and ticket_seq dense"),
    ("I10", "every connector got what was addressed to it, in order; acknowledgements and generations never fall"),
    ("I11", "no offer is accepted after its time, but for a time-out that a fault held up; each ends within 30 s of time without a fault"),
    ("I12", "in the end every open leg waits, is offered with time left, or is held"),
    ("I14", "never more unacknowledged decisions than the window"),
]

RULES = {
    "durability": "I1", "idempotence": "I4", "delivery": "I10", "gap": "I9", "order": "I9", "ticket order": "I9",
    "redelivery": "I10", "window": "I14", "ack": "I10", "incarnation": "I10", "generation": "I10", "log": "I9",
    "capacity": "I2", "bookings": "I2", "calls": "calls", "load": "load", "time": "load", "open work": "I12",
}  # fmt: skip

# What each command leaves in the log if it was answered well, by what it is about.
EFFECTS = {
    "OfferService.AcceptOffer": ["accepted"],
    "OfferService.DeclineOffer": ["declined"],
    # An accept that says "connected" confirms.
    "OfferService.ConfirmOffer": ["confirmed"],
    "OfferService.FailOffer": ["connect_failed"],
    "TicketService.CancelTicket": ["cancelled"],
    "TicketService.EndLeg": ["leg_ended"],
    "TicketService.EscalateTicket": ["escalated"],
    "TicketService.FinishWrapUp": ["wrap_up_finished"],
    "TicketService.HoldTicket": ["held"],
    "TicketService.RequeueTicket": ["requeued"],
    "TicketService.ResolveTicket": ["resolved"],
    "TicketService.ResumeTicket": ["resumed"],
}
# Those that nothing but a command brings about.
ONLY_ASKED = {"accepted", "declined", "cancelled", "escalated", "held", "requeued"}


class Verdict:
    """What was found, as (invariant, what), and the figures of the run."""

    def __init__(self, evidence):
        self.evidence = evidence
        self.rows = [Row(*row) for row in evidence["rows"]]
        self.found = []
        self.log = LogChecker().replay(self.rows)
        self.pairs = PairReplay().replay(self.rows)
        self.pairs.stranded.sort(key=lambda pair: pair.end)
        self.connectors = {}
        self.duplicates = 0
        self.deliveries = 0
        self.commands = Commands(evidence["commands"])
        self._faults = Faults([*evidence["faults"], *evidence.get("interruptions", [])])
        self._check_log()
        self._check_commands()
        self._check_connectors()
        self._check_times()

    def _check_log(self):
        self.log.compare_agents(tuple(row) for row in self.evidence["agents"])
        self._add_rules(self.log.violations)
        self.found += self.pairs.violations
        if self.log.seq != self.evidence["head"]:
            self._add("I9", f"the head is {self.evidence['head']}, the last row {self.log.seq}")

    def _check_commands(self):
        self.found += [("calls", what) for what in self.commands.failures]
        created = {row.ticket: f"{DESK}/tickets/{row.body['birth']['name']}" for row in self.rows if row.body["kind"] == "created"}
        for ticket, name in self.evidence["tickets"].items():
            if created.get(ticket) != f"{DESK}/tickets/{name}":
                self._add("I1", f"{name} is stored, but not in the log")
        if len(created) != len(self.evidence["tickets"]):
            self._add("I1", f"the log made {len(created)} tickets, stored are {len(self.evidence['tickets'])}")
        self.found += self.commands.answers()
        self.found += self.commands.creations(set(created.values()))
        lines = {name: connector_commands(lines) for name, lines in self.evidence["connectors"].items()}
        asked = [*self.commands.asked, *(ask for asks in lines.values() for ask in asks)]
        ids = {f"{DESK}/tickets/{name}": ticket for ticket, name in self.evidence["tickets"].items()}
        self.found += check_effects(asked, effects_of(self.rows), ids)

    def _check_connectors(self):
        for name, lines in self.evidence["connectors"].items():
            reader = HistoryReader(None, self.evidence["window"], name in WHOLE_TICKETS)
            for line in lines:
                reader.take(*line)
            self.connectors[name] = reader
            self.duplicates += reader.checker.duplicates
            self.deliveries += reader.checker.duplicates + len(reader.arrivals)
            until = max([self.evidence["until"], *(row[0] for row in reader.arrivals)])
            due = [tuple(row) for row in self.evidence["addressed"][name] if row[0] <= until]
            self._add_rules(compare(name, due, reader.arrivals))
            self._add_rules((rule, f"{name}: {what}") for rule, what in reader.checker.violations)
            self.found += [("calls", what) for what in reader.failures]
            for external_id, tickets in reader.external_ids.items():
                if len(tickets) > 1:
                    self._add("I4", f"request {external_id} made {sorted(tickets)}")
            stored = self.evidence["acked"].get(name, 0)
            if stored > reader.checker.acked:
                self._add("I10", f"{name}: {stored} is stored as acknowledged, sent was {reader.checker.acked}")

    def _check_times(self):
        for pair in self.pairs.stranded:
            if pair.end - pair.start <= AT_WORST:
                continue
            quiet = self._faults.quiet(pair.start, pair.end)
            if quiet > AT_WORST:
                self._add("I5", f"{pair.leg} waited beside {pair.agent} for {quiet / 1e6:.1f} s without a fault")
        for late in self.pairs.late:
            quiet = self._faults.quiet(late.due, late.end)
            if late.how == "accepted" and quiet > HELD_UP:
                self._add("I11", f"{late.offer} was accepted {(late.end - late.due) / 1e6:.3f} s after its time")
            elif quiet > AT_WORST:
                self._add("I11", f"{late.offer} ended {(late.end - late.due) / 1e6:.1f} s after its time")
        last = self.rows[-1].at
        for (ticket, n), leg in self.pairs.legs.items():
            if not leg.is_open:
                continue
            pending = [offer for offer in leg.open.values() if not offer["accepted"]]
            if leg.waits_since is None and leg.agent is None and not pending:
                self._add("I12", f"{ticket}.{n} is open, neither waiting, nor offered, nor held")
            if leg.wraps_until is not None and self._faults.quiet(leg.wraps_until, last) > AT_WORST:
                self._add("I12", f"{ticket}.{n} is wrapped up since {leg.wraps_until}")
            if pending and self._faults.quiet(max(offer["lapse_time"] for offer in pending), last) > AT_WORST:
                self._add("I12", f"{ticket}.{n} is offered, and no offer has time left")

    def _add(self, invariant, what):
        self.found.append((invariant, what))

    def _add_rules(self, found):
        self.found += [(RULES[rule], what) for rule, what in found]


class Faults:
    def __init__(self, faults):
        self._spans = sorted((began, healed) for _, began, healed, *_ in faults)

    def quiet(self, start, end):
        """How much of a span no fault was in force."""
        quiet, at = 0, start
        for began, healed in self._spans:
            if healed > at and began < end:
                quiet += max(0, began - at)
                at = max(at, min(healed, end))
        return quiet + max(0, end - at)


class Commands:
    """All journals: what was asked, by number, and how it ended."""

    def __init__(self, journals):
        self.asked = []  # (method, fields, outcome, answer's name)
        self.failures = []
        for process, lines in journals.items():
            open_calls = {}
            for kind, *rest in lines:
                if kind == "do":
                    open_calls[rest[0]] = rest[2:]
                elif kind == "done":
                    self.asked.append((*open_calls.pop(rest[0]), *rest[2:]))
                else:
                    self.failures.append(f"{process}: {rest[0]}")
            self.asked += [(*call, "unanswered", None) for call in open_calls.values()]

    def answers(self):
        """One request id, one answer: those that got two, got the same."""
        given = collections.defaultdict(set)
        for method, fields, outcome, name in self.asked:
            if outcome != "unanswered":
                given[method, fields["request_id"]].add((outcome, name))
        for (method, request_id), answers in given.items():
            if len(answers) > 1:
                yield "I4", f"{method} {request_id} was answered {sorted(answers, key=str)}"

    def creations(self, created):
        """Tickets in the log against those that were acknowledged; one that nobody was told of had no answer."""
        acknowledged, unanswered = {}, set()
        for method, fields, outcome, name in self.asked:
            if method == "TicketService.CreateTicket":
                if outcome == "ok":
                    acknowledged[fields["request_id"]] = name
                else:
                    unanswered.add(fields["request_id"])
        self.acknowledged = acknowledged
        names = set(acknowledged.values())
        if len(names) != len(acknowledged):
            yield "I4", f"{len(acknowledged)} requests share {len(names)} tickets"
        for name in names - created:
            yield "I1", f"{name} was acknowledged, and is not in the log"
        unknown = created - names
        if len(unknown) > len(unanswered - set(acknowledged)):
            yield "I4", f"{len(unknown)} tickets were made for nobody: {sorted(unknown)[:3]}"


def connector_commands(lines):
    """What a connector's client did about decisions, as `Commands.asked` has it."""
    open_work = {}
    for kind, *rest in lines:
        if kind == "do":
            open_work[rest[0]] = rest[1:]
        elif kind == "done":
            method, fields = open_work.pop(rest[0])
            yield method, fields, "ok" if rest[1] == method else "FAILED_PRECONDITION", None
    for method, fields in open_work.values():
        yield method, fields, "unanswered", None


def effects_of(rows):
    """{(effect, what it is about): how often}."""
    effects = collections.Counter()
    for row in rows:
        kind, body = row.body["kind"], row.body
        if kind == "offer_ended" and "declined" in body["end"]:
            kind = "declined"
        elif kind == "queued" and body["reason"] == "requeued":
            kind = "requeued"
        if kind == "accepted" and body.get("confirm_expire_time") is None:
            effects["confirmed", body["offer"]] += 1
        about = body["offer"] if isinstance(body.get("offer"), str) else row.ticket
        if kind in ("leg_ended", "wrap_up_finished"):
            about = f"{row.ticket}.{body['leg']}"
        effects[kind, about] += 1
    return effects


def check_effects(asked, effects, ids):
    sent, taken = collections.defaultdict(set), collections.Counter()
    for method, fields, outcome, _ in asked:
        for effect in EFFECTS.get(method, []):
            about = about_of(fields["name"], ids)
            sent[effect, about].add(fields["request_id"])
            taken[effect, about] += outcome in ("ok", "unanswered")
            if outcome == "ok" and not effects[effect, about]:
                yield "I1", f"{method} of {fields['name']} was acknowledged, and nothing is {effect} in the log"
    for (effect, about), times in effects.items():
        if effect not in ONLY_ASKED:
            continue
        if times > len(sent[effect, about]):
            yield "I4", f"{about} is {effect} {times} times, asked for by {len(sent[effect, about])} requests"
        elif not taken[effect, about]:
            yield "I4", f"{about} is {effect}, but every request for it was refused"


def about_of(name, ids):
    """An offer's id, a ticket's, or `TICKET.LEG`."""
    if "/offers/" in name:
        return name.rsplit("/", 1)[1]
    ticket, _, leg = name.partition("/legs/")
    return f"{ids[ticket]}.{leg}" if leg else ids.get(ticket, ticket)
