"""`init` on a terminal asks for gateway, friendly name and Twilio account, and writes a configuration from the answers."""

import os
import re
import select
import signal
import stat
import subprocess
from contextlib import suppress
from importlib import import_module
from typing import Any

import pytest
from click.testing import CliRunner

from radius_voice.cli.main import main
from radius_voice.config.init import _LINES, Answers, write_configuration
from radius_voice.resources import documentation, shipped
from radius_voice.wiring.adapters import load
from tests.support.program_process import PROGRAM, TIMEOUT

TOKEN = "0123456789abcdef0123456789abcdef"
INIT = import_module("radius_voice.cli.init")
SID = "AC" + "1" * 32


class Terminal:
    """`init` on a pseudo terminal."""

    def __init__(self, folder):
        self._ours, terminal = os.openpty()
        self.process = subprocess.Popen(
            [*PROGRAM, "init", "vpn"],
            cwd=folder,
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            start_new_session=True,
        )
        os.close(terminal)
        self.seen = ""

    def answer(self, question, text):
        """Wait for the question, and type the answer."""
        unread = len(self.seen)
        while question not in self.seen[unread:]:
            assert self._read(), self.seen
        os.write(self._ours, f"{text}\n".encode())

    def _read(self):
        if not select.select([self._ours], [], [], 3 * TIMEOUT)[0]:
            return False
        try:
            octets = os.read(self._ours, 4096)
        except OSError:  # the process has ended
            return False
        self.seen += octets.decode(errors="replace").replace("\r", "")
        return bool(octets)

    def interrupt(self):
        """Press Ctrl-C, and again: once just before the process waits for input has no effect."""
        while self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(1.0)

    def end(self):
        """The exit code, once all output is read."""
        while self._read():
            pass
        try:
            return self.process.wait(TIMEOUT)
        finally:
            self.process.kill()
            self.process.wait()

    def close(self):
        os.close(self._ours)


@pytest.fixture
def terminal(tmp_path):
    terminal = Terminal(tmp_path)
    yield terminal
    terminal.end()
    terminal.close()


def test_the_answers_are_the_configuration(terminal, tmp_path):
    terminal.answer("address or network", "10.0.0.1")
    terminal.answer("Its kind", "fortigate")
    terminal.answer("as they hear and read it", 'Müller\'s "VPN": #1')
    terminal.answer("Account SID", SID)
    terminal.answer("Auth token", TOKEN)
    terminal.answer("calls from", "+14155550123")
    assert 0 == terminal.end(), terminal.seen
    settings = load(tmp_path / "vpn" / "radius-voice.yaml", {}).settings
    client = settings.clients["office-vpn"]
    twilio: Any = settings.delivery.providers["twilio"]
    assert ("10.0.0.1/32", "fortigate") == (str(client.address[0]), client.profile)
    assert 'Müller\'s "VPN": #1' == settings.delivery.friendly_name
    assert (SID, "+14155550123") == (twilio.account_sid, twilio.from_.address)
    assert f"{TOKEN}\n" == (tmp_path / "vpn" / "twilio-auth-token").read_text()
    assert {0o600} == {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "vpn").iterdir()}
    for path in (tmp_path / "vpn").glob("*.secret"):
        assert path.read_text().strip() not in terminal.seen
    assert TOKEN not in terminal.seen
    assert TOKEN not in (tmp_path / "vpn" / "radius-voice.yaml").read_text()


def test_the_next_commands_are_exact_and_only_those_that_are_left(terminal):
    terminal.answer("address or network", "10.0.0.1")
    terminal.answer("Its kind", "")
    terminal.answer("as they hear and read it", "ACME")
    terminal.answer("Account SID", SID)
    terminal.answer("Auth token", TOKEN)
    terminal.answer("calls from", "+14155550123")
    assert 0 == terminal.end(), terminal.seen
    assert [
        "1. radius-voice users add -c vpn/radius-voice.yaml NAME --phone +NUMBER",
        "2. radius-voice check -c vpn/radius-voice.yaml",
        "3. radius-voice test-credentials -c vpn/radius-voice.yaml",
        "4. radius-voice serve -c vpn/radius-voice.yaml",
        "5. at the gateway, enter this machine, port 1812, and the secret in vpn/office-vpn.secret",
    ] == [line.strip() for line in terminal.seen.partition("Next:\n")[2].splitlines()]


def test_a_wrong_answer_is_reported_and_asked_for_again(terminal, tmp_path):
    terminal.answer("address or network", "10.0.0.1/24")
    terminal.answer("has host bits set; write 10.0.0.0/24", "ten")
    terminal.answer("not an address or network", "127.0.0.1")
    terminal.answer("127.0.0.1/32 also belongs to client office-vpn", "10.0.0.0/24")
    terminal.answer("Its kind", "fortinet")
    terminal.answer("Its kind", "meraki")
    terminal.answer("as they hear and read it", "x" * 61)
    terminal.answer("must have at most 60 characters", "ACME")
    terminal.answer("Account SID", "AC12")
    terminal.answer("AC and 32 hexadecimal digits", SID)
    terminal.answer("Auth token", TOKEN)
    terminal.answer("calls from", "0800 123")
    terminal.answer("calls from", "+14155550123")
    assert 0 == terminal.end(), terminal.seen
    text = (tmp_path / "vpn" / "radius-voice.yaml").read_text()
    assert 'address: "10.0.0.0/24"\n' in text
    assert 'profile: "meraki"\n' in text
    page = documentation() / "gateways" / "meraki.md"
    assert page.is_file()
    assert f"the secret in vpn/office-vpn.secret; its page is {page}\n" in terminal.seen


