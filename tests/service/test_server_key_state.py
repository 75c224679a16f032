"""`status` says whether a replaced `server.key` is needed: by the state directory, or by the store that nodes share."""

import pytest
import yaml

from radius_voice.service.server_key_state import SECOND_OF_THE_LIST, server_key_state
from radius_voice.state import directory as state
from radius_voice.state.open_store import established_data_key
from radius_voice.state.wrapped_key import wrap
from radius_voice.wiring.adapters import load
from tests.config.conftest import sample
from tests.support.redis_server import redis_factory

OLD, NEW = (f"a server key of 32 octets: {name:5}" for name in ("old", "new"))
DATA_KEY = b"d" * 32


@pytest.fixture
def redis(tmp_path):
    with redis_factory(tmp_path) as start:
        yield start()


@pytest.fixture
def node(tmp_path):
    """The settings of a service with these server keys."""

    def settings(*keys, store=None):
        (tmp_path / "users.yaml").touch(0o600)
        path = tmp_path / "radius-voice.yaml"
        content = sample() | {"server": {"key": list(keys)} if keys else {}} | ({"store": store} if store else {})
        path.write_text(yaml.safe_dump(content))
        path.chmod(0o600)
        loaded = load(path).settings
        state.claim(loaded).release()
        return loaded

    return settings


async def test_a_single_key_has_replaced_none(node):
    established_data_key(node(OLD))
    assert {"replaced": [], "needed": False} == await server_key_state(node(OLD))


async def test_the_second_key_is_needed_until_the_data_key_is_encrypted_with_the_first(node):
    established_data_key(node(OLD))
    assert {"replaced": [SECOND_OF_THE_LIST], "needed": True} == await server_key_state(node(NEW, OLD))
    established_data_key(node(NEW, OLD))
    assert {"replaced": [SECOND_OF_THE_LIST], "needed": False} == await server_key_state(node(NEW, OLD))


async def test_a_key_that_the_service_had_created_is_replaced_by_one_of_the_configuration(node):
    established_data_key(node())
    established_data_key(settings := node(NEW))
    assert {"replaced": [str(state.key_path(settings))], "needed": False} == await server_key_state(settings)


@pytest.mark.peer("redis-server")
async def test_the_second_key_is_needed_until_every_node_has_encrypted_the_shared_copy_with_the_first(node, redis):
    shared = {"type": "redis", "servers": [f"127.0.0.1:{redis.port}"]}
    established_data_key(node(OLD, store=shared))
    settings = node(NEW, OLD, store=shared)
    state.write_wrapped_data_key(settings, wrap(DATA_KEY, state.server_keys(settings).present))
    assert {"replaced": [SECOND_OF_THE_LIST], "needed": True} == await server_key_state(settings)
    established_data_key(settings)
    assert {"replaced": [SECOND_OF_THE_LIST], "needed": False} == await server_key_state(settings)
    redis.kill()
    assert {"replaced": [SECOND_OF_THE_LIST], "needed": None} == await server_key_state(settings)


@pytest.mark.peer("redis-server")
async def test_the_second_key_is_needed_while_the_shared_store_has_no_copy(node, redis):
    settings = node(NEW, OLD, store={"type": "redis", "servers": [f"127.0.0.1:{redis.port}"]})
    state.write_wrapped_data_key(settings, wrap(DATA_KEY, state.server_keys(settings).present))
    assert {"replaced": [SECOND_OF_THE_LIST], "needed": True} == await server_key_state(settings)


async def test_an_unreadable_key_leaves_it_unknown(node):
    settings = node(NEW, OLD)
    (settings.server.state / "server.key").write_bytes(b"short")
    assert {"replaced": [], "needed": None} == await server_key_state(settings)
