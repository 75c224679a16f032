"""Logins in two passes by radclient, pam_radius and `radius-voice login`."""

import shutil
import subprocess

import pytest

from tests.support.pam_service import SECRET, pam_service, pamtester, require_pam
from tests.support.program_process import PROGRAM, TIMEOUT
from tests.support.radclient import SIGNED, radclient
from tests.support.requirements import require

CONFIGURATION = f"""\
server: {{listen: ["udp://127.0.0.1:0"], reject_delay: 0.2s}}
clients:
  vpn:
    address: 127.0.0.1
    secret: "{SECRET}"
    second_factor: two_pass
    # pam_radius 2.0 sends no Message-Authenticator
    require_message_authenticator: no
policies:
  default: {{reply: [{{set: {{Class: "OU=Staff"}}}}]}}
"""


@pytest.fixture(scope="module")
def users(make_user):
    return [make_user() for _ in range(6)]


@pytest.fixture(scope="module")
def server(start_server, users):
    with start_server(CONFIGURATION, users) as server:
        yield server


@pytest.fixture
def user(users):
    return users.pop()


def asked(user):
    return f"ACME VPN is calling your phone ending in {user.phone[-2:]}. Log in again with password,code"


@pytest.mark.peer("radclient")
def test_radclient_logs_in_by_two_passes(server, user):
    require("radclient", shutil.which("radclient"))
    name, station = f'User-Name = "{user.name}"', 'Calling-Station-Id = "192.0.2.9"'

    def log_in(password):
        return radclient(server, "auth", name, station, f'User-Password = "{password}"', SIGNED, secret=SECRET)

    code, attributes = log_in(user.password)
    assert ("Access-Reject", f'"{asked(user)}"') == (code, attributes["Reply-Message"])
    assert {"Reply-Message", "Message-Authenticator"} == set(attributes)
    spoken = server.simulator.code(user.phone)
    wrong = f"{(int(spoken) + 1) % 10**6:06}"
    code, attributes = log_in(f"{user.password},{wrong}")
    assert ("Access-Reject", '"Wrong code, 2 attempts left. Log in again with password,code"') == (
        code,
        attributes["Reply-Message"],
    )
    code, attributes = log_in(f"{user.password},{spoken}")
    assert ("Access-Accept", "0x" + b"OU=Staff".hex()) == (code, attributes["Class"])
    assert 1 == len(server.simulator.calls(user.phone))
    assert ["call_placed", "wrong_code", "code_correct"] == server.reasons(user)


@pytest.mark.peer("pam_radius")
def test_a_user_logs_in_by_two_passes_of_pam(server, user, tmp_path):
    require_pam()
    with pam_service(server.ports[0], tmp_path) as service:
        terminal = pamtester(service, user.name)
        try:
            terminal.shown("Password: ")
            terminal.type(user.password)
            assert "Log in again" not in terminal.shown("(?s).*Authentication failure"), (
                "pam_radius shows no reject's text"
            )
        finally:
            assert 0 != terminal.close()
        terminal = pamtester(service, user.name)
        try:
            terminal.shown("Password: ")
            terminal.type(f"{user.password},{server.simulator.code(user.phone)}")
            terminal.shown("successfully authenticated")
        finally:
            assert 0 == terminal.close()
    assert 1 == len(server.simulator.calls(user.phone))
    assert ["call_placed", "code_correct"] == server.reasons(user)


def test_the_command_login_logs_in_by_two_passes(server, user):
    def log_in(password):
        return subprocess.run(
            [*PROGRAM, "login", f"127.0.0.1:{server.ports[0]}", user.name],
            input=f"{password}\n",
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            env={"RADIUS_SECRET": SECRET},
        )

    first = log_in(user.password)
    assert (1, f"Access-Reject {asked(user)}\n") == (first.returncode, first.stdout)
    second = log_in(f"{user.password},{server.simulator.code(user.phone)}")
    assert (0, "Access-Accept\n") == (second.returncode, second.stdout)
