"""A users file that becomes unusable while the service runs: invalid, missing, a FIFO, or on a mount that is gone."""

import json
import os
import re
import signal
from pathlib import Path

import pytest

from radius_voice.identity.passwords import CHEAPEST, hash_password
from radius_voice.radius import packet as radius
from tests.server.house import Program, furnish, get
from tests.server.mount import Mount
from tests.server.test_workers import Workers
from tests.stores.redis_server import until

CONFIGURATION = """\
server: {listen: ["udp://127.0.0.1:0"], reject_delay: 0s}
clients:
  gateway: {address: 127.0.0.1, secret: a shared secret of the tests}
"""
COSTLY = "$argon2id$v=19$m=65536,t=20,p=1$" + hash_password("x", CHEAPEST).split("$", 4)[4]
STILL = "the users read before stay in force"


@pytest.fixture
def people(make_person):
    return [make_person() for _ in range(3)]


@pytest.fixture
def mount(tmp_path):
    mount = Mount(tmp_path / "source", tmp_path / "mount")
    yield mount
    mount.close()


def replaced(house, text):
    """Put another users file in place of the present one, as an editor does."""
    new = house.folder / "users.new"
    new.write_text(text)
    new.chmod(0o600)
    new.replace(house.folder / "users.yaml")


def readiness(house):
    status, text = get(f"{house.admin}/readyz")
    return status, json.loads(text)["warnings"]


def threads(house):
    return len(list(Path(f"/proc/{house.process.pid}/task").iterdir()))


def moved_to(folder, users, name="users.yaml"):
    """Keep the users file in another folder, behind a link."""
    (folder / name).write_text(users.read_text())
    (folder / name).chmod(0o600)
    users.unlink()
    users.symlink_to(folder / name)


def test_a_file_that_becomes_invalid_is_reported_everywhere_at_once_and_again_when_it_is_valid(start, people):
    anne, bob, carl = people
    with start(CONFIGURATION, [anne, bob]) as house:
        users = house.folder / "users.yaml"
        assert (200, []) == readiness(house)
        assert 0 == house.metric("radius_voice_users_file_invalid", identity="people")

        replaced(house, json.dumps({anne.name: anne.entry | {"disabeld": True}}))
        told = house.line("users_file_invalid", house.stderr)
        assert f"identity.people: {users}:1: {anne.name}.disabeld: no such setting" in told
        assert "warning" in told
        assert 1 == house.metric("radius_voice_users_file_invalid", identity="people")
        (record,) = house.audit(kind="lifecycle", what="users_file_invalid")
        assert record["detail"].endswith(f"\n{STILL}")
        assert (200, [f"identity.people: {users}: invalid, the log has the details; {STILL}"]) == readiness(house)
        assert radius.ACCESS_CHALLENGE == house.gateway().begin(anne).code, "the users read before stay in force"

        replaced(house, json.dumps({anne.name: anne.entry | {"disabled": True}, carl.name: carl.entry}))
        house.line("users_file_valid", house.stderr)
        assert 0 == house.metric("radius_voice_users_file_invalid", identity="people")
        assert [f"identity.people: {users} is in force"] == [
            each["detail"] for each in house.audit(what="users_file_valid")
        ]
        assert (200, []) == readiness(house)
        assert radius.ACCESS_CHALLENGE == house.gateway().begin(carl).code
        assert radius.ACCESS_REJECT == house.gateway().begin(anne).code
        assert "disabled" == house.reasons(anne)[-1]


def test_a_file_that_is_removed_or_cannot_be_read_is_reported(start, people):
    anne = people[0]
    with start(CONFIGURATION, people) as house:
        users = house.folder / "users.yaml"
        users.rename(house.folder / "away.yaml")
        assert "No such file or directory" in house.line("users_file_invalid", house.stderr)
        (house.folder / "away.yaml").rename(users)
        house.line("users_file_valid", house.stderr)
        users.chmod(0o604)
        assert "run: chmod o-rwx" in house.line("users_file_invalid", house.stderr, times=2)
        users.chmod(0o600)
        house.line("users_file_valid", house.stderr, times=2)
        assert radius.ACCESS_CHALLENGE == house.gateway().begin(anne).code


