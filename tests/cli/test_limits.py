"""`limits` and `users unlock`: they ask the running service, or say why nothing was done."""

import os
import re
import signal
from pathlib import Path

import pytest
from click.testing import CliRunner

from radius_voice.cli.main import main
from radius_voice.radius import packet as radius
from tests.server.house import FOUNDATION, House, furnish
from tests.stores.redis_server import Shared, free_port

CONFIGURATION = """\
server: {listen: ["udp://127.0.0.1:0"], reject_delay: 0s}
clients:
  gateway: {address: 127.0.0.1, secret: a shared secret of the tests}
limits:
  wrong_codes: {person: 1 per 24h}
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
  wrong_codes: {person: 1 per 24h}
"""
COMMANDS = [("limits",), ("limits", "--user", "PERSON"), ("users", "unlock", "PERSON")]
KEY = "a server key of thirty-two octets"


@pytest.fixture
def person(make_person):
    return make_person()


@pytest.fixture
def house(phones, tmp_path, person, request):
    house = House(tmp_path, phones, CONFIGURATION + getattr(request, "param", ""), [person])
    yield house
    assert 0 == house.stop()


@pytest.fixture
def write(tmp_path, phones, person):
    """Writes the files of a service that does not run; the configuration's path."""

    def write(configuration=CONFIGURATION):
        return furnish(tmp_path, phones, configuration, [person])

    return write


def run(*arguments, env=None):
    return CliRunner().invoke(main, [str(argument) for argument in arguments], env=env)


def of(command, person):
    """A command of COMMANDS about that user."""
    return [word.replace("PERSON", person.name) for word in command]


def row(output, name):
    """Used and left of a limit."""
    line = next(line for line in output.splitlines() if line.startswith(name))
    return [int(word) for word in line.split() if word.isdigit()][:2]


def lock(house, person):
    """Use up the one wrong code that CONFIGURATION allows."""
    gateway = house.gateway()
    challenge = gateway.answer(person, gateway.begin(person), "wrong")
    assert radius.ACCESS_REJECT == gateway.answer(person, challenge, house.phones.code(person.phone)).code
    assert "locked" == house.reasons(person)[-1]


@pytest.mark.parametrize("house", ["", "store: {type: memory}\n"], indirect=True)
def test_what_a_user_used_is_shown_and_given_back_by_the_running_service(house, person):
    lock(house, person)
    shown = run("limits", "--config", house.path, "--user", person.name)
    assert 0 == shown.exit_code, shown.output
    assert [1, 0] == row(shown.output, "wrong_codes.person")
    assert [1, 4] == row(shown.output, "calls.person")
    assert [1, 4] == row(shown.output, "calls.phone")
    assert person.phone not in shown.output
    assert shown.output.splitlines()[1].endswith("10 per 10m"), "as the configuration writes it"
    assert [1, 39] == row(run("limits", "--config", house.path).output, "calls.all")

    unlocked = run("users", "unlock", "--config", house.path, person.name)
    assert (0, f"{person.name} is unlocked\n") == (unlocked.exit_code, unlocked.output)
    assert radius.ACCESS_CHALLENGE == house.gateway().begin(person).code
    assert [0, 1] == row(run("limits", "--config", house.path, "--user", person.name).output, "wrong_codes.person")


def test_an_unlock_is_in_the_audit_log_and_in_the_log_with_the_user_who_asked(house, person):
    assert 0 == run("users", "unlock", "--config", house.path, person.name).exit_code
    (record,) = house.audit(kind="operator")
    expected = {"what": "unlocked", "user": person.name, "sources": ["people"], "uid": os.getuid()}
    assert expected == {key: value for key, value in record.items() if key not in ("at", "kind")}
    house.line(f"unlocked sources=people uid={os.getuid()} user={person.name}", house.stderr)


def test_a_name_that_no_user_has_is_reported_and_not_recorded(house):
    for command in (("limits", "--user", "unknown"), ("users", "unlock", "unknown")):
        result = run(*command, "--config", house.path)
        assert (1, True) == (result.exit_code, "no identity source has a user of that name" in result.output)
    assert [] == house.audit(kind="operator")


