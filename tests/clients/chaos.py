"""Breaks a cluster again and again, under load, and checks that nothing was lost.

Three replicas over a private PostgreSQL and a private Redis; agents, customers and connectors in processes of their own, who
reach every replica and repeat what was not answered under the same request id. Faults come in random order, each while a burst
of commands is in flight. In the end the log and the clients' own histories are held against the invariants, and a table says
what each kind of fault cost.

    target/clients/venv/bin/python tests/clients/chaos.py --faults 300 --seed 7 --redis aof --limit 1200
"""

import argparse
import contextlib
import json
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time

import grpc

import chaos_evidence
import chaos_faults
import chaos_report
import doctored_histories
import log_checker
from backends import now_us
from chaos_checker import INVARIANTS, Verdict
from cluster import REDIS, Cluster
from connector_fleet import AckWatch, ConnectorFleet
from handoff_reflect import Api
from journal import InFlight
from kill_desk import CONNECTORS, prepare
from open_work import OpenWork
from sabotage import SABOTAGE
from server_process import DEFAULT_SERVER, WITH_PARENT, wait_until
from stores import PostgresStore
from verdict import Violations, describe, report

CLIENTS = pathlib.Path(__file__).with_name("chaos_clients.py")
AGENTS_PER_PROCESS = 100
# What a replica says that compared a view with the store and found it wrong.
DRIFT = "the availability view is not what the log says"


class Clients:
    """A process of `chaos_clients.py`."""

    def __init__(self, name, place, target, folder, options, *more):
        self.journal = folder / f"{name}.journal.jsonl"
        flags = ["--target", target, "--journal", self.journal, "--in-flight", folder / "in-flight", "--place", place]
        flags += ["--seed", f"{options.seed}/{name}", "--handling", options.handling, "--leave", options.leave]
        command = [*WITH_PARENT, sys.executable, CLIENTS, *flags, *more]
        with (folder / f"{name}.log").open("ab") as log:
            self._process = subprocess.Popen(
                list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
            )

    def ready(self):
        if not self._process.stdout.readline():
            raise RuntimeError(f"clients did not start: {self.journal}")

    def order(self, *words):
        with contextlib.suppress(BrokenPipeError):  # it has failed, and its journal says why
            self._process.stdin.write(" ".join(map(str, words)) + "\n")
            self._process.stdin.flush()

    def end(self):
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()


class Stopwatch(threading.Thread):
    """Seconds since the start, without those in which the whole machine, or this process, was suspended."""

    def __init__(self, stood_still):
        super().__init__(name="stopwatch", daemon=True)
        self._began, self._lost = time.monotonic(), 0.0
        self._stood_still = stood_still

    def now(self):
        return time.monotonic() - self._began - self._lost

    def run(self):
        while True:
            before = time.monotonic()
            time.sleep(0.5)
            gap = time.monotonic() - before
            if gap > 10.0:
                self._lost += gap
                self._stood_still(gap)


