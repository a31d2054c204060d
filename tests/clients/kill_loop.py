"""Kills the server at random moments, under load, and checks that nothing acknowledged was lost.

Loaders create tickets and repeat a request whose answer they did not get; a connector subscribes, acknowledges and resumes;
now and then the connector itself drops its stream. The server gets SIGKILL and comes back on its data and its address. In
the end every acknowledged ticket must be there, once, and the connector must have got its decisions without a gap.

    target/clients/venv/bin/python tests/clients/kill_loop.py --kills 50 --window 1 --seed 7
"""

import argparse
import collections
import pathlib
import queue
import random
import shutil
import sys
import tempfile
import threading
import time
import uuid

import grpc

from handoff_reflect import Api
from server_process import DEFAULT_SERVER, ServerProcess, wait_until
from stream_checker import StreamChecker

DESK = "desks/kill-loop"
CONNECTOR = f"{DESK}/connectors/adapter"
INSTANCE = "adapter-0"
CHANNELS = ["CHANNEL_PHONE", "CHANNEL_CHAT", "CHANNEL_SOCIAL", "CHANNEL_EMAIL", "CHANNEL_PORTAL"]

# What a client may meet while the server is gone or going; each is answered by repeating the same request.
RETRIABLE = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.CANCELLED,
    # grpc's own word for a connection that broke within an answer.
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.INTERNAL,
}


class Violations:
    """Broken promises, by check; shared by all threads."""

    def __init__(self):
        self._found = collections.defaultdict(list)
        self._lock = threading.Lock()

    def add(self, check, what):
        with self._lock:
            self._found[check].append(what)

    def of(self, check):
        with self._lock:
            return list(self._found[check])


class Loader(threading.Thread):
    """Creates tickets one after another until told to stop; a request once begun is repeated until it is answered."""

    def __init__(self, number, api, options, stop, give_up_at, violations):
        super().__init__(name=f"loader-{number}", daemon=True)
        self.acknowledged = {}  # request_id -> ticket name
        self.retries = 0
        self.repeats = 0
        self._api = api
        self._random = random.Random(f"{options.seed}/loader/{number}")
        self._seconds_per_ticket = options.loaders / options.rate
        self._stop_asked = stop
        self._give_up_at = give_up_at
        self._violations = violations

    def run(self):
        while not self._stop_asked.is_set():
            began = time.monotonic()
            try:
                self.create_one()
                self._stop_asked.wait(max(0.0, began + self._seconds_per_ticket - time.monotonic()))
            except Exception as error:  # a thread that dies silently would make the run look good
                self._violations.add("calls", f"{self.name}: {describe(error)}")
                return

    def create_one(self):
        request_id = str(uuid.UUID(int=self._random.getrandbits(128), version=4))
        request = {
            "parent": DESK,
            "connector": CONNECTOR,
            "instance": INSTANCE,
            "request_id": request_id,
            "ticket": {
                "channel": self._random.choice(CHANNELS),
                "external_id": request_id,
                "subject": f"Question {request_id[:8]}",
            },
        }
        name = self._insist(request)
        if name is None:
            return
        self.acknowledged[request_id] = name
        if self._random.random() < 0.1:
            self.repeats += 1
            again = self._insist(request)
            if again not in (None, name):
                self._violations.add("idempotence", f"request {request_id} made {name} and {again}")

    def _insist(self, request):
        """The ticket's name; None only where time is up."""
        while time.monotonic() < self._give_up_at:
            try:
                return self._api.call("TicketService.CreateTicket", request, timeout=5.0).name
            except grpc.RpcError as error:
                if error.code() not in RETRIABLE:
                    raise
                self.retries += 1
                time.sleep(0.02 + 0.05 * self._random.random())
        return None


