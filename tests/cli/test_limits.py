"""`limits` and `users unlock`: they use the running service, or report why they did nothing."""

import json
import os
import re
import signal
from pathlib import Path

import pytest
from click.testing import CliRunner

from radius_voice.cli.main import main
from radius_voice.radius import packet as radius
from tests.support.matching import search
from tests.support.network import free_port
from tests.support.redis_server import SharedRedis
from tests.support.server_process import BASE_CONFIGURATION, ServerProcess, write_configuration

CONFIGURATION = """\
server: {listen: ["udp://127.0.0.1:0"], reject_delay: 0s}
clients:
  gateway: {address: 127.0.0.1, secret: a shared secret of the tests}
limits:
  wrong_codes: {user: 1 per 24h}
"""
TWO_SOURCES = """\
server: {listen: ["udp://127.0.0.1:0"], reject_delay: 0s}
clients:
  gateway: {address: 127.0.0.1, secret: a shared secret of the tests, policy: one}
  other: {address: 127.0.0.2, secret: a shared secret of the tests, policy: two}
policies:
  one: {first_factor: people, directory: people}
  two: {first_factor: more, directory: more}
limits:
  wrong_codes: {user: 1 per 24h}
"""
COMMANDS = [("limits",), ("limits", "--user", "PERSON"), ("users", "unlock", "PERSON")]
KEY = "a server key of thirty-two octets"


@pytest.fixture
def user(make_user):
    return make_user()


@pytest.fixture
def server(simulator, tmp_path, user, request):
    server = ServerProcess(tmp_path, simulator, CONFIGURATION + getattr(request, "param", ""), [user])
    yield server
    assert 0 == server.stop()


@pytest.fixture
def write(tmp_path, simulator, user):
    """Writes the files of a service that does not run; the configuration's path."""

    def write(configuration=CONFIGURATION):
        return write_configuration(tmp_path, simulator, configuration, [user])

    return write


def run(*arguments, env=None):
    return CliRunner().invoke(main, [str(argument) for argument in arguments], env=env)


def of(command, user):
    """A command of COMMANDS about that user."""
    return [word.replace("PERSON", user.name) for word in command]


def row(output, name):
    """Used and left of a limit."""
    line = next(line for line in output.splitlines() if line.startswith(name))
    return [int(word) for word in line.split() if word.isdigit()][:2]


def lock(server, user):
    """Use up the one wrong code that CONFIGURATION allows."""
    gateway = server.client()
    challenge = gateway.respond(user, gateway.start_login(user), "wrong")
    assert radius.ACCESS_REJECT == gateway.respond(user, challenge, server.simulator.code(user.phone)).code
    assert "locked" == server.reasons(user)[-1]


@pytest.mark.parametrize("server", ["", "store: {type: memory}\n"], indirect=True)
def test_the_running_service_shows_and_resets_the_limits_of_a_user(server, user):
    lock(server, user)
    shown = run("limits", "--config", server.path, "--user", user.name)
    assert 0 == shown.exit_code, shown.output
    assert [1, 0] == row(shown.output, "wrong_codes.user")
    assert [1, 4] == row(shown.output, "calls.user")
    assert [1, 4] == row(shown.output, "calls.phone")
    assert user.phone not in shown.output
    assert shown.output.splitlines()[1].endswith("10 per 10m"), "as the configuration writes it"
    assert [1, 39] == row(run("limits", "--config", server.path).output, "calls.total")
    as_json = json.loads(run("limits", "--config", server.path, "--user", user.name, "--json").output)
    (calls,) = [each for each in as_json if each["limit"] == "calls.user"]
    assert {"limit": "calls.user", "of": calls["of"], "left": 4, "burst": 5, "period": 600.0} == calls
    assert user.phone not in json.dumps(as_json)

    unlocked = run("users", "unlock", "--config", server.path, user.name)
    assert (0, f"{user.name} is unlocked (identity source people)\n") == (unlocked.exit_code, unlocked.output)
    assert radius.ACCESS_CHALLENGE == server.client().start_login(user).code
    assert [0, 1] == row(run("limits", "--config", server.path, "--user", user.name).output, "wrong_codes.user")


def test_the_columns_of_limits_are_as_wide_as_their_longest_text(write, monkeypatch):
    async def limits(_settings, _user):
        texts = [
            ("calls.user", "corp:56299980-7e0b-1041-819b-5f9b86228bc4"),
            ("wrong_passwords.user_at_station", "name"),
        ]
        return {"limits": [{"limit": name, "of": of, "left": 4, "burst": 5, "period": 60} for name, of in texts]}

    monkeypatch.setattr("radius_voice.operations.limits", limits)
    header, *lines = run("limits", "--config", write()).output.splitlines()
    assert ["4  5 per 1m"] * 2 == [line[header.index("left") + 3 :] for line in lines]


def test_an_unlock_is_in_the_audit_log_and_in_the_log_with_its_operator(server, user):
    assert 0 == run("users", "unlock", "--config", server.path, user.name).exit_code
    (record,) = server.audit(kind="operator")
    expected = {"event": "unlocked", "user": user.name, "identity_source": "people", "uid": os.getuid()}
    assert expected == {key: value for key, value in record.items() if key not in ("at", "kind")}
    server.wait_for_line(f"unlocked identity_source=people uid={os.getuid()} user={user.name}", server.stderr)


