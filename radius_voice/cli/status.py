"""`status`: what the running service does."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from radius_voice.cli.common import aligned, config_option, json_option, state_option
from radius_voice.cli.running import exit_codes, state_directory, time_text

UNITS = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
Part = Mapping[str, Any]


@click.command()
@config_option
@state_option
@json_option
def status(path: Path, state: Path | None, as_json: bool) -> None:
    """Show the state of the running service."""
    from radius_voice import control
    from radius_voice.operations import STATUS
    from radius_voice.radius.values import printable

    with exit_codes():
        found = control.ask(state_directory(path, state), STATUS)
    if as_json:
        click.echo(json.dumps(found, indent=1))
    else:
        for line in _lines(found):
            click.echo(printable(line))
    if not found["healthy"]:
        raise click.exceptions.Exit(1)


def _lines(found: Part) -> Iterator[str]:
    yield f"radius-voice {found['version']}: {'healthy' if found['healthy'] else 'has problems'}"
    yield from (f"problem: {text}" for text in found["problems"])
    yield from (f"warning: {text}" for text in found["warnings"])
    yield ""
    yield from aligned([(name, text) for name, text in _facts(found)])
    yield ""
    yield from aligned([("provider", "type", "circuit breaker", "last result"), *_providers(found)])
    yield ""
    yield from aligned([("identity", "type", "server or file", "state"), *_identity(found)])


def _facts(found: Part) -> Iterator[tuple[str, str]]:
    yield "running since", f"{time_text(found['started_at'])} ({_duration(found['uptime'])})"
    yield "process", str(found["process"])
    yield "configuration", f"{found['config']}, generation {found['generation']}"
    yield "last reload", _reload(found["reload"])
    yield "listeners", ", ".join(_listeners(found))
    yield from ((f"worker {each['worker']}", _worker(each)) for each in found["workers"])
    yield "logins", _logins(found)
    yield "requests", f"{found['requests']['in_progress']} in progress, {found['requests']['held']} held"
    if found["store"] is not None:
        yield "store", f"{found['store']['type']}: {found['store']['problem'] or 'ok'}"
    if found["server_key"] is not None and found["server_key"]["replaced"]:
        yield "server.key", _server_key(found["server_key"])
    if found["audit"] is not None:
        yield "audit log", _audit(found["audit"])


def _logins(found: Part) -> str:
    text = f"{found['logins']['open']} open, calls live: {found['logins']['calls']}"
    return f"{text}, without those of providers that report by callbacks" if found["callbacks"] else text


def _reload(result: Part | None) -> str:
    if result is None:
        return "none since the start"
    text = f"{time_text(result['at'])}: {result['result']}"
    if result["errors"]:
        more = f", and {len(result['errors']) - 1} more errors" if len(result["errors"]) > 1 else ""
        return f"{text}: {result['errors'][0]}{more}"
    needed = ", ".join(result["needs_restart"])
    return f"{text}, needs a restart: {needed}" if needed else text


def _listeners(found: Part) -> Iterator[str]:
    for address in found["listen"]:
        yield "{} udp {} port {}".format("accounting" if address in found["accounting"] else "RADIUS", *address)
    yield "metrics {} port {}".format(*found["admin"])
    yield from (f"callbacks {host} port {port}" for host, port in found["callbacks"])


def _worker(worker: Part) -> str:
    if not worker["responds"]:
        return "does not respond"
    since, generation = time_text(worker["started_at"]), worker["generation"]
    return f"process {worker['process']}, since {since}, generation {generation}"


def _server_key(state: Part) -> str:
    replaced = " and ".join(state["replaced"])
    if state["needed"] is None:
        return f"not known whether {replaced} is still needed"
    if state["needed"]:
        return f"{replaced} is still needed: write both keys at every node, the new one first, and reload"
    return f"nothing depends on {replaced} any longer: remove it, with several nodes once each has loaded the first key"


def _audit(audit: Part) -> str:
    lost = f", {audit['failures']} failures since the start" if audit["failures"] else ""
    dropped = f", {audit['syslog_dropped']} records not sent to syslog" if audit["syslog_dropped"] else ""
    return f"{audit['path'] or 'standard output'}: {audit['problem'] or 'ok'}{lost}{dropped}"


def _providers(found: Part) -> Iterator[Sequence[str]]:
    for each in found["providers"]:
        yield each["name"], each["type"], each["circuit_breaker"], _result(each["last_result"], found["at"])


def _result(result: Part | None, now: float) -> str:
    if result is None:
        return "none since the start"
    detail = f": {result['detail']}" if result["detail"] else ""
    return f"{result['result']}, {_duration(now - result['at'])} ago{detail}"


def _identity(found: Part) -> Iterator[Sequence[str]]:
    for each in found["identity"]:
        servers = each["servers"] or [{"address": each["location"], "problem": each["problem"]}]
        for server in servers:
            yield each["name"], each["type"], server["address"], server["problem"] or "ok"


def _duration(seconds: float) -> str:
    """The two largest units of a duration, rounded down."""
    rest = max(0, int(seconds))
    parts: list[str] = []
    for unit, length in UNITS:
        count, rest = divmod(rest, length)
        if count or (unit == "s" and not parts):
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2])
