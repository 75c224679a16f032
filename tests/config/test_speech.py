"""`policies.NAME.speech` and `friendly_name`."""

import pytest

from radius_voice.login.texts.speech import Speech, Speed
from radius_voice.messages import LANGUAGES
from radius_voice.wiring.policies import code_message_of, friendly_name_of, speech_of
from tests.config.conftest import sample


@pytest.fixture
def rules(file):
    """The rules of the policy `default` with these settings, and those of its group `staff` with others."""

    def rules(own, of_group=None):
        groups = {"group_rules": [{"when": {"group": "staff"}, **of_group}]} if of_group is not None else {}
        settings = file.load({**sample(), "policies": {"default": {**own, **groups}}}).settings
        policy = settings.policies["default"]
        return settings, policy, policy.rules_of(["staff"])

    return rules


def test_by_default_calls_speak_three_times_at_normal_speed(rules):
    settings, policy, _ = rules({})
    assert Speech((), Speed.NORMAL, 3) == speech_of(policy.speech)
    assert "ACME VPN" == friendly_name_of(settings, policy)


def test_a_group_keeps_the_settings_of_its_policy_that_it_does_not_override(rules):
    own = {"friendly_name": "Staff VPN", "speech": {"voices": {"de_AT": "Polly.Hannah"}, "speed": "slow"}}
    settings, policy, group = rules(own, {"speech": {"repetitions": 2}, "friendly_name": "VPN <&>"})
    assert Speech((("de-at", "Polly.Hannah"),), Speed.SLOW, 2) == speech_of(group.speech)
    assert ("Staff VPN", "VPN <&>") == tuple(friendly_name_of(settings, each) for each in (policy, group))


def test_an_enrolment_and_a_notice_have_the_wording_of_the_policy(rules):
    own = {"friendly_name": "Staff VPN", "speech": {"voices": {"de": "Polly.Vicki"}, "repetitions": 2}}
    settings, policy, _ = rules(own)
    message = code_message_of(settings, policy, "de-AT", "1234", enrolment=True)
    assert ("Staff VPN", "Polly.Vicki", 2) == (message.friendly_name, message.voice, message.speech.repetitions)
    assert settings.delivery.messages is message.catalog
    assert message.enrolment


@pytest.mark.parametrize(
    ("own", "error"),
    [
        ({"speech": {"voices": {"tlh": "Polly.Joanna"}}}, "voices.tlh: is not a known language; known are de, "),
        ({"speech": {"voices": {"dee": "Polly.Joanna"}}}, "; did you mean de?"),
        ({"speech": {"voices": {"de-AT": "A", "DE_at": "B"}}}, "is the same language as de-at"),
        (
            {"speech": {"voices": {"de": "<Say>"}}},
            "voices.de: does not have the required form; write it like Polly.Joanna",
        ),
        ({"speech": {"voices": "Polly.Joanna"}}, "voices: must be a mapping"),
        ({"speech": {"speed": "faster"}}, "did you mean fast?"),
        ({"speech": {"repetitions": 6}}, "repetitions: must be at most 5"),
        ({"speech": {"repetitions": 4}, "challenge": {"digits": 8}}, "at most 30 fit; write repetitions: 3, or fewer"),
        ({"speech": {"speed": "slow"}, "challenge": {"digits": 10}}, "s, more than 80 s; use fewer repetitions"),
        ({"friendly_name": "x" * 61}, "friendly_name: must have at most 60 characters"),
        ({"friendly_name": ""}, "friendly_name: must not be empty"),
    ],
)
def test_an_error_names_the_key_and_the_fix(file, own, error):
    (found,) = file.errors({**sample(), "policies": {"default": own}})
    assert error in found


def test_an_error_of_a_policy_is_not_repeated_for_its_groups(file):
    own = {"speech": {"speed": "slow"}, "challenge": {"digits": 10}, "group_rules": [{"when": {"group": "a"}}]}
    assert 1 == len(file.errors({**sample(), "policies": {"default": own}}))
    own["group_rules"] = [{"when": {"group": "a"}, "challenge": {"digits": 9}}]
    assert 2 == len(file.errors({**sample(), "policies": {"default": own}}))


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_voice_may_be_named_for_every_language(rules, language):
    _, policy, _ = rules({"speech": {"voices": {language: "Google.Voice-Standard-A"}}})
    assert "Google.Voice-Standard-A" == speech_of(policy.speech).voice_in(f"{language}-XX")
