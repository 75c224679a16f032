import pytest

from radius_voice.simulator import verifications
from radius_voice.simulator.verifications import NO_CUSTOM_CODES, NO_SERVICE, Verifications

SERVICE = "VA" + "a" * 32
NUMBER = "+14155550123"


class Verify:
    """The Verify API of a simulator."""

    def __init__(self, talk, service=SERVICE):
        self.talk, self.path = talk, f"/v2/Services/{service}"

    async def start(self, to=NUMBER, **changes):
        form = {"To": to, "Channel": "sms"} | changes
        return await self.talk("POST", f"{self.path}/Verifications", data=form)

    async def check(self, code, **by):
        return await self.talk("POST", f"{self.path}/VerificationCheck", data={"Code": code} | (by or {"To": NUMBER}))

    async def update(self, name, status="canceled"):
        return await self.talk("POST", f"{self.path}/Verifications/{name}", data={"Status": status})

    async def history(self, **query):
        return (await self.talk("GET", "/simulator/verifications", params=query))[1]

    async def code(self):
        return (await self.history())[-1]["code"]


@pytest.fixture
def verify(talk):
    return Verify(talk)


async def test_a_verification_is_started_and_its_history_has_the_code(verify, clock):
    status, started = await verify.start(Channel="call", Locale="de", SendDigits="ww42")
    assert (201, "pending", "call", False) == (status, started["status"], started["channel"], started["valid"])
    (shown,) = await verify.history()
    assert 6 == len(shown.pop("code"))
    assert {
        "sid": started["sid"],
        "service": SERVICE,
        "to": NUMBER,
        "locale": "de",
        "digits": "ww42",
        "channels": ["call"],
        "checks": 0,
        "status": "pending",
        "at": clock.now,
    } == shown


async def test_a_right_code_ends_the_verification(verify):
    _, started = await verify.start()
    code = await verify.code()
    status, wrong = await verify.check("x", VerificationSid=started["sid"])
    assert (200, "pending", False) == (status, wrong["status"], wrong["valid"])
    status, right = await verify.check(code)
    assert (200, "approved", True, started["sid"]) == (status, right["status"], right["valid"], right["sid"])
    assert 404 == (await verify.check(code))[0]


async def test_a_pending_verification_is_delivered_again_with_the_same_code(verify):
    first = await verify.start()
    code = await verify.code()
    _, second = await verify.start(Channel="call")
    assert (first[1]["sid"], code) == (second["sid"], await verify.code())
    assert ["SMS", "CALL"] == [each["channel"] for each in second["send_code_attempts"]]
    for _ in range(3):
        assert 201 == (await verify.start())[0]
    status, refused = await verify.start()
    assert (429, 60203) == (status, refused["code"])


@pytest.mark.parametrize("status", ["canceled", "approved"])
@pytest.mark.parametrize("by_number", [True, False])
async def test_a_verification_is_ended_by_its_sid_or_number(status, by_number, verify):
    _, started = await verify.start()
    name = NUMBER if by_number else started["sid"]
    assert status == (await verify.update(name, status))[1]["status"]
    assert 404 == (await verify.update(name, status))[0]
    assert 404 == (await verify.check(await verify.code()))[0]
    assert started["sid"] != (await verify.start())[1]["sid"]


async def test_a_verification_expires(verify, clock):
    await verify.start()
    clock.now += 600
    assert 404 == (await verify.check(await verify.code()))[0]
    assert "expired" == (await verify.history())[0]["status"]


async def test_a_verification_has_five_checks(verify):
    await verify.start()
    for _ in range(5):
        assert 200 == (await verify.check("000000x"))[0]
    status, refused = await verify.check(await verify.code())
    assert (429, 60202) == (status, refused["code"])
    assert 404 == (await verify.check(await verify.code()))[0]


async def test_a_custom_code_is_delivered_where_it_is_enabled(verify, talk):
    await verify.start(CustomCode="4711")
    assert "4711" == await verify.code()
    status, refused = await Verify(talk, NO_CUSTOM_CODES).start(CustomCode="4711")
    assert (400, 60204) == (status, refused["code"])
    assert 201 == (await Verify(talk, NO_CUSTOM_CODES).start())[0]


@pytest.mark.parametrize("service", [NO_SERVICE, "VA1", "MG" + "a" * 32])
async def test_an_unknown_service_is_not_found(service, talk):
    assert 404 == (await Verify(talk, service).start())[0]
    assert 404 == (await talk("GET", f"/v2/Services/{service}"))[0]


async def test_a_service_is_shown(talk):
    status, service = await talk("GET", f"/v2/Services/{SERVICE}")
    assert (200, 6, True) == (status, service["code_length"], service["custom_code_enabled"])
    _, service = await talk("GET", f"/v2/Services/{NO_CUSTOM_CODES}")
    assert service["custom_code_enabled"] is False


@pytest.mark.parametrize(
    ("number", "changes", "code"),
    [
        ("+15005550001", {}, 60200),
        ("4155550123", {}, 60200),
        (NUMBER, {"Channel": "email"}, 60200),
        (NUMBER, {"CustomCode": "123"}, 60200),
        (NUMBER, {"SendDigits": "x"}, 60200),
        ("+15005550003", {}, 60605),
        ("+15005550004", {}, 60410),
        ("+15005550009", {}, 60205),
        ("+15005550020", {}, 20429),
        ("+15005550022", {}, 21608),
        ("+15005550030", {}, 20500),
    ],
)
async def test_what_twilio_refuses_is_refused(number, changes, code, verify):
    assert code == (await verify.start(number, **changes))[1]["code"]
    assert [] == await verify.history()


async def test_a_landline_can_be_called(verify):
    assert 201 == (await verify.start("+15005550009", Channel="call"))[0]


async def test_an_unknown_status_is_refused(verify):
    await verify.start()
    assert 60200 == (await verify.update(NUMBER, "pending"))[1]["code"]


async def test_a_scripted_number_cannot_be_canceled(verify):
    await verify.start("+15005550042")
    assert 503 == (await verify.update("+15005550042"))[0]


async def test_a_scripted_first_check_fails_and_the_next_one_succeeds(verify):
    await verify.start("+15005550040")
    assert 503 == (await verify.check(await verify.code(), To="+15005550040"))[0]
    assert "approved" == (await verify.check(await verify.code(), To="+15005550040"))[1]["status"]


async def test_a_verification_is_fetched(verify, talk):
    _, started = await verify.start()
    assert (200, started["sid"]) == (
        (fetched := await talk("GET", f"{verify.path}/Verifications/{started['sid']}"))[0],
        fetched[1]["sid"],
    )


async def test_requests_need_the_credentials(talk):
    path = f"/v2/Services/{SERVICE}"
    assert 401 == (await talk("GET", path, auth=("AC" + "0" * 32, "wrong")))[0]


def test_the_oldest_verification_is_dropped(monkeypatch):
    monkeypatch.setattr(verifications, "KEPT", 2)
    kept = Verifications()
    for last in range(3):
        kept.start({"To": f"+1415555012{last}", "Channel": "sms"}, SERVICE, 0.0)
    assert ["+14155550121", "+14155550122"] == [each.to for each in kept.oldest_first()]
