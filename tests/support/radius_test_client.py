"""A RADIUS client for tests, in the role of a VPN gateway."""

import itertools
import secrets
import socket
from collections.abc import Iterable
from typing import Protocol

from radius_voice.radius import packet as radius
from radius_voice.radius.packet import Packet
from radius_voice.radius.password import encrypt_password
from tests.support.network import TIMEOUT

SECRET = b"a shared secret of the tests"
MAX_REPLY_OCTETS = 8192

Attribute = tuple[int, bytes]


class Credentials(Protocol):
    """A user name and its password."""

    @property
    def name(self) -> str: ...
    @property
    def password(self) -> str: ...


class RadiusTestClient:
    """A RADIUS client with its own socket. It verifies that every reply is authentic.

    `sent` holds the Request Authenticator of each Identifier.
    """

    def __init__(self, port: int, source: str = "127.0.0.1", secret: bytes = SECRET, server: str | None = None) -> None:
        self.secret = secret
        self.server = (server or ("::1" if ":" in source else "127.0.0.1"), port)
        self.sock = socket.socket(socket.AF_INET6 if ":" in source else socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind((source, 0))
        self.sock.settimeout(TIMEOUT)
        self._identifiers = itertools.count(secrets.randbelow(256))
        self.sent: dict[int, bytes] = {}

    def close(self) -> None:
        self.sock.close()

    def request(
        self,
        attributes: Iterable[Attribute],
        password: str | bytes | None = None,
        *,
        code: int = radius.ACCESS_REQUEST,
        signed: bool = True,
        authenticator: bytes | None = None,
    ) -> bytes:
        """The octets of a request with the next Identifier. `signed` adds a Message-Authenticator."""
        identifier = next(self._identifiers) % 256
        authenticator = authenticator or secrets.token_bytes(16)
        attributes = list(attributes)
        if password is not None:
            octets = password if isinstance(password, bytes) else password.encode()
            attributes.append((radius.USER_PASSWORD, encrypt_password(octets, self.secret, authenticator)))
        self.sent[identifier] = authenticator
        if signed:
            return radius.encode_request(code, identifier, authenticator, attributes, self.secret)
        body = b"".join(bytes((kind, len(value) + 2)) + value for kind, value in attributes)
        return bytes((code, identifier)) + (20 + len(body)).to_bytes(2) + authenticator + body

    def send(self, datagram: bytes) -> None:
        self.sock.sendto(datagram, self.server)

    def receive(self) -> Packet:
        """The next reply."""
        octets, address = self.sock.recvfrom(MAX_REPLY_OCTETS)
        assert self.server == address[:2], "a reply from another address than that of the request"
        reply = radius.decode(octets)
        assert radius.verify_reply(reply, self.sent[reply.identifier], self.secret)
        assert 20 == reply.message_authenticator, "Message-Authenticator must be the first attribute"
        return reply

    def exchange(
        self,
        attributes: Iterable[Attribute],
        password: str | bytes | None = None,
        *,
        code: int = radius.ACCESS_REQUEST,
        signed: bool = True,
        authenticator: bytes | None = None,
    ) -> Packet:
        """Send a request. Its reply."""
        self.send(self.request(attributes, password, code=code, signed=signed, authenticator=authenticator))
        return self.receive()

    def status(self) -> Packet:
        """The reply to a Status-Server request (RFC 5997)."""
        return self.exchange([], code=radius.STATUS_SERVER)

    def initial_request(
        self, user: Credentials, *attributes: Attribute, signed: bool = True, code: int = radius.ACCESS_REQUEST
    ) -> bytes:
        """The octets of a login's first request."""
        named = [(radius.USER_NAME, user.name.encode()), *attributes]
        return self.request(named, user.password, signed=signed, code=code)

    def challenge_response(self, user: Credentials, challenge: Packet, typed: str, *attributes: Attribute) -> bytes:
        """The octets of a response to a challenge."""
        state = challenge.first(radius.STATE)
        assert state is not None
        return self.request([(radius.USER_NAME, user.name.encode()), (radius.STATE, state), *attributes], typed)

    def start_login(self, user: Credentials, *attributes: Attribute, signed: bool = True) -> Packet:
        """Send a login's first request. Its reply."""
        self.send(self.initial_request(user, *attributes, signed=signed))
        return self.receive()

    def respond(self, user: Credentials, challenge: Packet, typed: str, *attributes: Attribute) -> Packet:
        """Send a response to a challenge. Its reply."""
        self.send(self.challenge_response(user, challenge, typed, *attributes))
        return self.receive()

    def received_nothing(self) -> bool:
        """Whether no datagram waits to be received. Call `ServerProcess.wait_until_processed` before."""
        self.sock.setblocking(False)
        try:
            self.sock.recv(MAX_REPLY_OCTETS)
        except BlockingIOError:
            return True
        finally:
            self.sock.settimeout(TIMEOUT)
        return False
