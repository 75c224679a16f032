"""Podman with its own storage, without a registry and without systemd."""

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.support.requirements import require

SECONDS = 900
RUNC = "/usr/sbin/runc"  # crun, the default, fails with the control groups of some machines
CNI = "/usr/lib/cni"
PROGRAMS = "podman", RUNC, "debootstrap", "iptables", "conntrack"
BASE = "localhost/base"
BASE_PACKAGES = "debootstrap", "--variant=minbase", "bookworm"
OMITTED = "usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info", "var/cache/apt", "var/lib/apt/lists"
"""Directories that are also missing in Debian's container images."""
LIMITS = "--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024"
"""Limits of every container. Podman's defaults may exceed the limits of this machine, which cannot be raised."""


def run(*command: object, cwd: Path | None = None, input_text: str = "") -> str:
    """The standard output of a command. Raises AssertionError with all output if the command fails."""
    words = [*map(str, command)]
    done = subprocess.run(
        words, cwd=cwd, input=input_text, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert 0 == done.returncode, f"{words}:\n{done.stdout}{done.stderr}"
    return done.stdout


def require_podman() -> None:
    """Skip the test without Podman, runc and debootstrap, or if this user cannot use them."""
    found = [shutil.which(name) for name in PROGRAMS]
    require(f"{', '.join(PROGRAMS)}, as root", all(found) and Path(CNI).is_dir() and os.geteuid() == 0)


class Podman:
    """Podman, with all that it stores below `directory`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        # Podman refuses a long path of this one.
        volatile = Path("/run") / f"podman-test-{hashlib.sha256(str(directory).encode()).hexdigest()[:8]}"
        places = {
            "--root": directory / "storage",
            "--runroot": volatile,
            "--tmpdir": directory / "tmp",
            "--network-config-dir": directory / "networks",
        }
        self._command = ["podman", "--runtime", RUNC, "--storage-driver", "overlay", "--cgroup-manager", "cgroupfs"]
        for option, place in places.items():
            place.mkdir(parents=True, exist_ok=True)
            self._command += [option, str(place)]

    def __call__(self, *words: object, input_text: str = "") -> str:
        """The standard output of a Podman command. Raises AssertionError if it fails."""
        return run(*self._command, *words, input_text=input_text)

    def exit_code(self, *words: object) -> int:
        """The exit code of a Podman command."""
        return subprocess.run([*self._command, *map(str, words)], capture_output=True, timeout=SECONDS).returncode

    def create_base(self) -> None:
        """Create the image BASE: a minimal Debian without documentation."""
        context = self._directory / "base"
        context.mkdir()
        mirror = run("apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Codename: bookworm")
        run(*BASE_PACKAGES, context / "root", mirror.splitlines()[0])
        for name in OMITTED:
            shutil.rmtree(context / "root" / name)
            (context / "root" / name).mkdir()
        run("tar", "--create", "--file", context / "root.tar", "--directory", context / "root", ".")
        shutil.rmtree(context / "root")
        self.build("--tag", BASE, context, containerfile="FROM scratch\nADD root.tar /\n")
        shutil.rmtree(context)

    def build(self, *words: object, containerfile: str = "") -> None:
        """Build an image, by default with the Containerfile that `words` name."""
        file = ("--file", "-") if containerfile else ()
        self("build", "--isolation", "chroot", "--quiet", *file, *words, input_text=containerfile)

    def run(self, *words: object, input_text: str = "") -> str:
        """The standard output of `podman run` with these options and arguments.

        /tmp and similar directories are as read-only as the rest of a read-only container, as they are with Docker.
        """
        strict = ["--read-only-tmpfs=false"] if "--read-only" in words else []
        return self("run", *LIMITS, *strict, *words, input_text=input_text)

    def inspect(self, name: str) -> dict[str, Any]:
        """The state and configuration of a container or image."""
        (found,) = json.loads(self("inspect", name))
        return dict(found)

    def pid(self, name: str) -> int:
        """The id, on this machine, of the first process of a container."""
        return int(self.inspect(name)["State"]["Pid"])

    def logs(self, name: str) -> str:
        """What a container has written to standard output and standard error."""
        words = [*self._command, "logs", name]
        done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=SECONDS)
        return done.stdout

    def remove(self, names: Iterable[str]) -> None:
        """End and remove containers, if they exist."""
        self("rm", "--force", "--time", 0, "--ignore", *names)
