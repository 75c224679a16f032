"""`demo --speak`: what the simulated phone says is played through espeak-ng."""

import asyncio
import os
import shutil
import subprocess
import sys
import wave

import pytest

from radius_voice.cli import speaker
from radius_voice.login.deliveries.code_message import Pause, lines
from radius_voice.login.deliveries.requests import CodeMessage
from radius_voice.messages import LANGUAGES
from radius_voice.simulator.twiml import code_in
from tests.cli.test_commands import run
from tests.support.requirements import require

DEMO = [sys.executable, "-m", "radius_voice.cli.main", "demo", "--speak"]
SPEECH = 'Hello. This is R&D "VPN" 2. Your code is 1 2 3 4. Goodbye.'


@pytest.fixture
def espeak(tmp_path, monkeypatch):
    """Replace espeak-ng by a shell script."""

    def espeak(script):
        program = tmp_path / "espeak-ng"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o700)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    return espeak


def demo():
    return subprocess.run(DEMO, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)


def test_without_espeak_the_demo_says_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    ended = run("demo", "--speak")
    assert (1, True) == (ended.exit_code, "apt install espeak-ng" in ended.stderr)


def test_a_call_to_your_own_phone_is_not_played_here(espeak):
    espeak("exit 0")
    ended = run("demo", "--speak", "--call", "+14155550123")
    assert (2, True) == (ended.exit_code, "--speak is for the simulated phone" in ended.stderr)


def test_the_demo_plays_the_call_before_the_code_is_typed(espeak, tmp_path):
    espeak(f'echo "$@" > {tmp_path}/options; cat > {tmp_path}/played')
    ended = demo()
    played, options = (tmp_path / "played").read_text(), (tmp_path / "options").read_text()
    assert 0 == ended.returncode, ended.stderr
    assert ("-v en", "--stdin") == (options[3:8], options.split()[-1])
    assert 18 == played.count('<break time="1s"/>')
    assert code_in(played.replace('<break time="1s"/>', "")) in ended.stdout


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        ("echo 'ALSA: no card' >&2; echo 'error: No such file' >&2; exit 0", "No such file"),
        ("echo 'unknown voice' >&2; exit 1", "unknown voice"),
        ("exit 3", "it ended with code 3"),
    ],
)
def test_a_demo_that_cannot_play_continues_and_says_why(espeak, end, reason):
    espeak(f"cat > /dev/null; {end}")
    ended = demo()
    assert 0 == ended.returncode
    assert f"espeak-ng could not play the speech: {reason}; is there an audio device?\n" == ended.stderr


def test_the_speech_is_escaped_and_only_single_digits_of_it_wait():
    written = speaker.ssml('R&D 22 says "7": 1 2')
    pause = '<break time="1s"/>'
    assert f'<speak>R&amp;D 22 says "{pause}7": {pause}1 {pause}2</speak>' == written


async def test_a_speech_that_lasts_too_long_is_cut_off(espeak, monkeypatch, capsys):
    espeak("exec cat /dev/zero > /dev/null")
    monkeypatch.setattr(speaker, "MAX_SECONDS", 0.05)
    async with speaker.playing(SPEECH, "en") as played:
        await played
    assert "espeak-ng did not end within 0 s" in capsys.readouterr().err


async def test_a_speech_ends_when_the_code_is_typed(espeak, tmp_path):
    espeak(f"echo $$ > {tmp_path}/pid; mv {tmp_path}/pid {tmp_path}/started; exec cat /dev/zero > /dev/null")
    async with asyncio.timeout(30):
        async with speaker.playing(SPEECH, "en") as played:
            while not (tmp_path / "started").exists():  # noqa: ASYNC110 - the script has no other signal
                await asyncio.sleep(0.01)
        pid = int((tmp_path / "started").read_text())
    assert played.cancelled()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.peer("espeak-ng")
@pytest.mark.parametrize("language", LANGUAGES)
def test_espeak_speaks_every_language_within_the_duration_of_a_call(language, tmp_path):
    require("espeak-ng", shutil.which("espeak-ng"))
    message = CodeMessage(language, "ACME & VPN", "123456")
    spoken = " ".join(line.text for line in lines(message) if not isinstance(line, Pause))
    command = speaker.command(language, "-w", str(tmp_path / "call.wav"))
    subprocess.run(command, input=speaker.ssml(spoken).encode(), timeout=60, check=True)
    assert b"RIFF" == (tmp_path / "call.wav").read_bytes()[:4]
    with wave.open(str(tmp_path / "call.wav")) as recorded:
        seconds = recorded.getnframes() / recorded.getframerate()
    assert 18 < seconds < 80
