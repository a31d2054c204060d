"""The verdict of a run: broken promises, by check, and the table that is printed of them."""

import collections
import threading

import grpc

CHECKS = [
    ("load", "there was load"),
    ("time", "all kills happened"),
    ("calls", "no call failed but by the loss of the server, or by a state that forbids it"),
    ("durability", "every acknowledged ticket is there"),
    ("idempotence", "one request id, one ticket, one answer"),
    ("delivery", "what each connector got equals, row for row, what SQL says was addressed to it"),
    ("gap", "prev_seq is unbroken within and across streams"),
    ("order", "seq rises"),
    ("ticket order", "ticket_seq is dense, in the streams and in the log"),
    ("redelivery", "the same decision only after a reconnect, and unchanged"),
    ("window", "never more unacknowledged than the window"),
    ("ack", "acknowledgements never fall and are never invented"),
    ("incarnation", "the log is the same log"),
    ("generation", "each subscription has a higher generation than the one before"),
    ("log", "the log is dense from 1 to its head"),
    ("capacity", "at no point of the log is an agent booked over capacity"),
    ("bookings", "the log's bookings add up to the stored agents"),
    ("open work", "every open leg moves on: no overdue offer, no free agent beside a waiting leg, no limbo"),
]


class Violations:
    """Broken promises, by check; shared by all threads."""

    def __init__(self):
        self._found = collections.defaultdict(list)
        self._lock = threading.Lock()

    def add(self, check, what):
        with self._lock:
            self._found[check].append(what)

    def add_all(self, found):
        for check, what in found:
            self.add(check, what)

    def of(self, check):
        with self._lock:
            return list(self._found[check])


def report(rows, violations, checks=CHECKS):
    """Prints the figures and the checks; returns how many failed."""
    for name, value in rows:
        print(f"{name:<48} {value}")
    print()
    failed = 0
    for check, promise in checks:
        found = violations.of(check)
        failed += bool(found)
        print(f"{'FAILED' if found else 'ok':<7} {promise}")
        for what in found[:5]:
            print(f"          {what}")
        if len(found) > 5:
            print(f"          and {len(found) - 5} more")
    print(f"\n{len(checks) - failed} passed, {failed} failed", flush=True)
    return failed


def describe(error):
    if isinstance(error, grpc.RpcError):
        return f"{error.code().name}: {error.details()}"
    return f"{type(error).__name__}: {error}"
