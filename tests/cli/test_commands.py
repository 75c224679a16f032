"""Every command: its output, its files, and its exit code."""

import os
import re
import socket
import subprocess
import sys

import pytest
from click.testing import CliRunner

from radius_voice import __version__
from radius_voice.cli.main import COMMANDS, main
from radius_voice.http_client import NOT_SENT_FIX
from radius_voice.twilio.provider import CREDENTIALS_FIX
from tests.support.matching import search
from tests.support.program_process import PROGRAM, TIMEOUT, ProgramProcess
from tests.support.provider_callbacks import callbacks_section
from tests.support.radius_test_client import SECRET
from tests.support.server_process import BASE_CONFIGURATION, write_configuration

CONFIGURATION = """\
server: {listen: ["udp://127.0.0.1:0"], reject_delay: 0.2s}
clients:
  host: {address: 127.0.0.1, secret: a shared secret of the tests}
"""
USERS = (
    "add",
    "list",
    "show",
    "set-phone",
    "set-password",
    "disable",
    "enable",
    "remove",
    "unlock",
    "forget",
    "issue-code",
)
START = BASE_CONFIGURATION.count("\n") + 1  # the first line of CONFIGURATION
NOWHERE = "http://127.0.0.1:1"


@pytest.fixture(scope="module")
def user(make_user):
    return make_user()


@pytest.fixture(scope="module")
def server(start_server, user):
    """A running server."""
    with start_server(CONFIGURATION, [user]) as server:
        yield server


@pytest.fixture
def write(tmp_path, simulator, user):
    """Writes the files of a server that does not run; the configuration's path."""

    def write(configuration=CONFIGURATION, simulator=simulator):
        return write_configuration(tmp_path, simulator, configuration, [user])

    return write


@pytest.fixture(autouse=True)
def _short_polls(monkeypatch):
    monkeypatch.setattr("radius_voice.cli.call.POLL_SECONDS", 0.02)


def run(*arguments, typed=None, env=None):
    return CliRunner().invoke(main, [str(argument) for argument in arguments], input=typed, env=env)


def test_the_program_prints_its_version_and_its_commands():
    assert f"radius-voice, version {__version__}\n" == run("--version").stdout
    result = run("--help")
    assert 0 == result.exit_code
    assert list(COMMANDS) == re.findall(r"^  ([a-z][a-z-]+)", result.stdout.partition("Commands:")[2], re.MULTILINE)


@pytest.mark.parametrize("command", [*([name] for name in COMMANDS), *(["users", name] for name in USERS)])
@pytest.mark.parametrize("option", ["--help", "-h"])
def test_every_command_has_help(command, option):
    result = run(*command, option)
    assert (0, "") == (result.exit_code, result.stderr)
    assert re.match(rf"Usage: \S+ {' '.join(command)} ", result.stdout)
    described = result.stdout.partition("\n\n")[2].strip()
    assert described[0].isupper()


@pytest.mark.parametrize("arguments", [["no-such-command"], ["serve"], ["login"], ["serve", "--no-such-option"], []])
def test_wrong_usage_is_exit_code_2_and_says_how(arguments):
    ended = run(*arguments)
    assert 2 == ended.exit_code
    assert "Usage: " in ended.stderr
    assert "" == ended.stdout


def test_a_command_runs_as_a_program_with_the_right_exit_code():
    ended = subprocess.run([*PROGRAM, "check", "--config", "/nowhere.yaml"], capture_output=True, text=True)
    assert (1, "") == (ended.returncode, ended.stdout)
    assert "/nowhere.yaml: cannot be read: No such file or directory" in ended.stderr


