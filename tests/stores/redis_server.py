"""Real Redis servers on free ports of loopback, each in a folder of its own."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import redis

from tests.peers.needs import need

PATIENCE = 20.0
LOOPBACK = "127.0.0.1"


def free_port():
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        return taken.getsockname()[1]


def until(told, what):
    """Ask again and again until `told()` is true; a failure says what was waited for."""
    deadline = time.monotonic() + PATIENCE
    while not told():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited in vain until {what}")
        time.sleep(0.02)


async def eventually(told, what):
    """`until` for a test whose own connections must go on meanwhile."""
    await asyncio.to_thread(until, told, what)


class RedisServer:
    """A redis-server, with `--sentinel` a Sentinel. `admin` is a plain client to look inside with."""

    def __init__(self, folder, *options, config="", tls=False):
        need("redis-server", shutil.which("redis-server"))
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.tls = tls
        ports = ["--port", 0, "--tls-port", self.port] if tls else ["--port", self.port]
        (self.folder / "redis.conf").write_text(config)
        options = [*ports, "--repl-diskless-sync-delay", 0, "--bind", LOOPBACK, "--dir", self.folder, *options]
        # Tests that are killed leave no server behind.
        lifeline = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
        self.command = [*lifeline, "redis-server", self.folder / "redis.conf", *(str(option) for option in options)]
        self.admin = redis.Redis(host=LOOPBACK, port=self.port, protocol=2)
        self.process = None
        self.start()

    @property
    def address(self):
        return (LOOPBACK, self.port)

    def start(self):
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log)
        until(self.listens, f"Redis listens; {self.folder / 'log'} says why not")

    def listens(self):
        try:
            if not self.tls:
                return self.admin.ping()
            socket.create_connection(self.address).close()
        except (redis.ConnectionError, OSError):
            return False
        return True

    def signal(self, number):
        os.kill(self.process.pid, number)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def close(self):
        self.admin.close()
        self.kill()


@contextmanager
def frozen(server):
    """The server as one that hangs: it takes connections and says nothing."""
    server.signal(signal.SIGSTOP)
    try:
        yield
    finally:
        server.signal(signal.SIGCONT)


class Shared:
    """One server for all tests that only want an empty one."""

    server = None

    @classmethod
    def emptied(cls):
        if cls.server is None:
            cls.folder = tempfile.mkdtemp(prefix="redis")
            cls.server = RedisServer(cls.folder, "--save", "", "--appendonly", "no")
        cls.server.admin.flushall()
        return cls.server

    @classmethod
    def close(cls):
        if cls.server is not None:
            cls.server.close()
            shutil.rmtree(cls.folder)
            cls.server = None
