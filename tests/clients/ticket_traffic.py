"""Customers: threads that create tickets, and one that withdraws some of them."""

import heapq
import queue
import random
import threading
import time

from kill_desk import ADAPTER, CHANNELS, DESK
from patient_api import PatientApi
from verdict import describe


def new_ticket(request_id, channel):
    """A request whose ticket can be told by its request id."""
    ticket = {"channel": channel, "external_id": request_id, "subject": f"Question {request_id[:8]}"}
    return {"parent": DESK, "connector": ADAPTER, "instance": "adapter-0", "request_id": request_id, "ticket": ticket}


class Loader(threading.Thread):
    """Creates tickets one after another until told to stop; a request once begun is repeated until it is answered."""

    def __init__(self, number, api, options, stop, give_up_at, violations, journal=None):
        super().__init__(name=f"loader-{number}", daemon=True)
        self.acknowledged = {}  # request_id -> ticket name
        self.created = queue.SimpleQueue()  # names, for whoever goes on with them
        self.repeated_on_purpose = 0
        self.calls = PatientApi(api, f"{options.seed}/loader/{number}/calls", give_up_at, journal=journal)
        self._random = random.Random(f"{options.seed}/loader/{number}")
        self._seconds_per_ticket = options.loaders / options.rate
        self._stop_asked = stop
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
        request_id = self.calls.request_id()
        request = new_ticket(request_id, self._random.choice(CHANNELS))
        name = self._create(request)
        if name is None:
            return
        self.acknowledged[request_id] = name
        self.created.put(name)
        if self._random.random() < 0.1:
            self.repeated_on_purpose += 1
            again = self._create(request)
            if again not in (None, name):
                self._violations.add("idempotence", f"request {request_id} made {name} and {again}")

    def _create(self, request):
        answer = self.calls.call("TicketService.CreateTicket", request)
        return answer and answer.name


class Leavers(threading.Thread):
    """Customers who do not wait: a share of all tickets is cancelled, shortly after it was created or a while later."""

    def __init__(self, loaders, api, options, stop, give_up_at, violations, journal=None):
        super().__init__(name="leavers", daemon=True)
        self.cancelled = 0
        self.calls = PatientApi(api, f"{options.seed}/leavers/calls", give_up_at, stop, journal)
        self._loaders = loaders
        self._share = options.leave
        self._random = random.Random(f"{options.seed}/leavers")
        self._stop_asked = stop
        self._violations = violations
        self._due = []

    def run(self):
        while not self._stop_asked.is_set():
            try:
                self._collect()
                self._leave()
            except Exception as error:
                self._violations.add("calls", f"{self.name}: {describe(error)}")
                return
            self._stop_asked.wait(0.02)

    def _collect(self):
        for loader in self._loaders:
            while not loader.created.empty():
                name = loader.created.get()
                if self._random.random() < self._share:
                    heapq.heappush(self._due, (time.monotonic() + self._random.expovariate(1.0), name))

    def _leave(self):
        while self._due and self._due[0][0] <= time.monotonic() and not self._stop_asked.is_set():
            _, name = heapq.heappop(self._due)
            if self.calls.attempt("TicketService.CancelTicket", {"name": name, "reason": "CANCEL_REASON_CUSTOMER_LEFT"}):
                self.cancelled += 1
