"""`support-bundle`: an archive that helps to find a problem, and has no secret."""

import base64
import json
import os
import re
import stat
import subprocess
import tarfile
import time
from contextlib import contextmanager

import pytest
from click.testing import CliRunner

from radius_voice.cli.main import main
from radius_voice.radius import packet as radius
from radius_voice.support_bundle.shown_settings import without_secrets
from radius_voice.wiring.adapters import load
from tests.support.network import free_port
from tests.support.other_user import OTHER_USER, change_owner
from tests.support.polling import wait_until
from tests.support.program_process import PROGRAM, TIMEOUT
from tests.support.radius_test_client import SECRET, RadiusTestClient
from tests.support.server_process import TOKEN, write_configuration
from tests.support.vonage_double import pem

CONFIGURATION = """\
server: {listen: ["udp://127.0.0.1:0"], reject_delay: 0s}
clients:
  gateway: {address: 127.0.0.1, secret: a shared secret of the tests}
"""
WRONG_PASSWORD = "a-wrong-password-55"
CALLER = (radius.CALLING_STATION_ID, b"192.0.2.77")
KEY = base64.b64encode(bytes(range(32))).decode()
SECRETS = {
    "the shared secret of the tests' gateway": SECRET.decode(),
    "a shared secret in a file": "shared-in-file-6f1d2c",
    "the second of two shared secrets": "shared-second-90ab41",
    "a probe password": "probe-password-3c77ee12",
    "a probe password in the environment": "probe-environment-81d0c2",
    "a Twilio token": TOKEN,
    "a Twilio API secret": "twilio-api-secret-44c1",
    "a SIP password": "sip-password-7a31f0",
    "a basic auth password": "basic-auth-d81c55",
    "a template's secret": "template-secret-e03b",
    "a secret in a header's text": "header-text-9d2f17",
    "a secret in a URL's text": "url-text-16b7c8",
    "a secret in a URL's path": "url-path-bb41e2",
    "a secret in a body's text": "body-text-c44a90",
    "an LDAP bind password": "bind-password-77ce01",
    "an upstream secret": "upstream-secret-a1f9e6",
    "a SQL password": "sql-password-2e88b3",
    "an encrypted attribute's text": "tunnel-password-text-1",
    "an encrypted attribute's file": "tunnel-password-file-2",
    "a fixed code": "739158",
    "a secret in a comment": "commented-out-f00d42",
    "server.key": KEY,
}
FILES = {
    "gateway.secret": "a shared secret in a file",
    "second.secret": "the second of two shared secrets",
    "bind": "an LDAP bind password",
    "tunnel": "an encrypted attribute's file",
    "template": "a template's secret",
    "server.secret": "server.key",
}
EVERY_SECRET = """\
# the old secret was commented-out-f00d42
development: true
server: {listen: ["udp://127.0.0.1:0"], reject_delay: 0s, key: {file: server.secret}}
clients:
  gateway: {address: 127.0.0.1, secret: a shared secret of the tests}
  other:
    address: 127.0.0.5
    secret: [{file: gateway.secret}, {file: second.secret}]
    probe: {user: check, response: accept, password: probe-password-3c77ee12}
  third:
    address: 127.0.0.6
    secret: {file: gateway.secret}
    probe: {user: check, response: accept, password: {env: PROBE}}
identity:
  people: {type: users_file, path: users.yaml}
  directory:
    {type: ldap, servers: ["ldap://127.0.0.1:PORT"], base: "dc=example", bind_dn: "cn=a", bind_password: {file: bind}}
  upstream: {type: radius, servers: ["127.0.0.1:PORT"], secret: upstream-secret-a1f9e6, initial_timeout: 0.1s}
  database: {type: sql, url: "postgresql://radius@127.0.0.1:PORT/users", password: sql-password-2e88b3}
policies:
  default:
    first_factor: people
    directory: people
    exemptions: [{users: [carla], reason: test}]
    allow_numbers: ["+14155550100", "+4915"]
    reply:
      - set: {"Tunnel-Password:1": tunnel-password-text-1, Class: staff}
      - {when: {group: b}, set: {"Tunnel-Password:2": {file: tunnel}}}
  others: {first_factor: upstream, directory: directory}
  sql: {first_factor: database, directory: database}
delivery:
  friendly_name: ACME VPN
  voice: [twilio]
  providers:
    twilio:
      type: twilio-voice
      account_sid: AC00000000000000000000000000000000
      auth_token: simulated-token
      calls_per_second: off
      from: "+15005550006"
      base_url: SIMULATOR
      sip_auth_username: pbx
      sip_auth_password: sip-password-7a31f0
    key:
      type: twilio-sms
      account_sid: AC00000000000000000000000000000000
      api_key: SK00000000000000000000000000000000
      api_secret: twilio-api-secret-44c1
      from: "+15005550006"
      base_url: SIMULATOR
    vonage:
      type: vonage-voice
      application_id: aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab
      private_key: {file: vonage.pem}
      from: "+15005550006"
      base_url: SIMULATOR
    own:
      type: http-request
      methods: [sms]
      url: "http://127.0.0.1:PORT/url-path-bb41e2/?key=url-text-16b7c8&to={phone}"
      headers: {X-Key: "Key header-text-9d2f17 {secret.api}"}
      content_type: text
      body: "body-text-c44a90 {text}"
      basic_auth: {username: radius, password: basic-auth-d81c55}
      secrets: {api: {file: template}}
    fixed: {type: fixed, code: "739158"}
admin: {listen: "127.0.0.1:0"}
"""


