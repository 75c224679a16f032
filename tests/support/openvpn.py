"""OpenVPN with openvpn-auth-radius, and its client on the machine of a user, which renews its keys every two seconds."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from tests.support.network_namespace import RemoteNetwork
from tests.support.polling import wait_until
from tests.support.requirements import require

PLUGIN = Path("/usr/lib/openvpn/radiusplugin.so")
CERTIFICATE = ("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1")
SUBJECT = ("-subj", "/CN=vpn", "-addext", "extendedKeyUsage=serverAuth", "-addext", "keyUsage=digitalSignature")
PORT = 1194
SERVER = f"""\
dev tun
topology subnet
server 10.8.0.0 255.255.255.0
local {RemoteNetwork.gateway_address}
port {PORT}
proto udp4
ca {{directory}}/certificate
cert {{directory}}/certificate
key {{directory}}/key
dh none
tmp-dir {{directory}}
verb 4
"""
CLIENT = f"""\
client
dev tun
proto udp4
remote {RemoteNetwork.gateway_address} {PORT}
nobind
ca {{directory}}/certificate
remote-cert-tls server
auth-user-pass {{directory}}/credentials
reneg-sec 2
verb 4
"""


def require_openvpn() -> None:
    """Skip, or fail where peers are required, without OpenVPN, the plugin and root."""
    require("openvpn and openvpn-auth-radius", PLUGIN.exists() and shutil.which("openvpn") and os.geteuid() == 0)


class OpenvpnProcess:
    """openvpn with a configuration. `log` is what it has written."""

    def __init__(self, directory: Path, name: str, configuration: str, prefix: tuple[str, ...] = ()) -> None:
        path = directory / f"{name}.conf"
        path.write_text(configuration)
        self._log = directory / f"{name}.log"
        with self._log.open("wb") as log:
            command = [*prefix, "setpriv", "--pdeathsig", "KILL", "openvpn", str(path)]
            self.process = subprocess.Popen(command, stdout=log, stderr=log)

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def wait_for(self, pattern: str, times: int = 1) -> None:
        """Wait until the log has that many matches of `pattern`."""

        def found() -> bool:
            return len(re.findall(pattern, self.log)) >= times

        wait_until(lambda: found() or self.process.poll() is not None, f"openvpn writes {pattern!r}")
        assert found(), self.log

    def close(self) -> None:
        self.process.terminate()
        self.process.wait()


class OpenvpnServer(OpenvpnProcess):
    """The server. `options` and `plugin_options` are added to its configuration and that of the plugin."""

    def __init__(self, directory: Path, options: str, plugin_options: str) -> None:
        self.directory, self._clients = directory, list[OpenvpnProcess]()
        files = ("-keyout", directory / "key", "-out", directory / "certificate")
        subprocess.run(["openssl", *CERTIFICATE, *SUBJECT, *files], check=True, capture_output=True)
        (directory / "ccd").mkdir()
        (directory / "plugin.cnf").write_text(plugin_options)
        super().__init__(directory, "server", SERVER.format(directory=directory) + options)
        self.wait_for("Initialization Sequence Completed")

    def connect(self, network: RemoteNetwork, name: str, password: str) -> OpenvpnProcess:
        """A client on the machine of a user. It ends if the server rejects name and password."""
        (self.directory / "credentials").write_text(f"{name}\n{password}\n")
        (self.directory / "credentials").chmod(0o600)
        configuration = CLIENT.format(directory=self.directory)
        self._clients.append(OpenvpnProcess(self.directory, "client", configuration, network.prefix))
        return self._clients[-1]

    def close(self) -> None:
        """End the server and its clients."""
        for client in self._clients:
            client.close()
        super().close()
