"""Private PostgreSQL and Redis servers, as processes: on free loopback ports, in a temporary folder, gone with whoever started them."""

import functools
import os
import pathlib
import pwd
import re
import shutil
import signal
import socket
import subprocess
import time

from server_process import WITH_PARENT, wait_until

# Who owns the server where this runs as root, which PostgreSQL refuses.
USER = "postgres"
SETTINGS = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 400
shared_buffers = 64MB
max_wal_senders = 0
"""


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Backend:
    """A server process that can be started again, killed and paused."""

    def __init__(self, name, folder, port=None):
        self.name = name
        self.folder = pathlib.Path(folder) / name
        self.port = port or free_port()
        self._process = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.end(signal.SIGKILL)

    def start(self, within=30.0):
        with (self.folder / "server.log").open("ab") as log:
            command = [str(part) for part in self._command()]
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        if not wait_until(lambda: self._answers() or not self.is_running(), within) or not self.is_running():
            said = (self.folder / "server.log").read_text(errors="replace")[-2000:]
            raise RuntimeError(f"{self.name} does not start:\n{said}")

    def end(self, with_signal, within=20.0):
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        process.send_signal(with_signal)
        try:
            process.wait(timeout=within)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def pause(self):
        self._process.send_signal(signal.SIGSTOP)

    def resume(self):
        self._process.send_signal(signal.SIGCONT)

    def is_running(self):
        return self._process is not None and self._process.poll() is None


class Postgres(Backend):
    """Durable as a real one: `fsync` is on."""

    def __init__(self, folder, name="postgres", port=None):
        super().__init__(name, folder, port)
        self._programs = programs()
        self._as_user = []
        self.folder.mkdir(parents=True)
        if os.geteuid() == 0:
            self._as_user = ["setpriv", "--reuid", USER, "--regid", USER, "--clear-groups"]
            owner = pwd.getpwnam(USER)
            os.chown(self.folder, owner.pw_uid, owner.pw_gid)
            # It must be able to walk to its folder.
            pathlib.Path(folder).chmod(0o755)
        self._run("initdb", "-D", self.folder / "data", "-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        with (self.folder / "data" / "postgresql.conf").open("a") as settings:
            settings.write(SETTINGS + f"port = {self.port}\n")

    def url(self, port=None):
        return f"postgres://{USER}@127.0.0.1:{port or self.port}/handoff"

    def make_database(self):
        self._run("createdb", "-h", "127.0.0.1", "-p", self.port, "-U", USER, "handoff")

    def crash(self):
        """SIGQUIT, the immediate stop: every connection is dropped, nothing is flushed, recovery at the next start."""
        self.end(signal.SIGQUIT)

    def lines(self, statement):
        """What a statement says, line by line."""
        command = [self._programs / "psql", "-h", "127.0.0.1", "-p", self.port, "-U", USER, "-d", "handoff", "-qAtc", statement]
        process = subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, text=True)
        with process.stdout:
            yield from process.stdout
        if process.wait() != 0:
            raise RuntimeError(f"psql: {statement}")

    def _command(self):
        return [*self._as_user, *WITH_PARENT, self._programs / "postgres", "-D", self.folder / "data"]

    def _answers(self):
        command = [self._programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", self.port]
        return subprocess.run([str(part) for part in command]).returncode == 0

    def _run(self, program, *arguments):
        command = [*self._as_user, self._programs / program, *arguments]
        done = subprocess.run([str(part) for part in command], cwd="/", capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"{program}: {done.stdout}{done.stderr}")


@functools.cache
def programs():
    """Where PostgreSQL's programs are: where Debian keeps them, the newest first, or on the path."""
    found = [(int(path.name), path / "bin") for path in pathlib.Path("/usr/lib/postgresql").glob("[0-9]*")]
    on_path = shutil.which("initdb")
    folders = [folder for version, folder in sorted(found, reverse=True) if version >= 15]
    folders += [pathlib.Path(on_path).parent] if on_path else []
    for folder in folders:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    raise RuntimeError("PostgreSQL 15 or later is not installed: run scripts/prerequisites.sh")


