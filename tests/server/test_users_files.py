"""A users file that becomes unusable while the service runs: invalid, missing, a FIFO, or on a mount that hangs."""

import json
import os
import re
import signal
import stat
from pathlib import Path

import pytest

from radius_voice.identity.passwords import CHEAPEST, hash_password
from radius_voice.radius import packet as radius
from tests.support.network import http_get
from tests.support.polling import wait_until
from tests.support.program_process import ProgramProcess
from tests.support.server_process import WorkersProcess, write_configuration
from tests.support.suspendable_mount import SuspendableMount

CONFIGURATION = """\
server: {listen: ["udp://127.0.0.1:0"], reject_delay: 0s}
clients:
  gateway: {address: 127.0.0.1, secret: a shared secret of the tests}
"""
COSTLY = "$argon2id$v=19$m=65536,t=20,p=1$" + hash_password("x", CHEAPEST).split("$", 4)[4]
STILL = "the users loaded before stay in effect"


@pytest.fixture
def users(make_user):
    return [make_user() for _ in range(3)]


@pytest.fixture
def mount(tmp_path):
    mount = SuspendableMount(tmp_path / "source", tmp_path / "mount")
    yield mount
    mount.close()


def replaced(server, text):
    """Put another users file in place of the present one, as an editor does."""
    new = server.directory / "users.new"
    new.write_text(text)
    new.chmod(0o600)
    new.replace(server.directory / "users.yaml")


def readiness(server):
    status, text = http_get(f"{server.admin}/readyz")
    return status, json.loads(text)["warnings"]


def threads(server):
    return len(list(Path(f"/proc/{server.process.pid}/task").iterdir()))


def moved_to(folder, users_file, name="users.yaml"):
    """Keep the users file in another folder, behind a link."""
    (folder / name).write_text(users_file.read_text())
    (folder / name).chmod(0o600)
    users_file.unlink()
    users_file.symlink_to(folder / name)


def test_a_file_that_becomes_invalid_is_reported_everywhere_at_once_and_again_when_valid(start_server, users):
    alice, bob, carol = users
    with start_server(CONFIGURATION, [alice, bob]) as server:
        users_file = server.directory / "users.yaml"
        assert (200, []) == readiness(server)
        assert 0 == server.metric("radius_voice_users_file_invalid", identity="people")

        replaced(server, json.dumps({alice.name: alice.entry | {"disabeld": True}}))
        line = server.wait_for_line("users_file_invalid", server.stderr)
        assert f"identity.people: {users_file}:1: {alice.name}.disabeld: unknown key" in line
        assert "warning" in line
        assert 1 == server.metric("radius_voice_users_file_invalid", identity="people")
        (record,) = server.audit(kind="service", event="users_file_invalid")
        assert record["detail"].endswith(f"\n{STILL}")
        assert (200, [f"identity.people: {users_file}: invalid, the log has the details; {STILL}"]) == readiness(server)
        assert radius.ACCESS_CHALLENGE == server.client().start_login(alice).code, (
            "the users loaded before stay in effect"
        )

        replaced(server, json.dumps({alice.name: alice.entry | {"disabled": True}, carol.name: carol.entry}))
        server.wait_for_line("users_file_valid", server.stderr)
        assert 0 == server.metric("radius_voice_users_file_invalid", identity="people")
        assert [f"identity.people: {users_file} is in effect"] == [
            each["detail"] for each in server.audit(event="users_file_valid")
        ]
        assert (200, []) == readiness(server)
        assert radius.ACCESS_CHALLENGE == server.client().start_login(carol).code
        assert radius.ACCESS_REJECT == server.client().start_login(alice).code
        assert "disabled" == server.reasons(alice)[-1]


