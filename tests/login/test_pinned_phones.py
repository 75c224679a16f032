"""Phones are pinned at the first login; a phone that is not pinned is a changed phone."""

import pytest
from msgspec.structs import replace

from radius_voice.events import Alarm, AlarmRecord, Mode, Outcome, Reason
from radius_voice.login.codes.keys import Keys
from radius_voice.login.codes.pins import (
    ChangedPhone,
    FirstPhone,
    Pin,
    called_phones,
    compare,
    decode,
    encode,
    new_pins,
    pins_key,
)
from radius_voice.login.durable import DurableExists, DurableWrite
from radius_voice.login.model import CallRef, CallStatus
from radius_voice.login.phone import Phone
from radius_voice.login.policies.roll_out import GracePeriod, ReportMode
from tests.login.harness import ACCEPTED, ALICE, NOT_PLACED, LoginHarness, result_of

ALICE_KEY = "people:alice-id"
FIRST, SECOND = ALICE.phones
ADDED = Phone("+12025550188")
KEYS = Keys(b"k" * 32)
NOT_CONFIRMED = (Outcome.REJECT, Reason.PHONE_NOT_CONFIRMED)
NOT_VERIFIED = (Outcome.REJECT, Reason.PHONE_NOT_VERIFIED)


def harness_of(**policy):
    return LoginHarness(policy=policy)


@pytest.fixture
def harness():
    return harness_of()


def give_phones(harness, *phones):
    harness.directory.users = {"alice": replace(ALICE, phones=phones)}


def alarms(harness):
    return [record for record in harness.records if isinstance(record, AlarmRecord)]


async def stored_pins(harness):
    value = await harness.store.durable(pins_key(ALICE_KEY))
    return None if value is None else decode(value)


async def pin(harness, *phones, verified=True):
    pins = new_pins(KEYS, ALICE_KEY, phones, harness.clock.now, verified=verified)
    key = pins_key(ALICE_KEY)
    assert await harness.store.replace_durable(key, await harness.store.durable(key), encode(pins))


async def ended(harness, number):
    await harness.flow.on_call_event(CallRef("fake", f"fake{number}"), CallStatus.COMPLETED)


async def log_in(harness, typed="right", **more):
    """Log in with the right code; the decision on the code, or that on the password if it is a reject."""
    challenge = await harness.begin(typed, **more)
    if challenge.outcome is not Outcome.CHALLENGE:
        return challenge
    decision = await harness.answer(harness.provider.codes[-1], challenge, **more)
    await harness.flow.drain()
    return decision


async def test_a_correct_code_pins_the_phones_of_the_directory(harness):
    challenge = await harness.begin()
    assert await stored_pins(harness) is None
    assert Outcome.CHALLENGE == (await harness.answer("000000", challenge)).outcome
    assert await stored_pins(harness) is None
    assert ACCEPTED == result_of(await log_in(harness))
    pins = await stored_pins(harness)
    assert [Pin(KEYS.pin(ALICE_KEY, phone), phone.masked, harness.clock.now) for phone in ALICE.phones] == list(pins)
    assert not [phone for phone in ALICE.phones if phone.address in str(pins)]


@pytest.mark.parametrize(
    "phones",
    [
        (ADDED,),
        (FIRST, ADDED),
        (ADDED, FIRST),
        (*ALICE.phones, ADDED),
        (Phone(FIRST.address, "42"), SECOND),
    ],
)
async def test_a_phone_that_is_not_pinned_is_rejected_with_an_alarm_until_it_is_confirmed(harness, phones):
    assert ACCEPTED == result_of(await log_in(harness))
    harness.records.clear()
    calls = len(harness.provider.requests)
    give_phones(harness, *phones)
    for attempt in (1, 2):
        assert NOT_CONFIRMED == result_of(await log_in(harness))
        assert attempt == len(alarms(harness))
    changed = [phone.masked for phone in phones if phone not in ALICE.phones]
    alarm = alarms(harness)[0]
    assert (Alarm.PHONE_CHANGED, "alice", "vpn") == (alarm.alarm, alarm.user, alarm.client)
    assert alarm.detail == (
        f"the directory has phones that are not pinned: {', '.join(changed)}; if they are right, run: "
        "radius-voice users confirm --source people alice"
    )
    assert calls == len(harness.provider.requests)
    await pin(harness, *phones)
    assert ACCEPTED == result_of(await log_in(harness))