class Connector(threading.Thread):
    """Keeps a subscription, acknowledges in strides of up to the window, and resumes where it left off."""

    def __init__(self, api, window, seed, stop, violations):
        super().__init__(name="connector", daemon=True)
        self.checker = StreamChecker(window)
        self.external_ids = collections.defaultdict(set)  # external id -> tickets
        self.first_kinds = {}  # ticket -> payload of its first decision
        self.dropped = 0
        self.always_from_stored = False
        self.lock = threading.Lock()
        self._api = api
        self._window = window
        self._random = random.Random(f"{seed}/connector")
        self._stop_asked = stop
        self._violations = violations
        self._subscription = None

    def run(self):
        while not self._stop_asked.is_set():
            try:
                self._subscribe_once()
            except grpc.RpcError as error:
                if error.code() not in RETRIABLE:
                    self._violations.add("calls", f"Subscribe: {describe(error)}")
                    return
                time.sleep(0.02 + 0.05 * self._random.random())
            except Exception as error:
                self._violations.add("calls", f"Subscribe: {describe(error)}")
                return

    def drop(self):
        """Ends the present stream, if there is one; the thread opens the next."""
        subscription = self._subscription
        if subscription is not None:
            subscription.end()

    def caught_up(self, tickets):
        """Whether a decision of each ticket came and all that came is acknowledged."""
        with self.lock:
            everything = not self.checker.decisions or self.checker.acked >= max(self.checker.decisions)
            return everything and not self.checker.missing(tickets)

    def _subscribe_once(self):
        # In turns by its own cursor and by what the server has stored, so that both are checked.
        by_cursor = self.checker.acked > 0 and not self.always_from_stored and self._random.random() < 0.5
        resume = self.checker.acked if by_cursor else None
        hello = {"connector": CONNECTOR, "instance": INSTANCE, "window": self._window}
        if resume is not None:
            hello["cursor"] = {"seq": resume}
        drop_after = self._random.randint(20, 500)
        chance = random.Random(self._random.random())
        subscription = Subscription(self._api, hello, self._window, chance, self.checker, self.lock)
        self._subscription = subscription
        with self.lock:
            self.checker.opened(resume)
        try:
            for seen, decision in enumerate(subscription.decisions(), 1):
                if decision.external_id:
                    self.external_ids[decision.external_id].add(decision.ticket)
                self.first_kinds.setdefault(decision.ticket, decision.WhichOneof("payload"))
                if seen >= drop_after:
                    self.dropped += 1
                    return
        finally:
            subscription.end()


class Subscription:
    """One stream: hands out its decisions and, from a thread of its own, acknowledges them.

    One stream in four begins slowly: it acknowledges only once its window is full and has been so for a while, so that
    a server that sends more than the window allows is seen.
    """

    def __init__(self, api, hello, window, chance, checker, lock):
        self._upwards = queue.Queue()
        self._upwards.put({"hello": hello})
        self._window = window
        self._random = chance
        self._checker = checker
        self._changed = threading.Condition(lock)
        self._slow_left = 5 if chance.random() < 0.25 else 0
        self._generation = 0
        self._pending = []
        self._ended = False
        self._stream = api.bidi("DecisionService.Subscribe", iter(self._upwards.get, None))
        self._acknowledger = threading.Thread(target=self._acknowledge_all, daemon=True)
        self._acknowledger.start()

    def decisions(self):
        for message in self._stream:
            kind = message.WhichOneof("response")
            if kind == "welcome":
                with self._changed:
                    self._generation = message.welcome.generation
                    self._checker.welcomed(self._generation, message.welcome.incarnation, message.welcome.acked_seq)
            elif kind == "going_away":
                return
            elif kind == "decisions":
                with self._changed:
                    for decision in message.decisions.items:
                        self._deliver(decision)
                    self._changed.notify()
                yield from message.decisions.items

    def end(self):
        with self._changed:
            self._ended = True
            self._changed.notify()
        self._upwards.put(None)
        self._stream.cancel()
        self._acknowledger.join()

    def _deliver(self, decision):
        content = decision.WhichOneof("payload")
        place = (decision.seq, decision.prev_seq)
        self._checker.delivered(*place, decision.decision_id, decision.ticket, decision.ticket_seq, content)
        self._pending.append(decision.seq)

    def _acknowledge_all(self):
        with self._changed:
            while not self._ended:
                self._changed.wait_for(lambda: self._ended or self._pending)
                if self._slow_left:
                    self._slow_left -= 1
                    self._changed.wait_for(lambda: self._ended or len(self._pending) >= self._window, timeout=0.2)
                    self._changed.wait_for(lambda: self._ended, timeout=0.05)
                if not self._ended:
                    self._acknowledge(self._random.randint(1, min(len(self._pending), self._window)))

    def _acknowledge(self, count):
        seq = self._pending[count - 1]
        del self._pending[:count]
        self._checker.acknowledges(seq, count)
        self._upwards.put({"ack": {"generation": self._generation, "acked_seq": seq}})


def describe(error):
    if isinstance(error, grpc.RpcError):
        return f"{error.code().name}: {error.details()}"
    return f"{type(error).__name__}: {error}"


def prepare(api):
    """The desk, its connector, and every descriptor that will be needed while the server comes and goes."""
    api.call("DeskService.CreateDesk", {"desk_id": "kill-loop", "desk": {"display_name": "Kill loop"}})
    connector = {"channels": CHANNELS}
    api.call("DecisionService.CreateConnector", {"parent": DESK, "connector_id": "adapter", "connector": connector})
    api.learn("TicketService.CreateTicket", "TicketService.GetTicket", "DecisionService.Subscribe")


