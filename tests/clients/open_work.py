"""The open work of a desk as its rows show it: whether each piece of it moves on by itself.

Times are microseconds since the Unix epoch. Run as a program it checks itself: a good desk passes, and spoilt in one place
at a time it is refused.
"""

import copy
import json
import sys
import time

from log_checker import LIMITS, POOLS, WEIGHTS

# How late the server may be at a deadline: it looks every 200 ms, and the machine may be busy.
LATE = 1_000_000
OVER = {"closed", "cancelled", "resolved"}


class OpenWork:
    """One snapshot: tickets, open legs with their offers, and agents, as dicts."""

    def __init__(self, tickets, legs, agents, now):
        self.tickets = tickets
        self.legs = legs
        self.agents = agents
        self.now = now

    @classmethod
    def read(cls, store, desk):
        now = int(time.time() * 1_000_000)
        offers = {}
        for row in store.select("SELECT ticket, leg, body FROM offer WHERE desk = ? AND open", [desk]):
            offers.setdefault((row["ticket"], row["leg"]), []).append(json.loads(row["body"]))
        query = "SELECT ticket, leg, body, order_key FROM leg WHERE desk = ? AND open"
        legs = [
            {
                **json.loads(row["body"]),
                "ticket": row["ticket"],
                "order_key": row["order_key"],
                "offers": offers.get((row["ticket"], row["leg"]), []),
            }
            for row in store.select(query, [desk])
        ]
        query = "SELECT ticket, state, channel, next_due_at FROM ticket WHERE desk = ? AND stage = 2"
        tickets = {
            row["ticket"]: {"channel": row["channel"], "state": row["state"], "due": row["next_due_at"]}
            for row in store.select(query, [desk])
        }
        query = "SELECT body FROM agent WHERE desk = ? AND NOT deleted"
        agents = [json.loads(row["body"]) for row in store.select(query, [desk])]
        return cls(tickets, legs, agents, now)

    def violations(self):
        """What does not move on, as {what it is about, with its version: what is wrong}.

        A row may become due in the very moment, and a busy machine is late: what counts is what is found again, unchanged.
        """
        found = {}
        for leg in self.legs:
            name = f"{leg['ticket']}.{leg['n']}"
            for what in self._stuck(leg):
                found[name, leg["ver"], what.split(" ")[0]] = f"{name} {what}"
        with_leg = {leg["ticket"] for leg in self.legs}
        for name, ticket in self.tickets.items():
            if ticket["due"] is not None and ticket["due"] + LATE < self.now:
                found[name, ticket["due"], "timer"] = f"{name}: its timer is {self._late(ticket['due'])} late"
            if name not in with_leg and ticket["due"] is None and ticket["state"].lower() not in OVER:
                found[name, "limbo"] = f"{name} is {ticket['state']}, without an open leg and without a timer: limbo"
        for leg, version, agent in self.free_beside_waiting():
            found[leg, version, agent] = f"{leg} waits beside {agent}, who is free"
        return found

    def free_beside_waiting(self):
        """Each (leg, version, agent) where the leg waits and the agent could be offered it: now and then there is one
        whose proposal is on its way."""
        free = [agent for agent in self.agents if on_duty(agent)]
        found = set()
        for leg in self.legs:
            if leg["state"] != "waiting" or passed(leg.get("pause_until"), self.now) is False:
                continue
            if passed(leg.get("prefer_until"), self.now) is False or (leg.get("prefer") and not leg.get("prefer_until")):
                continue
            if leg["ticket"] not in self.tickets:
                continue  # It closed between the two reads; if not, `_stuck` says so.
            channel = self.tickets[leg["ticket"]]["channel"]
            excluding = [entry for entry in leg.get("exclusions", []) if passed(entry.get("until"), self.now) is not True]
            excluded = {entry["agent"] for entry in excluding}
            for agent in free:
                # Tickets here ask for a tier at most; widened ones have several sufficient needs.
                needs = [need.get("min_tier") or 0 for need in [leg["requirement"], *leg.get("alternatives", [])]]
                fits = agent["profile"]["expertise"]["tier"] >= min(needs)
                if fits and agent["id"] not in excluded and has_room(agent, channel):
                    found.add((f"{leg['ticket']}.{leg['n']}", leg["ver"], agent["id"]))
        return found

    def _stuck(self, leg):
        state, offers = leg["state"], leg["offers"]
        if leg["ticket"] not in self.tickets:
            yield f"outlives its ticket: it is {state}"
        for offer in offers:
            if offer["state"] == "pending" and offer["lapse_time"] + LATE < self.now:
                yield f"lapsed: its offer to {offer['agent']} did {self._late(offer['lapse_time'])} ago"
            confirm = offer.get("confirm_expire_time")
            if offer["state"] == "accepted" and (confirm is None or confirm + LATE < self.now):
                yield f"unconfirmed: {offer['agent']} accepted, and the time to confirm is {confirm}"
        states = {offer["state"] for offer in offers}
        if state == "offered" and "pending" not in states:
            yield "offered to nobody"
        if state == "connecting" and "accepted" not in states:
            yield "connecting with nobody"
        if state in ("active", "wrapping") and leg.get("agent") is None:
            yield f"unattended: it is {state} without an agent"
        if state == "waiting" and (states or leg["order_key"] is None):
            yield f"misplaced: it waits with offers {sorted(states)} and place {leg['order_key']}"
        if state == "wrapping" and leg["wrap_up_expire_time"] + LATE < self.now:
            yield f"overdue: its wrap-up ended {self._late(leg['wrap_up_expire_time'])} ago"

    def _late(self, due):
        return f"{(self.now - due) / 1e6:.1f} s"


