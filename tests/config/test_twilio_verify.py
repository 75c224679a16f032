import pytest

from radius_voice.delivery.twilio_verify.settings import TwilioVerifySettings
from radius_voice.login.model import Method

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
        ({"from": "+14155550123"}, "from"),
    ],
)
def test_a_wrong_setting_is_an_error(file, changes, expected):
    (error,) = file.errors(verify(**changes))
    assert expected in error
