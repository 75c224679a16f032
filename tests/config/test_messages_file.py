"""The file of an administrator's texts: `delivery.messages`."""

import json

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from radius_voice.config.errors import ConfigError
from radius_voice.config.messages_file import MAX_SHOWN_OCTETS, SECTIONS, messages_of
from radius_voice.events import Reason
from radius_voice.login.deliveries.code_message import lines, text_of
from radius_voice.login.deliveries.requests import CodeMessage
from radius_voice.login.model import Method
from radius_voice.login.texts.reply_message import Wording, challenge
from radius_voice.messages import SHIPPED
from radius_voice.wiring.adapters import load
from tests.config.conftest import sample

ENGLISH = {section: msgspec.structs.asdict(getattr(SHIPPED.default, section)) for section in SECTIONS}


def replaced(tree):
    """The catalog with the texts of `tree`, which has no errors."""
    catalog, errors = messages_of(yaml.safe_dump(tree, allow_unicode=True, sort_keys=False), "messages.yaml")
    assert [] == errors
    return catalog


def errors_of(text):
    return messages_of(text, "messages.yaml")[1]


def test_a_text_replaces_one_of_ours_and_the_others_stay():
    catalog = replaced({"de": {"shown": {"rejected": "Zugang verweigert."}}})
    german, ours = catalog.messages_for("de-AT"), SHIPPED.messages_for("de")
    assert "Zugang verweigert." == german.shown.rejected
    assert (ours.shown.enter_code, ours.spoken) == (german.shown.enter_code, german.spoken)
    assert SHIPPED.messages_for("fr") == catalog.messages_for("fr")


def test_a_region_has_the_texts_of_its_language_except_those_of_the_file():
    catalog = replaced({"pt-PT": {"spoken": {"locale": "pt-PT", "greeting": "Bom dia. Fala {friendly_name}."}}})
    assert ("pt-PT", "pt-BR") == tuple(catalog.messages_for(each).spoken.locale for each in ("pt_pt", "pt"))
    assert SHIPPED.messages_for("pt").shown == catalog.messages_for("pt-PT").shown


@pytest.mark.parametrize("order", [("de", "de-AT"), ("de-AT", "de")])
def test_a_region_has_the_replaced_texts_of_its_language_too(order):
    texts = {"de": {"shown": {"rejected": "Nein."}}, "de-AT": {"spoken": {"locale": "de-AT"}}}
    austrian = replaced({language: texts[language] for language in order}).messages_for("de-AT")
    assert ("Nein.", "de-AT") == (austrian.shown.rejected, austrian.spoken.locale)


