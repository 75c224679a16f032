"""What gateways get while users are in PostgreSQL, and it is stopped, restarted, or does not respond."""

import signal
import time

import pytest

from radius_voice.identity.sql import tables
from radius_voice.identity.sql.database import Database
from radius_voice.login.model import StoredUser, User
from radius_voice.login.phone import Phone
from radius_voice.radius import packet as radius
from tests.identity.sql.conftest import SECONDS, settings_of
from tests.support import server_process
from tests.support.polling import wait_until
from tests.support.postgresql_server import PASSWORD

pytestmark = pytest.mark.peer("postgresql")
USERS_FILE = "  people: {type: users_file, path: users.yaml}\n"
CONFIGURATION = """\
server: {listen: ["udp://127.0.0.1:0"], reject_delay: 0.2s}
clients:
  gateway: {address: 127.0.0.1, secret: a shared secret of the tests, policy: staff, response_timeout: 1s}
  other: {address: 127.0.0.2, secret: a shared secret of the tests, policy: office}
  two-pass: {address: 127.0.0.3, secret: a shared secret of the tests, policy: staff, second_factor: two_pass}
policies:
  staff: {first_factor: staff, directory: staff}
  office: {first_factor: people, directory: people}
"""


@pytest.fixture
def user(make_user):
    return make_user(password="größe 🔑 100 %, x")


@pytest.fixture
def colleague(make_user):
    return make_user()


@pytest.fixture
def server(start_server, postgresql, user, colleague, monkeypatch, tmp_path):
    """A server whose gateway at 127.0.0.1 has users in PostgreSQL, and the one at 127.0.0.2 in a users file."""
    url = postgresql.new_database()
    database = Database("identity.staff", settings_of(tmp_path, url=url, password=PASSWORD), tables.prepare)

    def add(connection):
        tables.insert(connection, [StoredUser(User("", user.name, (Phone(user.phone),)), user.hashed)], 0.0)
        connection.commit()

    database.run_blocking(add, SECONDS)
    database.close(SECONDS)
    section = f"  staff: {{type: sql, url: '{url}', password: '{PASSWORD}'}}\n"
    base = server_process.BASE_CONFIGURATION.replace(USERS_FILE, USERS_FILE + section)
    monkeypatch.setattr(server_process, "BASE_CONFIGURATION", base)
    with start_server(CONFIGURATION, [colleague]) as server:
        yield server


def log_in(server, user, source="127.0.0.1"):
    """A complete login through a gateway."""
    gateway = server.client(source)
    challenge = gateway.start_login(user)
    assert radius.ACCESS_CHALLENGE == challenge.code
    return gateway.respond(user, challenge, server.simulator.code(user.phone)).code


def gets_no_response(server, user):
    """Send a login that the server cannot decide; the step of its audit record that says why."""
    before = len(server.audit(outcome="no_response"))
    gateway = server.client()
    gateway.send(gateway.initial_request(user))
    wait_until(lambda: len(server.audit(outcome="no_response")) > before, "the login is given up")
    assert gateway.received_nothing()
    return server.audit(outcome="no_response")[-1]["steps"][-1]["detail"]


def accepted_again(server, user):
    """Whether a gateway that retries logs its user in."""
    gateway = server.client()
    gateway.sock.settimeout(1.5)
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        try:
            challenge = gateway.start_login(user)
        except TimeoutError:
            continue
        return radius.ACCESS_ACCEPT == gateway.respond(user, challenge, server.simulator.code(user.phone)).code
    return False


def test_users_in_postgresql_log_in(server, user):
    assert radius.ACCESS_ACCEPT == log_in(server, user)
    assert ["call_placed", "code_correct"] == server.reasons(user)


def test_a_user_whose_password_has_a_comma_logs_in_by_two_passes(server, user):
    gateway = server.client("127.0.0.3")
    assert radius.ACCESS_REJECT == gateway.start_login(user).code
    typed = f"{user.password},{server.simulator.code(user.phone)}"
    assert radius.ACCESS_ACCEPT == gateway.exchange([(radius.USER_NAME, user.name.encode())], typed).code
    assert ["call_placed", "code_correct"] == server.reasons(user)


def test_a_gateway_gets_no_response_while_the_database_does_not_respond(server, user, colleague, postgresql):
    with postgresql.suspended():
        refused = "tried again every"  # the step of a login for which the database is not asked
        wait_until(lambda: refused in gets_no_response(server, user), "a login is refused at once")
        assert radius.ACCESS_ACCEPT == log_in(server, colleague, "127.0.0.2")
    assert accepted_again(server, user)
    assert [] == server.simulator.calls(user.phone)[1:], "one call"


def test_a_gateway_gets_no_response_while_the_database_is_stopped(server, user, postgresql):
    assert radius.ACCESS_ACCEPT == log_in(server, user)
    postgresql.stop()
    try:
        gets_no_response(server, user)
        (record,) = server.audit(outcome="no_response")
        assert "identity.staff" in str(record)
    finally:
        postgresql.start()
    assert accepted_again(server, user)


def test_a_restart_between_password_and_code_is_not_noticed(server, user, postgresql):
    gateway = server.client()
    challenge = gateway.start_login(user)
    postgresql.stop()
    postgresql.start()
    code = server.simulator.code(user.phone)
    assert radius.ACCESS_ACCEPT == gateway.respond(user, challenge, code).code


def test_a_reload_opens_the_source_while_the_database_is_stopped(server, user, postgresql):
    postgresql.stop()
    try:
        server.path.write_text(server.path.read_text().replace("type: sql,", "type: sql, connections: 2,"))
        server.send_signal(signal.SIGHUP)
        server.wait_for_line("reloaded", server.stderr)
    finally:
        postgresql.start()
    assert accepted_again(server, user)