async def test_another_order_and_fewer_phones_are_no_change(harness):
    assert ACCEPTED == result_of(await log_in(harness))
    give_phones(harness, SECOND, FIRST)
    assert ACCEPTED == result_of(await log_in(harness))
    give_phones(harness, SECOND)
    assert ACCEPTED == result_of(await log_in(harness))
    give_phones(harness, *ALICE.phones)
    assert ACCEPTED == result_of(await log_in(harness))
    assert [] == alarms(harness)


@pytest.mark.parametrize("value", [None, encode(())], ids=["no pins", "pinned without phones"])
async def test_a_grace_period_is_not_for_users_whose_pinned_phones_were_removed(value):
    harness = harness_of(grace_period=GracePeriod((), 2_000_000.0))
    give_phones(harness)
    await harness.store.replace_durable(pins_key(ALICE_KEY), None, value)
    assert (Outcome.ACCEPT, Reason.GRACE_PERIOD) == result_of(await log_in(harness))
    await pin(harness, *ALICE.phones)
    assert (Outcome.REJECT, Reason.NO_PHONE) == result_of(await log_in(harness))
    give_phones(harness, *ALICE.phones)
    assert ACCEPTED == result_of(await log_in(harness))


TRUST, VERIFIED = FirstPhone
REFUSE, ALARM, ALLOW = ChangedPhone


@pytest.mark.parametrize(
    ("phones", "pinned", "first", "changed", "expected"),
    [
        ([FIRST], None, TRUST, REFUSE, (FIRST,)),
        ([FIRST], None, VERIFIED, ALLOW, Reason.PHONE_NOT_VERIFIED),
        ([FIRST], [(FIRST, False)], TRUST, REFUSE, (FIRST,)),
        ([FIRST], [(FIRST, False)], VERIFIED, REFUSE, Reason.PHONE_NOT_VERIFIED),
        ([FIRST, SECOND], [(FIRST, False), (SECOND, True)], VERIFIED, REFUSE, (SECOND,)),
        ([FIRST, ADDED], [(FIRST, True)], TRUST, REFUSE, Reason.PHONE_NOT_CONFIRMED),
        ([FIRST, ADDED], [(FIRST, True)], VERIFIED, REFUSE, Reason.PHONE_NOT_CONFIRMED),
        ([FIRST, ADDED], [(FIRST, True)], TRUST, ALARM, (FIRST, ADDED)),
        ([FIRST, ADDED], [(FIRST, True)], VERIFIED, ALARM, (FIRST,)),
        ([ADDED], [], TRUST, REFUSE, Reason.PHONE_NOT_CONFIRMED),
        ([ADDED], [], VERIFIED, ALLOW, Reason.PHONE_NOT_VERIFIED),
    ],
)
def test_which_phones_are_called_with_pins(phones, pinned, first, changed, expected):
    stored = None
    if pinned is not None:
        pins = [new_pins(KEYS, ALICE_KEY, [phone], 0.0, verified=verified) for phone, verified in pinned]
        stored = encode([pin for (pin,) in pins])
    assert expected == called_phones(compare(KEYS, ALICE_KEY, phones, stored), phones, first, changed)


async def test_a_wrong_password_raises_no_alarm(harness):
    await log_in(harness)
    give_phones(harness, ADDED)
    assert (Outcome.REJECT, Reason.WRONG_PASSWORD) == result_of(await harness.begin("wrong"))
    assert [] == alarms(harness)


@pytest.mark.parametrize(("changed_phone", "raised"), [(ChangedPhone.ALARM, 2), (ChangedPhone.ALLOW, 0)])
async def test_a_changed_phone_is_called_if_the_policy_says_so_and_is_not_pinned(changed_phone, raised):
    harness = harness_of(changed_phone=changed_phone)
    await log_in(harness)
    pins = await stored_pins(harness)
    give_phones(harness, ADDED)
    for _ in range(2):
        assert ACCEPTED == result_of(await log_in(harness))
        assert ADDED == harness.provider.requests[-1].phone
    assert raised == len(alarms(harness))
    assert pins == await stored_pins(harness)


