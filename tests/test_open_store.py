"""The data key of a state directory, and of a store that nodes share."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from radius_voice.config.schema import Settings
from radius_voice.login.model import Unavailable
from radius_voice.state import directory as state
from radius_voice.state.open_store import (
    established_data_key,
    existing_data_key,
    no_key,
    open_store,
    require_readable_data_key,
    require_store_of,
)
from radius_voice.state.wrapped_key import NAME
from radius_voice.wiring.adapters import load
from tests.config.conftest import sample
from tests.support.network import free_port
from tests.support.redis_server import redis_factory

OLD, NEW, OTHER = (f"a server key of 32 octets: {name:5}" for name in ("old", "new", "other"))
ANOTHER = (
    "^server.key: the data key was encrypted with another server.key; "
    "add the previous key as the second entry of the list$"
)
Node = Callable[..., Settings]


@pytest.fixture
def node(tmp_path: Path) -> Node:
    """The settings of a node with these server keys, whose state directory is claimed unless it is of before."""

    def settings(*keys: str, name: str = "node", store: object = None, claimed: bool = True) -> Settings:
        directory = tmp_path / name
        directory.mkdir(mode=0o700, exist_ok=True)
        (directory / "users.yaml").touch(0o600)
        server = {"key": list(keys)} if keys else {}
        content = sample() | {"server": server} | ({"store": store} if store else {})
        path = directory / "radius-voice.yaml"
        path.write_text(yaml.safe_dump(content))
        path.chmod(0o600)
        loaded = load(path).settings
        if claimed:
            state.claim(loaded).release()
        return loaded

    return settings


@pytest.fixture
def redis(tmp_path: Path):
    with redis_factory(tmp_path) as start:
        yield start()


def data_key_file(settings: Settings) -> Path:
    return settings.server.state / state.DATA_KEY_FILE


def test_a_new_state_directory_gets_a_random_data_key_that_stays(node):
    first = established_data_key(node())
    assert (32, first, first) == (len(first), established_data_key(node()), existing_data_key(node(), None))
    assert first != (node().server.state / "server.key").read_bytes()
    assert first != established_data_key(node(name="another"))


def test_the_data_key_is_in_no_file_as_it_is(node):
    data_key = established_data_key(node(OLD))
    assert all(data_key not in file.read_bytes() for file in node(OLD).server.state.iterdir() if file.is_file())
    assert 0o600 == data_key_file(node(OLD)).stat().st_mode & 0o777


def test_another_server_key_leaves_the_data_key(node):
    before = established_data_key(node(OLD))
    assert before == established_data_key(node(NEW, OLD))
    assert before == established_data_key(node(NEW)) == existing_data_key(node(NEW), None)
    for read in (established_data_key, lambda each: existing_data_key(each, None)):
        with pytest.raises(ValueError, match=ANOTHER):
            read(node(OLD))
    with pytest.raises(ValueError, match=ANOTHER):
        require_readable_data_key(node(OTHER, OLD), None)
    require_readable_data_key(node(OTHER, NEW), None)


def test_a_key_in_the_configuration_replaces_the_one_in_the_state_directory(node):
    before = established_data_key(node())
    assert before == established_data_key(node(NEW))
    (node().server.state / "server.key").unlink()
    assert before == established_data_key(node(NEW))


def test_a_state_directory_of_a_version_without_data_keys_keeps_what_it_has(node):
    settings = node(OLD, claimed=False)
    settings.server.state.mkdir(mode=0o700)
    (settings.server.state / "state.db").touch(0o600)
    assert OLD.encode() == existing_data_key(settings, None)
    assert OLD.encode() == established_data_key(node(NEW, OLD)) == established_data_key(node(NEW))


def test_a_new_store_gets_a_new_data_key(node):
    settings = node(OLD)
    before = established_data_key(settings)
    data_key_file(settings).unlink()
    assert before != established_data_key(node(OLD)) != OLD.encode()


async def test_a_store_that_was_written_with_another_data_key_is_refused(node):
    settings = node(OLD)
    data_key = established_data_key(settings)
    for used, matches in ((data_key, True), (data_key, True), (bytes(32), False), (data_key, True)):
        store = open_store(settings, lambda: data_key)
        try:
            if matches:
                await require_store_of(settings, store, used)
            else:
                with pytest.raises(ValueError, match=r"^store.path: .*state.db: was written with another data key; "):
                    await require_store_of(settings, store, used)
        finally:
            await store.close()


def test_a_data_key_that_cannot_be_written_is_an_error_and_the_one_before_stays(node, monkeypatch):
    established_data_key(node(OLD))
    before = data_key_file(node(OLD)).read_bytes()

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        established_data_key(node(NEW, OLD))
    assert before == data_key_file(node(OLD)).read_bytes()
    assert ["data.key"] == [file.name for file in node(OLD).server.state.glob("data.key*")]


def test_a_data_key_that_others_can_read_is_refused(node):
    established_data_key(node(OLD))
    data_key_file(node(OLD)).chmod(0o644)
    with pytest.raises(ValueError, match=r"^server.state: .*data.key: "):
        established_data_key(node(OLD))


# A store that nodes share


@pytest.mark.peer("redis-server")
def test_nodes_that_start_at_once_agree_on_a_data_key(node, redis):
    store = {"type": "redis", "servers": [f"127.0.0.1:{redis.port}"]}
    nodes = [node(OLD, name=f"node{number}", store=store) for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        keys = list(pool.map(established_data_key, nodes))
    assert 1 == len(set(keys))
    assert keys[0] == existing_data_key(node(OLD, name="new", store=store), None)
    assert keys[0] not in b"".join(redis.admin.get(name) for name in redis.admin.scan_iter())


@pytest.mark.peer("redis-server")
def test_nodes_change_the_server_key_one_after_the_other(node, redis):
    store = {"type": "redis", "servers": [f"127.0.0.1:{redis.port}"]}

    def start(name, *keys):
        return established_data_key(node(*keys, name=name, store=store))

    before = start("a", OLD)
    assert {before} == {start("b", OLD), start("a", OLD, NEW), start("b", OLD, NEW)}
    assert {before} == {start("a", NEW, OLD), start("b", OLD, NEW), start("b", NEW, OLD), start("a", NEW)}
    with pytest.raises(ValueError, match=ANOTHER):
        start("c", OLD)
    assert before == start("c", NEW)


@pytest.mark.peer("redis-server")
def test_a_node_starts_without_its_store_once_it_has_the_data_key(node, redis):
    store = {"type": "redis", "servers": [f"127.0.0.1:{redis.port}"]}
    before = established_data_key(node(OLD, store=store))
    redis.kill()
    assert before == established_data_key(node(OLD, store=store)) == existing_data_key(node(OLD, store=store), None)
    with pytest.raises(Unavailable):
        established_data_key(node(OLD, name="new", store=store))


@pytest.mark.peer("redis-server")
async def test_an_emptied_store_gets_the_data_key_of_the_nodes_again(node, redis):
    store = {"type": "redis", "servers": [f"127.0.0.1:{redis.port}"]}
    before = established_data_key(node(OLD, store=store))
    redis.admin.flushall()
    assert before == established_data_key(node(OLD, store=store))
    shared = open_store(node(OLD, store=store), no_key)
    assert await shared.durable(NAME)
    await shared.close()


@pytest.mark.peer("redis-server")
def test_a_store_with_the_data_key_of_other_nodes_is_refused(node, redis):
    store = {"type": "redis", "servers": [f"127.0.0.1:{redis.port}"]}
    established_data_key(node(OLD, store=store))
    with pytest.raises(ValueError, match=ANOTHER):
        established_data_key(node(OTHER, name="other", store=store))


def test_a_store_that_does_not_respond_gives_no_data_key(node):
    store = {"type": "redis", "servers": [f"127.0.0.1:{free_port()}"]}
    with pytest.raises(Unavailable):
        existing_data_key(node(OLD, store=store), None)
