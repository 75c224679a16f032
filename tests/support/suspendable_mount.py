"""A file system that hangs on demand, like a network mount whose server is unavailable."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.support.polling import wait_until
from tests.support.requirements import require


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

    def suspend(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        """Unmount. No access may hang on the mount."""
        self.resume()
        self.process.terminate()
        assert 0 == self.process.wait(10)
        assert not self.path.is_mount()
