"""The last usable content of a users file, kept by the workers of a service for those that replace them.

A worker that replaces a dead one cannot ask it for the users that it had read. If the file cannot be used at that
moment, the replacement starts with this copy: with the same users that stay in effect in the other workers.
"""

from __future__ import annotations

import os
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path


class LastUsable:
    """The copy of the users file at `path`, in a folder that only the user of the service can open."""

    def __init__(self, folder: Path, path: Path) -> None:
        self._copy = folder / f"users-{blake2b(os.fsencode(path), digest_size=16).hexdigest()}"

    def write(self, octets: bytes) -> None:
        """Keep this content instead of the previous one; none if it cannot be written, because that is outdated."""
        new = self._copy.with_suffix(f".{os.getpid()}")
        try:
            if self.read() == octets:
                return
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(octets)
            new.replace(self._copy)
        except OSError:
            for path in (new, self._copy):
                with suppress(OSError):
                    path.unlink(missing_ok=True)

    def read(self) -> bytes | None:
        """The content, None if there is none."""
        try:
            return self._copy.read_bytes()
        except OSError:
            return None
