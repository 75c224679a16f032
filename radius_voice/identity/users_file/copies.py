"""A copy of the last usable content of a users file, for workers that replace dead ones.

If the users file cannot be used when a replacement starts, the replacement uses this copy, and so has the same users as
the other workers, which still use the content that they read before.
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
        """Replace the copy by this content. If that fails, remove the copy, because it is outdated."""
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
        """The content of the copy; None if there is no copy."""
        try:
            return self._copy.read_bytes()
        except OSError:
            return None
