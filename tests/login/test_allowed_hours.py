"""The hours of the week in which users may log in, also when clocks are changed."""

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from radius_voice.config.context import LoadContext
from radius_voice.config.hours import HOURS
from radius_voice.events import Outcome, Reason
from radius_voice.login.policies.allowed_hours import AllowedHours
from tests.login.harness import LoginHarness, result_of
from tests.login.test_exemptions import ALICE_EXEMPT

BERLIN = ZoneInfo("Europe/Berlin")
RULE = ("policies", "default", "allowed_hours")
OUTSIDE = (Outcome.REJECT, Reason.OUTSIDE_ALLOWED_HOURS)


def allowed(*hours, zone=BERLIN):
    return AllowedHours(RULE, zone, tuple(HOURS.read(each, LoadContext(Path(), {})) for each in hours))


def at(text):
    """Wall-clock seconds of a time, in UTC if it ends with Z, otherwise in Berlin."""
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=BERLIN)).timestamp()


@pytest.mark.parametrize(
    ("hours", "moment", "included"),
    [
        ("mon-fri 07:00-19:00", "2026-11-26T07:00", True),  # a Thursday
        ("mon-fri 07:00-19:00", "2026-11-26T06:59:59", False),
        ("mon-fri 07:00-19:00", "2026-11-26T18:59:59", True),
        ("mon-fri 07:00-19:00", "2026-11-26T19:00", False),
        ("mon-fri 07:00-19:00", "2026-11-28T12:00", False),
        ("mon,thu 07:00-19:00", "2026-11-26T12:00", True),
        ("mon,wed 07:00-19:00", "2026-11-26T12:00", False),
        ("sat-mon 07:00-19:00", "2026-11-29T12:00", True),
        ("sat-mon 07:00-19:00", "2026-11-30T12:00", True),
        ("sat-mon 07:00-19:00", "2026-12-01T12:00", False),
        ("thu 00:00-24:00", "2026-11-26T00:00", True),
        ("thu 00:00-24:00", "2026-11-26T23:59:59", True),
        ("thu 00:00-24:00", "2026-11-27T00:00", False),
    ],
)
def test_the_start_is_included_and_the_end_is_not(hours, moment, included):
    assert included is allowed(hours).include(at(moment))


@pytest.mark.parametrize(
    ("moment", "included"),
    [
        ("2026-11-29T21:59", False),  # Sunday
        ("2026-11-29T22:00", True),
        ("2026-11-30T05:59", True),
        ("2026-11-30T06:00", False),
        ("2026-12-03T23:00", True),  # Thursday
        ("2026-12-04T05:59", True),
        ("2026-12-04T22:00", False),
        ("2026-11-29T05:00", False),
    ],
)
def test_hours_that_end_before_they_start_end_on_the_following_day(moment, included):
    assert included is allowed("sun-thu 22:00-06:00").include(at(moment))


def test_several_hours_are_all_allowed():
    both = allowed("mon-fri 07:00-19:00", "sat 10:00-12:00")
    assert both.include(at("2026-11-26T12:00"))
    assert both.include(at("2026-11-28T11:00"))
    assert not both.include(at("2026-11-28T12:00"))


@pytest.mark.parametrize(
    ("hours", "moment", "included"),
    [
        # 02:00 to 03:00 does not occur: 01:59:59 is followed by 03:00
        ("sun 02:30-04:00", "2026-03-29T00:59:59Z", False),
        ("sun 02:30-04:00", "2026-03-29T01:00:00Z", True),
        ("sun 02:30-04:00", "2026-03-29T02:00:00Z", False),
        ("sun 01:00-02:30", "2026-03-29T00:59:59Z", True),
        ("sun 01:00-02:30", "2026-03-29T01:00:00Z", False),
        ("sun 02:00-03:00", "2026-03-29T00:59:59Z", False),
        ("sun 02:00-03:00", "2026-03-29T01:00:00Z", False),
        ("sat 22:00-06:00", "2026-03-28T21:00:00Z", True),
        ("sat 22:00-06:00", "2026-03-29T03:59:59Z", True),
        ("sat 22:00-06:00", "2026-03-29T04:00:00Z", False),
    ],
)
def test_hours_on_the_day_when_clocks_are_set_forward(hours, moment, included):
    assert included is allowed(hours).include(at(moment))


@pytest.mark.parametrize(
    ("hours", "moment", "included"),
    [
        # 02:00 to 03:00 occurs twice: from 00:00Z and from 01:00Z
        ("sun 02:30-03:00", "2026-10-25T00:29:59Z", False),
        ("sun 02:30-03:00", "2026-10-25T00:30:00Z", True),
        ("sun 02:30-03:00", "2026-10-25T00:59:59Z", True),
        ("sun 02:30-03:00", "2026-10-25T01:00:00Z", False),
        ("sun 02:30-03:00", "2026-10-25T01:30:00Z", True),
        ("sun 02:30-03:00", "2026-10-25T02:00:00Z", False),
        ("sun 01:00-02:30", "2026-10-25T01:29:59Z", True),
        ("sun 01:00-02:30", "2026-10-25T01:30:00Z", False),
        ("sat 22:00-06:00", "2026-10-24T20:00:00Z", True),
        ("sat 22:00-06:00", "2026-10-25T04:59:59Z", True),
        ("sat 22:00-06:00", "2026-10-25T05:00:00Z", False),
    ],
)
def test_hours_on_the_day_when_clocks_are_set_back(hours, moment, included):
    assert included is allowed(hours).include(at(moment))


def test_the_time_zone_decides_which_day_it_is():
    monday = at("2026-11-30T00:30:00Z")
    assert allowed("mon 00:00-24:00").include(monday)
    assert allowed("sun 00:00-24:00", zone=ZoneInfo("America/New_York")).include(monday)


@pytest.fixture
def harness():
    harness = LoginHarness(policy={"allowed_hours": allowed("mon-fri 07:00-19:00"), "exemptions": (ALICE_EXEMPT,)})
    harness.clock.now = at("2026-11-26T19:00")
    return harness


async def test_a_login_outside_the_hours_is_rejected_like_a_wrong_password_and_recorded(harness):
    wrong, outside = await harness.begin("wrong"), await harness.begin(packet=b"p" * 16)
    assert (OUTSIDE, "alice") == (result_of(outside), outside.user)
    assert "policies.default.allowed_hours" == outside.rule
    assert (wrong.text, wrong.reply) == (outside.text, outside.reply)
    harness.clock.now = at("2026-11-27T07:00")
    assert (Outcome.REJECT, Reason.REPLAY) == result_of(await harness.begin(packet=b"p" * 16))
    assert (Outcome.ACCEPT, Reason.EXEMPT) == result_of(await harness.begin())


async def test_a_login_that_began_in_time_may_be_completed():
    harness = LoginHarness(policy={"allowed_hours": allowed("mon-fri 07:00-19:00")})
    harness.clock.now = at("2026-11-26T18:59:30")
    challenge = await harness.begin()
    harness.clock.now += 60
    assert Outcome.ACCEPT is (await harness.answer(harness.provider.codes[0], challenge)).outcome
