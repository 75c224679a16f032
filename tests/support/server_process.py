"""`serve` as a process, with a configuration and users that a test writes."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from radius_voice.identity.passwords import hash_password
from radius_voice.radius import packet as radius
from tests.support.matching import search
from tests.support.network import http_get
from tests.support.program_process import ProgramProcess
from tests.support.radius_test_client import SECRET, RadiusTestClient
from tests.support.simulator_process import SimulatorProcess

TOKEN = "simulated-token"
IDENTITY = """\
identity:
  people: {type: users_file, path: users.yaml}
"""
BASE_CONFIGURATION = f"""\
development: true
{IDENTITY}\
delivery:
  friendly_name: ACME VPN
  providers:
    twilio:
      type: twilio-voice
      account_sid: AC00000000000000000000000000000000
      auth_token: {TOKEN}
      from: "+15005550006"
      calls_per_second: off
      base_url: SIMULATOR
      timeout: 3s
admin: {{listen: "127.0.0.1:0"}}
"""


def first_url(line: str) -> str:
    """The first URL of an IPv4 address and port in a log line."""
    return search(r"http://[\d.]+:\d+", line)[0]


@dataclass(frozen=True)
class ConfiguredUser:
    """A user of the users file."""

    name: str
    phone: str
    password: str = "correct horse"
    groups: tuple[str, ...] = ()

    @cached_property
    def hashed(self) -> str:
        """A hash with the default parameters: the server would replace a cheaper one after the first login."""
        return hash_password(self.password)

    @property
    def entry(self) -> dict[str, object]:
        return {"password": self.hashed, "phones": [self.phone], "groups": list(self.groups)}


def write_configuration(
    directory: Path, simulator: SimulatorProcess | str, configuration: str, users: Iterable[ConfiguredUser]
) -> Path:
    """Write a configuration and its users file into `directory`. The path of the configuration.

    `simulator` may be a URL, also one without a server. Identity sources of `configuration` replace IDENTITY.
    """
    url = simulator.url if isinstance(simulator, SimulatorProcess) else simulator
    path, users_file = directory / "radius-voice.yaml", directory / "users.yaml"
    has_identity = re.search("^identity:", configuration, re.MULTILINE)
    base = BASE_CONFIGURATION.replace(IDENTITY, "") if has_identity else BASE_CONFIGURATION
    path.write_text(base.replace("SIMULATOR", url) + configuration)
    users_file.write_text(json.dumps({user.name: user.entry for user in users}))
    users_file.chmod(0o600)
    return path


class ServerProcess(ProgramProcess):
    """`serve` with BASE_CONFIGURATION and the configuration and users of a test."""

    _last_metrics = ""

    def __init__(
        self,
        directory: Path,
        simulator: SimulatorProcess | str,
        configuration: str,
        users: Iterable[ConfiguredUser],
        *options: object,
        **popen_options: Any,
    ) -> None:
        self.directory, self._simulator, self.users = directory, simulator, tuple(users)
        self.path = write_configuration(directory, simulator, configuration, self.users)
        self._clients: list[RadiusTestClient] = []
        super().__init__("serve", "--config", self.path, *options, **popen_options)
        started = self.wait_for_line("started", self.stderr)
        self.ports = [int(port) for port in re.findall(r"udp \S+ port (\d+)", started)]
        self.admin = self.admin_url(started)

    @property
    def simulator(self) -> SimulatorProcess:
        """The provider of this server. Raises AssertionError if the test configured a URL."""
        assert isinstance(self._simulator, SimulatorProcess)
        return self._simulator

    def admin_url(self, started: str) -> str:
        """The URL of the admin listener, from the line that reports the start."""
        return first_url(started)

    def write(self, configuration: str) -> None:
        """Replace the configuration."""
        write_configuration(self.directory, self._simulator, configuration, self.users)

    def client(self, source: str = "127.0.0.1", secret: bytes = SECRET) -> RadiusTestClient:
        """A RADIUS client of this server. It is closed when the server ends."""
        client = RadiusTestClient(self.ports[0], source, secret)
        self._clients.append(client)
        return client

    def wait_until_processed(self) -> None:
        """Return when the server has read every datagram that was sent before."""
        client = RadiusTestClient(self.ports[0])
        try:
            assert radius.ACCESS_ACCEPT == client.status().code
        finally:
            client.close()

    def audit(self, **values: object) -> list[dict[str, Any]]:
        """The audit records with these values."""
        records = [json.loads(line) for line in (self.directory / "audit.jsonl").read_text().splitlines()]
        return [record for record in records if values.items() <= record.items()]

    def reasons(self, user: ConfiguredUser) -> list[str]:
        """The reasons of all decisions about a user."""
        return [record["reason"] for record in self.audit(kind="request", user=user.name)]

    def samples(self, name: str) -> list[Sample]:
        """A metric's samples."""
        families = text_string_to_metric_families(http_get(f"{self.admin}/metrics")[1])
        return [sample for family in families for sample in family.samples if sample.name == name]

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's samples with these labels."""
        return sum(sample.value for sample in self.samples(name) if labels.items() <= sample.labels.items())

    def stop(self) -> int:
        """Send SIGTERM. The exit code. Fails if any output contains a secret."""
        if self.process.poll() is None:
            try:
                self._last_metrics = http_get(f"{self.admin}/metrics")[1]
            except OSError:
                self.kill()
                raise
        self._close_clients()
        code = super().stop()
        assert [] == self.leaked_secrets(), "a secret was written to an output"
        return code

    def kill(self) -> None:
        """Send SIGKILL, as a power failure would end the process."""
        self._close_clients()
        super().kill()

    def _close_clients(self) -> None:
        for client in self._clients:
            client.close()

    def leaked_secrets(self) -> list[str]:
        """The secrets, passwords, phone numbers and codes that are in log, metrics or audit log."""
        audit = (self.directory / "audit.jsonl").read_text()
        written = "".join([*self.stdout, *self.stderr, self._last_metrics, audit])
        hidden = {TOKEN, SECRET.decode()}
        for user in self.users:
            hidden |= {user.password, user.hashed, user.phone, user.phone.lstrip("+")}
        codes: set[str] = set()
        if isinstance(self._simulator, SimulatorProcess):
            for user in self.users:
                codes |= {call["code"] for call in self._simulator.calls(user.phone)}
                codes |= {message["code"] for message in self._simulator.messages(user.phone)}
        leaked = [secret for secret in hidden if secret in written]
        return leaked + [code for code in codes if code and re.search(rf"(?<![\w.]){code}(?!\w)", written)]


class WorkersProcess(ServerProcess):
    """`serve` with two workers. The watcher reports the URL of the admin listener."""

    def admin_url(self, started: str) -> str:
        for number in range(2):
            self.wait_for_line(f"worker {number}: RADIUS", self.stderr)
        return super().admin_url(self.wait_for_line("metrics of all workers", self.stderr))

    def children(self) -> list[int]:
        """Process ids of the workers."""
        text = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(pid) for pid in text.split()]
