"""FLUSHALL while many tickets wait: how long until routing goes on, whether the order is kept, and what callers see meanwhile.

Three replicas over a private PostgreSQL and a private Redis. Agents take tickets all the time, customers create more; then Redis is
emptied. Offers are read from the decision stream, with the times that the service gave them.

    target/clients/venv/bin/python tests/clients/flushed.py --waiting 100000
"""

import argparse
import concurrent.futures
import itertools
import json
import pathlib
import sys
import tempfile
import threading
import time

import grpc

from cluster import Cluster
from handoff_reflect import Api
from server_process import DEFAULT_SERVER

DESK = "desks/flushed"
CONNECTOR = f"{DESK}/connectors/adapter"
DEVICE = "desktop"
POLICY = "queues:\n  email: {wrap_up: 0s, after_contact: resolve, offer_timeout: 60s}\n"
# Submitted and not answered, at most.
IN_FLIGHT = 512


def new_ticket(nth):
    ticket = {"channel": "CHANNEL_EMAIL", "external_id": str(nth), "subject": "Still waiting"}
    return {"parent": DESK, "connector": CONNECTOR, "ticket": ticket}


def submit(api, count):
    """On one stream, with a bounded number under way."""
    room = threading.Semaphore(IN_FLIGHT)

    def items():
        for nth in range(count):
            room.acquire()
            yield {"tag": str(nth), "create_ticket": new_ticket(nth)}

    for answer in api.bidi("TicketService.SubmitTickets", items()):
        if answer.WhichOneof("result") != "ticket":
            raise RuntimeError(f"item {answer.tag}: {answer.error.message}")
        room.release()


class Desk:
    """Agents who accept each offer and resolve its ticket; what was offered and when; what creations took."""

    def __init__(self, api, options):
        self.offered = []  # (time of the offer, ticket)
        self.creations = []  # (when asked, seconds, code or None)
        self._api, self._options = api, options
        self._epochs = {}
        self._stop = threading.Event()
        self._work = concurrent.futures.ThreadPoolExecutor(options.agents)
        self._threads = []

    def prepare(self):
        call = self._api.call
        call("DeskService.CreateDesk", {"desk_id": "flushed", "desk": {}})
        call("PolicyService.UpdatePolicy", {"policy": {"name": f"{DESK}/policy", "source": POLICY}})
        call("DecisionService.CreateConnector", {"parent": DESK, "connector_id": "adapter", "connector": {}})
        for number in range(self._options.agents):
            agent = {"channels": [{"channel": "CHANNEL_EMAIL", "weight": 100}]}
            call("AgentService.CreateAgent", {"parent": DESK, "agent_id": f"agent-{number}", "agent": agent})

    def open(self):
        """The stream first: an offer that nobody hears of keeps its agent for as long as it rings."""
        what = {"connector": CONNECTOR, "point": "RESUME_POINT_NOW", "kinds": ["DECISION_KIND_OFFERED"]}
        stream = self._api.server_stream("DecisionService.WatchDecisions", what)
        next(stream)
        threading.Thread(target=self._read, args=[stream], daemon=True).start()
        for number in range(self._options.agents):
            name = f"{DESK}/agents/agent-{number}"
            answer = self._api.call("AgentService.StartSession", {"name": name, "device_id": DEVICE})
            self._epochs[name] = str(answer.welcome.session_epoch)
            self._api.call("AgentService.SetAgentState", {"name": name, "state": "DECLARED_STATE_READY"})
        for target in (self._beat, self._create):
            self._threads.append(threading.Thread(target=target, daemon=True))
            self._threads[-1].start()

    def close(self):
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self._work.shutdown()

    def _read(self, stream):
        try:
            for message in stream:
                if message.WhichOneof("response") == "decisions" and not self._stop.is_set():
                    self._take(message.decisions.items)
        except grpc.RpcError:
            if not self._stop.is_set():
                raise

    def _take(self, decisions):
        for decision in decisions:
            if decision.WhichOneof("payload") == "offered":
                self.offered.append((decision.create_time.ToNanoseconds() / 1e9, decision.ticket.split("/")[-1]))
                for offer in decision.offered.offers:
                    self._work.submit(self._handle, decision.ticket, offer)

    def _handle(self, ticket, offer):
        accept = {"name": offer.name, "session_epoch": str(offer.session_epoch), "device_id": DEVICE, "connected": True}
        self._patiently("OfferService.AcceptOffer", accept)
        time.sleep(self._options.handling)
        self._patiently("TicketService.ResolveTicket", {"name": ticket, "resolution": "Solved."})

    def _patiently(self, method, fields):
        while not self._stop.is_set():
            try:
                return self._api.call(method, fields)
            except grpc.RpcError as error:
                if error.code() != grpc.StatusCode.UNAVAILABLE:
                    raise
                time.sleep(0.1)

    def _beat(self):
        while not self._stop.wait(5.0):
            beats = [{"agent": name, "session_epoch": epoch, "device_id": DEVICE} for name, epoch in self._epochs.items()]
            try:
                self._api.call("AgentService.SendHeartbeats", {"parent": DESK, "heartbeats": beats})
            except grpc.RpcError as error:
                print(f"heartbeats: {error.code().name}", file=sys.stderr)

    def _create(self):
        for nth in itertools.count(self._options.waiting):
            if self._stop.wait(1 / self._options.rate):
                return
            began = time.time()
            try:
                self._api.call("TicketService.CreateTicket", new_ticket(nth))
                code = None
            except grpc.RpcError as error:
                code = error.code().name
            self.creations.append((began, time.time() - began, code))


