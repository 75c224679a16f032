from __future__ import annotations

import sys
from typing import Any

import pytest

from radius_voice.config.addresses import HostPort
from radius_voice.state.open_store import no_key, open_store
from radius_voice.stores.settings import RedisSettings
from tests.config.conftest import File, changed

SERVER_KEY = "a server key of thirty-two octets"
PASSWORD = "redis-password-that-stays-secret"


def with_store(server: dict[str, Any] | None = None, **store: Any) -> dict[str, Any]:
    store = {"type": "redis", "servers": ["127.0.0.1:6379"], **store}
    return {**changed("server", {"key": SERVER_KEY} if server is None else server), "store": store}


def test_the_minimal_redis_settings(file: File) -> None:
    loaded = file.load(with_store())
    expected = RedisSettings.model_construct(
        type="redis",
        servers=(HostPort("127.0.0.1", 6379),),
        mode="standalone",
        service=None,
        username=None,
        password=None,
        tls=False,
        ca_file=None,
        timeout=0.5,
        replicas=0,
        prefix="radius-voice",
    )
    assert (expected, ()) == (loaded.settings.store, loaded.warnings)


def test_host_names_and_ipv6_addresses_are_servers(file: File) -> None:
    servers = ["redis-1.example.org:26379", "[::1]:6379"]
    store = file.load(with_store(servers=servers, mode="sentinel", service="mymaster", tls=True)).settings.store
    assert isinstance(store, RedisSettings)
    assert (HostPort("redis-1.example.org", 26379), HostPort("::1", 6379)) == store.servers


@pytest.mark.parametrize(
    "server", ["redis.example.org", "redis.example.org:0", ":6379", "redis://h:6379", 6379, "::1:1"]
)
def test_an_invalid_server_address_is_refused(file: File, server: Any) -> None:
    (error,) = file.errors(with_store(servers=[server]))
    assert "store.servers[0]: " in error


@pytest.mark.parametrize(
    ("wrong", "fix"),
    [
        ({"mode": "sentinel"}, "write both or none"),
        ({"service": "mymaster"}, "write both or none"),
        ({"servers": ["a:1", "b:1"]}, "standalone is one server"),
        ({"servers": []}, "must not be empty"),
        ({"username": "vpn"}, "username: needs a password"),
        ({"ca_file": "ca.pem"}, "write tls: true too"),
        ({"ca_file": "ca.pem", "tls": True}, "does not exist; correct the path or create the file"),
        ({"ca_file": "radius-voice.yaml", "tls": True}, "contains no certificate in PEM"),
        ({"prefix": "{x}"}, "write it like radius-voice"),
        ({"timeout": "11s"}, "between 0.05s and 10s"),
        ({"path": "state.db"}, "belongs to type sqlite, not to redis"),
    ],
)
def test_inconsistent_settings_are_refused(file: File, wrong: dict[str, Any], fix: str) -> None:
    (error,) = file.errors(with_store(**wrong, password=PASSWORD) if "username" not in wrong else with_store(**wrong))
    assert fix in error
    assert PASSWORD not in error


def test_nodes_that_share_redis_need_the_same_key(file: File) -> None:
    (error,) = file.errors(with_store({"workers": 2}))
    assert "server.key: is required with a store of type redis, the same on every node" in error


def test_an_unencrypted_connection_gets_a_warning_and_tls_does_not(file: File) -> None:
    (warning,) = file.load(with_store(servers=["redis.example.org:6379"])).warnings
    assert "tls: true" in warning
    assert () == file.load(with_store(servers=["redis.example.org:6379"], tls=True)).warnings


def test_several_processes_may_share_redis(file: File) -> None:
    assert 4 == file.load(with_store({"key": SERVER_KEY, "workers": 4})).settings.server.workers


async def test_the_store_opens_before_redis_responds(file: File) -> None:
    store = open_store(file.load(with_store(password=PASSWORD, tls=True)).settings, no_key)
    assert "RedisStore" == type(store).__name__
    await store.close()


def test_missing_packages_are_reported_with_the_command_that_installs_them(
    file: File, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = file.load(with_store()).settings
    monkeypatch.delitem(sys.modules, "radius_voice.stores.redis", raising=False)
    monkeypatch.setitem(sys.modules, "radius_voice.stores.redis_link", None)
    with pytest.raises(ValueError, match=r"pip install 'radius-voice\[redis\]'"):
        open_store(settings, no_key)
