"""File access: rules for the files that the service trusts, and checks what another user can access."""

from __future__ import annotations

import os
import pwd
import re
import shlex
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from radius_voice.files.reading import status_of

ANY_ACCESS = 0o007
WRITE_ACCESS = 0o002
READ_ACCESS = 0o004
ADVICE = re.compile(r"start serve as user \S+ if .+? --init-groups; if root is meant, ")
"""The part of a text of `exposure` that is the same for all files of one owner: start the service as that user."""


@dataclass(frozen=True, slots=True)
class Account:
    """A user of this machine: numeric ids, which the kernel checks, and a name for messages."""

    uid: int
    gid: int
    groups: tuple[int, ...]
    name: str


def account_named(name: str) -> Account:
    """The account of a user name. Raises LookupError if this machine does not have it."""
    entry = pwd.getpwnam(name)
    return Account(entry.pw_uid, entry.pw_gid, tuple(os.getgrouplist(name, entry.pw_gid)), name)


def account_of(uid: int) -> Account:
    """The account of a numeric user id. The id need not have a name (systemd's DynamicUser=)."""
    try:
        return account_named(pwd.getpwuid(uid).pw_name)
    except KeyError:
        return Account(uid, uid, (), str(uid))


def mode_and_owner(status: os.stat_result) -> str:
    """Mode and owner of a file, for messages."""
    return f"mode {stat.S_IMODE(status.st_mode):04o}, owner {account_of(status.st_uid).name}"


def exposure(path: Path, status: os.stat_result, others: int, uid: int | None) -> Iterator[str]:
    """Why a file or directory with this status cannot be trusted, each reason with the command that fixes it.

    `others` are the mode bits that no other user may have. The owner must be root or the user `uid`, the service's; if
    `uid` is None, the owner is not checked.
    """
    if status.st_mode & others:
        access = {ANY_ACCESS: "readable or writable", WRITE_ACCESS: "writable", READ_ACCESS: "readable"}[others]
        change = {ANY_ACCESS: "o-rwx", WRITE_ACCESS: "o-w", READ_ACCESS: "o-r"}[others]
        command = f"chmod {change} {shlex.quote(str(path))}"
        yield f"{path}: is {access} by other users ({mode_and_owner(status)}); run: {command}"
    if uid is not None and status.st_uid not in (0, uid):
        owner, service = account_of(status.st_uid).name, account_of(uid).name
        allowed = "root" if uid == 0 else f"root or {service}"
        other_user = (
            f"start serve as user {owner} if the service is meant to run as {owner}, by systemd's User= or by "
            f"setpriv --reuid={owner} --regid={account_of(status.st_uid).gid} --init-groups; if root is meant, "
        )
        yield (
            f"{path}: belongs to user {owner}, and must belong to {allowed}, the user of the service; "
            f"{other_user if uid == 0 else ''}run: chown {service} {shlex.quote(str(path))}"
        )


def with_advice_once(problems: Iterable[str]) -> Iterator[str]:
    """The problems, where only the first one has the advice to start the service as another user."""
    given = False
    for problem in problems:
        yield ADVICE.sub("", problem) if given else problem
        given = given or ADVICE.search(problem) is not None


def exposed_directories(files: Iterable[Path], uid: int | None) -> Iterator[str]:
    """Why another user could replace these files in their directories. See `exposure`.

    In a directory with the sticky bit, only the owners of the file and of the directory can replace it. Files that do
    not exist are skipped. For a symbolic link, the directories of the link and of its target are checked.
    """
    problems: dict[str, None] = {}
    for file in files:
        with suppress(OSError, ValueError):  # a file that cannot be read is reported where it is read
            owner = status_of(file).st_uid
            for directory in (file.absolute().parent, file.resolve().parent):
                status = status_of(directory)
                sticky = status.st_mode & stat.S_ISVTX and (uid is None or owner in (0, uid))
                problems |= dict.fromkeys(exposure(directory, status, 0 if sticky else WRITE_ACCESS, uid))
    yield from problems


def owner_ids(files: Iterable[Path]) -> set[int]:
    """The user ids of the owners of the files that exist."""
    owners = set()
    for file in files:
        with suppress(OSError):
            owners.add(status_of(file).st_uid)
    return owners


def can_act_as(account: Account) -> bool:
    """Whether this process can check what that user can access."""
    return os.geteuid() in (0, account.uid)


def has_access(path: Path, mode: int, account: Account) -> bool:
    """Whether that user has the access `mode` (os.R_OK, os.W_OK, os.X_OK) to a file; `can_act_as` must hold."""
    with _acting_as(account):
        return os.access(path, mode, effective_ids=os.access in os.supports_effective_ids)


@contextmanager
def _acting_as(account: Account) -> Iterator[None]:
    """Switch to that user, so that the kernel checks access control lists and read-only file systems too."""
    if os.geteuid() == account.uid:
        yield
        return
    groups, gid = os.getgroups(), os.getegid()
    os.setgroups(account.groups)
    os.setegid(account.gid)
    os.seteuid(account.uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(gid)
        os.setgroups(groups)
