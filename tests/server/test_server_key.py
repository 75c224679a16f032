"""Another `server.key` while the service runs: nothing that users or administrators have done is lost."""

import signal
from dataclasses import replace

import pytest

from radius_voice.radius import packet as radius
from tests.support.program_process import ProgramProcess
from tests.support.server_process import ServerProcess, WorkersProcess

OLD, NEW = "the server key of 32 octets, old", "the server key of 32 octets, new"
CONFIGURATION = """\
server: {listen: ["udp://127.0.0.1:0"], reject_delay: 0s, key: [KEYS]}
clients:
  gateway: {address: 127.0.0.1, secret: a shared secret of the tests, response_timeout: 8s}
policies: {default: {remember: 12h}}
limits: {wrong_passwords: {user_at_station: 2 per 1h}}
"""
STATION = (radius.CALLING_STATION_ID, b"203.0.113.5")


def with_keys(*keys):
    return CONFIGURATION.replace("KEYS", ", ".join(f'"{key}"' for key in keys))


@pytest.mark.parametrize("kind", [ServerProcess, WorkersProcess])
def test_open_logins_locks_pinned_phones_and_remembered_logins_survive(simulator, tmp_path, make_user, kind):
    users = remembered, locked, changed, logging_in = [make_user() for _ in range(4)]
    workers = ", workers: 2}" if kind is WorkersProcess else "}"

    def written(*keys):
        return with_keys(*keys).replace("]}\nclients", f"]{workers}\nclients")

    server = kind(tmp_path, simulator, written(OLD), users)

    def log_in(user):
        gateway = server.client()
        challenge = gateway.start_login(user, STATION)
        return gateway.respond(user, challenge, simulator.code(user.phone), STATION).code

    def reload(*keys, times):
        server.write(written(*keys))
        server.send_signal(signal.SIGHUP)
        assert "restart" not in server.wait_for_line("reloaded", server.stderr, times)

    assert [radius.ACCESS_ACCEPT] * 2 == [log_in(user) for user in (remembered, changed)]
    wrong = replace(locked, password="wrong")
    assert {radius.ACCESS_REJECT} == {server.client().start_login(wrong, STATION).code for _ in range(2)}
    gateway = server.client()
    challenge = gateway.start_login(logging_in, STATION)
    server.users = [replace(user, phone="+12025550199") if user is changed else user for user in users]
    workers_of = 1 if kind is ServerProcess else 2
    reload(NEW, OLD, times=workers_of)
    reload(NEW, times=2 * workers_of)
    code = simulator.code(logging_in.phone)
    assert radius.ACCESS_ACCEPT == gateway.respond(logging_in, challenge, code, STATION).code
    assert 0 == server.stop()
    server = kind(tmp_path, simulator, written(NEW), server.users)
    assert radius.ACCESS_ACCEPT == server.client().start_login(remembered, STATION).code
    assert radius.ACCESS_REJECT == server.client().start_login(locked, STATION).code
    assert radius.ACCESS_REJECT == server.client().start_login(changed).code
    reasons = {user.name: server.audit(kind="request", user=user.name)[-1]["reason"] for user in users}
    assert {
        remembered.name: "remembered",
        locked.name: "wrong_password_limit",
        changed.name: "phone_not_confirmed",
        logging_in.name: "code_correct",
    } == reasons
    assert 0 == server.stop()


def test_a_reload_without_the_key_before_changes_nothing(simulator, tmp_path, make_user):
    user = make_user()
    server = ServerProcess(tmp_path, simulator, with_keys(OLD), [user])
    server.write(with_keys(NEW))
    server.send_signal(signal.SIGHUP)
    assert "server.key: the data key was encrypted with another server.key" in server.wait_for_line(
        "reload_failed", server.stderr
    )
    assert radius.ACCESS_CHALLENGE == server.client().start_login(user).code
    assert 0 == server.stop()


@pytest.mark.parametrize("workers", ["", "workers: 2, "])
def test_a_store_that_was_restored_without_its_data_key_is_refused(simulator, tmp_path, make_user, workers):
    user = make_user()
    configuration = with_keys(OLD).replace("reject_delay", f"{workers}reject_delay")
    server = (WorkersProcess if workers else ServerProcess)(tmp_path, simulator, configuration, [user])
    assert radius.ACCESS_CHALLENGE == server.client().start_login(user).code
    assert 0 == server.stop()
    for lost in ("data.key", "control.lock"):
        (tmp_path / "state" / lost).unlink()
    with ProgramProcess("serve", "--config", server.path) as second:
        assert 1 == second.wait()
    assert f"{tmp_path / 'state' / 'state.db'}: was written with another data key; restore" in "".join(second.stderr)
