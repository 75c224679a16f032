"""Vonage's Voice API: requests that its description allows, and what each response means."""

import json
import logging
import time

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from radius_voice.delivery.vonage_voice import provider as vonage
from radius_voice.delivery.vonage_voice.ncco import MAX_TEXT, ncco_of
from radius_voice.delivery.vonage_voice.provider import MAX_FETCHES, STATUSES, VonageVoice, create
from radius_voice.delivery.vonage_voice.refusals import (
    BY_STATUS,
    CREDENTIALS_FIX,
    CREDIT_FIX,
    DEFAULT_FIX,
    FROM_FIX,
    refusal,
)
from radius_voice.delivery.vonage_voice.settings import VonageVoiceSettings
from radius_voice.delivery.vonage_voice.tokens import LIFETIME_SECONDS, RENEWAL_SECONDS, ApplicationTokens
from radius_voice.http_client import NOT_SENT_FIX, HttpPool
from radius_voice.login.deliveries.adapter_reports import AccountCheck
from radius_voice.login.deliveries.caller_numbers import CallerNumbers
from radius_voice.login.deliveries.code_message import MAX_SPEECH_SECONDS
from radius_voice.login.deliveries.requests import CodeMessage, Indeterminate, NotPlaced, NumberRejected, Placed
from radius_voice.login.model import CallRef, CallStatus, Unavailable
from radius_voice.login.phone import Phone
from radius_voice.messages import LANGUAGES
from radius_voice.wiring.adapters import load
from tests.support import vonage_double
from tests.support.network import free_port
from tests.support.vonage_double import (
    APPLICATION,
    DoubledCall,
    VonageDouble,
    cut,
    pem,
    private_key,
    reset_after,
    reset_before,
    respond,
    slow,
)

from .conftest import answering, raw_server

FROM = Phone("+12025550100")


@pytest.fixture
def double():
    with VonageDouble() as double:
        yield double
        assert [] == double.refused


@pytest.fixture
async def voice():
    """Makes a VonageVoice for a base URL, and closes it."""
    made = []

    def make(base_url, *, application_id=APPLICATION, key=None, from_number=FROM, by_country=None, total_timeout=5.0):
        pool = HttpPool(connect_timeout=3.0, total_timeout=total_timeout, base_url=base_url)
        tokens = ApplicationTokens(application_id, pem(key), time.time)
        made.append(VonageVoice("vonage", pool, tokens, CallerNumbers(from_number, by_country or {})))
        return made[-1]

    yield make
    for each in made:
        await each.close()


def ref(reference):
    return CallRef("vonage", reference)


# Placing a call


async def test_a_call_is_placed_and_speaks_the_code(double, voice, order, soon):
    answer = await voice(double.url).place(order(), soon())
    (call,) = double.calls
    assert Placed(call.uuid) == answer
    assert ("14155550123", "123456") == (call.to, call.code)
    spoken = " ".join(call.spoken.split())
    assert spoken.startswith("Hello. This is ACME VPN. Your code is 1 2 3 4 5 6 Once more, your code is 1 2 3 4 5 6")
    assert 3 == spoken.count("1 2 3 4 5 6")


async def test_the_request_has_ringing_timer_length_timer_and_no_recording(double, voice, order, soon):
    await voice(double.url).place(order(), soon())
    (call,) = double.calls
    assert {"to", "from", "ncco", "ringing_timer", "length_timer"} == call.request.keys()
    assert (25, MAX_SPEECH_SECONDS) == (call.request["ringing_timer"], call.request["length_timer"])
    assert {"talk"} == {action["action"] for action in call.request["ncco"]}
    assert "dtmfAnswer" not in call.request["to"][0]


@pytest.mark.parametrize(("extension", "digits"), [("42", "pppp42"), ("1" * 20, "pppp" + "1" * 20)])
async def test_an_extension_is_dialled_after_a_pause(extension, digits, double, voice, order, soon):
    request = structs.replace(order(), phone=Phone("+14155550123", extension))
    assert isinstance(await voice(double.url).place(request, soon()), Placed)
    assert {"type": "phone", "number": "14155550123", "dtmfAnswer": digits} == double.calls[0].request["to"][0]


