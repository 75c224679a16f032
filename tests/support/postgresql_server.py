"""A PostgreSQL server of the tests, in a temporary directory, as a user other than root."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import ClassVar

import psycopg

from tests.support.network import LOOPBACK, free_port
from tests.support.polling import wait_until
from tests.support.requirements import require

ACCOUNT = "postgres"
PASSWORD = "a password with 100 % and ü"
SETTINGS = {"fsync": "off", "unix_socket_directories": "", "listen_addresses": LOOPBACK, "max_connections": "60"}


def find_programs() -> Path | None:
    """The directory of initdb and postgres; Debian keeps it out of the PATH."""
    found = [Path(program).parent for program in [shutil.which("initdb")] if program]
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((directory for directory in found if (directory / "postgres").exists()), None)


class PostgresqlServer:
    """`postgres` on loopback. It refuses to run as root, so for root it runs as ACCOUNT."""

    def __init__(self) -> None:
        programs = find_programs()
        require("postgresql", programs)
        assert programs is not None
        self._programs = programs
        self.directory = Path(tempfile.mkdtemp(prefix="postgresql"))
        self._as_user: list[str] = []
        if os.geteuid() == 0:
            account = pwd.getpwnam(ACCOUNT)
            os.chown(self.directory, account.pw_uid, account.pw_gid)
            self._as_user = ["setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"]
        self.data, self.port = self.directory / "data", free_port()
        self._databases = count()
        self._initialize()
        self.start()

    def _initialize(self) -> None:
        password = self.directory / "password"
        password.write_text(PASSWORD)
        password.chmod(0o644)
        arguments = ["--auth=scram-sha-256", "--username=admin", "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8"]
        initdb = [str(self._programs / "initdb"), "-D", str(self.data), f"--pwfile={password}", *arguments]
        subprocess.run([*self._as_user, *initdb], check=True, capture_output=True, cwd=self.directory)

    def start(self) -> None:
        """Start the server, and return when it accepts connections."""
        options = [word for name, value in SETTINGS.items() for word in ("-c", f"{name}={value}")]
        # The server ends with the test process, also if that is killed.
        wrapper = [*(self._as_user or ["setpriv"]), "--pdeathsig", "KILL"]
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*wrapper, self._programs / "postgres", "-D", self.data, "-p", str(self.port), *options],
                stdout=log,
                stderr=log,
                cwd=self.directory,
                start_new_session=True,
            )
        wait_until(self.accepts_connections, f"PostgreSQL accepts connections; see {self.directory / 'log'}")

    def accepts_connections(self) -> bool:
        try:
            self.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """The rows of a statement of the administrator, outside of a transaction."""
        with psycopg.connect(
            host=LOOPBACK, port=self.port, user="admin", password=PASSWORD, dbname=database, autocommit=True
        ) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def new_database(self) -> str:
        """The URL of an empty database."""
        name = f"test{next(self._databases)}"
        self.execute(f"CREATE DATABASE {name}")
        return f"postgresql://admin@{LOOPBACK}:{self.port}/{name}"

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """The server hangs: it accepts connections and does not respond."""
        processes = self._process_ids()
        for process in processes:
            os.kill(process, signal.SIGSTOP)
        try:
            yield
        finally:
            for process in processes:
                os.kill(process, signal.SIGCONT)

    def stop(self) -> None:
        """Stop the server, and end all connections."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)  # its "fast shutdown"
            self.process.wait(20)

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self.directory)

    def _process_ids(self) -> list[int]:
        """The server and the processes of its connections, which are in sessions of their own."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [self.process.pid, *map(int, children.split())]


class SharedPostgresql:
    """One server for all tests."""

    _server: ClassVar[PostgresqlServer | None] = None

    @classmethod
    def running(cls) -> PostgresqlServer:
        """The server, started if it is not running."""
        if cls._server is None:
            cls._server = PostgresqlServer()
        return cls._server

    @classmethod
    def close(cls) -> None:
        if cls._server is not None:
            cls._server.close()
            cls._server = None
