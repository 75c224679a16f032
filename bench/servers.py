"""Databases and directories for the benches, on free ports of loopback: empty, without durability."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness import BenchError, free_port, running

POSTGRESQL = "/usr/lib/postgresql/*/bin"
SLAPD = Path("/usr/sbin/slapd")
BASE = "dc=example,dc=org"
READER, READER_PASSWORD = f"cn=reader,{BASE}", "reader-password"
SLAPD_CONFIGURATION = """\
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
database mdb
suffix "{base}"
directory {data}
maxsize 1073741824
dbnosync
index objectClass,uid,member,uniqueMember,entryUUID eq
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="{reader}" read by * none
"""


@contextmanager
def postgresql() -> Iterator[tuple[int, int]]:
    """An empty server without durability; yields its process id and port. It refuses to run as root."""
    found = sorted(Path("/").glob(f"{POSTGRESQL[1:]}/postgres"), reverse=True)
    if not found:
        raise BenchError("PostgreSQL is not installed; Debian: apt install postgresql")
    folder, port = Path(tempfile.mkdtemp(prefix="radius-voice-bench-")), free_port(socket.SOCK_STREAM)
    account: list[str | Path] = []
    if os.geteuid() == 0:
        entry = pwd.getpwnam("postgres")
        os.chown(folder, entry.pw_uid, entry.pw_gid)
        account = ["setpriv", f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--clear-groups"]
    initdb: list[str | Path] = [
        found[0].parent / "initdb",
        "-D",
        folder / "data",
        "--auth=trust",
        "--username=admin",
        "--no-sync",
    ]
    options = ["-c", "unix_socket_directories=", "-c", "fsync=off"]
    server: list[str | Path] = [found[0], "-D", folder / "data", "-p", str(port), "-h", "127.0.0.1", *options]

    try:
        subprocess.run([*account, *initdb], check=True, capture_output=True, cwd=folder)
        with running([*account, *server], lambda: listens(port), folder / "log") as pid:
            yield pid, port
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def slapd(entries: str, folder: Path) -> Iterator[tuple[int, int]]:
    """OpenLDAP with `entries` (LDIF) below BASE, which READER may read; yields its process id and port."""
    if not SLAPD.exists():
        raise BenchError("slapd is not installed; Debian: apt install slapd")
    data, port = folder / "data", free_port(socket.SOCK_STREAM)
    data.mkdir()
    configuration, ldif = folder / "slapd.conf", folder / "entries.ldif"
    configuration.write_text(SLAPD_CONFIGURATION.format(base=BASE, data=data, reader=READER), encoding="utf-8")
    ldif.write_text(entries, encoding="utf-8")
    added = subprocess.run(
        [SLAPD.with_name("slapadd"), "-q", "-f", configuration, "-l", ldif], capture_output=True, text=True, check=False
    )
    if added.returncode:
        raise BenchError(f"slapadd: {added.stderr}")
    server: list[str | Path] = [SLAPD, "-f", configuration, "-h", f"ldap://127.0.0.1:{port}", "-d", "0"]
    with running(server, lambda: listens(port), folder / "log") as pid:
        yield pid, port


def listens(port: int) -> bool:
    """Whether a server accepts TCP connections on that port of 127.0.0.1."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
