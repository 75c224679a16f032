"""Two passes: the first login with the password calls, the second one with `password,code` is accepted."""

import asyncio
import dataclasses

import pytest
from msgspec.structs import replace

from radius_voice.events import Outcome, Reason, SecondFactorMode, ServiceRecord
from radius_voice.login.codes.issued_codes import IssuedCodes
from radius_voice.login.codes.issued_states import MAX_UNUSED, REPEAT_SECONDS
from radius_voice.login.codes.keys import Keys
from radius_voice.login.limits.configured import Limits
from radius_voice.login.model import CallStatus, Method, SwapResult, User
from radius_voice.login.policies.exemptions import Exemption
from radius_voice.login.policies.policy import Remember, ReplyRule
from radius_voice.login.policies.roll_out import ReportMode
from radius_voice.login.session.decisions import rejected
from radius_voice.login.session.sessions import MAX_CAS_RETRIES
from radius_voice.login.session.two_pass import TypedPass, typed_pass
from radius_voice.login.upstream import ChallengeRequired
from radius_voice.stores.memory import MemoryStore
from radius_voice.trace import Trace
from tests.login.harness import ACCEPTED, ALICE, FakeDirectory, FakeProvider, LoginHarness, limit, result_of

CALLED = (Outcome.CHALLENGE, Reason.CALL_PLACED)
WRONG_CODE = (Outcome.CHALLENGE, Reason.WRONG_CODE)
WRONG_PASSWORD = (Outcome.REJECT, Reason.WRONG_PASSWORD)
REPEATED_ACCEPT = (Outcome.ACCEPT, Reason.REPEATED)
REPLAYED = (Outcome.REJECT, Reason.REPLAY)
BOB = User("bob-id", "bob", ALICE.phones[1:])
ELSEWHERE = "198.51.100.66"
PACKET = b"p" * 16
KEYS = Keys(b"k" * 32)


def harness_with(*users, password="right", **values):
    directory = FakeDirectory(*(users or (ALICE,)), password=password)
    return LoginHarness(directory=directory, second_factor=SecondFactorMode.TWO_PASS, **values)


@pytest.fixture
def harness():
    return harness_with()


def code_of(harness):
    """The code of the newest call."""
    return harness.provider.codes[-1]


def wrong_code(harness, number=1):
    """A code that is not the one of the newest call."""
    return f"{(int(code_of(harness)) + number) % 10**6:06}"


async def call_ends(harness, number=1):
    harness.provider.statuses[f"fake{number}"] = CallStatus.NO_ANSWER
    await harness.flow.follower.poll()


async def session_of(harness, user_key="people:alice-id", client="vpn"):
    session = await harness.store.load(KEYS.session_key(client, user_key))
    assert session is not None
    return session


# The two passes


async def test_the_first_pass_calls_and_the_second_is_accepted(harness):
    first = await harness.begin()
    assert (CALLED, b"") == (result_of(first), first.state)
    assert "ACME VPN is calling your phone ending in 23. Log in again with password,code" == first.text
    second = await harness.begin(f"right,{code_of(harness)}")
    assert (ACCEPTED, first.session) == (result_of(second), second.session)
    await harness.flow.drain()
    assert (1, 1, ["fake1"]) == (
        harness.directory.verifications,
        len(harness.provider.requests),
        harness.provider.hung_up,
    )


async def test_an_accept_has_the_attributes_of_the_user():
    class_attribute = (25, b"staff")
    harness = harness_with(policy={"reply": (ReplyRule(None, (class_attribute,)),)})
    await harness.begin()
    assert (class_attribute,) == (await harness.begin(f"right,{code_of(harness)}")).reply


async def test_the_text_has_the_delimiter_of_the_client(harness):
    first = await harness.begin(delimiter="+")
    assert first.text.endswith("Log in again with password+code")
    assert WRONG_PASSWORD == result_of(await harness.begin(f"right,{code_of(harness)}", delimiter="+"))
    assert ACCEPTED == result_of(await harness.begin(f"right+{code_of(harness)}", delimiter="+"))


