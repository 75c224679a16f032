"""A PAM service that uses pam_radius, and programs on a pseudo-terminal that use it.

PAM reads services only from /etc/pam.d, so this needs root. The service has a unique name and is removed.
"""

import os
import pty
import re
import secrets
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.program_process import TIMEOUT
from tests.support.requirements import require

SECRET = "the-secret-of-this-host"
AUTH = "auth required pam_radius_auth.so conf=/etc/pam_radius_auth.conf\n"
SERVERS = "/etc/pam_radius_auth.conf"
MODULES = [*Path("/lib").glob("*/security/pam_radius_auth.so"), *Path("/usr/lib").glob("*/security/pam_radius_auth.so")]


def require_pam() -> None:
    """Skip, or fail where peers are required, without pam_radius, pamtester and root."""
    require("pam_radius, pamtester and root", MODULES and shutil.which("pamtester") and os.geteuid() == 0)


@contextmanager
def pam_service(port: int, directory: Path, *, auth: str = AUTH, timeout: int = 10) -> Iterator[str]:
    """The name of a PAM service that uses the server at a port of loopback.

    `auth` are its auth lines, in which SERVERS is replaced. pam_radius waits `timeout` seconds, at least 3.
    """
    servers = directory / "pam_radius.conf"
    servers.write_text(f"127.0.0.1:{port} {SECRET} {timeout}\n")
    servers.chmod(0o600)
    name = f"radius-voice-test-{secrets.token_hex(4)}"
    path = Path("/etc/pam.d") / name
    others = "account required pam_permit.so\nsession required pam_permit.so\n"
    path.write_text(auth.replace(SERVERS, str(servers)) + others)
    try:
        yield name
    finally:
        path.unlink()


class Terminal:
    """A command on a pseudo-terminal that controls it, as ssh and sudo need."""

    def __init__(self, *command: object) -> None:
        self._master, slave = pty.openpty()
        own_terminal = ["setsid", "--ctty", "--wait", *map(str, command)]
        self.process = subprocess.Popen(own_terminal, stdin=slave, stdout=slave, stderr=slave, close_fds=True)
        os.close(slave)
        self._shown = ""

    def shown(self, pattern: str) -> str:
        """Wait for a match of `pattern` in the output. The output up to it is consumed."""
        over = time.monotonic() + TIMEOUT
        while not (found := re.search(pattern, self._shown)):
            ready, _, _ = select.select([self._master], [], [], max(0.0, over - time.monotonic()))
            try:
                octets = os.read(self._master, 4096) if ready else b""
            except OSError:  # Linux reports a closed pseudo-terminal with EIO
                octets = b""
            assert octets, f"no {pattern!r} in {self._shown!r}"
            self._shown += octets.decode()
        self._shown = self._shown[found.end() :]
        return str(found[0])

    def type(self, text: str) -> None:
        os.write(self._master, f"{text}\n".encode())

    def close(self) -> int:
        """Wait for the end of the command. Its exit code."""
        try:
            return self.process.wait(TIMEOUT)
        finally:
            self.process.kill()
            self.process.wait()
            os.close(self._master)


def pamtester(service: str, user: str) -> Terminal:
    """pamtester, which authenticates a user by a PAM service."""
    return Terminal("pamtester", service, user, "authenticate")