def test_a_fifo_in_place_of_the_file_is_reported_and_the_service_ends_by_sigterm(start, people):
    anne = people[0]
    with start(CONFIGURATION, people) as house:
        users = house.folder / "users.yaml"
        os.mkfifo(house.folder / "pipe", 0o600)
        (house.folder / "pipe").replace(users)
        assert f"{users}: a FIFO, not a regular file" in house.line("users_file_invalid", house.stderr)
        house.send_signal(signal.SIGHUP)
        assert f"{users}: a FIFO, not a regular file" in house.line("reload_failed", house.stderr)
        assert radius.ACCESS_CHALLENGE == house.gateway().begin(anne).code
        assert (200, [f"identity.people: {users}: a FIFO, not a regular file; {STILL}"]) == readiness(house)


def test_a_mount_that_does_not_answer_is_reported_and_the_service_ends_by_sigterm(start, people, mount):
    anne, bob, _ = people
    with start(CONFIGURATION, people) as house:
        users = house.folder / "users.yaml"
        moved_to(mount.path, users)
        house.send_signal(signal.SIGHUP)
        house.line("reloaded", house.stderr)
        mount.suspend()
        late = f"{users}: no answer within 5 s; is its network mount reachable?"
        assert late in house.line("users_file_invalid", house.stderr)
        assert 1 == house.metric("radius_voice_users_file_invalid", identity="people")
        assert 1 == len(house.audit(what="users_file_invalid"))
        assert radius.ACCESS_CHALLENGE == house.gateway().begin(anne).code
        before = threads(house)
        for number in range(1, 6):
            house.send_signal(signal.SIGHUP)
            assert late in house.line("reload_failed", house.stderr, times=number)
        until(lambda: threads(house) <= before, "threads do not pile up")

        mount.resume()
        house.line("users_file_valid", house.stderr)
        mount.suspend()
        house.line("users_file_invalid", house.stderr, times=2)
        assert radius.ACCESS_CHALLENGE == house.gateway().begin(bob).code
        assert 0 == house.stop()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_service_whose_configuration_does_not_answer_ends_by_sigterm(mount, tmp_path, people, workers):
    elsewhere = f"state: {tmp_path}/state, workers: {workers}, reject_delay"
    configuration = CONFIGURATION.replace("reject_delay", elsewhere) + f"audit: {{path: {tmp_path}/audit.jsonl}}\n"
    path = furnish(mount.path, "http://127.0.0.1:1", configuration, people)
    with Program("serve", "--config", path) as program:
        program.line("started", program.stderr, times=workers)
        mount.suspend()
        program.send_signal(signal.SIGHUP)
        late = f"{path}: cannot be read: no answer within 5 s; is its network mount reachable?"
        assert late in program.line("reload_failed", program.stderr, times=workers)
        program.send_signal(signal.SIGHUP)
        program.line("reload_failed", program.stderr, times=2 * workers)
        assert 0 == program.stop()


@pytest.fixture
def gone(mount, people):
    """A configuration, and its users file on a mount that does not answer."""
    path = furnish(mount.path.parent, "http://127.0.0.1:1", CONFIGURATION, people)
    moved_to(mount.path, path.parent / "users.yaml")
    moved_to(mount.path, path, "radius-voice.yaml")
    # Away from the mount again: a copy beside the link.
    text = path.read_text()
    path.unlink()
    path.write_text(text)
    mount.suspend()
    return path


@pytest.mark.parametrize("command", ["serve", "check"])
def test_nothing_starts_with_a_users_file_that_does_not_answer_and_it_is_named(gone, command):
    with Program(command, "--config", gone) as program:
        assert 1 == program.wait()
    late = f"{gone.parent}/users.yaml: no answer within 5 s; is its network mount reachable?\n"
    assert late in "".join(program.stderr)


def test_a_configuration_that_does_not_answer_is_an_error(gone, mount):
    path = mount.path / "radius-voice.yaml"
    with Program("serve", "--config", path) as program:
        assert 1 == program.wait()
    assert f"{path}: cannot be read: no answer within 5 s" in "".join(program.stderr)