@pytest.mark.parametrize(
    "code", ["{0[0]}{0[1]}{0[2]} {0[3]}{0[4]}{0[5]}", " {0} ", "{0[0]}{0[1]}{0[2]}-{0[3]}{0[4]}{0[5]}"]
)
async def test_a_code_may_have_spaces_and_hyphens(harness, code):
    await harness.begin()
    assert ACCEPTED == result_of(await harness.begin("right," + code.format(code_of(harness))))


async def test_the_text_is_in_the_language_of_the_user():
    harness = harness_with(replace(ALICE, language="de"))
    assert (await harness.begin()).text.endswith("Melden Sie sich erneut an mit Passwort,Code")
    wrong = [await harness.begin(f"right,{wrong_code(harness, number)}") for number in (1, 2)]
    assert ["noch 2 Versuche", "noch 1 Versuch"] == [each.text.partition(", ")[2].partition(".")[0] for each in wrong]
    ended = await harness.begin(f"right,{wrong_code(harness, 3)}")
    assert ("Anmeldung abgelehnt.", Reason.NO_ATTEMPTS_LEFT) == (ended.text, ended.reason)


async def test_a_challenge_mode_client_takes_the_whole_field_as_the_password():
    harness = LoginHarness()
    await harness.begin()
    assert WRONG_PASSWORD == result_of(await harness.begin(f"right,{code_of(harness)}"))


# Attempts, locks and time


async def test_a_wrong_code_costs_an_attempt_and_is_no_wrong_password():
    failures = {"user": limit("wrong_passwords.user", 1, Reason.WRONG_PASSWORD_LIMIT)}
    harness = harness_with(limits=Limits(failures=failures))
    await harness.begin()
    texts = []
    for number in (1, 2):
        decision = await harness.begin(f"right,{wrong_code(harness, number)}")
        assert WRONG_CODE == result_of(decision)
        texts.append(decision.text)
    assert [
        "Wrong code, 2 attempts left. Log in again with password,code",
        "Wrong code, 1 attempt left. Log in again with password,code",
    ] == texts
    ended = await harness.begin(f"right,{wrong_code(harness, 3)}")
    assert (Outcome.REJECT, Reason.NO_ATTEMPTS_LEFT) == result_of(ended)
    assert 1 == harness.directory.verifications


async def test_the_same_wrong_code_in_another_request_costs_another_attempt(harness):
    await harness.begin()
    for _ in range(2):
        assert WRONG_CODE == result_of(await harness.begin(f"right,{wrong_code(harness)}"))
    assert 1 == (await session_of(harness)).attempts_left


async def test_too_many_wrong_codes_lock_the_user_and_the_right_one_too_late():
    harness = harness_with(limits=Limits(codes={"user": limit("wrong_codes.user", 2, Reason.LOCKED, 86400.0)}))
    await harness.begin()
    for number in (1, 2):
        assert WRONG_CODE == result_of(await harness.begin(f"right,{wrong_code(harness, number)}"))
    locked = await harness.begin(f"right,{wrong_code(harness, 3)}")
    assert (Outcome.REJECT, Reason.LOCKED) == result_of(locked)
    assert (await session_of(harness)).result is not None


async def test_a_code_that_has_expired_is_rejected(harness):
    await harness.begin()
    code = code_of(harness)
    harness.clock.now = (await session_of(harness)).code_until
    assert (Outcome.REJECT, Reason.EXPIRED) == result_of(await harness.begin(f"right,{code}"))


async def test_after_the_session_has_ended_the_whole_field_is_the_password(harness):
    await harness.begin()
    code = code_of(harness)
    harness.clock.now = (await session_of(harness)).ends_at
    assert WRONG_PASSWORD == result_of(await harness.begin(f"right,{code}"))


async def test_a_user_who_is_disabled_after_the_first_pass_is_rejected(harness):
    await harness.begin()
    harness.directory.users["alice"] = replace(ALICE, disabled=True)
    assert (Outcome.REJECT, Reason.DISABLED) == result_of(await harness.begin(f"right,{code_of(harness)}"))


async def test_a_password_that_is_changed_after_the_first_pass_ends_the_login(harness):
    await harness.begin()
    harness.directory.password_id_now = "second"
    assert (Outcome.REJECT, Reason.PASSWORD_CHANGED) == result_of(await harness.begin(f"right,{code_of(harness)}"))


