"""A PAM service that uses pam_radius, and pamtester.

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
from tests.support.server_process import ServerProcess

SECRET = "the-secret-of-this-host"
MODULES = [*Path("/lib").glob("*/security/pam_radius_auth.so"), *Path("/usr/lib").glob("*/security/pam_radius_auth.so")]


def require_pam() -> None:
    """Skip, or fail where peers are required, without pam_radius, pamtester and root."""
    require("pam_radius, pamtester and root", MODULES and shutil.which("pamtester") and os.geteuid() == 0)


@contextmanager
def pam_service(server: ServerProcess, directory: Path, secret: str = SECRET) -> Iterator[str]:
    """The name of a PAM service that uses this server."""
    servers = directory / "pam_radius.conf"
    servers.write_text(f"127.0.0.1:{server.ports[0]} {secret} 10\n")
    servers.chmod(0o600)
    name = f"radius-voice-test-{secrets.token_hex(4)}"
    path = Path("/etc/pam.d") / name
    path.write_text(
        f"auth required pam_radius_auth.so conf={servers} client_id={name}\naccount required pam_permit.so\n"
    )
    try:
        yield name
    finally:
        path.unlink()


class Terminal:
    """pamtester on a pseudo-terminal."""

    def __init__(self, service: str, user: str) -> None:
        self._master, slave = pty.openpty()
        self.process = subprocess.Popen(
            ["pamtester", service, user, "authenticate"], stdin=slave, stdout=slave, stderr=slave, close_fds=True
        )
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
        """Wait for the end of pamtester. Its exit code."""
        try:
            return self.process.wait(TIMEOUT)
        finally:
            self.process.kill()
            self.process.wait()
            os.close(self._master)
