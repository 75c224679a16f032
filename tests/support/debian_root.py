"""A new Debian below a directory, by debootstrap and chroot, and a service that runs there as its systemd unit says."""

import configparser
import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from tests.support.notify_socket import NotifySocket

RELEASE = "bookworm"
PACKAGES = "adduser,ca-certificates,libstdc++6,python3,systemd"
SECONDS = 900
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
READ_ONLY = """\
set -e
root=$1
shift
mount --bind "$root" "$root"
for writable in $WRITABLE; do mount --bind "$root$writable" "$root$writable"; done
mount -o remount,bind,ro "$root"
mount -t tmpfs tmpfs "$root/tmp"
mount -t proc proc "$root/proc"
exec chroot "$root" "$@"
"""
"""Executes a program in a root directory that is read-only, except the directories $WRITABLE."""


def run(*command: object, **options: Any) -> str:
    """The output of a command, standard error included. Raises AssertionError with it if the command fails."""
    done: subprocess.CompletedProcess[str] = subprocess.run(
        [*map(str, command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
        check=False,
        **options,
    )
    assert 0 == done.returncode, f"{command}:\n{done.stdout}"
    return done.stdout


def mirror() -> str:
    """The package archive of the release in this machine's apt configuration."""
    known = run("apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", f"Codename: {RELEASE}")
    return known.splitlines()[0]


def create_archive(path: Path) -> None:
    """Create a compressed archive of a minimal Debian at `path`."""
    root = path.with_suffix(".root")
    run("debootstrap", "--variant=minbase", f"--include={PACKAGES}", RELEASE, root, mirror())
    run("tar", "--create", "--gzip", "--file", path, "--directory", root, ".")
    shutil.rmtree(root)


class DebianRoot:
    """A Debian that is unpacked from `archive` into `path`."""

    def __init__(self, archive: Path, path: Path) -> None:
        self.path = path
        path.mkdir()
        run("tar", "--extract", "--file", archive, "--directory", path)

    def run(self, *command: str, **options: Any) -> str:
        """The output of a command as root. Raises AssertionError with it if the command fails."""
        return run("chroot", self.path, *command, env=ENVIRONMENT, **options)

    def install(self, package: Path) -> str:
        """Install or upgrade a package file, without a network. The output."""
        shutil.copy(package, self.path / "tmp" / package.name)
        return self.run("dpkg", "--install", f"/tmp/{package.name}")

    def file(self, path: str) -> Path:
        """A file of that Debian, by its absolute path there."""
        return self.path / path.lstrip("/")


class Unit:
    """A service unit: its section [Service] by keys, the last of several equal ones."""

    def __init__(self, path: Path) -> None:
        parser = configparser.RawConfigParser(strict=False, comment_prefixes=("#",))
        parser.optionxform = str  # type: ignore[assignment,method-assign]  # the case of keys matters
        parser.read(path)
        self.service: Mapping[str, str] = dict(parser["Service"])


class UnitProcess:
    """The service of a unit, started in a Debian as systemd would.

    It waits until the service is ready. File system, capabilities and privileges are limited as the unit limits them.
    """

    def __init__(self, root: DebianRoot, unit: Unit, notify: NotifySocket) -> None:
        self._root, self._unit, self._notify = root, unit.service, notify
        service = unit.service
        state, logs = f"/var/lib/{service['StateDirectory']}", f"/var/log/{service['LogsDirectory']}"
        environment = {
            **ENVIRONMENT,
            "STATE_DIRECTORY": state,
            "LOGS_DIRECTORY": logs,
            "NOTIFY_SOCKET": notify.address,
            "WATCHDOG_USEC": str(int(service["WatchdogSec"]) * 1_000_000),
        }
        user = ("--reuid", service["User"], "--regid", service["Group"], "--init-groups")
        privileges = ("--no-new-privs", "--bounding-set=-all", "--inh-caps=-all")
        command = ("setpriv", *user, *privileges, *shlex.split(service["ExecStart"]))
        self.log = root.path.with_suffix(".log")
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                ["unshare", "--mount", "sh", "-c", READ_ONLY, "sh", str(root.path), *command],
                env={**environment, "WRITABLE": f"{state} {logs}"},
                umask=int(service["UMask"], 8),
                stdout=log,
                stderr=log,
            )
        try:
            notify.wait_for("READY=1")
        except TimeoutError:
            self.process.kill()
            self.process.wait()
            raise AssertionError(self.log.read_text()) from None

    def reload(self) -> str:
        """The output of ExecReload, as the user of the unit."""
        user = ("--reuid", self._unit["User"], "--regid", self._unit["Group"], "--init-groups")
        return self._root.run("setpriv", *user, *shlex.split(self._unit["ExecReload"]))

    def stop(self) -> None:
        """Stop as systemd does. Raises AssertionError if the service did not report it, or ended with an error."""
        self.process.send_signal(signal.SIGTERM)
        self._notify.wait_for("STOPPING=1")
        assert 0 == self.process.wait(SECONDS), self.log.read_text()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGKILL)
            self.process.wait()
