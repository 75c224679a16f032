"""Every text in every language, as users and providers get it, with the longest friendly name."""

from itertools import product

import pytest
from msgspec.structs import fields

from radius_voice.delivery.twilio_voice.provider import DIGIT, MAX_TWIML, _template
from radius_voice.delivery.twilio_voice.twiml import twiml_of
from radius_voice.events import Reason
from radius_voice.login.deliveries.call_scripts import approval_script, press_script, wait_script
from radius_voice.login.deliveries.code_message import text_of
from radius_voice.login.deliveries.requests import ApprovalQuestion, CodeMessage
from radius_voice.login.model import Method
from radius_voice.login.texts.charset import Charset
from radius_voice.login.texts.prompts import MAX_REPLY_MESSAGE_BYTES, PromptFormat
from radius_voice.login.texts.reply_message import Wording, challenge, shown_texts
from radius_voice.login.texts.segments import segments
from radius_voice.login.texts.speech import MAX_DIGITS_SPOKEN, Speech, Speed
from radius_voice.messages import LANGUAGES, SHIPPED, CallEnded
from radius_voice.messages.placeholders import LONGEST
from radius_voice.simulator.twiml import code_in, spoken_text

MAX_NAME = 60
MAX_VOICE = "Google." + "x" * 43
NAMES = {"letters": "W" * MAX_NAME, "markup": "&" * MAX_NAME, "umlauts": "Ä" * MAX_NAME, "Japanese": "語" * MAX_NAME}
REASONS = [Reason.CALL_PLACED, Reason.TEXT_SENT, Reason.WRONG_CODE, Reason.REDIAL, Reason.REDIAL_UNAVAILABLE]
METHODS = [Method.VOICE, Method.SMS, Method.ISSUED_CODE]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("voice", ["", MAX_VOICE])
@pytest.mark.parametrize("speed", Speed)
@pytest.mark.parametrize("repetitions", [3, 5])
def test_a_call_fits_into_twiml_and_speaks_the_name_and_the_code(language, name, voice, speed, repetitions):
    speech = Speech(((language, voice),), speed, repetitions)
    code = "1234567890"[: MAX_DIGITS_SPOKEN // repetitions]
    for typed, enrolment in ((code, False), (code, True), ("", False)):
        template = _template(CodeMessage(language, NAMES[name], typed, enrolment, speech=speech))
        twiml = "".join(part + digit for part, digit in zip(template, [*typed * repetitions, ""], strict=True))
        assert len(twiml) < MAX_TWIML
        assert DIGIT not in twiml
        spoken = spoken_text(twiml)
        assert (True, typed) == (NAMES[name] in spoken, code_in(spoken))


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_voice_is_named_without_a_language_and_else_the_language(language):
    locale = SHIPPED.messages_for(language).spoken.locale
    message = CodeMessage(language, "ACME", "1234", speech=Speech(((language, "Polly.Joanna"),)))
    assert 'voice="Polly.Joanna"' in "".join(_template(message))
    assert "language=" not in "".join(_template(message))
    assert f'<Say language="{locale}">' in "".join(_template(CodeMessage(language, "ACME", "1234")))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("charset", Charset)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "more",
    [
        {},
        {"delimiter": ","},
        {"asked": Method.VOICE},
        {"asked": Method.SMS},
        *({"missed": each.name} for each in fields(CallEnded)),
    ],
    ids=str,
)
def test_a_prompt_has_the_length_and_the_characters_of_the_client(language, name, charset, method, more):
    texts = shown_texts(SHIPPED.messages_for(language), SHIPPED.default, charset)
    for reason, attempts, length in product(REASONS, [1, 10], [40, 80, MAX_REPLY_MESSAGE_BYTES]):
        prompts = PromptFormat(charset, length)
        shown = challenge(reason, Wording(texts, NAMES[name], prompts), LONGEST["ending"], attempts, method, **more)
        assert 0 < len(shown.encode()) <= length
        assert shown == prompts.shown(shown)
        assert charset is Charset.UTF_8 or shown.isascii()
        without_name = challenge(reason, Wording(texts, "", prompts), LONGEST["ending"], attempts, method, **more)
        assert "?" not in without_name


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_text_message_with_a_short_name_has_at_most_two_segments_and_with_the_longest_four(language):
    for code, enrolment in (("1234567890", False), ("1234567890", True), ("", False)):
        short, longest = (
            text_of(CodeMessage(language, name, code, enrolment)) for name in ("ACME VPN", "W" * MAX_NAME)
        )
        assert code in short
        assert segments(short) <= 3
        assert segments(longest) <= 4


def longest_approval(message):
    return approval_script(message, ApprovalQuestion("W" * MAX_NAME, "x" * 253))


@pytest.mark.parametrize("script", [press_script, wait_script, longest_approval])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("voice", ["", MAX_VOICE])
def test_a_request_for_a_key_or_to_wait_fits_into_a_call(script, name, language, voice):
    message = CodeMessage(language, NAMES[name], "", speech=Speech(((language, voice),) if voice else ()))
    twiml = twiml_of(script(message), f"https://{'v' * 63}.example.org/{'p' * 63}/{'0' * 52}/key")
    assert len(twiml) < MAX_TWIML
    assert NAMES[name] in spoken_text(twiml)