class Chaos:
    """One run: what takes part in it, and what was found."""

    def __init__(self, options, folder):
        self.options = options
        self.folder = pathlib.Path(folder)
        self.violations = Violations()
        self.faults = []  # [kind, began, healed, in flight]
        self.interruptions = []
        self.refused_starts = 0
        self.until = 0
        self._chance = random.Random(f"{options.seed}/faults")
        self._versions = random.Random(f"{options.seed}/versions")
        self._watch = Stopwatch(self._stood_still)
        self._watch.start()
        self._ends_at = options.limit

    def run(self):
        options = self.options
        self._say(f"starting PostgreSQL, Redis ({options.redis}) and {options.replicas} replicas")
        with Cluster(options.server, self.folder, options.replicas, options.redis) as self.cluster:
            self.store = PostgresStore(self.cluster.postgres)
            target = self.cluster.target()
            api = Api(target)
            prepare(api, options.agents)
            self._say(f"the desk is there, with {options.agents} agents")
            if options.beside:
                first = self.cluster.replicas[0]
                first.stop(within=40.0)
                first.binary = options.beside
                first.start()
            if options.sabotage:
                list(self.cluster.postgres.lines(SABOTAGE[options.sabotage][1]))
            self.in_flight = InFlight(self.folder / "in-flight")
            watched = threading.Event()
            watch = AckWatch(api, options, watched, float("inf"), self.violations)
            with ConnectorFleet(target, self.folder, options) as self.fleet, self._clients(target) as self.clients:
                watch.start()
                self._break_again_and_again()
                self._come_to_rest()
                watched.set()
                watch.join(timeout=10)
                time.sleep(0.5)
            api.close()
            for replica, status in zip(self.cluster.replicas, self.cluster.stop_replicas()):
                if status != 0:
                    self.violations.add("calls", f"{replica.name} ended with {status} after SIGTERM")
            self._look_for_drift()
            return self._evidence()

    def burst(self):
        """Some hundred commands at once; answers how many are in flight then."""
        self.customers.order("burst", self.options.burst)
        most = 0
        until = time.monotonic() + 1.0
        while most < 200 and time.monotonic() < until:
            most = max(most, self.in_flight.total())
            time.sleep(0.002)
        return most

    def start(self, replica):
        """As a supervisor does: again and again, for what it needs may not answer just now."""
        if self.options.beside:
            replica.binary = self._versions.choice([self.options.server, self.options.beside])
        for _ in range(30):
            try:
                return replica.start()
            except RuntimeError as error:
                self.refused_starts += 1
                self._say(f"{replica.name} did not start: {str(error).splitlines()[-1]}")
                time.sleep(1.0)
        raise RuntimeError(f"{replica.name} does not start")

    @contextlib.contextmanager
    def _clients(self, target):
        options, start = self.options, lambda *arguments: Clients(*arguments[:2], target, self.folder, options, *arguments[2:])
        lows = range(0, options.agents, AGENTS_PER_PROCESS)
        crews = [
            start(f"agents-{low}", place, "--agents", low, min(low + AGENTS_PER_PROCESS, options.agents))
            for place, low in enumerate(lows, 1)
        ]
        self.customers = start("customers", 0, "--rate", options.rate)
        clients = [self.customers, *crews]
        try:
            for process in clients:
                process.ready()
            self._say("everybody is at work")
            yield clients
        finally:
            for process in clients:
                process.end()

    def _break_again_and_again(self):
        options, kinds = self.options, chaos_faults.kinds(self.options.redis)
        names = chaos_faults.schedule(options.only or kinds, options.faults, self._chance)
        # The rest of the time is for coming to rest, and for the checks.
        until = self._ends_at - max(30.0, self._ends_at * 0.2)
        time.sleep(3.0)
        for count, name in enumerate(names, 1):
            if self._watch.now() >= until:
                self.violations.add("load", f"only {count - 1} of {len(names)} faults fitted into --limit {options.limit:g}")
                return
            in_flight = self.burst()
            began = now_us()
            for hold in kinds[name](self, self._chance):
                time.sleep(hold if options.hold is None else options.hold)
            self.faults.append([name, began, now_us(), in_flight])
            self._say(f"{count}/{len(names)} {name}, {(now_us() - began) / 1e6:.1f} s, {in_flight} in flight")
            time.sleep(self._chance.uniform(*options.seconds_between))

    def _come_to_rest(self):
        """No new tickets; then agents work off what they can; then connectors get what is left for them."""
        self.customers.order("rest")
        self._check_that_work_moves_on()
        for process in self.clients:
            process.order("leave")
        wait_until(lambda: self.in_flight.total() == 0, 15.0)
        self._catch_up()

    def _check_that_work_moves_on(self):
        """What is stuck must still be so, unchanged, after some seconds; given long enough to repair."""
        until = min(self._watch.now() + 40.0, self._ends_at - 20.0)
        stuck = None
        while stuck is None or (stuck and self._watch.now() < until):
            now = OpenWork.read(self.store, chaos_evidence.DESK_ID).violations()
            stuck = now if stuck is None else {key: what for key, what in now.items() if key in stuck}
            time.sleep(2.0)
        for what in sorted(stuck.values())[:20]:
            self.violations.add("I12", f"for 40 s, {what}")

    def _look_for_drift(self):
        """Anti-entropy is a net for damage: with what is broken here, nothing may fall into it."""
        for log in sorted(self.folder.glob("replica-*.log")):
            for line in log.read_text(errors="replace").splitlines():
                if DRIFT in line:
                    self.violations.add("I7", f"{log.stem}: {line}")

    def _catch_up(self):
        self.until = chaos_evidence.head_of(self.store)
        least, since, behind = None, self._watch.now(), {}
        while self._watch.now() < self._ends_at:
            self.fleet.advance()
            behind = {member.name: self._behind(member) for member in self.fleet.members}
            if not any(behind.values()):
                return
            if least is None or sum(behind.values()) < least:
                least, since = sum(behind.values()), self._watch.now()
            if self._watch.now() - since > 30:
                break
            time.sleep(0.5)
        self.violations.add("I10", f"not caught up; decisions behind: {behind}")

    def _behind(self, member):
        settings, acked = CONNECTORS[member.name], member.history.checker.acked
        due = log_checker.addressed(self.store, chaos_evidence.DESK_ID, member.name, settings, after=acked)
        return sum(row[0] <= self.until for row in due)

    def _evidence(self):
        journals = sorted(self.folder.glob("*.journal.jsonl"))
        window = self.options.window
        return chaos_evidence.collect(self.store, self.folder, journals, self.until, window, self.faults, self.interruptions)

    def _say(self, what):
        print(f"  {self._watch.now():6.1f} s  {what}", file=sys.stderr, flush=True)

    def _stood_still(self, seconds):
        """A fault of its own, that nobody meant: who waited meanwhile did so for no fault of the service."""
        self.interruptions.append(["everything stood still", now_us() - int(seconds * 1e6), now_us(), 0])
        self._say(f"everything stood still for {seconds:.0f} s")


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--server", type=pathlib.Path, default=DEFAULT_SERVER, help="the binary (default: %(default)s)")
    parser.add_argument(
        "--beside", type=pathlib.Path, help="another version of the binary: each replica that is started runs one of the two"
    )
    parser.add_argument("--faults", type=int, default=12, help="how many (default: %(default)s)")
    parser.add_argument("--only", nargs="*", default=[], metavar="KIND", help="only these kinds of faults")
    parser.add_argument("--hold", type=float, help="seconds that each fault lasts (default: by its kind, at random)")
    parser.add_argument("--redis", choices=REDIS, default="plain", help="(default: %(default)s)")
    parser.add_argument("--replicas", type=int, default=3, help="(default: %(default)s)")
    parser.add_argument("--agents", type=int, default=200, help="agents at work (default: %(default)s)")
    parser.add_argument("--rate", type=float, default=8.0, help="tickets per second beside bursts (default: %(default)s)")
    parser.add_argument("--burst", type=int, default=240, help="commands at once before each fault (default: %(default)s)")
    parser.add_argument("--leave", type=float, default=0.4, help="share of tickets that are cancelled (default: %(default)s)")
    parser.add_argument("--handling", type=float, default=1.0, help="median seconds for a ticket (default: %(default)s)")
    parser.add_argument("--window", type=int, default=64, help="unacknowledged decisions, 1 to 256 (default: %(default)s)")
    parser.add_argument("--seed", type=int, help="of all that is random here (default: a new one, printed)")
    parser.add_argument(
        "--seconds-between", type=float, nargs=2, default=(0.5, 2.0), metavar=("LOW", "HIGH"), help="between two faults"
    )
    parser.add_argument("--limit", type=float, default=180.0, help="seconds for the whole run (default: %(default)s)")
    parser.add_argument("--sabotage", choices=SABOTAGE, help="break a promise in the store; passes if that is found")
    parser.add_argument("--must-break", metavar="INVARIANT", help="the server has a mistake; passes if that is found")
    parser.add_argument("--json", type=pathlib.Path, help="write the figures here as well")
    parser.add_argument("--evidence", type=pathlib.Path, help="write all that is judged here")
    parser.add_argument("--keep", action="store_true", help="keep the data, the histories and the replicas' logs")
    options = parser.parse_args(arguments)
    if options.seed is None:
        options.seed = random.SystemRandom().randrange(1_000_000)
    if options.sabotage:
        options.must_break = SABOTAGE[options.sabotage][0]
    return options


