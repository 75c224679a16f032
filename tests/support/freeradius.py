"""FreeRADIUS on a free port of loopback, with its own directory."""

import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.support.network import LOOPBACK, free_port
from tests.support.polling import wait_until
from tests.support.radius_test_client import RadiusTestClient
from tests.support.requirements import require

SECRET = "the secret of the upstream server"

CONFIGURATION = """\
run_dir = "{directory}"
db_dir = "{directory}"
logdir = "{directory}"
proxy_requests = no
cleanup_delay = 5
security {{
  max_attributes = 200
  reject_delay = {reject_delay}
  status_server = yes
}}
thread pool {{
  start_servers = 4
  max_servers = 8
  min_spare_servers = 2
  max_spare_servers = 8
  max_requests_per_server = 0
}}
client tests {{
  ipaddr = 127.0.0.1
  secret = "{secret}"
  require_message_authenticator = yes
}}
modules {{
  always handled {{
    rcode = handled
  }}
  always reject {{
    rcode = reject
  }}
  pap {{
  }}
  files {{
    filename = {directory}/users
  }}
  detail {{
    filename = {directory}/requests
    permissions = 0600
  }}
}}
server tests {{
  listen {{
    type = auth
    ipaddr = 127.0.0.1
    port = {port}
  }}
  authorize {{
    detail
    {authorize}
    files
    pap
  }}
  authenticate {{
    Auth-Type PAP {{
      pap
    }}
  }}
  post-auth {{
    {sign}
    {post_auth}
    Post-Auth-Type REJECT {{
      {sign}
    }}
    Post-Auth-Type Challenge {{
      {sign}
    }}
  }}
}}
"""
SIGN = """update reply {
      &Message-Authenticator := 0x00
    }"""


class FreeRadiusProcess:
    """FreeRADIUS with that configuration, in which it has the client `127.0.0.1` with SECRET."""

    def __init__(self, directory: Path, port: int, configuration: str) -> None:
        self.program = shutil.which("freeradius") or shutil.which("radiusd")
        require("freeradius", self.program)
        self.port, self.directory = port, directory
        (directory / "radiusd.conf").write_text(configuration)
        self.start()

    @property
    def address(self) -> str:
        return f"{LOOPBACK}:{self.port}"

    def start(self) -> None:
        # The server ends with the test process, also if that is killed.
        wrapper = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
        with (self.directory / "log").open("ab") as log:
            command = [*wrapper, str(self.program), "-d", str(self.directory), "-n", "radiusd", "-f", "-l", "stdout"]
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            wait_until(lambda: self.process.poll() is not None or self.responds(), "FreeRADIUS responds")
            assert self.process.poll() is None, (self.directory / "log").read_text()
        except BaseException:
            self.kill()
            raise

    def responds(self) -> bool:
        client = RadiusTestClient(self.port, secret=SECRET.encode())
        client.sock.settimeout(0.2)
        try:
            with suppress(OSError):
                client.send(client.request([], code=12))
                return bool(client.sock.recv(4096))
        finally:
            client.close()
        return False

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


class FreeRadius(FreeRadiusProcess):
    """A FreeRADIUS server. `passwords` are those of its users; `authorize` and `post_auth` are unlang.

    Its responses have a Message-Authenticator, which FreeRADIUS 3.2.1 adds only where its configuration says so, unless
    `signed` is false.
    """

    def __init__(
        self,
        directory: Path,
        passwords: Mapping[str, str],
        *,
        authorize: str = "",
        post_auth: str = "",
        signed: bool = True,
        reject_delay: float = 0,
    ) -> None:
        directory.mkdir(parents=True, mode=0o700)
        self.requests_file = directory / "requests"
        port = free_port()
        text = CONFIGURATION.format(
            directory=directory,
            secret=SECRET,
            port=port,
            authorize=authorize,
            post_auth=post_auth,
            sign=SIGN if signed else "",
            reject_delay=reject_delay,
        )
        entries = [f"{_quoted(user)} Cleartext-Password := {_quoted(text)}\n" for user, text in passwords.items()]
        (directory / "users").write_text("".join(entries))
        super().__init__(directory, port, text)

    def requests(self) -> list[dict[str, str]]:
        """The attributes of each request that the server has processed."""
        if not self.requests_file.exists():
            return []
        blocks = [block for block in self.requests_file.read_text().split("\n\n") if block.strip()]
        return [dict(line.strip().split(" = ", 1) for line in block.splitlines() if " = " in line) for block in blocks]


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


StartFreeRadius = Callable[..., FreeRadius]


@contextmanager
def freeradius_factory(directory: Path) -> Iterator[StartFreeRadius]:
    """A function that starts servers. They end with the context."""
    started: list[FreeRadius] = []

    def start(passwords: Mapping[str, str], **more: object) -> FreeRadius:
        started.append(FreeRadius(directory / f"freeradius{len(started)}", passwords, **more))  # type: ignore[arg-type]
        return started[-1]

    try:
        yield start
    finally:
        for server in started:
            server.kill()
