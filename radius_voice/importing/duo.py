"""Imports authproxy.cfg of the Duo Authentication Proxy."""

from __future__ import annotations

import re
import string
from pathlib import Path

from radius_voice.config.addresses import MAX_PORT, URL_HOST
from radius_voice.config.attributes import attribute_dictionary
from radius_voice.config.client_settings import DELIMITER
from radius_voice.config.errors import ConfigError
from radius_voice.importing.addresses import endpoint
from radius_voice.importing.duo_clients import (
    MISSING,
    PROTECTED,
    add_ad_client,
    add_comments,
    add_radius_client,
    passed_attributes,
)
from radius_voice.importing.ini import Section, parse
from radius_voice.importing.plan import Entry, Plan
from radius_voice.importing.source import read_text
from radius_voice.importing.words import readable_word

MODES = {
    "radius_server_auto": "",
    "radius_server_challenge": "",
    "radius_server_concat": "",
    "radius_server_duo_only": "the gateway has verified the password: users get a call and a challenge for the code",
    "radius_server_iframe": "has no web page: users get a call and a challenge for the code",
    "radius_server_eap": "EAP is not supported: let the gateway use PAP",
}
"""Sections of RADIUS servers, and how this server differs."""
AUTO = (
    "The Duo proxy kept the request until the user approved it. Here the gateway gets a challenge, and the user types "
    "the code. For gateways that cannot show one: two_pass (docs/two-pass.md) or approve (docs/approve.md)."
)
SERVER_NO_EQUAL = {
    "ikey": "is Duo's, and no longer needed",
    "skey": "is Duo's, and no longer needed",
    "skey_protected": "is Duo's, and no longer needed",
    "api_host": "is Duo's, and no longer needed",
    "api_port": "is Duo's, and no longer needed",
    "api_timeout": "has no equivalent: response_timeout says when the challenge is sent",
    "factors": "has no equivalent: `methods` of the policy has voice and sms",
    "allow_concat": "has no equivalent: second_factor of the client says how users log in",
    "concat_mode": "has no equivalent: second_factor of the client says how users log in",
    "delimited_password_length": "has no equivalent: the last delimiter separates password and code",
    "prompt_format": "has no equivalent: docs/wording.md describes the texts",
    "enroll_challenge": "has no equivalent: docs/enrolment.md describes how phones are added",
    "pw_codec": "has no equivalent: passwords are read in UTF-8, or else as they are",
    "debug": "has no equivalent: serve --debug prints packets",
    "http_ca_certs_file": "has no equivalent: ca_file of a provider replaces the system's certificates",
    "type": "is the kind of gateway, which `profile` may name",
    "iframe_script_uri": "has no equivalent: there is no web page",
    "script_inject": "has no equivalent: there is no web page",
}
OTHER_SECTIONS = {
    "main": "",
    "duo_only_client": "",
    "cloud": "has no equivalent: users are read from the directory at each login, and not synchronized",
    "sso": "has no equivalent: this server receives RADIUS only",
    "http_proxy": "has no equivalent: this server is no HTTP proxy",
    "ldap_server_auto": "has no equivalent: this server receives RADIUS only. Let the application use RADIUS",
}


def plan_from(path: Path) -> Plan:
    """The plan for a file. Raises ConfigError if it cannot be read or has no section of a RADIUS server."""
    sections = parse(read_text(path), path)
    servers = [section for section in sections.values() if _kind(section) in MODES]
    if not servers:
        raise ConfigError([f"{path}: has no section [radius_server_...], so nothing can be imported"])
    plan = Plan(path, "Duo Authentication Proxy")
    sources = _sources(plan, sections, servers)
    for server in servers:
        _add_server(plan, sections, server, sources, only=len(servers) == 1)
    _other_sections(plan, sections)
    _add_steps(plan)
    return plan.finish()


def _kind(section: Section) -> str:
    return section.name.rstrip("0123456789")


def _sources(plan: Plan, sections: dict[str, Section], servers: list[Section]) -> dict[str, Entry]:
    """The identity sources for the sections that verify passwords, by the names of these sections."""
    used = {_client_name(plan, sections, server) for server in servers}
    sources = {}
    for name, section in sections.items():
        if _kind(section) == "ad_client" and (name in used or section.text("search_dn")):
            sources[name] = add_ad_client(plan, section)
        elif _kind(section) == "radius_client" and name in used:
            sources[name] = add_radius_client(plan, section)
    return sources


