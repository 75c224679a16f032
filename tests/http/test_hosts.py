"""The allowed values of Host: a web page must not read metrics by resolving its own name to this machine (DNS rebinding)."""

from __future__ import annotations

import asyncio
import http.client
import socket
import urllib.request

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver

from radius_voice.http.admin import Admin, Readiness
from radius_voice.http.hosts import HostCheck
from tests.http.test_admin import exchange

CHECK = HostCheck(["metrics.example.org", "Radius-1"])
SECRET_LINE = "x 1.0"


async def well() -> Readiness:
    return Readiness({"store": ""})


@pytest.fixture
async def port():
    admin = Admin(lambda: b"# HELP x y\nx 1.0\n", well, hosts=["metrics.example.org"])
    yield await admin.start("127.0.0.1", 0)
    await admin.stop()


class Rebinding(AbstractResolver):
    """A name server of the attacker: whatever the name, it is this machine."""

    async def resolve(self, host, port=0, family=socket.AF_INET):
        return [{"hostname": host, "host": "127.0.0.1", "port": port, "family": family, "proto": 0, "flags": 0}]

    async def close(self):
        pass


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.0.0.1:9812",
        "192.0.2.7",
        "[::1]",
        "[::1]:9812",
        "[2001:DB8::7]",
        "localhost",
        "LocalHost:9812",
        "localhost.",
        "metrics.example.org",
        "METRICS.Example.org.:9812",
        "radius-1",
        " 127.0.0.1 ",
    ],
)
def test_addresses_localhost_and_names_of_the_configuration_are_allowed(host):
    assert CHECK.allows([host], "/metrics")


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:9812",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "evil-localhost",
        "localhost..",
        "metrics.example.org.evil.example",
        "xmetrics.example.org",
        "",
        ".",
        ":9812",
        "127.0.0.1@evil.example",
        "evil.example@127.0.0.1",
        "127.0.0.1,evil.example",
        "127.0.0.1 evil.example",
        "127.0.0.1:9812:9812",
        "127.0.0.1:port",
        "127.1",
        "2130706433",
        "0x7f.0.0.1",
        "::1",
        "[::1",
        "[fe80::1%evil.example]",
        "[evil.example]",
        "\u217cocalhost",
        "127.0.0.\u0661",
        "localhost/evil.example",
    ],
)
def test_everything_else_is_refused(host):
    assert not CHECK.allows([host], "/metrics")


def test_a_request_without_a_host_is_allowed_and_one_with_two_is_not():
    assert CHECK.allows([], "/metrics")
    assert not CHECK.allows(["localhost", "localhost"], "/metrics")


@pytest.mark.parametrize(
    ("target", "allowed"),
    [
        ("http://127.0.0.1:9812/metrics", True),
        ("http://LOCALHOST/metrics", True),
        ("http://evil.example/metrics", False),
        ("http://user@127.0.0.1/metrics", False),
        ("http://[::1/metrics", False),
        ("http:/metrics", False),
        ("*", False),
        ("evil.example:443", False),
    ],
)
def test_the_host_of_an_absolute_form_target_must_be_allowed_too(target, allowed):
    assert allowed is CHECK.allows(["127.0.0.1"], target)
    assert not CHECK.allows(["evil.example"], target)


@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/readyz", "/nothing"])
async def test_a_page_whose_host_name_resolves_to_this_machine_reads_nothing(port, path):
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(resolver=Rebinding())) as browser,
        browser.get(f"http://evil.example:{port}{path}") as refused,
        browser.get(f"http://metrics.example.org:{port}/metrics") as allowed,
    ):
        text = await refused.text()
        assert (421, 200) == (refused.status, allowed.status)
        assert "admin.hosts" in text
        assert SECRET_LINE not in text
        assert "evil" not in text
        assert SECRET_LINE in await allowed.text()


async def test_a_head_request_to_a_foreign_host_is_refused(port):
    answer = await exchange(port, b"HEAD /metrics HTTP/1.1\r\nHost: evil.example\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 421 ")


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
async def test_python_clients_are_answered(port, name):
    def ask():
        with urllib.request.urlopen(f"http://{name}:{port}/metrics", timeout=10) as page:
            first = page.status
        connection = http.client.HTTPConnection(name, port, timeout=10)
        connection.request("GET", "/metrics")
        with connection.getresponse() as answer:
            second = answer.status
        connection.close()
        return first, second

    assert (200, 200) == await asyncio.to_thread(ask)


async def test_ipv6_clients_are_answered():
    admin = Admin(lambda: b"x 1.0\n", well)
    port = await admin.start("::1", 0)
    async with aiohttp.ClientSession() as client, client.get(f"http://[::1]:{port}/metrics") as answer:
        assert 200 == answer.status
    await admin.stop()


@pytest.mark.parametrize(
    ("octets", "status"),
    [
        (b"GET /metrics HTTP/1.0\r\n\r\n", b"200"),
        (b"GET /metrics HTTP/1.0\r\nHost: evil.example\r\n\r\n", b"421"),
        (b"GET /metrics HTTP/1.1\r\nHost: evil.example.\r\n\r\n", b"421"),
        (b"GET /metrics HTTP/1.1\r\nHost: METRICS.EXAMPLE.ORG\r\n\r\n", b"200"),
        (b"GET /metrics HTTP/1.1\r\nhOST: 127.0.0.1:1\r\n\r\n", b"200"),
        (b"GET http://127.0.0.1/metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", b"200"),
        (b"GET http://evil.example/metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", b"421"),
        (b"GET http://127.0.0.1/metrics HTTP/1.1\r\nHost: evil.example\r\n\r\n", b"421"),
        (b"GET http://evil.example/metrics HTTP/1.0\r\n\r\n", b"421"),
        (b"GET //evil.example/metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", b"404"),
        (b"POST /metrics HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 0\r\n\r\n", b"421"),
    ],
)
async def test_http_requests_on_the_wire(port, octets, status):
    answer = await exchange(port, octets)

    assert status == answer.split(b" ")[1]
    assert (status == b"200") is answer.endswith(b"x 1.0\n")


@pytest.mark.parametrize(
    "hosts",
    [
        b"Host: 127.0.0.1\r\nHost: evil.example\r\n",
        b"Host: evil.example\r\nHost: 127.0.0.1\r\n",
        b"Host:\r\n",
        b"Host : 127.0.0.1\r\n",
        b" Host: 127.0.0.1\r\n",
        b"Host: evil.example\r\n 127.0.0.1\r\n",
    ],
)
async def test_duplicate_empty_and_malformed_hosts_read_nothing(port, hosts):
    answer = await exchange(port, b"GET /metrics HTTP/1.1\r\n" + hosts + b"\r\n")

    assert answer.split(b" ")[1] in (b"400", b"421")
    assert b"x 1.0" not in answer
