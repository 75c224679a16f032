"""docs/gateways/pam-radius.md: logins by sshd and by sudo with the page's configuration."""

import os
import pwd
import secrets
import shutil
import socket
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.docs.pages import blocks
from tests.support.network import LOOPBACK
from tests.support.other_user import OTHER_USER
from tests.support.pam_service import SECRET, Terminal, pam_service, require_pam
from tests.support.requirements import require
from tests.support.sshd_server import LOGGED_IN, SshdServer

pytestmark = pytest.mark.peer("pam_radius")
PAGE = "docs/gateways/pam-radius.md"
CONFIGURATION = f"""\
server: {{listen: ["udp://127.0.0.1:0"], reject_delay: 0.2s}}
clients:
  build-host: {{address: 127.0.0.1, secret: "{SECRET}", require_message_authenticator: no}}
"""


@pytest.fixture
def root(make_user):
    return make_user("root")


@pytest.fixture
def other(make_user):
    return make_user(OTHER_USER)


@pytest.fixture
def server(start_server, root, other):
    require_pam()
    with start_server(CONFIGURATION, [root, other]) as server:
        yield server


@pytest.fixture
def service(server, tmp_path):
    (auth,) = blocks(PAGE, "pam")
    with pam_service(server.ports[0], tmp_path, auth=auth) as name:
        yield name


@contextmanager
def sshd_server(service, directory):
    (options,) = blocks(PAGE, "sshd")
    sshd = SshdServer(directory, service, options)
    try:
        yield sshd
    finally:
        sshd.close()


@pytest.fixture
def sshd(service, tmp_path):
    with sshd_server(service, tmp_path) as sshd:
        yield sshd


@pytest.fixture
def sshd_without_server(tmp_path):
    """sshd with a PAM service whose RADIUS server receives requests and does not respond."""
    require_pam()
    (auth,) = blocks(PAGE, "pam")
    with socket.socket(type=socket.SOCK_DGRAM) as receiver:
        receiver.bind((LOOPBACK, 0))
        port = receiver.getsockname()[1]
        with pam_service(port, tmp_path, auth=auth, timeout=3) as name, sshd_server(name, tmp_path) as sshd:
            yield sshd


@pytest.fixture
def sudo(service, other):
    """`sudo` of OTHER_USER with the PAM service, on a terminal."""
    require("sudo and root", shutil.which("sudo") and os.geteuid() == 0)
    rules = Path("/etc/sudoers.d") / f"radius-voice-test-{secrets.token_hex(4)}"
    rules.write_text(f"Defaults:{other.name} pam_service={service}, timestamp_timeout=0\n{other.name} ALL=(ALL) ALL\n")
    rules.chmod(0o440)
    account = pwd.getpwnam(other.name)
    own_rights = ["setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"]
    terminal = Terminal(*own_rights, "sudo", "-k", "/bin/echo", LOGGED_IN)
    try:
        yield terminal
    finally:
        rules.unlink()
        terminal.process.kill()
        terminal.close()


def calling(user):
    return f"ACME VPN is calling your phone ending in {user.phone[-2:]}. Enter the code you hear:"


def test_a_login_by_ssh_asks_for_password_and_code(server, sshd, root):
    terminal = sshd.log_in(root.name)
    try:
        terminal.shown(r"\(root@127\.0\.0\.1\) Password: ")
        terminal.type(root.password)
        terminal.shown(calling(root))
        terminal.type(server.simulator.code(root.phone))
        terminal.shown(LOGGED_IN)
    finally:
        code = terminal.close()
    assert 0 == code
    assert 1 == len(server.simulator.calls(root.phone))
    assert ["call_placed", "code_correct"] == server.reasons(root)
    assert {"127.0.0.1"} == {record["calling_station_id"] for record in server.audit(kind="request", user=root.name)}


def test_a_wrong_code_by_ssh_is_asked_for_again_in_the_same_login(server, sshd, root):
    terminal = sshd.log_in(root.name)
    try:
        terminal.shown("Password: ")
        terminal.type(root.password)
        terminal.shown(calling(root))
        code = server.simulator.code(root.phone)
        terminal.type(f"{(int(code) + 1) % 10**6:06}")
        terminal.shown("Wrong code, 2 attempts left. Enter the code you heard:")
        terminal.type(code)
        terminal.shown(LOGGED_IN)
    finally:
        assert 0 == terminal.close()
    assert 1 == len(server.simulator.calls(root.phone))


def test_ssh_lets_no_user_in_when_the_server_does_not_respond(sshd_without_server, root):
    terminal = sshd_without_server.log_in(root.name)
    try:
        terminal.shown("Password: ")
        terminal.type(root.password)
        assert LOGGED_IN not in terminal.shown("(?s).*Password: ")
    finally:
        terminal.process.kill()
        assert 0 != terminal.close()


def test_sudo_asks_for_password_and_code(server, sudo, other):
    sudo.shown(rf"\[sudo\] password for {other.name}: ")
    sudo.type(other.password)
    sudo.shown(calling(other))
    sudo.type(server.simulator.code(other.phone))
    sudo.shown(LOGGED_IN)
    assert ["call_placed", "code_correct"] == server.reasons(other)
    assert {None} == {record.get("calling_station_id") for record in server.audit(kind="request", user=other.name)}