def _client_name(plan: Plan, sections: dict[str, Section], server: Section) -> str:
    """The section that verifies passwords for a server; empty if the gateway does."""
    named = server.value("client")
    if _kind(server) == "radius_server_duo_only":
        return ""
    main = sections.get("main")
    kinds = ("ad_client", "radius_client", "duo_only_client")
    clients = [name for name, section in sections.items() if _kind(section) in kinds]
    name = (named.text if named else "").lower() or (main.text("client").lower() if main else "")
    name = name or (clients[0] if len(clients) == 1 else "")
    if not name or name not in clients:
        line = named.line if named else server.line
        raise ConfigError(
            [f"{plan.source}:{line}: [{server.name}] names no section that verifies passwords; set client"]
        )
    return "" if _kind(sections[name]) == "duo_only_client" else name


def _add_server(
    plan: Plan, sections: dict[str, Section], server: Section, sources: dict[str, Entry], *, only: bool
) -> None:
    origin = f"{plan.at(server.line)} [{server.name}]"
    short = server.name.removeprefix("radius_server_")
    policy = Entry("default" if only else plan.names.take(short), origin)
    source = sources.get(_client_name(plan, sections, server))
    directories = [entry.name for entry in sources.values() if entry.keys["type"] == "ldap"]
    own = source and source.keys["type"] == "ldap"
    directory = source.name if source and own else next(iter(directories), "") or plan.add_users_file()
    policy.keys = {"first_factor": source.name if source else "none", "directory": directory}
    if difference := MODES[_kind(server)]:
        policy.comments.append(f"[{server.name}]: {difference}.")
        plan.step(f"[{server.name}]: {difference}.")
    _failmode(plan, server, policy)
    _exemptions(plan, server, policy)
    keys = _client_keys(plan, server, policy, verified_here=source is not None)
    if not only:
        keys["policy"] = policy.name
    _add_gateways(plan, server, short, keys, policy)
    _proxy(plan, server)
    reply = passed_attributes(plan, server, policy)
    if reply and source and source.keys["type"] == "radius":
        source.keys["reply"] = list(dict.fromkeys([*source.keys.get("reply", []), *reply]))
    add_comments(plan, server, policy, SERVER_NO_EQUAL)
    plan.policies.append(policy)


def _failmode(plan: Plan, server: Section, policy: Entry) -> None:
    """Duo's default is safe: while its service cannot be reached, passwords are sufficient."""
    if server.text("failmode", "safe").lower() == "secure":
        policy.keys["on_delivery_failure"] = "reject"
        return
    text = "failmode=safe has no equivalent: while no provider can place calls, users are rejected"
    policy.comments.append(f"{text}. on_delivery_failure can accept them until a time within the next 240 minutes.")
    plan.step(
        f"[{server.name}]: {text}; docs/settings.md describes on_delivery_failure, and docs/delivery.md failover."
    )


def _exemptions(plan: Plan, server: Section, policy: Entry) -> None:
    users = [value.text for _, value in server.numbered("exempt_username") if value.text]
    if not users:
        return
    rule = [{"users": users, "reason": "exempt_username in authproxy.cfg"}]
    if policy.keys["first_factor"] == "none":
        policy.examples += [
            "gateway_checks_password: true",
            f"exemptions: [{{users: [...], reason: {rule[0]['reason']}}}]",
        ]
        text = "exempt users would be accepted without any check here"
        plan.step(f"[{server.name}]: {text}; add exemptions only if the gateway rejects wrong passwords.")
        return
    policy.keys["exemptions"] = rule


def _client_keys(plan: Plan, server: Section, policy: Entry, *, verified_here: bool) -> dict[str, object]:
    """The keys that all gateways of a server have."""
    keys: dict[str, object] = {}
    if verified_here and not server.is_true("force_message_authenticator"):
        keys["require_message_authenticator"] = "auto"
    if _kind(server) == "radius_server_auto" and verified_here:
        policy.comments.append(AUTO)
        plan.step(f"[{server.name}]: verify that the gateways show a challenge; else set second_factor: two_pass.")
    if _kind(server) == "radius_server_concat" and verified_here:
        keys |= {"second_factor": "two_pass"} | _delimiter(plan, server)
        example = f"password{keys.get('delimiter', DELIMITER)}code"
        plan.step(f"[{server.name}]: users log in twice: with the password, and after the call with {example}.")
    return keys | _address_attribute(plan, server)


