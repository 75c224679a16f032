"""Runs radclient of FreeRADIUS."""

import re
import subprocess

from tests.support.radius_test_client import SECRET
from tests.support.server_process import ConfiguredUser, ServerProcess

SIGNED = "Message-Authenticator = 0x00"


def radclient(
    server: ServerProcess,
    command: str,
    *lines: str,
    secret: str = SECRET.decode(),
    attempts: int = 1,
    seconds: float = 10,
) -> tuple[str, dict[str, str]]:
    """The code and the attributes of the reply that radclient prints.

    `command` is `auth`, `status` or `acct`. It sends the same packet up to `attempts` times, and waits `seconds` for the reply each time.
    """
    port = server.ports[1 if command == "acct" else 0]
    ended = subprocess.run(
        ["radclient", "-x", "-r", str(attempts), "-t", str(seconds), f"127.0.0.1:{port}", command, secret],
        input="\n".join(lines) + "\n",
        capture_output=True,
        text=True,
        timeout=20,
    )
    reply = ended.stdout.partition("Received ")[2]
    assert reply, ended.stdout + ended.stderr
    return reply.split()[0], dict(re.findall(r"^\t([\w-]+) = (.*)$", reply, re.MULTILINE))


class RadclientGateway:
    """A VPN gateway that uses radclient, at one of the addresses that the server knows."""

    def __init__(self, server: ServerProcess, source: str, user: ConfiguredUser) -> None:
        self.server, self.source, self.user = server, source, user
        self.state: str | None = None

    def send(self, password: str, *, attempts: int = 1, seconds: float = 10) -> tuple[str, str]:
        """The code and the Reply-Message of the response to a password, or to a code in response to the challenge."""
        lines = [f'User-Name = "{self.user.name}"', f'User-Password = "{password}"', SIGNED]
        lines += [f"State = {self.state}"] if self.state else []
        lines += [f"Packet-Src-IP-Address = {self.source}"]
        code, attributes = radclient(self.server, "auth", *lines, attempts=attempts, seconds=seconds)
        self.state = attributes.get("State")
        return code, attributes.get("Reply-Message", "").strip('"')

    def start(self) -> tuple[str, str]:
        """The response to an initial request."""
        self.state = None
        return self.send(self.user.password)
