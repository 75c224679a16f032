"""Which numbers a running server calls."""

import pytest

from radius_voice.radius import packet as radius

CONFIGURATION = """\
server: {listen: ["udp://127.0.0.1:0"], reject_delay: 0s}
clients:
  gateway: {address: 127.0.0.1, secret: a shared secret of the tests, response_timeout: 8s}
policies:
  default: {countries: [US], allow_numbers: ["+441632960123", "+4478"], reject_numbers: ["+447813", "+14155559"]}
"""
CALLED = {"single": "+441632960123", "prefix": "+447812345678", "test": "+15005550006", "country": "+14155551234"}
NOT_CALLED = {
    "invalid": "+441632960124",
    "premium": "+19001550123",
    "personal": "+447012345678",
    "abroad": "+4930123456",
    "rejected": "+14155559123",
    "rejected in an allowed prefix": "+447813345678",
}
RULES = {"abroad": "countries", "rejected": "reject_numbers", "rejected in an allowed prefix": "reject_numbers"}


@pytest.fixture(scope="module")
def users(make_user):
    return {name: make_user(name.replace(" ", "-"), phone=phone) for name, phone in (CALLED | NOT_CALLED).items()}


@pytest.fixture(scope="module")
def server(start_server, users):
    with start_server(CONFIGURATION, users.values()) as server:
        yield server


@pytest.mark.parametrize("name", CALLED)
def test_a_number_that_the_policy_allows_is_called(server, users, name):
    assert radius.ACCESS_CHALLENGE == server.client().start_login(users[name]).code


@pytest.mark.parametrize("name", NOT_CALLED)
def test_another_number_is_not_called(server, users, name):
    assert radius.ACCESS_REJECT == server.client().start_login(users[name]).code
    assert ["number_not_allowed"] == server.reasons(users[name])
    (record,) = [each for each in server.audit() if each.get("user") == users[name].name]
    assert f"policies.default.{RULES.get(name, 'allow_numbers')}" == record["rule"]
    assert [] == server.simulator.calls(users[name].phone)
