"""strongSwan as a gateway for IKEv1 with XAuth, and as its client on the machine of a user."""

import os
import shutil
import subprocess
from pathlib import Path

from tests.support.network_namespace import RemoteNetwork
from tests.support.polling import wait_until
from tests.support.requirements import require

PROGRAM = Path("/usr/sbin/charon-systemd")
PLUGIN = Path("/usr/lib/ipsec/plugins/libstrongswan-eap-radius.so")
PRESHARED = "a key that gateway and clients share"
GATEWAY_ID = "vpn.example.org"
DAEMON = """\
charon-systemd {{
  load = random nonce aes sha1 sha2 hmac pem openssl kernel-netlink socket-default vici xauth-generic eap-radius
  plugins {{
    vici {{
      socket = {socket}
    }}
  }}
}}
"""
SECRETS = f"""\
secrets {{
  ike-1 {{
    secret = "{PRESHARED}"
  }}
}}
"""
CLIENT = f"""\
connections {{{{
  home {{{{
    version = 1
    remote_addrs = {RemoteNetwork.gateway_address}
    vips = 0.0.0.0
    local-1 {{{{
      auth = psk
      id = laptop
    }}}}
    local-2 {{{{
      auth = xauth
      xauth_id = {{name}}
    }}}}
    remote-1 {{{{
      auth = psk
      id = {GATEWAY_ID}
    }}}}
  }}}}
}}}}
secrets {{{{
  xauth-1 {{{{
    id = {{name}}
    secret = "{{password}}"
  }}}}
}}}}
"""


def require_strongswan() -> None:
    """Skip, or fail where peers are required, without strongSwan, its plugin and root."""
    found = PROGRAM.exists() and PLUGIN.exists() and shutil.which("swanctl") and os.geteuid() == 0
    require("charon-systemd, swanctl and eap-radius", found)


class StrongswanDaemon:
    """charon-systemd in its own directory. `options` are added to its strongswan.conf."""

    def __init__(self, directory: Path, options: str = "", prefix: tuple[str, ...] = ()) -> None:
        self.directory, self._socket = directory, f"unix://{directory}/vici"
        directory.mkdir()
        (directory / "strongswan.conf").write_text(DAEMON.format(socket=self._socket) + options)
        self._environment = {**os.environ, "STRONGSWAN_CONF": str(directory / "strongswan.conf")}
        with (directory / "log").open("wb") as log:
            command = [*prefix, "setpriv", "--pdeathsig", "KILL", str(PROGRAM)]
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=self._environment)
        wait_until((directory / "vici").exists, f"charon-systemd runs; see {directory / 'log'}")

    def load(self, configuration: str) -> None:
        """Replace connections, pools and secrets."""
        path = self.directory / "swanctl.conf"
        path.write_text(SECRETS + configuration)
        ended = self._swanctl("--load-all", "--clear", "--file", str(path))
        assert 0 == ended.returncode, ended.stdout + ended.stderr

    def log_in(self, name: str, password: str) -> bool:
        """Whether the gateway accepts name and password, and establishes an IKE_SA."""
        self.load(CLIENT.format(name=name, password=password))
        ended = self._swanctl("--initiate", "--ike", "home", "--timeout", "30")
        return "initiate completed successfully" in ended.stdout

    def _swanctl(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = ["swanctl", *words, "--uri", self._socket]
        return subprocess.run(command, env=self._environment, capture_output=True, text=True, check=False, timeout=60)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
