"""`check` finds what would keep `serve` from starting, for the user of the service, and changes nothing."""

import os
import pwd
import shutil
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

from radius_voice.cli.main import main
from tests.support.network import free_port
from tests.support.other_user import OTHER_USER, change_owner
from tests.support.program_process import PROGRAM, TIMEOUT
from tests.support.server_process import ServerProcess, write_configuration

CONFIGURATION = """\
server: {listen: ["udp://127.0.0.1:0"]}
clients:
  gateway: {address: 127.0.0.1, secret: {file: gateway.secret}}
"""
SECRET = "a shared secret of the tests"
COMMANDS = [
    ("check",),
    ("check", "--connect"),
    ("test-credentials",),
    ("limits",),
    ("limits", "--user", "PERSON"),
    ("users", "unlock", "PERSON"),
    ("call", "+15005550010"),
]
BY_ITS_USER = [("check", "--connect"), ("limits", "--user", "PERSON"), ("users", "unlock", "PERSON")]


@pytest.fixture(autouse=True)
def _poll_once(monkeypatch):
    """`call` asks for the status of its call once, and does not wait for its end."""
    monkeypatch.setattr("radius_voice.cli.call.POLL_SECONDS", 0.0)
    monkeypatch.setattr("radius_voice.cli.call.MAX_POLLS", 1)


@pytest.fixture
def user(make_user):
    return make_user()


@pytest.fixture
def write(tmp_path, simulator, user):
    """Writes the files of a service that does not run; the configuration's path."""

    def write(configuration=CONFIGURATION, folder=tmp_path):
        private(folder / "gateway.secret", SECRET.encode())
        return write_configuration(folder, simulator, configuration, [user])

    return write


