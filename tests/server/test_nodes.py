"""Several nodes that share one Redis are one server to gateways and people."""

import json

import pytest

from radius_voice.radius import packet as radius
from tests.server.house import get
from tests.stores.redis_server import RedisServer

CONFIGURATION = """\
server:
  listen: ["udp://127.0.0.1:0"]
  key: a server key that both nodes have
  reject_delay: 0.3s
clients:
  gateway: {address: 127.0.0.1, secret: a shared secret of the tests}
store: {type: redis, servers: ["127.0.0.1:PORT"], timeout: 0.3s}
"""


@pytest.fixture
def redis(tmp_path):
    server = RedisServer(tmp_path / "redis", "--appendonly", "yes", "--appendfsync", "always")
    yield server
    server.close()


@pytest.fixture
def anne(make_person):
    return make_person()


@pytest.fixture
def nodes(start, redis, anne):
    configuration = CONFIGURATION.replace("PORT", str(redis.port))
    with start(configuration, [anne]) as one, start(configuration, [anne]) as other:
        yield one, other


def test_a_login_begins_on_one_node_and_ends_on_another(nodes, phones, anne):
    one, other = nodes
    challenge = one.gateway().begin(anne)
    assert radius.ACCESS_CHALLENGE == challenge.code
    joined = other.gateway().begin(anne)
    assert radius.ACCESS_CHALLENGE == joined.code
    assert 1 == len(phones.calls(anne.phone))
    assert radius.ACCESS_ACCEPT == other.gateway().answer(anne, challenge, phones.code(anne.phone)).code
    assert radius.ACCESS_REJECT == one.gateway().answer(anne, joined, phones.code(anne.phone)).code


def test_redis_that_is_gone_is_silence_and_what_it_knew_counts_again(nodes, redis, phones, anne):
    one, other = nodes
    gateway = one.gateway()
    challenge = gateway.begin(anne)
    redis.kill()
    gateway.send(gateway.second(anne, challenge, "000000"))
    one.line("store_unavailable", one.stderr)
    assert gateway.silent()
    status, page = get(f"{one.admin}/readyz")
    assert (503, True) == (status, "out of reach" in json.dumps(json.loads(page)))
    redis.start()
    assert radius.ACCESS_ACCEPT == other.gateway().answer(anne, challenge, phones.code(anne.phone)).code
