"""Runs radclient of FreeRADIUS."""

import re
import subprocess

from tests.support.radius_test_client import SECRET
from tests.support.server_process import ServerProcess

SIGNED = "Message-Authenticator = 0x00"


def radclient(
    server: ServerProcess, command: str, *lines: str, secret: str = SECRET.decode()
) -> tuple[str, dict[str, str]]:
    """The code and the attributes of the reply that radclient prints."""
    ended = subprocess.run(
        ["radclient", "-x", "-r", "1", "-t", "10", f"127.0.0.1:{server.ports[0]}", command, secret],
        input="\n".join(lines) + "\n",
        capture_output=True,
        text=True,
        timeout=20,
    )
    reply = ended.stdout.partition("Received ")[2]
    assert reply, ended.stdout + ended.stderr
    return reply.split()[0], dict(re.findall(r"^\t([\w-]+) = (.*)$", reply, re.MULTILINE))