def test_a_file_that_is_removed_or_cannot_be_read_is_reported(start_server, users):
    alice = users[0]
    with start_server(CONFIGURATION, users) as server:
        users_file = server.directory / "users.yaml"
        users_file.rename(server.directory / "away.yaml")
        assert "No such file or directory" in server.wait_for_line("users_file_invalid", server.stderr)
        (server.directory / "away.yaml").rename(users_file)
        server.wait_for_line("users_file_valid", server.stderr)
        users_file.chmod(0o604)
        assert "run: chmod o-rwx" in server.wait_for_line("users_file_invalid", server.stderr, times=2)
        users_file.chmod(0o600)
        server.wait_for_line("users_file_valid", server.stderr, times=2)
        assert radius.ACCESS_CHALLENGE == server.client().start_login(alice).code


def test_a_fifo_in_place_of_the_file_is_reported_and_the_service_ends_by_sigterm(start_server, users):
    alice = users[0]
    with start_server(CONFIGURATION, users) as server:
        users_file = server.directory / "users.yaml"
        os.mkfifo(server.directory / "pipe", 0o600)
        (server.directory / "pipe").replace(users_file)
        assert f"{users_file}: a FIFO, not a regular file" in server.wait_for_line("users_file_invalid", server.stderr)
        server.send_signal(signal.SIGHUP)
        assert f"{users_file}: a FIFO, not a regular file" in server.wait_for_line("reload_failed", server.stderr)
        assert radius.ACCESS_CHALLENGE == server.client().start_login(alice).code
        assert (200, [f"identity.people: {users_file}: a FIFO, not a regular file; {STILL}"]) == readiness(server)


def test_a_mount_that_hangs_is_reported_and_the_service_ends_by_sigterm(start_server, users, mount):
    alice, bob, _ = users
    with start_server(CONFIGURATION, users) as server:
        users_file = server.directory / "users.yaml"
        moved_to(mount.path, users_file)
        server.send_signal(signal.SIGHUP)
        server.wait_for_line("reloaded", server.stderr)
        mount.suspend()
        late = f"{users_file}: no answer within 5 s; is its network mount reachable?"
        assert late in server.wait_for_line("users_file_invalid", server.stderr)
        assert 1 == server.metric("radius_voice_users_file_invalid", identity="people")
        assert 1 == len(server.audit(event="users_file_invalid"))
        assert radius.ACCESS_CHALLENGE == server.client().start_login(alice).code
        before = threads(server)
        for number in range(1, 6):
            server.send_signal(signal.SIGHUP)
            assert late in server.wait_for_line("reload_failed", server.stderr, times=number)
        wait_until(lambda: threads(server) <= before, "threads do not pile up")

        mount.resume()
        server.wait_for_line("users_file_valid", server.stderr)
        mount.suspend()
        server.wait_for_line("users_file_invalid", server.stderr, times=2)
        assert radius.ACCESS_CHALLENGE == server.client().start_login(bob).code
        assert 0 == server.stop()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_service_whose_configuration_hangs_ends_by_sigterm(mount, tmp_path, users, workers):
    elsewhere = f"state: {tmp_path}/state, workers: {workers}, reject_delay"
    configuration = CONFIGURATION.replace("reject_delay", elsewhere) + f"audit: {{path: {tmp_path}/audit.jsonl}}\n"
    path = write_configuration(mount.path, "http://127.0.0.1:1", configuration, users)
    with ProgramProcess("serve", "--config", path) as program:
        program.wait_for_line("started", program.stderr, times=workers)
        mount.suspend()
        program.send_signal(signal.SIGHUP)
        late = f"{path}: cannot be read: no answer within 5 s; is its network mount reachable?"
        assert late in program.wait_for_line("reload_failed", program.stderr, times=workers)
        program.send_signal(signal.SIGHUP)
        program.wait_for_line("reload_failed", program.stderr, times=2 * workers)
        assert 0 == program.stop()


@pytest.fixture
def gone(mount, users):
    """A configuration, and its users file on a mount that hangs."""
    path = write_configuration(mount.path.parent, "http://127.0.0.1:1", CONFIGURATION, users)
    moved_to(mount.path, path.parent / "users.yaml")
    moved_to(mount.path, path, "radius-voice.yaml")
    # Away from the mount again: a copy beside the link.
    text = path.read_text()
    path.unlink()
    path.write_text(text)
    mount.suspend()
    return path