# Codes and passwords in one field


@pytest.mark.parametrize("password", ["right,123456", "right,", ",", "1,2,3,123456", "right,phone", "a,ACDE-FGHJ-KMNP"])
async def test_a_password_may_have_delimiters_and_what_looks_like_a_code(password):
    harness = harness_with(password=password)
    assert CALLED == result_of(await harness.begin(password))
    assert (Outcome.CHALLENGE, Reason.JOINED) == result_of(await harness.begin(password))
    assert ACCEPTED == result_of(await harness.begin(f"{password},{code_of(harness)}"))
    assert 2 == harness.directory.verifications


@pytest.mark.parametrize(
    "typed", ["12345", "1234567", "12345a", "", "phone0", "phones", "ACDE-FGHJ-KMN", "ACDE-FGHJ-KMNO"]
)
async def test_what_cannot_be_a_code_is_a_part_of_the_password(harness, typed):
    await harness.begin()
    assert WRONG_PASSWORD == result_of(await harness.begin(f"right,{typed}"))
    assert 3 == (await session_of(harness)).attempts_left


async def test_a_code_without_a_password_is_a_password(harness):
    await harness.begin()
    assert WRONG_PASSWORD == result_of(await harness.begin(f",{code_of(harness)}"))


async def test_a_code_after_a_wrong_password_costs_no_attempt_and_is_verified_once(harness):
    await harness.begin()
    assert WRONG_PASSWORD == result_of(await harness.begin(f"guess,{code_of(harness)}"))
    assert (2, 3) == (harness.directory.verifications, (await session_of(harness)).attempts_left)


async def test_guesses_of_password_and_code_are_limited_as_wrong_passwords():
    failures = {"user": limit("wrong_passwords.user", 2, Reason.WRONG_PASSWORD_LIMIT)}
    harness = harness_with(limits=Limits(failures=failures))
    await harness.begin()
    for _ in range(2):
        assert WRONG_PASSWORD == result_of(await harness.begin("guess,000000"))
    assert (Outcome.REJECT, Reason.WRONG_PASSWORD_LIMIT) == result_of(await harness.begin("guess,000000"))


async def test_the_number_of_digits_is_that_of_the_users_group():
    staff = replace(ALICE, groups=frozenset({"staff"}))
    rules = dataclasses.replace(LoginHarness()._policy.rules, digits=8)
    harness = harness_with(staff, BOB, policy={"group_rules": {"staff": rules}})
    await harness.begin()
    assert WRONG_PASSWORD == result_of(await harness.begin("right,123456"))
    assert ACCEPTED == result_of(await harness.begin(f"right,{code_of(harness)}"))
    await harness.begin(name="bob")
    assert WRONG_PASSWORD == result_of(await harness.begin("right,12345678", name="bob"))
    assert ACCEPTED == result_of(await harness.begin(f"right,{code_of(harness)}", name="bob"))


async def test_the_number_of_digits_is_that_of_the_policy_that_opened_the_session():
    rules = dataclasses.replace(LoginHarness()._policy.rules, digits=8)
    harness = harness_with(other_policies={"of-a-realm": {"rules": rules}})
    await harness.flow.begin(replace(harness.request(), policy="of-a-realm"), Trace(0.0, harness.clock))
    assert 8 == len(code_of(harness))
    assert ACCEPTED == result_of(await harness.begin(f"right,{code_of(harness)}"))


@pytest.mark.parametrize(
    ("typed", "station", "why"),
    [
        ("guess,{code}", "192.0.2.9", "other_password"),
        ("right,{code}", ELSEWHERE, "other_calling_station_id"),
        ("right,1234567", "192.0.2.9", "other_digits"),
        ("right,12345", "192.0.2.9", None),
    ],
)
async def test_the_audit_log_says_why_a_field_is_verified_as_a_password(typed, station, why):
    rules = dataclasses.replace(LoginHarness()._policy.rules, digits=7)
    harness = harness_with(policy={"group_rules": {"staff": rules}})
    await harness.begin()
    text = typed.format(code=code_of(harness))
    assert why == await reason_of_password(harness, text, calling_station_id=station)


