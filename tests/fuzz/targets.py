"""Everything that hostile octets reach, as functions of octets. One that raises has found a fault."""

import asyncio
import tempfile
from pathlib import Path

from radius_voice.config import strict_yaml
from radius_voice.config.errors import ConfigError
from radius_voice.delivery.twilio_sms.provider import TwilioSms
from radius_voice.delivery.twilio_voice.callbacks import TwilioCallbacks
from radius_voice.delivery.twilio_voice.provider import TwilioVoice
from radius_voice.http_client import HttpPool, HttpResponse
from radius_voice.identity.users_file import text as users_text
from radius_voice.login.deliveries.caller_numbers import CallerNumbers
from radius_voice.login.deliveries.requests import CodeMessage, DeliveryRequest, Indeterminate, Placed
from radius_voice.login.model import CallRef, CallStatus, Unavailable
from radius_voice.login.phone import Phone
from radius_voice.radius import packet as radius
from radius_voice.radius.password import MalformedPassword, decode_text, decrypt_password, encrypt_password
from radius_voice.resources import shipped
from radius_voice.twilio.client import TwilioAccount
from radius_voice.wiring.adapters import load
from tests.radius.vectors import SECRET

FOLDER = tempfile.TemporaryDirectory(prefix="fuzz")
ACCOUNT = "AC" + "0" * 32
ORDER = DeliveryRequest(Phone("+14155550123"), CodeMessage("en", "ACME VPN", "123456"), 25)
AUTHENTICATOR = bytes(16)


def wire(octets):
    """Octets are a packet or malformed. No packet is authentic with another secret. Every reply is authentic."""
    try:
        packet = radius.decode(octets)
    except radius.MalformedPacket:
        return
    assert octets.startswith(packet.raw)
    radius.verify(packet, SECRET)
    assert not radius.verify_reply(packet, AUTHENTICATOR, b"another secret")
    for kind, value in packet.attributes:
        assert packet.first(kind) == packet.every(kind)[0]
        decode_text(value)
    try:
        reply = radius.encode_reply(radius.ACCESS_REJECT, packet, [(radius.REPLY_MESSAGE, b"no")], SECRET)
    except ValueError:
        assert len(packet.raw) > radius.MAX_PACKET_OCTETS / 2  # its Proxy-States leave no space
        return
    assert radius.verify_reply(radius.decode(reply), packet.authenticator, SECRET)


def password(octets):
    """Hidden octets are a password or malformed, and hiding it again gives the same octets."""
    secret, hidden = octets[:4], octets[4:]
    try:
        revealed = decrypt_password(hidden, secret, AUTHENTICATOR)
    except MalformedPassword:
        return
    assert hidden.startswith(encrypt_password(revealed, secret, AUTHENTICATOR)[: len(revealed)])
    decode_text(revealed)


def yaml(octets):
    """Text is plain values or refused with the line."""
    try:
        strict_yaml.load(octets.decode(errors="replace"), "x.yaml")
    except strict_yaml.StrictYamlError as problem:
        assert str(problem).startswith("x.yaml:")


def configuration(octets):
    """A file is a configuration or refused. Every error names the file."""
    path = Path(FOLDER.name) / "radius-voice.yaml"
    path.write_bytes(octets)
    try:
        load(path, {}, lambda: 1_700_000_000.0)
    except ConfigError as problem:
        assert all(line.startswith(str(path)) for line in str(problem).splitlines())


def users(octets):
    """A users file is parsed or refused."""
    try:
        found = users_text.parse(octets.decode(errors="replace"), "users.yaml")
    except users_text.UsersFileError as problem:
        assert str(problem).startswith("users.yaml:")
        return
    assert all(entry.user.id for entry in found.values())


class FixedResponse(HttpPool):
    """A pool of connections to a provider that sends the same response to every request."""

    def __init__(self, octets):
        status, _, body = octets.partition(b"\n")
        self.status = int(status) if status.isdigit() and len(status) == 3 else 201
        self.body = body.decode(errors="replace")

    async def send(self, method, url, **request):
        return HttpResponse(self.status, self.body)


def provider(octets):
    """Any response means placed, not placed or indeterminate. A 5xx response is indeterminate."""
    pool = FixedResponse(octets)
    account = TwilioAccount(pool, account_sid=ACCOUNT, username=ACCOUNT, password="t")
    asyncio.run(_placed(TwilioSms("t", account, sender="+15005550006"), pool.status))
    asyncio.run(
        _asked(TwilioVoice("t", account, CallerNumbers(Phone("+15005550006")), TwilioCallbacks(None)), pool.status)
    )


async def _placed(twilio, status):
    placed = await twilio.place(ORDER, asyncio.get_running_loop().time() + 60)
    assert not isinstance(placed, Placed) or (placed.reference and 200 <= status < 300)
    assert isinstance(placed, Indeterminate) or status < 500
    await twilio.check_account()
    return placed


async def _asked(twilio, status):
    placed = await _placed(twilio, status)
    reference = CallRef("t", placed.reference if isinstance(placed, Placed) else "CA1")
    try:
        statuses = await twilio.progress([reference])
        assert all(isinstance(each, CallStatus) for each in statuses.values())
        await twilio.hang_up(reference)
    except Unavailable as problem:
        assert len(str(problem)) < 200


SIGNED = [(1, b"alice"), (2, bytes(16)), (33, b"proxy"), (24, bytes(32))]
CALL = b'{"sid": "CA1", "status": "queued", "code": 21211, "calls": [{"sid": "CA1", "status": "ringing"}]}'
SEEDS = {
    wire: [
        radius.encode_request(1, 7, AUTHENTICATOR, SIGNED, SECRET),
        radius.encode_request(12, 7, bytes(16), [], b"x"),
    ],
    password: [b"key!" + encrypt_password(b"correct horse", b"key!", AUTHENTICATOR), bytes(132)],
    yaml: [b"a: {b: [1, 2.5, 'x', ~]}\nc: >\n  text\n"],
    configuration: [
        (shipped("config") / name).read_bytes() for name in ("minimal.yaml", "demo.yaml", "radius-voice.yaml")
    ],
    users: [(shipped("config") / "users.yaml").read_bytes()],
    provider: [b"201\n" + CALL, b"400\n" + CALL, b"503\n"],
}
"""Seeds for every target."""
