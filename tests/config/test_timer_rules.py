"""Timers that do not fit together: one configuration for each warning, and one that is just right."""

import pytest

from tests.config.conftest import changed, sample

CLIENT = "clients.office-vpn"
RAISE = "or raise the gateway's timeout and write it as gateway_timeout"
TYPING = "raise the gateway's timeout for the user's input and write it as gateway_input_timeout"
LDAP = {
    "type": "ldap",
    "servers": ["ldaps://dc1.example.org", "ldaps://dc2.example.org"],
    "base": "dc=example,dc=org",
    "bind_dn": "cn=radius-voice",
    "bind_password": "a password of the directory",
}
RADIUS = {"type": "radius", "servers": ["10.0.0.5", "10.0.0.6"], "secret": "a secret of the upstream servers"}


def with_client(server=None, challenge=None, **keys):
    tree = changed("clients.office-vpn.policy", "default")
    tree["clients"]["office-vpn"] |= keys
    tree["policies"] = {"default": {"challenge": challenge or {}}}
    return {**tree, "server": server or {}}


def approving(ring, response):
    keys = {"second_factor": "approve", "response_timeout": response}
    tree = with_client(challenge={"ring_timeout": ring}, **keys)
    return {**tree, "callbacks": {"public_url": "https://voice.example.org"}}


def with_directory(timeout, servers=2, **keys):
    tree = with_client(**keys)
    tree["identity"] = {"corp": {**LDAP, "servers": LDAP["servers"][:servers], "timeout": timeout}}
    return tree


def with_upstream(timeout):
    tree = with_client()
    tree["identity"]["nps"] = {**RADIUS, "initial_timeout": timeout}
    tree["policies"]["default"] |= {"first_factor": "nps", "directory": "people"}
    return tree