async def test_a_sip_address_is_called(double, voice, order, soon):
    assert isinstance(await voice(double.url).place(order("sip:3105@pbx.example.org:5080"), soon()), Placed)
    (call,) = double.calls
    assert [{"type": "sip", "uri": "sip:3105@pbx.example.org:5080"}] == call.request["to"]
    assert "123456" == call.code


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("code", ["1234567890", ""])
async def test_the_longest_code_and_name_fit_in_every_language(language, code, double, voice, order, soon):
    request = order(language=language, code=code, friendly_name="&" * 60)
    assert isinstance(await voice(double.url).place(request, soon()), Placed)


async def test_a_name_with_markup_is_spoken_as_it_is_written(double, voice, order, soon):
    await voice(double.url).place(order(friendly_name="R&D <break time='9s'/> \x00Zürich"), soon())
    assert "This is R&D <break time='9s'/> Zürich." in double.calls[0].spoken


async def test_a_message_too_long_for_vonage_is_not_sent(double, voice, order, soon):
    answer = await voice(double.url).place(order(friendly_name="x" * MAX_TEXT), soon())
    assert NotPlaced("not sent: message longer than 1500 characters", alarm=True, fix=DEFAULT_FIX, sent=False) == answer
    assert [] == double.requests


async def test_a_passed_deadline_sends_nothing(double, voice, order, soon):
    assert NotPlaced("not sent: no time left", sent=False) == await voice(double.url).place(order(), soon(-1))
    assert [] == double.requests


def test_a_message_of_the_help_desk_has_no_code():
    texts = " ".join(action["text"] for action in ncco_of(CodeMessage("en", "ACME VPN", "")))
    assert 2 == texts.count("help desk has issued")


# What each fault means, and that it delivers at most one call

