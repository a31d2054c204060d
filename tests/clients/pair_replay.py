"""The log of a desk, replayed leg by leg and agent by agent: who waited beside whom, and for how long.

A *stranded pair* is a waiting leg and an agent who is free for it, both unchanged: not paused, not excluded, not held back for
another, its connector attended. How long each stood beside each other is an interval of the log's own times. Of those that
end at one entry only the longest is kept, for that is the one that an invariant speaks of.

Legs are followed by version as well, by the rules of the log alone, so that an offer made on another version is seen.
"""

import collections

from log_checker import LIMITS, POOLS, WEIGHTS

# Shorter ones are the way a match is made: entry by entry.
NOTABLE = 100_000
FOR_EVER = 1 << 62

Stranded = collections.namedtuple("Stranded", "start end leg agent")
Late = collections.namedtuple("Late", "due end offer how")


class Leg:
    def __init__(self, body, at, ver):
        self.ver = ver
        self.waits_since = at
        self.agent = None
        self.open = {}  # offer id -> offer
        self.want = body.get("want", 1)
        self.needs = [need.get("min_tier") or 0 for need in [body["requirement"], *body.get("alternatives", [])]]
        self.excluded = {entry["agent"]: until_of(entry) for entry in body.get("exclusions", [])}
        self.prefer = body.get("prefer")
        self.prefer_until = FOR_EVER if body.get("prefer_until") is None else body["prefer_until"]
        self.pause_until = body.get("pause_until") or 0
        self.wraps_until = None
        self.is_open = True

    def may_be_offered(self, agent, tier):
        """From when on this agent may have it; None: never."""
        if tier < min(self.needs):
            return None
        since = max(self.pause_until, self.excluded.get(agent, 0))
        if self.prefer not in (None, agent):
            since = max(since, self.prefer_until)
        return None if since >= FOR_EVER else since


class Agent:
    def __init__(self, profile):
        self.profile = profile
        self.ready = self.connected = self.mute = self.leaving = False
        self.used = collections.Counter()
        self.held = collections.Counter()
        self.free_since = {}  # channel -> time

    def tier(self):
        return self.profile.get("expertise", {}).get("tier", 1)

    def is_free(self, channel):
        if not (self.ready and self.connected) or self.mute or self.leaving:
            return False
        pool, rule = POOLS[channel], self.profile.get("channels", {}).get(channel, {})
        ends = [end for end in self.profile.get("endpoints", []) if end["channel"] == channel]
        blocked = rule.get("paused") or any(end.get("reachability", "reachable") != "reachable" for end in ends)
        limit = LIMITS[channel] if rule.get("max") is None else rule["max"]
        fits = self.used[pool] + self.weight(channel) <= self.profile.get("pools", {}).get(pool, 100)
        in_a_call = pool == "deferred" and self.held["phone"] > 0
        return not blocked and not in_a_call and self.held[channel] < limit and fits

    def weight(self, channel):
        own = self.profile.get("channels", {}).get(channel, {}).get("weight")
        return WEIGHTS[channel] if own is None else own


