"""Callbacks of the provider to a running server: the statuses of calls, and what attackers send."""

import os
import re
import signal
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from radius_voice.http.callbacks import MAX_BODY_BYTES
from radius_voice.radius import packet as radius
from tests.support.polling import wait_until
from tests.support.program_process import ProgramProcess
from tests.support.provider_callbacks import callbacks_section, post_callback, sent_callbacks, signature
from tests.support.server_process import WorkersProcess, first_url

CONFIGURATION = """\
server: {listen: ["udp://127.0.0.1:0"], reject_delay: 0s}
clients:
  gateway: {address: 127.0.0.1, secret: a shared secret of the tests}
"""


TALK_SECONDS = 5.0
"""How long the simulator's calls last after the answer, unless they are ended."""


@pytest.fixture(scope="module")
def users(make_user):
    return [make_user() for _ in range(20)]


@pytest.fixture(scope="module")
def busy_user(make_user):
    return make_user(phone="+15005550010")


@pytest.fixture(scope="module", params=["+15005550031", "+15005550032", "+15005550034"])
def lost_user(request, make_user):
    """A user whose calls are placed, but whose provider responds with an error, a reset or garbage."""
    return make_user(phone=request.param)


@pytest.fixture(scope="module")
def server(start_server, users, busy_user):
    with start_server(CONFIGURATION + callbacks_section(), [*users, busy_user]) as server:
        yield server


@pytest.fixture
def user(users):
    return users.pop()


def statuses(server, user):
    """The statuses of the user's calls that have taken effect, in their order."""
    sessions = {record["session"] for record in server.audit(kind="request", user=user.name)}
    return [record["status"] for record in server.audit(kind="call_status") if record["session"] in sessions]


def is_answered(server, user):
    return "answered" in statuses(server, user)


def called(server, user):
    """A login of the user whose call is answered, and the callback that reported it."""
    gateway = server.client()
    challenge = gateway.start_login(user)
    assert radius.ACCESS_CHALLENGE == challenge.code
    wait_until(partial(is_answered, server, user), "the call is answered")
    return gateway, challenge, sent_callbacks(server, user)[-1]


def counted(server, result):
    return server.metric("radius_voice_callbacks_total", provider="twilio", result=result)


def resigned(callback, **changes):
    """The callback's URL, its fields with `changes`, and the signature of both."""
    fields = callback["fields"] | changes
    return callback["url"], fields, signature(callback["url"], fields)


def test_a_call_is_followed_by_callbacks_and_not_by_polling(server, user):
    gateway, challenge, _ = called(server, user)
    wait_until(lambda: "completed" in statuses(server, user), "the call has ended")
    assert ["ringing", "answered", "completed"] == statuses(server, user)
    assert [204] * 4 == [callback["status"] for callback in sent_callbacks(server, user)]
    accept = gateway.respond(user, challenge, server.simulator.code(user.phone))
    assert radius.ACCESS_ACCEPT == accept.code


def test_the_service_says_where_it_listens_for_callbacks(server):
    started = server.wait_for_line("callbacks on 127.0.0.1 port ", server.stderr)
    assert None is re.search(r"callbacks on 127\.0\.0\.1 port 0\b", started)


def test_a_busy_phone_is_called_again_by_the_next_login(server, busy_user):
    gateway = server.client()
    challenge = gateway.start_login(busy_user)
    wait_until(lambda: "busy" in statuses(server, busy_user), "the phone is busy")
    prompt = gateway.respond(busy_user, challenge, "").first(radius.REPLY_MESSAGE)
    assert b"Your phone was busy. Type phone to be called again, or enter the code:" == prompt
    assert radius.ACCESS_CHALLENGE == gateway.start_login(busy_user).code
    assert ["call_placed", "wrong_code", "redial"] == server.reasons(busy_user)


