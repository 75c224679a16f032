"""Two nodes on one Redis, random gateways and faults: whatever happens, a small model finds nothing wrong.

A failure prints its seed and all that was seen. RADIUS_VOICE_SEED=N draws the same requests and faults again.
"""

import os
import secrets
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.server.drill import (
    CAP,
    IN_NO_TIME,
    Drill,
    Node,
    Pair,
    a_node_hangs,
    a_node_is_killed,
    redis_hangs,
    redis_is_killed,
)
from tests.server.history import wrong_in
from tests.server.house import Phones
from tests.stores.redis_server import RedisServer

LONG = bool(os.environ.get("RADIUS_VOICE_LONG"))
SEEDS = [int(os.environ["RADIUS_VOICE_SEED"])] if "RADIUS_VOICE_SEED" in os.environ else range(5 if LONG else 1)
SECONDS, PEOPLE = (20, 60) if LONG else (3, 12)
DURABLE = ("--appendonly", "yes", "--appendfsync", "always")


@pytest.fixture
def seed(request):
    """Another one every time, unless the environment names one."""
    return request.param if "RADIUS_VOICE_SEED" in os.environ else secrets.randbits(32)


@pytest.fixture(scope="module")
def unsteady_phones():
    """A provider that takes its time, and now and then says 500 to a call that it places."""
    with Phones("--latency", "0.1", "--fail-rate", "0.04") as phones:
        yield phones


@pytest.fixture
def start_redis(tmp_path):
    started = []

    def start(*options, **more):
        started.append(RedisServer(tmp_path / f"redis{len(started)}", *options, **more))
        return started[-1]

    yield start
    for server in started:
        server.close()


@pytest.fixture
def drill(seed, unsteady_phones, make_person, tmp_path):
    """Two nodes with that store, and people: `drill(store)`."""
    nodes = []

    def furnished(store):
        people = [make_person() for _ in range(PEOPLE)]
        folders = [tmp_path / name for name in ("one", "two")]
        for folder in folders:
            folder.mkdir()
        with ThreadPoolExecutor() as pool:
            nodes.extend(pool.map(lambda folder: Node(folder, unsteady_phones, store, people), folders))
        return Drill(seed, nodes, unsteady_phones, people)

    yield furnished
    for node in nodes:
        node.kill()


def judge(run, faults, patience=IN_NO_TIME):
    """Run; fail with the seed and all that was seen if anything is wrong with it."""
    try:
        run.run(SECONDS, faults)
        run.close(patience)
        assert [] == wrong_in(run.history)
    except BaseException as problem:
        problem.add_note(f"RADIUS_VOICE_SEED={run.seed}\n{run.history}")
        raise
    print(f"RADIUS_VOICE_SEED={run.seed}: {run.history.summary}")  # noqa: T201 - pytest -rP shows it


@pytest.mark.parametrize("seed", SEEDS, indirect=True)
def test_nothing_is_doubled_when_nodes_die(drill, start_redis):
    redis = start_redis(*DURABLE)
    run = drill(f"store: {{type: redis, servers: ['127.0.0.1:{redis.port}']}}\n")
    judge(run, [a_node_is_killed, a_node_hangs])


@pytest.mark.parametrize("seed", SEEDS, indirect=True)
def test_nothing_is_doubled_when_redis_dies(drill, start_redis):
    redis = start_redis(*DURABLE)
    run = drill(f"store: {{type: redis, servers: ['127.0.0.1:{redis.port}'], timeout: 0.3s}}\n")
    judge(run, [redis_is_killed(redis), redis_hangs(redis), a_node_is_killed])


@pytest.mark.skipif(not LONG, reason="set RADIUS_VOICE_LONG=1 for failovers")
@pytest.mark.parametrize("seed", SEEDS, indirect=True)
def test_nothing_is_doubled_when_a_sentinel_fails_over(drill, start_redis):
    pair = Pair(start_redis, *DURABLE)
    servers = f"servers: ['127.0.0.1:{pair.watch.port}'], mode: sentinel, service: mymaster, replicas: 1"
    run = drill(f"store: {{type: redis, {servers}}}\n")
    run.history.failover = True
    judge(run, [pair.fails_over, a_node_is_killed])


@pytest.mark.skipif(not LONG, reason="set RADIUS_VOICE_LONG=1 to wait until every login has ended")
@pytest.mark.parametrize("seed", SEEDS[:1], indirect=True)
def test_everybody_can_log_in_once_what_was_broken_has_ended(drill, start_redis):
    redis = start_redis(*DURABLE)
    run = drill(f"store: {{type: redis, servers: ['127.0.0.1:{redis.port}']}}\n")
    judge(run, [redis_is_killed(redis), redis_hangs(redis), a_node_is_killed, a_node_hangs], CAP)
    assert set() == run.history.stuck
