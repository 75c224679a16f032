"""Another user of this machine, for tests that root runs: as a service with a user of its own."""

import os
import pwd
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

from tests.peers.needs import need

OTHER = "nobody"
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
"""Runs the program as another user. Imports everything before: Python itself may be where that user cannot read."""


@pytest.fixture
def other():
    """The command that runs the program as OTHER; needs root."""
    need("root", os.geteuid() == 0)
    account = pwd.getpwnam(OTHER)
    return (sys.executable, "-c", LAUNCHER, str(account.pw_uid), str(account.pw_gid))


@pytest.fixture
def open_folder():
    """A folder that every user may enter; pytest's own are for their owner alone."""
    folder = Path(tempfile.mkdtemp(prefix="radius-voice-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def give(folder, account):
    """Give a folder and everything in it to the user `account`, as an administrator installs a service."""
    entry = pwd.getpwnam(account)
    for path in (folder, *folder.rglob("*")):
        os.lchown(path, entry.pw_uid, entry.pw_gid)