def test_a_call_whose_response_was_lost_is_followed_and_ended(start_server, lost_user):
    with start_server(CONFIGURATION + callbacks_section(), [lost_user]) as server:
        gateway, challenge, callback = called(server, lost_user)
        assert ["delivery_indeterminate"] == server.reasons(lost_user)
        code = server.simulator.code(lost_user.phone)
        assert radius.ACCESS_ACCEPT == gateway.respond(lost_user, challenge, code).code
        wait_until(lambda: server.simulator.calls(lost_user.phone)[-1]["ended"], "the call is ended")
        call = server.simulator.calls(lost_user.phone)[-1]
        assert (callback["fields"]["CallSid"], "completed") == (call["sid"], call["status"])
        assert call["ended"] - call["at"] < TALK_SECONDS, "the server has ended the call"


def test_check_knows_that_the_running_service_has_the_address(server):
    with ProgramProcess("check", "--config", server.path) as check:
        assert 0 == check.wait(), check.stderr


def test_a_reload_without_the_section_keeps_receiving_callbacks_until_a_restart(server, user):
    configuration = server.path.read_text()
    server.path.write_text(re.sub("^callbacks:.*\n", "", configuration, flags=re.MULTILINE))
    server.send_signal(signal.SIGHUP)
    server.wait_for_line("needs a restart: callbacks", server.stderr)
    called(server, user)
    server.path.write_text(configuration)
    server.send_signal(signal.SIGHUP)
    server.wait_for_line("reloaded", server.stderr, times=2)


def test_a_callback_that_waits_while_workers_die_is_received_by_their_replacements(simulator, tmp_path, make_user):
    user = make_user()
    configuration = CONFIGURATION.replace("reject_delay", "workers: 2, reject_delay") + callbacks_section()
    workers = WorkersProcess(tmp_path, simulator, configuration, [user])
    _, _, callback = called(workers, user)
    children = workers.children()
    for pid in children:
        os.kill(pid, signal.SIGSTOP)
    with ThreadPoolExecutor(1) as pool:
        sent = pool.submit(post_callback, *resigned(callback, CallStatus="completed"))
        for pid in children:
            os.kill(pid, signal.SIGKILL)
        assert 204 == sent.result()[0]
    assert "completed" in statuses(workers, user)
    workers.admin = first_url(workers.wait_for_line("metrics of all workers", workers.stderr, times=2))
    assert 0 == workers.stop()


def test_two_workers_receive_the_callbacks_of_each_others_calls(simulator, tmp_path, make_user):
    users = [make_user() for _ in range(8)]
    configuration = CONFIGURATION.replace("reject_delay", "workers: 2, reject_delay") + callbacks_section()
    workers = WorkersProcess(tmp_path, simulator, configuration, users)
    gateways = [(workers.client(), user) for user in users]
    challenges = [gateway.start_login(user) for gateway, user in gateways]
    for user in users:
        wait_until(partial(is_answered, workers, user), "the call is answered")
    for (gateway, user), challenge in zip(gateways, challenges, strict=True):
        code = simulator.code(user.phone)
        assert radius.ACCESS_ACCEPT == gateway.respond(user, challenge, code).code
        assert ["ringing", "answered"] == statuses(workers, user)[:2]
    assert 0 == workers.stop()


def test_a_forged_signature_is_refused_and_reported(server, user):
    _, _, callback = called(server, user)
    before = counted(server, "unsigned")
    for signed in ("", "AAAA", signature(callback["url"], callback["fields"], "another token")):
        assert (403, "") == post_callback(callback["url"], callback["fields"] | {"CallStatus": "completed"}, signed)
    assert before + 3 == counted(server, "unsigned")
    assert ["ringing", "answered"] == statuses(server, user)
    server.wait_for_line("a callback without the provider's signature was refused", server.stderr)


