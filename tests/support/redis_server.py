"""Redis servers on free ports of loopback, each with its own directory."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import redis

from tests.support.network import LOOPBACK, free_port
from tests.support.polling import wait_until
from tests.support.requirements import require


class RedisServer:
    """A redis-server, or with `--sentinel` a Sentinel. `admin` is an unencrypted client for inspection."""

    def __init__(self, directory: Path, *options: object, config: str = "", tls: bool = False) -> None:
        require("redis-server", shutil.which("redis-server"))
        self.directory = directory
        self.directory.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.tls = tls
        ports = ["--port", 0, "--tls-port", self.port] if tls else ["--port", self.port]
        (self.directory / "redis.conf").write_text(config)
        all_options = [*ports, "--repl-diskless-sync-delay", 0, "--bind", LOOPBACK, "--dir", self.directory, *options]
        # The server ends with the test process, also if that is killed.
        wrapper = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
        self.command = [*wrapper, "redis-server", str(self.directory / "redis.conf"), *map(str, all_options)]
        self.admin: redis.Redis = redis.Redis(host=LOOPBACK, port=self.port, protocol=2)
        self.start()

    @property
    def address(self) -> tuple[str, int]:
        return (LOOPBACK, self.port)

    def start(self) -> None:
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log)
        try:
            wait_until(self.accepts_connections, f"Redis accepts connections; see {self.directory / 'log'}")
        except BaseException:
            self.kill()
            raise

    def accepts_connections(self) -> bool:
        assert self.process.poll() is None, (self.directory / "log").read_text()
        try:
            if not self.tls:
                return bool(self.admin.ping())
            socket.create_connection(self.address).close()
        except (redis.ConnectionError, OSError):
            return False
        return True

    def signal(self, number: int) -> None:
        os.kill(self.process.pid, number)

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def close(self) -> None:
        self.admin.close()
        self.kill()


StartRedis = Callable[..., RedisServer]


@contextmanager
def redis_factory(directory: Path) -> Iterator[StartRedis]:
    """A function that starts servers with its arguments as options. They end with the context."""
    started: list[RedisServer] = []

    def start(*options: object, **more: Any) -> RedisServer:
        started.append(RedisServer(directory / f"redis{len(started)}", *options, **more))
        return started[-1]

    try:
        yield start
    finally:
        for server in started:
            server.close()


@contextmanager
def suspended(server: RedisServer) -> Iterator[None]:
    """The server hangs: it accepts connections and does not respond."""
    server.signal(signal.SIGSTOP)
    try:
        yield
    finally:
        server.signal(signal.SIGCONT)


class SharedRedis:
    """One server for all tests that only need an empty one."""

    _server: ClassVar[RedisServer | None] = None
    _directory: ClassVar[Path]

    @classmethod
    def emptied(cls) -> RedisServer:
        if cls._server is None:
            cls._directory = Path(tempfile.mkdtemp(prefix="redis"))
            cls._server = RedisServer(cls._directory, "--save", "", "--appendonly", "no")
        cls._server.admin.flushall()
        return cls._server

    @classmethod
    def close(cls) -> None:
        if cls._server is not None:
            cls._server.close()
            shutil.rmtree(cls._directory)
            cls._server = None


class ReplicatedRedis:
    """A Redis master, its replica, and a Sentinel that promotes the replica if the master fails."""

    def __init__(self, start_redis: StartRedis, *options: object) -> None:
        self.master, self.replica = start_redis(*options), start_redis(*options)
        self.replica.admin.replicaof(*self.master.address)
        config = f"""
            sentinel monitor mymaster 127.0.0.1 {self.master.port} 1
            sentinel down-after-milliseconds mymaster 500
            sentinel failover-timeout mymaster 1000
        """
        self.sentinel = start_redis("--sentinel", config=config)
        wait_until(lambda: self.sentinel_view["num-slaves"] == 1, "the Sentinel knows the replica")
        wait_until(self.is_replicating, "the replica follows")

    @property
    def sentinel_view(self) -> dict[str, Any]:
        view = self.sentinel.admin.sentinel_master("mymaster")
        assert isinstance(view, dict)
        return view

    def is_replicating(self) -> bool:
        """Whether the replica follows the master that the Sentinel reports. Swaps the two after a failover."""
        if self.sentinel_view["port"] == self.replica.port:
            self.master, self.replica = self.replica, self.master
        info = self.replica.admin.info("replication")
        if info["role"] == "master":
            self.replica.admin.replicaof(*self.master.address)
        is_linked = info.get("master_link_status") == "up"
        return is_linked and self.master.admin.info("replication")["role"] == "master"
