"""A file system that hangs on demand, like a network mount whose server is unavailable."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.support.polling import wait_until
from tests.support.requirements import require

CONNECTIONS = Path("/sys/fs/fuse/connections")


class SuspendableMount:
    """The directory `source` mounted at `path` through FUSE by bindfs. While suspended, every access hangs."""

    def __init__(self, source: Path, path: Path) -> None:
        if not os.access("/dev/fuse", os.R_OK | os.W_OK):
            pytest.skip("/dev/fuse is missing")
        require("bindfs", shutil.which("bindfs"))
        source.mkdir()
        path.mkdir()
        self.path = path
        self.process = subprocess.Popen(["bindfs", "-f", source, path])
        wait_until(path.is_mount, "the directory is mounted")
        if not CONNECTIONS.is_mount():  # systemd mounts it at boot
            subprocess.run(["mount", "-t", "fusectl", "fusectl", CONNECTIONS], check=False)
        self._waiting = CONNECTIONS / str(os.minor(path.stat().st_dev)) / "waiting"

    def suspend(self) -> None:
        """Stop bindfs while it has no request: Linux cannot kill a process whose request was read and not answered."""
        self.process.send_signal(signal.SIGSTOP)
        wait_until(self._is_stopped, "bindfs is stopped")
        while self._waiting.read_text() != "0\n":
            self.resume()
            self.process.send_signal(signal.SIGSTOP)
            wait_until(self._is_stopped, "bindfs is stopped")

    def _is_stopped(self) -> bool:
        threads = Path(f"/proc/{self.process.pid}/task").iterdir()
        return all("(stopped)" in (thread / "status").read_text() for thread in threads)

    def resume(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        """Unmount. No access may hang on the mount."""
        self.resume()
        self.process.terminate()
        assert 0 == self.process.wait(10)
        assert not self.path.is_mount()
