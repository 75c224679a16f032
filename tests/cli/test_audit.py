"""`audit`: past and live logins, at a running server and from files."""

import gzip
import json
import os
import pty
import re
import signal
import subprocess

import pytest
from click.testing import CliRunner

from radius_voice.cli.main import main
from radius_voice.radius import packet as radius
from tests.explain.audit_records import line, time
from tests.support.polling import wait_until
from tests.support.program_process import PROGRAM, TIMEOUT, ProgramProcess

CONFIGURATION = """\
server: {listen: ["udp://127.0.0.1:0"], reject_delay: 0s}
clients:
  gateway: {address: 127.0.0.1, secret: a shared secret of the tests}
audit: {keep: 1d}
policies:
  default:
    exemptions:
      - {groups: [exempt], reason: no phone line}
store: {type: memory}
"""
REQUEST = {"client": "gateway", "user": "alice", "outcome": "reject", "reason": "wrong_password"}


def run(*arguments):
    return CliRunner().invoke(main, ["audit", *map(str, arguments)])


def log_in(server, user):
    gateway = server.client()
    challenge = gateway.start_login(user)
    assert radius.ACCESS_ACCEPT == gateway.respond(user, challenge, server.simulator.code(user.phone)).code


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "audit.jsonl"
    path.write_bytes(line(time(1), **REQUEST) + line(time(2), **REQUEST | {"user": "bob", "outcome": "accept"}))
    return path


@pytest.fixture
def following():
    """Starts `audit tail`; it ends by an interrupt, with exit code 0."""
    started = []

    def follow(*arguments):
        started.append(ProgramProcess("audit", "tail", *arguments))
        return started[-1]

    yield follow
    for process in started:
        process.send_signal(signal.SIGINT)
        assert 0 == process.wait(), "".join(process.stderr)


def test_logins_at_a_running_server_are_followed_searched_and_shown(start_server, make_user, following):
    alice, exempt = make_user(), make_user(groups=("exempt",))
    with start_server(CONFIGURATION, [alice, exempt]) as server:
        everyone = following("-c", server.path)
        everyone.wait_for_line("started: RADIUS", everyone.stdout)
        only_alice = following("-c", server.path, "--user", alice.name.upper(), "--json")
        log_in(server, alice)
        server.client().start_login(exempt)
        for found in ("call_placed (the provider", "twilio was asked to call", "code_correct (", "exempt (accepted"):
            everyone.wait_for_line(found, everyone.stdout)
        only_alice.wait_for_line("code_correct", only_alice.stdout)
        records = [json.loads(text) for text in only_alice.stdout]
        assert {"request", "delivery"} == {record["kind"] for record in records}
        assert 1 == len({record["session"] for record in records})

        found = run("search", "-c", server.path, "--outcome", "accept", "--since", "1h")
        assert 0 == found.exit_code, found.output
        assert [True, True] == ["  accepted     " in each for each in found.stdout.splitlines()]
        session = records[0]["session"]
        shown = run("show", "-c", server.path, session)
        assert 0 == shown.exit_code, shown.output
        assert "  -> Access-Accept: code_correct (the code was right)" in shown.stdout
        explained = CliRunner().invoke(main, ["explain", "-c", str(server.path), "--login", session])
        assert shown.stdout == explained.stdout
        (record,) = server.audit(reason="exempt")
        assert "  rule reason: no phone line\n" in run("show", "-c", server.path, record["request_id"]).stdout


def test_the_log_is_followed_into_the_next_daily_file(start_server, make_user, following):
    exempt = make_user(groups=("exempt",))
    with start_server(CONFIGURATION, [exempt]) as server:
        gateway, audit = server.client(), server.directory / "audit.jsonl"
        process = following("--audit", audit)
        process.wait_for_line("started: RADIUS", process.stdout)
        gateway.start_login(exempt)
        process.wait_for_line("exempt (", process.stdout)
        audit.rename(audit.with_name("audit.jsonl.2026-11-26"))
        wait_until(lambda: gateway.start_login(exempt) and audit.exists(), "the service opens a new file")
        (login,) = {record["request_id"] for record in server.audit(reason="exempt")}
        process.wait_for_line(f"login {login}", process.stdout)
        found = run("search", "--audit", audit, "--reason", "exempt")
        assert login == re.findall(r"login (\w+)", found.stdout)[-1]
        assert len(found.stdout.splitlines()) > 1


@pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
def test_colours_are_for_terminals(log, no_color, coloured):
    command = [*PROGRAM, "audit", "search", "--audit", str(log)]
    environment = {**os.environ, "NO_COLOR": no_color}
    reading, writing = pty.openpty()
    done = subprocess.run(command, stdout=writing, env=environment, timeout=TIMEOUT, check=True)
    shown = os.read(reading, 10_000).decode()
    os.close(reading)
    os.close(writing)
    piped = subprocess.run(command, capture_output=True, env=environment, timeout=TIMEOUT, check=True, text=True)

    assert 0 == done.returncode
    assert coloured == ("\x1b[31mrejected   \x1b[0m" in shown)
    assert coloured == ("\x1b[32maccepted   \x1b[0m" in shown)
    assert "\x1b" not in piped.stdout


def test_json_has_one_record_a_line_with_the_meaning_of_its_reason(log):
    records = [json.loads(each) for each in run("search", "--audit", log, "--json").stdout.splitlines()]

    assert [time(1), time(2)] == [record["at"] for record in records]
    assert {"the password is wrong"} == {record["meaning"] for record in records}


