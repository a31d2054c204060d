"""Kills the server and its connectors' clients at random moments, under load, and checks that nothing was lost.

Customers create tickets and leave, agents work, four connectors subscribe from processes of their own. The server gets
SIGKILL and comes back on its data and its address; so do the connectors' clients, which go on from their histories. A
request whose answer was lost is repeated. In the end every acknowledged ticket must be there, once; each connector must
have got, row for row, what SQL says was addressed to it; no agent was ever booked over capacity; all open work moves on.

    target/clients/venv/bin/python tests/clients/kill_loop.py --kills 50 --client-kills 50 --window 1 --seed 7
"""

import argparse
import collections
import pathlib
import random
import shutil
import sys
import tempfile
import threading
import time

import grpc

import connector_fleet
import connector_history
import log_checker
import open_work
import stream_checker
from agent_crew import AgentCrew
from connector_fleet import AckWatch, ConnectorFleet, check_ack_watch
from handoff_reflect import Api
from kill_desk import CONNECTORS, DESK, prepare
from open_work import OpenWork
from server_process import DEFAULT_SERVER, ServerProcess
from stores import SqliteStore
from ticket_traffic import Leavers, Loader
from verdict import Violations, describe, report

DESK_ID = DESK.split("/")[1]


class KillLoop:
    """One run: what takes part in it, and what was found."""

    def __init__(self, options, folder):
        self.options = options
        self.folder = pathlib.Path(folder)
        self.violations = Violations()
        self.rows = []
        self.acknowledged = {}  # request_id -> ticket name
        self.kills = 0
        self.caught_up_to = 0  # each connector must have got all up to this seq
        self.open_legs = []  # how many there were at each check, by state
        self.memory = []  # resident KiB before each kill
        self.store = self.folder / "data" / "handoff.db"
        self._chance = random.Random(f"{options.seed}/kills")
        self._began = time.monotonic()
        self._ends_at = self._began + options.limit

    def run(self):
        options, stop = self.options, threading.Event()
        with ServerProcess(options.server, self.folder) as server:
            api = Api(server.address)
            prepare(api, options.agents)
            stop_load, common = threading.Event(), (self._ends_at - 5, self.violations)
            loaders = [Loader(number, api, options, stop_load, *common) for number in range(options.loaders)]
            leavers = Leavers(loaders, api, options, stop_load, *common)
            crew = AgentCrew(api, options, stop, *common)
            watch = AckWatch(api, options, stop, *common)
            with ConnectorFleet(server.address, self.folder, options) as fleet:
                for thread in [*loaders, leavers, crew, watch]:
                    thread.start()
                self._kill_again_and_again(server, fleet)
                self._check_that_work_moves_on(api)
                stop_load.set()
                for thread in [*loaders, leavers]:
                    thread.join(timeout=self._left(20.0))
                self.acknowledged = {key: name for loader in loaders for key, name in loader.acknowledged.items()}
                self._lose_no_old_acknowledgement(server, api, fleet)
                self._check_that_work_moves_on(api)
                stop.set()
                crew.join(timeout=self._left(10.0))
                watch.join(timeout=self._left(10.0))
                self._catch_up(fleet)
                self._check_tickets(api)
                # The last acknowledgement of each is on its way when the client goes.
                time.sleep(0.5)
            fleet.advance()
            api.close()
            status = server.stop()
            if status != 0:
                self.violations.add("calls", f"the server ended with {status} after SIGTERM")
        self._check_store(fleet, watch)
        self._tabulate(loaders, leavers, crew, fleet, watch)

    def _kill_again_and_again(self, server, fleet):
        """Server and clients in turns at random, until each has been killed as often as asked, or time is up."""
        options = self.options
        to_kill = ["server"] * options.kills + ["client"] * options.client_kills
        self._chance.shuffle(to_kill)
        # The rest of the time is for the connectors to catch up and for the checks.
        until = self._began + options.limit * 0.6
        for count, victim in enumerate(to_kill, 1):
            time.sleep(max(0.0, min(self._chance.uniform(*options.seconds_between), until - time.monotonic())))
            if time.monotonic() >= until:
                found = f"only {count - 1} of {len(to_kill)} kills fitted into --limit {options.limit:g}"
                self.violations.add("time", found)
                return
            if victim == "server":
                self.memory.append(server.resident_kib() or 0)
                server.kill()
                server.start()
                self.kills += 1
            else:
                fleet.kill_one(self._chance)
            print(f"  kill {count}/{len(to_kill)}", file=sys.stderr, end="\r" if sys.stderr.isatty() else "\n")

    def _lose_no_old_acknowledgement(self, server, api, fleet):
        """One more kill, when the present is acknowledged and stored; then one more ticket."""
        fleet.restart_from_stored()
        self._catch_up(fleet)
        time.sleep(1.0)
        fleet.advance()
        server.kill()
        server.start()
        last = Loader("last", api, self.options, threading.Event(), self._ends_at, self.violations)
        last.create_one()
        self.acknowledged.update(last.acknowledged)

    def _catch_up(self, fleet):
        """Waits until each connector has got and acknowledged all that is addressed to it by now; new work goes on.

        With a window of 1 that may take a while; it is given up when nothing moves any more.
        """
        self.caught_up_to = self._head()
        least, since = None, time.monotonic()
        while time.monotonic() < self._ends_at - 30:
            fleet.advance()
            behind = {member.name: self._behind(member) for member in fleet.members}
            if not any(behind.values()):
                return
            if least is None or sum(behind.values()) < least:
                least, since = sum(behind.values()), time.monotonic()
            if time.monotonic() - since > 20:
                break
            time.sleep(0.5)
        self.violations.add("delivery", f"not caught up; decisions behind: {behind}")

    def _behind(self, member):
        """How many decisions for this connector it has not acknowledged."""
        settings, acked = CONNECTORS[member.name], member.history.checker.acked
        with SqliteStore(self.store) as store:
            due = log_checker.addressed(store, DESK_ID, member.name, settings, after=acked)
        return sum(row[0] <= self.caught_up_to for row in due)

    def _head(self):
        with SqliteStore(self.store) as store:
            return head_of(store)

    def _check_that_work_moves_on(self, api):
        """Without kills, while agents and connectors work on. Called under load, and again without new tickets."""
        time.sleep(1.0)
        snapshot = self._open_work()
        stuck = snapshot.violations()
        for _ in range(4):
            time.sleep(1.0)
            snapshot = self._open_work()
            stuck = {key: what for key, what in snapshot.violations().items() if key in stuck}
        for (about, *_), what in sorted(stuck.items(), key=str)[:20]:
            ticket = f"{DESK}/tickets/{dashed(about.split('.')[0])}"
            waiting = api.call("TicketService.ExplainTicket", {"name": ticket}).waiting
            self.violations.add("open work", f"for 4 s, {what} {dict(waiting.exclusion_counts) or ''}")
        states = collections.Counter(leg["state"] for leg in snapshot.legs)
        self.open_legs.append(", ".join(f"{state} {count}" for state, count in sorted(states.items())) or "none")

    def _open_work(self):
        with SqliteStore(self.store) as store:
            return OpenWork.read(store, DESK_ID)

    def _check_tickets(self, api):
        """Asks for each acknowledged ticket by its name, and for all by the list."""
        for request_id, name in self.acknowledged.items():
            try:
                ticket = api.call("TicketService.GetTicket", {"name": name, "view": "TICKET_VIEW_BASIC"})
                if ticket.external_id != request_id:
                    found = f"{name} is of {ticket.external_id}, acknowledged for {request_id}"
                    self.violations.add("durability", found)
            except grpc.RpcError as error:
                self.violations.add("durability", f"{name}: {describe(error)}")
        names = set(self.acknowledged.values())
        if len(names) != len(self.acknowledged):
            self.violations.add("idempotence", f"{len(self.acknowledged)} requests share {len(names)} tickets")
        listed, token = set(), ""
        while True:
            fields = {"parent": DESK, "page_size": 1000, "page_token": token}
            page = api.call("TicketService.ListTickets", fields)
            listed.update(ticket.name for ticket in page.tickets)
            token = page.next_page_token
            if not token:
                break
        if listed - names:
            self.violations.add("idempotence", f"{len(listed - names)} tickets were acknowledged to nobody")
        if names - listed:
            self.violations.add("durability", f"{len(names - listed)} acknowledged tickets are not in the list")

    def _check_store(self, fleet, watch):
        """With the server gone: the file alone, against what the clients wrote down."""
        with SqliteStore(self.store) as store:
            self.log = log_checker.LogChecker().replay(log_checker.rows_of(store, DESK_ID))
            query = "SELECT agent, used_live, used_deferred FROM agent WHERE desk = ?"
            self.log.compare_agents(tuple(row.values()) for row in store.select(query, [DESK_ID]))
            if head_of(store) != self.log.seq:
                self.violations.add("log", f"the head is {head_of(store)}, the last row {self.log.seq}")
            self.violations.add_all(self.log.violations)
            self._check_connectors(store, fleet, watch)

    def _check_connectors(self, store, fleet, watch):
        for member in fleet.members:
            history, name = member.history, member.name
            # What was decided in the very end, between the last look and the server's stop, may have found no reader.
            until = max([self.caught_up_to, *(row[0] for row in history.arrivals)])
            due = log_checker.addressed(store, DESK_ID, name, CONNECTORS[name])
            due = [row for row in due if row[0] <= until]
            self.violations.add_all(log_checker.compare(name, due, history.arrivals))
            self.violations.add_all((rule, f"{name}: {what}") for rule, what in history.checker.violations)
            self.violations.add_all(("calls", what) for what in history.failures)
            for external_id, tickets in history.external_ids.items():
                if len(tickets) > 1:
                    self.violations.add("idempotence", f"request {external_id} made {sorted(tickets)}")
            query = "SELECT coalesce(min(acked), 0) AS acked FROM bucket WHERE desk = ? AND connector = ?"
            acked = next((row["acked"] for row in store.select(query, [DESK_ID, name])), 0)
            self.violations.add_all(check_ack_watch(name, watch.seen[name][0], acked, history.checker.acked))

    def _tabulate(self, loaders, leavers, crew, fleet, watch):
        done, tally = crew.done(), [member.history for member in fleet.members]
        calls = [thread.calls for thread in [*loaders, leavers, *crew.agents]]
        if not self.acknowledged or not done["AcceptOffer"]:
            self.violations.add("load", "no ticket was acknowledged, or no agent accepted")
        for required in ("AcceptOffer", "DeclineOffer", "EndLeg", "FinishWrapUp", "ResolveTicket"):
            if self.options.kills + self.options.client_kills >= 10 and not done[required]:
                self.violations.add("load", f"no agent did {required}")
        by_connectors = sum((history.done for history in tally), collections.Counter())
        repeats = sum(call.repeats for call in calls)
        on_purpose = sum(loader.repeated_on_purpose for loader in loaders)
        memory = [f"{kib / 1024:.1f}" for kib in self.memory[:1] + self.memory[-1:]]
        self.rows = [
            ("seconds", f"{time.monotonic() - self._began:.1f}"),
            ("kills of the server / of clients", f"{self.kills} / {fleet.kills()}"),
            ("streams opened, by connector", per_member(fleet, lambda history: history.checker.streams)),
            ("tickets acknowledged / cancelled by customers", f"{len(self.acknowledged)} / {leavers.cancelled}"),
            ("requests repeated after a loss / on purpose", f"{repeats} / {on_purpose}"),
            ("by agents", listed(done)),
            ("by connectors", listed(by_connectors)),
            ("log entries / decisions", f"{self.log.seq} / {self.log.decisions}"),
            ("bookings replayed / fullest pool", f"{self.log.bookings} / {self.log.busiest} %"),
            ("decisions received, by connector", per_member(fleet, lambda history: len(history.arrivals))),
            ("redelivered, by connector", per_member(fleet, lambda history: history.checker.duplicates)),
            ("looks at acknowledgements", watch.samples),
            ("open legs under load after the kills", self.open_legs[0]),
            ("open legs at the end", self.open_legs[-1]),
            ("memory before first / last kill, MiB", " / ".join(memory)),
        ]

    def _left(self, at_most):
        return max(1.0, min(at_most, self._ends_at - time.monotonic()))


