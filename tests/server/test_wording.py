"""The wording that users get from a running server: their language, an administrator's texts, their policy's name."""

import json
import re
import signal
from pathlib import Path

import msgspec
import pytest
import yaml

from radius_voice.config.messages_file import SECTIONS
from radius_voice.messages import SHIPPED
from radius_voice.radius import packet as radius
from tests.support.matching import search
from tests.support.program_process import ProgramProcess
from tests.support.radius_test_client import RadiusTestClient
from tests.support.server_process import BASE_CONFIGURATION

POLISH = {section: msgspec.structs.asdict(getattr(SHIPPED.default, section)) for section in SECTIONS}
POLISH["shown"]["enter_code"] = "{friendly_name} dzwoni pod numer z końcówką {ending}. Proszę podać kod:"
POLISH["spoken"] |= {"locale": "pl-PL", "greeting": "Dzień dobry. Tu {friendly_name}.", "code": "Państwa kod to"}
TEXTS = {
    "pl": POLISH,
    "en": {"shown": {"rejected": "Access denied. Call extension 4000."}, "spoken": {"closing": "Call extension 4000."}},
}
CONFIGURATION = """\
server: {listen: ["udp://127.0.0.1:0"], reject_delay: 0s}
clients:
  gateway: {address: 127.0.0.1, secret: a shared secret of the tests, response_timeout: 8s}
  old: {address: 127.0.0.2, secret: a shared secret of the tests, response_timeout: 8s, charset: ascii}
  short: {address: 127.0.0.3, secret: a shared secret of the tests, response_timeout: 8s, prompt_length: 60}
policies:
  default:
    challenge: {digits: 4}
    speech: {repetitions: 2}
    group_rules:
      - {when: {group: partners}, friendly_name: "R&D <Partner> Zürich", challenge: {digits: 5}}
"""


class WordingServer(ProgramProcess):
    """`serve` with the files in `folder`."""

    def __init__(self, folder: Path) -> None:
        super().__init__("serve", "--config", folder / "radius-voice.yaml")
        self.port = int(search(r"udp \S+ port (\d+)", self.wait_for_line("started", self.stderr))[1])
        self.messages = folder / "messages.yaml"


@pytest.fixture(scope="module")
def users(make_user):
    """Users by language; `partner` is in another group."""
    languages = {"ja": "ja", "de": "de", "pl": "pl-PL", "partner": "de", "english": "en"}
    return {
        name: (make_user(groups=("partners",) if name == "partner" else ()), language)
        for name, language in languages.items()
    }


@pytest.fixture(scope="module")
def server(simulator, users, tmp_path_factory):
    folder = tmp_path_factory.mktemp("wording")
    base = BASE_CONFIGURATION.replace("SIMULATOR", simulator.url).replace(
        "delivery:\n", "delivery:\n  messages: messages.yaml\n"
    )
    entries = {user.name: {**user.entry, "language": language} for user, language in users.values()}
    for name, text in {
        "radius-voice.yaml": base + CONFIGURATION,
        "users.yaml": json.dumps(entries),
        "messages.yaml": yaml.safe_dump(TEXTS, allow_unicode=True),
    }.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o600)
    with WordingServer(folder) as server:
        yield server


@pytest.fixture
def login(server, users, simulator):
    """Log in as a user of `users`: the texts of the challenge and of a reject after it, and the call."""

    def login(name, source="127.0.0.1"):
        user, _ = users[name]
        gateway = RadiusTestClient(server.port, source)
        try:
            challenge = gateway.start_login(user)
            assert radius.ACCESS_CHALLENGE == challenge.code, text_of(challenge)
            call = simulator.calls(user.phone)[-1]
            accepted = gateway.respond(user, challenge, call["code"])
            assert radius.ACCESS_ACCEPT == accepted.code
        finally:
            gateway.close()
        return text_of(challenge), call

    return login


def text_of(reply):
    return b"".join(reply.every(radius.REPLY_MESSAGE)).decode()


def ending(users, name):
    return users[name][0].phone[-2:]


def test_a_language_of_the_administrators_file_is_shown_and_spoken(login, users):
    shown, call = login("pl")
    assert f"ACME VPN dzwoni pod numer z końcówką {ending(users, 'pl')}. Proszę podać kod:" == shown
    assert call["said"].startswith("Dzień dobry. Tu ACME VPN. Państwa kod to")


def test_a_text_of_the_file_replaces_ours_and_the_code_is_spoken_as_often_as_the_policy_says(login):
    _, call = login("english")
    digits = " ".join(call["code"])
    assert f"Hello. This is ACME VPN. Your code is {digits}. Once more, your code is {digits}." in call["said"]
    assert 2 == call["said"].count(digits)
    assert call["said"].endswith("Call extension 4000.")


def test_the_friendly_name_of_a_group_is_shown_and_spoken_with_its_markup(login, users):
    shown, call = login("partner")
    assert shown.startswith("R&D <Partner> Zürich ruft Ihre Nummer")
    assert "Hier ist R&D <Partner> Zürich." in call["said"]
    assert 5 == len(call["code"])


def test_an_ascii_gateway_gets_german_in_ascii_and_english_for_japanese(login, users):
    shown, _ = login("partner", "127.0.0.2")
    assert shown.startswith("R&D <Partner> Zuerich ruft Ihre Nummer")
    shown, call = login("ja", "127.0.0.2")
    assert f"ACME VPN is calling your phone ending in {ending(users, 'ja')}. Enter the code you hear:" == shown
    assert call["said"].startswith("こちらは、ACME VPNです。")
    assert "コードを入力してください" in login("ja")[0]


def test_a_reload_takes_new_texts_and_ignores_a_file_with_errors(server, users):
    gateway, (user, _) = RadiusTestClient(server.port), users["de"]
    name = [(radius.USER_NAME, user.name.encode())]
    before = server.messages.read_text()
    try:
        assert "Access denied. Call extension 4000." == text_of(gateway.exchange(name, "wrong"))
        server.messages.write_text("en:\n  shown:\n    rejectd: Nobody comes in.\n")
        server.send_signal(signal.SIGHUP)
        problem = server.wait_for_line("reload_failed", server.stderr)
        assert re.search(r"messages\.yaml:3: en\.shown\.rejectd: unknown key; did you mean rejected\?", problem)
        assert "Access denied. Call extension 4000." == text_of(gateway.exchange(name, "wrong"))
        server.messages.write_text(before.replace("4000", "5000"))
        server.send_signal(signal.SIGHUP)
        server.wait_for_line("reloaded", server.stderr)
        assert "Access denied. Call extension 5000." == text_of(gateway.exchange(name, "wrong"))
    finally:
        gateway.close()


def test_a_gateway_that_shows_short_texts_gets_the_last_sentence(login):
    shown, _ = login("english", "127.0.0.3")
    assert "Enter the code you hear:" == shown
