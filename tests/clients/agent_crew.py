"""Agents at work: each watches its session and does with its offers and legs what people do."""

import collections
import heapq
import itertools
import queue
import random
import threading
import time

import grpc

from kill_desk import DESK, agent_name
from patient_api import RETRIABLE, PatientApi
from verdict import describe

DEVICE = "desktop"
PENDING, LIVE = 1, 1
ACTIVE, WRAPPING = 4, 5
READY, BREAK = 1, 2


class CrewAgent(threading.Thread):
    """One agent. What it did is in `done`, by method."""

    def __init__(self, number, api, options, stop, give_up_at, violations, journal=None):
        super().__init__(name=f"agent-{number}", daemon=True)
        self.agent = agent_name(number)
        self.epoch = 0
        self.done = collections.Counter()
        self.calls = PatientApi(api, f"{options.seed}/agent/{number}/calls", give_up_at, stop, journal)
        self._api = api
        self._random = random.Random(f"{options.seed}/agent/{number}")
        self._answers_by_phone = number % 3 == 0
        self._handling = options.handling
        self._stop_asked = stop
        self._violations = violations
        self._updates = queue.SimpleQueue()
        self._due = []  # (when, order, action)
        self._order = itertools.count()
        self._known = set()  # what is taken care of: offers, and legs by state
        self._stream = None

    def run(self):
        try:
            self.start_session("SESSION_MODE_JOIN")
            threading.Thread(target=self._watch, daemon=True).start()
            while not self._stop_asked.is_set():
                self._step()
        except Exception as error:
            self._violations.add("calls", f"{self.agent}: {describe(error)}")
        finally:
            self._stop_watching()

    def start_session(self, mode):
        answer = self._do("AgentService.StartSession", {"name": self.agent, "device_id": DEVICE, "mode": mode})
        if answer is not None:
            self.epoch = answer.welcome.session_epoch
            self._declare({"state": "DECLARED_STATE_READY"})
            self._stop_watching()

    def _do(self, method, fields):
        answer = self.calls.attempt(method, fields)
        self.done[method.split(".")[1] if answer is not None else "too late"] += 1
        return answer

    def _declare(self, fields):
        self._do("AgentService.SetAgentState", {"name": self.agent, **fields})

    def _plan(self, seconds, action, *arguments):
        heapq.heappush(self._due, (time.monotonic() + seconds, next(self._order), lambda: action(*arguments)))

    def _step(self):
        until = self._due[0][0] - time.monotonic() if self._due else 0.2
        try:
            self._take(self._updates.get(timeout=max(0.001, min(0.2, until))))
        except queue.Empty:
            pass
        while self._due and self._due[0][0] <= time.monotonic() and not self._stop_asked.is_set():
            heapq.heappop(self._due)[2]()

    # The session's stream.

    def _watch(self):
        while not self._stop_asked.is_set():
            request = {"name": self.agent, "session_epoch": str(self.epoch), "device_id": DEVICE}
            try:
                self._stream = self._api.server_stream("AgentService.WatchSession", request)
                for update in self._stream:
                    self._updates.put(update)
            except grpc.RpcError as error:
                if error.code() not in {*RETRIABLE, grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.ABORTED}:
                    self._violations.add("calls", f"WatchSession of {self.agent}: {describe(error)}")
                    return
            self._stop_asked.wait(0.05)

    def _stop_watching(self):
        stream = self._stream
        if stream is not None:
            stream.cancel()

    def _take(self, update):
        kind = update.WhichOneof("update")
        if kind == "snapshot":
            self._see_self(update.snapshot.agent)
            for offer in update.snapshot.offers:
                self._see_offer(offer)
            for leg in [*update.snapshot.legs, *update.snapshot.wrap_ups]:
                self._see_leg(leg)
        elif kind == "agent":
            self._see_self(update.agent)
        elif kind == "offer":
            self._see_offer(update.offer)
        elif kind == "leg":
            self._see_leg(update.leg)

    # What it does.

    def _see_self(self, agent):
        presence = agent.presence
        if presence.session_epoch not in (0, self.epoch):
            return
        if presence.not_responding or presence.declared not in (READY, BREAK):
            self._plan(0.2, self._declare, {"state": "DECLARED_STATE_READY"})

    def _see_offer(self, offer):
        if offer.state != PENDING or offer.name in self._known:
            return
        self._known.add(offer.name)
        chance = self._random.random()
        by_phone = self._answers_by_phone and offer.endpoint.accepts == 2
        epoch = str(offer.session_epoch)
        if by_phone:
            return
        if chance < 0.8:
            fields = {"name": offer.name, "session_epoch": epoch, "device_id": DEVICE}
            self._plan(self._random.uniform(0, 0.5), self._do, "OfferService.AcceptOffer", fields)
        elif chance < 0.9:
            reason = self._random.choice(["DECLINE_REASON_BUSY", "DECLINE_REASON_NOT_MY_SKILL", "DECLINE_REASON_OTHER"])
            fields = {"name": offer.name, "session_epoch": epoch, "reason": reason}
            self._plan(self._random.uniform(0, 0.5), self._do, "OfferService.DeclineOffer", fields)
        elif chance < 0.92:
            self._plan(0.1, self._rest)
        elif chance < 0.94:
            self._plan(0.1, self.start_session, "SESSION_MODE_TAKE_OVER")
        elif chance < 0.95:
            self._plan(0.1, self._leave_and_return)

    def _rest(self):
        self._declare({"state": "DECLARED_STATE_BREAK", "break_reason": "coffee"})
        self._plan(self._random.uniform(0.2, 1.0), self._declare, {"state": "DECLARED_STATE_READY"})

    def _leave_and_return(self):
        self._do("AgentService.EndSession", {"name": self.agent, "session_epoch": str(self.epoch)})
        self._plan(self._random.uniform(0.1, 0.5), self.start_session, "SESSION_MODE_JOIN")

    def _see_leg(self, seen):
        leg = seen.leg
        if (leg.name, leg.state) in self._known or leg.state not in (ACTIVE, WRAPPING):
            return
        self._known.add((leg.name, leg.state))
        if leg.state == WRAPPING:
            if self._random.random() < 0.5:
                fields = {"name": leg.name, "code": "done", "note": "Said and done."}
                self._plan(self._random.uniform(0, 0.6), self._do, "TicketService.FinishWrapUp", fields)
                self._plan(0.7, self._do, "TicketService.ResolveTicket", {"name": seen.ticket})
            else:
                # It ends by itself; on a queue that keeps the ticket, it is resolved then.
                self._plan(2.0, self._do, "TicketService.ResolveTicket", {"name": seen.ticket})
            return
        seconds = min(3.0, self._random.lognormvariate(0, 0.7) * self._handling)
        self._plan(seconds, self._finish, seen.ticket, leg.name, leg.requirement.min_tier < 2)

    def _finish(self, ticket, leg, may_escalate):
        chance = self._random.random()
        if chance < 0.45:
            self._do("TicketService.ResolveTicket", {"name": ticket, "resolution": "Solved."})
        elif chance < 0.8:
            self._do("TicketService.EndLeg", {"name": leg, "ended_by": "ENDED_BY_AGENT"})
            self._plan(1.5, self._do, "TicketService.ResolveTicket", {"name": ticket})
        elif chance < 0.88:
            self._do("TicketService.RequeueTicket", {"name": ticket, "prefer_handler": chance < 0.84})
        elif chance < 0.95 or not may_escalate:
            self._do("TicketService.HoldTicket", {"name": ticket, "reason": "asks back"})
            self._plan(self._random.uniform(0.1, 1.0), self._resume, ticket, leg)
        else:
            self._escalate(ticket)
            self._plan(3.0, self._do, "TicketService.EndLeg", {"name": leg, "ended_by": "ENDED_BY_AGENT"})

    def _resume(self, ticket, leg):
        self._do("TicketService.ResumeTicket", {"name": ticket})
        self._plan(0.5, self._do, "TicketService.ResolveTicket", {"name": ticket})

    def _escalate(self, ticket):
        fields = {"axis": "ESCALATION_AXIS_HIERARCHICAL", "reason": "ESCALATION_REASON_CUSTOMER_DEMAND"}
        fields |= {"name": ticket, "requirement": {"min_tier": 2}, "handover": "HANDOVER_BLIND", "requested_by": self.agent}
        self._do("TicketService.EscalateTicket", fields)


