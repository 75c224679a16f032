"""Logins of users in an LDAP directory, through the real program."""

import json

import pytest
from click.testing import CliRunner

from radius_voice.cli.main import main
from radius_voice.radius import packet as radius
from tests.support.slapd_server import BASE, READER, READER_PASSWORD, RELAX_RULES, SlapdServer

TEXT = "Your password has expired. Change it at https://password.example.org"
CONFIGURATION = """\
server: {{listen: ["udp://127.0.0.1:0"], reject_delay: 0s}}
clients:
  gateway: {{address: 127.0.0.1, secret: a shared secret of the tests, response_timeout: 8s}}
  two-pass: {{address: 127.0.0.2, secret: a shared secret of the tests, second_factor: two_pass, response_timeout: 8s}}
identity:
  corp:
    type: ldap
    servers: ["{url}"]
    bind_dn: {reader}
    bind_password: {password}
    base: {base}
    user_filter: (|(uid={{user}})(mail={{user}}))
    expired_password_text: {text}
policies:
  default:
    reply:
      - {{when: {{group: vpn-admins}}, set: {{Class: "OU=Admins"}}}}
limits: {{wrong_passwords: {{user: 1 per 10m}}}}
"""


@pytest.fixture(scope="module")
def server(start_server, slapd):
    configuration = CONFIGURATION.format(url=slapd.url, reader=READER, password=READER_PASSWORD, base=BASE, text=TEXT)
    with start_server(configuration, []) as server:
        yield server
        written = "".join(server.stderr) + (server.directory / "audit.jsonl").read_text()
        assert READER_PASSWORD not in written


@pytest.fixture
def user(slapd, make_user):
    user = make_user()
    dn = slapd.add_user(user.name, user.password, mobile=user.phone)
    slapd.add_group(f"group-of-{user.name}", dn)
    return user


def test_a_login_with_a_nested_group(server, slapd, user):
    slapd.add_group("vpn-admins", f"cn=group-of-{user.name},ou=groups,{BASE}")
    gateway = server.client()
    challenge = gateway.start_login(user)
    assert radius.ACCESS_CHALLENGE == challenge.code
    accept = gateway.respond(user, challenge, server.simulator.code(user.phone))
    assert (radius.ACCESS_ACCEPT, b"OU=Admins") == (accept.code, accept.first(25))


def test_a_login_in_two_passes_by_two_names_of_the_user(server, slapd, user):
    address = f"{user.name}@example.org"
    slapd.modify(f"uid={user.name},ou=users,{BASE}", mail=[address])
    gateway = server.client("127.0.0.2")
    assert radius.ACCESS_REJECT == gateway.start_login(user).code
    typed = f"{user.password},{server.simulator.code(user.phone)}"
    assert radius.ACCESS_ACCEPT == gateway.exchange([(radius.USER_NAME, address.encode())], typed).code
    assert ["call_placed", "code_correct"] == server.reasons(user)


def test_a_login_goes_on_after_a_restart_of_the_directory(server, slapd, user):
    gateway = server.client()
    challenge = gateway.start_login(user)
    slapd.restart()
    assert radius.ACCESS_ACCEPT == gateway.respond(user, challenge, server.simulator.code(user.phone)).code


def test_a_user_who_is_locked_during_a_login_is_rejected(server, slapd, user):
    gateway = server.client()
    challenge = gateway.start_login(user)
    slapd.modify(f"uid={user.name},ou=users,{BASE}", pwdAccountLockedTime=["000001010000Z"])
    assert radius.ACCESS_REJECT == gateway.respond(user, challenge, server.simulator.code(user.phone)).code
    assert "disabled" == server.reasons(user)[-1]


def test_a_user_with_an_expired_password_reads_the_text_and_is_charged_nothing(server, slapd, user):
    slapd.modify(f"uid={user.name},ou=users,{BASE}", pwdReset=["TRUE"])
    gateway = server.client()
    for _ in range(3):
        reject = gateway.exchange([(radius.USER_NAME, user.name.encode())], user.password)
        assert (radius.ACCESS_REJECT, TEXT.encode()) == (reject.code, reject.first(radius.REPLY_MESSAGE))
    wrong = gateway.exchange([(radius.USER_NAME, user.name.encode())], "wrong")
    assert b"Login refused." == wrong.first(radius.REPLY_MESSAGE)
    assert [*["password_must_change"] * 3, "wrong_password"] == server.reasons(user)
    assert [] == server.simulator.calls(user.phone)


def test_a_user_is_unlocked_under_the_name_that_they_type(server, slapd, user):
    address = f"{user.name}@example.org"
    slapd.modify(f"uid={user.name},ou=users,{BASE}", mail=[address])
    gateway = server.client()

    def reason(password):
        gateway.exchange([(radius.USER_NAME, address.encode())], password)
        return server.reasons(user)[-1]

    assert ["wrong_password", "wrong_password_limit"] == [reason("wrong"), reason(user.password)]
    unlocked = CliRunner().invoke(main, ["users", "unlock", "--config", str(server.path), address.upper()])
    assert 0 == unlocked.exit_code, unlocked.output
    assert "call_placed" == reason(user.password)