def test_the_service_of_another_state_directory_is_found_by_option_and_no_other_store_is_touched(
    phones, tmp_path, person
):
    """As under systemd, which sets $STATE_DIRECTORY for the service and not for a shell."""
    service = tmp_path / "var"
    env = {**os.environ, "STATE_DIRECTORY": str(service)}
    fixed = CONFIGURATION.replace("127.0.0.1:0", f"127.0.0.1:{free_port()}")
    house = House(tmp_path, phones, fixed, [person], env=env)
    lock(house, person)
    for command in COMMANDS:
        result = run(*of(command, person), "--config", house.path)
        assert (1, True) == (result.exit_code, "add it: --state /var/lib/radius-voice" in result.output), result.output
        assert f"no radius-voice service listens at {tmp_path / 'state' / 'control.sock'}" in result.output
    assert not (tmp_path / "state").exists()
    assert 0 == run("users", "unlock", "--config", house.path, "--state", service, person.name).exit_code
    assert radius.ACCESS_CHALLENGE == house.gateway().begin(person).code
    assert 0 == house.stop()


def test_a_store_left_in_the_wrong_directory_is_not_taken_for_that_of_the_running_service(phones, tmp_path, person):
    with House(tmp_path, phones, CONFIGURATION, [person]):
        pass  # leaves a store in `state`, the directory that a shell finds
    env = {**os.environ, "STATE_DIRECTORY": str(tmp_path / "var")}
    fixed = CONFIGURATION.replace("127.0.0.1:0", f"127.0.0.1:{free_port()}")
    house = House(tmp_path, phones, fixed, [person], env=env)
    for command in COMMANDS:
        result = run(*of(command, person), "--config", house.path)
        assert (1, True) == (
            result.exit_code,
            f"another process listens on 127.0.0.1:{house.ports[0]}" in result.output,
        )
    assert 0 == house.stop()


@pytest.mark.parametrize("secret", ["{env: NOT_IN_THE_SHELL}", "{credential: not-in-the-shell}", "{file: hidden}"])
def test_secrets_that_only_the_service_can_read_are_not_needed(house, person, secret, monkeypatch):
    lock(house, person)
    (house.folder / "hidden").write_text("a shared secret of the tests")
    (house.folder / "hidden").chmod(0o600)
    refuse_to_open(monkeypatch, house.folder / "hidden")
    monkeypatch.delenv("NOT_IN_THE_SHELL", raising=False)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    configuration = CONFIGURATION.replace("secret: a shared secret of the tests", f"secret: {secret}")
    house.path.write_text(house.path.read_text().replace(CONFIGURATION, configuration))
    for command in COMMANDS:
        result = run(*of(command, person), "--config", house.path)
        assert 0 == result.exit_code, result.output
    assert radius.ACCESS_CHALLENGE == house.gateway().begin(person).code


def refuse_to_open(monkeypatch, path):
    """As for a user who may not read that file; root may read any."""
    original = Path.open

    def opened(self, *arguments, **more):
        if self == path:
            raise PermissionError(13, "Permission denied", str(self))
        return original(self, *arguments, **more)

    monkeypatch.setattr(Path, "open", opened)


def test_every_identity_source_that_has_the_name_is_unlocked(phones, tmp_path, person, monkeypatch):
    more = FOUNDATION.replace("identity:\n", "identity:\n  more: {type: users_file, path: users.yaml}\n")
    monkeypatch.setattr("tests.server.house.FOUNDATION", more)
    house = House(tmp_path, phones, TWO_SOURCES, [person])
    for source in ("127.0.0.1", "127.0.0.2"):
        gateway = house.gateway(source)
        gateway.answer(person, gateway.begin(person), "wrong")
    shown = run("limits", "--config", house.path, "--user", person.name).output
    assert 2 == len(re.findall(r"^wrong_codes\.person +\w+:\S+ +1 +0 ", shown, re.MULTILINE)), shown
    unlocked = run("users", "unlock", "--config", house.path, person.name)
    assert f"{person.name} is unlocked in the identity sources more, people\n" == unlocked.output
    shown = run("limits", "--config", house.path, "--user", person.name).output
    assert 2 == len(re.findall(r"^wrong_codes\.person +\w+:\S+ +0 +1 ", shown, re.MULTILINE)), shown
    assert [["more", "people"]] == [record["sources"] for record in house.audit(kind="operator")]
    assert 0 == house.stop()


