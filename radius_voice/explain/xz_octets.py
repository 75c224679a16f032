"""Decompresses xz with bounded memory: the header of a small file can request several gigabytes."""

from __future__ import annotations

import errno
import lzma
from typing import BinaryIO

MAX_MEBIBYTES = 128
"""`xz -9` needs 65 MiB to decompress."""
BLOCK = 1 << 16


class XzOctets:
    """The decompressed octets of a file, which may have several streams.

    `read` raises OSError if decompression needs more than MAX_MEBIBYTES, LZMAError if the file is damaged, and EOFError
    if its end is missing.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._stream = _stream()
        self._begun = False

    def read(self, count: int, /) -> bytes:
        """At most `count` octets; empty at the end."""
        while True:
            compressed = self._stream.unused_data if self._stream.eof else b""
            if self._stream.eof:
                self._stream, self._begun = _stream(), False
            if not compressed and self._stream.needs_input:
                compressed = self._file.read(BLOCK)
                if not compressed and self._begun:
                    raise EOFError("the end of the file is missing")
                if not compressed:
                    return b""
            if not self._begun:
                compressed = compressed.lstrip(b"\0")  # padding between streams
            self._begun = self._begun or bool(compressed)
            if octets := self._decompressed(compressed, count):
                return octets

    def _decompressed(self, compressed: bytes, count: int) -> bytes:
        try:
            return self._stream.decompress(compressed, count)
        except lzma.LZMAError as problem:
            if "memory usage limit" not in str(problem).lower():
                raise
            text = f"needs more than {MAX_MEBIBYTES} MiB of memory to be decompressed; decompress it first"
            raise OSError(errno.ENOMEM, text) from None


def _stream() -> lzma.LZMADecompressor:
    return lzma.LZMADecompressor(memlimit=MAX_MEBIBYTES << 20)
