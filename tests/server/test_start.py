"""A start that fails: what it says, what it leaves, and that nothing runs twice."""

import json
import os
import re
import signal
import socket

import pytest

from radius_voice.radius import packet as radius
from tests.server.house import House, Program, furnish
from tests.server.test_workers import Workers
from tests.stores.redis_server import free_port, until

CONFIGURATION = """\
server: {listen: ["udp://127.0.0.1:0"], reject_delay: 0.2s}
clients:
  gateway: {address: 127.0.0.1, secret: a shared secret of the tests}
"""
BY_WORKERS = CONFIGURATION.replace("reject_delay", "workers: 2, reject_delay")


@pytest.fixture
def person(make_person):
    return make_person()


@pytest.fixture
def elsewhere(tmp_path, phones, person):
    """Writes another configuration in a folder, and so with a state directory, of its own."""

    def write(configuration):
        folder = tmp_path / "elsewhere"
        folder.mkdir()
        return furnish(folder, phones, configuration, [person])

    return write


def refused(path):
    """What `serve` says when it does not start."""
    with Program("serve", "--config", path) as second:
        assert 1 == second.wait()
    said = "".join(second.stderr)
    assert "Traceback" not in said
    assert "stopped" not in said
    return said


@pytest.mark.parametrize("first", [CONFIGURATION, BY_WORKERS])
@pytest.mark.parametrize("second", [CONFIGURATION, BY_WORKERS])
def test_a_second_service_on_the_same_port_is_refused(phones, tmp_path, person, elsewhere, first, second):
    port = free_port()
    kind = House if first is CONFIGURATION else Workers
    house = kind(tmp_path, phones, first.replace("127.0.0.1:0", f"127.0.0.1:{port}"), [person])
    said = refused(elsewhere(second.replace("127.0.0.1:0", f"127.0.0.1:{port}")))
    expected = (
        f"Error: server.listen: 127.0.0.1:{port}: Address already in use; "
        f"another process has this port; find it with: ss -lnup 'sport = :{port}'\n"
    )
    assert expected == said
    assert radius.ACCESS_CHALLENGE == house.gateway().begin(person).code, "the first one serves on"
    assert 0 == house.stop()


@pytest.mark.parametrize("configuration", [CONFIGURATION, BY_WORKERS])
def test_a_second_service_in_the_same_state_directory_is_refused(phones, tmp_path, person, configuration):
    kind = House if configuration is CONFIGURATION else Workers
    house = kind(tmp_path, phones, configuration, [person])
    said = refused(house.path)
    running = f"a radius-voice service with this state directory is running already (process {house.process.pid})"
    assert f"Error: server.state: {tmp_path / 'state'}: {running}; stop it" in said
    assert radius.ACCESS_CHALLENGE == house.gateway().begin(person).code
    assert 0 == house.stop()


@pytest.mark.parametrize("configuration", [CONFIGURATION, BY_WORKERS])
def test_a_service_starts_after_one_that_was_killed(phones, tmp_path, person, configuration):
    kind = House if configuration is CONFIGURATION else Workers
    kind(tmp_path, phones, configuration, [person]).kill()
    house = kind(tmp_path, phones, configuration, [person])
    assert radius.ACCESS_CHALLENGE == house.gateway().begin(person).code
    assert 0 == house.stop()
    assert not (tmp_path / "state" / "control.sock").exists()


@pytest.mark.parametrize("configuration", [CONFIGURATION, BY_WORKERS])
def test_a_start_that_fails_leaves_no_stopped_line_in_log_or_audit_log(elsewhere, configuration):
    path = elsewhere(configuration.replace("udp://127.0.0.1:0", "udp://192.0.2.1:1812"))
    said = refused(path)
    expected = "server.listen: 192.0.2.1:1812: Cannot assign requested address; this machine has no such address"
    assert f"Error: {expected}" in said
    audit = path.parent / "audit.jsonl"
    assert "" == (audit.read_text() if audit.exists() else "")


def test_an_ipv6_address_where_ipv6_is_off_and_other_causes_have_their_own_hint():
    from radius_voice.config.kinds import Endpoint
    from radius_voice.endpoints import cannot_bind

    hints = {
        97: "Address family not supported by protocol; IPv6 is off on this machine",
        98: "Address already in use; another process has this port",
        99: "Cannot assign requested address; this machine has no such address",
        13: "Permission denied; ports below 1024 need a privilege",
        22: "Invalid argument; write another address",
    }
    for number, hint in hints.items():
        problem = OSError(number, "as uvloop words it")
        assert f"server.listen: [::1]:1: {hint}" in cannot_bind("server.listen", Endpoint("::1", 1), problem)