@pytest.mark.parametrize("command", COMMANDS)
def test_without_a_service_nothing_is_created_and_the_command_says_why(write, person, tmp_path, command):
    path = write()
    before = sorted(tmp_path.rglob("*"))
    result = run(*of(command, person), "--config", path)
    assert 1 == result.exit_code
    assert "no radius-voice service listens at" in result.output
    assert "--state /var/lib/radius-voice" in result.output
    assert before == sorted(tmp_path.rglob("*"))


@pytest.mark.parametrize("killed", [False, True])
def test_limits_of_a_service_that_has_ended_are_read_and_no_file_changes(phones, tmp_path, person, killed):
    house = House(tmp_path, phones, CONFIGURATION, [person])
    lock(house, person)
    if killed:
        house.kill()
    else:
        assert 0 == house.stop()
    before = listing(tmp_path)
    assert killed == (tmp_path / "state" / "state.db-wal" in before)
    shown = run("limits", "--config", house.path, "--user", person.name)
    assert [1, 0] == row(shown.output, "wrong_codes.person"), shown.output
    refused = run("users", "unlock", "--config", house.path, person.name)
    assert (1, True) == (refused.exit_code, "only the service changes a store of type sqlite" in refused.output)
    assert before == listing(tmp_path)


def listing(folder):
    """Every file and directory below `folder`, with owner, mode and size."""
    found = {path: path.lstat() for path in folder.rglob("*")}
    return {path: (status.st_uid, status.st_mode, status.st_size) for path, status in found.items()}


def test_limits_of_a_store_in_memory_need_its_service(write):
    result = run("limits", "--config", write(CONFIGURATION + "store: {type: memory}\n"))
    assert (1, True) == (result.exit_code, "a store of type memory ends with its service" in result.output)


@pytest.fixture
def redis():
    return Shared.emptied()


def in_redis(port, key=KEY):
    return (
        CONFIGURATION.replace("reject_delay", f"key: {key}, reject_delay")
        + f"store: {{type: redis, servers: ['127.0.0.1:{port}']}}\n"
    )


def test_a_store_in_redis_is_used_without_a_service_and_the_unlock_joins_the_audit_log(phones, tmp_path, person, redis):
    house = House(tmp_path, phones, in_redis(redis.port), [person])
    lock(house, person)
    assert 0 == house.stop()
    before = set(tmp_path.rglob("*"))
    unlocked = run("users", "unlock", "--config", house.path, person.name)
    assert (0, f"{person.name} is unlocked\n") == (unlocked.exit_code, unlocked.output)
    assert [0, 1] == row(run("limits", "--config", house.path, "--user", person.name).output, "wrong_codes.person")
    assert [person.name] == [record["user"] for record in house.audit(kind="operator")]
    assert before == set(tmp_path.rglob("*"))


def test_an_unlock_that_cannot_be_recorded_says_so_and_creates_no_audit_log(write, person, redis, tmp_path):
    unlocked = run("users", "unlock", "--config", write(in_redis(redis.port)), person.name)
    assert 0 == unlocked.exit_code
    assert f"warning: not recorded in the audit log: audit.path: {tmp_path / 'audit.jsonl'}: " in unlocked.stderr
    assert not (tmp_path / "audit.jsonl").exists()


def test_a_secret_that_the_store_needs_is_named_with_its_key(write, person, redis, monkeypatch):
    monkeypatch.delenv("NOT_IN_THE_SHELL", raising=False)
    path = write(in_redis(redis.port, "{env: NOT_IN_THE_SHELL}"))
    for command in COMMANDS:
        result = run(*of(command, person), "--config", path)
        assert 1 == result.exit_code
        assert "Error: server.key: the environment variable NOT_IN_THE_SHELL is not set" in result.output


def test_a_store_that_is_out_of_reach_is_reported(write, person):
    path = write(in_redis(free_port()))
    for command in COMMANDS:
        result = run(*of(command, person), "--config", path)
        assert (1, True) == (result.exit_code, result.output.startswith("Error: store: Redis is out of reach"))


def test_a_service_that_does_not_respond_is_reported(house, person, monkeypatch):
    monkeypatch.setattr("radius_voice.control.ASK_SECONDS", 0.2)
    house.send_signal(signal.SIGSTOP)
    result = run("users", "unlock", "--config", house.path, person.name)
    house.send_signal(signal.SIGCONT)
    assert (1, True) == (result.exit_code, "the service did not respond within 0.2 s" in result.output)
