"""Remembered logins: after a right code, the right password is sufficient at the same place for some hours."""

import pytest
from msgspec.structs import replace

from radius_voice.events import Outcome, Reason, ServiceRecord, SharedStationRecord
from radius_voice.login.codes.pins import ChangedPhone
from radius_voice.login.first_factor import fingerprints
from radius_voice.login.limits.configured import Limits
from radius_voice.login.model import Denied, ReplyAttribute, Unavailable, User
from radius_voice.login.phone import NumberRules, Phone
from radius_voice.login.policies.policy import Remember, ReplyRule
from radius_voice.login.second_factor import remembered
from tests.login.harness import ACCEPTED, ALICE, FakeDirectory, LoginHarness, limit, result_of

REMEMBERED = (Outcome.ACCEPT, Reason.REMEMBERED)
CALLED = (Outcome.CHALLENGE, Reason.CALL_PLACED)
HOUR = 3600.0
REMEMBER = Remember(("policies", "default", "remember"), 12 * HOUR)
CLASS: ReplyAttribute = (25, b"staff")
ELSEWHERE = "198.51.100.66"
WRONG_CODES = Limits(codes={"user": limit("wrong_codes.user", 3, Reason.LOCKED, 86400.0)})


def harness_with(**more):
    policy = {"remember": REMEMBER, **more.pop("policy", {})}
    return LoginHarness(directory=FakeDirectory(ALICE), limits=WRONG_CODES, policy=policy, **more)


@pytest.fixture
def harness():
    return harness_with()


async def log_in(harness, **more):
    """A login with the right code. No call is live after it."""
    challenge = await harness.begin(**more)
    assert CALLED == result_of(challenge)
    more.pop("password", None)
    accept = await harness.answer(harness.provider.codes[-1], challenge, **more)
    await harness.flow.drain()
    return accept


async def test_a_right_password_is_sufficient_after_a_right_code_and_no_call_is_placed():
    harness = harness_with(policy={"reply": (ReplyRule(None, (CLASS,)),)})
    assert ACCEPTED == result_of(await log_in(harness))
    harness.clock.now += 12 * HOUR - 1
    accept = await harness.begin()
    assert (REMEMBERED, "alice", (CLASS,)) == (result_of(accept), accept.user, accept.reply)
    assert "policies.default.remember" == accept.rule
    assert Reason.WRONG_PASSWORD is (await harness.begin("wrong")).reason
    harness.clock.now += 1
    assert CALLED == result_of(await harness.begin())


async def test_a_remembered_login_does_not_extend_itself(harness):
    await log_in(harness)
    harness.clock.now += 11 * HOUR
    assert REMEMBERED == result_of(await harness.begin())
    harness.clock.now += HOUR
    assert CALLED == result_of(await harness.begin())


async def test_a_recorded_request_is_repeated_for_a_while_and_never_accepted_again(harness):
    await log_in(harness)
    packet = b"p" * 16
    assert REMEMBERED == result_of(await harness.begin(packet=packet))
    assert (Outcome.ACCEPT, Reason.REPEATED) == result_of(await harness.begin(packet=packet))
    harness.clock.now += 31
    assert (Outcome.REJECT, Reason.REPLAY) == result_of(await harness.begin(packet=packet))


async def test_nothing_is_remembered_unless_the_policy_says_so_and_without_a_code():
    harness = LoginHarness(limits=WRONG_CODES)
    await log_in(harness)
    assert CALLED == result_of(await harness.begin())
    harness = harness_with()
    challenge = await harness.begin()
    await harness.answer("wrong", challenge)
    harness.clock.now += 2 * HOUR
    assert CALLED == result_of(await harness.begin())


@pytest.mark.parametrize("other", [{"calling_station_id": ELSEWHERE}, {"calling_station_id": ""}, {"client": "other"}])
async def test_another_place_needs_a_code(harness, other):
    await log_in(harness)
    assert CALLED == result_of(await harness.begin(**other))


async def test_without_a_calling_station_id_nothing_is_remembered(harness):
    await log_in(harness, calling_station_id="")
    assert CALLED == result_of(await harness.begin(calling_station_id=""))


def change(harness, **changes):
    harness.directory.users["alice"] = replace(ALICE, **changes)


