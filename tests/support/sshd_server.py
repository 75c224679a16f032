"""OpenSSH's server on a free port of loopback, with a PAM service of its own name."""

import os
import shutil
import subprocess
from pathlib import Path

from tests.support.network import LOOPBACK, accepts_connections, free_port
from tests.support.pam_service import Terminal
from tests.support.polling import wait_until
from tests.support.requirements import require

LOGGED_IN = "the command ran"
OPTIONS = """\
ListenAddress {address}
Port {port}
HostKey {directory}/host_key
PidFile none
PermitRootLogin yes
ForceCommand /bin/echo {output}
"""


class SshdServer:
    """sshd with the given options, for which LOGGED_IN is all that a login can print.

    sshd takes the name of its PAM service from its own, so it is started by a link of that name.
    """

    def __init__(self, directory: Path, pam_service: str, options: str) -> None:
        program = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
        require("sshd, ssh and root", program and shutil.which("ssh") and os.geteuid() == 0)
        assert program is not None
        Path("/run/sshd").mkdir(exist_ok=True)  # sshd refuses to start without its directory
        self.directory, self.port = directory, free_port()
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", directory / "host_key"], check=True)
        own = OPTIONS.format(address=LOOPBACK, port=self.port, directory=directory, output=LOGGED_IN)
        (directory / "sshd_config").write_text(own + options)
        link = directory / pam_service
        link.symlink_to(program)
        with (directory / "log").open("ab") as log:
            command = ["setpriv", "--pdeathsig", "KILL", str(link), "-D", "-e", "-f", str(directory / "sshd_config")]
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        wait_until(self._is_ready, f"sshd accepts connections; see {directory / 'log'}")

    def _is_ready(self) -> bool:
        assert self.process.poll() is None, (self.directory / "log").read_text()
        return accepts_connections(LOOPBACK, self.port)

    def log_in(self, user: str) -> Terminal:
        """ssh on a terminal."""
        options = ["StrictHostKeyChecking=no", f"UserKnownHostsFile={self.directory / 'known_hosts'}", "LogLevel=ERROR"]
        named = [word for option in options for word in ("-o", option)]
        return Terminal("ssh", "-F", "none", *named, "-p", self.port, f"{user}@{LOOPBACK}")

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