async def test_the_audit_log_says_that_no_session_is_open(harness):
    assert "no_open_session" == await reason_of_password(harness, "right,123456")
    await harness.begin()
    code = code_of(harness)
    harness.clock.now += 400
    assert "no_open_session" == await reason_of_password(harness, f"right,{code}")


async def reason_of_password(harness, typed, **more):
    """Why the field is verified as a password, as the audit log says it; None without a reason."""
    trace = Trace(0.0, harness.clock)
    assert WRONG_PASSWORD == result_of(await harness.flow.begin(harness.request(typed, **more), trace))
    return next((step.detail for step in trace.steps if step.name == "not_second_pass"), None)


# Users, clients and Calling-Station-Ids


async def test_each_user_has_a_session(harness):
    harness = harness_with(ALICE, BOB)
    await harness.begin()
    await harness.begin(name="bob")
    alice, bob = harness.provider.codes
    assert WRONG_CODE == result_of(await harness.begin(f"right,{alice}", name="bob"))
    assert ACCEPTED == result_of(await harness.begin(f"right,{alice}"))
    assert ACCEPTED == result_of(await harness.begin(f"right,{bob}", name="bob"))


@pytest.mark.parametrize(
    "elsewhere", [{"calling_station_id": ELSEWHERE}, {"calling_station_id": ""}, {"client": "other"}]
)
async def test_a_code_is_valid_only_at_the_client_and_the_calling_station_of_the_first_pass(harness, elsewhere):
    await harness.begin()
    assert WRONG_PASSWORD == result_of(await harness.begin(f"right,{code_of(harness)}", **elsewhere))
    assert ACCEPTED == result_of(await harness.begin(f"right,{code_of(harness)}"))


async def test_both_passes_may_have_another_spelling_or_name_of_the_user(harness):
    harness.directory.users |= {"ALICE": ALICE, "alice@corp.example": ALICE}
    await harness.begin(name="ALICE")
    assert ACCEPTED == result_of(await harness.begin(f"right,{code_of(harness)}", name="alice@corp.example"))


async def test_a_name_without_a_user_is_a_wrong_password(harness):
    await harness.begin()
    decision = await harness.begin(f"right,{code_of(harness)}", name="nobody")
    assert (Outcome.REJECT, Reason.UNKNOWN_USER) == result_of(decision)


async def test_a_realm_that_is_not_listed_finds_no_session(harness):
    await harness.begin()
    decision = await harness.begin(f"right,{code_of(harness)}", unlisted_realm=True)
    assert (Outcome.REJECT, Reason.UNKNOWN_USER) == result_of(decision)


async def test_a_login_without_calling_station_ids(harness):
    await harness.begin(calling_station_id="")
    assert ACCEPTED == result_of(await harness.begin(f"right,{code_of(harness)}", calling_station_id=""))


# Other calls


async def test_the_first_pass_again_joins_while_the_call_is_live_and_calls_again_after_it(harness):
    await harness.begin()
    joined = await harness.begin()
    assert ((Outcome.CHALLENGE, Reason.JOINED), 1) == (result_of(joined), len(harness.provider.requests))
    await call_ends(harness)
    again = await harness.begin()
    assert (Outcome.CHALLENGE, Reason.REDIAL) == result_of(again)
    assert again.text.startswith("ACME VPN is calling your phone ending in 23.")
    old, new = harness.provider.codes
    assert WRONG_CODE == result_of(await harness.begin(f"right,{old}"))
    assert ACCEPTED == result_of(await harness.begin(f"right,{new}"))


async def test_password_and_phone2_call_the_other_phone(harness):
    await harness.begin()
    decision = await harness.begin("right,phone2")
    assert (Outcome.CHALLENGE, Reason.REDIAL) == result_of(decision)
    assert "ending in 24" in decision.text
    assert ["fake1"] == harness.provider.hung_up
    assert ACCEPTED == result_of(await harness.begin(f"right,{code_of(harness)}"))


