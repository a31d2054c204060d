"""Memory with a subscriber that never acknowledges: the server must keep a cursor for it, not a buffer.

The same load is put on two fresh servers, once with a subscriber that acknowledges everything and once with one that never
does. What each server's resident memory grew by is compared; then the silent one acknowledges after all, and must get what
it missed.

    target/clients/venv/bin/python tests/clients/silent_subscriber.py --tickets 10000
"""

import argparse
import itertools
import pathlib
import queue
import sys
import tempfile
import threading
import time

from handoff_reflect import Api
from server_process import DEFAULT_SERVER, ServerProcess, wait_until

DESK = "desks/memory"
CONNECTOR = f"{DESK}/connectors/adapter"
WINDOW = 256
# Submitted and not answered, at most.
IN_FLIGHT = 512
# More than what two runs of the same load differ by, far less than the decisions themselves take.
MOST_DIFFERENCE_MIB = 32


class Subscriber:
    """Reads decisions on a thread; acknowledges each batch only while `talks`."""

    def __init__(self, api, talks):
        self.received = 0
        self.last = 0
        self.broken = []
        self.talks = talks
        self._generation = 0
        self._upwards = queue.Queue()
        self._upwards.put({"hello": {"connector": CONNECTOR, "instance": "memory-0", "window": WINDOW}})
        self._stream = api.bidi("DecisionService.Subscribe", iter(self._upwards.get, None))
        threading.Thread(target=self._read, daemon=True).start()

    def acknowledge(self):
        self._upwards.put({"ack": {"generation": str(self._generation), "acked_seq": str(self.last)}})

    def end(self):
        self._upwards.put(None)
        self._stream.cancel()

    def _read(self):
        try:
            for message in self._stream:
                if message.WhichOneof("response") == "welcome":
                    self._generation = message.welcome.generation
                elif message.WhichOneof("response") == "decisions":
                    self._take(message.decisions.items)
        except Exception as error:
            self.broken.append(str(error))

    def _take(self, decisions):
        for decision in decisions:
            if self.last and decision.prev_seq != self.last:
                self.broken.append(f"prev_seq of {decision.seq} is {decision.prev_seq}, seen last was {self.last}")
            self.last = decision.seq
        self.received += len(decisions)
        if self.talks:
            self.acknowledge()


def submit(api, count):
    """Creates tickets on one stream, with a bounded number under way."""
    room, left = threading.Semaphore(IN_FLIGHT), count

    def items():
        for tag in range(count):
            room.acquire()
            ticket = {"channel": "CHANNEL_CHAT", "external_id": f"memory-{tag}", "subject": "Is anybody there?"}
            yield {"tag": str(tag), "create_ticket": {"parent": DESK, "connector": CONNECTOR, "ticket": ticket}}

    for answer in api.bidi("TicketService.SubmitTickets", items()):
        if answer.WhichOneof("result") != "ticket":
            raise RuntimeError(f"item {answer.tag}: {answer.error.message}")
        room.release()
        left -= 1
    if left:
        raise RuntimeError(f"{left} of {count} items were not answered")


def measure(options, talks):
    """One phase: MiB before and after, decisions made, and what the subscriber got; and what was wrong."""
    wrong = []
    with (
        tempfile.TemporaryDirectory(prefix="handoff-memory-") as folder,
        ServerProcess(options.server, folder) as server,
    ):
        api = Api(server.address)
        api.call("DeskService.CreateDesk", {"desk_id": "memory", "desk": {"display_name": "Memory"}})
        create = {"parent": DESK, "connector_id": "adapter", "connector": {}}
        api.call("DecisionService.CreateConnector", create)
        subscriber = Subscriber(api, talks)
        # Pools, caches and tables grow to their size first.
        submit(api, options.warm_up)
        wait_until(lambda: subscriber.received >= (2 * options.warm_up if talks else WINDOW), within=30)
        before, began, head = server.resident_kib(), time.monotonic(), lag(api).head_seq
        submit(api, options.tickets)
        seconds = time.monotonic() - began
        made = lag(api).head_seq - head
        if talks and not wait_until(lambda: lag(api).acked_seq == lag(api).head_seq, within=60):
            wrong.append(f"the talking subscriber is at {lag(api).acked_seq} of {lag(api).head_seq}")
        after = server.resident_kib()
        received = subscriber.received
        if not talks:
            wrong += answer_at_last(api, subscriber)
        wrong += subscriber.broken
        subscriber.end()
        api.close()
    if made < 2 * options.tickets:
        wrong.append(f"{options.tickets} tickets made only {made} decisions")
    return [part / 1024 for part in (before, after)], made, received, seconds, wrong


def answer_at_last(api, subscriber):
    """The silent subscriber got its window and no more; it acknowledges, and the rest comes."""
    if subscriber.received != WINDOW:
        yield f"{subscriber.received} decisions came unacknowledged in a window of {WINDOW}"
    if lag(api).acked_seq != 0:
        yield f"{lag(api).acked_seq} is acknowledged, and nobody said so"
    subscriber.talks = True
    subscriber.acknowledge()
    if not wait_until(lambda: subscriber.last == lag(api).head_seq, within=60):
        yield f"it never got all: {subscriber.last} of {lag(api).head_seq}"


def lag(api):
    connectors = api.call("DecisionService.ListConnectors", {"parent": DESK}).connectors
    return next(itertools.islice(connectors, 1)).lag


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--server", type=pathlib.Path, default=DEFAULT_SERVER, help="the binary (default: %(default)s)")
    parser.add_argument("--tickets", type=int, default=10_000, help="two decisions each (default: %(default)s)")
    parser.add_argument("--warm-up", type=int, default=2_000, help="tickets before the measurement (default: %(default)s)")
    options = parser.parse_args(arguments)
    growth, failed = {}, []
    print(f"{'subscriber':<14} {'before':>9} {'after':>9} {'growth, MiB':>12} {'decisions':>10} {'received':>9} {'seconds':>8}")
    for name, talks in [("acknowledging", True), ("silent", False)]:
        (before, after), made, received, seconds, wrong = measure(options, talks)
        growth[name] = after - before
        failed += [f"{name}: {what}" for what in wrong]
        print(f"{name:<14} {before:9.1f} {after:9.1f} {growth[name]:12.1f} {made:10} {received:9} {seconds:8.1f}", flush=True)
    more = growth["silent"] - growth["acknowledging"]
    print(f"\nthe silent one cost {more:+.1f} MiB; at most {MOST_DIFFERENCE_MIB} are accepted")
    if more > MOST_DIFFERENCE_MIB:
        failed.append(f"the server grew by {more:.1f} MiB more with a subscriber that never acknowledges")
    for what in failed:
        print(f"FAILED  {what}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
