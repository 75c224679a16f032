"""Approvals by key press, with radclient, pam_radius and `radius-voice login` as gateways that wait."""

import shutil
import subprocess

import pytest

from tests.support.pam_service import SECRET, pam_service, pamtester, require_pam
from tests.support.program_process import PROGRAM, TIMEOUT
from tests.support.provider_callbacks import callbacks_section
from tests.support.radclient import SIGNED, radclient
from tests.support.requirements import require
from tests.support.server_process import WorkersProcess

CONFIGURATION = f"""\
server: {{listen: ["udp://127.0.0.1:0"], workers: 2, reject_delay: 0.2s}}
clients:
  vpn:
    address: 127.0.0.1
    secret: "{SECRET}"
    second_factor: approve
    friendly_name: the office gateway
    response_timeout: 8s
    # pam_radius 2.0 sends no Message-Authenticator
    require_message_authenticator: no
  rd-gateway:
    address: 127.0.0.2
    secret: "{SECRET}"
    second_factor: approve
    response_timeout: 8s
    policy: gateway
    password_required: false
policies:
  default: {{reply: [{{set: {{Class: "OU=Staff"}}}}]}}
  gateway: {{first_factor: none, gateway_checks_password: true}}
"""


@pytest.fixture(scope="module")
def users(make_user):
    return [make_user() for _ in range(6)]


@pytest.fixture(scope="module")
def workers(simulator, tmp_path_factory, users):
    directory = tmp_path_factory.mktemp("approve")
    workers = WorkersProcess(directory, simulator, CONFIGURATION + callbacks_section(), users)
    yield workers
    assert 0 == workers.stop()


@pytest.fixture
def user(users):
    return users.pop()


@pytest.mark.peer("radclient")
@pytest.mark.parametrize(
    ("key", "code", "reason"), [("#", "Access-Accept", "approved"), ("9", "Access-Reject", "fraud_reported")]
)
def test_radclient_waits_for_the_key(workers, user, key, code, reason):
    require("radclient", shutil.which("radclient"))
    workers.simulator.set_phone(user.phone, keys=key)
    lines = f'User-Name = "{user.name}"', f'User-Password = "{user.password}"', 'Calling-Station-Id = "192.0.2.9"'
    received, attributes = radclient(workers, "auth", *lines, SIGNED, secret=SECRET)
    assert (code, key == "#") == (received, "Class" in attributes)
    (call,) = workers.simulator.calls(user.phone)
    assert call["said"].startswith("ACME VPN: someone is logging in to the office gateway from 192.0.2.9.")
    assert [reason] == workers.reasons(user)


@pytest.mark.peer("radclient")
def test_radclient_sends_no_password_as_remote_desktop_gateway(workers, user):
    require("radclient", shutil.which("radclient"))
    workers.simulator.set_phone(user.phone, keys="#")
    lines = f'User-Name = "{user.name}"', "Packet-Src-IP-Address = 127.0.0.2"
    assert "Access-Accept" == radclient(workers, "auth", *lines, SIGNED, secret=SECRET)[0]
    assert ["approved"] == workers.reasons(user)


@pytest.mark.peer("pam_radius")
def test_a_user_of_pam_logs_in_by_a_key(workers, user, tmp_path):
    require_pam()
    workers.simulator.set_phone(user.phone, keys="#")
    with pam_service(workers.ports[0], tmp_path) as service:
        terminal = pamtester(service, user.name)
        try:
            terminal.shown("Password: ")
            terminal.type(user.password)
            terminal.shown("successfully authenticated")
        finally:
            assert 0 == terminal.close()
    assert 1 == len(workers.simulator.calls(user.phone))
    assert ["approved"] == workers.reasons(user)


def test_the_command_login_waits_for_the_key(workers, user):
    workers.simulator.set_phone(user.phone, keys="#")
    ended = subprocess.run(
        [*PROGRAM, "login", f"127.0.0.1:{workers.ports[0]}", user.name],
        input=f"{user.password}\n",
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        env={"RADIUS_SECRET": SECRET},
    )
    assert (0, "Access-Accept\n") == (ended.returncode, ended.stdout)
    assert 1 == len(workers.simulator.calls(user.phone))