FAULTS = {
    "reset before the call is placed": (reset_before, Indeterminate, 0),
    "reset after the call is placed": (reset_after, Indeterminate, 1),
    "slow": (slow, Indeterminate, 1),
    "cut in the body": (cut, Indeterminate, 1),
    "garbage": (respond(201, "\x00garbage", placed=True), Indeterminate, 1),
    "nested garbage": (respond(201, "[" * 60_000, placed=True), Indeterminate, 1),
    "a list": (respond(201, "[1]", placed=True), Indeterminate, 1),
    "no body": (respond(201, "", placed=True), Indeterminate, 1),
    "no UUID": (respond(201, "{}", placed=True), Indeterminate, 1),
    "a status of another type": (respond(201, '{"uuid": "5", "status": null}', placed=True), Placed, 1),
    "a UUID of another type": (respond(201, '{"uuid": 5}', placed=True), Indeterminate, 1),
    "a UUID that is a path": (respond(201, '{"uuid": "../x"}', placed=True), Indeterminate, 1),
    "a UUID at length": (respond(201, json.dumps({"uuid": "a" * 60_000}), placed=True), Indeterminate, 1),
    "a long response": (respond(201, json.dumps({"uuid": "a" * 90_000}), placed=True), Indeterminate, 1),
    "500": (respond(500, "{}", placed=True), Indeterminate, 1),
    "503": (respond(503, "<html>"), Indeterminate, 0),
    "429": (respond(429, '{"title": "Too Many Requests"}'), NotPlaced, 0),
    "401": (respond(401, '{"title": "Unauthorized"}'), NotPlaced, 0),
    "400": (respond(400, '{"title": "Bad Request"}'), NotPlaced, 0),
    "a redirect": (respond(307, ""), NotPlaced, 0),
    "no fault": (None, Placed, 1),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_every_fault_delivers_at_most_one_call_and_is_classified(fault, double, voice, order, soon):
    behaviour, kind, delivered = FAULTS[fault]
    double.faults += [behaviour] if behaviour else []
    answer = await voice(double.url).place(order(), soon(0.5 if fault == "slow" else 5))
    assert (kind, delivered) == (type(answer), len(double.calls))
    assert 1 == len(double.requests)
    assert "4155550123" not in repr(answer)


async def test_a_call_to_a_closed_port_was_not_sent(voice, order, soon):
    answer = await voice(f"http://127.0.0.1:{free_port()}").place(order(), soon())
    assert (
        NotPlaced("not sent: connection refused or host not reachable", outage=True, fix=NOT_SENT_FIX, sent=False)
        == answer
    )


async def test_the_total_timeout_applies_when_the_deadline_is_far(double, voice, order, soon):
    double.faults.append(slow)
    answer = await voice(double.url, total_timeout=0.1).place(order(), soon(60))
    assert Indeterminate("sent, then: timed out") == answer


# Refusals


def body(**members):
    return json.dumps({"type": "about:blank", "title": "Bad Request"} | members)


def invalid(*names):
    return body(invalid_parameters=[{"name": name, "reason": "+14155550123 is invalid"} for name in names])


NOT_VALID = NumberRejected("HTTP 400: not a valid number")
NO_CREDIT = NotPlaced("HTTP 403: not enough credit", alarm=True, outage=True, fix=CREDIT_FIX)
OTHER = NotPlaced("HTTP 400", alarm=True, fix=DEFAULT_FIX)
REFUSALS = [
    (400, invalid("to"), NOT_VALID),
    (400, invalid("to[0].number"), NOT_VALID),
    (400, invalid("to.0.number", "to"), NOT_VALID),
    (400, body(invalid_parameters={"to": "Is invalid"}), NOT_VALID),
    (422, invalid("to"), NumberRejected("HTTP 422: not a valid number")),
    (400, invalid("from"), NotPlaced("HTTP 400: the from number is refused", alarm=True, outage=True, fix=FROM_FIX)),
    (400, invalid("to", "ncco"), OTHER),
    (400, invalid("total"), OTHER),
    (400, invalid(), OTHER),
    (400, body(invalid_parameters=[5, None]), OTHER),
    (400, body(invalid_parameters="to"), OTHER),
    (400, body(detail="the number to dial is not valid"), OTHER),
    (400, "[" * 60_000, OTHER),
    (400, "", OTHER),
    (403, invalid("to"), BY_STATUS[403]),
    (401, body(), BY_STATUS[401]),
    (402, "", BY_STATUS[402]),
    (404, body(), BY_STATUS[404]),
    (429, "slow down", BY_STATUS[429]),
    (403, body(type="https://x/Error#out-of-credit"), NO_CREDIT),
    (403, body(type="https://x/api-errors#low-balance"), NO_CREDIT),
    (400, body(type=400), OTHER),
    (500, invalid("to"), Indeterminate("HTTP 500")),
    (503, body(type="https://x#low-balance"), Indeterminate("HTTP 503")),
    (199, "", Indeterminate("HTTP 199")),
    (307, "", NotPlaced("HTTP 307", alarm=True, fix=DEFAULT_FIX)),
]


@pytest.mark.parametrize(("status", "text", "expected"), REFUSALS)
def test_every_refusal_becomes_what_the_table_says(status, text, expected):
    assert expected == refusal(status, text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda items: st.lists(items) | st.dictionaries(st.sampled_from(["type", "invalid_parameters", "name"]), items),
)


@given(st.integers(100, 599), JSON.map(json.dumps) | st.binary().map(lambda octets: octets.decode("utf-8", "replace")))
def test_any_error_body_has_a_short_result_and_none_of_its_text(status, text):
    result = refusal(status, text)
    assert len(result.detail) < 50
    assert isinstance(result, Indeterminate) is not (300 <= status < 500)


@pytest.mark.parametrize("status", BY_STATUS)
def test_every_alarm_has_its_fix(status):
    assert BY_STATUS[status].alarm is (BY_STATUS[status].fix != "")


async def test_the_numbers_that_vonage_refuses_are_rejected(double, voice, order, soon):
    double.unreachable.add("14155550123")
    assert NOT_VALID == await voice(double.url).place(order(), soon())
    assert ["unreachable"] == double.refused
    double.refused.clear()


async def test_a_from_number_that_is_not_linked_is_an_outage(double, voice, order, soon):
    answer = await voice(double.url, from_number=Phone("+12025550199")).place(order(), soon())
    assert ("HTTP 400: the from number is refused", True, True) == (answer.detail, answer.alarm, answer.outage)
    assert answer.fix.endswith("`from` and `from_by_country`")
    double.refused.clear()


@pytest.mark.parametrize(
    "wrong",
    [
        {"application_id": "aaaaaaaa-bbbb-4ccc-8ddd-ffffffffffff"},
        {"key": rsa.generate_private_key(65537, 2048)},
    ],
)
async def test_the_application_of_another_key_or_id_is_an_outage_with_a_fix(wrong, double, voice, order, soon):
    ours = voice(double.url, **wrong)
    expected = NotPlaced("HTTP 401: credentials refused", alarm=True, outage=True, fix=CREDENTIALS_FIX)
    assert expected == await ours.place(order(), soon())
    checks = await ours.check_account()
    assert [AccountCheck(ok=False, text=f"HTTP 401: credentials refused; {CREDENTIALS_FIX}")] == checks
    double.refused.clear()


# Tokens


def claims_of(token):
    return jwt.decode(
        token, private_key().public_key(), algorithms=["RS256"], options={"verify_exp": False, "verify_iat": False}
    )


def test_a_token_has_the_claims_that_vonage_requires(clock):
    claims = claims_of(ApplicationTokens(APPLICATION, pem(), clock).current())
    assert {"application_id", "iat", "exp", "jti"} == claims.keys()
    assert (APPLICATION, clock.now, LIFETIME_SECONDS) == (
        claims["application_id"],
        claims["iat"],
        claims["exp"] - claims["iat"],
    )


def test_a_token_is_used_until_shortly_before_it_expires(clock):
    tokens, start = ApplicationTokens(APPLICATION, pem(), clock), clock.now
    first = tokens.current()
    clock.now = start + LIFETIME_SECONDS - RENEWAL_SECONDS - 1
    assert first == tokens.current()
    clock.now += 1
    second = claims_of(tokens.current())
    assert clock.now == second["iat"]
    assert claims_of(first)["jti"] != second["jti"]


def test_a_token_from_the_future_is_replaced_after_the_clock_was_set_back(clock):
    tokens = ApplicationTokens(APPLICATION, pem(), clock)
    tokens.current()
    clock.now -= 1
    assert clock.now == claims_of(tokens.current())["iat"]


async def test_requests_share_one_token(double, voice, order, soon):
    ours = voice(double.url)
    for _ in range(3):
        await ours.place(order(), soon())
    await ours.progress([ref(double.calls[0].uuid)])
    assert (4, 1) == (len(double.tokens), len(set(double.tokens)))


def test_a_key_that_is_not_rsa_is_refused():
    with pytest.raises(ValueError, match="not an RSA key"):
        ApplicationTokens(APPLICATION, pem(vonage_double.ec_key()), time.time)


# Following and ending a call


@pytest.mark.parametrize(("status", "expected"), STATUSES.items())
async def test_every_status_of_vonage_is_understood(status, expected, double, voice, order, soon):
    ours = voice(double.url)
    placed = await ours.place(order(), soon())
    double.calls[0].status = status
    assert {ref(placed.reference): expected} == await ours.progress([ref(placed.reference)])


def test_every_status_of_the_description_is_in_the_table():
    assert set(STATUSES) == vonage_double.OVER | {"started", "ringing", "answered", "machine"}
    assert all(STATUSES[status].over for status in vonage_double.OVER)


async def test_a_status_that_is_not_known_is_left_out(double, voice):
    double.calls.append(DoubledCall("1", {"from": {}}, status="disconnected"))
    assert {} == await voice(double.url).progress([ref(double.calls[0].uuid)])


async def test_no_calls_need_no_request(double, voice):
    assert {} == await voice(double.url).progress([])
    assert [] == double.requests


@pytest.mark.parametrize(("ours", "others", "requests"), [(1, 0, 1), (100, 0, 1), (150, 0, 2), (250, 40, 3)])
async def test_many_calls_are_followed_by_few_requests(ours, others, requests, double, voice):
    double.calls += [DoubledCall("1", {"from": {}}, status="answered") for _ in range(ours + others)]
    wanted = [ref(call.uuid) for call in double.calls[others:]]
    assert dict.fromkeys(wanted, CallStatus.ANSWERED) == await voice(double.url).progress(wanted)
    assert requests == len(double.requests)


async def test_calls_that_the_list_does_not_show_are_fetched_in_turn(double, voice):
    double.calls += [DoubledCall("1", {"from": {}}, status="ringing") for _ in range(2 * MAX_FETCHES + 100)]
    wanted = [ref(call.uuid) for call in double.calls[: 2 * MAX_FETCHES]]
    provider = voice(double.url)
    found: dict[CallRef, CallStatus] = {}
    for number in (1, 2):
        found |= await provider.progress(wanted)
        assert number * (1 + MAX_FETCHES) == len(double.requests)
        assert number * MAX_FETCHES == len(found)


async def test_a_call_that_vonage_does_not_know_is_left_out(double, voice):
    assert {} == await voice(double.url).progress([ref("aaaaaaaa-bbbb-4ccc-8ddd-0123456789ac")])
    assert ["no such call"] == double.refused
    double.refused.clear()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"_embedded": {"calls": [{"uuid": 5}]}}', "[" * 60_000, "<html>"])