async def test_only_verified_phones_are_called_if_the_policy_says_so():
    harness = harness_of(first_phone=FirstPhone.VERIFIED)
    assert NOT_VERIFIED == result_of(await log_in(harness))
    await pin(harness, *ALICE.phones, verified=False)
    assert NOT_VERIFIED == result_of(await log_in(harness))
    pins = (
        *new_pins(KEYS, ALICE_KEY, [FIRST], 0.0, verified=False),
        *new_pins(KEYS, ALICE_KEY, [SECOND], 0.0, verified=True),
    )
    key = pins_key(ALICE_KEY)
    await harness.store.replace_durable(key, await harness.store.durable(key), encode(pins))
    assert [] == harness.provider.requests
    assert ACCEPTED == result_of(await log_in(harness))
    assert [SECOND] == [request.phone for request in harness.provider.requests]
    assert [] == alarms(harness)
    give_phones(harness, *ALICE.phones, ADDED)
    assert NOT_CONFIRMED == result_of(await log_in(harness))
    assert 1 == len(alarms(harness))


async def test_pins_of_another_server_key_or_version_allow_no_phone(harness):
    key = pins_key(ALICE_KEY)
    others = new_pins(Keys(b"o" * 32), ALICE_KEY, ALICE.phones, 0.0, verified=True)
    for value in (encode(others), b"", b"\x01garbage", b"\x02" + encode(())[1:]):
        await harness.store.replace_durable(key, await harness.store.durable(key), value)
        assert NOT_CONFIRMED == result_of(await log_in(harness))


async def test_of_two_first_logins_with_different_phones_one_pins(harness):
    first = await harness.begin(client="vpn")
    code = harness.provider.codes[-1]
    await ended(harness, 1)
    give_phones(harness, FIRST, ADDED)
    second = await harness.begin(client="other")
    other_code = harness.provider.codes[-1]
    await ended(harness, 2)
    accepted = await harness.answer(other_code, second, client="other")
    assert ACCEPTED == result_of(accepted)
    pins = await stored_pins(harness)
    assert {KEYS.pin(ALICE_KEY, phone) for phone in (FIRST, ADDED)} == {each.phone for each in pins}
    harness.directory.users = {"alice": ALICE}
    rejected = await harness.answer(code, first)
    assert NOT_CONFIRMED == result_of(rejected)
    assert pins == await stored_pins(harness)
    assert 1 == len(alarms(harness))
    repeated = await harness.answer(code, first)
    assert (Outcome.REJECT, Reason.REPEATED) == result_of(repeated)


async def test_of_two_first_logins_with_the_same_phones_both_are_accepted(harness):
    first = await harness.begin(client="vpn")
    await ended(harness, 1)
    second = await harness.begin(client="other")
    await ended(harness, 2)
    codes = harness.provider.codes
    assert ACCEPTED == result_of(await harness.answer(codes[1], second, client="other"))
    pins = await stored_pins(harness)
    assert ACCEPTED == result_of(await harness.answer(codes[0], first))
    assert pins == await stored_pins(harness)
    assert [] == alarms(harness)


async def test_a_login_that_is_open_while_its_phones_are_confirmed_is_accepted(harness):
    challenge = await harness.begin()
    await pin(harness, *ALICE.phones)
    assert ACCEPTED == result_of(await harness.answer(harness.provider.codes[0], challenge))
    assert all(each.verified for each in await stored_pins(harness))


async def test_a_redial_after_a_missed_call_pins_the_phones_that_the_directory_has_then(harness):
    await harness.begin()
    await ended(harness, 1)
    give_phones(harness, ADDED)
    challenge = await harness.begin()
    assert Reason.REDIAL == challenge.reason
    assert ACCEPTED == result_of(await harness.answer(harness.provider.codes[-1], challenge))
    assert [KEYS.pin(ALICE_KEY, ADDED)] == [each.phone for each in await stored_pins(harness)]


