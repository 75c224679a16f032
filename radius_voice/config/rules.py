"""Rules between settings: names that must exist, and combinations that would be unsafe.

They look at a `Draft`, which holds the parts of a file that are right by themselves, so that
one wrong key does not hide what else is wrong.
"""

from __future__ import annotations

import re
import ssl
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from radius_voice.config.errors import Finding, dotted, readable
from radius_voice.config.kinds import Network, shown
from radius_voice.config.schema import (
    Admin,
    Audit,
    Bypass,
    Client,
    Fixed,
    Policy,
    Provider,
    Server,
    Settings,
    TwilioVoice,
    UsersFile,
)
from radius_voice.config.secrets import UnavailableSecret
from radius_voice.config.section import Section
from radius_voice.config.stores import RedisStore, Store
from radius_voice.files import unreadable
from radius_voice.radius.packet import ROOM_FOR_REPLY
from radius_voice.resources import shipped
from radius_voice.strict_yaml import Path as KeyPath
from radius_voice.words import suggestion

SHORT_SECRET = 16
SHORT_KEY = 32
ROOM_FOR_ATTRIBUTES = ROOM_FOR_REPLY - 64
"""Octets of the attributes of one policy's reply rules, all together; the rest is for the server's own."""
LONGEST_BYPASS = 240 * 60
PLACEHOLDER_SID = "AC" + "0" * 32
PLACEHOLDER_SECRET = "replace-me"  # noqa: S105 - it is what the user must replace
TEST_NUMBER = "+15005550006"
VARIABLE = re.compile(r"\$\{\w+\}|\$[A-Z][A-Z0-9_]*|\$\(.*\)|%[A-Z][A-Z0-9_]*%|\{\{.*\}\}")
"""How shells, Windows and templates write a variable."""
ASSIGNMENT = re.compile(r"(export )?[A-Z_][A-Z0-9_]+=[^=]")
"""How shells and environment files set a variable. Base64 has `=` only at its end."""
QUOTED = re.compile(r"(['\"]).*\1")
DOCUMENTATION = tuple(
    ip_network(text) for text in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")
)


@dataclass(frozen=True, slots=True)
class Draft:
    """What of a file is right by itself.

    The names are all that are written, right or not. `policy_of` goes from client to policy, `source_of`
    from policy and role to identity source.
    """

    development: bool
    server: Server | None
    store: Store | None
    admin: Admin | None
    audit: Audit | None
    clients: Mapping[str, Client]
    policies: Mapping[str, Policy]
    providers: Mapping[str, Provider]
    identity: Mapping[str, UsersFile]
    identity_names: Sequence[str]
    policy_names: Sequence[str]
    provider_names: Sequence[str]
    voice: Sequence[str]
    policy_of: Mapping[str, str]
    source_of: Mapping[tuple[str, str], str]


def errors(draft: Draft, now: float) -> Iterator[Finding]:
    """What forbids to use the file. `now` is wall-clock seconds."""
    yield from _server(draft)
    yield from _store(draft)
    yield from _syslog(draft)
    yield from _client_errors(draft)
    yield from _references(draft)
    if any(policy.reply for policy in draft.policies.values()):
        yield from _replies(draft)
    yield from _bypasses(draft, now)
    yield from _voice(draft)
    for name, provider in draft.providers.items():
        path = ("delivery", "providers", name)
        yield from (
            _twilio(draft, provider, path) if isinstance(provider, TwilioVoice) else _fixed(draft, provider, path)
        )