@pytest.mark.parametrize(
    "changed",
    [
        {"phones": (Phone("+12025550199"),)},
        {"phones": (*ALICE.phones, Phone("+12025550199"))},
        {"groups": frozenset({"staff"})},
        {"id": "another-id"},
    ],
    ids=["phone", "further phone", "groups", "another user of that name"],
)
async def test_a_changed_user_needs_a_code(changed):
    harness = harness_with(policy={"changed_phone": ChangedPhone.ALLOW})
    await log_in(harness)
    change(harness, **changed)
    assert CALLED == result_of(await harness.begin())


async def test_a_changed_phone_that_is_not_confirmed_is_rejected(harness):
    await log_in(harness)
    change(harness, phones=(Phone("+12025550199"),))
    assert (Outcome.REJECT, Reason.PHONE_NOT_CONFIRMED) == result_of(await harness.begin())


@pytest.mark.parametrize("tells", [True, False], ids=["with a time of the change", "without"])
async def test_a_changed_password_needs_a_code(harness, tells):
    harness.directory.password_id_now = "first" if tells else ""
    await log_in(harness)
    assert REMEMBERED == result_of(await harness.begin())
    if tells:
        harness.directory.password_id_now = "second"
        assert CALLED == result_of(await harness.begin())
    else:
        harness.directory.password = "another"
        assert CALLED == result_of(await harness.begin("another"))


async def test_the_store_has_only_two_octets_of_the_hash_of_a_password(harness, monkeypatch):
    harness.directory.password_id_now = ""
    monkeypatch.setattr(fingerprints, "PASSWORD_TAG_OCTETS", 0)
    await log_in(harness)
    harness.directory.password = "another"
    assert REMEMBERED == result_of(await harness.begin("another"))


async def test_wrong_codes_suspend_it_until_none_is_counted(harness):
    await log_in(harness)
    elsewhere = await harness.begin(calling_station_id=ELSEWHERE)
    await harness.answer("000000", elsewhere, calling_station_id=ELSEWHERE)
    harness.clock.now += 600
    assert CALLED == result_of(challenge := await harness.begin())
    assert ACCEPTED == result_of(await harness.answer(harness.provider.codes[-1], challenge))
    await harness.flow.drain()
    assert REMEMBERED == result_of(await harness.begin())


@pytest.mark.parametrize("wrong_codes", [2, 3])
async def test_a_lock_by_wrong_codes_ends_it(wrong_codes):
    harness = harness_with(policy={"remember": Remember(REMEMBER.rule, 30 * 24 * HOUR)})
    await log_in(harness)
    last = await harness.begin(calling_station_id=ELSEWHERE)
    for _ in range(wrong_codes):
        last = await harness.answer("0", last, calling_station_id=ELSEWHERE)
    harness.clock.now += 3 * 86400
    assert (CALLED if wrong_codes == 3 else REMEMBERED) == result_of(await harness.begin())


async def test_a_store_that_fails_after_a_wrong_code_costs_no_login(harness):
    challenge = await harness.begin()

    async def down(_):
        raise Unavailable("store", "down")

    harness.store.arrival_times = down
    again = await harness.answer("0", challenge)
    assert (Outcome.CHALLENGE, Reason.WRONG_CODE) == result_of(again)
    assert ACCEPTED == result_of(await harness.answer(harness.provider.codes[-1], again))


async def test_a_login_attempt_of_a_disabled_user_ends_it(harness):
    await log_in(harness)
    change(harness, disabled=True)
    assert (Outcome.REJECT, Reason.DISABLED) == result_of(await harness.begin())
    change(harness)
    harness.clock.now += 1
    assert CALLED == result_of(await harness.begin())


@pytest.mark.parametrize("reason", [Reason.DIRECTORY_LOCKED, Reason.DISABLED, Reason.WRONG_PASSWORD])
async def test_a_lock_that_the_first_factor_reports_ends_it(harness, reason):
    await log_in(harness)
    verify = harness.directory.verify

    async def denied(verification, deadline):
        return Denied(reason, "alice")

    harness.directory.verify = denied
    await harness.begin()
    await harness.begin(name="no-such-user")
    harness.directory.verify = verify
    ended = reason is not Reason.WRONG_PASSWORD
    assert (CALLED if ended else REMEMBERED) == result_of(await harness.begin())


