"""slapd with its own directory tree, on a free port of loopback."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import ldap3

from tests.support.network import LOOPBACK, accepts_connections, free_port
from tests.support.polling import wait_until
from tests.support.requirements import require

SLAPD = "/usr/sbin/slapd"
SCHEMAS = Path("/etc/ldap/schema")
BASE = "dc=example,dc=org"
USERS, GROUPS, POLICIES = (f"ou={name},{BASE}" for name in ("users", "groups", "policies"))
ADMIN, ADMIN_PASSWORD = f"cn=admin,{BASE}", "admin-password"
READER, READER_PASSWORD = f"cn=radius-voice,{BASE}", "reader-password"
DEFAULT_POLICY = {
    "pwdAttribute": "userPassword",
    "pwdLockout": "TRUE",
    "pwdMaxFailure": "50",
    "pwdMustChange": "TRUE",
    "pwdMaxAge": "31536000",  # without it slapd keeps no pwdChangedTime
}
RELAX_RULES = ("1.3.6.1.4.1.4203.666.5.12", True, None)
"""The control that permits changes of operational attributes, such as pwdChangedTime."""
CONFIGURATION = """\
{includes}
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload memberof
moduleload ppolicy
{tls}
database mdb
suffix "{base}"
rootdn "{admin}"
rootpw {admin_password}
directory {directory}
index objectClass,uid,member,entryUUID eq
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="{reader}" read by self read by * none
{database_options}overlay memberof
overlay ppolicy
ppolicy_use_lockout
ppolicy_default "cn=default,{policies}"
"""

Attributes = Mapping[str, object]


class SlapdServer:
    """A slapd with the entries BASE, USERS, GROUPS, READER and a password policy. `add` and `modify` change entries.

    With `tls` it has that certificate (PEM files of certificate, key and authority), also for StartTLS, and listens on
    `ldaps_port` too. `options` are further lines of the configuration before the database, `database_options` in it.
    """

    def __init__(
        self,
        directory: Path,
        tls: tuple[Path, Path, Path] | None = None,
        options: str = "",
        database_options: str = "",
    ) -> None:
        require("slapd", shutil.which(SLAPD))
        self.directory = directory
        self.port, self.ldaps_port = free_port(), free_port()
        self.tls = tls
        (directory / "data").mkdir(parents=True)
        configuration = CONFIGURATION.format(
            includes="\n".join(
                f"include {SCHEMAS / name}.schema" for name in ("core", "cosine", "inetorgperson", "dyngroup")
            ),
            tls=self._tls_lines() + options,
            base=BASE,
            admin=ADMIN,
            admin_password=ADMIN_PASSWORD,
            directory=directory / "data",
            reader=READER,
            policies=POLICIES,
            database_options=database_options,
        )
        (directory / "slapd.conf").write_text(configuration)
        self.start()
        self._create_tree()

    @property
    def url(self) -> str:
        return f"ldap://{LOOPBACK}:{self.port}"

    @property
    def ldaps_url(self) -> str:
        return f"ldaps://{LOOPBACK}:{self.ldaps_port}"

    def start(self) -> None:
        urls = self.url + (f" {self.ldaps_url}" if self.tls else "")
        # The server ends with the test process, also if that is killed.
        wrapper = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
        command = [*wrapper, SLAPD, "-f", str(self.directory / "slapd.conf"), "-h", urls, "-d", "0"]
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        wait_until(self.answers, f"slapd answers; see {self.directory / 'log'}")

    def answers(self) -> bool:
        return accepts_connections(LOOPBACK, self.port)

    @contextmanager
    def administrator(self) -> Iterator[ldap3.Connection]:
        server = ldap3.Server(LOOPBACK, self.port, get_info=ldap3.NONE, connect_timeout=5)
        connection = ldap3.Connection(server, ADMIN, ADMIN_PASSWORD, raise_exceptions=True, check_names=False)
        try:
            connection.bind(read_server_info=False)
            yield connection
        finally:
            connection.unbind()

    def add(self, dn: str, classes: list[str], attributes: Attributes) -> str:
        with self.administrator() as connection:
            connection.add(dn, classes, attributes)
        return dn

    def add_user(self, name: str, password: str | bytes = "correct horse", **attributes: object) -> str:
        """Add an inetOrgPerson below USERS; returns its DN."""
        rdn = name.replace(",", "\\,")
        values = {"cn": name, "sn": name, "userPassword": password, **attributes}
        return self.add(f"uid={rdn},{USERS}", ["inetOrgPerson"], values)

    def add_group(self, name: str, *members: str, base: str = GROUPS) -> str:
        rdn = name.replace(",", "\\,")
        return self.add(f"cn={rdn},{base}", ["groupOfNames"], {"member": list(members)})

    def modify(self, dn: str, **attributes: list[object]) -> None:
        """Replace attributes; an empty list removes one."""
        changes = {name: [(ldap3.MODIFY_REPLACE, values)] for name, values in attributes.items()}
        with self.administrator() as connection:
            connection.modify(dn, changes)

    def signal(self, number: int) -> None:
        os.kill(self.process.pid, number)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def restart(self) -> None:
        self.stop()
        self.start()

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """The server accepts connections and does not respond."""
        self.signal(signal.SIGSTOP)
        try:
            wait_until(lambda: ") T " in Path(f"/proc/{self.process.pid}/stat").read_text(), "slapd has stopped")
            yield
        finally:
            self.signal(signal.SIGCONT)

    def _tls_lines(self) -> str:
        if self.tls is None:
            return ""
        certificate, key, authority = self.tls
        return f"TLSCertificateFile {certificate}\nTLSCertificateKeyFile {key}\nTLSCACertificateFile {authority}\n"

    def _create_tree(self) -> None:
        self.add(BASE, ["dcObject", "organization"], {"o": "Example"})
        for dn in (USERS, GROUPS, POLICIES):
            self.add(dn, ["organizationalUnit"], {})
        self.add(READER, ["organizationalRole", "simpleSecurityObject"], {"userPassword": READER_PASSWORD})
        self.add(
            f"cn=default,{POLICIES}",
            ["device", "pwdPolicy"],
            DEFAULT_POLICY,
        )