def warnings(draft: Draft, now: float) -> Iterator[Finding]:
    """What a person should know about a file that can be used."""
    for name, client in draft.clients.items():
        yield from _client_warnings(client, ("clients", name))
    for name, policy in draft.policies.items():
        failure = policy.on_delivery_failure
        if isinstance(failure, Bypass) and failure.bypass_until <= now:
            path = ("policies", name, "on_delivery_failure", "bypass_until")
            yield path, "this bypass has ended; remove it"
    for name, provider in draft.providers.items():
        if isinstance(provider, TwilioVoice) and not provider.base_url:
            yield from _twilio_warnings(provider, ("delivery", "providers", name))
    store = draft.store
    if isinstance(store, RedisStore) and not store.tls and not all(_loopback(each.host) for each in store.servers):
        yield ("store",), "what is kept, and a password, go over the network in clear; write tls: true"
    if draft.admin and not draft.admin.listen.loopback:
        yield ("admin", "listen"), "metrics and health can be read by whoever reaches this address; 127.0.0.1 is safer"


def unused_policies(draft: Draft, written: Iterable[str]) -> Iterator[Finding]:
    """Policies among those `written` in the file that no client uses. `default` exists without being written, too."""
    used = sorted(set(draft.policy_of.values()))
    for name in written:
        if name not in used:
            yield ("policies", name), f"no client uses this policy; the clients use {_list(used)}"


def users_files(draft: Draft) -> Iterator[Finding]:
    """Users files that cannot be read."""
    for name, source in draft.identity.items():
        if problem := unreadable(source.path):
            yield ("identity", name, "path"), problem


def secret_warnings(settings: Settings, directory: Path) -> Iterator[Finding]:
    """Secrets that are probably not meant as they are. `directory` is the configuration file's."""
    clients: dict[str, KeyPath] = {}
    for path, secret in _secrets(settings, ()):
        if VARIABLE.fullmatch(secret):
            yield path, "is the text of a variable, which is not expanded here; write {env: NAME}"
        elif ASSIGNMENT.match(secret):
            yield path, "holds the name of a variable (NAME=value) as part of the secret; remove NAME= and any quotes"
        elif QUOTED.fullmatch(secret):
            yield path, "holds quotes as part of the secret; remove them"
        elif _is_file(directory, secret):
            yield path, "is the name of a file; write {file: NAME} if the secret is in it"
        if path[0] == "clients":
            first = clients.setdefault(secret, path)
            if first[1] != path[1]:
                yield path, f"is the same as {dotted(first)}; give each gateway a secret of its own"
            elif first != path:
                yield path, "is listed twice; write the old and the new secret, or only one"


