"""Network namespaces of Linux: tests whose programs need fixed ports, addresses and interfaces of their own."""

import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.requirements import require

CLONE_NEWNET = 0x40000000
_LIBC = ctypes.CDLL(None, use_errno=True)


def _check(result: int) -> None:
    if result:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


@contextmanager
def own_network() -> Iterator[None]:
    """Run the calling thread, and the processes that it starts, in a new namespace with nothing but loopback."""
    require("ip, nsenter and root", shutil.which("ip") and shutil.which("nsenter") and os.geteuid() == 0)
    with Path("/proc/thread-self/ns/net").open() as original:
        _check(_LIBC.unshare(CLONE_NEWNET))
        try:
            subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
            yield
        finally:
            _check(_LIBC.setns(original.fileno(), CLONE_NEWNET))


@contextmanager
def network_of(process: int) -> Iterator[None]:
    """Run the calling thread, and the processes and sockets that it creates, in the namespace of a process."""
    with Path("/proc/thread-self/ns/net").open() as original, Path(f"/proc/{process}/ns/net").open() as other:
        _check(_LIBC.setns(other.fileno(), CLONE_NEWNET))
        try:
            yield
        finally:
            _check(_LIBC.setns(original.fileno(), CLONE_NEWNET))


class RemoteNetwork:
    """A second namespace, which a link connects to that of the calling thread: a machine of a user.

    `address` is its own end of the link, `gateway_address` the other one.
    """

    gateway_address, address = "192.0.2.1", "192.0.2.2"

    def __init__(self) -> None:
        # A process keeps the namespace. `read` ends when this process does.
        self._keeper = subprocess.Popen(["unshare", "--net", "sh", "-c", "echo; read _"], stdin=-1, stdout=-1)
        assert self._keeper.stdout is not None
        self._keeper.stdout.readline()
        self.process = self._keeper.pid
        self.prefix = ("nsenter", "--net", "--target", str(self.process))
        names = "link", "add", "users", "type", "veth", "peer", "name", "gateway", "netns", str(self._keeper.pid)
        self._ip(*names)
        self._ip("address", "add", f"{self.gateway_address}/24", "dev", "users")
        self._ip("link", "set", "users", "up")
        for words in (
            ("link", "set", "lo", "up"),
            ("address", "add", f"{self.address}/24", "dev", "gateway"),
            ("link", "set", "gateway", "up"),
        ):
            self._ip(*words, prefix=self.prefix)

    @staticmethod
    def _ip(*words: str, prefix: tuple[str, ...] = ()) -> None:
        subprocess.run([*prefix, "ip", *words], check=True)

    def run(self, *command: str) -> str:
        """The standard output of a command in this namespace."""
        return subprocess.run([*self.prefix, *command], check=True, capture_output=True, text=True).stdout

    def close(self) -> None:
        self._keeper.kill()
        self._keeper.communicate()
