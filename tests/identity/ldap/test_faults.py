"""A server with a fault delays no other login past its deadline, and is asked again when the fault is over."""

import asyncio
import socket
import threading
import time

import pytest

from radius_voice.identity.ldap import servers
from radius_voice.identity.ldap.client import LdapClient
from radius_voice.login.model import Authenticated, Unavailable
from tests.identity.ldap.conftest import found, verified
from tests.identity.ldap.faults import faulty_server
from tests.support.network import LOOPBACK, free_port
from tests.support.polling import wait_until_async
from tests.support.tcp_listener import TcpListener, never_respond

FAULTS = {
    "does not respond": "no answer in time",
    "does not respond in the TLS handshake": "no answer in time",
    "does not respond after StartTLS": "no answer in time",
    "drops SYNs": "no answer in time",
    "trickles": "no answer in time",
    "sends an unfinished length": "no answer in time",
    "resets": "no connection: Connection reset by peer",
    "closes": "the server closed the connection",
    "sends no LDAP": "the answer is not LDAP",
}
UNRESPONSIVE = [fault for fault, problem in FAULTS.items() if problem == "no answer in time" and fault != "trickles"]
TIMEOUT = 0.3
LONG_TIMEOUT = "30s"
CHECK_SECONDS = 10.0
"""Longer than all that is waited for; only LONG_TIMEOUT is longer."""


@pytest.fixture(autouse=True)
def _frequent_probes(monkeypatch):
    monkeypatch.setattr(servers, "PROBE_SECONDS", 0.05)


@pytest.fixture(params=FAULTS)
def fault(request):
    return request.param


@pytest.fixture
def asked(monkeypatch):
    """The addresses of the servers that requests have asked, in their order. Probes are not requests."""
    asked, original = [], servers._Server.run

    async def run(self, lease, work, deadline, turn):
        asked.append(str(self.pool.address))
        return await original(self, lease, work, deadline, turn)

    monkeypatch.setattr(servers._Server, "run", run)
    return asked


def values_of(fault, certificates, timeout=f"{TIMEOUT}s"):
    return {"start_tls": "StartTLS" in fault, "ca_file": str(certificates[2]), "timeout": timeout}


async def test_a_login_gets_its_result_from_the_next_server_and_others_skip_the_faulty_one(
    ldap, slapd, certificates, user_name, fault, asked
):
    slapd.add_user(user_name)
    with faulty_server(fault, slapd) as url:
        good = slapd.ldaps_url if "StartTLS" in fault else slapd.url
        source = ldap.source(url, good, **values_of(fault, certificates))
        for _ in range(6):
            assert isinstance(await verified(source, user_name), Authenticated)
        assert [(url, FAULTS[fault]), (good, "")] == [(each.address, each.problem) for each in source.server_states()]
    assert [url, *[good] * 6] == asked
    assert [f"identity.corp: {url}: {FAULTS[fault]}; it is skipped until it answers"] == ldap.warnings


async def test_many_logins_at_once_get_their_result_from_the_next_server(ldap, slapd, certificates, user_name, fault):
    slapd.add_user(user_name)
    with faulty_server(fault, slapd) as url:
        good = slapd.ldaps_url if "StartTLS" in fault else slapd.url
        source = ldap.source(url, good, connections=3, **values_of(fault, certificates))
        logins = (verified(source, user_name, seconds=CHECK_SECONDS) for _ in range(20))
        results = await asyncio.gather(*logins)

    assert [] == [result for result in results if not isinstance(result, Authenticated)]


async def test_without_another_server_a_login_ends_by_its_deadline(ldap, slapd, certificates, fault):
    with faulty_server(fault, slapd) as url:
        source = ldap.source(url, connections=2, **values_of(fault, certificates, LONG_TIMEOUT))
        async with asyncio.timeout(CHECK_SECONDS):
            results = await asyncio.gather(
                *(found(source, "alice", seconds=0.2) for _ in range(6)), return_exceptions=True
            )
        assert all(isinstance(result, Unavailable) for result in results)


async def test_without_another_server_further_logins_ask_no_server(ldap, slapd, certificates, fault, asked):
    with faulty_server(fault, slapd) as url:
        source = ldap.source(url, **values_of(fault, certificates))
        with pytest.raises(Unavailable):
            await found(source, "alice")
        assert [url] == asked
        with pytest.raises(Unavailable):
            await found(source, "alice")
        assert [url] == asked


