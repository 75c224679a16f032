"""`login`: an interactive RADIUS client."""

from __future__ import annotations

import re
import socket
import sys
from ipaddress import ip_address
from math import ceil

import click

from radius_voice.cli.common import run
from radius_voice.config.addresses import MAX_PORT
from radius_voice.radius import packet as radius
from radius_voice.radius.packet import Attribute, Packet
from radius_voice.radius.password import decode_text
from radius_voice.radius_client import NoReply, RadiusClient, Timers

PORT = 1812
MIN_TRANSMISSIONS = 5
"""Transmissions of a request, besides one for each second: more than the timeout allows."""


@click.command()
@click.argument("server")
@click.argument("user")
@click.option(
    "--secret",
    envvar="RADIUS_SECRET",
    metavar="TEXT",
    help="The shared secret. The environment variable RADIUS_SECRET is safer.",
)
@click.option(
    "--calling-station-id",
    metavar="TEXT",
    default="",
    help="Calling-Station-Id, usually the user's address. Default: none is sent.",
)
@click.option(
    "--timeout", metavar="SECONDS", default=30.0, show_default=True, help="How long to wait for each response."
)
def login(server: str, user: str, secret: str | None, calling_station_id: str, timeout: float) -> None:
    """Log in as USER at a RADIUS server.

    SERVER is HOST or HOST:PORT. Asks for the password and for each code; without a terminal, reads them from standard
    input, one a line.
    """
    host, port = _address(server)
    if not secret and not sys.stdin.isatty():
        raise click.ClickException(
            "no shared secret, and no terminal to ask for it; put it into the environment variable RADIUS_SECRET, "
            'for example: RADIUS_SECRET="$(cat FILE)"'
        )
    shared = secret or click.prompt("Shared secret", hide_input=True, err=True)
    client = RadiusClient(
        host, port, shared.encode(), Timers(transmissions=MIN_TRANSMISSIONS + ceil(timeout), total=timeout)
    )
    attributes: list[Attribute] = [(radius.USER_NAME, user.encode()), (32, socket.gethostname().encode()[:253])]
    if calling_station_id:
        attributes.append((radius.CALLING_STATION_ID, calling_station_id.encode()))
    password = _asked("Password", hide=True)
    reply = _exchange(client, attributes, password)
    while reply.code == radius.ACCESS_CHALLENGE:
        state = reply.first(radius.STATE) or b""
        text = decode_text(b"".join(reply.every(radius.REPLY_MESSAGE))) or "Answer"
        click.echo("Access-Challenge")
        typed = _asked(_printable(text).rstrip(": "))
        reply = _exchange(client, [*attributes, (radius.STATE, state)], typed)
    message = _printable(decode_text(b"".join(reply.every(radius.REPLY_MESSAGE))))
    if reply.code == radius.ACCESS_ACCEPT:
        click.echo(f"Access-Accept {message}".rstrip())
    else:
        click.echo(f"Access-Reject {message}".rstrip())
        raise click.exceptions.Exit(1)


def _asked(question: str, *, hide: bool = False) -> str:
    """The answer from the terminal, or else the next line of standard input."""
    if sys.stdin.isatty():
        answer: str = click.prompt(question, hide_input=hide, err=True)
        return answer
    click.echo(f"{question}:", err=True)
    line = sys.stdin.readline()
    if not line:
        raise click.ClickException("standard input has no further line for this answer")
    return line.rstrip("\r\n")


def _exchange(client: RadiusClient, attributes: list[Attribute], password: str) -> Packet:
    async def exchange() -> Packet:
        try:
            return (await client.request(attributes, password.encode())).packet
        finally:
            client.close()  # each `run` has another event loop

    try:
        return run(exchange())
    except (NoReply, ValueError) as problem:
        raise click.ClickException(str(problem)) from None


def _address(server: str) -> tuple[str, int]:
    bracketed = re.fullmatch(r"\[(.+)\](?::(\d+))?", server) or re.fullmatch(r"([^:]+):(\d+)", server)
    host, port = (bracketed[1], bracketed[2] or PORT) if bracketed else (server, PORT)
    try:
        host = str(ip_address(host))
    except ValueError:
        try:
            host = str(socket.getaddrinfo(host, None, type=socket.SOCK_DGRAM)[0][4][0])
        except (OSError, UnicodeError):  # the latter for a label that IDNA does not allow
            raise click.ClickException(f"{host}: no such host") from None
    if not 0 < int(port) <= MAX_PORT:
        raise click.ClickException(f"{server}: not a port; write HOST or HOST:PORT")
    return host, int(port)


def _printable(text: str) -> str:
    """A server's text without control characters."""
    return "".join(character if character.isprintable() else " " for character in text)