async def test_password_and_sms_send_the_code_in_a_text_message():
    texts = FakeProvider(name="texts")
    calls = FakeProvider()
    by_method = {Method.VOICE: {"fake": calls}, Method.SMS: {"texts": texts}}
    harness = harness_with(providers=(calls,), by_method=by_method, policy={"methods": (Method.VOICE, Method.SMS)})
    await harness.begin()
    decision = await harness.begin("right,sms")
    assert (
        "ACME VPN has sent a text message to your phone ending in 23. Log in again with password,code" == decision.text
    )
    refused = [await harness.begin("right,sms") for _ in range(2)][-1]
    assert "No further text message is possible now. Log in again with password,code" == refused.text
    refused = await harness.begin("right,phone9")
    assert "No further call is possible now. Log in again with password,code" == refused.text
    assert ACCEPTED == result_of(await harness.begin(f"right,{texts.codes[-1]}"))


async def test_another_call_that_is_not_possible_says_so_and_leaves_the_session_as_small(harness):
    await harness.begin()
    decisions = [await harness.begin("right,phone3") for _ in range(2 * MAX_UNUSED)]
    assert {(Outcome.CHALLENGE, Reason.REDIAL_UNAVAILABLE)} == set(map(result_of, decisions))
    assert "No further call is possible now. Log in again with password,code" == decisions[-1].text
    assert 1 == sum(each.result is None for each in (await session_of(harness)).states)


async def test_another_call_that_a_limit_forbids_asks_for_the_second_login_and_sends_no_state(harness):
    harness.limits = type(harness.limits)(calls={"user": limit("calls.user", 1, Reason.CALL_LIMIT)})
    harness.restart_with(harness.store)
    await harness.begin()
    refused = await harness.begin("right,phone")
    assert ((Outcome.CHALLENGE, Reason.REDIAL_UNAVAILABLE), "limits.calls.user") == (result_of(refused), refused.rule)
    assert "No further call is possible now. Log in again with password,code" == refused.text
    assert b"" == refused.state


async def test_words_for_another_call_without_an_open_session_are_a_password(harness):
    assert WRONG_PASSWORD == result_of(await harness.begin("right,phone"))
    assert [] == harness.provider.requests


# Exactly once


async def test_a_lost_accept_is_repeated_for_thirty_seconds(harness):
    await harness.begin()
    typed = f"right,{code_of(harness)}"
    assert ACCEPTED == result_of(await harness.begin(typed, packet=PACKET))
    harness.clock.now += REPEAT_SECONDS
    for packet in (PACKET, None):
        assert REPEATED_ACCEPT == result_of(await harness.begin(typed, packet=packet))
    harness.clock.now += 1
    assert REPLAYED == result_of(await harness.begin(typed, packet=PACKET))
    assert WRONG_PASSWORD == result_of(await harness.begin(typed))
    assert 2 == harness.directory.verifications


async def test_without_a_calling_station_id_only_the_same_request_repeats_the_accept(harness):
    await harness.begin(calling_station_id="")
    typed = f"right,{code_of(harness)}"
    assert ACCEPTED == result_of(await harness.begin(typed, calling_station_id="", packet=PACKET))
    assert REPEATED_ACCEPT == result_of(await harness.begin(typed, calling_station_id="", packet=PACKET))
    assert WRONG_PASSWORD == result_of(await harness.begin(typed, calling_station_id=""))


async def test_another_code_after_the_accept_is_a_wrong_password(harness):
    await harness.begin()
    await harness.begin(f"right,{code_of(harness)}")
    assert WRONG_PASSWORD == result_of(await harness.begin(f"right,{wrong_code(harness)}"))


async def test_a_final_reject_is_repeated(harness):
    await harness.begin()
    ended = [await harness.begin(f"right,{wrong_code(harness, number)}") for number in (1, 2, 3)][-1]
    repeated = await harness.begin(f"right,{wrong_code(harness, 3)}")
    assert ((Outcome.REJECT, Reason.REPEATED), ended.text) == (result_of(repeated), repeated.text)
    assert 1 == harness.directory.verifications


