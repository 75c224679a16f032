import pytest
from msgspec.structs import fields

from radius_voice.events import Reason
from radius_voice.login.model import Method
from radius_voice.login.texts.charset import Charset
from radius_voice.login.texts.prompts import MAX_REPLY_MESSAGE_BYTES, PromptFormat
from radius_voice.login.texts.reply_message import Wording, challenge, rejected
from radius_voice.messages import LANGUAGES, SHIPPED, CallEnded

REASONS = [Reason.CALL_PLACED, Reason.WRONG_CODE, Reason.REDIAL, Reason.REDIAL_UNAVAILABLE, Reason.JOINED]
MAX_FRIENDLY_NAME = 60


def shown(reason, language, name, attempts, method=Method.VOICE, **more):
    return challenge(reason, Wording(SHIPPED.messages_for(language), name), "23", attempts, method, **more)


@pytest.mark.parametrize("reason", REASONS)
@pytest.mark.parametrize("language", [*LANGUAGES, "xx"])
@pytest.mark.parametrize("attempts", [1, 2])
@pytest.mark.parametrize("character", ["Q", "ß", "語", "\U0001f4de"])
@pytest.mark.parametrize("delimiter", ["", ","])
def test_a_challenge_with_the_longest_friendly_name_fits_into_a_reply_message(
    reason, language, attempts, character, delimiter
):
    without_name = shown(reason, language, "", attempts, delimiter=delimiter)
    text = shown(reason, language, character * MAX_FRIENDLY_NAME, attempts, delimiter=delimiter)
    assert 0 < len(text.encode()) <= MAX_REPLY_MESSAGE_BYTES
    assert without_name == text.replace(character, ""), "only the name is cut"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("delimiter", ["", ","])
def test_a_friendly_name_of_sixty_letters_with_accents_is_shown_in_full(language, delimiter):
    name = "é" * MAX_FRIENDLY_NAME
    assert name in shown(Reason.CALL_PLACED, language, name, 3, delimiter=delimiter)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_reject_fits_into_a_reply_message(language):
    assert 0 < len(rejected(SHIPPED.messages_for(language)).encode()) <= MAX_REPLY_MESSAGE_BYTES


@pytest.mark.parametrize("reason", REASONS)
def test_a_challenge_for_a_language_with_a_region_is_in_that_language(reason):
    german = shown(reason, "de", "ACME VPN", 2)
    assert "Geben Sie" in german
    assert german == shown(reason, "de-AT", "ACME VPN", 2) == shown(reason, "DE_at", "ACME VPN", 2)


def test_the_reject_that_does_not_depend_on_the_user_is_in_english():
    assert "Login refused." == rejected(SHIPPED.default) == rejected(SHIPPED.messages_for("en"))
    assert "Anmeldung abgelehnt." == rejected(SHIPPED.messages_for("de-AT"))


def test_braces_in_the_friendly_name_are_not_replaced():
    assert "{ending} is calling" in shown(Reason.CALL_PLACED, "en", "{ending}", 3)


@pytest.mark.parametrize("reason", REASONS)
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("method", Method)
def test_in_two_passes_every_text_has_the_delimiter(reason, language, method):
    assert "|" in shown(reason, language, "ACME VPN", 2, method, delimiter="|")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("missed", [each.name for each in fields(CallEnded)])
@pytest.mark.parametrize("reason", [Reason.WRONG_CODE, Reason.JOINED, Reason.PASSWORD_REPEATED, Reason.REPEATED])
def test_after_a_call_that_did_not_reach_the_user_the_text_offers_another_one(language, missed, reason):
    text = shown(reason, language, "ACME VPN", 2, missed=missed)
    assert len(text.encode()) <= MAX_REPLY_MESSAGE_BYTES
    assert " phone " in text


def test_no_call_is_offered_when_none_is_possible():
    text = shown(Reason.REDIAL_UNAVAILABLE, "en", "", 2, missed="busy")
    assert "No further call is possible now. Enter the code you heard:" == text


def in_octets(length, name="ACME VPN", reason=Reason.CALL_PLACED, charset=Charset.UTF_8, **more):
    wording = Wording(SHIPPED.messages_for("en"), name, PromptFormat(charset, length))
    return challenge(reason, wording, "23", 2, **more)


def test_a_text_that_fits_is_shown_in_full():
    whole = "ACME VPN is calling your phone ending in 23. Enter the code you hear:"
    assert whole == in_octets(len(whole))


def test_of_a_long_text_the_end_of_the_name_is_cut_as_long_as_it_is_readable():
    name = "The VPN of the ACME Corporation"
    assert "The VPN is calling your phone ending in 23. Enter the code you hear:" == in_octets(69, name)
    assert "Enter the code you hear:" == in_octets(68, name)


def test_where_a_name_does_not_help_the_last_sentence_is_left_and_then_cut():
    assert "Enter the code you hear:" == in_octets(68)
    assert "Enter the code you heard:" == in_octets(50, reason=Reason.WRONG_CODE)
    assert "Log in again with password,code" == in_octets(60, delimiter=",")
    assert "Log in again with pass" == in_octets(22, delimiter=",")


def test_the_length_counts_the_letters_that_ascii_needs():
    name = "Zürich Büro"
    assert "Zuerich Buero is calling" in in_octets(74, name, charset=Charset.ASCII)
    assert "Zuerich Buer is calling" in in_octets(73, name, charset=Charset.ASCII)


def test_a_text_of_another_server_is_cut_between_characters():
    assert "Gro" == PromptFormat(Charset.ASCII, 3).shown("Größe")
    assert "Gr" == PromptFormat(length=3).shown("Größe")
