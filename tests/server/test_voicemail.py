"""Codes are kept out of voicemail boxes: a running server, and phones that press keys or are answered by machines."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from radius_voice.radius import packet as radius
from tests.support.polling import wait_until
from tests.support.provider_callbacks import callbacks_section, post_callback, sent_callbacks, signature
from tests.support.server_process import WorkersProcess

CONFIGURATION = """\
server: {listen: ["udp://127.0.0.1:0"], reject_delay: 0s, workers: WORKERS}
clients:
  gateway: {address: 127.0.0.1, secret: a shared secret of the tests}
policies:
  default: {voicemail: VOICEMAIL, challenge: {attempts: 5}}
"""


def configuration(voicemail, *, callbacks=True, workers=1):
    text = CONFIGURATION.replace("VOICEMAIL", voicemail).replace("WORKERS", str(workers))
    return text + (callbacks_section() if callbacks else "")


@pytest.fixture(scope="module")
def users(make_user):
    return [make_user() for _ in range(20)]


@pytest.fixture
def user(users):
    return users.pop()


def serve(start_server, users, *arguments, **options):
    with start_server(configuration(*arguments, **options), users) as server:
        yield server


@pytest.fixture(scope="module")
def press(start_server, users):
    yield from serve(start_server, users, "press")


@pytest.fixture(scope="module")
def detect(start_server, users):
    yield from serve(start_server, users, "detect")


@pytest.fixture(scope="module")
def polled(start_server, users):
    yield from serve(start_server, users, "detect", callbacks=False)


def statuses(server, user):
    sessions = {record["session"] for record in server.audit(kind="request", user=user.name)}
    return [record["status"] for record in server.audit(kind="call_status") if record["session"] in sessions]


def has_status(server, user, *expected):
    return set(expected) <= set(statuses(server, user))


def started(server, user):
    gateway = server.client()
    challenge = gateway.start_login(user)
    assert radius.ACCESS_CHALLENGE == challenge.code
    return gateway, challenge


def spoken(server, user):
    return server.simulator.calls(user.phone)[-1]["said"]


def accepts(server, gateway, user, challenge):
    wait_until(lambda: server.simulator.code(user.phone), "the code is spoken")
    return radius.ACCESS_ACCEPT == gateway.respond(user, challenge, server.simulator.code(user.phone)).code


def prompt_of(reply):
    assert radius.ACCESS_CHALLENGE == reply.code
    return reply.first(radius.REPLY_MESSAGE).decode()


def test_the_code_is_spoken_after_the_key_was_pressed(press, user):
    gateway, challenge = started(press, user)
    wait_until(partial(has_status, press, user, "answered"), "the call is answered")
    assert radius.ACCESS_CHALLENGE == (challenge := gateway.respond(user, challenge, "000000")).code
    assert "" == press.simulator.code(user.phone)
    press.simulator.set_phone(user.phone, keys="71")
    assert accepts(press, gateway, user, challenge)
    assert 2 == spoken(press, user).count("Hello. This is ACME VPN. To hear your code, press 1.") // 3
    assert ["ringing", "answered", "human"] == statuses(press, user)


def test_a_voicemail_box_hears_no_code(press, user):
    gateway, challenge = started(press, user)
    wait_until(partial(has_status, press, user, "completed"), "the call has ended")
    assert "" == press.simulator.code(user.phone)
    prompt = gateway.respond(user, challenge, "000000")
    assert "The call ended before it gave you a code. Type phone to be called again:" == prompt_of(prompt)
    press.simulator.set_phone(user.phone, keys="1")
    again = gateway.respond(user, prompt, "phone")
    assert accepts(press, gateway, user, again)


def test_a_replayed_key_press_gives_no_other_code_and_the_first_one_stays_valid(press, user):
    press.simulator.set_phone(user.phone, keys="1")
    gateway, challenge = started(press, user)
    wait_until(lambda: press.simulator.code(user.phone), "the code is spoken")
    (pressed,) = [each for each in sent_callbacks(press, user) if each["url"].endswith("/key")]
    signed = signature(pressed["url"], pressed["fields"])
    with ThreadPoolExecutor(8) as pool:
        replayed = list(pool.map(lambda _: post_callback(pressed["url"], pressed["fields"], signed), range(8)))
    assert [(204, "")] * 8 == replayed
    assert accepts(press, gateway, user, challenge)


def test_a_forged_key_press_gives_no_code(press, user):
    gateway, challenge = started(press, user)
    wait_until(partial(has_status, press, user, "answered"), "the call is answered")
    url, fields = (callback := sent_callbacks(press, user)[-1])["url"], callback["fields"] | {"Digits": "1"}
    key_url = url.replace("/status", "/key")
    for signed in ("", signature(url, fields), signature(key_url, fields, "another token")):
        assert (403, "") == post_callback(key_url, fields, signed)
    press.simulator.set_phone(user.phone, keys="1")
    assert accepts(press, gateway, user, challenge)


@pytest.mark.parametrize("fault", ["lost", "forged"])
def test_no_code_is_spoken_if_the_key_press_does_not_arrive(press, user, fault):
    press.simulator.set_phone(user.phone, keys="1", callbacks=fault)
    _, _ = started(press, user)
    wait_until(lambda: press.simulator.calls(user.phone)[-1]["ended"], "the call has ended")
    assert "" == press.simulator.code(user.phone)


def test_key_presses_that_arrive_twice_speak_at_most_one_code(press, user):
    press.simulator.set_phone(user.phone, keys="1", callbacks="twice")
    gateway, challenge = started(press, user)
    wait_until(lambda: press.simulator.calls(user.phone)[-1]["ended"], "the call has ended")
    # the simulator runs the second response, which has no code: then the user asks for another call
    press.simulator.set_phone(user.phone, keys="1")
    assert accepts(press, gateway, user, gateway.respond(user, challenge, "phone"))


def test_the_code_is_spoken_after_a_human_was_detected(detect, user):
    gateway, challenge = started(detect, user)
    assert accepts(detect, gateway, user, challenge)
    assert "human" in statuses(detect, user)
    assert "press 1" not in spoken(detect, user)


@pytest.mark.parametrize("machine", ["machine_start", "fax"])
def test_a_machine_is_hung_up_on_and_the_prompt_says_so(detect, user, machine):
    detect.simulator.set_phone(user.phone, answered_by=machine)
    gateway, challenge = started(detect, user)
    wait_until(partial(has_status, detect, user, "machine"), "a machine is detected")
    prompt = gateway.respond(user, challenge, "000000")
    assert "An answering machine took the call. Type phone to be called again:" == prompt_of(prompt)
    assert "" == spoken(detect, user)
    detect.simulator.set_phone(user.phone)
    assert accepts(detect, gateway, user, gateway.respond(user, prompt, "phone"))


def test_an_uncertain_detection_asks_for_a_key(detect, user):
    detect.simulator.set_phone(user.phone, answered_by="unknown", keys="1")
    gateway, challenge = started(detect, user)
    assert accepts(detect, gateway, user, challenge)
    assert "To hear your code, press 1." in spoken(detect, user)


def test_without_an_inbound_path_the_code_is_spoken_after_polling(polled, user):
    gateway, challenge = started(polled, user)
    assert accepts(polled, gateway, user, challenge)
    assert spoken(polled, user).startswith("Hello. This is ACME VPN. Please wait for your code.")
    assert [] == sent_callbacks(polled, user)


@pytest.mark.parametrize("machine", ["machine_start", "unknown"])
def test_without_an_inbound_path_a_machine_hears_no_code(polled, user, machine):
    polled.simulator.set_phone(user.phone, answered_by=machine)
    gateway, challenge = started(polled, user)
    wait_until(partial(has_status, polled, user, "machine"), "a machine is detected")
    wait_until(lambda: polled.simulator.calls(user.phone)[-1]["ended"], "the call is ended")
    assert "" == polled.simulator.code(user.phone)
    assert "An answering machine took the call." in prompt_of(gateway.respond(user, challenge, "000000"))


def test_any_worker_handles_the_key_press(simulator, tmp_path, make_user):
    users = [make_user() for _ in range(8)]
    workers = WorkersProcess(tmp_path, simulator, configuration("press", workers=2), users)
    for user in users:
        simulator.set_phone(user.phone, keys="1")
    logins = [(user, *started(workers, user)) for user in users]
    for user, gateway, challenge in logins:
        assert accepts(workers, gateway, user, challenge)
    assert 0 == workers.stop()
