"""Every query of the dashboard, asked of a real Prometheus that scrapes a running server under load."""

import json
import os
import time

import pytest

from radius_voice.radius import packet as radius
from tests.support.polling import wait_until
from tests.support.prometheus_server import DEPLOY, Prometheus
from tests.support.server_process import WorkersProcess

pytestmark = [
    pytest.mark.peer("prometheus"),
    pytest.mark.skipif(not os.environ.get("RADIUS_VOICE_LONG"), reason="Prometheus is large: RADIUS_VOICE_LONG=1"),
]
CONFIGURATION = """\
server: {listen: ["udp://127.0.0.1:0"], workers: 2, reject_delay: 0s}
clients:
  gateway: {address: 127.0.0.1, secret: a shared secret of the tests}
limits: {calls: {client: off, country: off, total: off}}
"""
PANELS = json.loads((DEPLOY / "grafana" / "radius-voice.json").read_text())["panels"]
WITHOUT_DATA = {
    "Statuses of calls": "nothing follows these calls",
    "Providers skipped": "no provider has an outage",
    "Alarms in 24 hours": "there is no alarm",
}
"""Panels that may be empty after this load, and why."""


@pytest.fixture(scope="module")
def scraped(simulator, make_user, tmp_path_factory):
    """A Prometheus that has scraped a server while users logged in."""
    users = [make_user() for _ in range(10)]
    server = WorkersProcess(tmp_path_factory.mktemp("server"), simulator, CONFIGURATION, users)
    prometheus = Prometheus(tmp_path_factory.mktemp("prometheus"), server.admin.removeprefix("http://"))
    try:
        wait_until(prometheus.answers, "Prometheus is ready")
        wait_until(lambda: prometheus.query("radius_voice_build_info"), "the server is scraped")
        for user in users:
            log_in(server, user)
        scraped_at = time.time()
        wait_until(
            lambda: prometheus.query(f"timestamp(radius_voice_requests_total) > {scraped_at + 2}"),
            "it is scraped again",
        )
        yield prometheus
    finally:
        prometheus.close()
        assert 0 == server.stop()


def log_in(server, user):
    """A login with a retransmission, a wrong password, a wrong code and a request with another secret."""
    gateway = server.client()
    request = gateway.initial_request(user)
    gateway.send(request)
    challenge = gateway.receive()
    gateway.send(request)
    gateway.receive()
    challenge = gateway.respond(user, challenge, "0000")
    code = server.simulator.code(user.phone)
    assert radius.ACCESS_ACCEPT == gateway.respond(user, challenge, code).code
    attacker = server.client(secret=b"another shared secret")
    attacker.send(attacker.initial_request(user))


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_every_panel_has_data(panel, scraped):
    for target in panel["targets"]:
        values = scraped.query(target["expr"].replace("$__rate_interval", "1m"))
        assert values or panel["title"] in WITHOUT_DATA, target["expr"]


def test_no_alert_of_the_shipped_rules_is_a_mistake_of_this_load(scraped):
    firing = {each["metric"]["alertname"] for each in scraped.query('ALERTS{alertstate="firing"}')}
    assert firing <= {"RadiusVoiceWrongSecret", "RadiusVoiceDevelopment", "RadiusVoiceRejectSurge"}