def test_check_asks_the_directory(server, slapd, tmp_path):
    path = tmp_path / "radius-voice.yaml"
    good = server.path.read_text()
    for text, code, line in (
        (good, 0, f"identity corp: good: {slapd.url}: searched as {READER}"),
        (good.replace(READER_PASSWORD, "wrong"), 1, f"identity corp: BAD: {slapd.url}: the directory refuses bind_dn"),
    ):
        path.write_text(text)
        path.chmod(0o600)
        result = CliRunner().invoke(main, ["check", "--config", str(path), "--connect"])
        assert (code, True) == (result.exit_code, line in result.stdout), result.output


def test_check_without_access_to_the_password_of_the_service_account_does_not_fail(server, tmp_path):
    path = tmp_path / "radius-voice.yaml"
    path.write_text(server.path.read_text().replace(READER_PASSWORD, "{env: LDAP_PASSWORD}"))
    path.chmod(0o600)
    result = CliRunner().invoke(main, ["check", "--config", str(path), "--connect"], env={"LDAP_PASSWORD": None})
    assert 0 == result.exit_code, result.output
    assert (
        "identity corp: not checked: identity.corp.bind_password: the environment variable LDAP_PASSWORD"
        in result.stdout
    )


def test_a_filter_with_an_error_is_reported_with_its_key(server, tmp_path):
    path = tmp_path / "radius-voice.yaml"
    path.write_text(server.path.read_text().replace("(|(uid={user})(mail={user}))", '"(uid{user})"'))
    path.chmod(0o600)
    result = CliRunner().invoke(main, ["check", "--config", str(path)])
    assert 1 == result.exit_code
    assert "identity.corp.user_filter: not a filter" in result.stderr


def test_a_directory_that_is_down_gets_no_response_and_the_reason(start_server, make_user):
    user = make_user()
    configuration = CONFIGURATION.format(
        url="ldap://127.0.0.1:1", reader=READER, password=READER_PASSWORD, base=BASE, text=TEXT
    ).replace("8s", "1s")
    with start_server(configuration, []) as server:
        gateway = server.client()
        gateway.send(gateway.initial_request(user))
        server.wait_for_line("identity_unavailable", server.stderr)
        assert gateway.received_nothing()
        (record,) = server.audit(kind="request")
        assert "Connection refused" in json.dumps(record["steps"])
        assert [] == server.simulator.calls(user.phone)


TWO_SOURCES = """\
server: {{listen: ["udp://127.0.0.1:0"], reject_delay: 0s}}
clients:
  gateway: {{address: 127.0.0.1, secret: a shared secret of the tests, response_timeout: 1s, policy: directory}}
  other: {{address: 127.0.0.2, secret: a shared secret of the tests, response_timeout: 8s, policy: file}}
identity:
  people: {{type: users_file, path: users.yaml}}
  corp: {{type: ldap, servers: ["{url}"], bind_dn: "{reader}", bind_password: {password}, base: "{base}"}}
policies:
  directory: {{first_factor: corp, directory: corp}}
  file: {{first_factor: people, directory: people}}
"""


@pytest.fixture
def own_slapd(tmp_path):
    """A slapd that the test may suspend."""
    server = SlapdServer(tmp_path / "slapd")
    yield server
    server.stop()


def test_a_directory_that_does_not_respond_delays_no_login_of_another_source(start_server, own_slapd, make_user):
    slapd, in_file = own_slapd, make_user()
    users = [make_user() for _ in range(20)]
    for user in users:
        slapd.add_user(user.name, user.password, mobile=user.phone)
    configuration = TWO_SOURCES.format(url=slapd.url, reader=READER, password=READER_PASSWORD, base=BASE)
    with start_server(configuration, [in_file]) as server:
        gateway, other = server.client(), server.client("127.0.0.2")
        with slapd.suspended():
            for user in users:
                gateway.send(gateway.initial_request(user))
            assert radius.ACCESS_CHALLENGE == other.start_login(in_file).code
            server.wait_for_line("it is skipped until it answers", server.stderr)
        server.wait_for_line("answers again", server.stderr)
        assert gateway.received_nothing()
        late = make_user()
        slapd.add_user(late.name, late.password, mobile=late.phone)
        challenge = gateway.start_login(late)
        assert radius.ACCESS_ACCEPT == gateway.respond(late, challenge, server.simulator.code(late.phone)).code
        assert {"identity_unavailable"} == {
            record["reason"] for record in server.audit(client="gateway", outcome="no_response")
        }


def test_a_password_that_is_changed_during_a_login_ends_it(server, slapd, user):
    gateway = server.client()
    challenge = gateway.start_login(user)
    with slapd.administrator() as connection:
        dn = f"uid={user.name},ou=users,{BASE}"
        connection.extend.standard.modify_password(dn, new_password="another password")
        connection.modify(dn, {"pwdChangedTime": [("MODIFY_REPLACE", ["20200101000000Z"])]}, controls=[RELAX_RULES])
    reject = gateway.respond(user, challenge, server.simulator.code(user.phone))
    assert (radius.ACCESS_REJECT, "password_changed") == (reject.code, server.reasons(user)[-1])


def test_a_login_under_another_name_of_the_user(server, slapd, user):
    address = f"{user.name}@example.org"
    slapd.modify(f"uid={user.name},ou=users,{BASE}", mail=[address])
    gateway = server.client()
    challenge = gateway.exchange([(radius.USER_NAME, address.encode())], user.password)
    assert radius.ACCESS_CHALLENGE == challenge.code
    state = (radius.STATE, challenge.first(radius.STATE))
    code = server.simulator.code(user.phone)
    assert radius.ACCESS_ACCEPT == gateway.exchange([(radius.USER_NAME, address.encode()), state], code).code