async def test_a_list_that_is_not_understood_is_unavailable(text, voice):
    async with raw_server(answering(200, text.encode())) as port:
        with pytest.raises(Unavailable, match="response not understood"):
            await voice(f"http://127.0.0.1:{port}").progress([ref("a")])


async def test_a_call_is_ended_once_and_ending_it_again_is_no_error(double, voice, order, soon):
    ours = voice(double.url)
    placed = await ours.place(order(), soon())
    await ours.hang_up(ref(placed.reference))
    assert "completed" == double.calls[0].status
    await ours.hang_up(ref(placed.reference))
    await ours.hang_up(ref("aaaaaaaa-bbbb-4ccc-8ddd-0123456789ac"))
    assert ["not in progress", "no such call", "no such call"] == double.refused
    double.refused.clear()


async def test_a_refusal_to_end_a_call_that_is_not_over_is_unavailable(double, voice, monkeypatch):
    double.calls.append(DoubledCall("1", {"from": {}}, status="answered"))
    monkeypatch.setattr(vonage_double, "OVER", {"answered"})
    with pytest.raises(Unavailable, match=r"^vonage: HTTP 400$"):
        await voice(double.url).hang_up(ref(double.calls[0].uuid))
    double.refused.clear()


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_errors_of_follow_hang_up_and_account_requests_are_unavailable(status, voice):
    async with raw_server(answering(status, b'{"detail": "+14155550123"}')) as port:
        ours = voice(f"http://127.0.0.1:{port}")
        for asking in (ours.progress([ref("a")]), ours.hang_up(ref("a"))):
            with pytest.raises(Unavailable, match=rf"^vonage: HTTP {status}(: too many requests)?$"):
                await asking
        (check,) = await ours.check_account()
        assert (False, True) == (check.ok, check.text.startswith(f"HTTP {status}"))