def kill_again_and_again(server, options, chance, give_up_at):
    """Returns how many times the server was killed, and its resident memory before each kill in KiB."""
    memory = []
    for kill in range(options.kills):
        low, high = options.seconds_between
        time.sleep(min(chance.uniform(low, high), max(0.0, give_up_at - time.monotonic())))
        if time.monotonic() >= give_up_at:
            return kill, memory
        memory.append(server.resident_kib() or 0)
        server.kill()
        server.start()
        print(f"  kill {kill + 1}/{options.kills}", file=sys.stderr, end="\r" if sys.stderr.isatty() else "\n")
    return options.kills, memory


def check_tickets(api, acknowledged, first_kinds, violations):
    """Asks for each acknowledged ticket, and for its log where the server has that method."""
    for request_id, name in acknowledged.items():
        try:
            ticket = api.call("TicketService.GetTicket", {"name": name})
            if ticket.external_id != request_id:
                violations.add("durability", f"{name} belongs to {ticket.external_id}, acknowledged for {request_id}")
            history = call_if_there(api, "TicketService.ListTicketEvents", {"parent": name})
            if history is not None and not history.events:
                violations.add("durability", f"{name} has no history")
        except grpc.RpcError as error:
            violations.add("durability", f"{name}: {describe(error)}")
        if name not in first_kinds:
            violations.add("delivery", f"no decision of {name} ever came")
        elif first_kinds[name] != "queued":
            violations.add("delivery", f"the first decision of {name} is {first_kinds[name]}, not queued")


def call_if_there(api, method, fields):
    """The answer, or None from a server that does not have this method yet."""
    if not api.has(method):
        return None
    try:
        return api.call(method, fields)
    except grpc.RpcError as error:
        if error.code() == grpc.StatusCode.UNIMPLEMENTED:
            return None
        raise


def count_tickets(api):
    """How many tickets the desk has, by ListTickets; None where the server cannot tell."""
    names, token = set(), ""
    while True:
        page = call_if_there(api, "TicketService.ListTickets", {"parent": DESK, "page_size": 1000, "page_token": token})
        if page is None:
            return None
        names.update(ticket.name for ticket in page.tickets)
        token = page.next_page_token
        if not token:
            return len(names)


def check_uniqueness(api, acknowledged, connector, violations):
    names = list(acknowledged.values())
    if len(set(names)) != len(names):
        violations.add("idempotence", f"{len(names)} requests share {len(set(names))} tickets")
    for external_id, tickets in connector.external_ids.items():
        if len(tickets) > 1:
            violations.add("idempotence", f"request {external_id} made {sorted(tickets)}")
    strangers = connector.checker.tickets() - set(names)
    if strangers:
        violations.add("idempotence", f"decisions of {len(strangers)} tickets that nobody was told of: {sorted(strangers)[:3]}")
    total = count_tickets(api)
    if total not in (None, len(set(names))):
        violations.add("idempotence", f"the desk has {total} tickets, {len(set(names))} were acknowledged")


def run(options, folder):
    """Plays the whole thing; returns the rows of the table and the violations."""
    chance = random.Random(f"{options.seed}/kills")
    violations = Violations()
    began = time.monotonic()
    ends_at = began + options.limit
    # The rest of the time is for the connector to catch up and for asking after each ticket.
    kills_end_at = began + options.limit * 0.6
    stop_loaders, stop_connector = threading.Event(), threading.Event()
    with ServerProcess(options.server, folder) as server:
        api = Api(server.address)
        prepare(api)
        connector = Connector(api, options.window, options.seed, stop_connector, violations)
        loaders = [Loader(number, api, options, stop_loaders, ends_at - 5, violations) for number in range(options.loaders)]
        for thread in [connector, *loaders]:
            thread.start()
        kills, memory = kill_again_and_again(server, options, chance, kills_end_at)
        if kills < options.kills:
            violations.add("time", f"only {kills} of {options.kills} kills fitted into --limit {options.limit:g}")

        stop_loaders.set()
        for loader in loaders:
            loader.join(timeout=max(0.0, ends_at - time.monotonic()))
        acknowledged = {key: name for loader in loaders for key, name in loader.acknowledged.items()}
        wait_until(lambda: connector.caught_up(acknowledged.values()), within=time_left(ends_at, 30.0))
        acknowledged.update(lose_no_old_acknowledgement(server, api, connector, options, ends_at, violations))
        wait_until(lambda: connector.caught_up(acknowledged.values()), within=time_left(ends_at, 10.0))
        stop_connector.set()
        connector.drop()
        connector.join(timeout=5)

        check_tickets(api, acknowledged, connector.first_kinds, violations)
        check_uniqueness(api, acknowledged, connector, violations)
        api.close()

    for rule, what in connector.checker.violations:
        violations.add(rule, what)
    if not acknowledged:
        violations.add("load", "no ticket was acknowledged")
    rows = [
        ("seconds", f"{time.monotonic() - began:.1f}"),
        ("kills of the server", kills),
        ("streams opened / dropped by the client", f"{connector.checker.streams} / {connector.dropped}"),
        ("tickets acknowledged", len(acknowledged)),
        ("requests repeated after a loss", sum(loader.retries for loader in loaders)),
        ("requests repeated on purpose", sum(loader.repeats for loader in loaders)),
        ("decisions received", len(connector.checker.decisions)),
        ("redelivered", connector.checker.duplicates),
        ("acknowledged up to seq", connector.checker.acked),
        ("memory before first / last kill, MiB", " / ".join(f"{kib / 1024:.1f}" for kib in memory[:1] + memory[-1:])),
    ]
    return rows, violations


