import pytest

from radius_voice.login.model import Script
from radius_voice.login.script import LANGUAGES, SCRIPT_SECONDS, Pause, Say, is_spoken, lines, phrases_for


def said(script):
    return [line.text for line in lines(script) if isinstance(line, Say)]


def test_the_message_names_the_caller_and_speaks_the_code_three_times():
    heard = " ".join(said(Script("en", "ACME VPN", "123456")))
    assert heard.startswith("Hello. This is ACME VPN. Your code is 1 2 3 4 5 6 Once more")
    assert heard.count("1 2 3 4 5 6") == 3
    assert heard.endswith("Goodbye.")


def test_every_digit_is_said_alone_after_a_pause():
    spoken = lines(Script("en", "ACME VPN", "907"))
    digits = [n for n, line in enumerate(spoken) if isinstance(line, Say) and line.text.isdigit()]
    assert len(digits) == 9
    assert all(spoken[n - 1] == Pause(1) for n in digits)


@pytest.mark.parametrize(
    ("language", "locale"),
    [
        ("en", "en-US"),
        ("de", "de-DE"),
        ("de-AT", "de-DE"),
        ("FR_ca", "fr-FR"),
        ("es", "es-ES"),
        ("tlh", "en-US"),
        ("", "en-US"),
    ],
)
def test_a_language_is_found_by_its_first_part_and_english_is_the_rest(language, locale):
    assert locale == phrases_for(language).locale


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_says_who_calls(language):
    assert "ACME VPN" in said(Script(language, "ACME VPN", "123456"))[0]


def test_braces_in_the_friendly_name_are_only_text():
    assert "Hello. This is {0} {name}." == said(Script("en", "{0} {name}", "1234"))[0]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_longest_code_is_spoken_within_the_bound(language):
    a_slow_word = 0.6
    spoken = lines(Script(language, "ACME VPN", "1234567890"))
    seconds = sum(line.seconds if isinstance(line, Pause) else a_slow_word * len(line.text.split()) for line in spoken)
    assert seconds < SCRIPT_SECONDS - 10


def test_a_spoken_line_never_shows_itself():
    assert "7" not in repr(lines(Script("en", "ACME VPN", "7777")))


def test_a_language_is_spoken_in_every_region_and_in_any_case():
    assert ["en", "EN-us", "de_AT", "fr"] == [
        each for each in ("en", "EN-us", "de_AT", "fr", "it", "") if is_spoken(each)
    ]
