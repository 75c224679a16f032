import pkgutil
from string import Formatter
from typing import Any

import msgspec
import pytest

from radius_voice import messages
from radius_voice.config.messages_file import SECTIONS
from radius_voice.login.deliveries.code_message import text_of
from radius_voice.login.deliveries.requests import CodeMessage
from radius_voice.login.texts.segments import segments
from radius_voice.messages import LANGUAGES, SHIPPED
from radius_voice.messages.placeholders import LONGEST


def messages_of(language) -> Any:
    found = SHIPPED.find(language)
    assert found is not None
    return found


def texts_of(language):
    """Every text of a language by its key, like `shown.rejected`."""
    found = messages_of(language)
    return {
        f"{section}.{key}": text
        for section in SECTIONS
        for key, text in msgspec.structs.asdict(getattr(found, section)).items()
    }


def placeholders(text):
    return sorted(name for _, name, _, _ in Formatter().parse(text) if name is not None)


def test_every_language_file_is_in_the_table():
    files = {module.name for module in pkgutil.iter_modules(messages.__path__)} - {"catalog", "placeholders", "wording"}
    assert files == {language.replace("-", "_") for language in LANGUAGES}


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("en", "en"),
        ("de", "de"),
        ("de-AT", "de"),
        ("DE_at", "de"),
        ("de-Latn-AT-1996", "de"),
        ("FR_ca", "fr"),
        ("es-419", "es"),
    ],
)
def test_a_language_with_a_region_falls_back_to_the_language(language, expected):
    assert expected == messages_of(language).language == SHIPPED.messages_for(language).language


@pytest.mark.parametrize("language", ["", "tlh", "deu", "d", "de-", "-de", "de AT", "de\n", "de-\x1b[2J", "x" * 50])
def test_a_language_without_messages_is_not_found_and_gives_english(language):
    assert SHIPPED.find(language) is None
    assert "en" == SHIPPED.messages_for(language).language


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_every_text_with_the_placeholders_of_the_english_one(language):
    english, texts = texts_of("en"), texts_of(language)
    assert {key: placeholders(text) for key, text in english.items()} == {
        key: placeholders(text) for key, text in texts.items()
    }
    assert all(text.strip() == text and text.isprintable() and text for text in texts.values())


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_text_is_left_in_the_words_of_another_language(language):
    others = {text for other in LANGUAGES if other != language for text in texts_of(other).values()}
    assert not others & set(texts_of(language).values())


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_locale_of_the_voice_is_the_language_with_a_region(language):
    spoken, region = messages_of(language).spoken.locale.rsplit("-", 1)
    assert (language, True) == (spoken.lower(), region.isupper())


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_text_message_of_a_login_fits_into_one_segment(language):
    friendly_name = "N" * (28 if language == "ja" else 60)  # Japanese text has 70 characters, and not 160
    assert 1 == segments(text_of(CodeMessage(language, friendly_name, "1234567890")))


def test_messages_cannot_be_changed():
    with pytest.raises(AttributeError):
        messages_of("en").shown.rejected = "Accepted."


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_placeholder_has_a_longest_value(language):
    names = {name for text in texts_of(language).values() for name in placeholders(text)}
    assert names <= LONGEST.keys()