async def test_the_accept_of_a_session_that_was_replaced_is_not_repeated(harness):
    await harness.begin()
    typed = f"right,{code_of(harness)}"
    await harness.begin(typed, packet=PACKET)
    await harness.flow.drain()
    assert CALLED == result_of(await harness.begin())
    assert REPLAYED == result_of(await harness.begin(typed, packet=PACKET))
    assert WRONG_CODE == result_of(await harness.begin(typed))


async def test_a_recorded_request_costs_one_attempt_whenever_it_is_replayed(harness):
    await harness.begin()
    typed = f"right,{wrong_code(harness)}"
    assert WRONG_CODE == result_of(await harness.begin(typed, packet=PACKET))
    assert (Outcome.CHALLENGE, Reason.REPEATED) == result_of(await harness.begin(typed, packet=PACKET))
    harness.clock.now += REPEAT_SECONDS + 1
    for _ in range(5):
        assert REPLAYED == result_of(await harness.begin(typed, packet=PACKET))
    assert 2 == (await session_of(harness)).attempts_left
    assert ACCEPTED == result_of(await harness.begin(f"right,{code_of(harness)}"))


async def test_a_recorded_request_costs_no_attempt_in_the_next_login(harness):
    await harness.begin()
    typed = f"right,{wrong_code(harness)}"
    await harness.begin(typed, packet=PACKET)
    harness.clock.now += 3600
    assert CALLED == result_of(await harness.begin())
    assert REPLAYED == result_of(await harness.begin(typed, packet=PACKET))
    assert 3 == (await session_of(harness)).attempts_left


async def test_a_recorded_request_for_another_call_calls_once(harness):
    await harness.begin()
    assert Reason.REDIAL == (await harness.begin("right,phone", packet=PACKET)).reason
    await call_ends(harness, 2)
    assert (Outcome.CHALLENGE, Reason.REPEATED) == result_of(await harness.begin("right,phone", packet=PACKET))
    harness.clock.now += REPEAT_SECONDS + 1
    assert REPLAYED == result_of(await harness.begin("right,phone", packet=PACKET))
    assert 2 == len(harness.provider.requests)


async def test_a_recorded_first_pass_calls_once(harness):
    await harness.begin(packet=PACKET)
    again = await harness.begin(packet=PACKET)
    assert ((Outcome.CHALLENGE, Reason.JOINED), b"") == (result_of(again), again.state)
    assert again.text.endswith("password,code")
    await harness.begin(f"right,{code_of(harness)}")
    assert REPLAYED == result_of(await harness.begin(packet=PACKET))
    assert 1 == len(harness.provider.requests)


async def test_a_reused_request_authenticator_is_reported_and_does_not_stop_the_login(harness):
    await harness.begin(packet=PACKET)
    assert ACCEPTED == result_of(await harness.begin(f"right,{code_of(harness)}", packet=PACKET))
    assert any(
        "Request Authenticator" in record.detail for record in harness.records if isinstance(record, ServiceRecord)
    )
    harness.clock.now += REPEAT_SECONDS + 1
    assert REPLAYED == result_of(await harness.begin(f"right,{code_of(harness)}", packet=PACKET))


async def test_a_request_that_was_verified_as_a_password_has_no_effect_in_a_later_session(harness):
    assert WRONG_PASSWORD == result_of(await harness.begin("right,123456", packet=PACKET))
    await harness.begin()
    assert REPLAYED == result_of(await harness.begin("right,123456", packet=PACKET))
    assert 3 == (await session_of(harness)).attempts_left


async def test_a_request_that_another_node_verifies_as_a_password_has_no_effect_in_a_session(harness):
    request = harness.request("right,123456", packet=PACKET)
    slot = KEYS.slot(request.client, request.authenticator, request.encrypted_credentials)
    await harness.store.apply_limits((), slot.charged())
    await harness.begin()
    assert WRONG_PASSWORD == result_of(await harness.begin("right,123456", packet=PACKET))
    assert 3 == (await session_of(harness)).attempts_left


# Several nodes at once


class RacingStore(MemoryStore):
    """Each node's first load waits until all of them have loaded the session. The last one continues first."""

    nodes = asyncio.Barrier(1)
    loads = 0

    async def load(self, key):
        session = await super().load(key)
        self.loads += 1
        if self.loads <= self.nodes.parties:
            await self.nodes.wait()
        return session


