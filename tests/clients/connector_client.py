"""A connector as a process of its own, made to be killed: subscribes, acknowledges, carries out, and resumes.

It goes on from its history alone. What a decision asked for and its predecessor did not finish it does again, under the
same request id. It ends when its standard input does, which is when whoever started it is gone.
"""

import argparse
import os
import queue
import random
import sys
import threading
import time
import uuid

import grpc

from connector_history import HistoryWriter
from handoff_reflect import Api
from kill_desk import DESK
from patient_api import RETRIABLE, PatientApi
from subscription import Subscription
from verdict import describe


# A slow answer to one customer's call must not keep the next one waiting.
HANDS = 8


def work_of(name):
    """What a connector does about a decision: a method and its request, or None. The same for the same decision."""

    def confirm(decision):
        chance = random.Random(decision.decision_id).random()
        fields = {"name": decision.connect.offer.name, "request_id": request_id(decision)}
        if chance < 0.9:
            return "OfferService.ConfirmOffer", fields
        return ("OfferService.FailOffer", {**fields, "reason": "FAIL_REASON_MEDIA_ERROR"}) if chance < 0.95 else None

    def answer(decision):
        mine = [offer for offer in decision.offered.offers if offer.endpoint.connector == f"{DESK}/connectors/{name}"]
        rung = [offer for offer in mine if offer.endpoint.accepts == 2]
        if not rung:
            return None
        chance = random.Random(decision.decision_id).random()
        epoch = str(rung[0].session_epoch)
        fields = {"name": rung[0].name, "session_epoch": epoch, "request_id": request_id(decision)}
        if chance < 0.8:
            return "OfferService.AcceptOffer", {**fields, "device_id": "telephone", "connected": chance < 0.4}
        return ("OfferService.DeclineOffer", {**fields, "reason": "DECLINE_REASON_BUSY"}) if chance < 0.9 else None

    def work(decision):
        kind = decision.WhichOneof("payload")
        if name == "adapter" and kind == "connect":
            return confirm(decision)
        if name == "switch" and kind == "offered":
            return answer(decision)
        return None

    return work


def request_id(decision):
    return str(uuid.uuid5(uuid.NAMESPACE_OID, decision.decision_id))


class ConnectorClient:
    def __init__(self, options):
        self._name = options.connector
        self._window = options.window
        self._from_stored = options.from_stored
        self._random = random.Random(options.seed)
        self._history = HistoryWriter(options.history, work_of(options.connector))
        self._api = Api(options.target)
        self._work = queue.SimpleQueue()

    def run(self):
        methods = ["Subscribe"], ["AcceptOffer", "ConfirmOffer", "DeclineOffer", "FailOffer"]
        self._learn([f"DecisionService.{name}" for name in methods[0]] + [f"OfferService.{name}" for name in methods[1]])
        for seq, (method, fields) in sorted(self._history.to_do.items()):
            self._work.put((seq, method, fields))
        for _ in range(HANDS):
            threading.Thread(target=self._carry_out, daemon=True).start()
        while True:
            try:
                self._subscribe_once()
            except grpc.RpcError as error:
                if error.code() not in RETRIABLE:
                    raise
                self._history.write(["ended", describe(error)])
                time.sleep(0.02 + 0.05 * self._random.random())

    def fail(self, what):
        self._history.write(["failed", f"{self._name}: {what}"])
        os._exit(1)

    def _learn(self, methods):
        while True:
            try:
                return self._api.learn(*methods)
            except (grpc.RpcError, KeyError, TypeError):
                # The server is gone just now; the pool says so in several ways.
                time.sleep(0.1)

    def _subscribe_once(self):
        resume = self._resume_point()
        hello = {"connector": f"{DESK}/connectors/{self._name}", "instance": f"{self._name}-0", "window": self._window}
        if resume is not None:
            hello["cursor"] = {"seq": str(resume)}
        drop_after = self._random.randint(200, 3000)
        self._history.write(["opened", resume])
        subscription = Subscription(self._api, hello, self._history, random.Random(self._random.random()))
        try:
            for seen, work in enumerate(subscription.decisions()):
                self._work.put(work)
                if seen >= drop_after:
                    return
        finally:
            subscription.end()

    def _resume_point(self):
        """In turns what the server has stored, the last acknowledgement and the last decision, so that all are checked."""
        points = [None, self._history.acked, self._history.last_got]
        point = None if self._from_stored else self._random.choice(points)
        return point or None

    def _carry_out(self):
        calls = PatientApi(self._api, self._random.random(), float("inf"))
        while True:
            seq, method, fields = self._work.get()
            try:
                answer = calls.attempt(method, fields)
            except Exception as error:
                self.fail(f"{method}: {describe(error)}")
            self._history.write(["done", seq, method if answer is not None else "too late"])


def end_with_parent():
    sys.stdin.buffer.read()
    os._exit(0)


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--target", required=True, help="host:port of the server")
    parser.add_argument("--connector", required=True, help="its id")
    parser.add_argument("--history", required=True, help="the file to go on with")
    parser.add_argument("--window", type=int, required=True)
    parser.add_argument("--seed", required=True)
    parser.add_argument("--from-stored", action="store_true", help="never resume by a cursor of one's own")
    threading.Thread(target=end_with_parent, daemon=True).start()
    client = ConnectorClient(parser.parse_args(arguments))
    try:
        client.run()
    except Exception as error:
        client.fail(describe(error))


if __name__ == "__main__":
    main(sys.argv[1:])
