"""Files that an administrator names are regular ones, and are read within a bound."""

import os
import socket

import pytest

from radius_voice.exceptions import message_of
from radius_voice.files.reading import open_regular, read_file, require_regular, status_of


def test_a_file_is_read_with_its_status(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"octets")
    octets, status = read_file(path)
    assert (b"octets", path.stat()) == (octets, status)
    assert b"oct" == read_file(path, 3)[0]
    assert path.stat() == status_of(path)
    require_regular(path)


def make_socket(path):
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(path))


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (os.mkfifo, "a FIFO"),
        (os.mkdir, "a directory"),
        (make_socket, "a socket"),
        (lambda path: path.symlink_to("/dev/null"), "a device"),
    ],
)
def test_only_a_regular_file_is_accepted(tmp_path, make, kind):
    path = tmp_path / "file"
    make(path)
    for read in (read_file, require_regular, open_regular):
        with pytest.raises(OSError) as refused:
            read(path)
        assert f"{path}: {kind}, not a regular file" == message_of(refused.value)


def test_a_file_that_is_replaced_by_a_fifo_before_it_is_opened_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "file"
    os.mkfifo(path)
    (tmp_path / "regular").touch()
    regular = (tmp_path / "regular").stat()
    monkeypatch.setattr(type(path), "stat", lambda *_: regular)
    with pytest.raises(OSError, match="a FIFO, not a regular file"):
        open_regular(path)


def test_a_missing_file_raises_file_not_found_error(tmp_path):
    with pytest.raises(FileNotFoundError) as missing:
        read_file(tmp_path / "file")
    assert f"{tmp_path}/file: No such file or directory" == message_of(missing.value)


def test_other_errors_are_explained_by_their_text():
    assert "a text" == message_of(ValueError("a text"))
