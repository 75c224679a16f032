"""The section `callbacks`, and the credentials that it needs."""

from __future__ import annotations

from typing import Any

import pytest

from radius_voice.config.load import restart_needed

from .conftest import SECRETS, File, changed

URL = "https://voice.example.org"
KEY = {"api_key": "SK" + "1" * 32, "api_secret": "an-api-secret-that-stays-secret"}


def with_callbacks(callbacks: Any, **more: Any) -> dict[str, Any]:
    return changed("callbacks", callbacks) | more


def with_key(*, auth_token: bool, **more: Any) -> dict[str, Any]:
    tree = changed("callbacks", {"public_url": URL})
    twilio = tree["delivery"]["providers"]["twilio"]
    twilio.pop("auth_token")
    twilio |= KEY | ({"auth_token": SECRETS[1]} if auth_token else {})
    return tree | more


def test_the_section_needs_a_public_url_only(file: File) -> None:
    loaded = file.load(with_callbacks({"public_url": f"{URL}/"}))
    callbacks = loaded.settings.callbacks
    assert callbacks is not None
    assert (URL, "127.0.0.1:9813") == (callbacks.public_url, str(callbacks.listen))
    assert () == loaded.warnings


@pytest.mark.parametrize(
    ("callbacks", "problem"),
    [
        ({}, "callbacks.public_url: is missing"),
        ({"public_url": "http://voice.example.org"}, "would receive callbacks in clear text; write https://"),
        ({"public_url": "https://127.0.0.1:9813"}, "is on this machine"),
        ({"public_url": "https://localhost"}, "is on this machine"),
        ({"public_url": f"{URL}/path"}, "without a path"),
        ({"public_url": URL, "listen": "127.0.0.1:0"}, "port 0 requires development: true"),
        ({"public_url": URL, "listen": "127.0.0.1:9812"}, "callbacks.listen: is the address of admin.listen"),
        ({"public_url": URL, "listen": "0.0.0.0:9812"}, "callbacks.listen: is the address of admin.listen"),
        ({"public_url": URL, "listen": "everywhere"}, "not an address and a port"),
        ({"public_url": URL, "more": 1}, "callbacks.more"),
        (URL, "callbacks"),
    ],
)
def test_a_section_that_cannot_work_is_an_error(file: File, callbacks: Any, problem: str) -> None:
    (error,) = file.errors(with_callbacks(callbacks))
    assert problem in error


def test_development_allows_this_machine_and_plain_http(file: File) -> None:
    callbacks = {"public_url": "http://127.0.0.1:9999", "listen": "127.0.0.1:0"}
    assert file.load(with_callbacks(callbacks, development=True)).settings.callbacks


def test_an_invalid_admin_address_does_not_hide_errors_of_callbacks(file: File) -> None:
    errors = file.errors(with_callbacks({"public_url": "http://a.example"}, admin={"listen": "x"}))
    assert {"admin.listen", "callbacks.public_url"} == {error.split(": ")[1] for error in errors}


def test_callbacks_need_the_auth_token_beside_an_api_key(file: File) -> None:
    (error,) = file.errors(with_key(auth_token=False))
    assert "delivery.providers.twilio: callbacks need auth_token beside the API key" in error
    provider: Any = file.load(with_key(auth_token=True)).settings.delivery.providers["twilio"]
    assert (KEY["api_key"], SECRETS[1]) == (provider.api_key, provider.auth_token.get_secret_value())


def test_without_callbacks_both_credentials_are_an_error(file: File) -> None:
    tree = with_key(auth_token=True)
    del tree["callbacks"]
    (error,) = file.errors(tree)
    assert "twilio.api_key: write either auth_token, or api_key and api_secret together" in error


def test_callbacks_that_no_provider_makes_cause_a_warning(file: File) -> None:
    fixed = {"no-calls": {"type": "fixed", "code": "123456"}}
    tree = with_callbacks({"public_url": URL}, development=True)
    tree["clients"]["office-vpn"]["address"] = "127.0.0.1"
    tree["delivery"]["providers"] = fixed
    assert any("no configured provider makes callbacks" in warning for warning in file.load(tree).warnings)


def test_a_change_needs_a_restart(file: File) -> None:
    before = file.load(with_callbacks({"public_url": URL})).settings
    after = file.load(with_callbacks({"public_url": "https://other.example.org"})).settings
    without = file.load(changed("development", False)).settings
    assert ["callbacks"] == restart_needed(before, after) == restart_needed(before, without)


# voicemail


def with_policy(callbacks: bool, **policy: Any) -> dict[str, Any]:
    tree = changed("policies.default", policy)
    return tree | ({"callbacks": {"public_url": URL}} if callbacks else {})


@pytest.mark.parametrize(
    ("callbacks", "voicemail"), [(True, "press"), (True, "detect"), (False, "detect"), (False, "off"), (True, "off")]
)
def test_voicemail_is_a_setting_of_a_policy(file: File, callbacks: bool, voicemail: str) -> None:
    loaded = file.load(with_policy(callbacks, voicemail=voicemail))
    assert (voicemail, ()) == (loaded.settings.policies["default"].voicemail, loaded.warnings)


def test_press_needs_callbacks_and_the_error_names_the_alternatives(file: File) -> None:
    (error,) = file.errors(with_policy(False, voicemail="press"))
    assert "policies.default.voicemail: needs callbacks.public_url" in error
    assert "write voicemail: detect, or methods: [sms]" in error


def test_a_rule_of_a_group_has_its_own_error(file: File) -> None:
    rules = [{"when": {"group": "a"}, "voicemail": "press"}, {"when": {"group": "b"}}]
    (error,) = file.errors(with_policy(False, voicemail="detect", group_rules=rules))
    assert "policies.default.group_rules[0].voicemail: needs callbacks.public_url" in error


def test_a_provider_that_cannot_do_it_is_an_error(file: File) -> None:
    tree = with_policy(True, voicemail="detect") | {"development": True}
    tree["clients"]["office-vpn"]["address"] = "127.0.0.1"
    tree["delivery"]["providers"]["no-calls"] = {"type": "fixed", "code": "123456"}
    (error,) = file.errors(tree)
    assert "provider no-calls (type fixed) cannot do this; remove it from delivery.voice" in error
    tree["delivery"]["voice"] = ["twilio"]
    assert file.load(tree).settings.policies["default"].voicemail == "detect"


def test_voicemail_without_calls_is_an_error(file: File) -> None:
    tree = with_policy(True, voicemail="press", methods=["sms"])
    tree["delivery"]["providers"]["texts"] = {
        "type": "twilio-sms",
        "account_sid": "AC" + "1" * 32,
        "auth_token": SECRETS[1],
        "from": "+14155550123",
    }
    for callbacks in (tree, {key: value for key, value in tree.items() if key != "callbacks"}):
        (error,) = file.errors(callbacks)
        assert "has an effect only with voice among methods" in error