@pytest.mark.parametrize("fault", UNRESPONSIVE)
async def test_other_logins_get_their_result_while_one_waits_for_a_server(ldap, slapd, certificates, user_name, fault):
    slapd.add_user(user_name)
    with faulty_server(fault, slapd) as url:
        faulty = ldap.source(url, **values_of(fault, certificates, LONG_TIMEOUT))
        pending = asyncio.create_task(found(faulty, user_name, seconds=CHECK_SECONDS))
        assert isinstance(await verified(ldap.source(slapd.url), user_name), Authenticated)
        assert not pending.done()
        pending.cancel()


async def test_threads_are_bounded_and_end_by_the_deadline(ldap, slapd, certificates, fault, monkeypatch):
    running, most, original = [], [], servers._work

    def counted(lease, work):
        running.append(lease)
        most.append(len(running))
        try:
            return original(lease, work)
        finally:
            running.remove(lease)

    monkeypatch.setattr(servers, "_work", counted)
    with faulty_server(fault, slapd) as url:
        source = ldap.source(url, connections=3, **values_of(fault, certificates))
        await asyncio.gather(*(found(source, "alice", seconds=0.2) for _ in range(30)), return_exceptions=True)
        assert max(most) <= 3 + 1  # and one probe
        await source.close()
        await wait_until_async(lambda: not running, "the threads have ended")


async def test_a_restart_under_the_pool_fails_no_login(ldap, own_slapd, certificates, user_name):
    own_slapd.add_user(user_name)
    for url in own_slapd.url, own_slapd.ldaps_url:
        source = ldap.source(url, ca_file=str(certificates[2]))
        await asyncio.gather(*(verified(source, user_name) for _ in range(5)))
        own_slapd.restart()
        results = await asyncio.gather(*(verified(source, user_name) for _ in range(5)))
        assert all(isinstance(result, Authenticated) for result in results)
    assert [] == ldap.warnings


async def test_connections_are_used_again(ldap, slapd, certificates, user_name, monkeypatch):
    opened = []

    class CountedClient(LdapClient):
        def __init__(self, *arguments):
            opened.append(arguments)
            super().__init__(*arguments)

    monkeypatch.setattr("radius_voice.identity.ldap.pool.LdapClient", CountedClient)
    slapd.add_user(user_name)
    for url in slapd.url, slapd.ldaps_url:
        opened.clear()
        source = ldap.source(url, ca_file=str(certificates[2]))
        for _ in range(5):
            assert isinstance(await verified(source, user_name), Authenticated)
        assert 2 == len(opened)  # one to search, one to bind


async def test_a_stopped_server_is_asked_again_when_it_answers(ldap, own_slapd, user_name):
    own_slapd.add_user(user_name)
    source = ldap.source(own_slapd.url, timeout=f"{TIMEOUT}s")
    assert isinstance(await verified(source, user_name), Authenticated)
    own_slapd.stop()
    with pytest.raises(Unavailable, match="Connection refused"):
        await verified(source, user_name)
    own_slapd.start()
    await wait_until_async(lambda: "answers again" in ldap.warnings[-1], "a probe has succeeded")
    assert isinstance(await verified(source, user_name), Authenticated)


async def test_a_suspended_server_is_asked_again_when_it_answers(ldap, own_slapd, slapd, user_name, asked):
    for server in own_slapd, slapd:
        server.add_user(user_name)
    source = ldap.source(own_slapd.url, slapd.url, timeout=f"{TIMEOUT}s")
    assert isinstance(await verified(source, user_name), Authenticated)
    asked.clear()
    with own_slapd.suspended():
        for _ in range(3):
            assert isinstance(await verified(source, user_name), Authenticated)
    assert [own_slapd.url, *[slapd.url] * 3] == asked
    await wait_until_async(lambda: "answers again" in ldap.warnings[-1], "a probe has succeeded")


async def test_a_password_that_may_have_reached_a_server_is_not_sent_to_another(
    ldap, own_slapd, slapd, user_name, monkeypatch
):
    for server in own_slapd, slapd:
        server.add_user(user_name)
    source = ldap.source(own_slapd.url, slapd.url, timeout=f"{TIMEOUT}s")
    original = LdapClient.bind

    def bind(self, name, password, deadline):
        if user_name not in name:
            return original(self, name, password, deadline)
        with own_slapd.suspended():
            return original(self, name, password, deadline)

    monkeypatch.setattr(LdapClient, "bind", bind)
    with pytest.raises(Unavailable) as caught:
        await verified(source, user_name)
    assert own_slapd.url in caught.value.detail
    assert slapd.url not in caught.value.detail


