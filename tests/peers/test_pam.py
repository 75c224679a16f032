"""pam_radius as sshd and sudo use it: password, prompt, code, accepted.

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
from pathlib import Path

import pytest

from tests.support.program_process import TIMEOUT
from tests.support.requirements import require

pytestmark = pytest.mark.peer("pam_radius")

CONFIGURATION = """\
server: {listen: ["udp://127.0.0.1:0"], reject_delay: 0.2s}
clients:
  # pam_radius 2.0 sends no Message-Authenticator
  host: {address: 127.0.0.1, secret: "the-secret-of-this-host", require_message_authenticator: no}
"""
MODULES = [*Path("/lib").glob("*/security/pam_radius_auth.so"), *Path("/usr/lib").glob("*/security/pam_radius_auth.so")]


@pytest.fixture
def user(make_user):
    return make_user("root")  # an account that every machine has, if a module were to look


@pytest.fixture
def server(start_server, user):
    require("pam_radius, pamtester and root", MODULES and shutil.which("pamtester") and os.geteuid() == 0)
    with start_server(CONFIGURATION, [user]) as server:
        yield server


@pytest.fixture
def service(server, tmp_path):
    """The name of a PAM service that uses this server."""
    servers = tmp_path / "pam_radius.conf"
    servers.write_text(f"127.0.0.1:{server.ports[0]} the-secret-of-this-host 10\n")
    servers.chmod(0o600)
    name = f"radius-voice-test-{secrets.token_hex(4)}"
    path = Path("/etc/pam.d") / name
    path.write_text(
        f"auth required pam_radius_auth.so conf={servers} client_id={name}\naccount required pam_permit.so\n"
    )
    yield name
    path.unlink()


class Terminal:
    """pamtester on a pseudo-terminal."""

    def __init__(self, service, user):
        self._master, slave = pty.openpty()
        self.process = subprocess.Popen(
            ["pamtester", service, user, "authenticate"], stdin=slave, stdout=slave, stderr=slave, close_fds=True
        )
        os.close(slave)
        self._shown = ""

    def shown(self, pattern):
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
        return found[0]

    def type(self, text):
        os.write(self._master, f"{text}\n".encode())

    def close(self):
        try:
            return self.process.wait(TIMEOUT)
        finally:
            self.process.kill()
            self.process.wait()
            os.close(self._master)


def test_a_login_by_pam_asks_for_the_code_with_our_prompt(server, service, user):
    terminal = Terminal(service, user.name)
    try:
        terminal.shown("Password: ")
        terminal.type(user.password)
        terminal.shown(f"ACME VPN is calling your phone ending in {user.phone[-2:]}. Enter the code you hear:")
        terminal.type(server.simulator.code(user.phone))
        terminal.shown("successfully authenticated")
    finally:
        code = terminal.close()
    assert 0 == code
    assert 1 == len(server.simulator.calls(user.phone))
    assert ["call_placed", "code_correct"] == server.reasons(user)


def test_a_wrong_code_by_pam_is_asked_for_again(server, service, user):
    terminal = Terminal(service, user.name)
    try:
        terminal.shown("Password: ")
        terminal.type(user.password)
        terminal.shown("Enter the code you hear:")
        code = server.simulator.code(user.phone)
        terminal.type(f"{(int(code) + 1) % 10**6:06}")
        terminal.shown("Wrong code, 2 attempts left. Enter the code you heard:")
        terminal.type(code)
        terminal.shown("successfully authenticated")
    finally:
        assert 0 == terminal.close()


def test_a_wrong_password_by_pam_is_refused(server, service, user):
    terminal = Terminal(service, user.name)
    try:
        terminal.shown("Password: ")
        terminal.type("not the password")
        terminal.shown("Authentication failure")
    finally:
        assert 0 != terminal.close()
    assert [] == server.simulator.calls(user.phone)