async def race(harness, *typed, packets=None):
    """The decisions on these second passes, at one node each, which load the session at the same time."""
    await harness.begin()
    store = RacingStore(harness.clock)
    store.__dict__.update(vars(harness.store))
    nodes = [
        LoginHarness(directory=harness.directory, clock=harness.clock, second_factor=harness.second_factor)
        for _ in typed
    ]
    for number, node in enumerate(nodes):
        node.packets = 100 * (number + 1)
        node.restart_with(store)
    store.nodes = asyncio.Barrier(len(typed))
    texts = [each.format(code=code_of(harness), wrong=wrong_code(harness)) for each in typed]
    packets = packets or [None] * len(typed)
    starts = [node.begin(text, packet=packet) for node, text, packet in zip(nodes, texts, packets, strict=True)]
    decisions = await asyncio.gather(*starts)
    harness.store = store
    return sorted(map(result_of, decisions))


@pytest.mark.parametrize("packets", [[PACKET] * 3, None], ids=["one request", "several requests"])
async def test_the_same_code_at_three_nodes_at_once_is_accepted_once_and_repeated(harness, packets):
    decisions = await race(harness, *["right,{code}"] * 3, packets=packets)
    assert [ACCEPTED, REPEATED_ACCEPT, REPEATED_ACCEPT] == decisions
    assert 1 == harness.directory.verifications


async def test_the_same_wrong_request_at_three_nodes_at_once_costs_one_attempt(harness):
    decisions = await race(harness, *["right,{wrong}"] * 3, packets=[PACKET] * 3)
    repeated = (Outcome.CHALLENGE, Reason.REPEATED)
    assert [repeated, repeated, WRONG_CODE] == decisions
    assert 2 == (await session_of(harness)).attempts_left


async def test_a_wrong_and_a_right_code_at_once_are_both_compared(harness):
    decisions = await race(harness, "right,{code}", "right,{wrong}")
    assert [ACCEPTED, WRONG_CODE] == decisions
    assert 1 == harness.directory.verifications


async def test_a_session_that_changes_at_every_attempt_gives_no_response(harness, monkeypatch):
    await harness.begin()
    swaps = []

    async def stale(*arguments):
        swaps.append(arguments)
        return SwapResult.STALE

    monkeypatch.setattr(harness.store, "compare_and_swap", stale)
    decision = await harness.begin(f"right,{code_of(harness)}")
    assert (Outcome.NO_RESPONSE, Reason.STORE_UNAVAILABLE) == result_of(decision)
    assert MAX_CAS_RETRIES == len(swaps)


async def test_a_request_whose_states_others_always_answer_first_gets_no_response(harness, monkeypatch):
    await harness.begin()

    async def used(*arguments):
        return rejected(Reason.USED_STATE)

    monkeypatch.setattr(harness.flow._responses, "decide_second_pass", used)
    decision = await harness.begin(f"right,{code_of(harness)}")
    assert (Outcome.NO_RESPONSE, Reason.STORE_UNAVAILABLE) == result_of(decision)


async def test_a_directory_that_is_down_gives_no_response_and_costs_nothing(harness):
    await harness.begin()
    harness.directory.unavailable = True
    decision = await harness.begin(f"right,{code_of(harness)}", packet=PACKET)
    assert (Outcome.NO_RESPONSE, Reason.IDENTITY_UNAVAILABLE) == result_of(decision)
    harness.directory.unavailable = False
    assert ACCEPTED == result_of(await harness.begin(f"right,{code_of(harness)}", packet=PACKET))


# Other rules of a policy


async def test_the_first_pass_of_an_exempt_user_is_accepted():
    exempt = Exemption(("policies", "default", "exemptions", 0), "printer", lambda _: None, users=frozenset({"alice"}))
    harness = harness_with(policy={"exemptions": (exempt,)})
    assert (Outcome.ACCEPT, Reason.EXEMPT) == result_of(await harness.begin())


