"""One stream of decisions, with its acknowledgements, every step written to a history before it can be lost."""

import queue
import threading


class Subscription:
    """Hands out decisions and, from a thread of its own, acknowledges them in strides of up to the window.

    One stream in four begins slowly: it acknowledges only once its window is full and has been so for a while, so that
    a server that sends more than the window allows is seen.
    """

    def __init__(self, api, hello, history, chance):
        self._upwards = queue.Queue()
        self._upwards.put({"hello": hello})
        self._window = hello["window"]
        self._history = history
        self._random = chance
        self._changed = threading.Condition()
        self._slow_left = 5 if chance.random() < 0.25 else 0
        self._generation = 0
        self._pending = []
        self._ended = False
        self._failed = None
        self._stream = api.bidi("DecisionService.Subscribe", iter(self._upwards.get, None))
        self._acknowledger = threading.Thread(target=self._acknowledge_all, daemon=True)
        self._acknowledger.start()

    def decisions(self):
        for message in self._stream:
            kind = message.WhichOneof("response")
            if kind == "welcome":
                welcome = message.welcome
                with self._changed:
                    self._generation = welcome.generation
                    self._history.write(["welcome", welcome.generation, welcome.incarnation, welcome.acked_seq])
            elif kind == "going_away":
                return
            elif kind == "decisions":
                yield from self._deliver(message.decisions.items)
            if self._failed is not None:
                raise self._failed

    def end(self):
        with self._changed:
            self._ended = True
            self._changed.notify()
        self._upwards.put(None)
        self._stream.cancel()
        self._acknowledger.join()

    def _deliver(self, decisions):
        with self._changed:
            new = self._history.write_decisions(decisions)
            self._pending.extend(decision.seq for decision in decisions)
            self._changed.notify()
        return new

    def _acknowledge_all(self):
        try:
            with self._changed:
                while not self._ended:
                    self._changed.wait_for(lambda: self._ended or self._pending)
                    if self._slow_left:
                        self._slow_left -= 1
                        self._changed.wait_for(lambda: self._ended or len(self._pending) >= self._window, timeout=0.2)
                        self._changed.wait_for(lambda: self._ended, timeout=0.05)
                    if not self._ended:
                        self._acknowledge(self._random.randint(1, min(len(self._pending), self._window)))
        except Exception as error:  # told to whoever reads the stream
            self._failed = error
            self._stream.cancel()

    def _acknowledge(self, count):
        seq = self._pending[count - 1]
        del self._pending[:count]
        self._history.write(["ack", seq, count])
        self._upwards.put({"ack": {"generation": self._generation, "acked_seq": seq}})
