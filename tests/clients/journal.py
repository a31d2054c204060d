"""What a process of clients asked for and was answered, as JSON lines, and how much of it is unanswered at this moment.

    ["do", number, at, method, fields]      written before the request is sent; only those with a request id
    ["done", number, at, outcome, name]     `ok`, the code of a refusal, or `unanswered`; the answer's name
    ["failed", what]                        a call that should not have failed

Times are microseconds since the Unix epoch. The number in flight lies in a small file that several processes share, each with
a place of its own: whoever injects faults looks at it.
"""

import itertools
import json
import mmap
import os
import pathlib
import struct
import threading

from backends import now_us

PLACES, PLACE = 16, struct.Struct("q")


class InFlight:
    """How many commands each process has in flight."""

    def __init__(self, path):
        path = pathlib.Path(path)
        if not path.exists():
            path.write_bytes(bytes(PLACES * PLACE.size))
        with path.open("r+b") as file:
            self._places = mmap.mmap(file.fileno(), PLACES * PLACE.size)

    def put(self, place, count):
        PLACE.pack_into(self._places, place * PLACE.size, count)

    def total(self):
        return sum(count for (count,) in PLACE.iter_unpack(self._places))


class Journal:
    def __init__(self, path, in_flight, place):
        self.flying = 0
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._in_flight = in_flight
        self._place = place
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def begins(self, method, fields):
        with self._lock:
            number = next(self._numbers)
            if "request_id" not in fields:
                return None
            self.flying += 1
            self._in_flight.put(self._place, self.flying)
            self._write(["do", number, now_us(), method, fields])
        return number

    def ends(self, number, outcome, answer):
        if number is None:
            return
        with self._lock:
            self.flying -= 1
            self._in_flight.put(self._place, self.flying)
            self._write(["done", number, now_us(), outcome, getattr(answer, "name", None)])

    def add(self, check, what):
        """The part of `verdict.Violations` that threads of clients use."""
        with self._lock:
            self._write(["failed", f"{check}: {what}"])

    def _write(self, entry):
        os.write(self._file, json.dumps(entry).encode() + b"\n")