def lose_no_old_acknowledgement(server, api, connector, options, ends_at, violations):
    """One more kill, when all is acknowledged and the server had a second to store it; then one more ticket.

    Returns that ticket by its request id. Its decision must follow the last acknowledged one, with no redelivery.
    """
    connector.always_from_stored = True
    time.sleep(1.0)
    with connector.lock:
        connector.checker.settled()
    server.kill()
    server.start()
    last = Loader("last", api, options, threading.Event(), ends_at, violations)
    last.create_one()
    return last.acknowledged


def time_left(ends_at, at_most):
    return max(1.0, min(at_most, ends_at - time.monotonic()))


CHECKS = [
    ("load", "there was load"),
    ("time", "all kills happened"),
    ("calls", "no call failed but by the loss of the server"),
    ("durability", "every acknowledged ticket is there"),
    ("idempotence", "one request id, one ticket, one answer"),
    ("delivery", "each acknowledged ticket's `queued` came first, at least once"),
    ("gap", "prev_seq is unbroken within and across streams"),
    ("order", "seq rises"),
    ("ticket order", "ticket_seq is dense"),
    ("redelivery", "the same decision only after a reconnect, and unchanged"),
    ("window", "never more unacknowledged than the window"),
    ("ack", "acknowledgements never fall and are never invented"),
    ("incarnation", "the log is the same log"),
    ("generation", "each subscription has a higher generation than the one before"),
]


def report(rows, violations):
    """Prints the figures and the checks; returns how many failed."""
    for name, value in rows:
        print(f"{name:<42} {value}")
    print()
    failed = 0
    for check, promise in CHECKS:
        found = violations.of(check)
        failed += bool(found)
        print(f"{'FAILED' if found else 'ok':<7} {promise}")
        for what in found[:5]:
            print(f"          {what}")
        if len(found) > 5:
            print(f"          and {len(found) - 5} more")
    print(f"\n{len(CHECKS) - failed} passed, {failed} failed")
    return failed


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--server", type=pathlib.Path, default=DEFAULT_SERVER, help="the binary (default: %(default)s)")
    parser.add_argument("--kills", type=int, default=10, help="how often the server is killed (default: %(default)s)")
    parser.add_argument("--window", type=int, default=64, help="unacknowledged decisions, 1 to 256 (default: %(default)s)")
    parser.add_argument("--loaders", type=int, default=4, help="threads that create tickets (default: %(default)s)")
    parser.add_argument("--rate", type=float, default=400.0, help="tickets per second, all loaders (default: %(default)s)")
    parser.add_argument("--seed", type=int, help="of all that is random here (default: a new one, printed)")
    parser.add_argument(
        "--seconds-between", type=float, nargs=2, default=(0.1, 1.5), metavar=("LOW", "HIGH"), help="between two kills"
    )
    parser.add_argument("--limit", type=float, default=120.0, help="seconds for the whole run (default: %(default)s)")
    parser.add_argument("--keep", action="store_true", help="keep the data and the server's log")
    options = parser.parse_args(arguments)
    if options.seed is None:
        options.seed = random.SystemRandom().randrange(1_000_000)
    return options


def main(arguments):
    options = parse(arguments)
    if not options.server.exists():
        print(f"kill_loop: no server at {options.server}; build it with `cargo build --release`", file=sys.stderr)
        return 2
    print(f"kill_loop: {options.kills} kills, window {options.window}, --seed {options.seed}", flush=True)
    folder = tempfile.mkdtemp(prefix="handoff-kill-loop-")
    failed = None
    try:
        failed = report(*run(options, folder))
    finally:
        if options.keep or failed != 0:
            print(f"kept: {folder}", file=sys.stderr)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
