"""`demo`: a login from end to end on this machine, in twenty seconds."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from radius_voice.cli import speaker
from radius_voice.cli.common import callable_phone, run
from radius_voice.resources import shipped

if TYPE_CHECKING:
    from radius_voice.login.phone import Phone
    from radius_voice.radius.packet import Packet
    from radius_voice.radius_client import RadiusClient
    from radius_voice.simulator.server import Simulator

USER, PASSWORD, LANGUAGE = "alice", "correct horse", "en"
SECRET = "demo secret on loopback only"  # noqa: S105 - as config/demo.yaml writes it
SIMULATED = "http://127.0.0.1:4010"
LISTEN = "udp://127.0.0.1:1812"
ACCOUNT = "AC" + "0" * 32
TOKEN = "demo token of the simulator"  # noqa: S105 - as config/demo.yaml writes it
TWILIO = ("TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "TWILIO_FROM")


@click.command()
@click.option("--call", "number", metavar="+NUMBER", help="Call your own phone, with your Twilio account.")
@click.option("--speak", is_flag=True, help="Play what the simulated phone says, through espeak-ng.")
def demo(number: str | None, speak: bool) -> None:
    """Show a login on this machine, with a simulated phone.

    Without a terminal it enters the code itself. --call needs the account in the environment variables
    TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN and TWILIO_FROM.
    """
    from radius_voice.radius_client import NoReply
    from radius_voice.service.service import CannotStart

    phone = None
    if speak:
        if number is not None:
            raise click.UsageError("--speak is for the simulated phone; with --call your own phone speaks")
        speaker.require_program()
    if number is not None:
        phone = callable_phone(number)
        missing = [name for name in TWILIO if not os.environ.get(name)]
        if missing:
            raise click.ClickException(f"--call needs your Twilio account in the environment: {', '.join(missing)}")
        if not sys.stdin.isatty():
            raise click.ClickException("--call needs a terminal: you hear the code and type it")
    try:
        accepted = run(_demo(phone, speak))
    except (CannotStart, NoReply) as problem:
        raise click.ClickException(str(problem)) from None
    if not accepted:
        raise click.exceptions.Exit(1)


async def _demo(phone: Phone | None, speak: bool) -> bool:
    click.echo("A VPN login, on this machine: a gateway, radius-voice, and a phone.\n")
    with tempfile.TemporaryDirectory(prefix="radius-voice-demo-") as folder:
        async with _demo_service(Path(folder), phone) as (client, simulator):
            return await _log_in(client, simulator, speak)


@asynccontextmanager
async def _demo_service(folder: Path, phone: Phone | None) -> AsyncIterator[tuple[RadiusClient, Simulator | None]]:
    """A running server: the gateway's client, and the simulator unless a real phone is called."""
    from radius_voice.observe.log import Log, configure
    from radius_voice.radius_client import RadiusClient
    from radius_voice.service.service import Service, start
    from radius_voice.simulator.server import Simulator
    from radius_voice.wiring.adapters import load

    simulator = None if phone else Simulator(ACCOUNT, TOKEN, latency=0.2)
    port = await simulator.start("127.0.0.1", 0) if simulator else 0
    # With a real account, a warning says why Twilio placed no call.
    log = Log(configure("warning" if phone else "error", "text", sys.stderr), time.monotonic)
    service: Service | None = None
    client: RadiusClient | None = None
    try:
        service = await start(path := _configuration(folder, port, phone), load(path), log)
        client = RadiusClient("127.0.0.1", service.ports[0], SECRET.encode())
        yield client, simulator
    finally:
        if client is not None:
            client.close()
        if service is not None:
            await service.stop()
        if simulator is not None:
            await simulator.stop()


def _configuration(folder: Path, port: int, phone: Phone | None) -> Path:
    """The sample configuration with free ports, and with a real account and phone for `--call`."""
    text = (shipped("config") / "demo.yaml").read_text()
    users = (shipped("config") / "users.yaml").read_text()
    text = text.replace(LISTEN, "udp://127.0.0.1:0").replace('audit: {path: "-"}', "admin: {listen: 127.0.0.1:0}")
    if phone is None:
        text = text.replace(SIMULATED, f"http://127.0.0.1:{port}")
    else:
        text = "".join(line for line in text.splitlines(keepends=True) if "base_url" not in line)
        text = text.replace(ACCOUNT, os.environ["TWILIO_ACCOUNT_SID"])
        text = text.replace(TOKEN, "{env: TWILIO_AUTH_TOKEN}").replace("+15005550006", os.environ["TWILIO_FROM"])
        users = users.replace("+14155550123", phone.text)
    path = folder / "radius-voice.yaml"
    for target, content in ((path, text), (folder / "users.yaml", users)):
        target.write_text(content)
        target.chmod(0o600)
    return path


async def _log_in(client: RadiusClient, simulator: Simulator | None, speak: bool) -> bool:
    from radius_voice.radius import packet as radius

    _line("gateway", "Access-Request", f"{USER} and her password")
    reply = (await client.request([(radius.USER_NAME, USER.encode())], PASSWORD.encode())).packet
    last_speech = ""
    while reply.code == radius.ACCESS_CHALLENGE:
        speech, code = _last_call(simulator)
        is_new = speech != last_speech  # every call speaks another code
        if is_new:
            _line("phone", "rings and says", f"“{speech}”")
        last_speech = speech
        _line("radius-voice", "Access-Challenge", f"“{_text(reply)}”")
        typed = await (_typed_while_speaking(speech, code) if speak and is_new else _typed(code))
        _line("gateway", "Access-Request", "the code")
        state = reply.first(radius.STATE) or b""
        answer = [(radius.USER_NAME, USER.encode()), (radius.STATE, state)]
        reply = (await client.request(answer, typed.encode())).packet
    accepted = reply.code == radius.ACCESS_ACCEPT
    _line(
        "radius-voice", "Access-Accept" if accepted else "Access-Reject", f"{USER} is in" if accepted else _text(reply)
    )
    if accepted:
        click.echo("\nNext: radius-voice init DIR writes a configuration for your own gateway.")
    return accepted


def _last_call(simulator: Simulator | None) -> tuple[str, str]:
    """The speech of the latest simulated call, and the code in it."""
    if simulator is None:
        return "", ""
    history = simulator.calls_to()
    return (history[-1]["said"], history[-1]["code"]) if history else ("", "")


async def _typed(code: str) -> str:
    """The code as typed at the terminal; without a terminal, the code of the call."""
    if not sys.stdin.isatty():
        click.echo(f"{'':>14}  no terminal here, so the demo types the code itself: {code}")
        return code
    answer: str = await asyncio.to_thread(click.prompt, "\nThe code you hear")
    click.echo()
    return answer


async def _typed_while_speaking(speech: str, code: str) -> str:
    """The code as typed while the speech is played; without a terminal, the code of the call, after the speech."""
    async with speaker.playing(speech, LANGUAGE) as played:
        if not sys.stdin.isatty():
            await played
        return await _typed(code)


def _line(party: str, event: str, detail: str) -> None:
    click.echo(f"{party:>14}  {event:<17} {detail}")


def _text(reply: Packet) -> str:
    from radius_voice.radius.packet import REPLY_MESSAGE

    return (reply.first(REPLY_MESSAGE) or b"").decode()
