"""A private cluster: PostgreSQL, Redis, and replicas of `handoff serve`, each link through a proxy that can be cut.

Run as a program it starts one to try things on, says where it listens, and stops it all at Ctrl-C.

    target/clients/venv/bin/python tests/clients/cluster.py --replicas 3 --grpc-port 50051
"""

import argparse
import contextlib
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading

from backends import Postgres, Redis, RedisCluster
from link_proxy import Links
from server_process import DEFAULT_SERVER, WITH_PARENT, ServerProcess

REDIS = ("plain", "aof", "cluster")
AOF = ["--save", "", "--appendonly", "yes", "--appendfsync", "everysec"]


class Cluster(contextlib.ExitStack):
    """Everything, started. Links are called `replica-N to postgres`, `replica-N to redis`, or, with a Redis cluster, whose
    nodes have one address for everybody, `redis-N`."""

    def __init__(self, binary, folder, replicas=3, redis="plain"):
        super().__init__()
        self.folder = pathlib.Path(folder)
        self.binary = binary
        self.redis_kind = redis
        self.links = Links()
        self.callback(self.links.close)
        self.link_names = []
        try:
            self.postgres = self.enter_context(Postgres(self.folder))
            self.postgres.make_database()
            migrate = [*WITH_PARENT, str(binary), "migrate", "--database-url", self.postgres.url()]
            subprocess.run(migrate, check=True, stdout=subprocess.DEVNULL)
            self._start_redis(redis)
            self.replicas = [self._replica(number) for number in range(1, replicas + 1)]
        except BaseException:
            self.close()
            raise

    def target(self):
        """All replicas, as one target of gRPC."""
        return "ipv4:" + ",".join(replica.address for replica in self.replicas)

    def addresses(self):
        return [replica.address for replica in self.replicas]

    def link(self, name, port):
        self.link_names.append(name)
        return self.links.add(name, port)

    def stop_replicas(self):
        """SIGTERM to all at once; their exit statuses."""
        for replica in self.replicas:
            replica.signal(signal.SIGTERM)
        return [replica.ended(within=40.0) for replica in self.replicas]

    def _start_redis(self, kind):
        if kind == "cluster":
            self.redis = self.enter_context(RedisCluster(self.folder, self.link))
        else:
            settings = {"settings": AOF} if kind == "aof" else {}
            self.redis = self.enter_context(Redis(self.folder, **settings))

    def _replica(self, number):
        name = f"replica-{number}"
        postgres = self.link(f"{name} to postgres", self.postgres.port)
        if self.redis_kind == "cluster":
            redis = "redis+cluster://" + ",".join(f"127.0.0.1:{node.announced}" for node in self.redis.nodes[:3])
        else:
            redis = f"redis://127.0.0.1:{self.link(f'{name} to redis', self.redis.port)}"
        flags = ["--database-url", self.postgres.url(postgres), "--redis-url", redis]
        replica = ServerProcess(self.binary, self.folder, ready_within=60.0, flags=flags, name=name)
        return self.enter_context(replica)


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--server", type=pathlib.Path, default=DEFAULT_SERVER, help="the binary (default: %(default)s)")
    parser.add_argument("--replicas", type=int, default=3, help="(default: %(default)s)")
    parser.add_argument("--redis", choices=REDIS, default="plain", help="(default: %(default)s)")
    parser.add_argument("--seconds", type=float, help="stop by itself after so long (default: at Ctrl-C)")
    options = parser.parse_args(arguments)
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    folder = tempfile.mkdtemp(prefix="handoff-cluster-")
    try:
        with Cluster(options.server, folder, options.replicas, options.redis) as cluster:
            tell(cluster)
            stopped.wait(options.seconds)
            print("stopping", flush=True)
            cluster.stop_replicas()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def tell(cluster):
    for replica in cluster.replicas:
        print(f"{replica.name:<12} {replica.address:<24} {replica.log_path}")
    print(f"{'postgres':<12} {cluster.postgres.url()}")
    redis = cluster.redis.nodes if cluster.redis_kind == "cluster" else [cluster.redis]
    for server in redis:
        print(f"{server.name:<12} redis://127.0.0.1:{server.port}")
    first, last = cluster.replicas[0], cluster.replicas[-1]
    print(f"""
Any replica takes any call:
  {cluster.binary} apply examples/desk.yaml --server http://{first.address}
  {cluster.binary} export support --server http://{last.address}
  {cluster.binary} demo --server http://{first.address}
Kill one and go on with another. Ctrl-C stops everything and removes its data.""", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
