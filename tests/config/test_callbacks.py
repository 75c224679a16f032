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
    assert "delivery.providers.twilio: auth_token is needed beside the API key for callbacks" in error
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
