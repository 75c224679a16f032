"""Writes a login with radclient into docs/login-story.md: `make story`.

Starts the simulator and the server on free ports, with the configuration that the page shows, logs in with radclient,
and writes what radclient printed and the audit records between the page's two markers.
"""  # noqa: INP001 - a script beside the page that it writes

from __future__ import annotations

import json
import re
import secrets
import signal
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).with_name("login-story.md")
BEGIN = "<!-- produced by docs/produce_login_story.py -->"
END = "<!-- end of the produced part -->"
RADIUS, TWILIO = "127.0.0.1:1812", "127.0.0.1:4010"
PASSWORD = "correct horse"  # noqa: S105 - of a user who does not exist
USERS_ADD = "radius-voice users add --file users.yaml alice --phone +14155550123"
SIMULATE = f"radius-voice simulate-twilio --listen {TWILIO}"
SERVE = "radius-voice serve --config story.yaml"
PROGRAM = (sys.executable, "-m", "radius_voice.cli.main")
TIMEOUT = 30.0
CONFIGURATION = f"""\
development: true                            # allows a provider on this machine
server: {{listen: ["udp://{RADIUS}"]}}
clients:
  gateway: {{address: 127.0.0.1, secret: {{file: gateway.secret}}, response_timeout: 10s}}
identity:
  people: {{type: users_file, path: users.yaml}}
delivery:
  friendly_name: ACME VPN
  providers:
    twilio:
      type: twilio-voice
      account_sid: AC00000000000000000000000000000000
      auth_token: simulated-token
      from: "+15005550006"
      base_url: http://{TWILIO}
"""


def produce() -> str:
    """The produced part of the page, in Markdown. Needs radclient; raises OSError or RuntimeError when it fails."""
    with tempfile.TemporaryDirectory(prefix="radius-voice-story-") as name:
        return _story(Path(name))


def write(page: Path = PAGE) -> None:
    """Put a fresh login between the markers of the page."""
    text = page.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    page.write_text(f"{before}{BEGIN}\n{produce()}{END}{rest.split(END)[1]}", encoding="utf-8")


@dataclass(frozen=True, slots=True)
class RunningService:
    """The addresses of a running simulator and server, as HOST:PORT, and what the commands printed."""

    phones: str
    server: str
    added: str
    simulated: str


@contextmanager
def running_service(folder: Path) -> Iterator[RunningService]:
    """The story's simulator and server, on free ports, with their files in `folder`."""
    secret = folder / "gateway.secret"
    secret.touch(0o600)
    secret.write_text(secrets.token_hex(16) + "\n")
    added = _run([*PROGRAM, *USERS_ADD.split()[1:]], folder, PASSWORD + "\n")
    with _started(SIMULATE.replace("4010", "0"), folder, r"http://(127.0.0.1:\d+)") as (phones, simulated):
        free = CONFIGURATION.replace(TWILIO, phones).replace(RADIUS, "127.0.0.1:0")
        (folder / "story.yaml").write_text(free + 'admin: {listen: "127.0.0.1:0"}\n')
        with _started(SERVE, folder, r"started .*udp (127.0.0.1 port \d+)") as (server, _):
            yield RunningService(phones, server.replace(" port ", ":"), added, simulated)


def _story(folder: Path) -> str:
    with running_service(folder) as running:
        exchanges = list(_log_in(folder, running.server, f"http://{running.phones}"))
    records = [line for line in (folder / "audit.jsonl").read_text().splitlines() if _is_shown(line)]
    typed = f"$ echo '{PASSWORD}' | {USERS_ADD}\n{running.added}$ {SIMULATE}\n{running.simulated}$ {SERVE}\n"
    return "".join(
        (
            "The configuration, `story.yaml`:\n\n",
            _block("yaml", CONFIGURATION),
            "A user, a simulated phone, and the server (the last two in separate terminals):\n\n",
            _block("console", typed),
            *exchanges,
            "The records in the audit log, whose keys [observing.md](observing.md#audit-log) describes:\n\n",
            _block("console", '$ grep -E \'"kind":"(delivery|request)"\' audit.jsonl\n' + "\n".join(records) + "\n"),
        )
    )


def _log_in(folder: Path, server: str, phones: str) -> Iterator[str]:
    """The three exchanges of the login, each with a sentence before it."""
    sent = _ask(folder, server, PASSWORD)
    yield "The gateway sends the password:\n\n" + sent
    with urllib.request.urlopen(f"{phones}/simulator/calls", timeout=TIMEOUT) as answer:  # noqa: S310 - our own
        call = json.load(answer)[-1]
    spoken = f"$ curl http://{TWILIO}/simulator/calls\n... {json.dumps(call['said'])} ...\n"
    yield "The call speaks the code:\n\n" + _block("console", spoken)
    wrong = str((int(call["code"]) + 1) % 10**6).zfill(6)
    sent = _ask(folder, server, wrong, _state(sent))
    yield "A wrong code costs an attempt, gets a new State, and places no call:\n\n" + sent
    yield "The right code:\n\n" + _ask(folder, server, call["code"], _state(sent))


def _ask(folder: Path, server: str, password: str, state: str = "") -> str:
    """One exchange by radclient, as a block. Its exit code for a challenge is 1."""
    lines = ['User-Name = "alice"', f'User-Password = "{password}"', "Message-Authenticator = 0x00"]
    if state:
        lines.insert(2, f"State = {state}")
    asked = "\n".join(lines)
    command = "radclient -x -S gateway.secret -t 15 -r 1 {} auth"
    answer = _run(command.format(server).split(), folder, asked + "\n", fine=(0, 1))
    if "Received Access-" not in answer:
        raise RuntimeError(f"radclient got no answer:\n{answer}")
    shown = re.sub(r"^\(0\).*\n", "", answer.replace(server, RADIUS), flags=re.MULTILINE)
    return _block("console", f"$ {command.format(RADIUS)} <<END\n{asked}\nEND\n{shown}")


def _state(exchange: str) -> str:
    return str(re.findall(r"State = (0x\w+)", exchange)[-1])


def _is_shown(record: str) -> bool:
    return json.loads(record)["kind"] in ("delivery", "request")


def _block(language: str, text: str) -> str:
    return f"```{language}\n{text.expandtabs(4)}```\n\n"


def _run(command: list[str], folder: Path, standard_input: str, fine: tuple[int, ...] = (0,)) -> str:
    done = subprocess.run(  # noqa: S603 - commands of this file
        command, cwd=folder, input=standard_input, capture_output=True, text=True, timeout=TIMEOUT, check=False
    )
    if done.returncode not in fine:
        raise RuntimeError(f"{command[0]}: exit code {done.returncode}: {done.stderr}")
    return done.stdout


@contextmanager
def _started(command: str, folder: Path, pattern: str) -> Iterator[tuple[str, str]]:
    """A running command of radius-voice: what `pattern` finds in its first matching line, and that line as shown."""
    process = subprocess.Popen(  # noqa: S603 - commands of this file
        [*PROGRAM, *command.split()[1:]], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    stream = process.stdout
    if stream is None:
        raise RuntimeError("no pipe")
    try:
        said = ""
        for line in stream:  # warnings come first
            said += line
            if found := re.search(pattern, line):
                break
        else:
            process.kill()
            raise RuntimeError(f"{command}: {said}")
        yield found[1], line.replace(found[1], TWILIO)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(TIMEOUT)
        stream.close()


if __name__ == "__main__":
    write()