async def test_an_unreachable_server_is_unavailable(voice):
    ours = voice(f"http://127.0.0.1:{free_port()}")
    with pytest.raises(Unavailable, match="connection refused"):
        await ours.hang_up(ref("a"))
    assert [False] == [check.ok for check in await ours.check_account()]


async def test_an_accepted_application_is_reported(double, voice):
    checks = await voice(double.url).check_account()
    assert [True, True] == [check.ok for check in checks]
    assert "12025550100" not in str(checks)
    assert [] == double.calls


# Settings

CONFIGURATION = """\
clients: {vpn: {address: 10.0.0.1, secret: "a shared secret of the tests"}}
identity: {people: {type: users_file, path: users.yaml}}
delivery:
  friendly_name: ACME VPN
  providers:
    vonage:
      type: vonage-voice
      application_id: aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab
      private_key: {file: vonage.key}
      from: "+12025550100"
"""


def test_a_provider_is_created_from_a_configuration(tmp_path):
    (tmp_path / "radius-voice.yaml").write_text(CONFIGURATION)
    (tmp_path / "radius-voice.yaml").chmod(0o600)
    (tmp_path / "users.yaml").touch()
    (tmp_path / "vonage.key").touch(0o600)
    (tmp_path / "vonage.key").write_text(pem())
    settings = load(tmp_path / "radius-voice.yaml", {}).settings.delivery.providers["vonage"]
    assert isinstance(settings, VonageVoiceSettings)
    provider = create("vonage", settings)
    assert provider.call_control is provider
    assert vonage.CALLS.startswith("https://api.nexmo.com/")
    shown = repr([settings, provider, vars(provider)])
    assert not any(line in shown for line in pem().splitlines()[1:-1])


async def test_a_secret_is_in_no_repr_log_or_error(double, voice, order, soon, caplog):
    caplog.set_level(logging.DEBUG)
    ours = voice(double.url)
    shown = [repr(ours), repr(await ours.place(order(), soon())), repr(vars(ours))]
    for private in (double.tokens[0], "123456", "4155550123"):
        assert private not in " ".join(shown) + caplog.text


async def test_a_call_comes_from_the_number_for_the_country_of_the_user(double, voice, order, soon):
    german = Phone("+493012345678")
    ours = voice(double.url, by_country={"US": german})
    await ours.place(order(), soon())
    assert ["HTTP 400: the from number is refused"] == [(await ours.place(order(), soon())).detail]
    assert [True, True, True] == [check.ok for check in await ours.check_account()]
    double.refused.clear()