def test_the_newest_records_are_those_of_all_files(log):
    log.with_name("audit.jsonl.1.gz").write_bytes(gzip.compress(line(time(0), **REQUEST)))

    assert 3 == len(run("search", "--audit", log, "--limit", 3).stdout.splitlines())
    assert [time(2)] == re.findall(r"^\S+", run("search", "--audit", log, "--limit", 1).stdout, re.MULTILINE)


def test_what_cannot_be_read_is_reported(log):
    with log.open("ab") as file:
        file.write(b"torn\n")
    log.with_name("audit.jsonl.1.zst").touch()
    found = run("search", "--audit", log, "--user", "alice")
    log.write_bytes(b"torn\n" * 2)
    none = run("search", "--audit", log)

    assert 0 == found.exit_code
    assert "audit.jsonl.1.zst: is not searched" in found.stderr
    assert "warning: 1 line that is not a record was skipped\n" in found.stderr
    assert "warning: 2 lines that are not records were skipped\n" in none.stderr


def test_a_search_without_a_result_says_where_it_searched(log, tmp_path):
    none = run("search", "--audit", log, "--user", "carol")
    other_time = run("search", "--audit", log, "--until", "2020-01-01")
    missing = run("search", "--audit", tmp_path / "other.jsonl")

    assert (1, f"Error: no record matches; searched: {log}\n") == (none.exit_code, none.stderr)
    assert (1, "Error: no record matches: no file has records of that time\n") == (
        other_time.exit_code,
        other_time.stderr,
    )
    assert (1, True) == (missing.exit_code, "there is no audit log that can be read" in missing.stderr)


@pytest.mark.parametrize(
    ("option", "value", "error"),
    [
        ("--reason", "wrong_pasword", "no reason 'wrong_pasword'; did you mean wrong_password"),
        ("--reason", "wrong_cod", "no reason 'wrong_cod'; did you mean wrong_code or wrong_password?\n"),
        ("--reason", "xyz", "no reason 'xyz'\n"),
        ("--outcome", "accepted", "'accepted' is not one of 'accept'"),
        ("--kind", "call", "'call' is not one of 'request'"),
        ("--since", "yesterday", "write how long ago it is, like 2h or 7d"),
        ("--limit", "0", "0 is not in the range x>=1"),
    ],
)
def test_a_value_that_is_not_valid_is_wrong_usage(log, option, value, error):
    done = run("search", "--audit", log, option, value)

    assert (2, True) == (done.exit_code, error in done.stderr), done.stderr


def test_without_a_configuration_or_a_log_both_are_named(monkeypatch, tmp_path):
    monkeypatch.setattr("radius_voice.cli.default_config.DEFAULT_CONFIG", tmp_path / "radius-voice.yaml")
    done = run("search")

    assert (2, True) == (done.exit_code, "neither --config nor --audit is given, and" in done.stderr)


@pytest.mark.parametrize(
    "values",
    [
        {"kind": "discarded", "suppressed": {"malformed": "x"}},
        {"steps": [{"name": "x", "after": "x"}]},
        {"steps": ["x"]},
        {"user": ["alice"], "outcome": "accept", "client": "gateway"},
        {"outcome": ["accept"]},
        {"at": 1},
    ],
)
def test_a_record_with_values_of_other_types_hides_no_other(tmp_path, values):
    path = tmp_path / "audit.jsonl"
    damaged = json.dumps({"kind": "request", "at": time(2), "session": "a1"} | values).encode() + b"\n"
    path.write_bytes(line(time(1), **REQUEST) + damaged + line(time(3), **REQUEST))
    for command in (["search"], ["show", "a1"]):
        done = run(*command, "--audit", path)
        assert 0 == done.exit_code, done.output
        assert [time(1), time(3)] == re.findall(r"^2026\S+", done.stdout, re.MULTILINE)
        assert "warning: 1 line that is not a record was skipped" in done.stderr


def test_a_time_that_ends_before_it_begins_is_wrong_usage(log):
    done = run("search", "--audit", log, "--since", "2026-11-26", "--until", "2026-11-25")

    assert (2, True) == (done.exit_code, "--since is later than --until" in done.stderr)


def test_a_log_that_does_not_exist_yet_is_awaited(tmp_path, following):
    path = tmp_path / "audit.jsonl"
    process = following("--audit", path, "--limit", 0)
    process.wait_for_line(f"{path}: does not exist yet; waiting for it", process.stderr)
    path.write_bytes(line(time(1), **REQUEST) + b"torn\n")

    process.wait_for_line("wrong_password", process.stdout)
    process.wait_for_line("warning: 1 line that is not a record was skipped", process.stderr)


@pytest.mark.parametrize("command", ["search", "tail"])
def test_a_log_of_another_user_names_the_fix(command, as_other_user, public_directory):
    path = public_directory / "audit.jsonl"
    path.write_bytes(line(time(1)))
    path.chmod(0o640)
    public_directory.chmod(0o755 if command == "search" else 0o700)
    arguments = [*as_other_user, "audit", command, "--audit", str(path)]
    denied = subprocess.run(arguments, capture_output=True, text=True, timeout=6 * TIMEOUT)

    owner = " (mode 0640, owner root)" if command == "search" else ""
    assert (1, True) == (denied.returncode, f"{path}: permission denied{owner}; run this" in denied.stderr), (
        denied.stderr
    )
