"""Guesses at the gateway do not lock the account in a directory, through the real program."""

import ldap3
import pytest
from click.testing import CliRunner

from radius_voice.cli.main import main
from radius_voice.radius import packet as radius
from tests.support.network import LOOPBACK
from tests.support.slapd_server import BASE, POLICIES, READER, READER_PASSWORD, USERS

ATTEMPTS = 4
CALLING_STATION_ID = 31
CONFIGURATION = """\
server: {{listen: ["udp://127.0.0.1:0"], reject_delay: 0s}}
clients:
  gateway: {{address: 127.0.0.1, secret: a shared secret of the tests, response_timeout: 8s}}
identity:
  corp:
    type: ldap
    servers: ["{url}"]
    bind_dn: {reader}
    bind_password: {password}
    base: {base}
    user_filter: (|(uid={{user}})(mail={{user}}))
    lockout: {{attempts: {attempts}, window: 30m}}
limits: {{wrong_passwords: {{user: off, user_at_station: off, calling_station: off}}}}
"""


@pytest.fixture(scope="module")
def server(start_server, slapd):
    slapd.add(
        f"cn=strict,{POLICIES}",
        ["device", "pwdPolicy"],
        {"pwdAttribute": "userPassword", "pwdLockout": "TRUE", "pwdMaxFailure": str(ATTEMPTS)},
    )
    text = CONFIGURATION.format(url=slapd.url, reader=READER, password=READER_PASSWORD, base=BASE, attempts=ATTEMPTS)
    with start_server(text, []) as server:
        yield server


def test_an_outsider_neither_locks_the_account_nor_the_user_at_a_known_station(server, slapd, make_user):
    user = make_user()
    policy = f"cn=strict,{POLICIES}"
    mail = f"{user.name}@example.org"
    dn = slapd.add_user(user.name, user.password, mobile=user.phone, mail=mail, pwdPolicySubentry=policy)
    gateway = server.client()

    def attempt(password, station, name=user.name):
        return gateway.exchange([(radius.USER_NAME, name.encode()), (CALLING_STATION_ID, station)], password)

    def log_in():
        challenge = attempt(user.password, b"home")
        assert radius.ACCESS_CHALLENGE == challenge.code
        attributes = [
            (radius.USER_NAME, user.name.encode()),
            (CALLING_STATION_ID, b"home"),
            (radius.STATE, challenge.first(radius.STATE)),
        ]
        assert radius.ACCESS_ACCEPT == gateway.exchange(attributes, server.simulator.code(user.phone)).code

    log_in()
    for number in range(6):
        attempt("wrong", b"elsewhere %d" % number, (user.name, mail)[number % 2])
    assert ["wrong_password"] * (ATTEMPTS // 3) + ["locked"] * (6 - ATTEMPTS // 3) == server.reasons(user)[2:]
    shown = CliRunner().invoke(main, ["limits", "--config", str(server.path), "--user", mail])
    left = [line.split() for line in shown.stdout.splitlines() if line.startswith("directory_lockout")]
    assert [["directory_lockout.new_stations", "name", "1", "0"], ["directory_lockout.user", "name", "1", "2"]] == [
        line[:4] for line in left
    ]
    attempt("wrong", b"home")
    log_in()
    connection = ldap3.Connection(
        ldap3.Server(LOOPBACK, slapd.port, get_info=ldap3.NONE), f"uid={user.name},{USERS}", user.password
    )
    assert dn == f"uid={user.name},{USERS}"
    assert connection.bind(read_server_info=False)
    connection.unbind()
