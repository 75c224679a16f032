"""`check --connect`: certificates that expire, and clocks that differ."""

import json
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import trustme
from click.testing import CliRunner

from radius_voice.cli.main import main
from radius_voice.config.twilio_account import PLACEHOLDER_SID
from radius_voice.delivery.twilio_verify.settings import TwilioVerifySettings
from radius_voice.delivery.twilio_voice.settings import TwilioVoiceSettings
from tests.support.network import LOOPBACK, free_port
from tests.support.redis_server import RedisServer
from tests.support.server_process import write_configuration
from tests.support.slapd_server import BASE, READER, READER_PASSWORD, SlapdServer

CONFIGURATION = """\
server: {listen: ["udp://127.0.0.1:0"], key: "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}
clients:
  gateway: {address: 127.0.0.1, secret: a shared secret of the tests}
"""
DIRECTORY = """\
identity:
  corp:
    type: ldap
    servers: [SERVER]
    start_tls: START_TLS
    ca_file: ca.pem
    bind_dn: READER
    bind_password: PASSWORD
    base: BASE
"""
STORE = """\
store: {type: redis, servers: ["127.0.0.1:PORT"], tls: true, ca_file: ca.pem, timeout: 5s}
"""


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def certificate(authority, tmp_path):
    """Writes PEM files of a certificate that expires in that many days: certificate, key, authority."""

    def certificate(days):
        issued = authority.issue_cert(
            LOOPBACK,
            not_before=datetime.now(UTC) - timedelta(days=90),
            not_after=datetime.now(UTC) + timedelta(days=days, hours=1),
        )
        paths = tmp_path / "server.pem", tmp_path / "server-key.pem", tmp_path / "ca.pem"
        issued.cert_chain_pems[0].write_to_path(paths[0])
        issued.private_key_pem.write_to_path(paths[1])
        authority.cert_pem.write_to_path(paths[2])
        paths[1].chmod(0o600)
        return paths

    return certificate


def check(path, part):
    """The exit code, and results and texts of the checks of this part by name."""
    done = CliRunner().invoke(main, ["check", "--connect", "--json", "--config", str(path)])
    connections = json.loads(done.stdout)["connections"]
    assert connections is not None, done.stdout
    found = [(each["name"], each["result"], each["text"]) for each in connections if each["part"] == part]
    return done.exit_code, found


@pytest.fixture
def directory(tmp_path, simulator):
    """A configuration with a slapd that has this certificate. The path."""
    started = []

    def directory(certificates, start_tls=False):
        slapd = SlapdServer(tmp_path / "slapd", certificates)
        started.append(slapd)
        text = DIRECTORY.replace("SERVER", slapd.url if start_tls else slapd.ldaps_url)
        for name, value in (("START_TLS", str(start_tls).lower()), ("READER", READER), ("PASSWORD", READER_PASSWORD)):
            text = text.replace(name, value)
        return write_configuration(tmp_path, simulator, CONFIGURATION + text.replace("BASE", BASE), [])

    yield directory
    for slapd in started:
        slapd.stop()


@pytest.mark.parametrize("start_tls", [False, True], ids=["ldaps", "StartTLS"])
@pytest.mark.parametrize(("days", "result"), [(29, "warning"), (31, "good")])
def test_the_certificate_of_a_directory_warns_30_days_before_it_expires(
    directory, certificate, start_tls, days, result
):
    code, found = check(directory(certificate(days), start_tls), "certificate")
    assert ["identity.corp.ca_file", "identity.corp"] == [name for name, _, _ in found]
    assert (0, result) == (code, found[1][1])
    assert f", in {days} days" in found[1][2]
    assert found[1][2].endswith("renew it") is (result == "warning")


@pytest.mark.parametrize("start_tls", [False, True], ids=["ldaps", "StartTLS"])
def test_an_expired_certificate_of_a_directory_is_bad(directory, certificate, start_tls):
    code, found = check(directory(certificate(-2), start_tls), "certificate")
    assert (1, "bad") == (code, found[1][1])
    assert "is not accepted: certificate has expired" in found[1][2]


def test_the_certificate_and_the_clock_of_redis_are_checked(tmp_path, simulator, certificate, make_user):
    files = certificate(5)
    options = ("--tls-cert-file", files[0], "--tls-key-file", files[1], "--tls-auth-clients", "no")
    redis = RedisServer(tmp_path / "redis", "--tls-ca-cert-file", files[2], *options, tls=True)
    try:
        text = CONFIGURATION + STORE.replace("PORT", str(redis.port))
        path = write_configuration(tmp_path, simulator, text, [make_user()])
        code, found = check(path, "certificate")
        assert (0, ("store", "warning")) == (code, found[1][:2])
        assert ", in 5 days; renew it" in found[1][2]
        _, clocks = check(path, "clock")
    finally:
        redis.close()
    assert ("store", "good") == clocks[-1][:2]
    assert clocks[-1][2].startswith("redis: its clock is 0 s ")


@pytest.mark.parametrize(
    ("days", "code", "result", "text"),
    [(400, 0, "good", ", in 400 days"), (1, 0, "warning", ", in 1 day; renew it"), (-2, 1, "bad", ": expired at ")],
)
def test_a_certificate_in_a_file_is_checked(tmp_path, simulator, certificate, make_user, days, code, result, text):
    certificate(days)[0].rename(tmp_path / "ca.pem")
    path = write_configuration(tmp_path, simulator, CONFIGURATION, [make_user()])
    path.write_text(path.read_text().replace("timeout: 3s", "timeout: 3s\n      ca_file: ca.pem"))
    done, found = check(path, "certificate")
    assert (code, [("delivery.providers.twilio.ca_file", result)]) == (done, [each[:2] for each in found])
    assert text in found[0][2]


@pytest.mark.parametrize(
    ("ahead", "result", "text"),
    [
        (12.0, "warning", "ahead of this machine's; synchronise"),
        (-12.0, "warning", "behind this machine's; synchronise"),
        (0.0, "good", ""),
    ],
)
def test_the_clock_of_a_provider_is_compared(tmp_path, make_user, ahead, result, text):
    class Provider(BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.send_response(404)
            self.end_headers()

        def date_time_string(self, timestamp=None):
            return formatdate(time.time() + ahead, usegmt=True)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer((LOOPBACK, 0), Provider) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            url = f"http://{LOOPBACK}:{server.server_port}"
            path = write_configuration(tmp_path, url, CONFIGURATION, [make_user()])
            _, found = check(path, "clock")
        finally:
            server.shutdown()
    assert [("delivery.providers.twilio", result)] == [each[:2] for each in found]
    assert text in found[0][2]


def test_a_server_that_does_not_respond_is_not_checked(tmp_path, simulator, certificate, make_user):
    certificate(100)
    text = CONFIGURATION + STORE.replace("PORT", str(free_port()))
    path = write_configuration(tmp_path, simulator, text, [make_user()])
    _, found = check(path, "certificate")
    assert ("store", "not_checked") == found[1][:2]
    _, clocks = check(path, "clock")
    assert ("store", "not_checked") == clocks[-1][:2]


def test_the_servers_of_twilio_are_those_of_region_and_edge():
    def url(section, **keys):
        return section.model_construct(
            account_sid=PLACEHOLDER_SID, **{"base_url": None, "region": None, **keys}
        ).server_url

    assert "https://api.twilio.com" == url(TwilioVoiceSettings)
    assert "https://api.dublin.ie1.twilio.com" == url(TwilioVoiceSettings, region="ie1", edge="dublin")
    assert "https://verify.twilio.com" == url(TwilioVerifySettings)