def test_the_commands_for_users_give_up_a_file_that_does_not_answer(gone):
    users = gone.parent / "users.yaml"
    with Program("users", "disable", "--file", users, "anne") as program:
        assert 1 == program.wait()
    assert [f"Error: {users}: no answer within 5 s; is its network mount reachable?\n", ""] == program.stderr


def test_the_reports_of_all_workers_are_one_page_and_one_list(phones, tmp_path, people):
    workers = Workers(tmp_path, phones, CONFIGURATION.replace("reject_delay", "workers: 2, reject_delay"), people)
    with workers:
        users = workers.folder / "users.yaml"
        users.rename(workers.folder / "away.yaml")
        workers.line("users_file_invalid", workers.stderr, times=2)
        assert (200, [f"identity.people: {users}: No such file or directory; {STILL}"]) == readiness(workers)
        assert 1 == workers.metric("radius_voice_users_file_invalid", identity="people")
        (workers.folder / "away.yaml").rename(users)
        workers.line("users_file_valid", workers.stderr, times=2)
        assert 0 == workers.metric("radius_voice_users_file_invalid", identity="people")
        assert (200, []) == readiness(workers)


def test_a_hash_that_takes_longer_than_gateways_wait_is_a_warning_at_start_and_at_reload(start, people):
    hasty = CONFIGURATION.replace("tests}", "tests, answer_within: 0.2s}")
    with start(hasty, people) as house:
        users = house.folder / "users.yaml"
        replaced(house, json.dumps({"zoe": {"password": COSTLY}}))
        slow = house.line("takes longer than", house.stderr)
        assert f"identity.people: {users}: verifying one password with m=65536,t=20,p=1 takes longer than 0.1 s" in slow
        assert "1 user has such a hash (line 1)" in slow
        house.write(hasty.replace("0.2s", "0.3s"))
        replaced(house, json.dumps({"zoe": {"password": COSTLY}}))
        house.send_signal(signal.SIGHUP)
        assert "takes longer than 0.15 s" in house.line("takes longer than", house.stderr, times=2)
        until(
            lambda: 2 == len([each for each in house.audit(what="warning") if "takes longer" in each["detail"]]),
            "the audit log has both warnings",
        )


def test_a_secret_file_that_is_a_fifo_is_refused_at_once(tmp_path, people):
    os.mkfifo(tmp_path / "secret", 0o600)
    configuration = CONFIGURATION.replace("a shared secret of the tests", "{file: secret}")
    path = furnish(tmp_path, "http://127.0.0.1:1", configuration, people)
    with Program("check", "--config", path) as program:
        assert 1 == program.wait()
    assert "clients.gateway.secret: " in "".join(program.stderr)
    assert "secret cannot be read: a FIFO, not a regular file" in "".join(program.stderr)


@pytest.mark.parametrize("name", ["state/server.key", "ca.pem"])
def test_serve_waits_for_no_fifo_at_start(tmp_path, people, name):
    (tmp_path / "state").mkdir(mode=0o700)
    os.mkfifo(tmp_path / name, 0o600)
    syslog = 'audit: {syslog: {server: "127.0.0.1:1", ca_file: ca.pem}}\n' if name == "ca.pem" else ""
    path = furnish(tmp_path, "http://127.0.0.1:1", CONFIGURATION + syslog, people)
    with Program("serve", "--config", path) as program:
        assert 1 == program.wait()
    told = "".join(program.stderr)
    assert told.startswith("Error: ")
    assert re.search(r"server\.key: is not a regular file|audit\.syslog\.ca_file: is not a file", told)


def test_an_audit_log_that_is_a_fifo_without_a_reader_stops_no_login(start, people, tmp_path):
    fifo = tmp_path / "audit"
    os.mkfifo(fifo)
    with start(f'{CONFIGURATION}audit: {{path: "{fifo}"}}\n', []) as house:
        (house.folder / "audit.jsonl").touch()  # for what the house looks for at its end
        gateway = house.gateway()
        for _ in range(600):  # more records than a pipe holds
            gateway.send(gateway.request([(radius.USER_NAME, b"x" * 200)], "wrong", authenticator=os.urandom(16)))
            assert gateway.receive()
        assert house.metric("radius_voice_audit_failures_total")