CASES = {
    "a response after the gateway has given up": (
        with_client(gateway_timeout="10s", response_timeout="12s"),
        (
            f"{CLIENT}.response_timeout: the gateway gives up after 10s: a call may still be placed 22s after the request, "
            f"for a login that has failed; write 8s, {RAISE}"
        ),
        with_client(gateway_timeout="10s", response_timeout="9.9s"),
    ),
    "a response after another request": (
        with_client(gateway_timeout="3s", gateway_requests=3, response_timeout="3s"),
        (
            f"{CLIENT}.response_timeout: the gateway sends the request again after 3s, before this server has responded (3s),"
            f" or asks another server; write 2.4s, {RAISE}"
        ),
        with_client(gateway_timeout="3s", gateway_requests=3, response_timeout="2.9s"),
    ),
    "an approval after the gateway has given up": (
        {
            **approving("10s", "30s"),
            "clients": with_client(
                second_factor="approve", response_timeout="30s", gateway_timeout="5s", gateway_requests=3
            )["clients"],
        },
        (
            f"{CLIENT}.response_timeout: the gateway gives up after 15s: a call may still be placed 40s after the request, "
            "for a login that has failed; raise the gateway's timeout and write it as gateway_timeout"
        ),
        {
            **approving("10s", "30s"),
            "clients": with_client(
                second_factor="approve", response_timeout="30s", gateway_timeout="11s", gateway_requests=3
            )["clients"],
        },
    ),
    "a reject after the gateway has given up": (
        with_client(server={"reject_delay": "2s"}, gateway_timeout="2.2s"),
        (
            "server.reject_delay: a reject is sent up to 2.2s after its request, and the gateway of client office-vpn waits "
            f"2.2s: it takes this server for unavailable, and users do not see the text; write 1.76s, {RAISE}"
        ),
        with_client(server={"reject_delay": "2s"}, gateway_timeout="2.3s"),
    ),
    "a repeated request whose response is no longer kept": (
        with_client(gateway_timeout="6s", gateway_requests=3),
        (
            "server.duplicate_window: the gateway of client office-vpn may "
            "retransmit a request 12s after it first sent it, "
            "when its response is no longer kept, so the retransmission is rejected; "
            "write 13s, or let the gateway send fewer requests"
        ),
        with_client(server={"duplicate_window": "13s"}, gateway_timeout="6s", gateway_requests=3),
    ),
    "a request that is repeated too late for any window": (
        with_client(server={"duplicate_window": "30s"}, gateway_timeout="30s", gateway_requests=2),
        (
            "server.duplicate_window: the gateway of client office-vpn may "
            "retransmit a request 30s after it first sent it, "
            "when its response is no longer kept, so the retransmission is rejected; "
            "let the gateway send fewer requests"
        ),
        with_client(server={"duplicate_window": "30s"}, gateway_timeout="29s", gateway_requests=2),
    ),
    "a second LDAP server that is never asked": (
        with_directory("2.5s"),
        (
            "identity.corp.timeout: a server that does not respond takes all the time of a request from client office-vpn "
            "(2.5s), so the next server is not asked; write 1.25s"
        ),
        with_directory("2.4s"),
    ),
    "a second RADIUS server that is never asked": (
        with_upstream("3s"),
        (
            "identity.nps.initial_timeout: a server that does not respond takes all the time of a request from client "
            "office-vpn (2.5s), so the next server is not asked; write 1.25s"
        ),
        with_upstream("2s"),
    ),
    "a prompt that is closed before the code was spoken": (
        with_client(gateway_input_timeout="30s"),
        "policies.default.challenge.ring_timeout: the gateway of client office-vpn lets users type for 30s: a user who "
        "answers after 30s has heard the code about 48s after the prompt, when it is closed; write ring_timeout: 12s, or "
        + TYPING,
        with_client(gateway_input_timeout="48s"),
    ),
    "a prompt that is too short for any call": (
        with_client(gateway_input_timeout="25s"),
        (
            "policies.default.challenge.ring_timeout: the gateway of client office-vpn lets users type for 25s: a user who "
            f"answers after 30s has heard the code about 48s after the prompt, when it is closed; {TYPING}"
        ),
        with_client(gateway_input_timeout="25s", second_factor="two_pass"),
    ),
    "a code that expires before it is spoken for the last time": (
        with_client(challenge={"code_lifetime": "50s"}),
        (
            "policies.default.challenge.code_lifetime: a call speaks its code until about 55s after it is answered, and "
            "the code expires after 50s: a user who waits for the last repetition is rejected; write 65s, or fewer "
            "speech.repetitions"
        ),
        with_client(challenge={"code_lifetime": "55s"}),
    ),
    "fewer challenges than attempts and redials": (
        with_client(gateway_max_challenges=4),
        (
            "policies.default.challenge.attempts: the gateway of client office-vpn shows 4 challenges in a login, and a login "
            "may need 5 (attempts and redials); write fewer attempts or redials, or raise the gateway's number"
        ),
        with_client(gateway_max_challenges=4, challenge={"attempts": 2}),
    ),
    "no time left for a key": (
        approving("30s", "30s"),
        (
            "policies.default.challenge.ring_timeout: a request of client office-vpn is rejected after 30s: a user who "
            "answers after 30s has no time to press a key; write 20s, or raise response_timeout and the gateway's timeout"
        ),
        approving("30s", "40s"),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_timers_that_do_not_fit_are_a_warning_that_says_what_happens_and_what_to_write(file, name):
    wrong, expected, right = CASES[name]
    assert [expected] == [warning.split(": ", 1)[1] for warning in file.load(wrong).warnings]
    assert () == file.load(right).warnings


def test_one_server_needs_no_time_for_another_one(file):
    assert () == file.load(with_directory("5s", servers=1)).warnings


def test_text_messages_need_no_time_to_be_spoken(file):
    tree = with_client(gateway_input_timeout="25s")
    tree["policies"]["default"]["methods"] = ["sms"]
    twilio = tree["delivery"]["providers"]["twilio"]
    tree["delivery"]["providers"] = {"twilio": {**twilio, "type": "twilio-sms"}}
    assert () == file.load(tree).warnings


def test_a_group_with_its_own_challenge_is_warned_of_and_one_that_inherits_it_is_not(file):
    tree = with_client(gateway_input_timeout="60s")
    groups = [{"when": {"group": "slow"}, "challenge": {"ring_timeout": "60s"}}, {"when": {"group": "other"}}]
    tree["policies"]["default"]["group_rules"] = groups
    (warning,) = file.load(tree).warnings
    assert "policies.default.group_rules[0].challenge.ring_timeout: the gateway of client office-vpn lets" in warning


def test_nothing_is_known_of_a_gateway_without_a_profile(file):
    assert () == file.load(sample()).warnings
