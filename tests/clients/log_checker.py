"""What the log says, replayed: dense numbers, bookings within capacity, and to whom each decision was addressed.

It reads the rows of a store of `stores.py` and runs none of the server's code. Run as a program it checks itself: one good log
passes, and spoilt in one place at a time it is refused.
"""

import collections
import json
import sys

WEIGHTS = {"phone": 100, "chat": 20, "social": 20, "email": 10, "portal": 10}
LIMITS = {"phone": 1, "chat": 4, "social": 4, "email": 5, "portal": 5}
POOLS = {"phone": "live", "chat": "live", "social": "live", "email": "deferred", "portal": "deferred"}

Row = collections.namedtuple("Row", "seq ticket ticket_seq kind connector channel side_connector body at", defaults=[0])


def rows_of(store, desk):
    columns = ", ".join(Row._fields)
    for row in store.select(f"SELECT {columns} FROM event WHERE desk = ? ORDER BY seq", [desk]):
        yield Row(**{**row, "body": json.loads(row["body"])})


def addressed(store, desk, connector, settings, after=0):
    """The decisions for a connector with these settings of CreateConnector: (seq, ticket's name, ticket_seq, kind)."""
    query = """
        SELECT e.seq, 'desks/' || e.desk || '/tickets/' || t.name AS ticket, e.ticket_seq, e.kind
        FROM event AS e JOIN ticket AS t ON t.tenant = e.tenant AND t.desk = e.desk AND t.ticket = e.ticket
        WHERE e.desk = ? AND e.kind IS NOT NULL AND e.seq > ?"""
    values = [desk, after]
    if settings.get("reach", "CONNECTOR_REACH_OWN") == "CONNECTOR_REACH_OWN":
        query += " AND (e.connector = ? OR e.side_connector = ?)"
        values += [connector, connector]
    chosen = {"channel": settings.get("channels", []), "kind": settings.get("kinds", [])}
    for column, names in chosen.items():
        if names:
            query += f" AND e.{column} IN ({', '.join('?' * len(names))})"
            values += [name.removeprefix("CHANNEL_").removeprefix("DECISION_KIND_").lower() for name in names]
    return [tuple(row.values()) for row in store.select(query + " ORDER BY e.seq", values)]


def compare(connector, expected, got):
    """Violations where what a connector got, in the order of first arrival, is not what was addressed to it."""
    for row in sorted(set(expected) - set(got)):
        yield "delivery", f"{connector} never got {row}"
    for row in sorted(set(got) - set(expected)):
        yield "delivery", f"{connector} got {row}, which is not addressed to it"
    if len(set(got)) != len(got):
        yield "delivery", f"{connector}: {len(got) - len(set(got))} rows came for the first time twice"
    if len(expected) == len(got) and set(expected) == set(got) and expected != got:
        at = next(at for at, pair in enumerate(zip(expected, got, strict=False)) if pair[0] != pair[1])
        yield "delivery", f"{connector} got {got[at]} where {expected[at]} was due"


