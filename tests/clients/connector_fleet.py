"""The clients of all connectors: started, killed and followed by their histories."""

import pathlib
import subprocess
import sys
import threading

from connector_history import HistoryReader
from kill_desk import CONNECTORS, DESK, WHOLE_TICKETS
from patient_api import PatientApi
from verdict import describe

CLIENT = pathlib.Path(__file__).with_name("connector_client.py")


class ConnectorProcess:
    """One connector's client, over its deaths."""

    def __init__(self, name, target, folder, options):
        self.name = name
        self.kills = 0
        self.history_path = folder / f"{name}.jsonl"
        self.history = HistoryReader(self.history_path, options.window, name in WHOLE_TICKETS)
        self._target = target
        self._log_path = folder / f"{name}.log"
        self._options = options
        self._process = None

    def start(self, from_stored=False):
        seed = f"{self._options.seed}/{self.name}/{self.kills}"
        command = [sys.executable, CLIENT, "--target", self._target, "--connector", self.name, "--seed", seed]
        command += ["--history", self.history_path, "--window", self._options.window]
        command += ["--from-stored"] if from_stored else []
        with self._log_path.open("ab") as log:
            parts = [str(part) for part in command]
            self._process = subprocess.Popen(parts, stdin=subprocess.PIPE, stdout=log, stderr=log)

    def kill(self):
        self.kills += 1
        self.end()

    def end(self):
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            process.stdin.close()


class ConnectorFleet:
    def __init__(self, target, folder, options):
        self.members = [ConnectorProcess(name, target, folder, options) for name in CONNECTORS]

    def __enter__(self):
        for member in self.members:
            member.start()
        return self

    def __exit__(self, *_):
        for member in self.members:
            member.end()

    def kill_one(self, chance):
        """Most often the one that owns the tickets."""
        member = chance.choices(self.members, weights=[3, 2, 2, 1])[0]
        member.kill()
        member.start()

    def restart_from_stored(self):
        """From now on they go on from what the server has as acknowledged, whatever they know themselves."""
        for member in self.members:
            member.end()
            member.start(from_stored=True)

    def kills(self):
        return sum(member.kills for member in self.members)

    def advance(self):
        for member in self.members:
            member.history.advance()

    def settled(self):
        for member in self.members:
            member.history.checker.settled()


class AckWatch(threading.Thread):
    """Asks the server again and again how far each connector is, and the log: neither may ever fall."""

    def __init__(self, api, options, stop, give_up_at, violations):
        super().__init__(name="ack-watch", daemon=True)
        self.samples = 0
        self.seen = {name: (0, 0) for name in CONNECTORS}  # name -> (acked, head)
        self._calls = PatientApi(api, f"{options.seed}/ack-watch", give_up_at, stop)
        self._stop_asked = stop
        self._violations = violations

    def run(self):
        while not self._stop_asked.wait(0.1):
            try:
                self.look()
            except Exception as error:
                self._violations.add("calls", f"GetConnector: {describe(error)}")
                return

    def look(self):
        """By the list, which is cheap; now and then by name, which counts what waits as well."""
        if self.samples % 50 == 0:
            names = [f"{DESK}/connectors/{name}" for name in CONNECTORS]
            found = [self._calls.call("DecisionService.GetConnector", {"name": name}) for name in names]
        else:
            page = self._calls.call("DecisionService.ListConnectors", {"parent": DESK})
            found = page.connectors if page is not None else [None]
        if None in found:
            return
        self.samples += 1
        for connector in found:
            name, lag = connector.name.rsplit("/", 1)[-1], connector.lag
            self._violations.add_all(fallen(name, self.seen[name], (lag.acked_seq, lag.head_seq)))
            self.seen[name] = (lag.acked_seq, lag.head_seq)


def fallen(name, before, now):
    """What is wrong with a connector's place in the log after an earlier look at it."""
    if now[0] < before[0]:
        yield "ack", f"{name}: acknowledged fell from {before[0]} to {now[0]}"
    if now[1] < before[1]:
        yield "log", f"the head fell from {before[1]} to {now[1]}"
    if now[0] > now[1]:
        yield "ack", f"{name}: {now[0]} is acknowledged, but the head is {now[1]}"


def check_ack_watch(name, last_seen, stored, sent):
    """What the store has as acknowledged in the end, against what the watch saw last and the client sent."""
    if stored < last_seen:
        yield "ack", f"{name}: {stored} is stored, {last_seen} was seen"
    if stored > sent:
        yield "ack", f"{name}: {stored} is stored, but only {sent} was sent"


def check_itself():
    """A good course of acknowledgements passes, each spoilt one is refused."""
    assert not [*fallen("c", (3, 9), (3, 9)), *fallen("c", (3, 9), (9, 10)), *check_ack_watch("c", 3, 5, 5)]
    spoilt = [fallen("c", (3, 9), (2, 9)), fallen("c", (3, 9), (3, 8)), fallen("c", (3, 9), (10, 9))]
    spoilt += [check_ack_watch("c", 5, 4, 9), check_ack_watch("c", 5, 7, 6)]
    for violations in spoilt:
        assert list(violations)
    return len(spoilt)