@pytest.mark.parametrize("command", ["serve", "check"])
def test_no_command_starts_with_a_users_file_that_hangs_and_the_file_is_named(gone, command):
    with ProgramProcess(command, "--config", gone) as program:
        assert 1 == program.wait()
    late = f"{gone.parent}/users.yaml: no answer within 5 s; is its network mount reachable?\n"
    assert late in "".join(program.stderr)


def test_a_configuration_on_a_file_system_that_hangs_is_an_error(gone, mount):
    path = mount.path / "radius-voice.yaml"
    with ProgramProcess("serve", "--config", path) as program:
        assert 1 == program.wait()
    assert f"{path}: cannot be read: no answer within 5 s" in "".join(program.stderr)


def test_commands_for_users_time_out_on_a_file_that_hangs(gone):
    users_file = gone.parent / "users.yaml"
    with ProgramProcess("users", "disable", "--file", users_file, "anne") as program:
        assert 1 == program.wait()
    assert [f"Error: {users_file}: no answer within 5 s; is its network mount reachable?\n", ""] == program.stderr


def test_the_pages_of_all_workers_are_merged(simulator, tmp_path, users):
    workers = WorkersProcess(
        tmp_path, simulator, CONFIGURATION.replace("reject_delay", "workers: 2, reject_delay"), users
    )
    with workers:
        users_file = workers.directory / "users.yaml"
        users_file.rename(workers.directory / "away.yaml")
        workers.wait_for_line("users_file_invalid", workers.stderr, times=2)
        assert (200, [f"identity.people: {users_file}: No such file or directory; {STILL}"]) == readiness(workers)
        assert 1 == workers.metric("radius_voice_users_file_invalid", identity="people")
        (workers.directory / "away.yaml").rename(users_file)
        workers.wait_for_line("users_file_valid", workers.stderr, times=2)
        assert 0 == workers.metric("radius_voice_users_file_invalid", identity="people")
        assert (200, []) == readiness(workers)


def test_a_worker_that_is_replaced_while_the_file_is_invalid_has_the_users_of_the_others(simulator, tmp_path, users):
    alice, bob, carol = users
    two = CONFIGURATION.replace("reject_delay", "workers: 2, reject_delay")
    with WorkersProcess(tmp_path, simulator, two, users) as workers:
        disabled = json.dumps({alice.name: alice.entry | {"disabled": True}, bob.name: bob.entry})
        replaced(workers, disabled)
        workers.wait_for_line("users_file_read", workers.stderr, times=2)
        replaced(workers, "alice: 1\n")
        workers.wait_for_line("users_file_invalid", workers.stderr, times=2)
        for pid in workers.children()[1:]:
            os.kill(pid, signal.SIGKILL)
        for number in range(2):
            workers.wait_for_line(f"worker {number}: RADIUS", workers.stderr, times=2)
        workers.wait_for_line("users_file_invalid", workers.stderr, times=4)
        for _ in range(8):  # from different ports, to either worker
            assert radius.ACCESS_REJECT == workers.client().start_login(alice).code
            assert radius.ACCESS_REJECT == workers.client().start_login(carol).code
            assert radius.ACCESS_CHALLENGE == workers.client().start_login(bob).code
        assert 1 == workers.metric("radius_voice_users_file_invalid", identity="people")
        copies = list((workers.directory / "state" / "workers").glob("users-*"))
        assert [0o600] == [stat.S_IMODE(path.stat().st_mode) for path in copies]
        replaced(workers, json.dumps({carol.name: carol.entry}))
        workers.wait_for_line("users_file_valid", workers.stderr, times=2)
        assert radius.ACCESS_CHALLENGE == workers.client().start_login(carol).code


