import re

import pytest

from radius_voice.simulator import messages
from radius_voice.simulator.messages import NO_SERVICE, Messages, new_message

SERVICE = "MG" + "a" * 32
FORM = {"To": "+14155550121", "Body": "123456", "From": "+15005550006"}


async def test_a_message_is_accepted_and_its_history_has_the_code(talk, clock):
    status, message = await talk.text()
    assert (201, "queued", "outbound-api") == (status, message["status"], message["direction"])
    assert [
        {
            "sid": message["sid"],
            "to": "+14155550123",
            "from": "+15005550006",
            "service": "",
            "body": "ACME VPN: your code is 123456.",
            "segments": 1,
            "code": "123456",
            "status": "queued",
            "at": clock.now,
        }
    ] == await talk.messages()


async def test_history_is_oldest_first_and_can_be_filtered_by_number(talk):
    for number in ("+14155550121", "+14155550122", "+14155550121"):
        await talk.text(number)
    assert ["+14155550121", "+14155550122", "+14155550121"] == [each["to"] for each in await talk.messages()]
    assert 2 == len(await talk.messages(to="+14155550121"))


@pytest.mark.parametrize(
    ("body", "code", "segments"),
    [("Code: 1234", "1234", 1), ("no code", "", 1), ("in 2026-11-26: 654321", "2026", 1), ("ü" * 161, "", 2)],
)
async def test_the_history_has_the_first_number_of_four_digits_as_code(body, code, segments, talk):
    await talk.text(Body=body)
    (message,) = await talk.messages()
    assert (code, segments) == (message["code"], message["segments"])


@pytest.mark.parametrize(
    ("number", "seen"),
    [
        ("+14155550123", [("queued", None), ("delivered", None)]),
        ("+15005550012", [("queued", None), ("undelivered", 30005)]),
        ("+15005550013", [("failed", 30006), ("failed", 30006)]),
    ],
)
async def test_a_message_is_delivered_or_fails(number, seen, talk, clock):
    _, message = await talk.text(number)
    found = [(message["status"], message["error_code"])]
    clock.now += 1
    _, message = await talk("GET", f"/Messages/{message['sid']}.json")
    assert seen == [*found, (message["status"], message["error_code"])]


@pytest.mark.parametrize(
    ("number", "status", "code"),
    [
        ("+15005550001", 400, 21211),
        ("+15005550002", 400, 21612),
        ("+15005550003", 400, 21408),
        ("+15005550004", 400, 21610),
        ("+15005550009", 400, 21614),
        ("+15005550020", 429, 20429),
        ("+15005550022", 400, 21608),
        ("+15005550030", 500, 20500),
        ("4155550123", 400, 21211),
        ("sip:3105@pbx.example.org", 400, 21211),
    ],
)
async def test_a_number_is_refused_as_twilio_does(number, status, code, talk):
    answer = await talk.text(number)
    assert (status, code) == (answer[0], answer[1]["code"])
    assert [] == await talk.messages()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"From": None}, 21603),
        ({"From": "+15005550001"}, 21212),
        ({"From": "+15005550007"}, 21606),
        ({"From": "+15005550008"}, 21611),
        ({"From": "4155550123"}, 21212),
        ({"From": "ACME VPN Ltd"}, 21212),
        ({"From": "ACME"}, 21612),
        ({"From": None, "MessagingServiceSid": "MG1"}, 21701),
        ({"From": None, "MessagingServiceSid": NO_SERVICE}, 21701),
        ({"To": None}, 21604),
        ({"Body": None}, 21602),
        ({"Body": "x" * 1601}, 21617),
        ({"ValidityPeriod": "0"}, 20001),
        ({"ValidityPeriod": "36001"}, 20001),
        ({"ValidityPeriod": "soon"}, 20001),
    ],
)
async def test_a_wrong_message_is_refused_as_twilio_does(change, code, talk):
    status, error = await talk.text(**change)
    assert (400, code) == (status, error["code"])
    assert [] == await talk.messages()


@pytest.mark.parametrize(
    ("to", "sender", "shown"),
    [
        ("+14155550123", {"From": None, "MessagingServiceSid": SERVICE}, ("+15005550006", SERVICE)),
        ("+442079460958", {"From": "ACME VPN"}, ("ACME VPN", "")),
        ("+442079460958", {"From": "ACME", "MessagingServiceSid": SERVICE}, ("ACME", SERVICE)),
    ],
)
async def test_a_message_has_its_sender(to, sender, shown, talk):
    await talk.text(to, **sender)
    (message,) = await talk.messages()
    assert shown == (message["from"], message["service"])


async def test_a_500_may_follow_a_message_that_was_sent(talk):
    assert 500 == (await talk.text("+15005550031"))[0]
    assert 1 == len(await talk.messages())


async def test_messages_are_listed_newest_first_by_page_and_number(talk):
    for number in ("+14155550121", "+14155550122", "+14155550121"):
        await talk.text(number)
    _, page = await talk("GET", "/Messages.json", params={"PageSize": "2"})
    assert ["+14155550121", "+14155550122"] == [each["to"] for each in page["messages"]]
    _, page = await talk("GET", page["next_page_uri"].partition("/AC" + "0" * 32)[2])
    assert (["+14155550121"], None) == ([each["to"] for each in page["messages"]], page["next_page_uri"])
    _, page = await talk("GET", "/Messages.json", params={"To": "+14155550122", "From": "+15005550006"})
    assert 1 == len(page["messages"])
    assert 400 == (await talk("GET", "/Messages.json", params={"PageSize": "0"}))[0]


async def test_an_unknown_message_is_404(talk):
    status, error = await talk("GET", "/Messages/SM1.json")
    assert (404, 20404) == (status, error["code"])


def test_the_oldest_message_is_removed_beyond_the_maximum(monkeypatch):
    monkeypatch.setattr(messages, "KEPT", 2)
    kept, made = Messages(), [new_message(FORM, 1, now) for now in range(3)]
    for each in made:
        kept.add(each)
    assert made[1:] == kept.oldest_first()
    assert kept.get(made[0].sid) is None


def test_the_documentation_of_the_module_has_every_number():
    listed = set(re.findall(r"^\| (\+\d+) \|", messages.__doc__ or "", re.MULTILINE))
    assert messages.REFUSED.keys() | messages.FAILURES.keys() <= listed
