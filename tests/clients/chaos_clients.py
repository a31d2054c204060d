"""A process of clients under chaos: agents at work, or customers. All it does and is answered is in its journal.

It takes orders as lines on its standard input and ends with its input.

    burst N     customers: N requests at once, most of them in pairs, to two replicas at the same time under one request id
    rest        customers: no new tickets from now on
    leave       agents go home in the middle of what they do
"""

import argparse
import concurrent.futures
import datetime
import os
import random
import sys
import threading
import time
import uuid

from agent_crew import AgentCrew
from handoff_reflect import Api
from journal import InFlight, Journal
from kill_desk import CHANNELS, METHODS
from patient_api import PatientApi
from ticket_traffic import Leavers, Loader, new_ticket
from verdict import describe

BURST = 256
LATER = (datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=30)).isoformat()


class Customers:
    """Loaders at a steady rate, leavers, and bursts."""

    def __init__(self, options, journal, violations):
        self._api, self._options = Api(options.target), options
        self._journal, self._violations = journal, violations
        self._resting = threading.Event()
        addresses = options.target.removeprefix("ipv4:").split(",")
        self._replicas = [Api(address) for address in addresses]
        for api in [self._api, *self._replicas]:
            api.learn(*METHODS)
        forever = (float("inf"), violations, journal)
        self._loaders = [Loader(number, self._api, options, self._resting, *forever) for number in range(options.loaders)]
        self._bursts = concurrent.futures.ThreadPoolExecutor(BURST)
        self._random = random.Random(f"{options.seed}/bursts")
        self._leavers = Leavers(self._loaders, self._api, options, threading.Event(), *forever)
        for thread in [*self._loaders, self._leavers]:
            thread.start()

    def burst(self, count):
        """A tenth becomes work at once; the rest is for later, so that agents do not drown in bursts, and asked for twice."""
        for nth in range(count // 10 + count * 9 // 20):
            request_id = str(uuid.UUID(int=self._random.getrandbits(128), version=4))
            request = new_ticket(request_id, self._random.choice(CHANNELS))
            if nth < count // 10:
                self._bursts.submit(self._create, self._calls(self._api), request, True)
            else:
                request["ticket"]["schedule_time"] = LATER
                for api in self._random.sample(self._replicas, min(2, len(self._replicas))):
                    self._bursts.submit(self._create, self._calls(api), request, False)

    def rest(self):
        self._resting.set()

    def leave(self):
        """Whoever has left already has nobody to send home."""

    def _calls(self, api):
        return PatientApi(Anywhere(api, self._api), self._random.random(), float("inf"), journal=self._journal)

    def _create(self, calls, request, is_now):
        try:
            answer = calls.call("TicketService.CreateTicket", request)
            if is_now:
                self._loaders[0].created.put(answer.name)
        except Exception as error:
            self._violations.add("calls", f"burst: {describe(error)}")


class Anywhere:
    """One replica for the first try, any other one after it."""

    def __init__(self, first, others):
        self._first, self._others = first, others

    def call(self, *arguments, **settings):
        api, self._first = self._first, self._others
        return api.call(*arguments, **settings)


class Agents:
    def __init__(self, options, journal, violations):
        api = Api(options.target)
        api.learn(*METHODS)
        self._stop = threading.Event()
        low, high = options.agents
        crew = AgentCrew(api, options, self._stop, float("inf"), violations, range(low, high), journal)
        crew.start()

    def leave(self):
        self._stop.set()


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--target", required=True, help="all replicas, as gRPC's `ipv4:...`")
    parser.add_argument("--journal", required=True)
    parser.add_argument("--in-flight", required=True, help="the file that is shared")
    parser.add_argument("--place", type=int, required=True, help="the place in it")
    parser.add_argument("--seed", required=True)
    parser.add_argument("--agents", type=int, nargs=2, metavar=("LOW", "HIGH"), help="numbers; without: customers")
    parser.add_argument("--handling", type=float, default=0.4)
    parser.add_argument("--loaders", type=int, default=4)
    parser.add_argument("--rate", type=float, default=30.0)
    parser.add_argument("--leave", type=float, default=0.4)
    options = parser.parse_args(arguments)
    journal = Journal(options.journal, InFlight(options.in_flight), options.place)
    players = (Agents if options.agents else Customers)(options, journal, journal)
    print("ready", flush=True)
    for line in sys.stdin:
        order, *values = line.split()
        getattr(players, order)(*map(int, values))
    until = time.monotonic() + 5
    while journal.flying and time.monotonic() < until:
        time.sleep(0.05)
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
