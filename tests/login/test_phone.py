"""Which texts are phone numbers, and which numbers are called."""

import random
import re
from typing import Any

import pytest
from phonenumbers import PhoneNumberType

from radius_voice.login.phone import REFUSED_TYPES, NumberRules, Phone, Refusal, caution, parse_phone, refused_type
from radius_voice.login.policies.policy import UserRules


def policy(**rules):
    timers: dict[str, Any] = {
        "digits": 6,
        "code_lifetime": 120.0,
        "attempts": 3,
        "redials": 2,
        "ring_timeout": 30,
        "session_timeout": 360.0,
    }
    return UserRules(**timers, **rules)


@pytest.mark.parametrize(
    ("text", "extension"),
    [
        ("+1 415 555 0123 ext. 42", "42"),
        ("+14155550123 ext 5", "5"),
        ("+14155550123 EXT: 5", "5"),
        ("+14155550123 extension 007", "007"),
        ("+14155550123 x5", "5"),
        ("+14155550123x5", "5"),
        ("+14155550123;ext=42", "42"),
        ("+14155550123 #5", "5"),
        ("+14155550123,,5", "5"),
        ("+14155550123 x\uff14\uff12", "42"),
        ("+14155550123 ext. 12345678901234567890", "12345678901234567890"),
    ],
)
def test_an_extension_is_read_in_every_usual_form(text, extension):
    phone = parse_phone(text)
    assert Phone("+14155550123", extension) == phone
    assert phone == parse_phone(phone.text)


def test_an_extension_is_masked_and_does_not_change_whether_a_number_is_called():
    phone = Phone("+14155550223", "4711")
    assert ("+14*******23 ext. **", "Phone(+14*******23 ext. **)", "23") == (phone.masked, repr(phone), phone.ending)
    assert "+14155550223 ext. 4711" == phone.text
    assert policy(numbers=NumberRules(frozenset({"US"}))).may_call(phone)
    assert not policy().may_call(Phone("+19005550123", "4711"))


@pytest.mark.parametrize(
    "text",
    [
        "+14155550123;isub=5",
        "+14155550123w5",
        "+14155550123/x+14155550124",
        "+14155550123 +14155550124",
        "alice +14155550123",
        "tel:+14155550123",
        "+1800FLOWERS",
        "+14155550123 (home)",
        "+14155550123 (home) ext 5",
        "+14155550123 ext 5 ext 6",
        "+14155550123 x1234567890123",
        "+14155550123;ext=abc",
        "+14155550123 ext.",
    ],
)
def test_a_text_that_is_more_than_a_number_is_refused(text):
    with pytest.raises(ValueError, match=r"^not a phone number; write it as \+, country code and number"):
        parse_phone(text)


@pytest.mark.parametrize(
    "text", [" " * 235 + "+14155550123!", "+14155550123" + " ," * 110 + "!", "+1" + " 4" * 110 + "x!"]
)
def test_many_long_texts_that_are_no_numbers_are_read_in_linear_time(text):
    """In cubic time, the first one takes 0.15 s, and this test a quarter of an hour."""
    for _ in range(5000):
        with pytest.raises(ValueError, match="not a phone number"):
            parse_phone(text)


@pytest.mark.parametrize(
    "text", ["+4915112345678", "+49 151 12345678", "+49 (0)151/123-45678", " +49.151.12345678 ", "\uff0b4915112345678"]
)
def test_a_number_may_be_written_with_spaces_and_punctuation(text):
    assert Phone("+4915112345678") == parse_phone(text)


