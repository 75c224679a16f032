"""The status of several workers is one answer: counts are added, and a problem of any of them is shown."""

import pytest

from radius_voice.service.status_merge import merged_status

NOW = 100.0
FACTS = {"version": "1", "process": 9, "started_at": 50.0, "listen": [], "admin": ("127.0.0.1", 9812)}


def result(at, result="reloaded"):
    return {"at": at, "result": result}


def provider(breaker="closed", at=None):
    result = None if at is None else {"at": at, "result": "placed"}
    return {"name": "twilio", "type": "twilio-voice", "circuit_breaker": breaker, "last_result": result}


def identity(problem="", *servers):
    states = [{"address": address, "problem": wrong} for address, wrong in servers]
    return {"name": "corp", "type": "ldap", "location": "here", "problem": problem, "servers": states}


def process(number, **values):
    return {
        "worker": number,
        "process": 10 + number,
        "started_at": 60.0,
        "generation": 1,
        "draining": False,
        "requests_in_progress": 2,
        "requests_held": 1,
        "logins_open": 5,
        "calls": 3,
        "store": {"type": "sqlite", "problem": ""},
        "server_key": {"replaced": ["the second key of server.key"], "needed": False},
        "providers": [provider()],
        "identity": [identity()],
        "audit": {"path": "audit.jsonl", "problem": "", "failures": 1, "syslog_dropped": None},
        "reload": None,
        "warnings": ["development"],
    } | values


def merged(*values):
    return merged_status(FACTS, {number: process(number, **each) for number, each in enumerate(values)}, 2, NOW)


def test_counts_of_workers_are_added_except_those_of_the_store_that_they_share():
    found = merged({}, {"logins_open": 6})
    assert found["healthy"]
    assert {"open": 6, "calls": 6} == found["logins"]
    assert {"in_progress": 4, "held": 2} == found["requests"]
    assert 2 == found["audit"]["failures"]
    assert ["development"] == found["warnings"]
    assert [10, 11] == [each["process"] for each in found["workers"]]
    assert (NOW, 50.0) == (found["at"], found["uptime"])


def test_a_worker_without_response_is_a_problem():
    found = merged({})
    assert ["worker 1 does not respond"] == found["problems"]
    assert [True, False] == [each["responds"] for each in found["workers"]]
    assert not found["healthy"]


def test_a_service_whose_workers_all_fail_to_respond_still_has_a_status():
    found = merged()
    assert ["worker 0 does not respond", "worker 1 does not respond"] == found["problems"]
    assert (None, None, [], None) == (found["store"], found["server_key"], found["providers"], found["audit"])


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"draining": True}, "the service is stopping"),
        ({"generation": 2}, "the workers use different generations of the configuration; run: radius-voice reload"),
        ({"store": {"type": "sqlite", "problem": "the disk is full"}}, "store: the disk is full"),
        (
            {
                "audit": {
                    "path": None,
                    "problem": "audit: standard output: a record",
                    "failures": 3,
                    "syslog_dropped": 2,
                }
            },
            "audit: standard output: a record",
        ),
        ({"providers": [provider("open")]}, "provider twilio has an outage and is skipped"),
        ({"providers": [provider("half_open")]}, "provider twilio has an outage and is skipped"),
        ({"identity": [identity("is invalid")]}, "identity.corp: is invalid; the users loaded before stay in effect"),
        (
            {"identity": [identity("", ("ldaps://dc1", "no answer in time"), ("ldaps://dc2", ""))]},
            "identity.corp: ldaps://dc1: no answer in time",
        ),
        (
            {"reload": result(70.0, "failed")},
            "the last reload failed, so the previous configuration is in effect; run: radius-voice check",
        ),
    ],
)
@pytest.mark.parametrize("number", [0, 1])
def test_a_problem_of_any_worker_is_one_of_the_service(values, problem, number):
    found = merged(*(values if each == number else {} for each in range(2)))
    assert [problem] == found["problems"]


@pytest.mark.parametrize("needed", [True, None])
def test_a_replaced_key_that_any_worker_may_need_is_needed(needed):
    unsure = {"server_key": {"replaced": ["the second key of server.key"], "needed": needed}}
    assert [False, needed] == [merged({}, each)["server_key"]["needed"] for each in ({}, unsure)]


def test_the_latest_result_of_a_provider_at_any_worker_is_shown():
    found = merged({"providers": [provider(at=80.0)]}, {"providers": [provider(at=90.0)]})
    assert [90.0] == [each["last_result"]["at"] for each in found["providers"]]


def test_each_server_of_a_directory_is_listed_once_with_its_problem():
    good, bad = (identity("", ("ldaps://dc1", wrong), ("ldaps://dc2", "")) for wrong in ("", "no answer in time"))
    found = merged({"identity": [good]}, {"identity": [bad]})
    assert [[("ldaps://dc1", "no answer in time"), ("ldaps://dc2", "")]] == [
        [(server["address"], server["problem"]) for server in source["servers"]] for source in found["identity"]
    ]


def test_a_failed_reload_of_one_worker_is_shown_before_a_later_good_one_of_another():
    found = merged({"reload": result(70.0, "failed")}, {"reload": result(71.0)})
    assert "failed" == found["reload"]["result"]
    assert 72.0 == merged({"reload": result(70.0)}, {"reload": result(72.0)})["reload"]["at"]