def test_a_language_with_every_text_is_a_new_one():
    texts = {section: dict(of) for section, of in ENGLISH.items()}
    texts["shown"]["rejected"] = "Odmowa dostępu."
    catalog = replaced({"pl": texts})
    assert (*SHIPPED.languages, "pl") == tuple(sorted(catalog.languages, key=lambda each: each == "pl"))
    assert "Odmowa dostępu." == catalog.messages_for("pl-PL").shown.rejected


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "1: is empty; write it like: en:"),
        ("[en]", "1: is not a mapping of languages"),
        ("en: {shown: {rejected: a, rejected: b}}", "1: 'rejected' is listed twice"),
        ("en: no", "1: en: must be a mapping with shown, "),
        ("en: {shown: no}", "1: en.shown: must be a mapping of keys and texts"),
        ("en: {showm: {}}", "1: en.showm: unknown section; known are shown, "),
        ("en: {showm: {}}", "; did you mean shown?"),
        ("en: {shown: {rejectd: x}}", "1: en.shown.rejectd: unknown key; did you mean rejected?"),
        ("en: {shown: {zzz: x}}", "1: en.shown.zzz: unknown key; known are enter_code, "),
        ("en:\n  shown:\n    rejected: 5\n", "3: en.shown.rejected: YAML reads this as a number"),
        ("en: {shown: {rejected: ''}}", "must be one line of text without spaces at its ends"),
        ("en: {shown: {rejected: ' x'}}", "must be one line of text without spaces at its ends"),
        ('en: {shown: {rejected: "a\\nb"}}', "must be one line of text without spaces at its ends"),
        ("en: {shown: {rejected: 'For {ending}'}}", "has the unknown placeholder {ending}; this text has none"),
        ("en: {shown: {new_call: 'To {endings}:'}}", "has the unknown placeholder {endings}; it may have {ending}"),
        ("en: {shown: {new_call: 'Calling you:'}}", "lacks {ending}; a text needs every placeholder"),
        ("en: {shown: {new_call: 'To {ending!r}:'}}", "has a brace outside a placeholder; it may have {ending}"),
        ("en: {shown: {new_call: 'To {ending:>9}:'}}", "has a brace outside a placeholder"),
        ("en: {shown: {new_call: 'To {ending.x}:'}}", "has a brace outside a placeholder"),
        ("en: {shown: {new_call: 'To {}:'}}", "has a brace outside a placeholder"),
        ("en: {shown: {new_call: 'To {ending'}}", "has a brace outside a placeholder"),
        (
            "en: {spoken: {locale: english}}",
            "1: en.spoken.locale: is not a language with a region; write it like en-US",
        ),
        ("tlh: {}", "1: tlh: is not a known language; known are de, en, "),
        ("dee: {}", "; did you mean de?"),
        ("tlh: {shown: {rejected: Qo'.}}", "add shown.enter_code, "),
        ("'not a tag': {}", "is not the tag of a language, like pl or pt-PT"),
        ("de-AT: {}\nDE_at: {}\n", "2: DE_at: is the same language as de-at"),
    ],
)
def test_an_error_names_the_line_the_key_and_the_fix(text, error):
    (found,) = errors_of(text)
    assert found.startswith("messages.yaml:")
    assert error in found


def test_a_new_language_that_lacks_texts_is_not_known():
    assert SHIPPED.languages == messages_of("gr: {shown: {rejected: x}}", "messages.yaml")[0].languages


def test_all_errors_are_found_at_once():
    text = "en:\n  shown:\n    rejected: 5\n    new_call: x\nde: {spokn: {}}\n"
    assert ["3", "4", "5"] == [error.split(":")[1] for error in errors_of(text)]


@pytest.mark.parametrize(("character", "octets"), [("x", 1), ("ä", 2), ("語", 3)])
def test_a_shown_text_fits_into_a_reply_message_with_a_name_of_sixty_letters(character, octets):
    fitting = (MAX_SHOWN_OCTETS - 60 - 2) // octets
    for length, count in ((fitting, 0), (fitting + 1, 1)):
        text = f"{{friendly_name}}{{ending}}{character * length}"
        assert count == len(errors_of(yaml.safe_dump({"en": {"shown": {"enter_code": text}}})))


def test_a_spoken_text_has_at_most_150_characters():
    for length, count in ((150, 0), (151, 1)):
        assert count == len(errors_of(yaml.safe_dump({"en": {"spoken": {"closing": "語" * length}}})))


@pytest.mark.parametrize(("character", "part"), [("x", 153), ("ç", 67)])
def test_a_text_message_has_at_most_four_segments(character, part):
    fitting = 4 * part - 60 - 10
    for length, count in ((fitting, 0), (fitting + 1, 1)):
        text = f"{{friendly_name}}{{code}}{character * length}"
        found = errors_of(yaml.safe_dump({"en": {"texted": {"code": text}}}))
        assert ["5 segments of a text message" in each for each in found] == [True] * count


def test_a_brace_can_be_written_in_a_text():
    text = replaced({"en": {"shown": {"rejected": "{{no}}"}}}).default.shown.rejected
    assert "{no}" == text.format()


PIECES = st.sampled_from(
    ["{friendly_name}", "{ending}", "{code}", "{", "}", "{{", "{0}", "x", " ", "é", "語", ":", "\n"]
)