class PairReplay:
    def __init__(self):
        self.stranded = []  # Stranded, in the order of their ends
        self.late = []  # Late: offers that outlived their time
        self.violations = []
        self.legs = {}  # (ticket, n) -> Leg
        self._waiting = collections.defaultdict(dict)  # channel -> key -> Leg
        self._agents = {}
        self._tickets = {}  # ticket -> birth
        self._away = {}  # connector -> since when it is back; FOR_EVER: it is away

    def replay(self, rows):
        at = 0
        for row in rows:
            at = row.at
            apply = getattr(self, f"_on_{row.body['kind']}", None)
            if apply is not None:
                apply(row, row.body)
        for channel, waiting in self._waiting.items():
            for key, leg in waiting.items():
                self._leg_leaves(channel, key, leg, at)
        return self

    # Desk and agents.

    def _on_connector_away(self, row, body):
        for channel, waiting in self._waiting.items():
            for key, leg in waiting.items():
                if self._bound_to(key[0]) == body["connector"]:
                    self._leg_leaves(channel, key, leg, row.at)
        self._away[body["connector"]] = FOR_EVER

    def _on_connector_back(self, row, body):
        self._away[body["connector"]] = row.at

    def _on_agent_created(self, row, body):
        self._agents[body["agent"]] = Agent(body["profile"])

    def _on_agent_updated(self, row, body):
        self._agents[body["agent"]].profile = body["profile"]
        self._agent_moves(body["agent"], row.at)

    def _on_agent_declared(self, row, body):
        agent = self._agents[body["agent"]]
        agent.ready, agent.leaving = body["declared"] == "ready", body.get("next") is not None
        agent.mute = agent.mute and not agent.ready
        self._agent_moves(body["agent"], row.at)

    def _on_endpoint_reported(self, row, body):
        for end in self._agents[body["agent"]].profile.get("endpoints", []):
            if end["channel"] == body["channel"]:
                end["reachability"] = body["reachability"]
        self._agent_moves(body["agent"], row.at)

    def _on_session_started(self, row, body):
        self._agents[body["agent"]].connected = True
        self._agent_moves(body["agent"], row.at)

    def _on_session_ended(self, row, body):
        agent = self._agents[body["agent"]]
        agent.connected = False
        agent.ready = agent.ready and body["reason"] != "ended"
        self._agent_moves(body["agent"], row.at)

    def _agent_moves(self, name, at):
        """Whatever changed: channels on which the agent is free from now on, and those on which no more."""
        agent = self._agents[name]
        for channel in LIMITS:
            free, since = agent.is_free(channel), agent.free_since.get(channel)
            if free and since is None:
                agent.free_since[channel] = at
            elif not free and since is not None:
                if at - since >= NOTABLE:
                    self._agent_leaves(name, agent, channel, since, at)
                del agent.free_since[channel]

    # Tickets.

    def _on_created(self, row, body):
        self._tickets[row.ticket] = body["birth"]
        if body.get("leg"):
            self._begin(row, body["leg"])

    def _on_queued(self, row, body):
        place = body.get("place")
        if place:
            self._tickets[row.ticket] = {**self._tickets[row.ticket], "band": place["band"]}
        self._begin(row, body["leg"])

    def _begin(self, row, body):
        key = (row.ticket, body["n"])
        known = self.legs.get(key)
        if known is not None and known.is_open:
            self._violated("I3", f"seq {row.seq}: leg {key} begins again while it is open")
        self.legs[key] = leg = Leg(body, row.at, known.ver + 1 if known else 1)
        self._waiting[self._channel(row.ticket)][key] = leg

    def _on_offered(self, row, body):
        key = (row.ticket, body["leg"])
        leg = self.legs[key]
        if leg.waits_since is None:
            self._violated("I3", f"seq {row.seq}: {key} is offered, but does not wait")
        else:
            self._stops_waiting(key, leg, row.at)
        if len(body["offers"]) > leg.want:
            self._violated("I3", f"seq {row.seq}: {len(body['offers'])} offers of {key}, which wants {leg.want}")
        for offer in body["offers"]:
            if int(offer["id"].split(".")[2]) != leg.ver:
                self._violated("I3", f"seq {row.seq}: {offer['id']} was made on another version than {leg.ver}")
            self._book(row, leg, offer)
        leg.ver += 1

    def _on_placed(self, row, body):
        key = (row.ticket, body["leg"])
        leg = self.legs[key]
        if leg.waits_since is not None:
            self._stops_waiting(key, leg, row.at)
        self._take(row, leg, body["offer"]["agent"])
        self._book(row, leg, body["offer"])
        leg.ver += 1

    def _on_accepted(self, row, body):
        leg = self.legs[leg_of(row, body["offer"])]
        offer = leg.open.get(body["offer"])
        if offer is None:
            self._violated("I3", f"seq {row.seq}: {body['offer']} is accepted, but not open")
            return
        if row.at > offer["lapse_time"]:
            self.late.append(Late(offer["lapse_time"], row.at, body["offer"], "accepted"))
        self._take(row, leg, offer["agent"])
        offer["accepted"] = True
        leg.ver += 1 if body.get("confirm_expire_time") else 2

    def _on_confirmed(self, row, body):
        self.legs[leg_of(row, body["offer"])].ver += 1

    def _take(self, row, leg, agent):
        if leg.agent is not None:
            self._violated("I3", f"seq {row.seq}: {agent} gets a leg that {leg.agent} holds")
        leg.agent = agent

    def _on_offer_ended(self, row, body):
        key = leg_of(row, body["offer"])
        leg, offer = self.legs[key], self.legs[key].open.get(body["offer"])
        if offer is not None and not offer.get("accepted") and row.at > offer["lapse_time"]:
            self.late.append(Late(offer["lapse_time"], row.at, body["offer"], "ended"))
        if body.get("not_responding") and offer is not None:
            self._agents[offer["agent"]].mute = True
        self._offer_ends(row, key, leg, body)

    def _on_connect_failed(self, row, body):
        key = leg_of(row, body["offer"])
        self.legs[key].pause_until = body.get("pause_until") or 0
        self._offer_ends(row, key, self.legs[key], body)

    def _offer_ends(self, row, key, leg, body):
        offer = leg.open.get(body["offer"])
        exclusion = body.get("exclusion")
        if exclusion:
            leg.excluded[exclusion["agent"]] = until_of(exclusion)
            if leg.prefer == exclusion["agent"]:
                leg.prefer = None
        leg.ver += 1
        if offer is None:
            self._violated("I3", f"seq {row.seq}: {body['offer']} ends, but is not open")
            return
        if offer.get("accepted"):
            leg.agent = None
        self._release(row, leg, body["offer"])
        if not leg.open and leg.waits_since is None and leg.is_open:
            leg.waits_since = row.at
            self._waiting[self._channel(key[0])][key] = leg

    def _on_leg_ended(self, row, body):
        leg = self.legs[row.ticket, body["leg"]]
        leg.ver += 1
        if leg.agent != body["agent"]:
            self._violated("I3", f"seq {row.seq}: {body['agent']} ends a leg that {leg.agent} holds")
        leg.wraps_until = body.get("wrap_up_expire_time")
        if leg.wraps_until is None:
            self._over(row, leg)

    def _on_wrap_up_finished(self, row, body):
        leg = self.legs[row.ticket, body["leg"]]
        leg.ver += 1
        self._over(row, leg)

    def _on_leg_cancelled(self, row, body):
        key = (row.ticket, body["leg"])
        leg = self.legs[key]
        leg.ver += 1
        leg.is_open = False
        if leg.waits_since is not None:
            self._stops_waiting(key, leg, row.at)

    def _on_leg_moved(self, row, body):
        leg = self.legs[row.ticket, body["leg"]]
        leg.ver += 1
        leg.needs = [body["requirement"].get("min_tier") or 0, *leg.needs[1:]]

    def _on_preference_ended(self, row, body):
        leg = self.legs[row.ticket, body["leg"]]
        leg.ver += 1
        # What it may be offered from then on, it may be offered from the time that was set at the latest.
        leg.prefer_until = min(leg.prefer_until, row.at)

    def _on_exclusions_ended(self, row, body):
        leg = self.legs[row.ticket, body["leg"]]
        leg.ver += 1
        for agent in body["agents"]:
            leg.excluded[agent] = min(leg.excluded.get(agent, 0), row.at)

    def _on_pause_ended(self, row, body):
        leg = self.legs[row.ticket, body["leg"]]
        leg.ver += 1
        leg.pause_until = min(leg.pause_until, row.at)

    def _over(self, row, leg):
        for offer in list(leg.open):
            self._release(row, leg, offer)
        leg.agent, leg.is_open = None, False

    def _book(self, row, leg, offer):
        agent, channel = self._agents[offer["agent"]], self._channel(row.ticket)
        leg.open[offer["id"]] = {**offer, "accepted": row.body["kind"] == "placed"}
        agent.used[POOLS[channel]] += offer["weight"]
        agent.held[channel] += 1
        self._agent_moves(offer["agent"], row.at)

    def _release(self, row, leg, offer_id):
        offer, channel = leg.open.pop(offer_id), self._channel(row.ticket)
        agent = self._agents[offer["agent"]]
        agent.used[POOLS[channel]] -= offer["weight"]
        agent.held[channel] -= 1
        self._agent_moves(offer["agent"], row.at)

    # Pairs.

    def _stops_waiting(self, key, leg, at):
        channel = self._channel(key[0])
        self._leg_leaves(channel, key, leg, at)
        del self._waiting[channel][key]
        leg.waits_since = None

    def _leg_leaves(self, channel, key, leg, at):
        since = self._matchable_since(key, leg)
        if since is None or at - since < NOTABLE:
            return
        best = None
        for name, agent in self._agents.items():
            free_since = agent.free_since.get(channel)
            allowed = None if free_since is None else leg.may_be_offered(name, agent.tier())
            if allowed is not None:
                start = max(since, free_since, allowed)
                if best is None or start < best[0]:
                    best = (start, name)
        self._keep(best, at, key)

    def _agent_leaves(self, name, agent, channel, free_since, at):
        best, tier = None, agent.tier()
        for key, leg in self._waiting[channel].items():
            since, allowed = self._matchable_since(key, leg), leg.may_be_offered(name, tier)
            if since is not None and allowed is not None:
                start = max(since, free_since, allowed)
                if best is None or start < best[0]:
                    best, found = (start, name), key
        if best:
            self._keep(best, at, found)

    def _keep(self, best, at, key):
        if best is not None and at - best[0] >= NOTABLE:
            self.stranded.append(Stranded(best[0], at, f"{key[0]}.{key[1]}", best[1]))

    def _matchable_since(self, key, leg):
        back = self._away.get(self._bound_to(key[0]), 0)
        return None if back >= FOR_EVER else max(leg.waits_since, back)

    def _bound_to(self, ticket):
        """Whose absence holds it up: LIVE work waits for its connector."""
        birth = self._tickets[ticket]
        return None if birth["band"] == "deferred" else birth["connector"]

    def _channel(self, ticket):
        return self._tickets[ticket]["channel"]

    def _violated(self, invariant, what):
        self.violations.append((invariant, what))


def leg_of(row, offer):
    return row.ticket, int(offer.split(".")[1])


def until_of(exclusion):
    return FOR_EVER if exclusion.get("until") is None else exclusion["until"]
