from types import SimpleNamespace
from typing import Any

import pytest

from radius_voice.delivery.twilio_verify.settings import TwilioVerifySettings
from radius_voice.login.model import Method
from radius_voice.login.voicemail import Voicemail
from radius_voice.wiring.policies import policies_of

from .conftest import SECRETS, changed

SECTION = {
    "type": "twilio-verify",
    "account_sid": "AC" + "1" * 32,
    "auth_token": SECRETS[1],
    "service_sid": "VA" + "a" * 32,
}


def verify(**changes):
    """The sample with a Verify service. A change to None removes the key."""
    section = {key: value for key, value in (SECTION | changes).items() if value is not None}
    return changed("delivery.providers.verify", section)


@pytest.mark.parametrize(
    ("changes", "methods", "custom_code"),
    [
        ({}, (Method.VOICE, Method.SMS), False),
        ({"methods": ["sms"]}, (Method.SMS,), False),
        ({"methods": ["sms", "voice"], "custom_code": True}, (Method.VOICE, Method.SMS), True),
    ],
)
def test_a_verify_service_has_both_methods_and_creates_the_codes_unless_written(file, changes, methods, custom_code):
    tree = {**verify(**changes), "policies": {"default": {"methods": ["voice", "sms"]}}}
    loaded = file.load(tree)
    section = loaded.settings.delivery.providers["verify"]
    assert isinstance(section, TwilioVerifySettings)
    assert (methods, custom_code, ()) == (section.methods, section.custom_code, loaded.warnings)


def test_its_methods_make_it_a_provider_of_them(file):
    delivery = file.load(verify(methods=["sms"])).settings.delivery
    assert ("verify",) == delivery.order_of(Method.SMS)
    assert "verify" not in delivery.order_of(Method.VOICE)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"service_sid": None}, "service_sid"),
        ({"service_sid": "MG" + "a" * 32}, "VA and 32"),
        ({"methods": []}, "methods"),
        ({"methods": ["sms", "sms"]}, "verify.methods: a method is listed twice"),
        ({"methods": ["email"]}, "methods"),
        ({"custom_code": "yes"}, "custom_code"),
        ({"dtmf_input_required": "yes"}, "dtmf_input_required"),
        ({"from": "+14155550123"}, "from"),
    ],
)
def test_a_wrong_setting_is_an_error(file, changes, expected):
    (error,) = file.errors(verify(**changes))
    assert expected in error


def with_press(order, **changes):
    """Codes only after a pressed key, without callbacks, through the providers of `order`."""
    tree = verify(dtmf_input_required=True, **changes)
    tree["delivery"]["voice"] = order
    return {**tree, "policies": {"default": {"voicemail": "press"}}}


def test_a_service_that_asks_for_a_key_needs_no_callbacks_and_gets_the_code_with_the_call(file):
    settings = file.load(with_press(["verify"])).settings
    source: Any = SimpleNamespace(directory=object(), first_factor=object())
    (rules,) = (policy.rules for policy in policies_of(settings, dict.fromkeys(settings.identity, source)).values())
    assert ("press", Voicemail.OFF) == (settings.policies["default"].voicemail, rules.voicemail)


@pytest.mark.parametrize(
    ("order", "changes", "expected"),
    [
        (["verify", "twilio"], {}, "policies.default.voicemail: providers that ask for the key themselves"),
        (["verify"], {"dtmf_input_required": False}, "policies.default.voicemail: needs callbacks.public_url"),
    ],
)
def test_press_is_done_in_one_way(file, order, changes, expected):
    tree = with_press(order)
    tree["delivery"]["providers"]["verify"] |= changes
    assert any(expected in error for error in file.errors(tree))