@given(
    st.sampled_from([(section, key) for section, texts in ENGLISH.items() for key in texts]),
    st.text() | st.lists(PIECES).map("".join) | st.none() | st.integers() | st.booleans() | st.lists(st.text()),
)
def test_any_text_is_either_an_error_or_can_be_used(where, value):
    section, key = where
    catalog, errors = messages_of(json.dumps({"en": {section: {key: value}}}), "messages.yaml")
    assert len(errors) <= 1
    assert errors or str(value) == getattr(getattr(catalog.default, section), key)  # a long number is read as text
    for code, enrolment in (("1234", False), ("1234", True), ("", False)):
        message = CodeMessage("en", "ACME", code, enrolment, catalog=catalog)
        assert lines(message)
        assert text_of(message)
    for method in (Method.VOICE, Method.SMS, Method.ISSUED_CODE):
        assert challenge(Reason.WRONG_CODE, Wording(catalog.default, "ACME"), "23", 2, method)


# In the configuration


@pytest.fixture
def tree():
    return sample()


@pytest.fixture
def with_messages(tmp_path, tree):
    """Load a configuration with a file of texts."""

    def with_messages(text, mode=0o644):
        path = tmp_path / "messages.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        path.chmod(mode)
        return loaded({**tree, "delivery": {**tree["delivery"], "messages": "messages.yaml"}}, tmp_path)

    return with_messages


def loaded(tree, folder):
    path = folder / "radius-voice.yaml"
    (folder / "users.yaml").touch(0o600)
    path.write_text(yaml.safe_dump(tree))
    path.chmod(0o600)
    return load(path, {})


def test_the_configuration_has_the_texts_of_the_file(with_messages, tmp_path):
    configuration = with_messages("en: {shown: {rejected: Access denied.}}")
    assert "Access denied." == configuration.settings.delivery.messages.default.shown.rejected
    assert (tmp_path / "messages.yaml",) == configuration.text_files


def test_without_a_file_the_texts_are_ours(tree, tmp_path):
    assert SHIPPED == loaded(tree, tmp_path).settings.delivery.messages


def test_errors_of_the_file_and_of_the_configuration_are_reported_together(with_messages, tmp_path, tree):
    tree["server"] = {"workers": 0}
    with pytest.raises(ConfigError) as caught:
        with_messages("en: {shown: {rejected: 5, new_call: x}}")
    assert 3 == len(caught.value.errors)
    assert f"{tmp_path}/messages.yaml:1: en.shown.rejected: " in str(caught.value)
    assert "server.workers" in str(caught.value)


@pytest.mark.parametrize("text", ["Call {x}.", "Call {", "{0}", "{friendly_name.x}"])
def test_a_phrase_with_a_wrong_placeholder_is_one_error(with_messages, text):
    with pytest.raises(ConfigError) as caught:
        with_messages(yaml.safe_dump({"de": {"spoken": {"closing": text}}}))
    (error,) = caught.value.errors
    assert "de.spoken.closing: has " in error


def test_an_error_elsewhere_does_not_hide_a_language_that_the_file_adds(with_messages, tree):
    tree["server"] = {"workers": 0}
    with pytest.raises(ConfigError) as caught:
        with_messages(yaml.safe_dump({"pl": ENGLISH}))
    assert "pl" in caught.value.messages.languages


def test_a_file_that_other_users_can_write_is_refused(with_messages):
    with pytest.raises(ConfigError, match=r"messages\.yaml: is writable by other users"):
        with_messages("en: {}", mode=0o646)


def test_a_missing_file_is_an_error_at_its_key(tree, tmp_path):
    tree["delivery"]["messages"] = "missing.yaml"
    with pytest.raises(
        ConfigError,
        match=r"delivery\.messages: .*missing\.yaml cannot be read: No such file or directory; correct the path or create it",
    ):
        loaded(tree, tmp_path)


def test_a_file_that_is_not_utf_8_is_an_error_with_its_line(with_messages):
    with pytest.raises(ConfigError, match=r"messages\.yaml:2: is not UTF-8"):
        with_messages(b"en:\n  shown: {rejected: \xff}\n")


def test_a_file_that_is_too_large_is_an_error(with_messages):
    with pytest.raises(ConfigError, match="is larger than 1048576 octets"):
        with_messages("#" * 1_048_577)