async def test_a_user_is_forgotten_at_every_client_until_the_next_code(harness):
    await log_in(harness)
    harness.clock.now += 600
    await log_in(harness, client="other")
    keys = harness.flow._dependencies.keys
    await remembered.forget(keys, harness.store, "people:alice-id")
    harness.clock.now += 600
    for client in ("vpn", "other"):
        await log_in(harness, client=client)
        harness.clock.now += 600
        assert REMEMBERED == result_of(await harness.begin(client=client))


@pytest.mark.parametrize("step", [-599, -1, 0, 1])
async def test_a_user_is_forgotten_whatever_the_clock_says(harness, step):
    await log_in(harness)
    harness.clock.now += step
    await remembered.forget(harness.flow._dependencies.keys, harness.store, "people:alice-id")
    await log_in(harness)
    assert REMEMBERED == result_of(await harness.begin())


def reloaded(harness, remember):
    """The harness after a reload of a policy with that rule."""
    other = harness_with(policy={"remember": remember}, clock=harness.clock, providers=harness.providers)
    other.restart_with(harness.store)
    other.packets = harness.packets + 100
    return other


async def test_a_shorter_time_counts_after_a_reload(harness):
    await log_in(harness)
    shorter = reloaded(harness, Remember(REMEMBER.rule, HOUR))
    assert REMEMBERED == result_of(await shorter.begin())
    harness.clock.now += HOUR
    assert CALLED == result_of(await shorter.begin())


async def test_nothing_is_remembered_after_a_reload_without_it(harness):
    await log_in(harness)
    assert CALLED == result_of(await reloaded(harness, None).begin())


async def test_a_login_that_ends_after_a_reload_without_it_is_not_remembered(harness):
    challenge = await harness.begin()
    off = reloaded(harness, None)
    assert ACCEPTED == result_of(await off.answer(harness.provider.codes[-1], challenge))
    await off.flow.drain()
    assert CALLED == result_of(await harness.begin())


async def test_a_user_whose_phone_is_no_longer_allowed_is_rejected(harness):
    await log_in(harness)
    other = harness_with(policy={"numbers": NumberRules(frozenset({"FR"}))}, clock=harness.clock)
    other.restart_with(harness.store)
    other.packets = 100
    assert (Outcome.REJECT, Reason.NUMBER_NOT_ALLOWED) == result_of(await other.begin())


async def test_a_time_that_was_stored_before_the_clock_was_set_back_does_not_count(harness):
    await log_in(harness)
    harness.clock.now -= HOUR
    assert CALLED == result_of(await harness.begin())


async def test_a_gateway_that_checks_passwords_itself_may_have_remembered_logins():
    harness = harness_with(policy={"first_factor": None, "first_factor_name": "none"})
    await log_in(harness, password="x")
    assert REMEMBERED == result_of(await harness.begin("x"))
    assert CALLED == result_of(await harness.begin("y"))


async def test_a_store_that_fails_when_a_login_is_remembered_costs_no_login(harness):
    challenge = await harness.begin()

    async def down(*_):
        raise Unavailable("store", "down")

    harness.store.put = down
    assert ACCEPTED == result_of(await harness.answer(harness.provider.codes[-1], challenge))


async def test_a_calling_station_id_of_more_than_ten_users_is_reported_once_an_hour():
    names = [f"user{number}" for number in range(12)]
    users = [User(f"{name}-id", name, (Phone(f"+1202555{number:04}"),)) for number, name in enumerate(names)]
    harness = LoginHarness(directory=FakeDirectory(*users), policy={"remember": REMEMBER})
    keys, clients = harness.flow._dependencies.keys, ["vpn", "other"]
    for name in (*names[:10], names[0]):
        if CALLED == result_of(challenge := await harness.begin(name=name)):
            await harness.answer(harness.provider.codes[-1], challenge, name=name)
            await harness.flow.drain()
    assert [] == [each for each in harness.records if isinstance(each, SharedStationRecord)]
    assert [] == await remembered.shared_clients(keys, harness.store, clients)
    for name in names[10:]:
        await log_in(harness, name=name)
    assert ["vpn"] * 2 == [each.client for each in harness.records if isinstance(each, SharedStationRecord)]
    (warning,) = [each for each in harness.records if isinstance(each, ServiceRecord)]
    assert "clients.vpn: more than 10 users have remembered logins from one Calling-Station-Id" in warning.detail
    assert ["vpn"] == await remembered.shared_clients(keys, harness.store, clients)
