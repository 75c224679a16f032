"""Files that other users can access are refused by `serve`, by `check` and at a reload."""

import os
import signal
import subprocess
from functools import cache

import pytest
from click.testing import CliRunner

from radius_voice.cli.main import main
from tests.support.network import free_port
from tests.support.polling import wait_until
from tests.support.program_process import END, ProgramProcess
from tests.support.requirements import require
from tests.support.server_process import ServerProcess, write_configuration

UNKNOWN_USER_ID = 12345
CONFIGURATION = """\
server: {listen: ["udp://127.0.0.1:0"]}
clients:
  gateway: {address: 127.0.0.1, secret: {file: gateway.secret}}
"""
KEY_FILE = CONFIGURATION.replace("server: {", "server: {key: {file: shared.key}, ")
SECRET_AS_TEXT = """\
server: {listen: ["udp://127.0.0.1:PORT"]}
clients:
  gateway: {address: 127.0.0.1, secret: a shared secret of the tests}
identity:
  people: {type: users_file, path: users.yaml}
delivery:
  friendly_name: ACME VPN
  providers:
    twilio:
      type: twilio-voice
      account_sid: AC11111111111111111111111111111111
      auth_token: {file: gateway.secret}
      from: "+14155550123"
admin: {listen: "127.0.0.1:ADMIN"}
"""

MODES = [
    ("state", 0o777, "server.state: PATH: is writable by other users (mode 0777, owner OWNER); run: chmod o-w PATH"),
    ("state", 0o1777, "server.state: PATH: is writable by other users (mode 1777, owner OWNER); run: chmod o-w PATH"),
    *(
        (name, mode, f"{key}: PATH: is readable or writable by other users (mode {mode:04o}, owner OWNER); run: {fix}")
        for name, key in (
            ("state/server.key", "server.key"),
            ("state/state.db", "store.path"),
            ("state/state.db-wal", "store.path"),
            ("state/state.db-shm", "store.path"),
        )
        for mode, fix in ((0o604, "chmod o-rwx PATH"), (0o602, "chmod o-rwx PATH"))
    ),
    ("radius-voice.yaml", 0o646, "PATH: is writable by other users (mode 0646, owner OWNER); run: chmod o-w PATH"),
]
OWNERS = [
    ("state", "server.state: PATH: belongs to user 12345, and must belong to ALLOWED, the user of the service"),
    (
        "state/server.key",
        "server.key: PATH: belongs to user 12345, and must belong to ALLOWED, the user of the service",
    ),
    ("state/state.db", "store.path: PATH: belongs to user 12345, and must belong to ALLOWED, the user of the service"),
    ("radius-voice.yaml", "PATH: belongs to user 12345, and must belong to ALLOWED, the user of the service"),
    ("shared.key", "server.key: PATH: belongs to user 12345, and must belong to ALLOWED, the user of the service"),
]


@pytest.fixture
def user(make_user):
    return make_user()


@pytest.fixture(scope="module")
def killed(tmp_path_factory, simulator, make_user):
    """The directory of a service with that configuration that ran and was killed."""

    @cache
    def directory(configuration):
        directory = tmp_path_factory.mktemp("killed")
        for name in ("gateway.secret", "shared.key"):
            (directory / name).write_text("a shared secret of thirty-two octets")
            (directory / name).chmod(0o600)
        ServerProcess(directory, simulator, configuration, [make_user()]).kill()
        return directory

    return directory


@pytest.fixture
def installed(tmp_path, killed):
    """Copies the files of a service that was killed, its local socket included; the configuration's path."""

    def install(configuration=CONFIGURATION):
        subprocess.run(["cp", "-a", f"{killed(configuration)}/.", tmp_path], check=True)
        return tmp_path / "radius-voice.yaml"

    return install


def serve(path):
    """Start the service and stop it if it starts. Its exit code and its standard error."""
    with ProgramProcess("serve", "--config", path) as program:
        wait_until(lambda: any(line == END or " started " in line for line in program.stderr), "it started or ended")
        code = program.wait() if END in program.stderr else program.stop()
    return code, "".join(program.stderr)


def check(path, *more):
    result = CliRunner().invoke(main, ["check", "--config", str(path), *more])
    assert isinstance(result.exception, SystemExit | None)
    return result.exit_code, result.stderr


def refused_until_fixed(path, file, expected):
    """`serve` and `check` refuse with that message, and the command in it is the fix."""
    expected = expected.replace("PATH", str(file)).replace("OWNER", "root").replace("ALLOWED", "root")
    for code, said in (check(path, "--user", "root"), serve(path)):
        assert (1, True) == (code, expected in said), said
    (command,) = {line.rpartition("run: ")[2] for line in said.splitlines() if expected in line}
    subprocess.run(command.partition(", or ")[0], shell=True, check=True)
    for code, said in (check(path, "--user", "root"), serve(path)):
        assert (0, True) == (code, "o-" not in said), said


@pytest.mark.parametrize(("name", "mode", "expected"), MODES)
def test_files_accessible_to_others_are_refused_with_the_fix(installed, name, mode, expected):
    require("root", os.geteuid() == 0)
    path = installed()
    file = path.parent / name
    file.chmod(mode)
    refused_until_fixed(path, file, expected)


