"""Codes, States and keyed hashes: the only place where randomness and the data key enter a login.

A State is a keyed hash of the request that gets it: unpredictable without the key, and the same for a retransmission at
every node.
"""

from __future__ import annotations

import secrets
import unicodedata
from hashlib import blake2b

import msgspec

from radius_voice.login.model import SessionKey
from radius_voice.login.names import canonical_name, counted_name
from radius_voice.login.phone import Phone
from radius_voice.login.replay import Slot
from radius_voice.login.upstream import AcceptAttributes
from radius_voice.sealing import Cipher

KEY_OCTETS = 16
LOGIN_STATE = b"\x01"
"""The first octet of a State that belongs to a session."""
UPSTREAM_STATE = b"\x02"
"""The first octet of a State that belongs to a challenge of the first factor (`upstream_challenges`)."""
STATE_OCTETS = len(LOGIN_STATE) + 2 * KEY_OCTETS
_decode_attributes = msgspec.msgpack.Decoder(AcceptAttributes).decode
_FILLERS = dict.fromkeys(map(ord, " -.\t\r\n"))


def new_code(digits: int) -> str:
    """A new one-time code of that many decimal digits."""
    return f"{secrets.randbelow(10**digits):0{digits}}"


def session_key_in(state: bytes) -> SessionKey | None:
    """The session key in a State that has the format of ours, else None."""
    return state[1 : 1 + KEY_OCTETS] if len(state) == STATE_OCTETS and state[:1] == LOGIN_STATE else None


def tidy_code(typed: str) -> str:
    """A typed code in its normal form: ASCII digits for full-width ones, without spaces, dashes and dots."""
    return unicodedata.normalize("NFKC", typed).translate(_FILLERS)


def new_session_id() -> str:
    """The id of a new session: 16 hexadecimal digits."""
    return secrets.token_hex(8)


def new_request_id() -> str:
    """The id of a request without a session: 16 hexadecimal digits."""
    return secrets.token_hex(8)


