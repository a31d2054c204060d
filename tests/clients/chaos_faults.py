"""Faults: each is a generator that breaks something, says for how many seconds it is to stay so, and then heals it.

`what` holds the cluster and the connectors' clients; `chance` is the run's own random numbers.
"""

import signal

from kill_desk import DESK
from link_proxy import CUT, OPEN, STALLED

TO_POSTGRES, TO_REDIS = "to postgres", "to redis"


def replica_killed(what, chance):
    replica = chance.choice(what.cluster.replicas)
    replica.kill()
    yield chance.uniform(0, 1)
    what.start(replica)


def replica_paused(what, chance):
    replica = chance.choice(what.cluster.replicas)
    replica.signal(signal.SIGSTOP)
    yield chance.uniform(1, 8)
    replica.signal(signal.SIGCONT)


def replicas_rolled(what, chance):
    """Each in turn, told to stop and started again, as a rollout does."""
    for replica in what.cluster.replicas:
        status = replica.stop(within=40.0)
        if status != 0:
            what.violations.add("calls", f"{replica.name} ended with {status} after SIGTERM")
        what.start(replica)
        yield 0.5


def postgres_killed(what, chance):
    what.cluster.postgres.crash()
    yield chance.uniform(0, 3)
    what.cluster.postgres.start()


def connector_killed(what, chance):
    """While its agents are rung: it comes back at once and goes on from its history."""
    what.fleet.kill_one(chance)
    yield 0


def requests_duplicated(what, chance):
    """Nothing breaks: one more burst, of which a third goes to two replicas under one request id."""
    what.burst()
    yield 0


# Redis, one server.


def redis_killed(what, chance):
    """Back with nothing, or with its append-only file, by the kind of the run."""
    what.cluster.redis.crash()
    yield chance.uniform(0, 2)
    what.cluster.redis.start()


def redis_flushed(what, chance):
    node = what.cluster.redis if what.cluster.redis_kind != "cluster" else redis_master(what)[0]
    node.say("FLUSHALL")
    yield 0


def redis_paused(what, chance):
    node = what.cluster.redis if what.cluster.redis_kind != "cluster" else redis_master(what)[0]
    node.pause()
    # A cluster's master is given up after two seconds.
    yield chance.uniform(0.5, 1.5 if what.cluster.redis_kind == "cluster" else 5)
    node.resume()


# Redis, a cluster.


def redis_master(what):
    return what.cluster.redis.roles(f"{{default/{DESK.split('/')[1]}}}")


def redis_failed_over(what, chance):
    """By order: the replica takes over after the master has given it the last of its data, or without asking it."""
    _, replicas = redis_master(what)
    if replicas:
        replicas[0].say("CLUSTER", "FAILOVER", *chance.choice([[], ["FORCE"], ["TAKEOVER"]]), check=False)
    yield 1


def redis_master_killed(what, chance):
    """The others agree on a successor, who may lack the last of the data; the dead one comes back empty, as its replica."""
    master, replicas = redis_master(what)
    if not replicas:
        yield 0
        return
    master.crash()
    yield chance.uniform(3, 5)
    master.start()
    yield 1


# Links.


def links_of(what, chance, end):
    """Those of one replica, or of all, to this end; a Redis cluster's nodes have one for everybody."""
    names = [name for name in what.cluster.link_names if name.endswith(end)] or what.cluster.link_names[-6:]
    return names if chance.random() < 0.3 else [chance.choice(names)]


def on_links(end, shortest, longest, **settings):
    def fault(what, chance):
        names = links_of(what, chance, end)
        for name in names:
            what.cluster.links.set(name, **settings)
        yield chance.uniform(shortest, longest)
        for name in names:
            what.cluster.links.set(name, state=OPEN, delay=0.0)

    return fault


EVERYWHERE = {
    "replica killed": replica_killed,
    "replica paused": replica_paused,
    "replicas rolled": replicas_rolled,
    "postgres killed": postgres_killed,
    "postgres slow": on_links(TO_POSTGRES, 1, 4, delay=0.03),
    "postgres link cut": on_links(TO_POSTGRES, 0, 3, state=CUT),
    "postgres link stalled": on_links(TO_POSTGRES, 1, 4, state=STALLED),
    "redis flushed": redis_flushed,
    "redis paused": redis_paused,
    "redis slow": on_links(TO_REDIS, 1, 4, delay=0.03),
    "redis link cut": on_links(TO_REDIS, 0, 3, state=CUT),
    "redis link stalled": on_links(TO_REDIS, 1, 4, state=STALLED),
    "connector killed": connector_killed,
    "requests duplicated": requests_duplicated,
}
ONE_SERVER = {"redis killed": redis_killed}
CLUSTERED = {"redis failed over": redis_failed_over, "redis master killed": redis_master_killed}


def kinds(redis):
    """All faults that can happen with this kind of Redis, by name."""
    return {**EVERYWHERE, **(CLUSTERED if redis == "cluster" else ONE_SERVER)}


def schedule(kinds, count, chance):
    """`count` names, each kind as often as any other, in random order."""
    names = []
    while len(names) < count:
        turn = sorted(kinds)
        chance.shuffle(turn)
        names += turn
    return names[:count]
