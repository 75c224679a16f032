"""`clients`: what each gateway sends."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from radius_voice.cli.common import aligned, config_option, json_option, loaded, state_option

HEADINGS = ("client", "address", "last seen", "requests", "signed", "proxied", "methods", "repeats", "discarded")
Row = Mapping[str, Any]


@click.command()
@config_option
@state_option
@json_option
def clients(path: Path, state: Path | None, as_json: bool) -> None:
    """Show what each gateway sends, and what stricter settings would discard.

    Reads what the service has written, which is up to ten seconds old.
    """
    from radius_voice.exceptions import message_of
    from radius_voice.operations import traffic
    from radius_voice.radius.values import printable

    try:
        found = traffic.clients(loaded(path, state=state).settings)
    except (OSError, ValueError) as problem:
        raise click.ClickException(message_of(problem)) from None
    if as_json:
        click.echo(json.dumps(found, indent=1))
        return
    for line in _lines(found):
        click.echo(printable(line))


def _lines(found: Mapping[str, Any]) -> Iterator[str]:
    if found["clients"]:
        yield from aligned([HEADINGS, *map(_cells, found["clients"])])
    for name in found["never_seen"]:
        yield f"{name}: no packet was received from this client; packets of the last 10 s may be missing"
    for row in found["clients"]:
        yield from (f"{row['client']} {_address(row)}: {text}" for text in row["findings"])


def _cells(row: Row) -> tuple[str, ...]:
    requests = row["requests"]
    signed = requests - row["without_message_authenticator"]
    interval = f", {row['retransmission_interval']:g} s" if row["retransmission_interval"] else ""
    return (
        row["client"],
        _address(row),
        row["last_seen"],
        str(requests),
        _share(signed, requests),
        _share(row["with_proxy_state"], requests),
        _counts(row["methods"]),
        f"{row['retransmissions']}{interval}",
        _counts(row["discards"]),
    )


def _address(row: Row) -> str:
    return row["address"] or "(other addresses)"


def _share(part: int, whole: int) -> str:
    """The share of the requests as a word or number: all, none, or how many."""
    if not whole:
        return "-"
    return {0: "none", whole: "all"}.get(part, str(part))


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items()) or "-"
