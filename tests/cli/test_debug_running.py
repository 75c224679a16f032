"""`debug`: packets of one user or client of a running service with one process or several."""

import contextlib
import json
import os
import re
import signal
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest
from click.testing import CliRunner

from radius_voice import control
from radius_voice.cli.main import main
from radius_voice.radius import packet as radius
from tests.support.polling import wait_until
from tests.support.program_process import ProgramProcess
from tests.support.radius_test_client import SECRET
from tests.support.server_process import ServerProcess, WorkersProcess

CONFIGURATION = """\
server: {listen: ["udp://127.0.0.1:0"], reject_delay: 0s, workers: WORKERS}
clients:
  gateway: {address: 127.0.0.1, secret: a shared secret of the tests}
  branch: {address: 127.0.0.3, secret: a shared secret of the tests, realms: {corp.example: {}}}
limits: {calls: {user: 50 per 10m, phone: 50 per 10m}}
"""
UNKNOWN = "a password typed as a name"
SESSION = b'{"command": "debug", "all": true, "seconds": 600}\n'


@pytest.fixture(scope="module")
def users(make_user):
    return [make_user() for _ in range(4)]


@pytest.fixture(params=[1, 2], ids=["one process", "two workers"], scope="module")
def server(simulator, tmp_path_factory, users, request):
    process = ServerProcess if request.param == 1 else WorkersProcess
    configuration = CONFIGURATION.replace("WORKERS", str(request.param))
    server = process(tmp_path_factory.mktemp("server"), simulator, configuration, users)
    yield server
    assert 0 == server.stop()


def workers_of(server):
    return 2 if isinstance(server, WorkersProcess) else 1


@contextlib.contextmanager
def debugging(server, *options):
    """The command, once it shows packets of every worker. An interrupt ends it."""
    with ProgramProcess("debug", "--config", server.path, *options) as command:
        for number in range(workers_of(server)):
            command.wait_for_line(f"worker {number}: packets are shown", command.stderr)
        yield command
        command.send_signal(signal.SIGINT)
        assert 0 == command.wait(), command.stderr


def log_in(server, user, source="127.0.0.1"):
    """A login with a right code. The State and the code of it."""
    gateway = server.client(source)
    challenge = gateway.start_login(user)
    code = server.simulator.code(user.phone)
    assert radius.ACCESS_ACCEPT == gateway.respond(user, challenge, code).code
    return challenge.first(radius.STATE), code


def reject_unknown(server, source="127.0.0.1"):
    gateway = server.client(source)
    assert radius.ACCESS_REJECT == gateway.exchange([(radius.USER_NAME, UNKNOWN.encode())], "whatever").code


def test_a_login_of_the_user_is_shown_without_secrets_and_those_of_others_are_not(server, users):
    alice, other, *_ = users
    with debugging(server, "--user", f" {alice.name.upper()} ") as command:
        reject_unknown(server)
        log_in(server, other)
        state, code = log_in(server, alice)
        command.wait_for_line("Access-Accept", command.stdout)
    shown = "".join(command.stdout)
    for text in (f'User-Name = "{alice.name}"', "challenge, because call_placed", "accept, because code_correct"):
        assert text in shown
    hidden = [line.split(" = ")[1] for line in command.stdout if re.match(" +(User-Password|State) = ", line)]
    assert 4 == len(hidden)
    assert [] == [value for value in hidden if not re.fullmatch(r"<\d+ octets>\n", value)]
    for secret in (alice.password, code, SECRET.decode(), alice.phone, state.hex(), other.name, UNKNOWN):
        assert secret not in shown


def test_packets_of_a_client_are_shown_and_names_that_no_user_has_are_not(server, users):
    alice = users[0]
    with debugging(server, "--client", "branch") as command:
        log_in(server, alice)
        log_in(server, alice, "127.0.0.3")
        reject_unknown(server, "127.0.0.3")
        command.wait_for_line("Access-Reject", command.stdout)
    shown = "".join(command.stdout)
    assert " gateway " not in shown
    assert f"User-Name = <{len(UNKNOWN)} octets>" in shown
    assert "reject, because unknown_user" in shown
    assert f'"{alice.name}": accept, because code_correct' in shown
    assert UNKNOWN not in shown


def test_a_name_that_no_user_has_is_shown_if_it_is_the_filter(server):
    with debugging(server, "--user", UNKNOWN) as command:
        reject_unknown(server)
        command.wait_for_line("Access-Reject", command.stdout)
    assert f'     User-Name = "{UNKNOWN}"\n' in command.stdout


def test_a_login_under_another_name_of_the_user_is_shown(server, users):
    alice = users[2]  # the login is not completed
    typed = f"{alice.name}@corp.example"
    with debugging(server, "--user", alice.name) as command:
        gateway = server.client("127.0.0.3")
        gateway.exchange([(radius.USER_NAME, typed.encode())], alice.password)
        command.wait_for_line("Access-Challenge", command.stdout)
    assert f'     User-Name = "{typed}"\n' in command.stdout
    assert [line for line in command.stdout if f'"{alice.name}" (typed "{typed}"): challenge, because ' in line]


