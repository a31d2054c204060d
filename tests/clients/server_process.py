"""A private `handoff serve`: free port, temporary data, ended by its pid."""

import os
import pathlib
import queue
import re
import signal
import subprocess
import threading
import time

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
DEFAULT_SERVER = REPOSITORY / "target" / "release" / "handoff"
READY = re.compile(r"grpc[= ]+(127\.0\.0\.1:\d+)")


# Whoever started a process may be killed: the process then goes as well. It is the end of the starting *thread* that counts.
WITH_PARENT = ["setpriv", "--pdeathsig", "KILL"]


class ServerProcess:
    """One store and, over its restarts, one address. What the server prints goes to `NAME.log` in the folder.

    `flags`: where its store is; by default a data directory in the folder.
    """

    def __init__(self, binary, folder, ready_within=20.0, flags=None, name="server"):
        self.binary = pathlib.Path(binary).resolve()
        self.folder = pathlib.Path(folder)
        self.name = name
        self.log_path = self.folder / f"{name}.log"
        self.address = "127.0.0.1:0"
        self.ready_within = ready_within
        self._flags = ["--data-dir", self.folder / "data"] if flags is None else flags
        self._process = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.kill()

    def start(self):
        """Starts it and waits until it says where it listens."""
        command = [*WITH_PARENT, self.binary, "serve", "--grpc-addr", self.address, *self._flags]
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                errors="replace",
            )
        ready = queue.Queue()
        threading.Thread(target=self._read, args=(self._process.stdout, ready), daemon=True).start()
        try:
            address = ready.get(timeout=self.ready_within)
        except queue.Empty:
            address = None
        if address is None:
            fate = "was not ready in time" if self.is_running() else "ended before it was ready"
            self.kill()
            raise RuntimeError(f"the server {fate}; its last words:\n{self.last_words()}")
        self.address = address

    def kill(self):
        """SIGKILL, as a crash would; returns when it is gone."""
        self._end(signal.SIGKILL)

    def stop(self, within=15.0):
        """SIGTERM; returns the exit status, or None where it had to be killed."""
        return self._end(signal.SIGTERM, within)

    def signal(self, number):
        """Sends a signal and does not wait for what it does."""
        if self.is_running():
            os.kill(self._process.pid, number)

    def ended(self, within=15.0):
        """Waits for an end that was asked for by a signal; the exit status, or None where it had to be killed."""
        return self._end(None, within)

    def is_running(self):
        return self._process is not None and self._process.poll() is None

    def resident_kib(self):
        """Resident memory in KiB, or None once it is gone."""
        try:
            status = pathlib.Path(f"/proc/{self._process.pid}/status").read_text()
        except OSError:
            return None
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        return int(found.group(1)) if found else None

    def last_words(self, lines=20):
        return "\n".join(self.log_path.read_text(errors="replace").splitlines()[-lines:])

    def _end(self, with_signal, within=10.0):
        process, self._process = self._process, None
        if process is None:
            return None
        if with_signal is not None and process.poll() is None:
            os.kill(process.pid, with_signal)
        try:
            return process.wait(timeout=within)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return None

    def _read(self, stdout, ready):
        """Passes on the address, then keeps reading: a full pipe would stop the server."""
        with stdout, self.log_path.open("a") as log:
            for line in stdout:
                log.write(line)
                log.flush()
                found = READY.search(line)
                if found:
                    ready.put(found.group(1))
            ready.put(None)


def wait_until(condition, within, every=0.02):
    """Whether `condition()` came true in time."""
    deadline = time.monotonic() + within
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(every)
    return True
