"""A source of type `radius` with a server in this process: responses that FreeRADIUS does not send."""

import asyncio
import time
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pydantic import SecretStr

from radius_voice.config.adapters import LockoutSettings
from radius_voice.config.addresses import HostPort
from radius_voice.config.secrets import SecretUnavailable, UnavailableSecret
from radius_voice.events import Reason
from radius_voice.identity.context import IdentityContext
from radius_voice.identity.passwords import Hasher
from radius_voice.identity.radius.settings import RadiusSettings
from radius_voice.identity.radius.source import create, octets_of
from radius_voice.login.accounts import UNKNOWN_ACCOUNT, Account, LockoutRule
from radius_voice.login.deliveries.adapter_reports import PossiblyForwarded
from radius_voice.login.model import (
    Authenticated,
    Denied,
    PapPassword,
    Unavailable,
    Verification,
)
from radius_voice.login.upstream import ChallengeRequired, HiddenAttribute
from radius_voice.radius import packet as radius
from radius_voice.radius.password import decrypt_password

SECRET = b"a shared secret of the tests"
MICROSOFT = (311).to_bytes(4)
ACCEPT, REJECT, CHALLENGE = radius.ACCESS_ACCEPT, radius.ACCESS_REJECT, radius.ACCESS_CHALLENGE


class Peer(asyncio.DatagramProtocol):
    """A server that responds with `code` and `attributes`."""

    def __init__(self):
        self.requests = []
        self.code, self.attributes = ACCEPT, []

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, address):
        self.requests.append(radius.decode(data))
        self.transport.sendto(radius.encode_reply(self.code, self.requests[-1], self.attributes, SECRET), address)


@asynccontextmanager
async def asked(**settings):
    """A source and the server that it asks."""
    loop = asyncio.get_running_loop()
    transport, peer = await loop.create_datagram_endpoint(Peer, local_addr=("127.0.0.1", 0))
    port = transport.get_extra_info("sockname")[1]
    source = create("nps", section(port, **settings), context())
    try:
        yield source, peer
    finally:
        await source.close()
        await source.close()
        transport.close()


def section(port=1812, secret: SecretStr | None = None, **settings):
    values: dict[str, Any] = {
        "type": "radius",
        "servers": (HostPort("127.0.0.1", port),),
        "secret": secret or SecretStr(SECRET.decode()),
        "require_message_authenticator": "yes",
        "forward": (),
        "reply": (),
        "initial_timeout": 2.0,
        "max_timeout": 16.0,
        "probe_interval": 10.0,
    }
    return RadiusSettings.model_construct(**values | settings)


def context():
    hasher = Hasher(threads=1)
    hasher.close()
    return IdentityContext(hasher)


async def verify(source, password="password", name="Alice", **more):
    return await source.verify(Verification(name, PapPassword(password), **more), time.monotonic() + 30.0)


async def test_the_user_id_is_the_canonical_name():
    async with asked() as (source, peer):
        assert Authenticated("alice") == await verify(source, name=" Alice ")
        assert b" Alice " == peer.requests[0].first(radius.USER_NAME)
        peer.code = REJECT
        assert Denied(Reason.WRONG_PASSWORD) == await verify(source)


async def test_the_account_of_a_name_is_not_known_before_the_verification():
    claim = Verification("alice", PapPassword(""))
    async with asked() as (source, _):
        assert not source.finds_accounts
        assert UNKNOWN_ACCOUNT == await source.account(claim, time.monotonic())
    async with asked(lockout=LockoutSettings.model_construct(attempts=5, window=1800.0)) as (source, _):
        assert Account(lockout=LockoutRule(5, 1800.0)) == await source.account(claim, time.monotonic())


async def test_a_password_counts_as_forwarded_only_if_a_request_was_sent():
    async with asked() as (source, peer):
        peer.transport.close()
        with pytest.raises(PossiblyForwarded):
            await source.verify(Verification("alice", PapPassword("x")), time.monotonic() + 0.2)
        with pytest.raises(Unavailable) as not_sent:
            await source.verify(Verification("alice", PapPassword("x")), time.monotonic() - 1)
        assert not isinstance(not_sent.value, PossiblyForwarded)


async def test_a_challenge_without_state_cannot_be_continued():
    async with asked() as (source, peer):
        peer.code = CHALLENGE
        with pytest.raises(Unavailable, match="Access-Challenge without State"):
            await verify(source)


async def test_the_answer_to_a_challenge_may_be_empty_and_carries_the_state():
    async with asked() as (source, peer):
        peer.code, peer.attributes = CHALLENGE, [(radius.STATE, b"one"), (18, b"Press "), (18, b"Enter")]
        challenge = await verify(source)
        assert isinstance(challenge, ChallengeRequired)
        assert ("Press Enter", False) == (challenge.text, challenge.echo)
        peer.code = ACCEPT
        assert isinstance(await verify(source, "", context=challenge.context), Authenticated)
        assert b"one" == peer.requests[-1].first(radius.STATE)
        assert b"" == decrypt_password(peer.requests[-1].first(2) or b"", SECRET, peer.requests[-1].authenticator)
        assert Denied(Reason.WRONG_PASSWORD) == await verify(source, "")


@pytest.mark.parametrize("value", [b"", b"\x00\x01" + bytes(16), b"\x80\x01" + bytes(15)])
async def test_a_salted_attribute_that_cannot_be_decrypted_is_no_response(value):
    async with asked(reply=("MS-MPPE-Send-Key",)) as (source, peer):
        peer.attributes = [(26, MICROSOFT + bytes((16, len(value) + 2)) + value)]
        with pytest.raises(Unavailable, match="attribute 16 of vendor 311"):
            await verify(source)


async def test_attributes_are_copied_in_their_order():
    async with asked(reply=("Class", "MS-Primary-DNS-Server")) as (source, peer):
        dns = (26, MICROSOFT + b"\x1c\x06\x0a\x00\x00\x01")
        peer.attributes = [(25, b"a"), (11, b"not selected"), dns, (25, b"b")]
        assert ((25, b"a"), dns, (25, b"b")) == (await verify(source)).reply
        assert HiddenAttribute not in map(type, (await verify(source)).reply)


async def test_a_name_that_does_not_fit_is_unavailable():
    async with asked() as (source, peer):
        with pytest.raises(Unavailable, match="at most 253 fit"):
            await verify(source, name="x" * 254)
        assert [] == peer.requests


@pytest.mark.parametrize(
    ("text", "octets"),
    [("ü" * 64, "ü".encode() * 64), ("ü" * 65, b"\xfc" * 65), ("x" * 128, b"x" * 128)],
)
def test_a_text_is_sent_in_utf_8_if_it_fits(text, octets):
    assert octets == octets_of(text, 128)


async def test_a_source_whose_secret_cannot_be_read_fails_only_when_it_is_used():
    secret = UnavailableSecret(SecretUnavailable("nps.secret is not readable", "file"))
    source = create("nps", section(secret=secret), context())
    assert ("127.0.0.1 port 1812", None, None) == (source.location, source.directory, source.problem)
    assert (None, ()) == (source.all_users(), source.without_password())
    source.refresh()
    with pytest.raises(ValueError, match=r"identity\.nps\.secret: nps\.secret is not readable"):
        await source.check_connection(time.monotonic() + 5)
    await source.close()
