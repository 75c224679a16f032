import pytest

from radius_voice.config.text_senders import masked
from radius_voice.delivery.twilio_sms.settings import TwilioSmsSettings

from .conftest import SECRETS, changed

SERVICE = "MG" + "a" * 32
SECTION = {"type": "twilio-sms", "account_sid": "AC" + "1" * 32, "auth_token": SECRETS[1], "from": "+14155550123"}


def texts(**changes):
    """The sample with a provider of text messages, and a policy of both methods. A change to None removes the key."""
    section = {key: value for key, value in (SECTION | changes).items() if value is not None}
    return with_methods(changed("delivery.providers.texts", section), ["voice", "sms"])


@pytest.mark.parametrize(
    ("changes", "sender"),
    [
        ({}, "+14155550123"),
        ({"from": "+1 415 555-0123"}, "+14155550123"),
        ({"from": "ACME VPN"}, "ACME VPN"),
        ({"from": "24x7"}, "24x7"),
        ({"from": "A"}, "A"),
        ({"from": "A-B_C&D+E F"}, "A-B_C&D+E F"),
        ({"from": None, "messaging_service_sid": SERVICE}, None),
    ],
)
def test_a_sender_is_a_number_or_a_name_or_a_messaging_service(file, changes, sender):
    loaded = file.load(texts(**changes))
    section = loaded.settings.delivery.providers["texts"]
    assert isinstance(section, TwilioSmsSettings)
    assert (sender, ()) == (section.from_, loaded.warnings)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"from": None}, "texts: write either from or messaging_service_sid"),
        ({"messaging_service_sid": SERVICE}, "texts: write either from or messaging_service_sid"),
        ({"messaging_service_sid": "MG1", "from": None}, "MG and 32"),
        ({"from": 14155550123}, "in quotes"),
        ({"from": "4155550123"}, "not a sender"),
        ({"from": "12345678901"}, "not a sender"),
        ({"from": "ACME VPN Ltd"}, "at most 11 characters"),
        ({"from": " ACME"}, "not a sender"),
        ({"from": "ACME "}, "not a sender"),
        ({"from": "ÄCME"}, "not a sender"),
        ({"from": "+14155550123 ext. 42"}, "has no extension"),
        ({"from": "+1415"}, "not a sender"),
        ({"from_by_country": {"UK": "ACME"}}, "not a country"),
        ({"from_by_country": {"GB": "+"}}, "not a sender"),
        ({"from_by_country": ["GB"]}, "from_by_country"),
    ],
)
def test_a_wrong_sender_is_an_error(file, changes, expected):
    (error,) = file.errors(texts(**changes))
    assert expected in error


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"from": "+15005550006"}, "texts.from: is a test number that sends no text messages"),
        ({"account_sid": "AC" + "0" * 32}, "placeholder"),
        ({"from_by_country": {"GB": "ACME", "CA": "ACME"}}, "from_by_country.CA: CA accepts no alphanumeric sender"),
    ],
)
def test_a_sender_that_cannot_work_is_a_warning(file, changes, expected):
    (warning,) = file.load(texts(**changes)).warnings
    assert expected in warning


@pytest.mark.parametrize(("sender", "shown"), [("ACME VPN", "ACME VPN"), ("+14155550123", "+14*******23")])
def test_a_number_is_masked_and_a_name_is_not(sender, shown):
    assert shown == masked(sender)


def test_no_number_of_a_sender_is_shown(file):
    section = file.load(texts(from_by_country={"GB": "+442079460958"})).settings.delivery.providers["texts"]
    assert "2079460958" not in section.model_dump_json()
    assert "4155550123" not in section.model_dump_json()


LONG = "N" * 60


def with_methods(tree, methods, **more):
    tree["policies"] = {"default": {"methods": methods, **more}}
    return tree


@pytest.mark.parametrize("name", ["ACME VPN", "N" * 28, "Zürich [VPN] 100 €"])
def test_a_name_with_which_text_messages_have_one_segment_is_no_warning(file, name):
    tree = with_methods(texts(), ["voice", "sms"])
    tree["delivery"]["friendly_name"] = name
    assert () == file.load(tree).warnings


def test_a_name_of_a_policy_and_of_a_group_is_warned_of_at_its_own_key(file):
    tree = with_methods(texts(), ["sms", "voice"])
    policy = tree["policies"]["default"]
    policy["friendly_name"] = LONG
    policy["group_rules"] = [
        {"when": {"group": "a"}, "countries": ["US"]},
        {"when": {"group": "b"}, "friendly_name": LONG.lower()},
    ]
    first, second = file.load(tree).warnings
    assert "policies.default.friendly_name: makes the text message" in first
    assert "policies.default.group_rules[1].friendly_name: makes the text message" in second


@pytest.mark.parametrize(
    ("name", "several", "fix"),
    [
        (LONG, "2 in ja", "write a shorter name"),
        ("€" * 45, "2 in de, 2 in en, 2 in fr, 2 in ja, 2 in pt", "write a shorter name"),
        (
            "\u201cACME\u201d \u201cVPN\u201d",
            "2 in de, 2 in en, 2 in es, 2 in fr, 2 in it, 2 in nl, 2 in pt",
            "write it without \u201c\u201d, which GSM 7-bit does not have",
        ),
    ],
)
def test_a_name_that_makes_text_messages_longer_than_one_segment_is_a_warning(file, name, several, fix):
    tree = with_methods(texts(), ["voice", "sms"])
    tree["delivery"]["friendly_name"] = name
    (warning,) = file.load(tree).warnings
    message = f"makes the text message of a login longer than one segment, which costs more ({several}); {fix}"
    assert warning.endswith(f"delivery.friendly_name: {message}")


def test_a_long_name_is_no_warning_where_no_policy_sends_text_messages(file):
    tree = with_methods(texts(), ["voice"])
    tree["delivery"]["friendly_name"] = LONG
    (warning,) = file.load(tree).warnings
    assert (
        "delivery.providers.texts: no policy has sms among methods, so logins do not use it; add it there, or"
        in warning
    )


def test_text_messages_of_a_group_rule_count_with_their_own_digits(file):
    tree = texts()
    tree["delivery"]["friendly_name"] = "N" * 30
    rule = {"when": {"group": "staff"}, "methods": ["sms"], "challenge": {"digits": 4}}
    assert () == file.load(with_methods(tree, ["voice"], group_rules=[rule])).warnings
    rule["challenge"] = {"digits": 10}
    (warning,) = file.load(with_methods(tree, ["voice"], group_rules=[rule])).warnings
    assert "(2 in ja)" in warning