@pytest.mark.parametrize(
    ("prefix", "digits"),
    [("+1900", 11), ("+449", 12), ("+4470", 12), ("+61147", 11), ("+1500", 11), ("+1533", 11), ("+41878", 11)],
)
def test_no_number_of_these_ranges_is_called(prefix, digits):
    pick = random.Random(13)
    for _ in range(500):
        number = prefix + "".join(pick.choices("0123456789", k=digits + 1 - len(prefix)))
        assert refused_type(Phone(number)) is not None
        assert not policy().may_call(Phone(number))


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        ("+19001550123", "premium"),
        ("+447012345678", "personal"),
        ("+61147101234", "satellite"),
        ("+61145112345", "satellite"),
        ("+16002012345", "satellite"),
        ("+878101234567890", "personal"),
        ("+883510012345", "international network"),
        ("+979123456789", "premium"),
        ("+15005550006", "personal"),
        ("+441632960123", "invalid"),
        ("+12015550", "invalid"),
        ("+14155550123", None),
        ("+447400123456", None),
        ("+4915112345678", None),
    ],
)
def test_the_kind_of_a_number_that_is_not_called(number, kind):
    assert kind == refused_type(Phone(number))


def test_a_number_that_the_library_considers_invalid_can_be_listed():
    phone = parse_phone("+441632960123")
    assert "+44********23 is not called (invalid number), unless policies.NAME.allow_numbers allows it" == caution(
        phone
    )


@pytest.mark.parametrize("number", ["+14155550123", "+12025550199", "+442079460123"])
def test_adding_a_number_reserved_for_fiction_warns(number):
    warning = caution(Phone(number))
    assert warning is not None
    assert re.fullmatch(r"\S+ is reserved for fiction and rings no phone", warning)
    assert number not in warning


@pytest.mark.parametrize("number", ["+14155550223", "+14155540123", "+447400123456"])
def test_adding_any_other_number_does_not_warn(number):
    assert caution(Phone(number)) is None


def test_a_policy_allows_single_numbers_and_prefixes_whatever_their_kind_and_country():
    allowing = policy(numbers=NumberRules(frozenset({"US"}), ("+441632960123", "+4970")))
    assert allowing.may_call(Phone("+441632960123"))
    assert allowing.may_call(Phone("+497012345678"))
    assert not allowing.may_call(Phone("+441632960124"))
    assert not allowing.may_call(Phone("+447012345678"))
    assert not allowing.may_call(Phone("+4915112345678"))
    assert allowing.may_call(Phone("+12025550123"))


def test_twilios_test_numbers_are_personal_numbers_unless_allowed():
    assert not policy().may_call(Phone("+15005550006"))
    assert policy(numbers=NumberRules(allowed=("+1500555",))).may_call(Phone("+15005550006"))


REJECTING = NumberRules(frozenset({"LV", "US"}), ("+3712788", "+881612"), ("+371278", "+88161234", "+1415"))


@pytest.mark.parametrize(
    ("number", "refusal"),
    [
        ("+37127812345", Refusal("rejected prefix", "reject_numbers")),
        ("+37127881234", None),
        ("+37129123456", None),
        ("+881612999999", None),
        ("+88161234999", Refusal("rejected prefix", "reject_numbers")),
        ("+14155551234", Refusal("rejected prefix", "reject_numbers")),
        ("+12025550123", None),
        ("+19005550123", Refusal("premium number", "allow_numbers")),
        ("+447400123456", Refusal("country GB", "countries")),
    ],
)
def test_the_longest_prefix_decides_whether_a_number_is_called(number, refusal):
    assert refusal == REJECTING.refusal(Phone(number))


def test_a_number_that_leads_to_a_mailbox_is_not_called():
    assert Refusal("voicemail number", "allow_numbers") == NumberRules().refusal(Phone("+49177991234567"))


def test_every_type_of_number_that_is_no_phone_of_a_user_is_refused():
    called = {
        PhoneNumberType.FIXED_LINE,
        PhoneNumberType.MOBILE,
        PhoneNumberType.FIXED_LINE_OR_MOBILE,
        PhoneNumberType.TOLL_FREE,
        PhoneNumberType.VOIP,
    }
    assert set(PhoneNumberType.values()) - called == REFUSED_TYPES.keys()
