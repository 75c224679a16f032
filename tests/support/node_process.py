"""A server as one of several nodes with a common store."""

import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.support.server_process import ConfiguredUser, ServerProcess
from tests.support.simulator_process import SimulatorProcess


class NodeProcess:
    """A server that can be killed and started again in the same directory.

    It has its own loopback address, so that no other process can get its port while it is stopped. ADDRESS in the
    configuration stands for it.
    """

    def __init__(
        self, directory: Path, simulator: SimulatorProcess, configuration: str, users: Iterable[ConfiguredUser]
    ) -> None:
        self.name = directory.name
        self.address = f"127.{secrets.randbelow(100) + 100}.{secrets.randbelow(256)}.{secrets.randbelow(254) + 1}"
        self._arguments = (directory, simulator, configuration.replace("ADDRESS", self.address), tuple(users))
        self.start()

    def start(self) -> None:
        self.server = ServerProcess(*self._arguments)

    @property
    def port(self) -> int:
        return self.server.ports[0]

    def kill(self) -> None:
        self.server.kill()

    def stop(self) -> list[dict[str, Any]]:
        """Stop the server by SIGTERM. Its audit records."""
        assert 0 == self.server.stop()
        return self.server.audit()
