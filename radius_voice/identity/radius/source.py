"""An identity source in which another RADIUS server verifies passwords. It has no users of its own."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial

import msgspec

from radius_voice.config.secrets import secret_text
from radius_voice.events import Reason, UpstreamRecord
from radius_voice.identity.context import IdentityContext
from radius_voice.identity.radius.servers import NAS_IDENTIFIER, NotSent, Server, Servers
from radius_voice.identity.radius.settings import RadiusSettings
from radius_voice.login.accounts import UNKNOWN_ACCOUNT, Account, LockoutRule
from radius_voice.login.deliveries.adapter_reports import AccountCheck, PossiblyForwarded, ServerState
from radius_voice.login.model import (
    Authenticated,
    Denied,
    Unavailable,
    User,
    Verification,
)
from radius_voice.login.names import canonical_name
from radius_voice.login.upstream import ChallengeRequired, HiddenAttribute
from radius_voice.metric_labels import UpstreamEvent
from radius_voice.radius import packet as radius
from radius_voice.radius import salted
from radius_voice.radius.copied import HEADER, VENDOR_ID_OCTETS, AttributeKey, selected
from radius_voice.radius.dictionary import AttributeDictionary
from radius_voice.radius.packet import Attribute, Packet
from radius_voice.radius.password import MAX_PASSWORD_OCTETS, decode_text
from radius_voice.radius_client import NoReply, RadiusClient, Response, Timers
from radius_voice.resources import shipped

ECHO = (1).to_bytes(4)
"""Value of Prompt: the user's input may be shown (RFC 2869 section 5.10)."""
NAS_ATTRIBUTES = frozenset((4, 32, 95))
"""NAS-IP-Address, NAS-Identifier and NAS-IPv6-Address: a request has one of them (RFC 2865 section 4.1)."""


def create(name: str, settings: RadiusSettings, context: IdentityContext) -> RadiusSource:
    """The source that `settings` describe."""
    return RadiusSource(name, settings, context)


