"""Links between processes that can be cut, stalled and slowed down: a TCP proxy with a port of its own for each.

The proxy is a process, so that what goes through it does not wait for the threads of whoever starts it. It takes orders as
JSON lines on its standard input, answers each with a line, and ends with its input.

    {"add": "replica-1 to redis", "port": 6379}     answers {"port": ...}: where to connect instead
    {"link": "replica-1 to redis", "state": "cut"}  open, cut (connections are reset, new ones as well) or stalled (silence)
    {"link": "replica-1 to redis", "delay": 0.05}   seconds, each way, on every chunk
"""

import asyncio
import json
import signal
import socket
import subprocess
import sys

from server_process import WITH_PARENT

OPEN, CUT, STALLED = "open", "cut", "stalled"


class Links:
    """The proxy process, seen by whoever uses it."""

    def __init__(self):
        command = [*WITH_PARENT, sys.executable, __file__]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def add(self, name, port):
        """A link to a local port: the port to use instead of it."""
        return self._order({"add": name, "port": port})["port"]

    def set(self, name, **settings):
        self._order({"link": name, **settings})

    def close(self):
        self._process.stdin.close()
        self._process.wait(timeout=10)
        self._process.stdout.close()

    def _order(self, order):
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


class Link:
    """One link, in the proxy: its settings and its live connections."""

    def __init__(self, port):
        self.target = port
        self.state = OPEN
        self.delay = 0.0
        self.sides = set()

    async def listen(self):
        server = await asyncio.get_running_loop().create_server(lambda: Accepted(self), "127.0.0.1", 0)
        return server.sockets[0].getsockname()[1]

    def set(self, state=None, delay=None):
        self.state = state or self.state
        self.delay = self.delay if delay is None else delay
        for side in list(self.sides):
            if self.state == CUT:
                side.transport.abort()
            else:
                side.heed()


class Side(asyncio.Protocol):
    """One end of a proxied connection. What it receives, its peer sends."""

    def __init__(self, link, peer=None):
        self.link = link
        self.peer = peer
        self.transport = None
        self._not_before = 0.0
        self._paused = False

    def connection_made(self, transport):
        self.transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.link.sides.add(self)
        if self.link.state == CUT:
            transport.abort()
        else:
            self.heed()

    def heed(self):
        """Silence is not to read: what was sent stays in the kernel's buffers until the link is open again."""
        silent = self.link.state == STALLED or self.peer is None
        if silent != self._paused:
            self._paused = silent
            (self.transport.pause_reading if silent else self.transport.resume_reading)()

    def data_received(self, data):
        self.peer.send(data)

    def send(self, data):
        loop = asyncio.get_running_loop()
        due = max(loop.time() + self.link.delay, self._not_before)
        if self.link.delay or self._not_before > loop.time():
            # A delay that shrinks must not let a later chunk overtake.
            self._not_before = due
            loop.call_at(due, self._write, data)
        else:
            self._write(data)

    def _write(self, data):
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(data)

    def connection_lost(self, _):
        self.link.sides.discard(self)
        if self.peer is not None and self.peer.transport is not None:
            self.peer.transport.close() if self.link.state != CUT else self.peer.transport.abort()


class Accepted(Side):
    """The client's end: reads once the other end is there."""

    def connection_made(self, transport):
        super().connection_made(transport)
        if not transport.is_closing():
            self._connecting = asyncio.ensure_future(self._connect())

    async def _connect(self):
        try:
            other = Side(self.link, self)
            await asyncio.get_running_loop().create_connection(lambda: other, "127.0.0.1", self.link.target)
        except OSError:
            self.transport.abort()
            return
        self.peer = other
        if self.transport.is_closing():
            other.transport.abort()
        else:
            self.heed()


async def serve():
    links = {}
    orders = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    while line := await orders.readline():
        order, answer = json.loads(line), {}
        if "add" in order:
            link = links[order["add"]] = Link(order["port"])
            answer = {"port": await link.listen()}
        else:
            links[order.pop("link")].set(**order)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    # An interrupt from the terminal is for whoever started it, and who ends it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    asyncio.run(serve())
