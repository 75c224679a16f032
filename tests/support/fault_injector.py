"""Faults of nodes and Redis, injected while a LoadGenerator runs."""

import signal
import time
from collections.abc import Callable, Sequence
from random import Random
from typing import TYPE_CHECKING

from tests.support.history import Fault
from tests.support.polling import wait_until
from tests.support.redis_server import RedisServer, ReplicatedRedis, suspended

if TYPE_CHECKING:
    from tests.support.load_generator import LoadGenerator

REQUEST_KINDS = ["initial", "response"]
MAX_PAUSE = 0.4  # seconds between two faults

InjectFault = Callable[["LoadGenerator", Random], str]
"""Injects a fault, repairs it, and returns its description."""


class FaultInjector:
    """Injects random faults of the given kinds, one after the other. `seed` determines their order and times."""

    def __init__(self, faults: Sequence[InjectFault], seed: int) -> None:
        self._faults = faults
        self._random = Random(f"{seed}:faults")

    def inject_until(self, load: "LoadGenerator", end: float) -> None:
        """Inject faults until the monotonic time `end`, and add them to the history of `load`."""
        while time.monotonic() < end:
            fault = self._random.choice(self._faults)
            begun, description = time.time(), fault(load, self._random)
            load.history.faults.append(Fault(begun, time.time(), description))
            time.sleep(self._random.uniform(0, MAX_PAUSE))


def kill_node(load: "LoadGenerator", random: Random) -> str:
    """Kill a node shortly after a request, and start it again."""
    node, kind = random.choice(load.nodes), random.choice(REQUEST_KINDS)
    load.wait_for_next_request(kind)
    time.sleep(random.uniform(0, 0.2 if kind == "initial" else 0.02))
    node.kill()
    time.sleep(random.choice([0, 0.5]))
    node.start()
    return f"{node.name} is killed after a request ({kind})"


def suspend_node(load: "LoadGenerator", random: Random) -> str:
    node = random.choice(load.nodes)
    node.server.send_signal(signal.SIGSTOP)
    time.sleep(random.uniform(0.1, 1.5))
    node.server.send_signal(signal.SIGCONT)
    return f"{node.name} hangs"


def kill_redis(redis: RedisServer) -> InjectFault:
    """Kill that server, and start it again with its data on disk."""

    def inject(load: "LoadGenerator", random: Random) -> str:
        load.wait_for_next_request(random.choice(REQUEST_KINDS))
        redis.kill()
        time.sleep(random.uniform(0, 0.7))
        redis.start()
        return "Redis is killed"

    return inject


def suspend_redis(redis: RedisServer) -> InjectFault:
    """Suspend that server long enough for operations to time out."""

    def inject(load: "LoadGenerator", random: Random) -> str:
        load.wait_for_next_request(random.choice(REQUEST_KINDS))
        with suspended(redis):
            time.sleep(random.uniform(0.1, 1.2))
        return "Redis hangs"

    return inject


def fail_over(redis: ReplicatedRedis) -> InjectFault:
    """Kill or suspend the master until the Sentinel promotes the replica. The old master returns as a replica."""

    def inject(load: "LoadGenerator", random: Random) -> str:
        load.wait_for_next_request(random.choice(REQUEST_KINDS))
        old, hangs = redis.master, random.random() < 0.5
        if hangs:
            old.signal(signal.SIGSTOP)
        else:
            old.kill()
        wait_until(lambda: redis.sentinel_view["port"] != old.port, "the Sentinel has promoted the replica")
        if hangs:
            old.signal(signal.SIGCONT)
        else:
            old.start()
        time.sleep(random.uniform(0, 1.0) if hangs else 0)  # meanwhile, the old master does not know its new role
        wait_until(redis.is_replicating, "the old master follows the new one")
        return f"the master {'hangs' if hangs else 'is killed'}, and its replica is promoted"

    return inject
