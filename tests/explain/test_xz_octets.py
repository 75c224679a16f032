"""xz files are decompressed with bounded memory."""

import io
import lzma
import struct
import zlib

import pytest

from radius_voice.explain.audit_files import problem_text
from radius_voice.explain.xz_octets import XzOctets

HEADER_OCTETS = 12
DICTIONARY_OF_3_GIB = 39


def read_all(octets, count=1000):
    file = XzOctets(io.BytesIO(octets))
    return b"".join(iter(lambda: file.read(count), b""))


def with_dictionary(octets, size):
    """The file with another size of the dictionary in the header of its block (xz file format, section 5.3.1)."""
    end = HEADER_OCTETS + (octets[HEADER_OCTETS] + 1) * 4
    header = bytearray(octets[HEADER_OCTETS : end - 4])
    header[header.index(b"\x21\x01") + 2] = size
    return octets[:HEADER_OCTETS] + bytes(header) + struct.pack("<I", zlib.crc32(header)) + octets[end:]


@pytest.mark.parametrize("preset", range(10))
def test_files_of_every_preset_are_read(preset):
    assert b"line\n" * 1000 == read_all(lzma.compress(b"line\n" * 1000, preset=preset), 7)


def test_a_file_of_several_streams_and_padding_is_read():
    parts = [b"a" * 100_000, b"", b"b" * 3]
    assert b"".join(parts) == read_all(b"\0\0\0\0".join(map(lzma.compress, parts)) + b"\0" * 70_000)


def test_an_empty_file_has_no_octets():
    assert b"" == read_all(b"")


def test_a_file_that_needs_much_memory_is_refused_and_the_message_says_so(tmp_path):
    file = tmp_path / "audit.jsonl.1.xz"
    with pytest.raises(OSError) as problem:
        read_all(with_dictionary(lzma.compress(b"x" * 1000), DICTIONARY_OF_3_GIB))
    text = problem_text(file, problem.value)
    assert f"{file}: needs more than 128 MiB of memory to be decompressed; decompress it first" == text


def test_a_file_whose_end_is_missing_is_damaged():
    whole = lzma.compress(b"x" * 1000)
    for end in range(1, len(whole)):
        with pytest.raises(EOFError):
            read_all(whole[:end])


@pytest.mark.parametrize("octets", [b"no xz file", lzma.compress(b"x")[:-1] + b"?", lzma.compress(b"x") + b"garbage"])
def test_a_damaged_file_is_an_error(octets):
    with pytest.raises((lzma.LZMAError, EOFError)):
        read_all(octets)