def head_of(store):
    return next(store.select("SELECT head FROM desk_head WHERE desk = ?", [DESK_ID]))["head"]


def per_member(fleet, figure):
    return ", ".join(f"{member.name} {figure(member.history)}" for member in fleet.members)


def listed(counts):
    return ", ".join(f"{name.split('.')[-1]} {count}" for name, count in sorted(counts.items()))


def dashed(ticket):
    """A ticket's id as its default name."""
    return "-".join([ticket[:8], ticket[8:12], ticket[12:16], ticket[16:20], ticket[20:]])


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--server", type=pathlib.Path, default=DEFAULT_SERVER, help="the binary (default: %(default)s)")
    parser.add_argument("--kills", type=int, default=10, help="how often the server is killed (default: %(default)s)")
    parser.add_argument("--client-kills", type=int, default=10, help="how often a client is (default: %(default)s)")
    parser.add_argument("--window", type=int, default=64, help="unacknowledged decisions, 1 to 256 (default: %(default)s)")
    parser.add_argument("--loaders", type=int, default=4, help="threads that create tickets (default: %(default)s)")
    parser.add_argument("--rate", type=float, default=60.0, help="tickets per second, all loaders (default: %(default)s)")
    parser.add_argument("--leave", type=float, default=0.4, help="share of tickets that are cancelled (default: %(default)s)")
    parser.add_argument("--agents", type=int, default=12, help="agents at work (default: %(default)s)")
    parser.add_argument("--handling", type=float, default=0.4, help="median seconds for a ticket (default: %(default)s)")
    parser.add_argument("--seed", type=int, help="of all that is random here (default: a new one, printed)")
    parser.add_argument(
        "--seconds-between", type=float, nargs=2, default=(0.1, 1.5), metavar=("LOW", "HIGH"), help="between two kills"
    )
    parser.add_argument("--limit", type=float, default=120.0, help="seconds for the whole run (default: %(default)s)")
    parser.add_argument("--keep", action="store_true", help="keep the data, the histories and the server's log")
    options = parser.parse_args(arguments)
    if options.seed is None:
        options.seed = random.SystemRandom().randrange(1_000_000)
    return options


def main(arguments):
    options = parse(arguments)
    if not options.server.exists():
        print(f"kill_loop: no server at {options.server}; build it with `cargo build --release`", file=sys.stderr)
        return 2
    checkers = (stream_checker, log_checker, open_work, connector_fleet, connector_history)
    refused = sum(checker.check_itself() for checker in checkers)
    kills = f"{options.kills} kills of the server, {options.client_kills} of clients"
    print(f"the checkers refuse {refused} spoilt histories")
    print(f"kill_loop: {kills}, window {options.window}, --seed {options.seed}", flush=True)
    folder = tempfile.mkdtemp(prefix="handoff-kill-loop-")
    failed = None
    try:
        loop = KillLoop(options, folder)
        loop.run()
        failed = report(loop.rows, loop.violations)
    finally:
        if options.keep or failed != 0:
            print(f"kept: {folder}", file=sys.stderr)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
