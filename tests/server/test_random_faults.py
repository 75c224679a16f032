"""Two nodes on one Redis with random logins and faults: the history violates no invariant.

A failure prints its seed and the history. RADIUS_VOICE_SEED=N repeats the same requests and faults.
"""

import os
import secrets
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.fault_injector import (
    FaultInjector,
    InjectFault,
    fail_over,
    kill_node,
    kill_redis,
    suspend_node,
    suspend_redis,
)
from tests.support.invariant_checker import InvariantChecker
from tests.support.load_generator import CONFIGURATION, HANG_UP_SECONDS, SESSION_TIMEOUT, LoadGenerator
from tests.support.node_process import NodeProcess
from tests.support.redis_server import ReplicatedRedis, redis_factory
from tests.support.simulator_process import SimulatorProcess

LONG = bool(os.environ.get("RADIUS_VOICE_LONG"))
SEEDS = [int(os.environ["RADIUS_VOICE_SEED"])] if "RADIUS_VOICE_SEED" in os.environ else range(5 if LONG else 1)
SECONDS, USERS = (20, 60) if LONG else (3, 12)
DURABLE = ("--appendonly", "yes", "--appendfsync", "always")


@pytest.fixture
def seed(request):
    """A new seed for each run, unless the environment sets one."""
    return request.param if "RADIUS_VOICE_SEED" in os.environ else secrets.randbits(32)


@pytest.fixture(scope="module")
def unreliable_simulator():
    """A slow provider that sometimes responds with status 500 to a call that it places."""
    with SimulatorProcess("--latency", "0.1", "--fail-rate", "0.04") as simulator:
        yield simulator


@pytest.fixture
def start_redis(tmp_path):
    with redis_factory(tmp_path) as start:
        yield start


@pytest.fixture
def start_load(seed, unreliable_simulator, make_user, tmp_path):
    """Starts two nodes with that store, and creates users: `start_load(store)`."""
    nodes: list[NodeProcess] = []

    def start(store):
        users = [make_user() for _ in range(USERS)]
        directories = [tmp_path / name for name in ("one", "two")]
        for directory in directories:
            directory.mkdir()

        def start_node(directory):
            return NodeProcess(directory, unreliable_simulator, CONFIGURATION + store, users)

        with ThreadPoolExecutor() as pool:
            nodes.extend(pool.map(start_node, directories))
        return LoadGenerator(seed, nodes, unreliable_simulator, users)

    yield start
    for node in nodes:
        node.kill()


def run_and_check(load: LoadGenerator, faults: Sequence[InjectFault], timeout: float = HANG_UP_SECONDS) -> None:
    """Run; a violation of an invariant fails with the seed and the history."""
    try:
        load.run(SECONDS, FaultInjector(faults, load.seed))
        load.finish(timeout)
        assert [] == InvariantChecker().violations(load.history)
    except BaseException as error:
        error.add_note(f"RADIUS_VOICE_SEED={load.seed}\n{load.history}")
        raise
    print(f"RADIUS_VOICE_SEED={load.seed}: {load.history.summary}")  # noqa: T201 - pytest -rP shows it


@pytest.mark.parametrize("seed", SEEDS, indirect=True)
def test_no_effect_happens_twice_when_nodes_are_killed(start_load, start_redis):
    redis = start_redis(*DURABLE)
    load = start_load(f"store: {{type: redis, servers: ['127.0.0.1:{redis.port}']}}\n")
    run_and_check(load, [kill_node, suspend_node])


@pytest.mark.parametrize("seed", SEEDS, indirect=True)
def test_no_effect_happens_twice_when_redis_is_killed(start_load, start_redis):
    redis = start_redis(*DURABLE)
    load = start_load(f"store: {{type: redis, servers: ['127.0.0.1:{redis.port}'], timeout: 0.3s}}\n")
    run_and_check(load, [kill_redis(redis), suspend_redis(redis), kill_node])


@pytest.mark.skipif(not LONG, reason="set RADIUS_VOICE_LONG=1 for failovers")
@pytest.mark.parametrize("seed", SEEDS, indirect=True)
def test_no_effect_happens_twice_when_a_sentinel_fails_over(start_load, start_redis):
    redis = ReplicatedRedis(start_redis, *DURABLE)
    servers = f"servers: ['127.0.0.1:{redis.sentinel.port}'], mode: sentinel, service: mymaster, replicas: 1"
    load = start_load(f"store: {{type: redis, {servers}}}\n")
    load.history.failover = True
    run_and_check(load, [fail_over(redis), kill_node])


@pytest.mark.skipif(not LONG, reason="set RADIUS_VOICE_LONG=1 to wait until every session has ended")
@pytest.mark.parametrize("seed", SEEDS[:1], indirect=True)
def test_every_user_can_log_in_once_all_faults_have_ended(start_load, start_redis):
    redis = start_redis(*DURABLE)
    load = start_load(f"store: {{type: redis, servers: ['127.0.0.1:{redis.port}']}}\n")
    run_and_check(load, [kill_redis(redis), suspend_redis(redis), kill_node, suspend_node], SESSION_TIMEOUT)
    assert set() == load.history.stuck_users - load.history.users_with_an_unknown_last_call()
