"""The README's way from nothing to a login, followed to the letter in a fresh folder. Twilio is simulated, ports are free."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from radius_voice.config import strict_yaml
from radius_voice.wiring.adapters import load
from tests.docs.pages import blocks, commands
from tests.support.matching import search
from tests.support.network import http_get
from tests.support.program_process import TIMEOUT, ProgramProcess
from tests.support.requirements import require
from tests.support.server_process import TOKEN

LINES = commands("README.md")
PHONE = "+14155550123"


@pytest.fixture
def shell(tmp_path):
    """Runs a line of the README in the folder; standard error is added to standard output."""
    programs = os.pathsep.join([str(Path(sys.prefix) / "bin"), os.environ["PATH"]])

    def shell(line, typed=""):
        return subprocess.run(
            ["bash", "-c", line],
            cwd=tmp_path,
            env={**os.environ, "PATH": programs},
            input=typed,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=3 * TIMEOUT,
            check=False,
        )

    return shell


def line_of(*words):
    """The README's only command line that has these words in it."""
    (line,) = [line for line in LINES if all(word in line for word in words)]
    return line


def leaves(value, path=()):
    """Every value below `value`, by its path."""
    below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = {place: each for key, child in below for place, each in leaves(child, (*path, key)).items()}
    return found or {path: value}


def test_the_file_that_init_writes_matches_the_readme(shell, tmp_path):
    shell(line_of("radius-voice init"))
    shown = leaves(strict_yaml.load(blocks("README.md", "yaml")[0], "README.md")[0])
    written = leaves(strict_yaml.load((tmp_path / "vpn" / "radius-voice.yaml").read_text(), "init")[0])
    assert shown == {path: value for path, value in written.items() if path in shown}
    loaded = load(tmp_path / "vpn" / "radius-voice.yaml", {}).settings
    assert set(loaded.clients) == {path[1] for path in shown if path[0] == "clients"}


def test_the_readme_steps_lead_to_a_login(shell, tmp_path, simulator):
    require("radclient", shutil.which("radclient"))
    assert 0 == shell(line_of("radius-voice init")).returncode
    configuration = tmp_path / "vpn" / "radius-voice.yaml"
    edit(configuration, simulator)
    (tmp_path / "vpn" / "twilio-auth-token").write_text(f"{TOKEN}\n")

    added = shell(line_of("users add"), "the password\n")
    assert added.stdout.endswith("vpn/users.yaml: alice added\n")
    for command in ("check", "test-credentials"):
        assert 0 == (ended := shell(line_of(f"radius-voice {command}"))).returncode, ended.stdout

    assert line_of("radius-voice serve").endswith("serve -c vpn/radius-voice.yaml")
    with ProgramProcess("serve", "--config", configuration) as server:
        started = server.wait_for_line("started", server.stderr)
        port = search(r"udp 127.0.0.1 port (\d+)", started)[1]
        asked = shell(line_of("radclient").replace("127.0.0.1 auth", f"127.0.0.1:{port} auth"))
        assert "Received Access-Challenge" in asked.stdout, asked.stdout
        assert 1 == len(simulator.calls(PHONE))
        login = line_of("radius-voice login").replace("127.0.0.1", f"127.0.0.1:{port}")
        accepted = shell(login, f"the password\n{simulator.code(PHONE)}\n")
        assert (0, True) == (accepted.returncode, accepted.stdout.endswith("Access-Accept\n")), accepted.stdout
        assert 200 == http_get(search(r"http://[\d.:]+", started)[0] + "/healthz")[0]


def edit(path, simulator):
    """What an administrator changes: here a simulated account, and free ports on this machine only."""
    text = path.read_text()
    for old, new in {
        "# development: false": "development: true",
        '"udp://0.0.0.0:1812"': '"udp://127.0.0.1:0"',
        "# base_url: https://twilio.example.org ": f"base_url: {simulator.url} ",
        '"127.0.0.1:9812"': '"127.0.0.1:0"',
    }.items():
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)