class LogChecker:
    """Replays one desk's log."""

    def __init__(self):
        self.violations = []
        self.seq = 0
        self.decisions = 0
        self.bookings = 0
        self.busiest = 0  # the most points ever booked in a pool, in percent of it
        self._ticket_seq = collections.Counter()
        self._channel = {}  # ticket -> channel
        self._profiles = {}  # agent -> profile
        self._booked = collections.defaultdict(dict)  # (ticket, leg) -> offer id -> (agent, weight)
        self._used = collections.Counter()  # (agent, pool) -> points
        self._held = collections.Counter()  # (agent, channel) -> pieces of work

    def replay(self, rows):
        for row in rows:
            self._number(row)
            self._apply(row, row.body["kind"])
        return self

    def compare_agents(self, agents):
        """What is booked at the end of the log must be what the agents' rows say: (agent, used_live, used_deferred)."""
        for agent, live, deferred in agents:
            replayed = (self._used[agent, "live"], self._used[agent, "deferred"])
            if replayed != (live, deferred):
                self._violated("bookings", f"{agent} has {(live, deferred)} booked, the log says {replayed}")

    def _number(self, row):
        if row.seq != self.seq + 1:
            self._violated("log", f"seq {row.seq} follows {self.seq}")
        self.seq = row.seq
        if row.kind is None:
            return
        self.decisions += 1
        before = self._ticket_seq[row.ticket]
        if row.ticket_seq != before + 1:
            self._violated("ticket order", f"seq {row.seq}: ticket_seq {row.ticket_seq} of {row.ticket} after {before}")
        self._ticket_seq[row.ticket] = row.ticket_seq

    def _apply(self, row, kind):
        body = row.body
        if kind in ("agent_created", "agent_updated"):
            self._profiles[body["agent"]] = body["profile"]
        elif kind == "created":
            self._channel[row.ticket] = body["birth"]["channel"]
        elif kind == "offered":
            for offer in body["offers"]:
                self._book(row, body["leg"], offer)
        elif kind == "placed":
            self._book(row, body["leg"], body["offer"])
        elif kind in ("offer_ended", "connect_failed"):
            self._release(row, int(body["offer"].split(".")[1]), [body["offer"]])
        elif kind == "wrap_up_finished" or (kind == "leg_ended" and body.get("wrap_up_expire_time") is None):
            self._release(row, body["leg"], list(self._booked[row.ticket, body["leg"]]))
        elif kind == "leg_cancelled" and self._booked[row.ticket, body["leg"]]:
            self._violated("bookings", f"seq {row.seq}: the leg is cancelled, an offer of it is not")

    def _book(self, row, leg, offer):
        agent, weight, channel = offer["agent"], offer["weight"], self._channel[row.ticket]
        if offer["id"] in self._booked[row.ticket, leg]:
            self._violated("bookings", f"seq {row.seq}: {offer['id']} is booked already")
        self._booked[row.ticket, leg][offer["id"]] = (agent, weight)
        self.bookings += 1
        pool, profile = POOLS[channel], self._profiles[agent]
        rule = profile.get("channels", {}).get(channel, {})
        room, limit = profile.get("pools", {}).get(pool, 100), rule.get("max")
        limit = LIMITS[channel] if limit is None else limit
        self._used[agent, pool] += weight
        self._held[agent, channel] += 1
        used, held = self._used[agent, pool], self._held[agent, channel]
        self.busiest = max(self.busiest, used * 100 // room if room else 0)
        if used > room:
            self._violated("capacity", f"seq {row.seq}: {agent} has {used} of {room} points booked in {pool}")
        if held > limit:
            self._violated("capacity", f"seq {row.seq}: {agent} has {held} of {limit} pieces of work on {channel}")
        if pool == "deferred" and self._held[agent, "phone"]:
            self._violated("capacity", f"seq {row.seq}: {agent} is offered {channel} during a call")
        if weight != (rule.get("weight") or WEIGHTS[channel]):
            self._violated("capacity", f"seq {row.seq}: {agent} is booked with {weight} points on {channel}")

    def _release(self, row, leg, offers):
        channel = self._channel[row.ticket]
        if not offers:
            self._violated("bookings", f"seq {row.seq}: {row.body['kind']} of a leg that books nobody")
        for offer in offers:
            if offer not in self._booked[row.ticket, leg]:
                self._violated("bookings", f"seq {row.seq}: {offer} is released, but not booked")
                continue
            agent, weight = self._booked[row.ticket, leg].pop(offer)
            self._used[agent, POOLS[channel]] -= weight
            self._held[agent, channel] -= 1

    def _violated(self, check, what):
        self.violations.append((check, what))


def good_log():
    """Two agents, three tickets: accepted and wrapped up, missed and offered again, a parallel offer taken back."""
    one, two = "0" * 31 + "1", "0" * 31 + "2"
    profile = {"pools": {}, "channels": {"chat": {"weight": 50, "max": 2}}}

    def offer(ticket, ver, nth, agent, weight):
        return {"id": f"{ticket}.1.{ver}.{nth}", "agent": agent, "weight": weight}

    def event(kind, ticket=None, decision=None, ticket_seq=0, **body):
        return [ticket, ticket_seq, decision, {"kind": kind, **body}]

    events = [
        event("agent_created", agent="ada", profile=profile),
        event("agent_created", agent="bob", profile=profile),
        event("created", one, "queued", 1, birth={"channel": "phone"}),
        event("offered", one, "offered", 2, leg=1, offers=[offer(one, 1, 0, "ada", 100)]),
        event("created", two, "queued", 1, birth={"channel": "chat"}),
        event("offered", two, "offered", 2, leg=1, offers=[offer(two, 1, 0, "bob", 50)]),
        event("offer_ended", one, "offer_revoked", 3, offer=f"{one}.1.1.0"),
        event("offered", one, "offered", 4, leg=1, offers=[offer(one, 3, 0, "ada", 100)]),
        event("accepted", one, "connect", 5, offer=f"{one}.1.3.0"),
        event("confirmed", one, "assigned", 6, offer=f"{one}.1.3.0"),
        event("leg_ended", one, "leg_ended", 7, leg=1, agent="ada", wrap_up_expire_time=9),
        event("wrap_up_finished", one, leg=1),
        event("accepted", two, "assigned", 3, offer=f"{two}.1.1.0"),
        event("leg_ended", two, "leg_ended", 4, leg=1, agent="bob", wrap_up_expire_time=None),
    ]
    return [Row(seq, *entry[:3], "adapter", None, None, entry[3]) for seq, entry in enumerate(events, 1)]


def check_itself():
    """A good log passes; spoilt in one place, it breaks the rule that guards that place."""
    good = good_log()
    checker = LogChecker().replay(good)
    checker.compare_agents([("ada", 0, 0), ("bob", 0, 0)])
    assert checker.violations == [], checker.violations
    at = {row.seq: row for row in good}

    def without(seq):
        return [row for row in good if row.seq != seq]

    def changed(seq, /, **fields):
        return [row._replace(**fields) if row.seq == seq else row for row in good]

    def body(seq, /, **fields):
        return changed(seq, body={**at[seq].body, **fields})

    over = {**at[6].body["offers"][0], "agent": "ada"}
    spoilt = [
        ("log", without(9)),
        ("log", [*good[:8], good[9], good[8], *good[10:]]),
        ("log", changed(14, seq=15)),
        ("ticket order", changed(9, ticket_seq=6)),
        ("ticket order", without(7)),
        # Booked while the last booking of the same agent stands.
        ("capacity", without(7)),
        ("capacity", body(6, offers=[over])),
        ("capacity", body(1, profile={"pools": {"live": 90}, "channels": {}})),
        ("capacity", body(1, profile={"pools": {}, "channels": {"phone": {"max": 0}}})),
        ("capacity", body(6, offers=[{**at[6].body["offers"][0], "weight": 20}])),
        ("bookings", body(7, offer=f"{at[7].ticket}.1.2.0")),
        ("bookings", body(11, wrap_up_expire_time=None)),
    ]
    for rule, log in spoilt:
        broken = {broken for broken, _ in LogChecker().replay(log).violations}
        assert rule in broken, f"{log} should break {rule!r}, broke {broken}"
    checker.compare_agents([("ada", 100, 0)])
    assert checker.violations, "a stored booking that the log does not know must be refused"

    rows = [(seq, "t", seq, "queued") for seq in range(1, 6)]
    assert list(compare("c", rows, rows)) == []
    deliveries = [
        rows[:2] + rows[3:],
        rows + [(6, "t", 6, "queued")],
        [rows[1], rows[0], *rows[2:]],
        rows + rows[:1],
        rows[:4] + [(5, "t", 5, "offered")],
    ]
    for got in deliveries:
        assert list(compare("c", rows, got)), f"{got} should be refused"
    return len(spoilt) + 1 + len(deliveries)


if __name__ == "__main__":
    print(f"log_checker: good ones pass, {check_itself()} spoilt ones are refused")
    sys.exit(0)