class Redis(Backend):
    """`settings`: more of them, as `name value` in one list."""

    def __init__(self, folder, name="redis", port=None, settings=("--save", "", "--appendonly", "no")):
        super().__init__(name, folder, port)
        self.folder.mkdir(parents=True)
        self._settings = settings

    def crash(self):
        self.end(signal.SIGKILL)

    def say(self, *command, check=True):
        arguments = ["redis-cli", "-h", "127.0.0.1", "-p", str(self.port), *map(str, command)]
        done = subprocess.run(arguments, capture_output=True, text=True, timeout=20)
        if check and (done.returncode != 0 or done.stdout.startswith(("ERR", "(error)"))):
            raise RuntimeError(f"{self.name}: {command}: {done.stdout}{done.stderr}")
        return done.stdout.strip()

    def _command(self):
        flags = ["--port", self.port, "--bind", "127.0.0.1", "--dir", self.folder, *self._settings]
        return [*WITH_PARENT, "redis-server", *flags]

    def _answers(self):
        said = self.say("INFO", "server", check=False)
        return f"process_id:{self._process.pid}" in said


class RedisCluster:
    """Three masters with a replica each. `announce(node)` answers the port by which others reach it."""

    SLOTS = [("0", "5460"), ("5461", "10922"), ("10923", "16383")]

    def __init__(self, folder, announce):
        self.nodes = []
        for number in range(6):
            port, bus = free_port(), free_port()
            announced = announce(f"redis-{number}", port)
            settings = ["--save", "", "--appendonly", "no", "--cluster-enabled", "yes", "--cluster-port", bus]
            settings += ["--cluster-node-timeout", "2000", "--repl-diskless-sync-delay", "0"]
            settings += ["--cluster-announce-ip", "127.0.0.1", "--cluster-announce-port", announced]
            settings += ["--cluster-announce-bus-port", bus]
            node = Redis(folder, f"redis-{number}", port, settings)
            node.announced, node.bus = announced, bus
            self.nodes.append(node)

    def __enter__(self):
        for node in self.nodes:
            node.start()
        for node, (first, last) in zip(self.nodes, self.SLOTS):
            node.say("CLUSTER", "ADDSLOTSRANGE", first, last)
        for node in self.nodes[1:]:
            self.nodes[0].say("CLUSTER", "MEET", "127.0.0.1", node.port, node.bus)
        self._wait(lambda: all("cluster_known_nodes:6" in node.say("CLUSTER", "INFO") for node in self.nodes))
        for master, replica in zip(self.nodes[:3], self.nodes[3:]):
            name = master.say("CLUSTER", "MYID")
            self._wait(lambda: "ERR" not in replica.say("CLUSTER", "REPLICATE", name, check=False))
        self._wait(self.is_whole)
        return self

    def __exit__(self, *_):
        for node in self.nodes:
            node.end(signal.SIGKILL)

    def is_whole(self):
        running = [node for node in self.nodes if node.is_running()]
        return all("cluster_state:ok" in node.say("CLUSTER", "INFO", check=False) for node in running)

    def roles(self, key):
        """(the master that has this key's slot, its replicas that are in step)."""
        asked = next(node for node in self.nodes if node.is_running())
        slot = int(asked.say("CLUSTER", "KEYSLOT", key))
        lines = [line.split(" ") for line in asked.say("CLUSTER", "NODES").splitlines()]
        by_port = {str(node.announced): node for node in self.nodes}

        def node_of(line):
            return by_port[re.match(r"[^:]*:(\d+)", line[1]).group(1)]

        def has_slot(line):
            ranges = [part.split("-") for part in line[8:] if not part.startswith("[")]
            return any(int(part[0]) <= slot <= int(part[-1]) for part in ranges)

        master = next(line for line in lines if "master" in line[2] and has_slot(line))
        replicas = [node_of(line) for line in lines if line[3] == master[0] and "fail" not in line[2]]
        return node_of(master), [node for node in replicas if node.is_running() and self._in_step(node)]

    def _in_step(self, node):
        return "master_link_status:up" in node.say("INFO", "replication", check=False)

    def _wait(self, condition):
        if not wait_until(condition, 30.0, every=0.1):
            raise RuntimeError("the Redis cluster does not come together")


def now_us():
    return int(time.time() * 1_000_000)