@pytest.fixture
def user(make_user):
    return make_user()


@pytest.fixture
def every_secret(tmp_path, simulator, user, monkeypatch):
    """The path of a configuration with every kind of secret."""
    monkeypatch.setenv("PROBE", SECRETS["a probe password in the environment"])
    for name, secret in FILES.items():
        (tmp_path / name).write_text(SECRETS[secret] + "\n")
        (tmp_path / name).chmod(0o600)
    (tmp_path / "vonage.pem").write_text(pem())
    (tmp_path / "vonage.pem").chmod(0o600)
    path = tmp_path / "radius-voice.yaml"
    (tmp_path / "users.yaml").write_text(json.dumps({user.name: user.entry}))
    (tmp_path / "users.yaml").chmod(0o600)
    path.write_text(EVERY_SECRET.replace("SIMULATOR", simulator.url).replace("PORT", str(free_port())))
    path.chmod(0o600)
    return path


@contextmanager
def service_with_log(path):
    """A service whose standard error is a file. The port, once it has started."""
    log = path.with_name("service.log")
    with log.open("w") as file, subprocess.Popen([*PROGRAM, "serve", "--config", path], stderr=file) as process:
        try:
            wait_until(lambda: " udp 127.0.0.1 port " in log.read_text(), "the service has started")
            yield int(re.findall(r"udp 127\.0\.0\.1 port (\d+)", log.read_text())[0])
        finally:
            process.terminate()
            process.wait(TIMEOUT)


def write_bundle(path, *options):
    """The texts of the files of a new bundle, by name."""
    archive = path.with_name("bundle.tar.gz")
    done = CliRunner().invoke(main, ["support-bundle", "--config", str(path), "--output", str(archive), *options])
    assert 0 == done.exit_code, done.output
    assert 0o600 == stat.S_IMODE(archive.stat().st_mode)
    return content(archive)


def content(archive):
    with tarfile.open(archive) as opened:
        files = {member.name: opened.extractfile(member) for member in opened.getmembers()}
        texts = {name: file.read().decode() for name, file in files.items() if file is not None}
    return {name.removeprefix("radius-voice-support/"): text for name, text in texts.items()}


def log_in(port, user, simulator):
    """A login with a wrong and a right code, and one with a wrong password. The codes."""
    client = RadiusTestClient(port, "127.0.0.1", SECRET)
    try:
        challenge = client.start_login(user, CALLER)
        wait_until(lambda: simulator.calls(user.phone), "the user is called")
        codes = [call["code"] for call in simulator.calls(user.phone)]
        assert radius.ACCESS_ACCEPT == client.respond(user, challenge, codes[0], CALLER).code
        client.exchange([(radius.USER_NAME, user.name.encode()), CALLER], WRONG_PASSWORD)
    finally:
        client.close()
    return codes


def leaked(files, secrets):
    """The secrets that are in a file, and where."""
    return [(name, file) for name, secret in secrets.items() for file, text in files.items() if secret in text]


def assert_no_secret(files, path, user, codes):
    """Fails if a file of a bundle has a secret of the fixture, or a code."""
    data_key = path.with_name("state").joinpath("data.key").read_bytes()
    of_users = {"the password": user.password, "its hash": user.hashed, "a wrong password": WRONG_PASSWORD}
    keys = {"data.key": data_key.hex(), "data.key in base64": base64.b64encode(data_key).decode()}
    key_lines = {f"line {number} of a private key": line for number, line in enumerate(pem().splitlines()[1:-1])}
    assert [] == leaked(files, {**SECRETS, **of_users, **keys, **key_lines, "the phone": user.phone})
    assert [] == [code for code in codes for text in files.values() if re.search(rf"(?<![\w.]){code}(?!\w)", text)]