def _delimiter(plan: Plan, server: Section) -> dict[str, str]:
    delimiter = server.text("delimiter") or server.text("delimeter")  # the Duo proxy accepts both spellings
    if delimiter in {"", DELIMITER}:
        return {}
    if len(delimiter) == 1 and delimiter in string.punctuation and delimiter not in "-.":
        return {"delimiter": delimiter}
    plan.step(f"[{server.name}]: the delimiter cannot be used here; it is a comma now.")
    return {}


def _address_attribute(plan: Plan, server: Section) -> dict[str, str]:
    name = server.text("client_ip_attr")
    if not name:
        return {}
    dictionary = attribute_dictionary()
    try:
        dictionary.address_attribute(name)
    except ValueError:
        text = f"client_ip_attr={readable_word(name)} is no attribute here; set calling_station_attribute yourself"
        plan.step(f"[{server.name}]: {text}, as docs/policy.md says for each kind of gateway.")
        return {}
    return {"calling_station_attribute": name}


def _add_gateways(plan: Plan, server: Section, short: str, keys: dict[str, object], policy: Entry) -> None:
    secrets = {number: value.text for number, value in server.numbered("radius_secret")}
    protected = dict(server.numbered("radius_secret_protected"))
    for number, value in server.numbered("radius_ip"):
        if not value.text:
            raise ConfigError([f"{plan.source}:{value.line}: radius_ip_{number} is empty; write the gateway's address"])
        entry = Entry(plan.names.take(f"{short}-{number}"), plan.at(value.line), dict(keys))
        plan.suggest_profile(entry, server.text("type"), server.name)
        secret = secrets.pop(number, "") or None
        plan.add_client(entry, [value.text], secret, PROTECTED if number in protected else MISSING)
    for number in secrets:
        policy.comments.append(f"radius_secret_{number}: there is no radius_ip_{number}.")
    try:
        address = server.text("interface", "0.0.0.0")
        plan.listen.append(endpoint(address, int(server.text("port", "1812"))))
    except ValueError:
        wrong = server.value("port") or server.value("interface")
        line = wrong.line if wrong else server.line
        raise ConfigError([f"{plan.source}:{line}: port or interface of [{server.name}] is not valid"]) from None


def _proxy(plan: Plan, section: Section) -> None:
    """The HTTP proxy to Duo's service is the one to Twilio."""
    host, port = section.text("http_proxy_host"), section.text("http_proxy_port", "80")
    if not host:
        return
    if not re.fullmatch(URL_HOST, host) or not port.isdecimal() or not 1 <= int(port[:6]) <= MAX_PORT:
        plan.step(f"[{section.name}]: http_proxy_host is not imported; set `proxy` of the provider yourself.")
        return
    plan.proxy = plan.proxy or f"http://{host}:{int(port)}"


def _other_sections(plan: Plan, sections: dict[str, Section]) -> None:
    if "main" in sections:
        _main(plan, sections["main"])
    for name, section in sections.items():
        kind = _kind(section)
        if kind in MODES or kind in {"ad_client", "radius_client"} or OTHER_SECTIONS.get(kind) == "":
            continue
        why = OTHER_SECTIONS.get(kind, "is not known, and was not imported")
        plan.notes.append(f"{plan.at(section.line)} [{readable_word(name)}]: {why}.")
        plan.step(f"[{readable_word(name)}]: {why}.")


def _main(plan: Plan, main: Section) -> None:
    _proxy(plan, main)
    address = main.text("interface")
    if address:
        plan.step(
            "[main] interface: replace 0.0.0.0 in server.listen by this address, if the server shall have only one."
        )
    main.text("client")
    kept = Entry("main", "")
    add_comments(
        plan, main, kept, dict.fromkeys(main.values, "has no equivalent: the sections `log` and `audit` are for this")
    )
    plan.notes += kept.comments


def _add_steps(plan: Plan) -> None:
    if any(entry.keys["type"] == "users_file" for entry in plan.identity):
        plan.step(
            "Add the users and their phones: radius-voice users import --file users.yaml TABLE. Duo keeps phones in "
            "its service, whose administrators can export them."
        )
    else:
        plan.step("Duo keeps phones in its service: compare them with those in the directory, which are called now.")
    plan.step("Duo's bypass codes, pushes and hardware tokens have no equivalent: users get a call, or a text message.")