def test_the_demo_without_a_terminal_logs_in_automatically():
    ended = subprocess.run([*PROGRAM, "demo"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30)
    assert (0, "") == (ended.returncode, ended.stderr)
    message = search(r"types the code itself: (\d{6})", ended.stdout)[1]
    assert ", ".join(message) in ended.stdout or " ".join(message) in ended.stdout, "the phone spoke that code"
    assert "alice is in" in ended.stdout


def demo_on_a_terminal(*typed):
    """The exit code and the output of a demo with these typed lines."""
    ours, terminal = os.openpty()
    demo = subprocess.Popen([*PROGRAM, "demo"], stdin=terminal, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        os.write(ours, "".join(f"{line}\n" for line in typed).encode())
        printed = demo.communicate(timeout=TIMEOUT)[0].decode()
    finally:
        demo.kill()
        os.close(ours)
        os.close(terminal)
    return demo.returncode, printed


def test_the_demo_on_a_terminal_prompts_and_shows_each_call_once():
    code, printed = demo_on_a_terminal("wrong", "wrong", "wrong")
    assert (1, 3, 1) == (code, printed.count("The code you hear:"), printed.count("rings and says"))
    assert 1 == printed.count("Access-Reject     Login refused.")


def test_the_demo_prompts_until_the_server_accepts_or_rejects():
    code, printed = demo_on_a_terminal("phone2", "phone", "phone", "wrong", "wrong", "wrong")
    assert (1, 6, 6) == (code, printed.count("The code you hear:"), printed.count("Access-Challenge"))
    assert 1 == printed.count("Access-Reject")
    assert "Access-Reject     Login refused." in printed


def test_the_demo_has_two_distinguishable_phones():
    printed = demo_on_a_terminal("phone2", "wrong", "wrong", "wrong")[1]
    assert "calling your phone ending in 23." in printed
    assert "Calling your phone ending in 58." in printed


@pytest.mark.parametrize(
    ("arguments", "fix"),
    [
        (["--call", "555"], "+"),
        (["--call", "+14155550123"], "TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN, TWILIO_FROM"),
    ],
)
def test_a_demo_that_cannot_call_a_real_phone_says_what_it_needs(arguments, fix):
    ended = run("demo", *arguments, env=dict.fromkeys(("TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "TWILIO_FROM")))
    assert 1 == ended.exit_code
    assert fix in ended.stderr


def free_ports(path):
    """Give a written configuration ports that no other server of this machine has."""
    text = path.read_text()
    for kind, port in ((socket.SOCK_DGRAM, "1812"), (socket.SOCK_STREAM, "9812")):
        with socket.socket(type=kind) as free:
            free.bind(("127.0.0.1", 0))
            text = text.replace(f':{port}"', f':{free.getsockname()[1]}"')
    path.write_text(text)


def test_init_writes_a_configuration_that_check_accepts_and_never_overwrites(tmp_path):
    folder = tmp_path / "etc"
    result = run("init", folder)
    assert 0 == result.exit_code
    assert f"radius-voice check -c {folder / 'radius-voice.yaml'}" in result.stdout
    free_ports(folder / "radius-voice.yaml")
    checked = run("check", "--config", folder / "radius-voice.yaml")
    assert 0 == checked.exit_code, checked.stderr
    assert checked.stdout.endswith(f"{folder / 'radius-voice.yaml'}: good\n")
    assert "warning: " in checked.stderr, "placeholders are reported"
    before = {path: path.read_bytes() for path in folder.iterdir()}
    again = run("init", folder)
    assert 1 == again.exit_code
    assert "exists and is not overwritten" in again.output
    assert before == {path: path.read_bytes() for path in folder.iterdir()}


def test_check_reports_every_error_with_file_line_and_fix(write):
    path = write(CONFIGURATION.replace("secret:", "secrets:").replace("reject_delay: 0.2s", "reject_delay: soon"))
    result = run("check", "--config", path)
    assert (1, "") == (result.exit_code, result.stdout)
    assert f"{path}:{START}: server.reject_delay" in result.stderr
    assert f"{path}:{START + 2}: clients.host.secret" in result.stderr
    assert SECRET.decode() not in result.output


def test_check_prints_the_effective_policy_and_tests_the_provider(write):
    result = run("check", "--config", write(), "--connect")
    assert 0 == result.exit_code
    assert "identity people: 1 user\n" in result.stdout
    assert "client host: 127.0.0.1/32; Message-Authenticator required: yes; policy default" in result.stdout
    assert "policy default: first factor people, directory people; 6 digits, 3 attempts, 2 redials" in result.stdout
    assert "; countries: any; methods: voice; voicemail: off\n" in result.stdout
    assert "twilio: good: account is active" in result.stdout
    assert SECRET.decode() not in result.output


def test_check_prints_what_users_type_in_two_passes(write):
    two_pass = "secret: a shared secret of the tests, second_factor: two_pass, delimiter: ':'"
    result = run("check", "--config", write(CONFIGURATION.replace("secret: a shared secret of the tests", two_pass)))
    assert "response timeout 2.5 s; two passes: password:code; friendly name 'ACME VPN'\n" in result.stdout


def test_check_prints_that_users_approve_by_a_key(write):
    approve = "secret: a shared secret of the tests, second_factor: approve"
    configuration = CONFIGURATION.replace("secret: a shared secret of the tests", approve) + callbacks_section()
    result = run("check", "--config", write(configuration))
    assert "response timeout 2.5 s; approval by key press; friendly name 'ACME VPN'\n" in result.stdout


def test_check_reports_an_invalid_users_file(write):
    path = write()
    (path.parent / "users.yaml").chmod(0o644)
    result = run("check", "--config", path)
    assert (1, True) == (result.exit_code, "chmod o-rwx" in result.stderr)


def test_check_refuses_a_hash_slower_than_response_timeouts(write):
    path = write(CONFIGURATION.replace("tests}", "tests, response_timeout: 0.2s}"))
    users = path.parent / "users.yaml"
    costly = "$argon2id$v=19$m=65536,t=20,p=1$c29tZXNhbHRzb21lc2FsdA$" + "A" * 43
    users.write_text(f"zoe:\n  password: {costly}\n")
    result = run("check", "--config", path)
    assert (1, False) == (result.exit_code, "good" in result.stdout)
    assert (
        f"identity.people: {users}: verifying one password with m=65536,t=20,p=1 takes longer than 0.1 s, half "
        "of the shortest response_timeout (clients.host); 1 user has such a hash (line 2); for each run: "
        f"radius-voice users set-password --file {users} NAME"
    ) in result.stderr


def test_check_reports_the_errors_of_both_files_together(write):
    path = write(CONFIGURATION.replace("reject_delay: 0.2s", "reject_delay: soon"))
    users = path.parent / "users.yaml"
    users.write_text('alice:\n  phones: ["+1415"]\n  langauge: en\n')
    result = run("check", "--config", path)
    assert (1, "") == (result.exit_code, result.stdout)
    assert f"{path}:{START}: server.reject_delay: not a duration" in result.stderr
    assert f"{users}:2: alice.phones[0]: a phone number of impossible length" in result.stderr
    assert f"{users}:3: alice.langauge: unknown key; did you mean language?" in result.stderr


def test_check_reports_a_missing_users_file_once_and_with_the_other_errors(write):
    path = write(CONFIGURATION.replace("reject_delay: 0.2s", "reject_delay: soon"))
    (path.parent / "users.yaml").unlink()
    result = run("check", "--config", path)
    assert (1, 1) == (result.exit_code, result.stderr.count("users.yaml"))
    assert "identity.people.path: " in result.stderr
    assert "server.reject_delay: " in result.stderr


def test_check_warns_of_users_that_do_not_fit_the_configuration(write):
    path = write(CONFIGURATION + "policies: {default: {reply: [{when: {group: staff}, set: {Class: x}}]}}\n")
    (path.parent / "users.yaml").write_text('alice:\n  phones: ["+19001550123"]\n')
    result = run("check", "--config", path)
    assert (0, True) == (result.exit_code, result.stdout.endswith(": good\n"))
    line = START + 3
    assert f"warning: {path}:{line}: policies.default: users without a phone that this policy calls" in result.stderr
    assert (
        f"warning: {path}:{line}: policies.default.reply[0].when.group: no user of people is in this" in result.stderr
    )
    assert "9001550123" not in result.output


def test_check_reports_an_unknown_reply_attribute(write):
    result = run(
        "check",
        "--config",
        write(CONFIGURATION + "policies: {default: {reply: [{set: {Framed-Protokol: PPP}}]}}\n"),
    )
    assert (1, True) == (result.exit_code, "Framed-Protokol: no attribute of that name" in result.stderr)


def test_test_credentials_reports_valid_and_invalid_ones(write):
    path = write()
    good = run("test-credentials", "--config", path)
    assert (0, True) == (good.exit_code, "twilio: good: account is active" in good.stdout)
    path.write_text(path.read_text().replace("simulated-token", "another token"))
    bad = run("test-credentials", "--config", path)
    assert (1, f"twilio: BAD: 20003: credentials refused; {CREDENTIALS_FIX}\n") == (bad.exit_code, bad.output)


def test_an_unavailable_provider_is_reported(write):
    path = write(simulator=NOWHERE)
    result = run("test-credentials", "--config", path)
    assert (1, f"twilio: BAD: connection refused or host not reachable; {NOT_SENT_FIX}\n") == (
        result.exit_code,
        result.stdout,
    )
    assert 1 == run("check", "--config", path, "--connect").exit_code
    called = run("call", "--config", path, "+14155550123")
    cause = f"twilio: not placed: connection refused or host not reachable; {NOT_SENT_FIX}\n"
    assert (1, cause + "no provider placed the call\n") == (called.exit_code, called.stdout)


def test_a_provider_without_calls_has_no_account_to_test_and_places_no_call(tmp_path):
    path = tmp_path / "radius-voice.yaml"
    (tmp_path / "users.yaml").touch(0o600)
    path.write_text(
        "development: true\n"
        "clients: {host: {address: 127.0.0.1, secret: a shared secret of the tests}}\n"
        "identity: {people: {type: users_file, path: users.yaml}}\n"
        "delivery: {friendly_name: ACME, providers: {fixed: {type: fixed, code: '123456'}}}\n"
    )
    path.chmod(0o600)
    tested = run("test-credentials", "--config", path)
    assert (0, "fixed: not checked: it has no account\n") == (tested.exit_code, tested.stdout)
    called = run("call", "--config", path, "+14155550123")
    assert (1, "fixed: places no calls\nno provider placed the call\n") == (called.exit_code, called.stdout)


@pytest.mark.parametrize(
    ("number", "message"),
    [
        ("+15005550010", "twilio: busy"),
        ("+15005550003", "twilio: not placed: 21215: country not enabled"),
        ("+15005550020", "no provider placed the call"),
        ("+15005550034", "the phone may ring, so no other provider is tried"),
    ],
)
def test_call_follows_a_call_to_its_end_and_fails_without_an_answer(write, number, message):
    result = run("call", "--config", write(), number)
    assert (1, True) == (result.exit_code, message in result.stdout)
    assert number not in result.output


@pytest.mark.parametrize(
    ("number", "code", "message"),
    [
        ("+15005550010", 0, "twilio: sent to +15*******10, message SM"),
        ("+15005550010", 0, "twilio: delivered"),
        ("+15005550012", 1, "twilio: not delivered: 30005: unknown number"),
        ("+15005550009", 1, "twilio: not sent: 21614: not a mobile number"),
        ("+15005550020", 1, "no provider sent the text message"),
        ("+15005550034", 1, "the phone may get the message, so no other provider is tried"),
    ],
)
def test_text_follows_a_message_to_its_end(write, number, code, message):
    path = write(CONFIGURATION + "policies: {default: {methods: [sms]}}\n")
    texts = path.read_text().replace("twilio-voice", "twilio-sms").replace("      calls_per_second: off\n", "")
    path.write_text(texts)
    result = run("text", "--config", path, number)
    assert (code, True) == (result.exit_code, message in result.stdout)
    assert number not in result.output


def test_text_without_a_provider_for_it_names_the_setting(write):
    result = run("text", "--config", write(), "+15005550010")
    assert (1, "Error: no provider in delivery.providers sends text messages; add one\n") == (
        result.exit_code,
        result.stderr,
    )


NEVER_CALLED = [
    ("five", "not a phone number"),
    ("sip:3105@pbx.example.org", "is not called, unless policies.NAME.sip_domains has pbx.example.org"),
    ("sip:3105:secret@pbx.example.org", "it has a password, which belongs to the settings of the provider"),
    ("+14155550123 x5 x6", "not a phone number"),
    ("+19005550123 x5", "+19*******23 ext. ** is not called (premium number)"),
    ("+19005550123", "+19*******23 is not called (premium number)"),
    ("+447012345678", "+44********78 is not called (personal number)"),
    ("+61147101234", "+61*******34 is not called (satellite number)"),
    ("+441632960123", "is not called (invalid number), unless policies.NAME.allow_numbers allows it"),
]


@pytest.mark.parametrize(("number", "message"), NEVER_CALLED)
def test_call_refuses_invalid_and_forbidden_numbers(write, number, message):
    result = run("call", "--config", write(), number)
    assert (1, True) == (result.exit_code, message in result.stderr)


@pytest.mark.parametrize(("number", "message"), [*NEVER_CALLED, ("+15005550006", "(personal number)")])
def test_a_demo_refuses_the_numbers_that_call_refuses(number, message):
    result = run("demo", "--call", number)
    assert (1, True) == (result.exit_code, message in result.stderr)


def test_call_warns_of_a_number_reserved_for_fiction(write):
    result = run("call", "--config", write(simulator=NOWHERE), "+14155550123")
    assert "warning: +14*******23 is reserved for fiction and rings no phone" in result.stderr


def test_call_accepts_a_number_that_a_policy_allows(write, monkeypatch):
    monkeypatch.setattr("radius_voice.cli.call.MAX_POLLS", 1)  # the call is answered, and lasts for seconds
    allowing = CONFIGURATION + 'policies: {default: {}, staff: {allow_numbers: ["+44163296"]}}\n'
    assert "calling +44********23, call CA" in run("call", "--config", write(allowing), "+441632960123").stdout


def test_call_calls_a_sip_address_whose_domain_a_policy_allows(write, monkeypatch):
    monkeypatch.setattr("radius_voice.cli.call.MAX_POLLS", 1)  # the call is answered, and lasts for seconds
    allowing = CONFIGURATION + "policies: {default: {}, staff: {sip_domains: [pbx.example.org]}}\n"
    result = run("call", "--config", write(allowing), "SIP:3105@pbx.example.org")
    assert "calling sip:31**@pbx.example.org, call CA" in result.stdout


def test_call_leaves_a_sip_address_to_the_next_provider_if_one_cannot_call_it(write, monkeypatch):
    monkeypatch.setattr("radius_voice.cli.call.MAX_POLLS", 1)
    path = write(CONFIGURATION + "policies: {default: {sip_domains: [pbx.example.org]}}\n")
    gateway = "pbx: {type: http-request, methods: [voice], url: 'http://127.0.0.1:9/{phone}/{code}'}"
    path.write_text(path.read_text().replace("  providers:\n", f"  providers:\n    {gateway}\n"))
    shown = run("call", "--config", path, "sip:3105@pbx.example.org").stdout
    assert "pbx: not placed: no template has the SIP address\ntwilio: calling sip:31**@" in shown


def test_twilios_test_numbers_are_called_only_in_development(tmp_path, write):
    assert "twilio: calling +15*******10" in run("call", "--config", write(), "+15005550010").stdout
    assert 0 == run("init", tmp_path / "etc").exit_code
    result = run("call", "--config", tmp_path / "etc" / "radius-voice.yaml", "+15005550010")
    assert (1, True) == (result.exit_code, "+15*******10 is not called (personal number)" in result.stderr)


def test_login_shows_the_challenge_prompts_and_prints_the_result(server, user):
    with ProgramProcess(
        "login", f"127.0.0.1:{server.ports[0]}", user.name, "--secret", SECRET.decode(), stdin=subprocess.PIPE
    ) as login:

        def type_in(text):
            assert login.process.stdin is not None
            login.process.stdin.write(f"{text}\n")
            login.process.stdin.flush()

        type_in(user.password)
        login.wait_for_line("Access-Challenge", login.stdout)
        type_in(server.simulator.code(user.phone))
        login.wait_for_line("Access-Accept", login.stdout)
        assert 0 == login.wait()
    asked = "".join([*login.stdout, *login.stderr])
    assert f"ending in {user.phone[-2:]}. Enter the code you hear" in asked


def test_login_without_secret_and_terminal_says_how_to_give_the_secret(server, user):
    for secret in ({"RADIUS_SECRET": None}, {"RADIUS_SECRET": ""}):
        result = run("login", f"127.0.0.1:{server.ports[0]}", user.name, typed=f"{user.password}\n", env=secret)
        assert (1, "") == (result.exit_code, result.stdout)
        assert result.stderr.startswith("Error: no shared secret, and no terminal to ask for it")
        assert 'RADIUS_SECRET="$(cat FILE)"' in result.stderr
        assert 1 == len(result.stderr.splitlines())


def test_login_without_a_terminal_reports_missing_input(server, user):
    result = run("login", f"127.0.0.1:{server.ports[0]}", user.name, "--secret", SECRET.decode(), typed="")
    assert (1, "") == (result.exit_code, result.stdout)
    assert "Password:\nError: standard input has no further line for this answer\n" == result.stderr


def test_login_asks_for_the_secret_on_a_terminal(server, user):
    ours, terminal = os.openpty()
    login = subprocess.Popen(
        [*PROGRAM, "login", f"127.0.0.1:{server.ports[0]}", user.name],
        stdin=terminal,
        stdout=subprocess.PIPE,
        stderr=terminal,
        env={name: value for name, value in os.environ.items() if name != "RADIUS_SECRET"},
        start_new_session=True,  # without the controlling terminal of the test run
    )
    try:
        os.close(terminal)
        seen = b""
        for asked, typed in ((b"Shared secret: ", SECRET), (b"Password: ", b"wrong")):
            while not seen.endswith(asked):
                seen += os.read(ours, 1024)
            os.write(ours, typed + b"\n")
        printed = login.communicate(timeout=TIMEOUT)[0].decode()
    finally:
        login.kill()
        os.close(ours)
    assert (1, True) == (login.returncode, "Access-Reject Login refused." in printed)
    assert SECRET not in seen


def test_login_that_is_rejected_is_exit_code_1(server, user):
    secret = {"RADIUS_SECRET": SECRET.decode()}
    result = run("login", f"127.0.0.1:{server.ports[0]}", user.name, typed="wrong\n", env=secret)
    assert 1 == result.exit_code
    assert "Access-Reject Login refused." in result.stdout


def test_login_without_a_response_lists_possible_causes(server, user):
    where = f"127.0.0.1:{server.ports[0]}"
    result = run("login", where, user.name, "--secret", "another secret", "--timeout", "0.3", typed="x\n")
    assert 1 == result.exit_code
    assert (
        f"no response from 127.0.0.1 port {server.ports[0]}: the server is not running, has another secret"
        in result.stderr
    )
    assert "another secret than" not in result.output


@pytest.mark.parametrize("where", ["127.0.0.1:port", "no.such.host.invalid", "127.0.0.1:70000"])
def test_login_to_an_unresolvable_address_is_reported(where):
    result = run("login", where, "alice", "--secret", "x", "--timeout", "0.2", typed="x\n")
    assert 1 == result.exit_code
    assert "Error: " in result.stderr
    assert isinstance(result.exception, SystemExit)


def test_serve_with_a_port_in_use_names_it_and_exits(server, write):
    path = write(CONFIGURATION.replace("127.0.0.1:0", f"127.0.0.1:{server.ports[0]}"))
    with ProgramProcess("serve", "--config", path) as second:
        assert 1 == second.wait()
    fix = f"server.listen: 127.0.0.1:{server.ports[0]}: Address already in use; another process has this port"
    assert fix in "".join(second.stderr)
    assert "Traceback" not in "".join(second.stderr)


@pytest.mark.parametrize("command", ["check", "limits", "test-credentials"])
def test_an_unexpected_failure_of_a_command_prints_one_line_without_the_exception_text(write, monkeypatch, command):
    def broken(*_, **__):
        raise KeyError("a password")

    monkeypatch.setattr("radius_voice.wiring.adapters.load", broken)
    result = run(command, "--config", write())
    expected = r"Error: internal error: KeyError in broken:\d+; please report it with the command that you ran\n"
    assert (1, "") == (result.exit_code, result.stdout)
    assert re.fullmatch(expected, result.stderr)


def test_serve_with_an_invalid_file_reports_every_error_and_exits(write):
    path = write(CONFIGURATION.replace("secret:", "secrets:"))
    result = run("serve", "--config", path)
    assert (1, True) == (result.exit_code, f"{path}:{START + 2}: clients.host.secret" in result.stderr)


def test_simulate_twilio_listens_only_on_loopback():
    for listen in ("0.0.0.0:0", "192.0.2.1:80", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:70000"):
        result = run("simulate-twilio", "--listen", listen)
        assert (2, True) == (result.exit_code, "write a loopback address and a port" in result.stderr)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--fail-rate", "3"),
        ("--fail-rate", "-1"),
        ("--fail-rate", "nan"),
        ("--latency", "-1"),
        ("--latency", "nan"),
        ("--latency", "inf"),
    ],
)
def test_simulate_twilio_refuses_a_number_out_of_range(option, value):
    result = run("simulate-twilio", "--listen", "127.0.0.1:99999", option, value)
    assert (2, True) == (result.exit_code, f"'{option}': {value}" in result.stderr)
    assert "is not in the range" in result.stderr


def test_simulate_twilio_reports_a_port_in_use():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = run("simulate-twilio", "--listen", f"127.0.0.1:{port}")
    cause = f"Error: --listen: 127.0.0.1:{port}: Address already in use; another process has this port; find it with: "
    assert (1, cause + f"ss -lntp 'sport = :{port}'\n") == (result.exit_code, result.stderr)


def test_simulate_twilio_ends_by_sigterm_with_exit_code_0():
    with ProgramProcess("simulate-twilio", "--listen", "127.0.0.1:0") as simulator:
        simulator.wait_for_line("simulated Twilio on http://127.0.0.1:", simulator.stdout)
        assert 0 == simulator.stop()


def test_the_program_starts_without_unneeded_imports():
    code = (
        "import sys, radius_voice.cli.main as m; print([n for n in ('aiohttp', 'twilio', 'pyrad') if n in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=TIMEOUT)
    assert "[]\n" == ended.stdout