@pytest.mark.parametrize(("name", "expected"), OWNERS)
def test_files_of_another_user_are_refused_with_the_fix(installed, name, expected):
    require("root", os.geteuid() == 0)
    path = installed(KEY_FILE if name == "shared.key" else CONFIGURATION)
    if name != "shared.key":
        assert (path.parent / name).exists()
    os.chown(path.parent / name, UNKNOWN_USER_ID, 0)
    refused_until_fixed(path, path.parent / name, expected)


def test_a_group_may_read_and_write_what_the_operator_granted(installed):
    path = installed()
    for name, mode in (("state", 0o770), ("state/server.key", 0o660), ("state/state.db", 0o660)):
        (path.parent / name).chmod(mode)
    path.chmod(0o664)
    assert 0 == check(path)[0]
    assert 0 == serve(path)[0]


def with_secret(tmp_path):
    """A configuration of a real service that holds a secret as text."""
    (tmp_path / "gateway.secret").write_text("a shared secret of the tests")
    (tmp_path / "gateway.secret").chmod(0o600)
    (tmp_path / "users.yaml").write_text("{}")
    (tmp_path / "users.yaml").chmod(0o600)
    path = tmp_path / "radius-voice.yaml"
    path.write_text(SECRET_AS_TEXT.replace("PORT", str(free_port())).replace("ADMIN", str(free_port())))
    return path


def test_a_configuration_that_holds_a_secret_must_not_be_readable_by_others(tmp_path):
    require("root", os.geteuid() == 0)
    path = with_secret(tmp_path)
    path.chmod(0o644)
    expected = "PATH: is readable by other users (mode 0644, owner OWNER); run: chmod o-r PATH"
    refused_until_fixed(path, path, expected)


def test_a_configuration_without_a_secret_may_be_readable_by_others(tmp_path):
    path = with_secret(tmp_path)
    path.write_text(path.read_text().replace("a shared secret of the tests", "{file: gateway.secret}"))
    path.chmod(0o644)
    assert 0 == check(path)[0]


def test_a_reload_refuses_a_configuration_that_others_can_write(simulator, tmp_path, user):
    (tmp_path / "gateway.secret").write_text("a shared secret of the tests")
    (tmp_path / "gateway.secret").chmod(0o600)
    server = ServerProcess(tmp_path, simulator, CONFIGURATION, [user])
    server.path.chmod(0o666)
    server.send_signal(signal.SIGHUP)
    server.wait_for_line("is writable by other users", server.stderr)
    assert 1 == len(server.audit(event="reload_failed"))
    assert 0 == server.stop()


def test_every_command_refuses_a_configuration_that_others_can_write(tmp_path, simulator, user):
    path = write_configuration(
        tmp_path, simulator, CONFIGURATION.replace("{file: gateway.secret}", "a shared secret"), [user]
    )
    path.chmod(0o666)
    for command in (["check"], ["limits"], ["users", "unlock", user.name], ["test-credentials"]):
        result = CliRunner().invoke(main, [*command, "--config", str(path)])
        assert (1, True) == (result.exit_code, "is writable by other users" in result.stderr), result.output


@pytest.mark.parametrize("name", ["radius-voice.yaml", "users.yaml", "gateway.secret"])
@pytest.mark.parametrize("mode", [0o777, 0o702])
def test_a_directory_where_others_may_replace_a_file_is_refused(installed, name, mode):
    require("root", os.geteuid() == 0)
    path = installed()
    directory = path.parent
    if name != "radius-voice.yaml":
        directory = path.parent / "separate"
        directory.mkdir()
        (path.parent / name).rename(directory / name)
        path.write_text(path.read_text().replace(name, f"separate/{name}"))
    directory.chmod(mode)
    expected = f"PATH: is writable by other users (mode {mode:04o}, owner OWNER); run: chmod o-w PATH"
    refused_until_fixed(path, directory, expected)


def test_a_directory_of_another_user_is_refused(installed):
    require("root", os.geteuid() == 0)
    path = installed()
    os.chown(path.parent, UNKNOWN_USER_ID, 0)
    expected = "PATH: belongs to user 12345, and must belong to root, the user of the service"
    refused_until_fixed(path, path.parent, expected)


def test_a_sticky_directory_may_hold_files_of_root_and_of_the_user_of_the_service(installed):
    require("root", os.geteuid() == 0)
    path = installed()
    path.parent.chmod(0o1777)
    assert "writable" not in check(path, "--user", "root")[1]
    os.chown(path.parent / "users.yaml", UNKNOWN_USER_ID, 0)
    code, said = check(path, "--user", "root")
    assert (1, True) == (code, f"{path.parent}: is writable by other users (mode 1777, owner root)" in said)


def test_the_directory_of_a_links_target_is_checked(installed):
    require("root", os.geteuid() == 0)
    path = installed()
    directory = path.parent / "separate"
    directory.mkdir()
    (path.parent / "users.yaml").rename(directory / "users.yaml")
    (path.parent / "users.yaml").symlink_to(directory / "users.yaml")
    directory.chmod(0o777)
    refused_until_fixed(
        path, directory, "PATH: is writable by other users (mode 0777, owner OWNER); run: chmod o-w PATH"
    )