def line(cluster):
    """Every ticket's place in line, as the service counts it: by when it was enqueued, then by its id."""
    statement = "SELECT name FROM ticket ORDER BY (body::jsonb ->> 'enqueue_time')::bigint, ticket"
    return {name.strip(): place for place, name in enumerate(cluster.postgres.lines(statement))}


def inversions(places):
    """How many tickets were offered for the first time after one that stands behind them, and by how many places at most.

    Order holds at the index. What it hands out is committed by whichever replica was told, so neighbours may change places.
    """
    seen, furthest, found, most = set(), -1, 0, 0
    for place in places:
        if place not in seen and place < furthest:
            found, most = found + 1, max(most, furthest - place)
        seen.add(place)
        furthest = max(furthest, place)
    return found, most


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--server", type=pathlib.Path, default=DEFAULT_SERVER, help="the binary (default: %(default)s)")
    parser.add_argument("--waiting", type=int, default=100_000, help="tickets (default: %(default)s)")
    parser.add_argument("--agents", type=int, default=16, help="(default: %(default)s)")
    parser.add_argument("--handling", type=float, default=0.2, metavar="SECONDS", help="(default: %(default)s)")
    parser.add_argument("--rate", type=float, default=20.0, help="tickets created per second meanwhile (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=10.0, help="before and after (default: %(default)s)")
    parser.add_argument("--replicas", type=int, default=3, help="(default: %(default)s)")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="handoff-flushed-") as folder, Cluster(options.server, folder, options.replicas) as cluster:
        api = Api(cluster.target())
        desk = Desk(api, options)
        desk.prepare()
        began = time.monotonic()
        submit(api, options.waiting)
        print(f"{options.waiting} tickets wait, after {time.monotonic() - began:.0f} s", file=sys.stderr)
        desk.open()
        time.sleep(options.seconds)
        before = len(desk.offered)
        flushed = time.time()
        cluster.redis.say("FLUSHALL")
        deadline = time.monotonic() + 120
        while not any(at > flushed + 0.2 for at, _ in desk.offered[before:]) and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(options.seconds)
        desk.close()
        times = sorted(at for at, _ in desk.offered)
        gaps = [(after - at, at) for at, after in itertools.pairwise(times) if after > flushed]
        gap, gap_began = max(gaps)
        after = [seconds for asked, seconds, code in desk.creations if flushed <= asked <= gap_began + gap and code is None]
        places = line(cluster)
        tickets = len(places)
        overtaken, by_most = inversions(places[name] for _, name in desk.offered)
        created = options.waiting + sum(code is None for _, _, code in desk.creations)
        result = {
            "waiting": options.waiting,
            "offers_per_second_before": round(before / options.seconds, 1),
            "seconds_until_offers_go_on": round(gap_began + gap - flushed, 2),
            "longest_gap_seconds": round(gap, 2),
            "offers_per_second_after": round(sum(at > gap_began + gap for at in times) / options.seconds, 1),
            "overtaken": overtaken,
            "overtaken_by_places_at_most": by_most,
            "offered": len({name for _, name in desk.offered}),
            "created_meanwhile": len(after),
            "longest_creation_meanwhile_seconds": round(max(after, default=0), 3),
            "creations_refused": sum(code is not None for _, _, code in desk.creations),
            "tickets_acknowledged": created,
            "tickets_in_the_database": tickets,
        }
        print(json.dumps(result, indent=2))
        lost = tickets < created
        # The servers end with whoever started them.
        cluster.stop_replicas()
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
