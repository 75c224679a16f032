"""Imports the XML that `netsh nps export` writes: clients, ports, and the servers that requests are forwarded to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from radius_voice.config.addresses import MAX_PORT
from radius_voice.config.errors import ConfigError
from radius_voice.importing.addresses import networks_of
from radius_voice.importing.plan import Entry, Plan
from radius_voice.importing.source import read_octets
from radius_voice.importing.words import readable_word
from radius_voice.importing.xml_tree import Element, parse

MAX_OCTETS = 1 << 24
SERVICE = "Microsoft_Internet_Authentication_Service"
NPS_SERVER = "192.0.2.20"
"""A placeholder for the address of the NPS server."""
PORTS = {"listen": ("1812", "1645"), "accounting": ("1813", "1646")}
MAX_SERVERS = 8
MAX_LISTED = 40
FORWARDS = "2"
"""The value of msAuthProviderType in a connection request policy that forwards requests to other RADIUS servers."""
NOT_EXPORTED = "the file has no secret; export it with exportPSK=YES"


def plan_from(path: Path) -> Plan:
    """The plan for a file. Raises ConfigError if it cannot be read or has no client."""
    root = parse(read_octets(path, MAX_OCTETS), path)
    service = next((each for each in root.descendants() if each.tag == SERVICE and each.child("Children")), None)
    if service is None:
        raise ConfigError([f"{path}:1: is no export of NPS: it has no element {SERVICE}"])
    clients = _clients(service)
    if not clients:
        raise ConfigError([f"{path}:{service.line}: NPS has no RADIUS clients, so nothing can be imported"])
    plan = Plan(path, "Network Policy Server")
    _ports(plan, service)
    for client in clients:
        _add_client(plan, client)
    _add_sources(plan, service)
    _policies(plan, service)
    return plan.finish()


def _collection(service: Element, tag: str) -> list[Element]:
    """The children of the collection with that tag, wherever it is below the service."""
    for each in service.descendants():
        if each.tag == tag and each.child("Children"):
            return each.below("Children")
    return []


def _clients(service: Element) -> list[Element]:
    return _collection(service, "Clients")


def _property(element: Element, tag: str) -> str:
    return next((each.text.strip() for each in element.below("Properties") if each.tag == tag), "")


def _secret(element: Element, tag: str) -> str | None:
    return next((each.text for each in element.below("Properties") if each.tag == tag and each.text), None)


def _ports(plan: Plan, service: Element) -> None:
    """The ports of server.listen and server.accounting. NPS writes them as `1812,1645`, after addresses if limited."""
    protocol = next((each for each in service.descendants() if each.tag == "Microsoft_Radius_Protocol"), service)
    for key, tag in (("listen", "Authentication_Port"), ("accounting", "Accounting_Port")):
        text = _property(protocol, tag)
        plain = re.fullmatch(r"[0-9]{1,5}(,[0-9]{1,5})*", text)
        ports = [int(port) for port in (text.split(",") if plain else PORTS[key])]
        endpoints = [f"udp://0.0.0.0:{port}" for port in dict.fromkeys(ports) if 1 <= port <= MAX_PORT]
        if text and not plain:
            plan.step(f"{tag} has addresses too: compare server.{key} with the ports of NPS.")
        setattr(plan, key, endpoints)


def _add_client(plan: Plan, client: Element) -> None:
    name = client.name or client.tag
    entry = Entry(plan.names.take(name), f"{plan.at(client.line)} {_name(client)}")
    if _property(client, "Radius_Client_Enabled") == "0":
        entry.usable = False
        entry.comments.append("The client is disabled in NPS.")
    required = _property(client, "Require_Signature") == "1"
    entry.keys["require_message_authenticator"] = "yes" if required else "auto"
    vendor = _property(client, "NAS_Manufacturer")
    plan.suggest_profile(entry, name, vendor=int(vendor) if re.fullmatch("[0-9]{1,9}", vendor) else 0)
    plan.add_client(entry, [_property(client, "IP_Address")], _secret(client, "Shared_Secret"), NOT_EXPORTED)


def _add_sources(plan: Plan, service: Element) -> None:
    """Add the identity sources that verify passwords: NPS itself, or the servers that it forwards all requests to."""
    groups = _collection(service, "RADIUS_Server_Groups")
    providers = {_property(profile, "msAuthProviderType") for profile in _collection(service, "Proxy_Profiles")}
    sources = []
    if providers == {FORWARDS}:
        sources = [entry for group in groups if (entry := _group(plan, group))]
    else:
        plan.notes += [f"{plan.at(each.line)}: NPS forwards to {_name(each)} as before." for each in groups]
    first, *others = sources or [_nps(plan)]
    plan.identity += [first, *others]
    plan.policies.append(Entry("default", "", {"first_factor": first.name, "directory": plan.add_users_file()}))
    for other in others:
        plan.step(f"The policy default uses {first.name}: write another policy for {other.name}, if it is used.")
    plan.step(
        "Add the users and their phones: radius-voice users import --file users.yaml TABLE. Or read them from Active "
        "Directory: docs/active-directory.md."
    )


def _name(element: Element) -> str:
    return readable_word(element.name or element.tag)


def _nps(plan: Plan) -> Entry:
    """NPS as the upstream that verifies passwords, so that its network policies apply as before."""
    entry = Entry(plan.names.take("nps"), "")
    entry.keys = {
        "type": "radius",
        "servers": [NPS_SERVER],
        "secret": plan.secret(entry.name, None, "NPS has no shared secret for this server yet"),
    }
    entry.comments.append(f"Placeholder: replace {NPS_SERVER} by the address of the NPS server.")
    entry.examples.append("reply: [Class, Filter-Id]   # attributes of NPS's Access-Accept for the gateway")
    plan.step(
        f"{entry.name}: write the address of the NPS server in place of {NPS_SERVER}. Add this server to NPS as a "
        "RADIUS client, and allow PAP in the network policies."
    )
    return entry


def _group(plan: Plan, group: Element) -> Entry | None:
    """The identity source for a group of remote RADIUS servers; None if it has no server with an address."""
    entry = Entry(plan.names.take(group.name or group.tag), f"{plan.at(group.line)} {_name(group)}")
    servers, secrets = [], []
    for server in _servers(group):
        address, port = _property(server, "Address"), _property(server, "Server_Authentication_Port") or "1812"
        try:
            (network,) = networks_of(address)
        except ValueError as problem:
            plan.step(f"{entry.name} ({plan.at(server.line)}): {problem}.")
            continue
        host = str(network.network_address)
        servers.append(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
        secrets.append(_secret(server, "Authentication_Secret"))
    if not servers:
        return None
    if len(set(secrets)) > 1 or len(servers) > MAX_SERVERS:
        text = f"has one secret for all servers, and at most {MAX_SERVERS}: compare them with those of the group"
        plan.step(f"{entry.name}: an identity source {text}.")
    reference = plan.secret(entry.name, secrets[0], NOT_EXPORTED)
    entry.keys = {"type": "radius", "servers": list(dict.fromkeys(servers))[:MAX_SERVERS], "secret": reference}
    return entry


def _servers(group: Element) -> Iterator[Element]:
    """The servers of a group: elements with an address, wherever they are below it."""
    return (each for each in group.descendants() if _property(each, "Address"))


def _policies(plan: Plan, service: Element) -> None:
    """Comments about NPS's own policies. Their conditions are not shown: there are too many kinds of them."""
    for tag, kind in (("Proxy_Policies", "connection request policy"), ("NetworkPolicy", "network policy")):
        listed = _collection(service, tag)
        for policy in listed[:MAX_LISTED]:
            state = " (disabled)" if _property(policy, "Policy_Enabled") == "0" else ""
            plan.notes.append(f"{plan.at(policy.line)}: the {kind} {_name(policy)}{state} has no equivalent.")
        if len(listed) > MAX_LISTED:
            plan.notes.append(f"{len(listed) - MAX_LISTED} more of this kind are not listed.")
        if listed:
            plan.step(f"No {kind} ({len(listed)}) has an equal here; NPS applies it while it is the upstream.")
