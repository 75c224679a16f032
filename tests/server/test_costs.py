"""The budgets of a day, on running servers that share a store."""

import json

import pytest
from click.testing import CliRunner

from radius_voice.cli.main import main
from radius_voice.radius import packet as radius
from tests.support.polling import wait_until

CONFIGURATION = """\
server: {listen: ["udp://127.0.0.1:0"], reject_delay: 0s}
clients:
  gateway: {address: 127.0.0.1, secret: a shared secret of the tests, response_timeout: 8s}
limits:
  cost_per_day: {total: 0.10}
"""


@pytest.fixture
def users(make_user):
    return [make_user() for _ in range(4)]


def settled(server):
    return server.metric("radius_voice_cost_settled_total", method="voice")


def rows(server, *options):
    shown = CliRunner().invoke(main, ["limits", "--config", str(server.path), "--json", *options])
    assert 0 == shown.exit_code, shown.output
    return {each["limit"]: (each["left"], each["burst"]) for each in json.loads(shown.output)}


def test_logins_beyond_the_budget_are_rejected_until_a_call_has_ended(start_server, users):
    with start_server(CONFIGURATION, users) as server:
        gateway = server.client()
        challenges = [gateway.start_login(user) for user in users[:3]]
        assert [radius.ACCESS_CHALLENGE, radius.ACCESS_CHALLENGE, radius.ACCESS_REJECT] == [
            each.code for each in challenges
        ]
        assert [] == server.simulator.calls(users[2].phone)
        (record,) = server.audit(reason="cost_limit")
        assert "limits.cost_per_day.total" == record["rule"]
        assert (0.02, 0.1) == pytest.approx(rows(server)["cost_per_day.total"])

        code = server.simulator.code(users[0].phone)
        assert radius.ACCESS_ACCEPT == gateway.respond(users[0], challenges[0], code).code
        wait_until(lambda: settled(server) > 0, "the call is settled")
        assert (0.04, 0.1) == pytest.approx(rows(server)["cost_per_day.total"])
        shown = CliRunner().invoke(main, ["limits", "--config", str(server.path)]).output
        assert "0.06   0.04  0.10 USD per 1d" in shown
        assert radius.ACCESS_CHALLENGE == gateway.start_login(users[3]).code
        assert 0.12 == pytest.approx(server.metric("radius_voice_cost_reserved_total", method="voice"))
        assert 0.02 == pytest.approx(settled(server))


def test_unlock_resets_the_budget_of_a_user(start_server, users):
    configuration = CONFIGURATION.replace("total: 0.10", "user: 0.05")
    with start_server(configuration, users[:1]) as server:
        gateway, (user, *_) = server.client(), users
        challenge = gateway.start_login(user)
        assert radius.ACCESS_ACCEPT == gateway.respond(user, challenge, server.simulator.code(user.phone)).code
        wait_until(lambda: settled(server) > 0, "the call is settled")
        assert radius.ACCESS_REJECT == gateway.start_login(user).code
        assert (0.03, 0.05) == pytest.approx(rows(server, "--user", user.name)["cost_per_day.user"])
        unlocked = CliRunner().invoke(main, ["users", "unlock", "--config", str(server.path), user.name])
        assert 0 == unlocked.exit_code, unlocked.output
        assert (0.05, 0.05) == pytest.approx(rows(server, "--user", user.name)["cost_per_day.user"])
        assert radius.ACCESS_CHALLENGE == gateway.start_login(user).code
