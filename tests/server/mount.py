"""A file system that stops answering on demand, like a network mount whose server is gone."""

import os
import shutil
import signal
import subprocess

import pytest

from tests.peers.needs import need
from tests.stores.redis_server import until


class Mount:
    """The folder `source` seen through FUSE at `path`, by bindfs. Suspended, it leaves every access without an answer."""

    def __init__(self, source, path):
        if not os.access("/dev/fuse", os.R_OK | os.W_OK):
            pytest.skip("/dev/fuse is missing")
        need("bindfs", shutil.which("bindfs"))
        source.mkdir()
        path.mkdir()
        self.path = path
        self.process = subprocess.Popen(["bindfs", "-f", source, path])
        until(path.is_mount, "the folder is mounted")

    def suspend(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def close(self):
        """Unmount, once nothing hangs on the mount any more."""
        self.resume()
        self.process.terminate()
        assert 0 == self.process.wait(10)
        assert not self.path.is_mount()
