"""A second user of this machine, for tests that root runs: a service with its own user."""

import os
import pwd
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.requirements import require

OTHER_USER = "nobody"
LAUNCHER = """\
import concurrent.futures.thread, encodings.idna, encodings.utf_8_sig, importlib, os, pkgutil, sys
import radius_voice
for module in pkgutil.walk_packages(radius_voice.__path__, "radius_voice."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
uid, gid, *sys.argv[1:] = sys.argv[1:]
os.setgroups([])
os.setgid(int(gid))
os.setuid(int(uid))
importlib.import_module("radius_voice.cli.main").main()
"""
"""Runs the program as another user. It imports every module first: the other user may be unable to read Python's own."""


@pytest.fixture
def as_other_user(monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """The command that runs the program as OTHER_USER. It requires root.

    Coverage is not measured in such a test, because OTHER_USER cannot write the data file.
    """
    require("root", os.geteuid() == 0)
    monkeypatch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)
    account = pwd.getpwnam(OTHER_USER)
    return (sys.executable, "-c", LAUNCHER, str(account.pw_uid), str(account.pw_gid))


@pytest.fixture
def public_directory() -> Iterator[Path]:
    """A directory that every user may enter. Those of pytest are accessible only to their owner."""
    directory = Path(tempfile.mkdtemp(prefix="radius-voice-test-"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


def change_owner(directory: Path, account: str) -> None:
    """Make the user `account` the owner of a directory and its content, as an administrator installs a service."""
    entry = pwd.getpwnam(account)
    for path in (directory, *directory.rglob("*")):
        os.lchown(path, entry.pw_uid, entry.pw_gid)