def passed(due, now):
    """None: there is no such time."""
    return None if due is None else due <= now


def on_duty(agent):
    ready = agent["declared"] == "ready" and agent.get("next_declared") is None
    return ready and agent.get("session") is not None and not agent["not_responding"]


def has_room(agent, channel):
    profile, pool = agent["profile"], POOLS[channel]
    rule = profile.get("channels", {}).get(channel, {})
    endpoints = [entry for entry in profile.get("endpoints", []) if entry["channel"] == channel]
    blocked = rule.get("paused") or any(entry.get("reachability", "reachable") != "reachable" for entry in endpoints)
    limit = LIMITS[channel] if rule.get("max") is None else rule["max"]
    weight = WEIGHTS[channel] if rule.get("weight") is None else rule["weight"]
    in_a_call = pool == "deferred" and agent.get("held", {}).get("phone", 0) > 0
    fits = agent[f"used_{pool}"] + weight <= profile.get("pools", {}).get(pool, 100)
    return not blocked and not in_a_call and agent.get("held", {}).get(channel, 0) < limit and fits


def good_desk():
    offer = {"agent": "ada", "state": "pending", "lapse_time": 2_000_000, "confirm_expire_time": None}
    leg = {"n": 1, "ver": 3, "ticket": "t1", "state": "offered", "agent": None, "offers": [offer], "order_key": None}
    leg |= {"pause_until": None, "prefer": None, "prefer_until": None, "exclusions": [], "requirement": {}, "alternatives": []}
    waiting = {**leg, "ticket": "t2", "state": "waiting", "offers": [], "order_key": "02"}
    wrapping = {**leg, "ticket": "t3", "state": "wrapping", "offers": [], "agent": "bob", "wrap_up_expire_time": 2_000_000}
    profile = {"pools": {}, "channels": {}, "endpoints": [], "expertise": {"tier": 1}}
    agent = {"id": "ada", "profile": profile, "declared": "ready", "next_declared": None, "session": {}}
    agent |= {"not_responding": False, "used_live": 100, "used_deferred": 0, "held": {"phone": 1}}
    tickets = {name: {"channel": "phone", "state": "QUEUED", "due": 2_000_000} for name in ("t1", "t2", "t3")}
    return OpenWork(tickets, [leg, waiting, wrapping], [agent], 1_500_000)


def check_itself():
    """A good desk passes; spoilt in one place, it is refused."""
    desk = good_desk()
    assert desk.violations() == {}, desk.violations()

    def ends_wrap_up(desk):
        desk.legs[2]["wrap_up_expire_time"] = 400_000

    def lapses(desk):
        desk.legs[0]["offers"][0]["lapse_time"] = 400_000

    def loses_the_offer(desk):
        desk.legs[0]["offers"] = []

    def never_confirms(desk):
        desk.legs[0]["state"] = desk.legs[0]["offers"][0]["state"] = "accepted"

    def has_no_place(desk):
        desk.legs[1]["order_key"] = None

    def is_in_limbo(desk):
        desk.tickets["t4"] = {"channel": "chat", "state": "OPEN", "due": None}

    def misses_its_timer(desk):
        desk.tickets["t2"]["due"] = 400_000

    def outlives_its_ticket(desk):
        del desk.tickets["t1"]

    def becomes_free(desk):
        desk.legs[1]["requirement"] = {"min_tier": 1}
        desk.agents[0].update(used_live=0, held={})

    spoils = [ends_wrap_up, lapses, loses_the_offer, never_confirms, has_no_place, is_in_limbo, misses_its_timer]
    spoils += [outlives_its_ticket, becomes_free]
    for spoil in spoils:
        spoilt = copy.deepcopy(desk)
        spoil(spoilt)
        assert spoilt.violations(), f"a desk that {spoil.__name__} must be refused"
    return len(spoils)


if __name__ == "__main__":
    print(f"open_work: a good desk passes, {check_itself()} spoilt ones are refused")
    sys.exit(0)