@pytest.mark.parametrize("workers", [False, True])
def test_every_line_of_a_json_log_is_json_from_the_first_to_the_last(phones, tmp_path, person, workers):
    configuration = (BY_WORKERS if workers else CONFIGURATION) + "log: {level: debug, format: json}\n"
    house = (Workers if workers else House)(tmp_path, phones, configuration, [person])
    house.gateway().begin(person)
    for pid in house.children() if workers else ():
        os.kill(pid, signal.SIGKILL)
    if workers:
        house.line("metrics of all workers", house.stderr, times=2)
        for number in range(2):
            house.line(f"worker {number}: RADIUS", house.stderr, times=2)
    house.send_signal(signal.SIGHUP)
    house.line('"reloaded"', house.stderr)
    if workers:
        house.admin = re.search(r"http://[\d.]+:\d+", house.line("metrics of all workers", house.stderr, times=2))[0]
    assert 0 == house.stop()
    assert {"started", "reloaded", "stopped"} <= {json.loads(line)["event"] for line in house.stderr if line}


@pytest.mark.parametrize("configuration", [CONFIGURATION, BY_WORKERS])
def test_a_start_that_fails_is_json_too(elsewhere, configuration):
    wrong = configuration.replace("udp://127.0.0.1:0", "udp://192.0.2.1:1812") + "log: {format: json}\n"
    (line,) = refused(elsewhere(wrong)).splitlines()
    result = json.loads(line)
    assert ("cannot_start", "error") == (result["event"], result["level"])
    assert result["detail"].startswith("server.listen: 192.0.2.1:1812: Cannot assign requested address")


@pytest.mark.parametrize("configuration", [CONFIGURATION, BY_WORKERS])
def test_an_admin_port_that_is_taken_is_reported_with_its_protocol(elsewhere, configuration):
    path = elsewhere(configuration)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        path.write_text(
            path.read_text().replace('admin: {listen: "127.0.0.1:0"}', f'admin: {{listen: "127.0.0.1:{port}"}}')
        )
        said = refused(path)
    expected = f"admin.listen: 127.0.0.1:{port}: Address already in use; another process has this port; find it with:"
    assert f"Error: {expected} ss -lntp 'sport = :{port}'\n" in said


def test_the_local_socket_outlives_the_process_that_serves_it(phones, tmp_path, person):
    house = Workers(tmp_path, phones, BY_WORKERS, [person])
    for pid in house.children():
        os.kill(pid, signal.SIGKILL)
    with Program("users", "unlock", "--config", house.path, person.name) as unlock:
        assert 0 == unlock.wait(), unlock.stderr
    house.line("metrics of all workers", house.stderr, times=2)
    (record,) = house.audit(kind="operator")
    assert (person.name, os.getuid()) == (record["user"], record["uid"])
    again = house.line("metrics of all workers", house.stderr, times=2)
    house.admin = re.search(r"http://[\d.]+:\d+", again)[0]
    for number in range(2):
        house.line(f"worker {number}: RADIUS", house.stderr, times=2)
    assert 0 == house.stop()


def test_workers_do_what_an_operator_asks_with_the_configuration_as_last_read(phones, tmp_path, make_person):
    anne, bob = make_person(), make_person()
    house = Workers(tmp_path, phones, BY_WORKERS + "limits: {wrong_codes: {person: 1 per 24h}}\n", [anne, bob])
    gateway = house.gateway()
    challenge = gateway.answer(anne, gateway.begin(anne), "wrong")
    gateway.answer(anne, challenge, house.phones.code(anne.phone))
    assert "locked" == house.reasons(anne)[-1]

    def limits():
        with Program("limits", "--config", house.path, "--user", anne.name) as command:
            assert 0 == command.wait(), command.stderr
        return "".join(command.stdout)

    assert re.search(r"wrong_codes\.person .+ 1 +0  1 per 24h", limits())
    house.write(BY_WORKERS + "limits: {wrong_codes: {person: 3 per 24h}}\n")
    house.send_signal(signal.SIGHUP)
    until(lambda: "3 per 24h" in limits(), "the new limit is shown")
    with Program("users", "unlock", "--config", house.path, anne.name) as unlock:
        assert 0 == unlock.wait()
    assert re.search(r"wrong_codes\.person .+ 0 +3  3 per 24h", limits())
    assert radius.ACCESS_CHALLENGE == house.gateway().begin(anne).code
    assert [anne.name] == [record["user"] for record in house.audit(kind="operator")]
    assert 0 == house.stop()