class AgentCrew:
    """Agents (all, or those with these numbers), and one thread that keeps their sessions alive."""

    def __init__(self, api, options, stop, give_up_at, violations, numbers=None, journal=None):
        self.agents = [
            CrewAgent(number, api, options, stop, give_up_at, violations, journal)
            for number in numbers or range(options.agents)
        ]
        self._calls = PatientApi(api, f"{options.seed}/heartbeats", give_up_at, stop, journal)
        self._beats = threading.Thread(target=self._beat, name="heartbeats", daemon=True)
        self._stop_asked = stop
        self._violations = violations

    def start(self):
        for thread in [*self.agents, self._beats]:
            thread.start()

    def join(self, timeout):
        until = time.monotonic() + timeout
        for thread in [*self.agents, self._beats]:
            thread.join(max(0.1, until - time.monotonic()))

    def beat(self):
        """One heartbeat for every session; who lost theirs is left to see it by themselves."""
        beats = [
            {"agent": agent.agent, "session_epoch": str(agent.epoch), "device_id": DEVICE}
            for agent in self.agents
            if agent.epoch
        ]
        if beats:
            self._calls.call("AgentService.SendHeartbeats", {"parent": DESK, "heartbeats": beats})

    def done(self):
        return sum((agent.done for agent in self.agents), collections.Counter())

    def _beat(self):
        while not self._stop_asked.wait(10.0):
            try:
                self.beat()
            except Exception as error:
                self._violations.add("calls", f"SendHeartbeats: {describe(error)}")
                return