def test_answers_that_are_left_out_are_filled_in_later(terminal, tmp_path):
    terminal.answer("address or network", "")
    terminal.answer("Its kind", "")
    terminal.answer("as they hear and read it", "")
    terminal.answer("Account SID", "")
    assert 0 == terminal.end(), terminal.seen
    assert (shipped("config") / "radius-voice.yaml").read_text() == (tmp_path / "vpn" / "radius-voice.yaml").read_text()
    assert (
        "1. edit vpn/radius-voice.yaml: your gateway's address, the friendly name, your Twilio account" in terminal.seen
    )
    assert "2. write the account's auth token into vpn/twilio-auth-token" in terminal.seen


@pytest.mark.parametrize("question", ["address or network", "Its kind", "Auth token"])
def test_an_interrupt_leaves_nothing(terminal, tmp_path, question):
    for asked, text in (("address or network", "10.0.0.1"), ("Its kind", ""), ("hear and read it", "A"), ("SID", SID)):
        if asked == question:
            break
        terminal.answer(asked, text)
    while question not in terminal.seen:
        assert terminal._read(), terminal.seen
    terminal.interrupt()
    assert 1 == terminal.end(), terminal.seen
    assert [] == list(tmp_path.iterdir())


def test_an_existing_file_is_reported_before_the_first_question(tmp_path):
    (tmp_path / "vpn").mkdir()
    (tmp_path / "vpn" / "users.yaml").touch()
    terminal = Terminal(tmp_path)
    assert (1, True) == (terminal.end(), "vpn/users.yaml: exists and is not overwritten" in terminal.seen)
    assert "address" not in terminal.seen
    terminal.close()


def test_a_write_that_is_interrupted_leaves_no_file(tmp_path, monkeypatch):
    written = []

    def interrupted(descriptor, mode):
        written.append(descriptor)
        if len(written) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr("radius_voice.config.init.os.fchmod", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_configuration(tmp_path)
    assert [] == list(tmp_path.iterdir())


def test_the_sample_has_each_line_that_an_answer_replaces_once():
    text = (shipped("config") / "radius-voice.yaml").read_text()
    assert dict.fromkeys(_LINES, 1) == {
        key: len(re.findall(f"^{re.escape(line)}", text, re.MULTILINE)) for key, line in _LINES.items()
    }


def test_answers_show_no_auth_token():
    assert TOKEN not in repr(Answers(auth_token=TOKEN))


@pytest.mark.parametrize(
    ("unit", "start"), [(True, "systemctl enable --now radius-voice"), (False, "radius-voice serve")]
)
def test_the_debian_package_starts_the_service_by_systemd(monkeypatch, tmp_path, unit, start):
    directory = tmp_path / "radius-voice"
    monkeypatch.setattr(INIT, "DEFAULT_CONFIG", directory / "radius-voice.yaml")
    monkeypatch.setattr(INIT, "UNIT", tmp_path / "radius-voice.service")
    if unit:
        (tmp_path / "radius-voice.service").touch()
    shown = CliRunner().invoke(main, ["init", str(directory)])
    assert (0, True) == (shown.exit_code, f". {start}\n" in shown.output), shown.output


def test_a_gateway_whose_users_press_a_key_needs_the_url_of_callbacks(terminal, tmp_path):
    terminal.answer("address or network", "10.0.0.1")
    terminal.answer("Its kind", "rd-gateway")
    terminal.answer("URL at which Twilio reaches this server", "http://voice.example.com")
    terminal.answer("would receive callbacks in clear text; write https://", "")
    terminal.answer("as they hear and read it", "ACME")
    terminal.answer("Account SID", "")
    assert 0 == terminal.end(), terminal.seen
    assert "the number that it calls from, callbacks.public_url\n" in terminal.seen
    settings = load(tmp_path / "vpn" / "radius-voice.yaml", {}).settings
    assert settings.callbacks is not None
    assert ("approve", "rd-gateway") == (
        settings.clients["office-vpn"].second_factor,
        settings.clients["office-vpn"].policy,
    )
    assert ("default", "https://voice.example.org") == (
        settings.clients["this-machine"].policy,
        settings.callbacks.public_url,
    )


def test_the_url_of_callbacks_is_written(tmp_path):
    answers = Answers(profile="rd-gateway", public_url="https://vpn.example.com")
    callbacks = load(write_configuration(tmp_path, answers)[0], {}).settings.callbacks
    assert callbacks is not None
    assert "https://vpn.example.com" == callbacks.public_url