def test_a_name_that_no_user_has_is_reported_and_not_recorded(server):
    for command in (("limits", "--user", "unknown"), ("users", "unlock", "unknown")):
        result = run(*command, "--config", server.path)
        assert (1, True) == (result.exit_code, "no identity source has a user of that name" in result.output)
    assert [] == server.audit(kind="operator")


def test_the_service_of_another_state_directory_is_found_by_option_and_no_other_store_is_touched(
    simulator, tmp_path, user
):
    """As under systemd, which sets $STATE_DIRECTORY for the service and not for a shell."""
    service = tmp_path / "var"
    env = {**os.environ, "STATE_DIRECTORY": str(service)}
    fixed = CONFIGURATION.replace("127.0.0.1:0", f"127.0.0.1:{free_port()}")
    server = ServerProcess(tmp_path, simulator, fixed, [user], env=env)
    lock(server, user)
    for command in COMMANDS:
        result = run(*of(command, user), "--config", server.path)
        assert (1, True) == (result.exit_code, "add --state /var/lib/radius-voice" in result.output), result.output
        assert f"no radius-voice service listens at {tmp_path / 'state' / 'control.sock'}" in result.output
    assert not (tmp_path / "state").exists()
    assert 0 == run("users", "unlock", "--config", server.path, "--state", service, user.name).exit_code
    assert radius.ACCESS_CHALLENGE == server.client().start_login(user).code
    assert 0 == server.stop()


def test_a_store_in_the_wrong_directory_is_not_used_for_that_of_the_running_service(simulator, tmp_path, user):
    with ServerProcess(tmp_path, simulator, CONFIGURATION, [user]):
        pass  # leaves a store in `state`, the directory that a shell finds
    env = {**os.environ, "STATE_DIRECTORY": str(tmp_path / "var")}
    fixed = CONFIGURATION.replace("127.0.0.1:0", f"127.0.0.1:{free_port()}")
    server = ServerProcess(tmp_path, simulator, fixed, [user], env=env)
    for command in COMMANDS:
        result = run(*of(command, user), "--config", server.path)
        assert (1, True) == (
            result.exit_code,
            f"another process listens on 127.0.0.1:{server.ports[0]}" in result.output,
        )
    assert 0 == server.stop()


@pytest.mark.parametrize("secret", ["{env: NOT_IN_THE_SHELL}", "{credential: not-in-the-shell}", "{file: hidden}"])
def test_secrets_that_only_the_service_can_read_are_not_needed(server, user, secret, monkeypatch):
    lock(server, user)
    (server.directory / "hidden").write_text("a shared secret of the tests")
    (server.directory / "hidden").chmod(0o600)
    refuse_to_open(monkeypatch, server.directory / "hidden")
    monkeypatch.delenv("NOT_IN_THE_SHELL", raising=False)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    configuration = CONFIGURATION.replace("secret: a shared secret of the tests", f"secret: {secret}")
    server.path.write_text(server.path.read_text().replace(CONFIGURATION, configuration))
    for command in COMMANDS:
        result = run(*of(command, user), "--config", server.path)
        assert 0 == result.exit_code, result.output
    assert radius.ACCESS_CHALLENGE == server.client().start_login(user).code


def refuse_to_open(monkeypatch, path):
    """Simulates a user without read access to that file; root can read any file."""
    original = Path.open

    def open_store(self, *arguments, **more):
        if self == path:
            raise PermissionError(13, "Permission denied", str(self))
        return original(self, *arguments, **more)

    monkeypatch.setattr(Path, "open", open_store)


def test_where_several_identity_sources_have_the_name_the_operator_says_which(simulator, tmp_path, user, monkeypatch):
    more = BASE_CONFIGURATION.replace("identity:\n", "identity:\n  more: {type: users_file, path: users.yaml}\n")
    monkeypatch.setattr("tests.support.server_process.BASE_CONFIGURATION", more)
    server = ServerProcess(tmp_path, simulator, TWO_SOURCES, [user])
    for address in ("127.0.0.1", "127.0.0.2"):
        gateway = server.client(address)
        gateway.respond(user, gateway.start_login(user), "wrong")

    def wrong_codes(source):
        shown = run("limits", "--config", server.path, "--user", user.name, "--source", source).output
        return search(r"^wrong_codes\.user +\w+:\S+ +(\d) ", shown, re.MULTILINE)[1]

    ambiguous = run("users", "unlock", "--config", server.path, user.name)
    expected = "Error: several identity sources have a user of that name; add --source more or --source people\n"
    assert (1, expected) == (ambiguous.exit_code, ambiguous.stderr)
    assert ["1", "1"] == [wrong_codes("more"), wrong_codes("people")]
    unlocked = run("users", "unlock", "--config", server.path, user.name, "--source", "more")
    assert f"{user.name} is unlocked (identity source more)\n" == unlocked.output
    assert ["0", "1"] == [wrong_codes("more"), wrong_codes("people")]
    assert ["more"] == [record["identity_source"] for record in server.audit(kind="operator")]
    assert 0 == server.stop()