class RadiusSource:
    """Implements `IdentitySource` with RADIUS servers that verify passwords."""

    directory = None
    problem = None
    changes = 0
    finds_accounts = False

    def __init__(self, name: str, settings: RadiusSettings, context: IdentityContext) -> None:
        self._key = f"identity.{name}"
        self._name = name
        self._settings = settings
        self._context = context
        self._required = settings.require_message_authenticator == "yes"
        self._opened: Servers | None = None
        lockout = settings.lockout
        self._account = Account(lockout=LockoutRule(lockout.attempts, lockout.window)) if lockout else UNKNOWN_ACCOUNT
        self._without_message_authenticator: set[str] = set()
        names = AttributeDictionary(shipped("dictionaries"))
        self._forwarded = frozenset(names.key(each) for each in settings.forward)
        replied = [names.key(each, salted=True) for each in settings.reply]
        self._salt_offsets = {key: names.salt_offset(key) for key in replied}

    @property
    def location(self) -> str:
        """The servers, for messages."""
        return ", ".join(f"{server.host} port {server.port}" for server in self._settings.servers)

    async def account(self, verification: Verification, deadline: float) -> Account:  # noqa: ARG002
        """The configured lockout rule. The servers give no account id before they verify a password."""
        return self._account

    async def verify(self, verification: Verification, deadline: float) -> Authenticated | Denied | ChallengeRequired:
        """Verify credentials by asking a server. The result may come after `deadline`, because servers delay rejects.

        So a wrong password is charged even if the delay is longer than the gateway waits.
        """
        password = verification.credentials.text
        if not password and not verification.context:
            return Denied(Reason.WRONG_PASSWORD)  # a server behind the upstream may accept it as anonymous
        attributes, only = self._attributes(verification), ""
        if verification.context:
            context = _decode_context(verification.context)
            attributes.append((radius.STATE, context.state))
            only = context.server
        octets = octets_of(password, MAX_PASSWORD_OCTETS)
        try:
            server, response = await self._servers().request(attributes, octets, deadline, only)
        except (NotSent, ValueError) as problem:
            raise Unavailable(self._key, str(problem)) from None
        except NoReply as problem:
            raise PossiblyForwarded(self._key, str(problem)) from None
        packet = response.packet
        if packet.code == radius.ACCESS_ACCEPT:
            return Authenticated(canonical_name(verification.user_name), reply=self._reply_of(response))
        if packet.code == radius.ACCESS_REJECT:
            return Denied(Reason.WRONG_PASSWORD)
        return self._challenge(server, packet)

    async def password_id(self, user_id: str, deadline: float) -> str:  # noqa: ARG002
        """Empty: the servers do not tell when a password was changed."""
        return ""

    async def check_connection(self, deadline: float) -> Sequence[AccountCheck]:
        """The result of a Status-Server to each server."""
        return [self._checked(server, result) for server, result in await self._servers().probe(deadline)]

    def server_states(self) -> Sequence[ServerState]:
        """Each server, and whether it responds."""
        return self._servers().states()

    def refresh(self) -> None:
        """Do nothing: the source keeps nothing that could change."""

    def all_users(self) -> Sequence[User] | None:
        """None: the users are not known."""
        return None

    def without_password(self) -> Sequence[User]:
        """No user."""
        return ()

    def costliest_verification(self) -> None:
        """None: the servers verify passwords."""

    async def close(self) -> None:
        """End the probes, and close the sockets."""
        if self._opened is not None:
            await self._opened.close()

    def _challenge(self, server: Server, packet: Packet) -> ChallengeRequired:
        state = packet.first(radius.STATE)
        if state is None:
            raise Unavailable(self._key, f"{server} sent an Access-Challenge without State")
        context = _encode_context(_Context(str(server), state))
        text = decode_text(b"".join(packet.every(radius.REPLY_MESSAGE)))
        return ChallengeRequired(context, text, packet.first(radius.PROMPT) == ECHO)

    @property
    def _secret(self) -> bytes:
        return secret_text(self._settings.secret, f"{self._key}.secret").encode()

    def _servers(self) -> Servers:
        """The servers, created at the first use, because some commands cannot read the secret."""
        if self._opened is None:
            self._opened = self._open()
        return self._opened

    def _open(self) -> Servers:
        settings = self._settings
        timers = Timers(initial=settings.initial_timeout, max_wait=settings.max_timeout)
        clients = [
            RadiusClient(
                server.host,
                server.port,
                self._secret,
                timers,
                partial(self._on_response, f"{server.host} port {server.port}"),
                require_message_authenticator=self._required,
            )
            for server in settings.servers
        ]
        return Servers(clients, timers, settings.probe_interval, self._on_change, time.monotonic)

    def _attributes(self, verification: Verification) -> list[Attribute]:
        name = octets_of(verification.user_name, radius.MAX_VALUE_OCTETS)
        forwarded = [attribute for _, attribute in selected(verification.attributes, self._forwarded)]
        if NAS_ATTRIBUTES.isdisjoint(kind for kind, _ in forwarded):
            forwarded.append(NAS_IDENTIFIER)
        return [(radius.USER_NAME, name), *forwarded]

    def _reply_of(self, response: Response) -> tuple[Attribute | HiddenAttribute, ...]:
        """The attributes of an Access-Accept for the gateway. Raises Unavailable if they cannot be copied."""
        copied: list[Attribute | HiddenAttribute] = []
        octets = 0
        for key, (code, value) in selected(response.packet.attributes, self._salt_offsets):
            octets += len(value) + HEADER
            offset = self._salt_offsets[key]
            copied.append((code, value) if offset is None else self._revealed(key, value, offset, response))
        if octets > (limit := radius.RESERVED_REPLY_OCTETS):
            raise Unavailable(self._key, f"{octets} octets of reply attributes; at most {limit} fit")
        return tuple(copied)

    def _revealed(self, key: AttributeKey, value: bytes, offset: int, response: Response) -> HiddenAttribute:
        """Decrypt a salt-encrypted attribute. Its vendor length is set for the value when it is encrypted again."""
        if key.vendor:
            offset += VENDOR_ID_OCTETS + HEADER
        try:
            plain = salted.reveal(value[offset:], self._secret, response.request_authenticator)
        except salted.MalformedSalted as problem:
            raise Unavailable(self._key, f"attribute {key.code} of vendor {key.vendor}: {problem}") from None
        prefix = value[:offset]
        if key.vendor:
            length = offset - VENDOR_ID_OCTETS + salted.hidden_octets(plain)
            prefix = value[: VENDOR_ID_OCTETS + 1] + bytes((length,)) + value[VENDOR_ID_OCTETS + HEADER : offset]
        return HiddenAttribute(radius.VENDOR_SPECIFIC if key.vendor else key.code, prefix, plain)

    def _checked(self, server: Server, result: Packet | NoReply) -> AccountCheck:
        if isinstance(result, NoReply):
            return AccountCheck(ok=False, text=f"{result}, or without Status-Server (RFC 5997)")
        text = f"{server} responds to Status-Server"
        if not result.message_authenticator and self._required:
            text += "; without Message-Authenticator, and responses to logins that have none are ignored"
        return AccountCheck(ok=True, text=text)

    def _on_response(self, server: str, event: UpstreamEvent) -> None:
        """A server sent a response that is ignored, or one without Message-Authenticator."""
        self._record(server, event)
        if event is UpstreamEvent.NO_MESSAGE_AUTHENTICATOR and server not in self._without_message_authenticator:
            self._without_message_authenticator.add(server)
            fix = (
                "they are ignored; update the server, or write require_message_authenticator: no"
                if self._required
                else "an attacker between the servers can forge them (CVE-2024-3596); update the server"
            )
            self._context.warn(f"{self._key}: {server} sends responses without Message-Authenticator; {fix}")

    def _on_change(self, server: Server, event: UpstreamEvent) -> None:
        self._record(str(server), event)
        text = "responds again" if event is UpstreamEvent.ALIVE else "does not respond"
        self._context.warn(f"{self._key}: {server} {text}")

    def _record(self, server: str, event: UpstreamEvent) -> None:
        self._context.observer(UpstreamRecord(time.time(), self._name, server, event))


class _Context(msgspec.Struct, frozen=True):
    """The context of an Access-Challenge: the server that sent it, and its State."""

    server: str
    state: bytes


_encode_context = msgspec.msgpack.Encoder().encode
_decode_context = msgspec.msgpack.Decoder(_Context).decode


def octets_of(text: str, limit: int) -> bytes:
    """A name or password in UTF-8, or in Latin-1 where UTF-8 exceeds `limit` octets.

    Such a text was sent in Latin-1 (see `password.decode_text`), so these are the octets that the gateway sent.
    """
    octets = text.encode()
    return octets if len(octets) <= limit else text.encode("latin-1")