async def test_a_request_with_too_little_time_does_not_make_a_good_server_skipped(ldap, own_slapd, user_name):
    own_slapd.add_user(user_name)
    source = ldap.source(own_slapd.url)
    with own_slapd.suspended(), pytest.raises(Unavailable):
        await found(source, user_name, seconds=0.1)
    assert isinstance(await verified(source, user_name), Authenticated)
    assert [] == ldap.warnings


async def test_no_error_ends_the_probes(ldap, own_slapd, user_name, monkeypatch):
    own_slapd.add_user(user_name)
    source = ldap.source(own_slapd.url, timeout=f"{TIMEOUT}s")
    errors, original = [KeyError("a fault of the program")], source._servers._probe

    def probe(lease):
        if errors:
            raise errors.pop()
        return original(lease)

    monkeypatch.setattr(source._servers, "_probe", probe)
    own_slapd.stop()
    with pytest.raises(Unavailable):
        await verified(source, user_name)
    own_slapd.start()
    await wait_until_async(lambda: "answers again" in ldap.warnings[-1], "a probe has succeeded")
    assert isinstance(await verified(source, user_name), Authenticated)


async def test_a_request_after_its_deadline_is_not_begun(ldap, slapd):
    source = ldap.source(slapd.url)
    with pytest.raises(Unavailable, match="too late"):
        await found(source, "alice", seconds=-1)
    assert [] == ldap.warnings


async def test_a_host_name_that_cannot_be_resolved(ldap, slapd, user_name):
    slapd.add_user(user_name)
    source = ldap.source("ldap://radius-voice.invalid", f"ldap://{'x' * 64}.example.org", slapd.url)
    assert isinstance(await verified(source, user_name), Authenticated)
    assert ["its host name cannot be resolved"] * 2 == [each.split(": ")[2].partition(";")[0] for each in ldap.warnings]


async def test_a_name_server_that_does_not_respond_delays_no_other_login(ldap, slapd, user_name, monkeypatch):
    slapd.add_user(user_name)
    released, original = threading.Event(), socket.getaddrinfo

    def resolve(host, *arguments, **options):
        if host == "slow.example.org":
            released.wait()
            raise socket.gaierror
        return original(host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    source = ldap.source("ldap://slow.example.org", slapd.url, timeout=f"{TIMEOUT}s", connections=2)
    try:
        results = await asyncio.gather(*(verified(source, user_name) for _ in range(5)))
        assert [Authenticated] * 5 == [type(result) for result in results]
    finally:
        released.set()


async def test_check_connection_ends_at_its_deadline(ldap):
    with TcpListener(never_respond) as listener:
        source = ldap.source(f"ldap://{LOOPBACK}:{listener.port}", timeout=LONG_TIMEOUT)
        async with asyncio.timeout(CHECK_SECONDS):
            (check,) = await source.check_connection(time.monotonic() + TIMEOUT)
    assert not check.ok


async def test_check_connection_asks_each_server(ldap, slapd):
    refused = f"ldap://{LOOPBACK}:{free_port()}"
    with TcpListener(never_respond) as listener:
        without_response = f"ldap://{LOOPBACK}:{listener.port}"
        source = ldap.source(slapd.url, refused, without_response, timeout=f"{TIMEOUT}s")
        checks = await source.check_connection(time.monotonic() + CHECK_SECONDS)

    assert [True, False, False] == [check.ok for check in checks]
    assert f"{slapd.url}: searched as cn=radius-voice,dc=example,dc=org; lockout is not configured" == checks[0].text
    assert f"{refused}: no connection: Connection refused" == checks[1].text
    assert f"{without_response}: no answer in time" == checks[2].text
    (wrong,) = await ldap.source(slapd.url, bind_password="wrong").check_connection(time.monotonic() + CHECK_SECONDS)
    assert "refuses bind_dn and bind_password (result code 49)" in wrong.text
    (missing,) = await ldap.source(slapd.url, base="dc=nowhere").check_connection(time.monotonic() + CHECK_SECONDS)
    assert "base dc=nowhere does not exist" in missing.text
