"""SIP addresses as phones: the real server calls desk phones at the PBX that its policy allows."""

import pytest

from radius_voice.radius import packet as radius

CONFIGURATION = """\
server: {listen: ["udp://127.0.0.1:0"], reject_delay: 0s}
clients:
  gateway: {address: 127.0.0.1, secret: a shared secret of the tests, response_timeout: 8s}
policies:
  default:
    countries: [US]
    sip_domains: [PBX.example.org, pbx.example.net, 192.0.2.7]
    group_rules:
      - {when: {group: guests}, sip_domains: []}
limits:
  calls: {country: 100 per 1m, total: 100 per 1m, client: 100 per 1m}
  calls_per_day: {countries: {"sip:pbx.example.net": 2 per 24h}}
"""
CALLED = ["sip:7105@pbx.example.org", "SIPS:Desk.One@PBX.EXAMPLE.ORG:5061;transport=tls", "sip:7105@192.0.2.7"]
STORED = ["sip:7105@pbx.example.org", "sips:Desk.One@pbx.example.org:5061;transport=tls", "sip:7105@192.0.2.7"]
ELSEWHERE = ["sip:7105@example.org", "sip:7105@evil.pbx.example.org", "sip:7105@192.0.2.8"]


@pytest.fixture(scope="module")
def users(make_user):
    users = {phone: make_user(f"desk{number}", phone=phone) for number, phone in enumerate(CALLED + ELSEWHERE)}
    users["guest"] = make_user("guest", phone="sip:3106@pbx.example.org", groups=("guests",))
    users |= {
        f"net{number}": make_user(f"net{number}", phone=f"sip:330{number}@pbx.example.net") for number in range(3)
    }
    return users


@pytest.fixture(scope="module")
def server(start_server, users):
    with start_server(CONFIGURATION, users.values()) as server:
        yield server


@pytest.mark.parametrize(("phone", "stored"), list(zip(CALLED, STORED, strict=True)))
def test_a_desk_phone_is_called_and_its_user_gets_in(server, users, phone, stored):
    user, client = users[phone], server.client()
    challenge = client.start_login(user)
    assert radius.ACCESS_CHALLENGE == challenge.code
    ending = stored.partition("@")[0][-2:]
    assert f"ending in {ending}." in challenge.first(radius.REPLY_MESSAGE).decode()
    (call,) = server.simulator.calls(stored)
    assert ("", call["code"]) == (call["digits"], server.simulator.code(stored))
    assert radius.ACCESS_ACCEPT == client.respond(user, challenge, call["code"]).code
    (placed,) = [each for each in server.audit(kind="request", user=user.name) if each["outcome"] == "challenge"]
    assert placed["phone"].endswith(stored.partition("@")[2])
    assert stored not in str(server.audit(user=user.name))


@pytest.mark.parametrize("phone", ELSEWHERE)
def test_an_address_of_another_domain_is_not_called(server, users, phone):
    assert radius.ACCESS_REJECT == server.client().start_login(users[phone]).code
    (record,) = server.audit(kind="request", user=users[phone].name)
    assert ("number_not_allowed", "policies.default.sip_domains") == (record["reason"], record["rule"])
    assert [] == server.simulator.calls(phone)


def test_a_rule_for_a_group_has_domains_of_its_own(server, users):
    assert radius.ACCESS_REJECT == server.client().start_login(users["guest"]).code
    (record,) = server.audit(kind="request", user="guest")
    assert "policies.default.group_rules[0].sip_domains" == record["rule"]


def test_calls_are_limited_by_domain_in_place_of_the_country(server, users):
    codes = [server.client().start_login(users[f"net{number}"]).code for number in range(3)]
    assert [radius.ACCESS_CHALLENGE, radius.ACCESS_CHALLENGE, radius.ACCESS_REJECT] == codes
    (record,) = server.audit(kind="request", user="net2")
    assert ("call_limit", "limits.calls_per_day.countries.sip:pbx.example.net") == (record["reason"], record["rule"])
