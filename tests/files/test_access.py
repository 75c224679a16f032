"""Access to files as the kernel judges it for another user, and the rules for files that a service trusts."""

import os
import pwd

import pytest

from radius_voice.files.access import ANY_ACCESS, WRITE_ACCESS, account_named, account_of, exposure, has_access
from tests.support.other_user import OTHER_USER
from tests.support.requirements import require

NAMELESS = 54321


@pytest.mark.parametrize(
    ("mode", "others", "fix"),
    [
        (0o660, ANY_ACCESS, None),
        (0o664, ANY_ACCESS, "chmod o-rwx"),
        (0o661, ANY_ACCESS, "chmod o-rwx"),
        (0o664, WRITE_ACCESS, None),
        (0o666, WRITE_ACCESS, "chmod o-w"),
    ],
)
def test_permissions_of_others_decide_and_the_command_is_the_fix(tmp_path, mode, others, fix):
    path = tmp_path / "a file of mine"
    path.touch()
    path.chmod(mode)
    found = list(exposure(path, path.stat(), others, os.getuid()))
    assert ([] if fix is None else [f"{fix} '{path}'"]) == [text.rpartition("; run: ")[2] for text in found]
    if fix is not None:
        assert f"(mode {mode:04o}, owner {pwd.getpwuid(os.getuid()).pw_name})" in found[0]


def test_the_owner_must_be_root_or_the_user_of_the_service(tmp_path):
    require("root", os.geteuid() == 0)
    path = tmp_path / "file"
    path.touch()
    other = account_named(OTHER_USER)
    for owner, service, trusted in (
        (0, 0, True),
        (0, other.uid, True),
        (other.uid, other.uid, True),
        (other.uid, 0, False),
        (NAMELESS, other.uid, False),
    ):
        os.chown(path, owner, -1)
        assert trusted is (not list(exposure(path, path.stat(), 0, service)))
        assert [] == list(exposure(path, path.stat(), 0, None))
    (text,) = exposure(path, path.stat(), 0, other.uid)
    allowed = f"and must belong to root or {OTHER_USER}, the user of the service; run: chown {OTHER_USER} {path}"
    assert f"{path}: belongs to user {NAMELESS}, {allowed}" == text


def test_access_equals_the_kernels_answer_for_the_other_user(public_directory):
    require("root", os.geteuid() == 0)
    path = public_directory / "file"
    path.touch()
    other, groups = account_named(OTHER_USER), os.getgroups()
    for mode, readable, writable in ((0o600, False, False), (0o644, True, False), (0o666, True, True)):
        path.chmod(mode)
        assert readable is has_access(path, os.R_OK, other)
        assert writable is has_access(path, os.W_OK, other)
    public_directory.chmod(0o700)
    assert not has_access(path, os.R_OK, other)
    assert has_access(path, os.R_OK | os.W_OK, account_of(0))
    os.chown(public_directory, -1, other.gid)
    public_directory.chmod(0o750)
    assert has_access(path, os.R_OK, other), "by its group"
    assert (0, 0, groups) == (os.geteuid(), os.getegid(), os.getgroups()), "this process is what it was"


def test_a_user_id_without_a_name_is_still_an_account():
    account = account_of(NAMELESS)
    assert (NAMELESS, str(NAMELESS), ()) == (account.uid, account.name, account.groups)
    with pytest.raises(LookupError):
        account_named("no-such-user")