def _secrets(value: Any, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    """Every secret below `value` that this process can read, and its path in the file."""
    below: list[tuple[KeyPath, Any]] = []
    match value:
        case UnavailableSecret():
            return
        case SecretStr():
            yield path, value.get_secret_value()
        case Section():
            fields = type(value).model_fields.items()
            below = [((*path, field.alias or name), getattr(value, name)) for name, field in fields]
        case dict():
            below = [((*path, name), each) for name, each in value.items()]
        case tuple():
            below = [(path if len(value) == 1 else (*path, index), each) for index, each in enumerate(value)]
    for deeper, each in below:
        yield from _secrets(each, deeper)


def _is_file(directory: Path, name: str) -> bool:
    try:
        return (directory / name).is_file()
    except (OSError, ValueError):  # too long, or no name
        return False


def _server(draft: Draft) -> Iterator[Finding]:
    ports_free = "port 0 is for development: true alone; write the port"
    if draft.server:
        listen = draft.server.listen
        for index, endpoint in enumerate(listen):
            if endpoint in listen[:index]:
                yield ("server", "listen", index), "is there twice; remove one"
            elif shared := next((each for each in listen[:index] if endpoint.overlaps(each)), None):
                yield ("server", "listen", index), f"overlaps with {shared}, on the same port; remove one of the two"
            if endpoint.port == 0 and not draft.development:
                yield ("server", "listen", index), ports_free
        key = draft.server.key
        if key and len(key.get_secret_value().encode()) < SHORT_KEY:
            yield ("server", "key"), f"must have at least {SHORT_KEY} octets; make one with: openssl rand -hex 32"
    if draft.admin and draft.admin.listen.port == 0 and not draft.development:
        yield ("admin", "listen"), ports_free


def _store(draft: Draft) -> Iterator[Finding]:
    if isinstance(draft.store, RedisStore):
        if draft.server and draft.server.key is None:
            fix = "make one with: openssl rand -hex 32"
            yield ("server", "key"), f"is needed with a store of type redis, the same on every node; {fix}"
        yield from _certificates(draft.store.ca_file, ("store", "ca_file"))


def _syslog(draft: Draft) -> Iterator[Finding]:
    if draft.audit and draft.audit.syslog:
        yield from _certificates(draft.audit.syslog.ca_file, ("audit", "syslog", "ca_file"))


def _certificates(ca_file: Path | None, path: KeyPath) -> Iterator[Finding]:
    """What is wrong with a file of certificates: TLS libraries find out when the first connection is made."""
    if ca_file is None:
        return
    try:
        if not stat.S_ISREG(ca_file.stat().st_mode):
            yield path, "is not a file; name a file of certificates in PEM"
            return
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(ca_file)
    except FileNotFoundError:
        yield path, "there is no such file"
    except ssl.SSLError:
        yield path, "holds no certificate in PEM; put one there, from -----BEGIN CERTIFICATE----- on"
    except OSError as problem:
        yield path, f"cannot be read: {problem.strerror}; correct the path or the file's mode"


def _client_errors(draft: Draft) -> Iterator[Finding]:
    taken: dict[Network, str] = {}
    for name, client in draft.clients.items():
        path: KeyPath = ("clients", name)
        for network in client.address:
            if network in taken:
                whose = "this client" if taken[network] == name else f"client {readable(taken[network])}"
                yield (*path, "address"), f"{network} belongs to {whose} already; remove it from one"
            taken.setdefault(network, name)
        unsigned = client.require_message_authenticator != "yes"
        if unsigned and draft.source_of.get((client.policy, "first_factor")) == "none":
            message = "must be yes where first_factor is none, or nothing at all would authenticate a request"
            yield (*path, "require_message_authenticator"), message


def _references(draft: Draft) -> Iterator[Finding]:
    several = len(draft.identity_names) > 1
    for client, policy in draft.policy_of.items():
        if policy not in draft.policy_names and (several or policy != "default"):
            path: KeyPath = ("clients", client, "policy")
            if policy == "default":
                yield path, "there are several identity sources, so there is no policy default unless you write it"
            else:
                yield path, _unknown("policy", policy, draft.policy_names)
    for (policy, role), source in draft.source_of.items():
        path = ("policies", policy, role)
        if not source and several:
            yield path, f"say which of {_list(draft.identity_names)}"
        elif source and source not in draft.identity_names and (role, source) != ("first_factor", "none"):
            known = [*draft.identity_names, *(["none"] if role == "first_factor" else [])]
            yield path, _unknown("identity source", source, known)
    if "none" in draft.identity_names:
        yield ("identity", "none"), "none means that the gateway checks passwords; use another name"


def _replies(draft: Draft) -> Iterator[Finding]:
    from radius_voice.radius.dictionary import Names  # noqa: PLC0415 - needed by few configurations

    names = Names(shipped("dictionaries"))
    for policy_name, policy in draft.policies.items():
        path = ("policies", policy_name, "reply")
        octets = 0
        for index, rule in enumerate(policy.reply):
            for attribute, value in rule.set.items():
                try:
                    octets += len(names.encode(attribute, str(value))[1]) + 2
                except ValueError as problem:
                    yield (*path, index, "set", attribute), str(problem).removeprefix(f"{attribute}: ")
        if octets > ROOM_FOR_ATTRIBUTES:
            yield path, f"has {octets} octets of attributes, {ROOM_FOR_ATTRIBUTES} fit; remove some"


def _bypasses(draft: Draft, now: float) -> Iterator[Finding]:
    for name, policy in draft.policies.items():
        failure = policy.on_delivery_failure
        if isinstance(failure, Bypass) and failure.bypass_until > now + LONGEST_BYPASS:
            path = ("policies", name, "on_delivery_failure", "bypass_until")
            yield path, "a bypass lasts 240 minutes at most; write an earlier time"


def _voice(draft: Draft) -> Iterator[Finding]:
    for index, name in enumerate(draft.voice):
        if name not in draft.provider_names:
            yield ("delivery", "voice", index), _unknown("provider", name, draft.provider_names)
        if name in draft.voice[:index]:
            yield ("delivery", "voice", index), "is there twice; remove one"


def _twilio(draft: Draft, provider: TwilioVoice, path: KeyPath) -> Iterator[Finding]:
    if provider.base_url and not draft.development:
        parts = urlsplit(provider.base_url)
        if _loopback(parts.hostname or ""):
            yield (*path, "base_url"), "a provider on this machine is for development: true alone"
        elif parts.scheme != "https":
            yield (*path, "base_url"), "would send credentials in clear; write https://"
    yield from _certificates(provider.ca_file, (*path, "ca_file"))
    if provider.connect_timeout > provider.timeout:
        if "connect_timeout" in provider.model_fields_set:
            yield (*path, "connect_timeout"), "is longer than timeout, which it is part of; make it shorter"
        else:
            least = shown(provider.connect_timeout)
            yield (*path, "timeout"), f"is shorter than connect_timeout, which is part of it; write at least {least}"


def _fixed(draft: Draft, provider: Fixed, path: KeyPath) -> Iterator[Finding]:
    if not draft.development:
        yield (*path, "type"), "fixed calls nobody and is for development: true alone"
    for name, client in draft.clients.items():
        if not all(network.is_loopback for network in client.address):
            yield ("clients", name, "address"), "must be on loopback while there is a provider of type fixed"
    for name, policy in draft.policies.items():
        if policy.challenge.digits != len(provider.code):
            message = f"must have as many digits as policy {readable(name)} asks for: {policy.challenge.digits}"
            yield (*path, "code"), message


def _client_warnings(client: Client, path: KeyPath) -> Iterator[Finding]:
    if any(len(secret.get_secret_value()) < SHORT_SECRET for secret in client.secret):
        message = f"is shorter than {SHORT_SECRET} characters and can be guessed from one packet; make it longer"
        yield (*path, "secret"), message
    if client.require_message_authenticator == "no":
        message = "no leaves this client open to forged answers (CVE-2024-3596); auto or yes is safer"
        yield (*path, "require_message_authenticator"), message
    for network in client.address:
        if network.prefixlen == 0:
            yield (*path, "address"), "takes in every address there is; write the gateway's"
        elif any(network.version == example.version and network.subnet_of(example) for example in DOCUMENTATION):  # type: ignore[arg-type]
            yield (*path, "address"), "is an address for documentation; put your gateway's here"


def _twilio_warnings(provider: TwilioVoice, path: KeyPath) -> Iterator[Finding]:
    if provider.account_sid == PLACEHOLDER_SID:
        yield (*path, "account_sid"), "is still the placeholder; put your account SID from the Twilio console here"
    for key, secret in (("auth_token", provider.auth_token), ("api_secret", provider.api_secret)):
        if secret and secret.get_secret_value() == PLACEHOLDER_SECRET:
            yield (*path, key), "is still the placeholder; put your own from the Twilio console in its place"
    if provider.from_.e164 == TEST_NUMBER:
        yield (*path, "from"), "is a number for tests that calls nobody; put one of your account's here"


def _unknown(what: str, name: str, known: Sequence[str]) -> str:
    return f"there is no such {what}{suggestion(name, known) or '; known are ' + (_list(known) or 'none')}"


def _list(names: Sequence[str]) -> str:
    return ", ".join(readable(name) for name in names)


def _loopback(host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    return address.is_loopback or address.is_unspecified
