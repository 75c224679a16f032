"""A users file is changed in one step, under a lock, and keeps its owner, mode and access list."""

import fcntl
import os
import stat
import struct
import threading
from functools import partial

import pytest

from radius_voice.identity.users_file import edit as users_edit
from radius_voice.identity.users_file.edit import create, edit
from radius_voice.identity.users_file.entry import with_disabled
from radius_voice.identity.users_file.text import UsersFileError

TEXT = "alice: {}\n"


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "users.yaml"
    path.write_text(TEXT)
    path.chmod(0o640)
    return path


def changed(text):
    return text + "bob: {}\n"


def test_owner_and_mode_are_kept(path):
    if os.getuid() != 0:
        pytest.skip("needs to be root")
    os.chown(path, 12345, 54321)
    edit(path, changed)
    status = path.stat()
    assert "alice: {}\nbob: {}\n" == path.read_text()
    assert (12345, 54321, 0o640) == (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode))
    assert [path] == list(path.parent.iterdir())


def test_a_service_that_may_not_change_owners_replaces_its_own_file(path, monkeypatch):
    def forbidden(*_):
        raise PermissionError("by SystemCallFilter= of the unit")

    monkeypatch.setattr(os, "fchown", forbidden)
    edit(path, changed)
    assert "alice: {}\nbob: {}\n" == path.read_text()


def test_an_access_control_list_is_kept(path):
    entries = [(1, 6, -1), (2, 4, 12345), (4, 0, -1), (16, 4, -1), (32, 0, -1)]  # tag, permissions, user
    access_list = struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *entry) for entry in entries)
    try:
        os.setxattr(path, "system.posix_acl_access", access_list)
    except OSError:
        pytest.skip("this file system has no access lists")
    edit(path, changed)
    assert access_list == os.getxattr(path, "system.posix_acl_access")
    assert 0o640 == stat.S_IMODE(path.stat().st_mode), "the group bits are what the list allows at most"


def test_a_byte_order_mark_is_kept(path):
    path.write_bytes(b"\xef\xbb\xbf" + TEXT.encode())
    edit(path, lambda text: with_disabled(text, "users.yaml", "alice", True))
    edit(path, lambda text: with_disabled(text, "users.yaml", "alice", False))
    assert b"\xef\xbb\xbfalice: {disabled: false}\n" == path.read_bytes()


def test_no_change_writes_nothing(path):
    before = path.stat()
    edit(path, lambda _: None)
    assert before == path.stat()


def test_a_change_that_raises_keeps_the_file_and_releases_the_lock(path):
    with pytest.raises(ValueError, match="no"):
        edit(path, lambda _: (_ for _ in ()).throw(ValueError("no")))
    edit(path, changed)
    assert "alice: {}\nbob: {}\n" == path.read_text()


def test_a_file_readable_by_other_users_is_not_changed(path):
    path.chmod(0o644)
    with pytest.raises(UsersFileError, match="chmod o-rwx"):
        edit(path, changed)


def test_a_fifo_is_refused_without_waiting(path):
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(OSError, match="a FIFO, not a regular file"):
        edit(path, changed)


def test_the_wait_for_a_lock_of_another_process_is_bounded(path, monkeypatch):
    monkeypatch.setattr(users_edit, "LOCK_SECONDS", 0.1)
    with path.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(BlockingIOError, match="locked by another process"):
            edit(path, changed)
        monkeypatch.setattr(users_edit, "LOCK_SECONDS", 30)
        waiting = threading.Thread(target=edit, args=(path, changed))
        waiting.start()
        assert TEXT == path.read_text()
    waiting.join()
    assert "alice: {}\nbob: {}\n" == path.read_text()


def test_a_change_to_a_file_that_hangs_times_out(path, monkeypatch):
    answer = threading.Event()
    monkeypatch.setattr("radius_voice.bounded.FILE_SECONDS", 0.05)
    monkeypatch.setattr(users_edit, "open_regular", lambda *_: answer.wait(30))
    with pytest.raises(TimeoutError, match="no answer within"):
        edit(path, changed)
    answer.set()


def test_a_link_that_replaces_the_file_or_its_directory_during_a_change_is_not_followed(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()

    def file_replaced(path, text):
        path.unlink()
        path.symlink_to(elsewhere / "evil")
        return changed(text)

    def directory_replaced(path, text):
        path.parent.rename(tmp_path / "moved")
        path.parent.symlink_to(elsewhere)
        return changed(text)

    for name, replaced in (("file", file_replaced), ("directory", directory_replaced)):
        path = tmp_path / name / "users.yaml"
        path.parent.mkdir()
        path.write_text(TEXT)
        path.chmod(0o640)
        edit(path, partial(replaced, path))
        assert [] == list(elsewhere.iterdir()), f"{name} replaced"
    assert changed(TEXT) == (tmp_path / "file" / "users.yaml").read_text()
    assert changed(TEXT) == (tmp_path / "moved" / "users.yaml").read_text()


def test_a_created_file_is_accessible_only_to_its_owner_and_never_replaces_one(path):
    with pytest.raises(FileExistsError):
        create(path)
    assert TEXT == path.read_text()
    path.unlink()
    create(path)
    assert 0o600 == stat.S_IMODE(path.stat().st_mode)