def private(path, octets=b"", mode=0o600):
    """Write a file that only its owner can read, and its parent directories."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.write_bytes(octets)
    path.chmod(mode)


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def program(*arguments, launcher=PROGRAM):
    """Run a command as a process, possibly as another user."""
    command = [*launcher, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=3 * TIMEOUT)


def concerns(result):
    """The standard error of a command without the warnings about development configurations."""
    return "".join(line for line in result.stderr.splitlines(True) if "warning: development: true" not in line)


def listing(folder):
    """Every file and directory below `folder`, with owner, mode and size."""
    found = {path: path.lstat() for path in folder.rglob("*")}
    return {path: (status.st_uid, status.st_mode, status.st_size) for path, status in found.items()}


def newer_store(folder):
    private(folder / "state" / "state.db")
    with closing(sqlite3.connect(folder / "state" / "state.db")) as base:
        base.execute("PRAGMA user_version=99")


def make_key_fifo(directory):
    (directory / "state").mkdir(0o700)
    os.mkfifo(directory / "state" / "server.key", 0o600)


WITH = {
    "a certificate file that is no PEM": (
        lambda folder: private(folder / "ca.pem", b"no certificate"),
        {"base_url: ": "ca_file: ca.pem\n      base_url: "},
        "delivery.providers.twilio.ca_file: contains no certificate in PEM",
    ),
    "a syslog certificate file that is no PEM": (
        lambda folder: private(folder / "ca.pem", b"no certificate"),
        {"clients:": "audit: {syslog: {server: '127.0.0.1:6514', ca_file: ca.pem}}\nclients:"},
        "audit.syslog.ca_file: contains no certificate in PEM",
    ),
    "a missing audit directory": (
        None,
        {"clients:": "audit: {path: nothing/audit.jsonl}\nclients:"},
        "nothing: ",
    ),
    "an audit file that is a directory": (
        lambda folder: (folder / "audit.jsonl").mkdir(),
        {},
        "audit.jsonl: ",
    ),
    "an empty server.key": (
        lambda folder: private(folder / "state" / "server.key"),
        {},
        "server.key: FOLDER/state/server.key: has no bytes, and must have 32",
    ),
    "a server.key of another length": (
        lambda folder: private(folder / "state" / "server.key", b"x" * 33),
        {},
        "server.key: FOLDER/state/server.key: has another number of bytes, and must have 32",
    ),
    "a server.key that is a pipe": (
        make_key_fifo,
        {},
        "server.key: FOLDER/state/server.key: is not a regular file",
    ),
    "a listen address of another machine": (
        None,
        {"udp://127.0.0.1:0": "udp://192.0.2.1:1812"},
        "server.listen: 192.0.2.1:1812: Cannot assign requested address; this machine has no such address",
    ),
    "an admin address of another machine": (
        None,
        {'"127.0.0.1:0"': '"192.0.2.1:9812"'},
        "admin.listen: 192.0.2.1:9812: Cannot assign requested address; this machine has no such address",
    ),
    "a file in place of the state directory": (
        lambda folder: private(folder / "state"),
        {},
        "state: ",
    ),
    "a state directory below a file": (
        None,
        {"server: {listen:": "server: {state: users.yaml/state, listen:"},
        "users.yaml",
    ),
    "a file in place of the local socket": (
        lambda folder: private(folder / "state" / "control.sock"),
        {},
        "FOLDER/state/control.sock: is not a socket; remove it",
    ),
    "a store of a newer version": (
        newer_store,
        {},
        "store.path: FOLDER/state/state.db: written by a newer version of radius-voice",
    ),
    "a store that is no database": (
        lambda folder: private(folder / "state" / "state.db", b"no database" * 100),
        {},
        "store.path: FOLDER/state/state.db: file is not a database",
    ),
    "a store in a missing directory": (
        None,
        {"clients:": "store: {type: sqlite, path: nothing/state.db}\nclients:"},
        "store.path: FOLDER/nothing: does not exist",
    ),
    "a missing users file": (
        lambda folder: (folder / "users.yaml").unlink(),
        {},
        "users.yaml: No such file or directory; correct the path or create the file",
    ),
    "a users file that every user may read": (
        lambda folder: (folder / "users.yaml").chmod(0o644),
        {},
        "run: chmod o-rwx FOLDER/users.yaml",
    ),
}


@pytest.mark.parametrize("wrong", WITH)
def test_every_error_of_serve_is_an_error_of_check_without_a_traceback(write, tmp_path, user, wrong):
    damage, replaced, expected = WITH[wrong]
    path = write()
    if damage is not None:
        damage(tmp_path)
    for old, new in replaced.items():
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))
    before = listing(tmp_path)
    for command in COMMANDS:
        result = run(*(word.replace("PERSON", user.name) for word in command), "--config", path)
        assert isinstance(result.exception, SystemExit | None), result.exception
        assert "internal error" not in result.output
        if command[0] == "check":
            assert 1 == result.exit_code
            assert expected.replace("FOLDER", str(tmp_path)) in result.stderr
    assert before == listing(tmp_path)
    served = program("serve", "--config", path)
    assert (1, True) == (served.returncode, expected.replace("FOLDER", str(tmp_path)) in served.stderr), served.stderr
    assert "Traceback" not in served.stderr
    assert "stopped" not in served.stderr


def test_all_errors_are_reported_together(write, tmp_path):
    path = write(CONFIGURATION.replace("127.0.0.1:0", "192.0.2.1:1812") + "audit: {path: nothing/audit.jsonl}\n")
    private(tmp_path / "state" / "server.key")
    (tmp_path / "users.yaml").chmod(0o644)
    result = run("check", "--config", path)
    assert 1 == result.exit_code
    for part in ("server.listen: ", "audit.path: ", "server.key: ", "users.yaml: "):
        assert 1 == sum(part in line for line in result.stderr.splitlines()), result.stderr


def test_a_port_of_another_process_is_an_error(write):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.create_server(("127.0.0.1", 0)) as tcp:
        udp.bind(("127.0.0.1", 0))
        path = write(CONFIGURATION.replace("127.0.0.1:0", f"127.0.0.1:{udp.getsockname()[1]}"))
        path.write_text(path.read_text().replace('"127.0.0.1:0"', f'"127.0.0.1:{tcp.getsockname()[1]}"'))
        result = run("check", "--config", path)
    assert 1 == result.exit_code
    assert (
        f"server.listen: 127.0.0.1:{udp_port(path)}: Address already in use; another process has this" in result.stderr
    )
    assert "admin.listen: " in result.stderr
    assert "ss -lnup 'sport = :" in result.stderr
    assert "ss -lntp 'sport = :" in result.stderr


def udp_port(path):
    return path.read_text().partition("udp://127.0.0.1:")[2].partition('"')[0]


@pytest.fixture
def server(write, tmp_path, simulator, user, request):
    write()
    listen = CONFIGURATION.replace("127.0.0.1:0", f"0.0.0.0:{free_port()}")
    server = ServerProcess(
        tmp_path, simulator, listen.replace("server: {", f"server: {{{getattr(request, 'param', '')}"), [user]
    )
    yield server
    assert 0 == server.stop()


def test_a_port_that_the_running_service_of_this_configuration_has_is_no_error(server):
    for more in ((), ("--connect",)):
        result = run("check", "--config", server.path, *more)
        assert (0, "") == (result.exit_code, concerns(result))
    server.path.write_text(server.path.read_text().replace("udp://0.0.0.0:", "udp://127.0.0.1:"))
    assert 0 == run("check", "--config", server.path).exit_code, "the same port by another address"


def test_the_service_of_another_configuration_in_the_same_state_directory_is_an_error(server):
    copy = server.path.with_name("copy.yaml")
    copy.write_text(server.path.read_text())
    result = run("check", "--config", copy)
    assert 1 == result.exit_code
    assert (
        f"process {server.process.pid} runs with this directory and another configuration, {server.path}"
        in result.stderr
    )


def test_the_service_that_has_the_port_but_another_state_directory_is_found_by_option(simulator, write, tmp_path, user):
    write()
    configuration = CONFIGURATION.replace("127.0.0.1:0", f"127.0.0.1:{free_port()}")
    env = {**os.environ, "STATE_DIRECTORY": str(tmp_path / "var")}
    server = ServerProcess(tmp_path, simulator, configuration, [user], env=env)
    result = run("check", "--config", server.path)
    assert (1, True) == (result.exit_code, "add --state /var/lib/radius-voice" in result.stderr)
    assert 0 == run("check", "--config", server.path, "--state", tmp_path / "var").exit_code
    assert 0 == server.stop()


@pytest.mark.parametrize(
    ("secret", "reason", "command"),
    [
        (
            "{env: NOT_IN_THE_SHELL}",
            "the environment variable NOT_IN_THE_SHELL is not set",
            "systemd-run --pipe --wait --property=EnvironmentFile=FILE radius-voice check --config",
        ),
        (
            "{credential: not-in-the-shell}",
            "$CREDENTIALS_DIRECTORY is not set, so the credential not-in-the-shell cannot be read",
            "CREDENTIALS_DIRECTORY=/run/credentials/radius-voice.service radius-voice check --config",
        ),
    ],
)
def test_a_secret_that_only_the_service_has_is_not_checked_and_not_an_error(
    write, monkeypatch, secret, reason, command
):
    monkeypatch.delenv("NOT_IN_THE_SHELL", raising=False)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    path = write(CONFIGURATION.replace("{file: gateway.secret}", secret))
    path.write_text(path.read_text().replace("simulated-token", secret))
    result = run("check", "--config", path, "--connect")
    assert 0 == result.exit_code, result.output
    for key in ("clients.gateway.secret", "delivery.providers.twilio.auth_token"):
        (line,) = [line for line in result.stderr.splitlines() if line.startswith(f"not checked: {key}: ")]
        assert reason in line
        assert f"{command} {path} --state {path.parent / 'state'}" in line
    assert "twilio: not checked: delivery.providers.twilio.auth_token: " in result.stdout
    asked = run("test-credentials", "--config", path)
    assert (1, True) == (
        asked.exit_code,
        asked.output.startswith("twilio: BAD: delivery.providers.twilio.auth_token: "),
    )
    called = run("call", "--config", path, "+15005550010")
    assert (1, True) == (called.exit_code, "Error: delivery.providers.twilio.auth_token: " in called.output)


def test_a_variable_is_checked_where_it_is_set(write, monkeypatch):
    path = write(CONFIGURATION.replace("{file: gateway.secret}", "{env: IN_THE_SHELL}"))
    monkeypatch.setenv("IN_THE_SHELL", SECRET)
    result = run("check", "--config", path)
    assert (0, "") == (result.exit_code, concerns(result))


def test_missing_packages_of_a_store_are_reported(write, monkeypatch):
    key = "server: {key: a server key of thirty-two octets, "
    store = f"store: {{type: redis, servers: ['127.0.0.1:{free_port()}']}}\n"
    path = write(CONFIGURATION.replace("server: {", key) + store)
    assert 0 == run("check", "--config", path).exit_code
    monkeypatch.delitem(sys.modules, "radius_voice.stores.redis", raising=False)
    monkeypatch.setitem(sys.modules, "radius_voice.stores.redis_link", None)
    result = run("check", "--config", path)
    assert (1, True) == (result.exit_code, "run: pip install 'radius-voice[redis]'" in result.stderr)


def test_a_store_that_cannot_be_connected_to_is_an_error(write):
    key = "server: {key: a server key of thirty-two octets, "
    store = f"store: {{type: redis, servers: ['127.0.0.1:{free_port()}']}}\n"
    result = run("check", "--config", write(CONFIGURATION.replace("server: {", key) + store), "--connect")
    assert (1, True) == (result.exit_code, "store redis: BAD: store: Redis is unavailable" in result.stdout)


# As another user


@pytest.fixture
def installed(public_directory, write):
    """The files of a service in a directory that every user may enter. The path of the configuration."""
    return write(folder=public_directory)


def test_files_are_checked_for_the_given_user(installed, as_other_user):
    result = run("check", "--config", installed, "--user", OTHER_USER)
    assert 1 == result.exit_code
    assert f"serve would not start as user {OTHER_USER}:" in result.stderr
    for name in ("gateway.secret", "users.yaml"):
        file = installed.parent / name
        assert (
            f"{file}: is not accessible for user {OTHER_USER} (mode 0600, owner root); run: chown {OTHER_USER} {file}"
            in result.stderr
        )
    assert f"server.state: {installed.parent / 'state'}: cannot be created by user {OTHER_USER}" in result.stderr
    assert f"audit.path: {installed.parent}: is not accessible for user {OTHER_USER}" in result.stderr
    change_owner(installed.parent, OTHER_USER)
    result = run("check", "--config", installed, "--user", OTHER_USER)
    assert (0, "") == (result.exit_code, concerns(result))


def test_files_are_checked_for_the_owner_of_the_state_directory(installed, as_other_user):
    (installed.parent / "state").mkdir(0o700)
    change_owner(installed.parent / "state", OTHER_USER)
    result = run("check", "--config", installed)
    assert (1, True) == (result.exit_code, f"serve would not start as user {OTHER_USER}:" in result.stderr)
    change_owner(installed.parent, OTHER_USER)
    private(installed.parent / "audit.jsonl")
    result = run("check", "--config", installed)
    assert 1 == result.exit_code
    audit = installed.parent / "audit.jsonl"
    assert f"audit.path: {audit}: is not accessible for user {OTHER_USER} (mode 0600, owner root)" in result.stderr
    served = program("serve", "--config", installed, launcher=as_other_user)
    assert (1, f"Error: {audit}: Permission denied\n") == (served.returncode, served.stderr)


def test_no_change_of_owner_to_root_is_suggested_without_a_given_user(installed, as_other_user):
    for file in installed.parent.iterdir():
        shutil.chown(file, OTHER_USER)
    result = run("check", "--config", installed)
    assert 1 == result.exit_code
    assert "chown" not in result.stderr
    assert f"if the service runs as {OTHER_USER}, add: --user {OTHER_USER} (and --state DIRECTORY" in result.stderr
    result = run("check", "--config", installed, "--user", OTHER_USER)
    assert "belongs to" not in result.stderr


def test_a_service_started_by_root_reports_the_user_to_start_it_as(installed, as_other_user):
    (installed.parent / "state").mkdir(0o700)
    shutil.chown(installed.parent / "state", OTHER_USER)
    served = program("serve", "--config", installed)
    expected = f"start serve as user {OTHER_USER} if the service is meant to run as {OTHER_USER}, by systemd's User= or by setpriv"
    assert (1, True) == (served.returncode, expected in served.stderr), served.stderr
    assert f"; if root is meant, run: chown root {installed.parent / 'state'}\n" in served.stderr


def test_the_advice_to_start_the_service_as_another_user_is_given_once(installed, as_other_user):
    change_owner(installed.parent, OTHER_USER)
    result = run("check", "--config", installed, "--user", "root")
    assert 1 == result.exit_code
    assert 1 == result.stderr.count("start serve as user")
    commands = [line.rpartition("run: ")[2] for line in result.stderr.splitlines() if "belongs to user" in line]
    assert [f"chown root {installed}", f"chown root {installed.parent}"] == commands


def test_a_state_directory_that_cannot_be_created_is_reported_with_the_option_for_another(installed, as_other_user):
    result = run("check", "--config", installed, "--user", OTHER_USER)
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("server.state: ")]
    assert "systemd's StateDirectory=), add --state /var/lib/radius-voice; otherwise run: install -d" in line


def test_files_of_root_in_the_state_directory_are_reported(installed, as_other_user):
    change_owner(installed.parent, OTHER_USER)
    state = installed.parent / "state"
    names = ("server.key", "state.db", "state.db-wal", "control.lock")
    for name in names:
        private(state / name, b"k" * 32 if name == "server.key" else b"")
    result = run("check", "--config", installed, "--user", OTHER_USER)
    assert (1, True) == (result.exit_code, f"run: chown -R {OTHER_USER} {state}\n" in result.stderr)
    shutil.chown(state, OTHER_USER)
    result = run("check", "--config", installed, "--user", OTHER_USER)
    assert 1 == result.exit_code
    for name in names:
        assert f"run: chown {OTHER_USER} {state / name}\n" in result.stderr, result.stderr


def test_a_directory_that_the_user_cannot_enter_is_named(installed, as_other_user):
    change_owner(installed.parent, OTHER_USER)
    installed.parent.chmod(0o700)
    os.chown(installed.parent, 0, 0)
    result = run("check", "--config", installed, "--user", OTHER_USER)
    assert 1 == result.exit_code
    assert f"user {OTHER_USER} cannot enter directory {installed.parent} (mode 0700, owner root)" in result.stderr


def test_the_files_of_a_directory_that_the_user_cannot_enter_are_reported_once(installed, as_other_user):
    change_owner(installed.parent, OTHER_USER)
    installed.parent.chmod(0o700)
    os.chown(installed.parent, 0, 0)
    result = run("check", "--config", installed, "--user", OTHER_USER)
    (line,) = [line for line in result.stderr.splitlines() if line.startswith(f"user {OTHER_USER} cannot enter")]
    files = "radius-voice.yaml, gateway.secret, users.yaml"
    assert line.endswith(f"run: chmod o+x {installed.parent}, or move its files; the service needs {files}")


def test_another_user_is_informed_that_only_root_can_check_some_files(installed, as_other_user):
    result = program("check", "--config", installed, "--user", "root", launcher=as_other_user)
    assert (
        f"not checked: clients.gateway.secret: {installed.parent / 'gateway.secret'} is not readable" in result.stderr
    )
    assert (
        "not checked: whether user root can read and write the files of the service; run this as root" in result.stderr
    )
    assert "Traceback" not in result.stderr


def test_the_socket_of_another_users_service_leaves_its_port_unchecked(installed, as_other_user, simulator, user):
    port = free_port()
    configuration = CONFIGURATION.replace("127.0.0.1:0", f"127.0.0.1:{port}")
    server = ServerProcess(installed.parent, simulator, configuration, [user])
    installed.parent.joinpath("state").chmod(0o755)
    result = program("check", "--config", installed, "--user", "root", launcher=as_other_user)
    expected = f"not checked: server.listen: 127.0.0.1:{port}: is in use, perhaps by the running service: "
    (line,) = [line for line in result.stderr.splitlines() if "server.listen" in line]
    assert line.startswith(expected)
    assert line.endswith("only root and the user of the service may use it; run this as root")
    assert 0 == server.stop()


def test_the_start_warnings_of_serve_are_warnings_of_check(write, tmp_path):
    wait_until = datetime.now(UTC) + timedelta(hours=1)
    policies = f"policies: {{default: {{first_factor: none, on_delivery_failure: {{bypass_until: '{wait_until.isoformat()}'}}}}}}\n"
    result = run("check", "--config", write(CONFIGURATION + policies))
    assert 0 == result.exit_code, result.stderr
    for text in (
        "development: true allows settings that are unsafe in production: providers on this machine",
        "policy default: first_factor is none, so this server places calls without checking a password",
        "a bypass is active",
    ):
        assert f"warning: {text}" in result.stderr


def test_users_without_a_password_get_a_warning(write, tmp_path):
    path = write()
    (tmp_path / "users.yaml").write_text('alice: {phones: ["+15005550010"]}\n')
    assert (
        "identity.people.path: users without a password cannot log in: alice" in run("check", "--config", path).stderr
    )
    (tmp_path / "users.yaml").write_text("{}\n")
    assert "identity.people.path: holds no user" in run("check", "--config", path).stderr


def test_a_user_that_does_not_exist_is_wrong_usage(write):
    result = run("check", "--config", write(), "--user", "no-such-user")
    assert (2, True) == (result.exit_code, "this machine has no user no-such-user" in result.stderr)


def test_a_privileged_port_is_checked_only_by_the_user_of_the_service(installed, as_other_user):
    change_owner(installed.parent, OTHER_USER)
    installed.write_text(installed.read_text().replace("udp://127.0.0.1:0", "udp://127.0.0.1:812"))
    result = run("check", "--config", installed, "--user", OTHER_USER)
    assert 0 == result.exit_code, result.stderr
    assert f"not checked: server.listen: 127.0.0.1:812: whether user {OTHER_USER} may listen there" in result.stderr
    assert "AmbientCapabilities=CAP_NET_BIND_SERVICE" in result.stderr
    checked = program("check", "--config", installed, launcher=as_other_user)
    expected = "server.listen: 127.0.0.1:812: Permission denied; ports below 1024 need a privilege"
    assert (1, True) == (checked.returncode, expected in checked.stderr)
    served = program("serve", "--config", installed, launcher=as_other_user)
    assert (1, True) == (served.returncode, served.stderr.startswith(f"Error: {expected}")), served.stderr
    assert "stopped" not in served.stderr
    assert "running" not in served.stderr


# Side effects


@pytest.mark.parametrize("before", ["nothing", "ended", "killed", "running"])
def test_no_command_creates_or_changes_a_file(installed, as_other_user, simulator, user, before, monkeypatch):
    """As root, which may write everywhere, and as the user of the service."""
    monkeypatch.setattr("tests.support.program_process.PROGRAM", as_other_user)
    folder = installed.parent
    change_owner(folder, OTHER_USER)
    server = None
    if before != "nothing":
        server = ServerProcess(folder, simulator, CONFIGURATION, [user])
        if before == "ended":
            assert 0 == server.stop()
        elif before == "killed":
            server.kill()
    for command in [*COMMANDS, ("users", "list")]:
        words = [word.replace("PERSON", user.name) for word in command]
        where = ["--file", folder / "users.yaml"] if command == ("users", "list") else ["--config", installed]
        was = set(listing(folder))
        assert isinstance(run(*words, *where).exception, SystemExit | None)
        assert was == set(listing(folder)), f"{command} of root"
        if command in BY_ITS_USER:
            assert "Traceback" not in program(*words, *where, launcher=as_other_user).stderr
            assert was == set(listing(folder)), f"{command} of {OTHER_USER}"
    owners = {pwd.getpwuid(path.lstat().st_uid).pw_name for path in folder.rglob("*")}
    assert {OTHER_USER} == owners
    if before == "running":
        assert server is not None
        assert 0 == server.stop()
    change_owner(folder, OTHER_USER)
    server = ServerProcess(folder, simulator, CONFIGURATION, [user])
    assert 0 == server.stop(), "the service starts after all of them"


def test_a_calling_station_id_of_many_users_is_a_warning(write, monkeypatch):
    async def shared(_settings):
        return {"clients": ["gateway"]}

    monkeypatch.setattr("radius_voice.operations.shared_stations", shared)
    warning = "warning: clients.gateway: more than 10 users have remembered logins from one Calling-Station-Id"
    assert warning not in run("check", "--config", write()).stderr
    remembering = write(CONFIGURATION + "policies: {default: {remember: 12h}}\n")
    assert warning in run("check", "--config", remembering).stderr


def test_without_a_service_no_calling_station_id_is_known(write):
    result = run("check", "--config", write(CONFIGURATION + "policies: {default: {remember: 12h}}\n"))
    assert (0, False) == (result.exit_code, "Calling-Station-Id" in result.stderr), result.output


def test_check_shows_the_timers_of_a_client_and_where_they_are_from(write):
    gateway = "gateway.secret}, profile: netscaler, gateway_timeout: 5s}"
    path = write(
        CONFIGURATION.replace("gateway.secret}}", gateway) + "policies: {default: {challenge: {ring_timeout: 20s}}}\n"
    )
    result = run("check", "--config", path)
    assert 0 == result.exit_code, result.output
    timers = result.stdout.partition("timers, and where their values are from:\n")[2]
    rows = [line.split(maxsplit=2) for line in timers.splitlines() if line.startswith("  ")]
    assert [
        ["clients.gateway.gateway_timeout", "5s", "written"],
        ["clients.gateway.gateway_requests", "3", "profile netscaler"],
        ["clients.gateway.gateway_input_timeout", "unknown"],
        ["clients.gateway.gateway_max_challenges", "unknown"],
        ["clients.gateway.response_timeout", "2.5s", "gateway_timeout"],
        ["server.reject_delay", "1s", "default"],
        ["server.duplicate_window", "10s", "default"],
        ["policies.default.challenge.ring_timeout", "20s", "written"],
        ["policies.default.challenge.code_lifetime", "2m", "default"],
        ["policies.default.challenge.session_timeout", "6m", "default"],
        ["delivery.providers.twilio.connect_timeout", "2s", "default"],
        ["delivery.providers.twilio.timeout", "3s", "written"],
    ] == rows


def test_check_names_the_profile_of_a_client_and_what_it_gives(write):
    profile = "gateway.secret}, profile: strongswan, calling_station_attribute: Tunnel-Client-Endpoint}"
    result = run("check", "--config", write(CONFIGURATION.replace("gateway.secret}}", profile)))
    assert "; two passes: password,code; profile strongswan (second_factor: two_pass); friendly" in result.stdout