def test_a_worker_that_cannot_start_is_tried_again(simulator, tmp_path, users):
    two = CONFIGURATION.replace("reject_delay", "workers: 2, reject_delay")
    with WorkersProcess(tmp_path, simulator, two, users) as workers:
        users_file, away = workers.directory / "users.yaml", workers.directory / "away.yaml"
        users_file.rename(away)
        for path in (workers.directory / "state" / "workers").glob("users-*"):
            path.unlink()
        os.kill(workers.children()[-1], signal.SIGKILL)
        expected = "worker 1 cannot start; the error is logged above; next attempt in 2 s"
        workers.wait_for_line(expected, workers.stderr, times=2)
        assert any(f"Error: {users_file}: No such file or directory" in line for line in workers.stderr)
        away.rename(users_file)
        workers.wait_for_line("worker 1: RADIUS", workers.stderr, times=2)
        assert 1 == workers.metric("radius_voice_worker_deaths_total")


def test_a_hash_slower_than_response_timeouts_is_a_warning_at_start_and_at_reload(start_server, users):
    hasty = CONFIGURATION.replace("tests}", "tests, response_timeout: 0.2s}")
    with start_server(hasty, users) as server:
        users_file = server.directory / "users.yaml"
        replaced(server, json.dumps({"zoe": {"password": COSTLY}}))
        slow = server.wait_for_line("takes longer than", server.stderr)
        assert (
            f"identity.people: {users_file}: verifying one password with m=65536,t=20,p=1 takes longer than 0.1 s"
            in slow
        )
        assert "1 user has such a hash (line 1)" in slow
        server.write(hasty.replace("0.2s", "0.3s"))
        replaced(server, json.dumps({"zoe": {"password": COSTLY}}))
        server.send_signal(signal.SIGHUP)
        assert "takes longer than 0.15 s" in server.wait_for_line("takes longer than", server.stderr, times=2)
        wait_until(
            lambda: 2 == len([each for each in server.audit(event="warning") if "takes longer" in each["detail"]]),
            "the audit log has both warnings",
        )


def test_a_secret_file_that_is_a_fifo_is_refused_immediately(tmp_path, users):
    os.mkfifo(tmp_path / "secret", 0o600)
    configuration = CONFIGURATION.replace("a shared secret of the tests", "{file: secret}")
    path = write_configuration(tmp_path, "http://127.0.0.1:1", configuration, users)
    with ProgramProcess("check", "--config", path) as program:
        assert 1 == program.wait()
    assert "clients.gateway.secret: " in "".join(program.stderr)
    assert "secret cannot be read: a FIFO, not a regular file" in "".join(program.stderr)


@pytest.mark.parametrize("name", ["state/server.key", "ca.pem"])
def test_serve_does_not_wait_for_a_fifo_at_start(tmp_path, users, name):
    (tmp_path / "state").mkdir(mode=0o700)
    os.mkfifo(tmp_path / name, 0o600)
    syslog = 'audit: {syslog: {server: "127.0.0.1:1", ca_file: ca.pem}}\n' if name == "ca.pem" else ""
    path = write_configuration(tmp_path, "http://127.0.0.1:1", CONFIGURATION + syslog, users)
    with ProgramProcess("serve", "--config", path) as program:
        assert 1 == program.wait()
    line = "".join(program.stderr)
    assert line.startswith("Error: ")
    assert re.search(r"server\.key: is not a regular file|audit\.syslog\.ca_file: is not a file", line)


def test_an_audit_log_that_is_a_fifo_without_a_reader_blocks_no_login(start_server, users, tmp_path):
    fifo = tmp_path / "audit"
    os.mkfifo(fifo)
    with start_server(f'{CONFIGURATION}audit: {{path: "{fifo}"}}\n', []) as server:
        (server.directory / "audit.jsonl").touch()  # ServerProcess reads it when it stops
        gateway = server.client()
        for _ in range(600):  # more records than a pipe holds
            gateway.send(gateway.request([(radius.USER_NAME, b"x" * 200)], "wrong", authenticator=os.urandom(16)))
            assert gateway.receive()
        assert server.metric("radius_voice_audit_failures_total")
