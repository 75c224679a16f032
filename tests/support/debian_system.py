"""A new Debian below a directory, by debootstrap, with systemd as process 1 of its own namespaces."""

import os
import shutil
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.support.polling import wait_until

RELEASE = "bookworm"
PACKAGES = "adduser,ca-certificates,libstdc++6,python3,systemd"
SECONDS = 900
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
NAMESPACES = ("--mount", "--pid", "--cgroup", "--uts", "--ipc")
BOOT = """\
set -e
mount --make-rprivate /
mount --bind "$1" "$1"
cd "$1"
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t tmpfs tmpfs sys/fs
mkdir sys/fs/cgroup
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs tmpfs run
mount -t tmpfs -o mode=755 tmpfs dev
for name in null zero full random urandom tty; do
    touch "dev/$name"
    mount --bind "/dev/$name" "dev/$name"
done
mkdir dev/shm dev/pts
mount -t tmpfs tmpfs dev/shm
mount -t devpts -o newinstance,ptmxmode=666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
# systemd passes credentials to services by mounts that must reach this namespace.
mount --make-rshared /
exec env -i "PATH=$PATH" container=other chroot . /lib/systemd/systemd --log-target=console
"""
"""Makes the file systems that systemd expects in the root directory $1, and executes it there."""


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


def cgroup_directory() -> Path | None:
    """Where this machine has the cgroup 2 hierarchy, None if nowhere."""
    mounts = (line.split() for line in Path("/proc/self/mounts").read_text().splitlines())
    return next((Path(mount[1]) for mount in mounts if mount[2] == "cgroup2"), None)


class DebianSystem:
    """A Debian that is unpacked from `archive` into `path`, and runs. It shares the network of this machine."""

    def __init__(self, archive: Path, path: Path) -> None:
        self.path = path
        path.mkdir()
        run("tar", "--extract", "--file", archive, "--directory", path)
        above = cgroup_directory()
        assert above is not None
        self._cgroup = above / f"radius-voice-test-{os.getpid()}"
        self._cgroup.mkdir(exist_ok=True)
        join = f"echo $$ >{self._cgroup}/cgroup.procs; exec unshare --fork --kill-child {' '.join(NAMESPACES)} sh -c"
        self._log = path.with_suffix(".log").open("w")
        self._process = subprocess.Popen(
            ["sh", "-c", f'{join} "$0" sh "$1"', BOOT, str(path)],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
        )
        try:
            wait_until(self._runs, "systemd runs")
        except AssertionError:
            self.close()
            raise AssertionError(Path(self._log.name).read_text()) from None

    def _runs(self) -> bool:
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        self._init = children[0] if children else ""
        if not self._init or "systemd" not in str(Path(f"/proc/{self._init}/exe").readlink()):
            return False
        state = subprocess.run(self._command("systemctl", "is-system-running"), capture_output=True, check=False)
        return state.stdout in {b"running\n", b"degraded\n"}

    def _command(self, *command: str) -> list[str]:
        variables = [f"{name}={value}" for name, value in ENVIRONMENT.items()]
        return ["nsenter", "--target", self._init, *NAMESPACES, "--root", "--wd", "env", "-i", *variables, *command]

    def run(self, *command: str, **options: Any) -> str:
        """The output of a command as root in that Debian. Raises AssertionError with it if the command fails."""
        return run(*self._command(*command), **options)

    def install(self, package: Path) -> str:
        """Install or upgrade a package file, without a network. The output."""
        shutil.copy(package, self.file("/root/package.deb"))
        return self.run("dpkg", "--install", "/root/package.deb")

    def file(self, path: str) -> Path:
        """A file of that Debian, by its absolute path there."""
        return self.path / path.lstrip("/")

    def close(self) -> None:
        """End systemd, and with it all processes of its namespace, and remove the files."""
        self._process.kill()
        self._process.wait()
        self._log.close()
        wait_until(lambda: "populated 0" in (self._cgroup / "cgroup.events").read_text(), "all processes have ended")
        for directory, _, _ in os.walk(self._cgroup, topdown=False):
            Path(directory).rmdir()
        shutil.rmtree(self.path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