async def test_a_bypass_pins_nothing():
    harness = harness_of(bypass_until=2_000_000.0)
    harness.providers[0].results = [NOT_PLACED]
    assert Outcome.ACCEPT == (await harness.begin()).outcome
    assert await stored_pins(harness) is None


def test_pins_have_no_number_and_the_values_of_durable_writes_are_not_shown():
    pin_of = {KEYS.pin(user, phone) for user in ("a", "b") for phone in (FIRST, SECOND, Phone(FIRST.address, "1"))}
    assert 6 == len(pin_of)
    assert "secret" not in repr(DurableWrite(b"secret", b"secret")) + repr(DurableExists(b"secret"))


async def test_where_the_policy_has_decoys_a_changed_phone_gets_a_challenge_without_a_call():
    harness = harness_of(first_factor=None, first_factor_name="none", decoys=True)
    assert ACCEPTED == result_of(await log_in(harness))
    give_phones(harness, ADDED)
    calls = len(harness.provider.requests)
    challenge = await harness.begin()
    assert (Outcome.CHALLENGE, Reason.DECOY) == result_of(challenge)
    assert calls == len(harness.provider.requests)
    assert 1 == len(alarms(harness))


NO_FIRST_FACTOR = {"first_factor": None, "first_factor_name": "none"}


@pytest.mark.parametrize(
    "live_call",
    [None, {"client": "other"}, {"calling_station_id": "192.0.2.1"}],
    ids=["no live call", "a live call of another client", "a live call of another station"],
)
@pytest.mark.parametrize(
    "policy", [{}, {"decoys": True}, {"changed_phone": ChangedPhone.ALARM}], ids=["refuse", "decoys", "alarm"]
)
async def test_a_replayed_request_repeats_no_alarm(policy, live_call):
    harness = harness_of(**NO_FIRST_FACTOR, **policy)
    await pin(harness, *ALICE.phones)
    if live_call:
        await harness.begin(**live_call)
    give_phones(harness, ADDED)
    for _ in range(3):
        await harness.begin(packet=b"p" * 16)
    assert 1 == len(alarms(harness))
    await harness.begin(packet=b"q" * 16)
    assert 2 == len(alarms(harness)), "another request raises another alarm"


async def test_a_request_with_the_authenticator_of_another_one_raises_an_alarm_once():
    harness = harness_of(**NO_FIRST_FACTOR)
    await pin(harness, *ALICE.phones)
    assert Reason.UNKNOWN_USER == (await harness.begin(name="mallory", packet=b"p" * 16)).reason
    give_phones(harness, ADDED)
    for _ in range(3):
        assert NOT_CONFIRMED == result_of(await harness.begin(packet=b"p" * 16))
    assert 1 == len(alarms(harness))


@pytest.mark.parametrize(("first", "key"), [(FirstPhone.TRUST, "changed_phone"), (FirstPhone.VERIFIED, "first_phone")])
@pytest.mark.parametrize("mode", Mode)
async def test_the_rule_that_rejects_a_phone_is_named(first, key, mode):
    report = ReportMode(("policies", "default", "mode"), 2_000_000.0) if mode is Mode.REPORT else None
    rules = {name: ("policies", "default", name) for name in ("changed_phone", "first_phone")}
    harness = harness_of(first_phone=first, key_rules=rules, report_mode=report)
    await pin(harness, *(ALICE.phones if first is FirstPhone.VERIFIED else [ADDED]), verified=False)
    assert f"policies.default.{key}" == (await harness.begin()).rule
    assert [mode] * (first is FirstPhone.TRUST) == [alarm.mode for alarm in alarms(harness)]


async def test_report_mode_records_that_a_changed_phone_would_be_rejected():
    harness = harness_of(report_mode=ReportMode((), 2_000_000.0))
    decision = await harness.begin()
    assert (Outcome.CHALLENGE, Reason.CALL_PLACED) == (decision.would_outcome, decision.would_reason)
    await pin(harness, *ALICE.phones)
    give_phones(harness, ADDED)
    decision = await harness.begin()
    assert (Outcome.ACCEPT, Reason.REPORT_MODE) == result_of(decision)
    assert NOT_CONFIRMED == (decision.would_outcome, decision.would_reason)
    assert 1 == len(alarms(harness))
    assert [] == harness.provider.requests
