"""`simulate-twilio`: only the simulator."""

from __future__ import annotations

import asyncio
import math
import signal
from typing import Any

import click

from radius_voice.cli.common import run
from radius_voice.config.addresses import MAX_PORT

ACCOUNT = "AC" + "0" * 32


class Range(click.FloatRange):
    """A range of numbers, without nan, which is neither less nor greater than its ends."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number; ends the command, by click.BadParameter, with the range when it is outside."""
        number: float = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value} is not in the range {self._describe_range()}.", param, ctx)
        return number


@click.command("simulate-twilio")
@click.option(
    "--listen", required=True, metavar="HOST:PORT", help="A loopback address and a port; port 0 selects a free port."
)
@click.option(
    "--latency",
    type=Range(0, 3600),
    metavar="SECONDS",
    default=0.0,
    show_default=True,
    help="How long placing a call or sending a text message takes, from 0 to 3600.",
)
@click.option(
    "--fail-rate",
    type=Range(0, 1),
    metavar="FRACTION",
    default=0.0,
    show_default=True,
    help="Share of calls and text messages, from 0 to 1, that get HTTP 500; half have an effect nevertheless.",
)
@click.option("--account-sid", metavar="SID", default=ACCOUNT, show_default=True, help="The simulated account.")
@click.option(
    "--auth-token", metavar="TEXT", default="simulated-token", show_default=True, help="The account's auth token."
)
def simulate_twilio(listen: str, latency: float, fail_rate: float, account_sid: str, auth_token: str) -> None:
    """Run a simulator of Twilio's API on loopback.

    It places no real calls and sends no text messages. GET /simulator/calls returns what phones heard,
    GET /simulator/messages what they received, and GET /simulator/verifications the codes of Verify.
    """
    host, _, port = listen.rpartition(":")
    if host not in ("127.0.0.1", "[::1]", "localhost") or not port.isdigit() or int(port) > MAX_PORT:
        raise click.BadParameter("write a loopback address and a port, like 127.0.0.1:4010", param_hint="--listen")
    run(_simulate(host.strip("[]"), int(port), latency, fail_rate, account_sid, auth_token))


async def _simulate(host: str, port: int, latency: float, fail_rate: float, account: str, token: str) -> None:
    from radius_voice.config.addresses import Endpoint
    from radius_voice.endpoints import LISTEN_OPTION, cannot_bind
    from radius_voice.simulator.server import Simulator

    simulator = Simulator(account, token, latency=latency, fail_rate=fail_rate)
    try:
        bound = await simulator.start(host, port)
    except OSError as problem:
        raise click.ClickException(cannot_bind(LISTEN_OPTION, Endpoint(host, port), problem)) from None
    shown = f"[{host}]" if ":" in host else host
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, over.set)
    url = f"http://{shown}:{bound}"
    click.echo(
        f"simulated Twilio on {url}; what phones heard: {url}/simulator/calls; text messages: {url}/simulator/messages"
    )
    await over.wait()
    await simulator.stop()
