"""The sections of authproxy.cfg that verify passwords: ad_client and radius_client."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_address

from radius_voice.config.attributes import attribute_problem
from radius_voice.config.checks import is_loopback
from radius_voice.config.errors import ConfigError
from radius_voice.importing.ini import Section, Value
from radius_voice.importing.plan import Entry, Plan
from radius_voice.importing.words import readable_word

HOST = re.compile(r"[A-Za-z0-9._-]+")
ATTRIBUTE = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
DUO_PORTS = {"389": "636", "3268": "3269"}
"""Ports of Active Directory without TLS, and those with TLS."""
UNKNOWN_SERVER = "192.0.2.20"
"""A placeholder for the address of a server."""
PROTECTED = "the secret is encrypted in authproxy.cfg and cannot be read"
MISSING = "authproxy.cfg has no secret"
MAX_SERVERS = 8
NO_EQUAL = {
    "auth_type": "has no equivalent: users and the service account are verified by a simple bind over TLS",
    "ntlm_domain": "has no equivalent: users and the service account are verified by a simple bind over TLS",
    "ntlm_workstation": "has no equivalent: users and the service account are verified by a simple bind over TLS",
    "timeout": "has no equivalent: `timeout` here is how long one server may take",
    "ssl_verify_depth": "has no equivalent",
    "domain_discovery": "has no equivalent: servers are listed",
    "is_logging_insecure": "has no equivalent: no message is logged",
    "debug": "has no equivalent: serve --debug prints packets",
    "retries": "has no equivalent: initial_timeout and max_timeout say when a request is sent again",
    "retry_wait": "has no equivalent: initial_timeout and max_timeout say when a request is sent again",
    "nas_ip": "has no equivalent: the upstream gets NAS-IP-Address of the gateway",
    "pw_codec": "has no equivalent: passwords are sent in UTF-8",
}


def add_ad_client(plan: Plan, section: Section) -> Entry:
    """Add the identity source of type `ldap` for a section. Raises ConfigError if a key is missing."""
    entry = Entry(plan.names.take(section.name), f"{plan.at(section.line)} [{section.name}]")
    entry.keys = {"type": "ldap", "server_type": "active_directory", "servers": _ldap_servers(plan, section, entry)}
    if section.text("transport").lower() == "starttls":
        entry.keys["start_tls"] = True
    entry.keys |= _service_account(plan, section, entry)
    entry.keys["base"] = _required(plan, section, "search_dn")
    _add_filter(plan, section, entry)
    _certificates(plan, section, entry)
    entry.keys["phones"] = ["mobile", "telephoneNumber"]
    entry.examples.append("default_region: US   # the country of numbers without a country code")
    plan.step(
        f"{entry.name}: phones are read from the attributes mobile and telephoneNumber; change `phones` if needed."
    )
    add_comments(plan, section, entry, NO_EQUAL)
    plan.identity.append(entry)
    return entry


def add_radius_client(plan: Plan, section: Section) -> Entry:
    """Add the identity source of type `radius` for a section."""
    entry = Entry(plan.names.take(section.name), f"{plan.at(section.line)} [{section.name}]")
    secret = section.text("secret") or None
    why = PROTECTED if section.value("secret_protected") else MISSING
    entry.keys = {
        "type": "radius",
        "servers": _radius_servers(plan, section, entry),
        "secret": plan.secret(entry.name, secret, why),
    }
    reply = passed_attributes(plan, section, entry)
    if reply:
        entry.keys["reply"] = reply
    text = "requires a Message-Authenticator in responses (CVE-2024-3596); no allows servers that send none"
    entry.examples.append("require_message_authenticator: no   # only for servers that send none (CVE-2024-3596)")
    plan.step(f"{entry.name}: radius-voice {text}.")
    add_comments(plan, section, entry, NO_EQUAL)
    plan.identity.append(entry)
    return entry


def add_comments(plan: Plan, section: Section, entry: Entry, reasons: dict[str, str]) -> None:
    """Add a comment for each key that was not imported. Values are not shown: an unknown key may hold a secret."""
    for key, value in section.not_read():
        shown = key if key in reasons or re.fullmatch(r"[a-z_]{1,40}(_[0-9]{1,3})?", key) else "(a key)"
        entry.comments.append(
            f"{plan.at(value.line)} {shown}: {reasons.get(key, 'is not known, and was not imported')}."
        )


def passed_attributes(plan: Plan, section: Section, entry: Entry) -> list[str]:
    """The attributes of pass_through_attr_names that a response can have."""
    names = [name.strip() for name in section.text("pass_through_attr_names").split(",") if name.strip()]
    problems = {name: attribute_problem(name, salted=True) for name in names}
    for name, problem in problems.items():
        if problem:
            entry.comments.append(f"pass_through_attr_names: {readable_word(name)}: {problem}.")
    if section.is_true("pass_through_all"):
        entry.examples.append("reply: [Class, Filter-Id]")
        plan.step(
            f"{entry.name}: pass_through_all has no equivalent; list the attributes in `reply`, as the example does."
        )
    return [name for name in dict.fromkeys(names) if not problems[name]]


def _required(plan: Plan, section: Section, key: str) -> str:
    text = section.text(key)
    if not text:
        value = section.value(key)
        line = value.line if value else section.line
        raise ConfigError([f"{plan.source}:{line}: [{section.name}] has no {key}, so it cannot be imported"])
    return text


def _hosts(plan: Plan, section: Section) -> Iterator[tuple[str, Value]]:
    """The keys `host`, `host_1`, `host_2` and so on, as their numbers, with their values."""
    first = section.value("host")
    hosts: list[tuple[str, Value]] = [("", first)] if first and first.text else []
    hosts += [(f"_{number}", value) for number, value in section.numbered("host") if value.text]
    if not hosts:
        _required(plan, section, "host")
    yield from hosts


def _ldap_servers(plan: Plan, section: Section, entry: Entry) -> list[str]:
    transport = section.text("transport", "clear").lower()
    port = section.text("port")
    servers = []
    for _, value in _hosts(plan, section):
        host = _ldap_host(plan, value)
        if transport == "starttls" or (transport == "clear" and is_loopback(value.text)):
            servers.append(f"ldap://{host}{_port(plan, section, port)}")
        else:
            with_tls = DUO_PORTS.get(port, port) if transport == "clear" else port
            servers.append(f"ldaps://{host}{_port(plan, section, with_tls if with_tls != '636' else '')}")
    if transport == "clear" and any(server.startswith("ldaps:") for server in servers):
        text = "authproxy.cfg has no TLS to the directory, and radius-voice requires it"
        entry.comments.append(f"{text}: servers have ldaps://.")
        plan.step(f"{entry.name}: {text}; verify that the servers accept LDAPS, or write ldap:// and start_tls: true.")
    return list(dict.fromkeys(servers))


def _ldap_host(plan: Plan, value: Value) -> str:
    if HOST.fullmatch(value.text):
        return value.text
    try:
        return f"[{ip_address(value.text)}]"
    except ValueError:
        raise ConfigError([f"{plan.source}:{value.line}: the host is not a name or an address; correct it"]) from None


def _port(plan: Plan, section: Section, text: str) -> str:
    """`:PORT`, or nothing for an empty text. Raises ConfigError if it is no port."""
    if not text:
        return ""
    if not re.fullmatch("[0-9]{1,5}", text) or not 1 <= int(text) <= 65535:  # noqa: PLR2004 - the range of ports
        value = section.value("port")
        raise ConfigError(
            [f"{plan.source}:{value.line if value else section.line}: the port is not a number of a port"]
        )
    return f":{int(text)}"


def _service_account(plan: Plan, section: Section, entry: Entry) -> dict[str, object]:
    user = section.text("service_account_username")
    bind_dn = section.text("bind_dn")
    plain = section.text("auth_type").lower() == "plain"
    password = section.text("service_account_password") or None
    protected = section.value("service_account_password_protected")
    name = bind_dn if plain and bind_dn else user
    if not name:
        text = "authproxy.cfg has no service account; write bind_dn and bind_password, unless searches are anonymous"
        entry.comments.append(f"{text}.")
        plan.step(f"{entry.name}: {text}.")
        return {}
    if not {"=", "@", "\\"} & set(name):
        domain = ".".join(re.findall(r"(?i)\bdc=([^,]+)", section.text("search_dn")))
        name = f"{name}@{domain}"
        entry.comments.append("bind_dn: the domain of the service account was taken from search_dn.")
    why = PROTECTED if protected else MISSING
    return {"bind_dn": name, "bind_password": plan.password(entry.name, password, why)}


def _add_filter(plan: Plan, section: Section, entry: Entry) -> None:
    """Add user_filter, if the section does not find users by the default filter for Active Directory."""
    group, extra = section.text("security_group_dn"), section.text("ldap_filter")
    names = (section.text("username_attribute", "sAMAccountName"), section.text("at_attribute", "userPrincipalName"))
    if not all(map(ATTRIBUTE.fullmatch, names)):
        raise ConfigError([f"{plan.source}:{section.line}: an attribute in [{section.name}] is not a name"])
    if extra and (not extra.startswith("(") or extra.count("(") != extra.count(")")):
        extra = ""
        plan.step(f"{entry.name}: ldap_filter is not in parentheses; add it to user_filter yourself.")
    if names == ("sAMAccountName", "userPrincipalName") and not group and not extra:
        return
    found = "".join(f"({name}={{user}})" for name in dict.fromkeys(names))
    member = f"(memberOf={_escaped(group)})" if group else ""
    entry.keys["user_filter"] = f"(&(objectCategory=person)(objectClass=user)(|{found}){extra}{member})"
    if group:
        entry.comments.append("user_filter: only members of security_group_dn are found, and others are unknown users.")


def _escaped(text: str) -> str:
    """A value in an LDAP filter (RFC 4515 section 3)."""
    return re.sub(r"[\\*()]", lambda found: f"\\{ord(found[0]):02x}", text)


def _certificates(plan: Plan, section: Section, entry: Entry) -> None:
    if section.text("ssl_ca_certs_file"):
        entry.examples.append("ca_file: ldap-ca.pem")
        text = "copy the file of ssl_ca_certs_file beside the configuration as ldap-ca.pem, and set ca_file"
        plan.step(f"{entry.name}: {text}; without it, the system's certificates are trusted.")
    if section.value("ssl_verify_hostname") and not section.is_true("ssl_verify_hostname"):
        text = "ssl_verify_hostname=false has no equivalent: certificates and their names are verified"
        entry.comments.append(f"{text}.")
        plan.step(f"{entry.name}: {text}; write the names of the servers as their certificates have them.")


def _radius_servers(plan: Plan, section: Section, entry: Entry) -> list[str]:
    servers = []
    for suffix, value in _hosts(plan, section):
        port = _port(plan, section, section.text(f"port{suffix}", "1812"))
        try:
            address = ip_address(value.text)
        except ValueError:
            text = f"{readable_word(value.text)} ({plan.at(value.line)}) is a name, and servers are addresses"
            entry.comments.append(f"{text}; {UNKNOWN_SERVER} is a placeholder.")
            plan.step(f"{entry.name}: {text}; write its address in place of {UNKNOWN_SERVER}.")
            address = ip_address(UNKNOWN_SERVER)
        servers.append(f"[{address}]{port}" if address.version == 6 else f"{address}{port}")  # noqa: PLR2004 - IPv6
    if len(servers) > MAX_SERVERS:
        plan.step(f"{entry.name}: only the first {MAX_SERVERS} servers are imported.")
    return list(dict.fromkeys(servers))[:MAX_SERVERS]