async def test_a_login_is_remembered_after_the_second_pass():
    remember = Remember(("policies", "default", "remember"), 3600.0)
    harness = harness_with(policy={"remember": remember})
    await harness.begin()
    assert ACCEPTED == result_of(await harness.begin(f"right,{code_of(harness)}"))
    await harness.flow.drain()
    assert (Outcome.ACCEPT, Reason.REMEMBERED) == result_of(await harness.begin())


async def test_in_report_mode_the_first_pass_is_accepted():
    mode = ReportMode(("policies", "default", "mode"), 2_000_000.0)
    harness = harness_with(policy={"report_mode": mode})
    assert (Outcome.ACCEPT, Reason.REPORT_MODE) == result_of(await harness.begin())


async def test_a_code_from_the_help_desk_is_typed_after_the_password():
    harness = harness_with(replace(ALICE, phones=()))
    code, _ = await IssuedCodes(KEYS, harness.store, harness.clock).issue("people:alice-id", 3600.0)
    first = await harness.begin()
    assert (Outcome.CHALLENGE, Reason.ISSUED_CODE) == result_of(first)
    assert "You have a code from the help desk. Log in again with password,code" == first.text
    wrong = await harness.begin("right,123456")
    assert (WRONG_CODE, "Wrong code, 2 attempts left. Log in again with password,code") == (
        result_of(wrong),
        wrong.text,
    )
    assert first.text == (await harness.begin("right,phone")).text
    accepted = await harness.begin(f"right,{code.lower()}")
    assert (Outcome.ACCEPT, Reason.ISSUED_CODE_CORRECT) == result_of(accepted)
    assert [] == harness.provider.requests


async def test_a_challenge_of_the_first_factor_is_rejected_and_stays_charged():
    failures = {"user": limit("wrong_passwords.user", 1, Reason.WRONG_PASSWORD_LIMIT)}
    harness = harness_with(limits=Limits(failures=failures))

    async def ask(verification, deadline):
        return ChallengeRequired(b"context", "New password?")

    harness.directory.verify = ask
    refused = await harness.begin(packet=PACKET)
    assert ((Outcome.REJECT, Reason.UPSTREAM_CHALLENGE), "Login refused.", "alice", b"") == (
        result_of(refused),
        refused.text,
        refused.user,
        refused.state,
    )
    assert REPLAYED == result_of(await harness.begin(packet=PACKET))
    assert (Outcome.REJECT, Reason.WRONG_PASSWORD_LIMIT) == result_of(await harness.begin())


async def test_a_call_that_is_still_being_placed_can_be_answered():
    harness = harness_with()
    harness.provider.gate = asyncio.Event()
    harness.response_timeout = 0.3
    pending = await harness.begin()
    assert (Outcome.CHALLENGE, Reason.DELIVERY_PENDING) == result_of(pending)
    harness.provider.gate.set()
    harness.response_timeout = 2.5
    await harness.flow.drain()
    assert ACCEPTED == result_of(await harness.begin(f"right,{code_of(harness)}"))


@pytest.mark.parametrize("failing", ["wrong_password", "busy"])
async def test_a_first_pass_that_is_rejected_gets_the_text_of_all_rejects(harness, failing):
    await harness.begin(client="other")
    decision = await harness.begin("wrong" if failing == "wrong_password" else "right")
    assert ("Login refused.", failing) == (decision.text, decision.reason)


def test_no_password_or_code_is_in_a_representation():
    assert "TypedPass()" == repr(TypedPass("secret", "123456"))


@pytest.mark.parametrize("text", ["123456", ",123456", "phone", "right", "right,", "right,12345"])
async def test_a_field_without_password_or_code_is_no_second_pass(harness, text):
    assert typed_pass(harness.request(text), {6}) is None


async def test_a_field_is_split_at_the_last_delimiter(harness):
    assert TypedPass("a,123456", "654321") == typed_pass(harness.request("a,123456,654321"), {6})


async def test_a_session_that_waits_for_an_approval_has_no_second_pass_after_the_client_was_changed():
    harness = harness_with()
    harness.second_factor = SecondFactorMode.APPROVE
    assert Reason.AWAITING_APPROVAL is (await harness.begin()).reason
    harness.second_factor = SecondFactorMode.TWO_PASS
    assert WRONG_PASSWORD == result_of(await harness.begin("right,123456"))
