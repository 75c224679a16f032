"""pam_radius as sshd and sudo use it: password, prompt, code, accepted."""

import pytest

from tests.support.pam_service import SECRET, pam_service, pamtester, require_pam

pytestmark = pytest.mark.peer("pam_radius")

CONFIGURATION = f"""\
server: {{listen: ["udp://127.0.0.1:0"], reject_delay: 0.2s}}
clients:
  # pam_radius 2.0 sends no Message-Authenticator
  host: {{address: 127.0.0.1, secret: "{SECRET}", require_message_authenticator: no}}
"""


@pytest.fixture
def user(make_user):
    return make_user("root")  # an account that every machine has, if a module were to look


@pytest.fixture
def server(start_server, user):
    require_pam()
    with start_server(CONFIGURATION, [user]) as server:
        yield server


@pytest.fixture
def service(server, tmp_path):
    with pam_service(server.ports[0], tmp_path) as name:
        yield name


def test_a_login_by_pam_asks_for_the_code_with_our_prompt(server, service, user):
    terminal = pamtester(service, user.name)
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
    terminal = pamtester(service, user.name)
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
    terminal = pamtester(service, user.name)
    try:
        terminal.shown("Password: ")
        terminal.type("not the password")
        terminal.shown("Authentication failure")
    finally:
        assert 0 != terminal.close()
    assert [] == server.simulator.calls(user.phone)