def test_a_signature_for_another_url_or_with_other_fields_is_refused(server, user):
    _, _, callback = called(server, user)
    fields = callback["fields"] | {"CallStatus": "completed"}
    evil = callback["url"].replace("127.0.0.1", "evil.example")
    assert 403 == post_callback(callback["url"], fields, signature(evil, fields), host="evil.example")[0]
    assert 403 == post_callback(callback["url"], fields, signature(callback["url"], callback["fields"]))[0]
    other = callback["url"].replace("/status", "/other")
    assert 403 == post_callback(other, fields, signature(callback["url"], fields))[0]
    assert ["ringing", "answered"] == statuses(server, user)


def test_the_host_header_makes_no_difference(server, user):
    _, _, callback = called(server, user)
    url, fields, signed = resigned(callback, CallStatus="completed")
    assert 204 == post_callback(url, fields, signed, host="proxy.internal")[0]
    assert ["ringing", "answered", "completed"] == statuses(server, user)


def test_a_replayed_callback_has_no_effect(server, user):
    gateway, challenge, callback = called(server, user)
    until = counted(server, "late")
    with ThreadPoolExecutor(8) as pool:
        sent = list(pool.map(lambda _: post_callback(*resigned(callback)), range(8)))
    assert [(204, "")] * 8 == sent
    assert until + 8 == counted(server, "late")
    assert ["ringing", "answered"] == statuses(server, user)
    assert radius.ACCESS_ACCEPT == gateway.respond(user, challenge, server.simulator.code(user.phone)).code


def test_of_many_copies_of_a_callback_one_counts(server, user):
    _, _, callback = called(server, user)
    before = counted(server, "counted")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: post_callback(*resigned(callback, CallStatus="completed")), range(8)))
    assert before + 1 == counted(server, "counted")
    assert ["ringing", "answered", "completed"] == statuses(server, user)


def test_a_callback_of_an_earlier_delivery_has_no_effect(server, user):
    gateway, challenge, callback = called(server, user)
    gateway.respond(user, challenge, "phone")
    assert 204 == post_callback(*resigned(callback, CallStatus="completed"))[0]
    assert 2 == len(server.simulator.calls(user.phone))
    wait_until(lambda: statuses(server, user).count("answered") == 2, "the second call is answered")


def test_a_callback_of_another_session_or_call_is_refused(server, users):
    alice, bob = users.pop(), users.pop()
    _, _, of_alice = called(server, alice)
    _, _, of_bob = called(server, bob)
    before = counted(server, "foreign")
    url = of_alice["url"]
    fields = of_alice["fields"] | {"CallStatus": "completed", "CallSid": of_bob["fields"]["CallSid"]}
    assert (404, "") == post_callback(url, fields, signature(url, fields))
    key, session, _ = url.split("/")[4].split(".")
    other = of_bob["url"].split("/")[4].split(".")
    for delivery in (
        f"{key}.{other[1]}.1",
        f"{other[0]}.{session}.1",
        f"{key}.{session}.9",
        f"{'0' * 32}.{session}.1",
        "x",
    ):
        changed = url.replace(url.split("/")[4], delivery)
        assert 404 == post_callback(changed, fields, signature(changed, fields))[0]
    assert 404 == post_callback(url.replace("/twilio/", "/other/"), fields, "")[0]
    assert before + 6 == counted(server, "foreign")
    assert ["ringing", "answered"] == statuses(server, alice) == statuses(server, bob)


@pytest.mark.parametrize(
    "fields", [{"CallStatus": "exploded"}, {"CallStatus": ""}, {"CallSid": "../../x"}, {"CallSid": ""}]
)
def test_a_signed_callback_without_meaning_is_refused(server, user, fields):
    _, _, callback = called(server, user)
    assert 400 == post_callback(*resigned(callback, **fields))[0]


def test_an_oversized_body_is_refused_before_it_is_read(server, user):
    _, _, callback = called(server, user)
    assert 413 == post_callback(*resigned(callback, Extra="x" * MAX_BODY_BYTES))[0]
