import pytest

from radius_voice.config.messages_file import messages_of
from radius_voice.login.deliveries.code_message import (
    MAX_SPEECH_SECONDS,
    Pause,
    Say,
    lines,
    seconds_to_first_code,
    speech_seconds,
    text_of,
)
from radius_voice.login.deliveries.requests import CodeMessage
from radius_voice.login.texts.speech import Speech, Speed
from radius_voice.messages import LANGUAGES, SHIPPED


def said(script):
    return [line.text for line in lines(script) if isinstance(line, Say)]


def test_the_message_names_the_caller_and_speaks_the_code_three_times():
    spoken = " ".join(said(CodeMessage("en", "ACME VPN", "123456")))
    assert spoken.startswith("Hello. This is ACME VPN. Your code is 1 2 3 4 5 6 Once more")
    assert spoken.count("1 2 3 4 5 6") == 3
    assert spoken.endswith("Goodbye.")


def test_every_digit_is_spoken_separately_after_a_pause():
    spoken = lines(CodeMessage("en", "ACME VPN", "907"))
    digits = [n for n, line in enumerate(spoken) if isinstance(line, Say) and line.text.isdigit()]
    assert len(digits) == 9
    assert all(spoken[n - 1] == Pause(1) for n in digits)


@pytest.mark.parametrize("repetitions", [1, 2, 5])
def test_the_code_is_spoken_as_often_as_the_speech_says(repetitions):
    spoken = " ".join(said(CodeMessage("en", "ACME VPN", "1234", speech=Speech(repetitions=repetitions))))
    assert (repetitions, repetitions - 1) == (spoken.count("1 2 3 4"), spoken.count("Once more"))


@pytest.mark.parametrize(("speed", "pauses"), [(Speed.SLOW, [2]), (Speed.NORMAL, [1]), (Speed.FAST, [])])
def test_the_speed_is_the_pause_before_each_digit(speed, pauses):
    spoken = lines(CodeMessage("en", "ACME VPN", "7", speech=Speech(speed=speed, repetitions=1)))
    introduction = spoken.index(Say("Your code is"))
    assert [*map(Pause, pauses), Say("7"), Pause(2)] == spoken[introduction + 1 : -1]


def test_the_time_to_the_first_code_does_not_depend_on_the_repetitions():
    once, often = (CodeMessage("en", "ACME VPN", "1234", speech=Speech(repetitions=number)) for number in (1, 5))
    words = 1 + "Hello. This is ACME VPN. Your code is 1 2 3 4".count(" ")
    assert seconds_to_first_code(once) == pytest.approx(0.6 * words + 1 + 4 + 2)
    assert seconds_to_first_code(once) == seconds_to_first_code(often) < speech_seconds(once)


def test_a_message_has_the_texts_of_its_catalog():
    catalog, errors = messages_of("en: {spoken: {closing: '{{Bye}}'}}", "messages.yaml")
    assert ([], "{Bye}") == (errors, said(CodeMessage("en", "ACME VPN", "1234", catalog=catalog))[-1])


@pytest.mark.parametrize(
    ("language", "voice"), [("de", "Polly.Vicki"), ("de-AT", "Polly.Hans"), ("DE_at", "Polly.Hans"), ("fr", "")]
)
def test_a_voice_is_found_by_language_and_region(language, voice):
    speech = Speech(voices=(("de", "Polly.Vicki"), ("de-at", "Polly.Hans")))
    assert voice == CodeMessage(language, "ACME VPN", "1234", speech=speech).voice


def test_a_message_in_a_language_with_a_region_is_spoken_in_that_language():
    german = said(CodeMessage("de", "ACME VPN", "1234"))
    assert german[0].startswith("Guten Tag.")
    for language in ("de-AT", "DE_at"):
        assert german == said(CodeMessage(language, "ACME VPN", "1234"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_names_the_caller(language):
    assert "ACME VPN" in said(CodeMessage(language, "ACME VPN", "123456"))[0]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_message_without_a_code_tells_that_the_help_desk_has_issued_one(language):
    phrases = SHIPPED.messages_for(language).spoken
    spoken = said(CodeMessage(language, "ACME VPN", ""))
    assert [phrases.issued_code] * 2 == spoken[1:3]
    assert [phrases.greeting.format(friendly_name="ACME VPN"), phrases.closing] == [spoken[0], spoken[-1]]


def test_braces_in_the_friendly_name_are_plain_text():
    assert "Hello. This is {0} {friendly_name}." == said(CodeMessage("en", "{0} {friendly_name}", "1234"))[0]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("enrolment", [False, True])
def test_the_longest_code_is_spoken_within_the_limit(language, enrolment):
    assert speech_seconds(CodeMessage(language, "ACME VPN", "1234567890", enrolment)) < MAX_SPEECH_SECONDS - 10


def test_the_repr_of_a_spoken_line_has_no_text():
    assert "7" not in repr(lines(CodeMessage("en", "ACME VPN", "7777")))


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_text_message_has_the_name_and_the_code_if_there_is_one(language):
    login = text_of(CodeMessage(language, "ACME VPN", "123456"))
    enrolment = text_of(CodeMessage(language, "ACME VPN", "123456", enrolment=True))
    notice = text_of(CodeMessage(language, "ACME VPN", ""))
    assert all(text.startswith("ACME VPN") for text in (login, enrolment, notice))
    assert 3 == len({login, enrolment, notice})
    assert [True, True, False] == ["123456" in text for text in (login, enrolment, notice)]
