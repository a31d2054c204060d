"""Calls that survive the loss of the server: the same request, under the same request id, until it is answered."""

import random
import threading
import time
import uuid

import grpc

# What a client may meet while the server is gone or going; each is answered by repeating the same request.
RETRIABLE = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.CANCELLED,
    # grpc's own word for a connection that broke within an answer.
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.INTERNAL,
}


class Unwritten:
    """Calls that nobody writes down; the other one is `journal.Journal`."""

    def begins(self, method, fields):
        pass

    def ends(self, number, outcome, answer):
        pass


class PatientApi:
    """One thread's calls. After `give_up_at` (monotonic seconds), or once `stop` is set, calls answer None."""

    def __init__(self, api, seed, give_up_at, stop=None, journal=None):
        self.repeats = 0
        self.refused = 0
        self._api = api
        self._random = random.Random(seed)
        self._give_up_at = give_up_at
        self._stop = stop or threading.Event()
        self._journal = journal or Unwritten()

    def request_id(self):
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def call(self, method, fields, timeout=5.0):
        """The answer; None where time was up before there was one."""
        number, outcome, answer = self._journal.begins(method, fields), "unanswered", None
        try:
            answer = self._until_answered(method, fields, timeout)
            outcome = "unanswered" if answer is None else "ok"
        except grpc.RpcError as error:
            outcome = error.code().name
            raise
        finally:
            self._journal.ends(number, outcome, answer)
        return answer

    def attempt(self, method, fields):
        """Like `call`, with a request id, where another may have been faster: None if the state forbids it by now."""
        try:
            return self.call(method, {**fields, "request_id": fields.get("request_id") or self.request_id()})
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.FAILED_PRECONDITION:
                raise
            self.refused += 1
            return None

    def _until_answered(self, method, fields, timeout):
        while time.monotonic() < self._give_up_at and not self._stop.is_set():
            try:
                return self._api.call(method, fields, timeout=timeout)
            except grpc.RpcError as error:
                if error.code() not in RETRIABLE:
                    raise
                self.repeats += 1
                self._stop.wait(0.02 + 0.05 * self._random.random())
        return None
