"""`from` and `from_by_country` of providers that place calls."""

import pytest

from radius_voice.login.phone import Phone
from tests.config.conftest import changed, sample
from tests.support.vonage_double import APPLICATION, pem

TWILIO = sample()["delivery"]["providers"]["twilio"]
VONAGE = {"type": "vonage-voice", "application_id": APPLICATION, "from": "+12025550100", "private_key": pem()}


def with_numbers(numbers, provider=TWILIO):
    """The sample with these `from_by_country`."""
    return changed("delivery.providers.twilio", provider | {"from_by_country": numbers})


@pytest.mark.parametrize("provider", [TWILIO, VONAGE])
def test_numbers_by_country_are_read_as_phones(file, provider):
    section = file.load(with_numbers({"GB": "+44 20 7946 0018"}, provider)).settings.delivery.providers["twilio"]
    assert Phone("+442079460018") == section.callers.of_call_to(Phone("+442079460999"))
    assert Phone(provider["from"]) == section.callers.of_call_to(Phone("+493012345678"))


@pytest.mark.parametrize("provider", [TWILIO, VONAGE])
@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ({"UK": "+442079460018"}, "from_by_country.UK: not a country; write an ISO 3166 code"),
        ({"gb": "+442079460018"}, "from_by_country.gb: not a country"),
        ({"GB": "ACME VPN"}, "from_by_country.GB: not a phone number"),
        ({"GB": 442079460018}, "in quotes"),
        (["+442079460018"], "from_by_country: must be a mapping"),
    ],
)
def test_a_wrong_country_or_number_is_an_error(file, provider, numbers, expected):
    (error,) = file.errors(with_numbers(numbers, provider))
    assert expected in error


def test_a_test_number_is_a_warning_at_its_country(file):
    loaded = file.load(with_numbers({"GB": "+442079460018", "DE": "+15005550006"}))
    (warning,) = loaded.warnings
    assert "twilio.from_by_country.DE: is a test number that places no calls" in warning