def test_an_unknown_identity_source_is_named(write, user, server):
    result = run("users", "unlock", "--config", server.path, user.name, "--source", "nowhere")
    expected = "Error: no identity source has the name 'nowhere'; the configuration has people\n"
    assert (1, expected) == (result.exit_code, result.stderr)


def test_a_source_without_a_user_is_a_usage_error(write):
    result = run("limits", "--config", write(), "--source", "people")
    assert (2, True) == (result.exit_code, "--source needs --user" in result.stderr)


@pytest.mark.parametrize("command", COMMANDS)
def test_without_a_service_nothing_is_created_and_the_command_says_why(write, user, tmp_path, command):
    path = write()
    before = sorted(tmp_path.rglob("*"))
    result = run(*of(command, user), "--config", path)
    assert 1 == result.exit_code
    assert "no radius-voice service listens at" in result.output
    assert "--state /var/lib/radius-voice" in result.output
    assert before == sorted(tmp_path.rglob("*"))


@pytest.mark.parametrize("killed", [False, True])
def test_limits_of_a_stopped_service_are_read_and_no_file_changes(simulator, tmp_path, user, killed):
    server = ServerProcess(tmp_path, simulator, CONFIGURATION, [user])
    lock(server, user)
    if killed:
        server.kill()
    else:
        assert 0 == server.stop()
    before = listing(tmp_path)
    assert killed == (tmp_path / "state" / "state.db-wal" in before)
    shown = run("limits", "--config", server.path, "--user", user.name)
    assert [1, 0] == row(shown.output, "wrong_codes.user"), shown.output
    refused = run("users", "unlock", "--config", server.path, user.name)
    assert (1, True) == (refused.exit_code, "only the service changes a store of type sqlite" in refused.output)
    assert before == listing(tmp_path)


def listing(folder):
    """Every file and directory below `folder`, with owner, mode and size."""
    found = {path: path.lstat() for path in folder.rglob("*")}
    return {path: (status.st_uid, status.st_mode, status.st_size) for path, status in found.items()}


def test_limits_of_a_memory_store_need_the_running_service(write):
    result = run("limits", "--config", write(CONFIGURATION + "store: {type: memory}\n"))
    assert (1, True) == (
        result.exit_code,
        "the data of a store of type memory is lost when its service ends" in result.output,
    )


@pytest.fixture
def redis():
    return SharedRedis.emptied()


def in_redis(port, key=KEY):
    return (
        CONFIGURATION.replace("reject_delay", f"key: {key}, reject_delay")
        + f"store: {{type: redis, servers: ['127.0.0.1:{port}']}}\n"
    )


def test_a_store_in_redis_is_used_without_a_service_and_the_unlock_is_audited(simulator, tmp_path, user, redis):
    server = ServerProcess(tmp_path, simulator, in_redis(redis.port), [user])
    lock(server, user)
    assert 0 == server.stop()
    before = set(tmp_path.rglob("*"))
    unlocked = run("users", "unlock", "--config", server.path, user.name)
    assert (0, f"{user.name} is unlocked (identity source people)\n") == (unlocked.exit_code, unlocked.output)
    assert [0, 1] == row(run("limits", "--config", server.path, "--user", user.name).output, "wrong_codes.user")
    assert [user.name] == [record["user"] for record in server.audit(kind="operator")]
    assert before == set(tmp_path.rglob("*"))


def test_an_unlock_that_cannot_be_recorded_is_reported_and_creates_no_audit_log(write, user, redis, tmp_path):
    unlocked = run("users", "unlock", "--config", write(in_redis(redis.port)), user.name)
    assert 0 == unlocked.exit_code
    assert f"warning: not recorded in the audit log: audit.path: {tmp_path / 'audit.jsonl'}: " in unlocked.stderr
    assert not (tmp_path / "audit.jsonl").exists()


def test_a_missing_secret_of_the_store_is_reported_with_its_key(write, user, redis, monkeypatch):
    monkeypatch.delenv("NOT_IN_THE_SHELL", raising=False)
    path = write(in_redis(redis.port, "{env: NOT_IN_THE_SHELL}"))
    for command in COMMANDS:
        result = run(*of(command, user), "--config", path)
        assert 1 == result.exit_code
        assert "Error: server.key: the environment variable NOT_IN_THE_SHELL is not set" in result.output


def test_an_unavailable_store_is_reported(write, user):
    path = write(in_redis(free_port()))
    for command in COMMANDS:
        result = run(*of(command, user), "--config", path)
        assert (1, True) == (result.exit_code, result.output.startswith("Error: store: Redis is unavailable"))


def test_a_service_that_does_not_respond_is_reported(server, user, monkeypatch):
    monkeypatch.setattr("radius_voice.control.ASK_SECONDS", 0.2)
    server.send_signal(signal.SIGSTOP)
    result = run("users", "unlock", "--config", server.path, user.name)
    server.send_signal(signal.SIGCONT)
    assert (1, True) == (result.exit_code, "the service did not respond within 0.2 s" in result.output)