def test_the_bundle_has_all_about_a_login_except_secrets(every_secret, user, simulator):
    with service_with_log(every_secret) as port:
        codes = log_in(port, user, simulator)
        files = write_bundle(every_secret)
    assert_no_secret(files, every_secret, user, codes)
    assert {
        "README.txt",
        "configuration.yaml",
        "versions.json",
        "files.txt",
        "status.json",
        "check.json",
        "clients.json",
        "limits.json",
        "metrics.txt",
        "audit.jsonl",
        "log.txt",
    } == set(files)
    records = [json.loads(line) for line in files["audit.jsonl"].splitlines()]
    assert [user.name] * 3 == [record["user"] for record in records if record["kind"] == "request"]
    assert json.loads(files["status.json"])["listen"] == [["127.0.0.1", port]]
    assert {"clients", "never_seen"} <= set(json.loads(files["clients.json"]))
    assert " started" in files["log.txt"]
    assert "radius_voice_" in files["metrics.txt"]
    checked = json.loads(files["check.json"])["connections"]
    assert {"store", "identity", "provider"} <= {each["part"] for each in checked}
    assert "pydantic" in json.loads(files["versions.json"])["packages"]
    assert re.search(r"^-rw------- \S+ \d+ \S+ \S+/gateway\.secret$", files["files.txt"], re.MULTILINE)
    assert "User names, IP addresses and the addresses of callers are included." in files["README.txt"]
    assert "Not included" not in files["README.txt"]


def test_the_same_name_has_the_same_hash_in_the_whole_bundle(every_secret, user, simulator):
    with service_with_log(every_secret) as port:
        codes = log_in(port, user, simulator)
        files = write_bundle(every_secret, "--without-names")
    assert_no_secret(files, every_secret, user, codes)
    assert [] == leaked(files, {"the user": user.name, "an exempt user": "carla", "a caller": "192.0.2.77"})
    records = [json.loads(line) for line in files["audit.jsonl"].splitlines()]
    (hashed,) = {record["user"] for record in records if record["kind"] == "request"}
    assert re.fullmatch(r"user-[0-9a-f]{10}", hashed)
    (caller,) = {record["calling_station_id"] for record in records if "calling_station_id" in record}
    assert re.fullmatch(r"address-[0-9a-f]{10}", caller)
    assert hashed in files["log.txt"]
    assert caller in files["log.txt"]
    assert "are replaced by hashes" in files["README.txt"]


def test_the_settings_say_where_secrets_are_from(every_secret):
    shown = without_secrets(load(every_secret).settings)
    assert ["<secret from text>"] == shown["clients"]["gateway"]["secret"]
    assert ["<secret from file>"] * 2 == shown["clients"]["other"]["secret"]
    assert "<secret from env>" == shown["clients"]["third"]["probe"]["password"]
    own = shown["delivery"]["providers"]["own"]
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+<text>\{phone\}", own["url"])
    assert {"X-Key": "<text>{secret.api}"} == own["headers"]
    assert "<code>" == shown["delivery"]["providers"]["fixed"]["code"]
    assert ["+14*******00", "+4915"] == shown["policies"]["default"]["allow_numbers"]
    rule = shown["policies"]["default"]["reply"][0]["set"]
    assert {"Tunnel-Password:1": ["<secret from text>"], "Class": ["staff"]} == rule


def test_without_a_service_the_bundle_names_the_missing_files(tmp_path, simulator, user):
    path = write_configuration(tmp_path, simulator, CONFIGURATION, [user])
    files = write_bundle(path)
    assert not {"status.json", "metrics.txt", "log.txt"} & set(files)
    asked = f"no service responds at {tmp_path / 'state' / 'control.sock'}, so its"
    for reason in (
        "status.json: ",
        "limits.json: ",
        f"metrics.txt: {asked} metrics could not be read\n",
        f"log.txt: {asked} standard error is not known; ",
        f"audit.jsonl: there is no {tmp_path / 'audit.jsonl'} and no rotated file of it\n",
    ):
        assert f"  {reason}" in files["README.txt"]
    assert {"configuration.yaml", "check.json", "clients.json", "versions.json"} <= set(files)


def test_a_broken_configuration_leaves_out_what_needs_it(start_server, user):
    with start_server(CONFIGURATION, [user]) as server:
        server.client().start_login(user)
        broken = server.path.read_text().replace("reject_delay: 0s", "reject_dellay: 0s")
        server.path.write_text(broken)
        files = write_bundle(server.path)
    assert not {"configuration.yaml", "clients.json", "limits.json"} & set(files)
    assert {"status.json", "check.json", "metrics.txt", "audit.jsonl"} <= set(files)
    assert "reject_dellay" in files["README.txt"]
    assert not json.loads(files["check.json"])["good"]
    assert [] == leaked(files, {"the shared secret": SECRET.decode()})