class Keys:
    """Keyed hashes (BLAKE2b, 16 octets) under the data key, and encryption of values that must be read again.

    Each kind of hash has its own domain, so a hash of one kind is never valid as another kind.
    """

    def __init__(self, key: bytes) -> None:
        def keyed(kind: bytes) -> blake2b:
            return blake2b(key=key, digest_size=KEY_OCTETS, person=kind)

        self._login, self._state, self._code = keyed(b"login"), keyed(b"state"), keyed(b"code")
        self._password, self._answer, self._name = keyed(b"password"), keyed(b"answer"), keyed(b"name")
        self._first, self._next = keyed(b"first state"), keyed(b"next state")
        self._upstream, self._pending, self._reply = keyed(b"upstream state"), keyed(b"pending"), keyed(b"answer slot")
        self._replies, self._challenges = Cipher(key, b"sealed reply"), Cipher(key, b"sealed pending")
        self.seal_pending = self._challenges.seal
        self.unseal_pending = self._challenges.unseal
        accepts = Cipher(key, b"sealed accept")
        self.seal_accept, self.unseal_accept = accepts.seal, accepts.unseal
        self._packet, self._credentials, self._station = keyed(b"packet"), keyed(b"credentials"), keyed(b"station")
        self._client, self._password_id = keyed(b"client"), keyed(b"password id")
        self._issued, self._issued_key = keyed(b"issued code"), keyed(b"issued code key")
        self._account, self._user, self._remembered = keyed(b"account"), keyed(b"user"), keyed(b"remembered")
        self._station_users, self._shared_station = keyed(b"station users"), keyed(b"shared station")
        self._place, self._pin = keyed(b"place"), keyed(b"pin")
        self._accepted = keyed(b"accepted name")
        self._enrolment, self._check = keyed(b"enrolment code"), keyed(b"code check")

    def session_key(self, client: str, user_key: str) -> SessionKey:
        """The key of the user's session at that client entry."""
        return _hash(self._login, _prefixed(client) + user_key.encode())

    def first_state(self, key: SessionKey, fingerprint: bytes) -> bytes:
        """The State for the initial request with that fingerprint. Every node gives retransmissions the same one."""
        return LOGIN_STATE + key + _hash(self._first, key + fingerprint)

    def next_state(self, key: SessionKey, state: bytes, typed: str) -> bytes:
        """The State after the response `typed` to `state`. A repeated response gets the same one."""
        return LOGIN_STATE + key + _hash(self._next, state + typed.encode())

    def state(self, state: bytes) -> bytes:
        """The stored hash of a State."""
        return _hash(self._state, state)

    def code(self, key: SessionKey, code: str) -> bytes:
        """The stored hash of a code."""
        return _hash(self._code, key + code.encode())

    def issued_code(self, user_key: str, code: str) -> bytes:
        """The stored hash of a code that the help desk issued for the user (`issued_codes`)."""
        return _hash(self._issued, _prefixed(user_key) + code.encode())

    def issued_code_key(self, user_key: str) -> bytes:
        """The last part of the store key of the user's issued code."""
        return _hash(self._issued_key, user_key.encode())

    def password(self, key: SessionKey, password: str) -> bytes:
        """The hash of a password, stored while a session is open."""
        return _hash(self._password, key + password.encode())

    def password_id(self, key: SessionKey, password_id: str) -> bytes:
        """The stored hash of `Authenticated.password_id`; empty for an empty one."""
        return _hash(self._password_id, key + password_id.encode()) if password_id else b""

    def answer(self, key: SessionKey, typed: str) -> bytes:
        """The stored hash of a response, which identifies a repeated response."""
        return _hash(self._answer, key + typed.encode())

    def seal_reply(self, key: SessionKey, reply: AcceptAttributes) -> bytes:
        """Encrypt attributes of an Access-Accept, to be stored in the session. No attributes give no octets."""
        return self._replies.seal(key, msgspec.msgpack.encode(reply)) if reply else b""

    def unseal_reply(self, key: SessionKey, sealed: bytes) -> AcceptAttributes:
        """The attributes that `seal_reply` encrypted for that session; none if they cannot be decrypted."""
        octets = self._replies.unseal(key, sealed)
        return () if octets is None else _decode_attributes(octets)

    def upstream_state(self, fingerprint: bytes) -> bytes:
        """The State for the request with that fingerprint if the first factor sends a challenge."""
        return UPSTREAM_STATE + _hash(self._upstream, fingerprint)

    def pending_key(self, client: str, state: bytes) -> bytes:
        """The store key of the first factor's challenge with that State at that client entry."""
        return b"upstream\0" + _hash(self._pending, _prefixed(client) + state)

    def answer_slot(self, client: str, state: bytes, typed: str) -> Slot:
        """The slot in which a response to a first factor's challenge is recorded. Each State has one slot."""
        key = _hash(self._reply, _prefixed(client) + state)
        return Slot(key, _hash(self._credentials, key + typed.encode()))

    def name_subject(self, identity_source: str, typed: str) -> str:
        """The subject under which failures of a user name at an identity source are counted.

        It is a hash, because users type passwords as user names by mistake.
        """
        return _hash(self._name, _prefixed(identity_source) + counted_name(typed).encode()).hex()

    def account_subject(self, identity_source: str, account_id: str) -> str:
        """The subject under which failures of an account at an identity source are counted."""
        return _hash(self._account, _prefixed(identity_source) + account_id.encode()).hex()

    def calling_station(self, subject: str, calling_station_id: str) -> bytes:
        """The stored hash of a Calling-Station-Id. `subject` is the user's `name_subject` or `account_subject`."""
        return _hash(self._station, subject.encode() + calling_station_id.encode())

    def user(self, user_key: str) -> bytes:
        """The hash of a user, for store keys of values that apply at all clients."""
        return _hash(self._user, user_key.encode())

    def remembered(self, key: SessionKey, facts: bytes) -> bytes:
        """The stored hash of the facts that must not change while a login is remembered."""
        return _hash(self._remembered, key + facts)

    def remembered_at(self, key: SessionKey, calling_station_id: str) -> bytes:
        """The store key of a remembered login: the user and client of a session, and a Calling-Station-Id."""
        return b"remembered\0" + _hash(self._place, key + calling_station_id.encode())

    def users_of_station(self, client: str, calling_station_id: str) -> bytes:
        """The store key of the users with remembered logins from a Calling-Station-Id of a client."""
        return b"station users\0" + _hash(self._station_users, _prefixed(client) + calling_station_id.encode())

    def shared_station(self, client: str) -> bytes:
        """The store key of the fact that many users of a client share a Calling-Station-Id."""
        return b"shared station\0" + _hash(self._shared_station, client.encode())

    def accepted_name(self, client: str, typed: str) -> bytes:
        """The store key of the user who was accepted at a client entry under that name."""
        return b"accepted\0" + _hash(self._accepted, _prefixed(client) + canonical_name(typed).encode())

    def client(self, name: str, secret: bytes) -> bytes:
        """A hash of a client entry and one of its shared secrets. It changes with the secret."""
        return _hash(self._client, _prefixed(name) + secret)

    def pin(self, user_key: str, phone: Phone) -> bytes:
        """The stored hash of a pinned phone of the user."""
        return _hash(self._pin, _prefixed(user_key) + _prefixed(phone.address) + phone.extension.encode())

    def enrolment_code(self, enrolment_id: str, code: str) -> bytes:
        """The stored hash of the code of an enrolment (`policies.enrolment`)."""
        return _hash(self._enrolment, _prefixed(enrolment_id) + code.encode())

    def code_check(self, key: SessionKey, delivery: str, answer: bytes) -> bytes:
        """The store key of a provider's answer about a typed code. `answer` is the hash of the response."""
        return b"code check\0" + _hash(self._check, key + answer + delivery.encode())

    def slot(self, client: str, authenticator: bytes, encrypted_credentials: bytes) -> Slot:
        """The slot in which a request of that client entry is recorded.

        `encrypted_credentials` are its User-Name and encrypted User-Password.
        """
        key = _hash(self._packet, _prefixed(client) + authenticator)
        return Slot(key, _hash(self._credentials, key + encrypted_credentials))


def _prefixed(text: str) -> bytes:
    """`text` with a length prefix, so that different parts never give the same message."""
    octets = text.encode()
    return len(octets).to_bytes(2) + octets


def _hash(keyed: blake2b, message: bytes) -> bytes:
    """The hash of `message`. All parts of a message except the last have a fixed length or a length prefix."""
    hashing = keyed.copy()
    hashing.update(message)
    return hashing.digest()