def main(arguments):
    options = parse(arguments)
    if not options.server.exists():
        print(f"chaos: no server at {options.server}; build it with `cargo build --release`", file=sys.stderr)
        return 2
    refused = doctored_histories.check_itself()
    print(f"the checker refuses {refused} doctored histories")
    print(f"chaos: {options.faults} faults, Redis {options.redis}, --seed {options.seed}", flush=True)
    folder = tempfile.mkdtemp(prefix="handoff-chaos-")
    failed = evidence = None
    try:
        chaos = Chaos(options, folder)
        evidence = chaos.run()
        if options.evidence:
            chaos_evidence.save(evidence, options.evidence)
        verdict = Verdict(evidence)
        chaos.violations.add_all(verdict.found)
        figures = chaos_report.figures(verdict) | {"starts_refused": chaos.refused_starts}
        if options.json:
            options.json.write_text(json.dumps(figures, indent=2) + "\n")
        failed = report(chaos_report.lines(figures), chaos.violations, INVARIANTS)
        if options.must_break:
            failed = check_broken(options.must_break, chaos.violations)
    except (grpc.RpcError, RuntimeError) as error:
        print(f"chaos: {describe(error)}", file=sys.stderr)
        raise
    finally:
        if options.keep or failed != 0:
            chaos_evidence.save(evidence, pathlib.Path(folder) / "evidence.json")
            print(f"kept: {folder}; --seed {options.seed}", file=sys.stderr)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    return 1 if failed else 0


def check_broken(invariant, violations):
    """A run with a mistake in it fails where the mistake is not found."""
    found = violations.of(invariant)
    print(f"{invariant} is {'found broken, as it must be' if found else 'NOT found broken'}")
    return 0 if found else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