def test_a_file_that_is_no_yaml_is_no_obstacle(tmp_path):
    path = tmp_path / "radius-voice.yaml"
    path.write_text("clients: {gateway: {secret: never-shown-11, secret: [")
    files = write_bundle(path)
    assert {"README.txt", "check.json", "versions.json", "files.txt"} == set(files)
    reason = "the configuration cannot be used, and no service responds"
    assert f"  audit.jsonl: {reason}" in files["README.txt"]
    assert ", so the audit log's path is not known\n" in files["README.txt"]
    assert [] == leaked(files, {"the secret": "never-shown-11"})


def test_an_existing_file_is_not_overwritten(tmp_path, simulator, user):
    path = write_configuration(tmp_path, simulator, CONFIGURATION, [user])
    output = tmp_path / "bundle.tar.gz"
    output.symlink_to(tmp_path / "elsewhere")
    done = CliRunner().invoke(main, ["support-bundle", "--config", str(path), "--output", str(output)])
    assert (1, False) == (done.exit_code, (tmp_path / "elsewhere").exists())
    assert f"{output}: exists; name another file by --output" in done.stderr


def test_an_audit_log_without_a_recent_record_is_named(tmp_path, simulator, user):
    path = write_configuration(tmp_path, simulator, CONFIGURATION, [user])
    (tmp_path / "audit.jsonl").write_text('{"kind":"service","at":"2020-01-01T00:00:00.000Z","event":"started"}\n')
    files = write_bundle(path)
    reason = f"audit.jsonl: {tmp_path / 'audit.jsonl'} and its rotated files have no record since "
    assert ("", True) == (files["audit.jsonl"], reason in files["README.txt"])


def test_an_audit_log_at_standard_output_is_named(tmp_path, simulator, user):
    path = write_configuration(tmp_path, simulator, CONFIGURATION, [user])
    path.write_text(path.read_text() + 'audit: {path: "-"}\n')
    reason = "audit.jsonl: audit.path is -, so the audit log is standard output of the service\n"
    assert reason in write_bundle(path)["README.txt"]


def test_since_limits_the_records_and_the_log(tmp_path, simulator, user):
    path = write_configuration(tmp_path, simulator, CONFIGURATION, [user])
    old, new = '"2020-01-01T00:00:00.000Z"', '"2999-01-01T00:00:00.000Z"'
    lines = [f'{{"kind":"service","at":{at},"event":"started"}}\n' for at in (old, new)]
    (tmp_path / "audit.jsonl").write_text("".join(lines))
    assert [json.loads(lines[1])] == [json.loads(line) for line in write_bundle(path)["audit.jsonl"].splitlines()]


def test_the_log_is_that_of_the_journal_if_standard_error_is_no_file(start_server, user, tmp_path, monkeypatch):
    journalctl = tmp_path / "bin" / "journalctl"
    journalctl.parent.mkdir()
    journalctl.write_text('#!/bin/sh\necho "$@"\n')
    journalctl.chmod(0o755)
    monkeypatch.setenv("PATH", f"{journalctl.parent}:{os.environ['PATH']}")
    with start_server(CONFIGURATION, [user]) as server:
        files = write_bundle(server.path, "--since", "1h")
    found = re.match(r"--unit=radius-voice\.service --since=@(\d+) ", files["log.txt"])
    assert found is not None
    assert 3600 == pytest.approx(time.time() - int(found[1]), abs=TIMEOUT)


@pytest.mark.peer("root")
def test_without_permission_for_some_files_the_rest_is_written(public_directory, simulator, user, as_other_user):
    path = write_configuration(
        public_directory,
        simulator,
        CONFIGURATION.replace("secret: a shared secret of the tests", "secret: {file: gateway.secret}"),
        [user],
    )
    (public_directory / "gateway.secret").write_text(SECRET.decode())
    change_owner(public_directory, OTHER_USER)
    for name in ("gateway.secret", "users.yaml", "audit.jsonl"):
        (public_directory / name).touch()
        os.chown(public_directory / name, 0, 0)
        (public_directory / name).chmod(0o600)
    archive = public_directory / "bundle.tar.gz"
    command = [*as_other_user, "support-bundle", "--config", str(path), "--output", str(archive)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=3 * TIMEOUT, cwd=public_directory)
    assert 0 == done.returncode, done.stderr
    files = content(archive)
    assert "<secret from file, not readable by this user>" in files["configuration.yaml"]
    assert "audit.jsonl: " in files["README.txt"]
    assert "-rw------- root:0 " in files["files.txt"]