def test_all_packets_are_shown_only_if_it_is_asked_for(server, users):
    with debugging(server, "--all") as command:
        log_in(server, users[0])
        log_in(server, users[1], "127.0.0.3")
        command.wait_for_line("Access-Accept", command.stdout, times=2)
    assert [line for line in command.stdout if " <- gateway " in line]
    assert [line for line in command.stdout if " <- branch " in line]


def test_a_session_ends_after_its_time_and_is_recorded_without_the_name(server):
    before = len(server.audit(kind="service", event="debug"))
    command = ["debug", "--config", str(server.path), "--user", UNKNOWN, "--for", "1s"]
    done = CliRunner().invoke(main, command)
    assert 0 == done.exit_code, done.output
    (record,) = server.audit(kind="service", event="debug")[before:]
    assert f"packets of one user are shown for at most 1 s by user id {os.getuid()}" == record["detail"]
    assert UNKNOWN not in (server.directory / "audit.jsonl").read_text()


def raw(server, request, read=True):
    """What a client gets for this request and the end of its data, if it reads."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(str(server.directory / "state" / control.SOCKET))
        client.sendall(request)
        return client.recv(4096) if read else b""


def can_start_session(server):
    """Whether a session starts. A service with too many connections accepts none, or closes it."""
    try:
        return b"worker" in raw(server, SESSION)
    except OSError:
        return False


@pytest.mark.parametrize(
    "arguments",
    [{}, {"user": ""}, {"user": []}, {"client": {"a": 1}, "seconds": 5}, {"all": True, "seconds": 1e9}, {"all": True}],
)
def test_a_request_that_is_not_valid_gets_an_error(server, arguments):
    response = json.loads(raw(server, json.dumps({"command": "debug", **arguments}).encode() + b"\n"))
    assert list(response) == ["error"]
    assert "internal" not in response["error"]


def test_an_unknown_client_is_named_with_those_that_exist(server):
    done = CliRunner().invoke(main, ["debug", "--config", str(server.path), "--client", "hq"])
    assert 4 == done.exit_code
    assert "no client has the name 'hq'; the configuration has gateway, branch" in done.stderr


def test_sessions_beyond_the_maximum_are_refused_and_those_that_disconnect_make_room(server, users):
    def refused(_):
        return b"are running" in raw(server, SESSION)

    with ThreadPoolExecutor(8) as pool, contextlib.ExitStack() as stack:
        for _ in range(4):
            client = stack.enter_context(socket.socket(socket.AF_UNIX))
            client.settimeout(10)
            client.connect(str(server.directory / "state" / control.SOCKET))
            client.sendall(SESSION)
            assert b"worker" in client.recv(4096)
        assert [True] * 8 == list(pool.map(refused, range(8)))
        log_in(server, users[0])
    wait_until(lambda: can_start_session(server), "another session can start")
    with debugging(server, "--user", users[0].name) as command:
        log_in(server, users[0])
        command.wait_for_line("Access-Accept", command.stdout)


def test_many_clients_that_disconnect_or_send_garbage_cause_no_error_in_the_service(server, users):
    requests = [SESSION, b"\xff\x00\n", b'{"command": "status"}\n']

    def disconnect(number):
        with contextlib.suppress(OSError):  # beyond the maximum of connections
            raw(server, requests[number % 3], read=False)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(disconnect, range(600)))
    wait_until(lambda: can_start_session(server), "another session can start")
    log_in(server, users[0])
    assert [] == [line for line in server.stderr if "a library logs a warning" in line or "died" in line]


def test_a_client_that_reads_nothing_costs_no_login(server, users):
    with socket.socket(socket.AF_UNIX) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        client.connect(str(server.directory / "state" / control.SOCKET))
        client.sendall(SESSION)
        gateway = server.client()
        for _ in range(200):
            assert radius.ACCESS_ACCEPT == gateway.status().code
        log_in(server, users[0])


@pytest.mark.parametrize("options", [[], ["--user", "bob", "--for", "2h"], ["--user", "bob", "--for", "soon"]])
def test_wrong_usage_is_reported(server, options):
    assert 2 == CliRunner().invoke(main, ["debug", "--config", str(server.path), *options]).exit_code


def test_without_a_running_service_the_exit_code_is_3(tmp_path):
    path = tmp_path / "radius-voice.yaml"
    path.write_text("server: {}\n")
    assert 3 == CliRunner().invoke(main, ["debug", "--config", str(path), "--all"]).exit_code


def test_packets_of_a_worker_that_replaces_another_one_are_shown_too(simulator, tmp_path, users):
    alice = users[3]
    configuration = CONFIGURATION.replace("WORKERS", "2")
    with (
        WorkersProcess(tmp_path, simulator, configuration, users) as server,
        debugging(server, "--user", alice.name) as command,
    ):
        for pid in server.children()[1:]:
            os.kill(pid, signal.SIGKILL)
        for number in range(2):
            command.wait_for_line(f"worker {number}: packets are shown", command.stderr, times=2)
        log_in(server, alice)
        command.wait_for_line("Access-Accept", command.stdout)
