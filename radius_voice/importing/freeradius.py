"""Imports FreeRADIUS's clients.conf, of versions 2 and 3."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from radius_voice.config.errors import ConfigError
from radius_voice.importing.clients_conf import Block, Pair, parse
from radius_voice.importing.plan import Entry, Plan
from radius_voice.importing.source import read_text
from radius_voice.importing.words import readable_word

ADDRESS_KEYS = ("ipaddr", "ipv4addr", "ipv6addr")
KNOWN = {*ADDRESS_KEYS, "netmask", "secret", "shortname", "nas_type", "nastype", "proto", "limit_proxy_state"} | {
    "require_message_authenticator"
}
NO_EQUAL = {
    "virtual_server": "has no equivalent: policy says which users a gateway serves",
    "coa_server": "has no equivalent: this server sends no CoA-Request",
    "response_window": "has no equivalent for a client",
    "login": "has no equivalent: FreeRADIUS uses it to ask the gateway for open sessions",
    "password": "has no equivalent: FreeRADIUS uses it to ask the gateway for open sessions",
    "dynamic_clients": "has no equivalent: every gateway needs an entry",
    "lifetime": "has no equivalent: every gateway needs an entry",
}
TRUTH = {"yes": "yes", "true": "yes", "on": "yes", "1": "yes", "no": "no", "false": "no", "off": "no", "0": "no"}
VARIABLE = re.compile(r"\$ENV\{([A-Za-z0-9_][A-Za-z0-9_.@-]{0,254})\}")
EXPANDED = re.compile(r"\$\{|%\{|\$ENV\{")


def plan_from(path: Path) -> Plan:
    """The plan for a file. Raises ConfigError if it cannot be read or has no client."""
    root = parse(read_text(path), path)
    plan = Plan(path, "FreeRADIUS", listen=["udp://0.0.0.0:1812"])
    blocks = [*_clients(root)]
    if not blocks:
        raise ConfigError([f"{path}: has no section client NAME {{ ... }}, so nothing can be imported"])
    for block in blocks:
        _add_client(plan, block)
    _include_steps(plan, root)
    for block in root.blocks:
        if block.kind not in {"client", "clients"}:
            plan.notes.append(f"{plan.at(block.line)}: the section {readable_word(block.kind)} is not imported.")
    _add_users(plan)
    return plan.finish()


def _clients(block: Block) -> Iterator[Block]:
    """The sections of clients, also those in `clients NAME { ... }`."""
    for each in block.blocks:
        if each.kind == "client":
            yield each
        elif each.kind == "clients":
            yield from _clients(each)


def _include_steps(plan: Plan, block: Block) -> None:
    for pair in block.pairs:
        if pair.key == "$include":
            file = readable_word(pair.value)
            plan.step(f"{plan.at(pair.line)} includes {file}, which was not read: import it too if it has clients.")
    for each in block.blocks:
        _include_steps(plan, each)


def _add_client(plan: Plan, block: Block) -> None:
    shortname = block.last("shortname")
    addresses = [*_addresses(block)]
    names_address = not any(block.last(key) for key in ADDRESS_KEYS)
    name = shortname.value if shortname and names_address else block.name
    entry = Entry(plan.names.take(name), f"{plan.at(block.line)} client {readable_word(block.name)}")
    _tcp(entry, block.last("proto"))
    entry.keys |= _signatures(entry, block)
    for pair in block.pairs:
        if pair.key not in KNOWN:
            reason = NO_EQUAL.get(pair.key, "is not known, and was not imported")
            entry.comments.append(f"{plan.at(pair.line)} {_key(pair)}: {reason}.")
    for inner in block.blocks:
        entry.comments.append(f"{plan.at(inner.line)} {readable_word(inner.kind)} {{ }}: has no equivalent.")
    kind = block.last("nas_type", "nastype")
    plan.suggest_profile(entry, kind.value if kind else "", entry.name)
    secret = block.last("secret")
    variable = VARIABLE.fullmatch(secret.value) if secret else None
    if variable:
        entry.keys["secret"] = {"env": variable[1]}
    known = secret and not EXPANDED.search(secret.value)
    why = "the secret is a variable, which is not read here" if secret else "the client has no secret"
    plan.add_client(entry, addresses, secret.value if secret and known else None, why)


def _key(pair: Pair) -> str:
    return readable_word(pair.key) if pair.key in NO_EQUAL or pair.key.isidentifier() else "(a key)"


def _addresses(block: Block) -> Iterator[str]:
    """The addresses of a client; before version 2 its name was the address."""
    pairs = [pair for key in ADDRESS_KEYS if (pair := block.last(key))]
    mask = block.last("netmask")
    for pair in pairs:
        if pair.value == "*":
            yield "::/0" if pair.key == "ipv6addr" else "0.0.0.0/0"
        else:
            yield f"{pair.value}/{mask.value}" if mask and "/" not in pair.value else pair.value
    if not pairs:
        yield block.name


def _tcp(entry: Entry, proto: Pair | None) -> None:
    if proto and proto.value.lower() not in {"udp", "*"}:
        entry.usable = False
        entry.comments.append(f"proto = {readable_word(proto.value)}: this server receives RADIUS over UDP only.")


def _signatures(entry: Entry, block: Block) -> dict[str, str]:
    """The keys about Message-Authenticator. FreeRADIUS's default is auto, or no before 3.0.27 and 3.2.5."""
    required = block.last("require_message_authenticator")
    value = required.value.lower() if required else "auto"
    keys = {"require_message_authenticator": TRUTH.get(value, "auto")}
    if TRUTH.get(value) == "no":
        keys["require_message_authenticator"] = "auto"
        text = "auto instead of no requires one as soon as a login with one was completed (CVE-2024-3596)"
        entry.comments.append(f"require_message_authenticator: {text}.")
    limited = block.last("limit_proxy_state")
    if limited and limited.value.lower() in {*TRUTH, "auto"}:
        keys["limit_proxy_state"] = TRUTH.get(limited.value.lower(), "auto")
    return keys


def _add_users(plan: Plan) -> None:
    plan.add_users_file()
    plan.step(
        "clients.conf has no users. Add them with their phones: radius-voice users import --file users.yaml TABLE. "
        "Or let FreeRADIUS verify passwords as before: docs/upstream-radius.md."
    )
