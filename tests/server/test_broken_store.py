"""A store that is ill: gateways hear nothing, the log and /readyz say why, and it heals by itself."""

import json
import os
import resource
from contextlib import contextmanager

import pytest

from radius_voice.radius import packet as radius
from tests.server.broken import Listener, resetting, saying, silent
from tests.server.house import Program, furnish, get
from tests.server.test_faults import CONFIGURATION, log_in
from tests.stores.redis_server import RedisServer, until

REDIS = """\
server: {listen: ["udp://127.0.0.1:0"], reject_delay: 0.2s, key: a server key that the tests have}
clients:
  gateway: {address: 127.0.0.1, secret: a shared secret of the tests}
store: {type: redis, servers: ["127.0.0.1:PORT"], timeout: 0.3s}
"""
ILL = {
    "says nothing": (silent, "did not answer"),
    "resets the connection": (resetting, "out of reach"),
    "closes the connection": (saying(b""), "out of reach"),
    "is a web server": (saying(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"), ""),
    "talks noise": (saying(bytes(range(256)) * 20), ""),
    "promises without end": (saying(b"$999999999999\r\n"), ""),
    "nests without end": (saying(b"*1\r\n" * 100_000), ""),
    "answers wrongly": (saying(b"+OK\r\n+OK\r\n*2\r\n:1\r\n$-1\r\n" * 20), ""),
}

if not os.environ.get("RADIUS_VOICE_LONG"):
    ILL = {
        illness: ILL[illness] for illness in ("says nothing", "resets the connection", "talks noise", "answers wrongly")
    }


@pytest.fixture
def people(make_person):
    return [make_person() for _ in range(2)]


def ready(house):
    status, page = get(f"{house.admin}/readyz")
    return status, json.loads(page)["parts"]["store"]


@pytest.fixture(scope="module")
def redis(tmp_path_factory):
    server = RedisServer(tmp_path_factory.mktemp("redis"), "--appendonly", "yes", "--appendfsync", "always")
    yield server
    server.close()


@pytest.fixture(scope="module")
def house(start, redis, make_person):
    everybody = [make_person() for _ in range(2 * len(ILL))]
    with start(REDIS.replace("PORT", str(redis.port)), everybody) as house:
        house.strangers = iter(everybody)
        yield house


@contextmanager
def instead_of(redis, serve):
    """Something else listens where Redis did."""
    redis.kill()
    try:
        with Listener(serve, redis.port):
            yield
    finally:
        redis.start()


@pytest.mark.parametrize("illness", ILL)
def test_a_redis_that_is_ill_is_silence_and_heals(house, redis, illness):
    serve, told = ILL[illness]
    anne, bob = next(house.strangers), next(house.strangers)
    gateway = house.gateway()
    challenge = gateway.begin(anne)
    silences = len(house.audit(reason="store_unavailable"))
    with instead_of(redis, serve):
        gateway.send(gateway.second(anne, challenge, house.phones.code(anne.phone)))
        until(lambda: len(house.audit(reason="store_unavailable")) > silences, "the answer is given up")
        assert gateway.silent()
        status, why = ready(house)
        assert (503, True) == (status, told in why and why != "ok")
        house.line("housekeeping failed: store: ", house.stderr)
    until(lambda: ready(house) == (200, "ok"), "Redis is found again")
    assert radius.ACCESS_ACCEPT == gateway.answer(anne, challenge, house.phones.code(anne.phone)).code
    assert radius.ACCESS_ACCEPT == log_in(house, bob)
    assert 1 == len(house.phones.calls(anne.phone))
    assert silences + 1 == house.metric("radius_voice_reasons_total", reason="store_unavailable")
    assert [] == house.audit(reason="internal_error")


@contextmanager
def full_disk(house):
    """No file of the server can grow."""
    pid = house.process.pid
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def test_a_disk_that_takes_nothing_more_is_silence_and_heals(start, people):
    anne, bob = people
    with start(CONFIGURATION, people) as house:
        gateway = house.gateway()
        with full_disk(house):
            gateway.send(gateway.first(anne))
            house.line("store_unavailable", house.stderr)
            house.line("audit: ", house.stderr)
            status, why = ready(house)
            assert (503, True) == (status, why not in {"", "ok"})
            house.settled()
            assert gateway.silent()
        assert (200, "ok") == ready(house)
        assert radius.ACCESS_ACCEPT == log_in(house, bob)
        assert radius.ACCESS_ACCEPT == log_in(house, anne)
        assert 1 <= house.metric("radius_voice_audit_failures_total")
        assert 1 == house.metric("radius_voice_reasons_total", reason="store_unavailable")
    assert 1 == len(house.phones.calls(anne.phone))


def test_a_folder_that_cannot_be_written_is_told_at_the_start(tmp_path, people):
    (tmp_path / "taken").write_text("a file is no folder")
    path = furnish(
        tmp_path,
        "http://127.0.0.1:1",
        CONFIGURATION.replace("reject_delay", "state: taken/state, reject_delay"),
        people,
    )
    with Program("serve", "--config", path) as program:
        assert "taken" in program.line("Error", program.stderr)
        assert 1 == program.wait()
