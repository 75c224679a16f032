"""Samba as the domain controller of CORP, with users that may not log in, on LDAP's own ports of ADDRESS."""

import shutil
import subprocess
from pathlib import Path

from tests.support.network import TIMEOUT, accepts_connections
from tests.support.polling import wait_until
from tests.support.requirements import require

ADDRESS = "127.0.0.1"
PORT = 636
BASE = "DC=corp,DC=example"
PASSWORD = "Passw0rd!u"
LOCKOUT_THRESHOLD = 3
ADMIN_THRESHOLD = 7
SYSTEM_PYTHON = "/usr/bin/python3"  # has Samba's modules
PROVISION = (
    *("samba-tool", "domain", "provision", "--realm=CORP.EXAMPLE", "--domain=CORP", "--server-role=dc"),
    *("--dns-backend=NONE", "--adminpass=Passw0rd!adm", f"--host-ip={ADDRESS}", "--host-name=dc1"),
    *("--option=interfaces=lo", "--option=bind interfaces only=yes"),
)
CREATE_USERS = """\
import sys
import ldb
from samba.auth import system_session
from samba.param import LoadParm
from samba.samdb import SamDB

configuration, database, password, threshold = sys.argv[1:]
parameters = LoadParm()
parameters.load(configuration)
directory = SamDB(url=database, session_info=system_session(), lp=parameters)


def change(dn, attribute, value, *controls):
    message = ldb.Message(dn)
    message[attribute] = ldb.MessageElement(value, ldb.FLAG_MOD_REPLACE, attribute)
    directory.modify(message, controls=list(controls))


def change_user(name, *change_of):
    change(directory.search(expression=f"(sAMAccountName={name})", attrs=[])[0].dn, *change_of)


change(ldb.Dn(directory, directory.domain_dn()), "lockoutThreshold", threshold)
for name in ("alice", "disabled", "expired", "must-change", "old-password", "hours", "locked", "guessed", "admin"):
    directory.newuser(name, password, force_password_change_at_next_login_req=name == "must-change")
for group, member in (("inner", "alice"), ("outer", "inner")):
    directory.newgroup(group)
    directory.add_remove_group_members(group, [member], add_members_operation=True)
change_user("alice", "mobile", "+14155550123")
change_user("alice", "userPrincipalName", "alice.jones@corp.example")
change_user("guessed", "userPrincipalName", "guessed.often@corp.example")
change_user("disabled", "userAccountControl", "514")
change_user("expired", "accountExpires", "130000000000000000")
change_user("old-password", "pwdLastSet", "130000000000000000", "local_oid:1.3.6.1.4.1.7165.4.3.12:0")
change_user("hours", "logonHours", bytes(21))
"""


class SambaDomain:
    """A domain controller. `tls` are PEM files of its certificate, key and authority; it accepts binds only with TLS."""

    def __init__(self, directory: Path, tls: tuple[Path, Path, Path]) -> None:
        require("samba", shutil.which("samba"))
        require("samba-tool", shutil.which("samba-tool"))
        require(f"a free port {PORT}", not accepts_connections(ADDRESS, PORT))
        self.directory = directory
        configuration = directory / "etc" / "smb.conf"
        self._run([*PROVISION, f"--targetdir={directory}"])
        database = directory / "private" / "sam.ldb"
        self._run([SYSTEM_PYTHON, "-c", CREATE_USERS, configuration, database, PASSWORD, LOCKOUT_THRESHOLD])
        self._create_password_settings(database)
        certificate, key, authority = tls
        options = {
            "server services": "ldap",
            "pid directory": directory,
            "tls certfile": certificate,
            "tls keyfile": key,
            "tls cafile": authority,
        }
        # The server ends with the test process, also if that is killed.
        wrapper = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
        samba = ["samba", "-i", "-M", "single", "--debug-stdout", "-s", str(configuration)]
        command = [*wrapper, *samba, *(f"--option={name}={value}" for name, value in options.items())]
        with (directory / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until(lambda: accepts_connections(ADDRESS, PORT), f"Samba accepts connections; see {directory / 'log'}")

    def _create_password_settings(self, database: Path) -> None:
        """Password Settings with another threshold, for the user `admin`."""
        settings = ("samba-tool", "domain", "passwordsettings", "pso")
        lockout = (f"--account-lockout-threshold={ADMIN_THRESHOLD}", "--reset-account-lockout-after=10")
        at = ("-H", f"tdb://{database}")
        self._run([*settings, "create", "admins", "1", *lockout, *at])
        self._run([*settings, "apply", "admins", "admin", *at])

    @property
    def url(self) -> str:
        return f"ldaps://{ADDRESS}:{PORT}"

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()

    def _run(self, command: list[object]) -> None:
        with (self.directory / "log").open("ab") as log:
            subprocess.run(list(map(str, command)), stdout=log, stderr=log, timeout=12 * TIMEOUT, check=True)
