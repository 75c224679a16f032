"""`clients`: what each gateway sends, what stricter settings would discard, and timers that do not fit."""

import json
import shutil

import pytest
from click.testing import CliRunner

from radius_voice.cli.main import main
from radius_voice.radius import packet as radius
from radius_voice.server.traffic import Traffic, TrafficReport
from radius_voice.server.traffic_file import TrafficFile
from tests.support.radclient import SIGNED, radclient
from tests.support.radius_test_client import SECRET
from tests.support.requirements import require
from tests.support.server_process import ServerProcess, WorkersProcess, write_configuration

CONFIGURATION = """\
server: {listen: ["udp://127.0.0.1:0"], reject_delay: 0s, workers: WORKERS}
clients:
  hq-vpn: {address: 127.0.0.1, secret: a shared secret of the tests}
  branch-vpn:
    address: 127.0.0.3
    secret: a shared secret of the tests
    require_message_authenticator: no
    limit_proxy_state: no
  lab: {address: 127.0.0.4, secret: a shared secret of the tests}
"""


TIMER = (
    "the gateway retransmits after about 2 s, before response_timeout (2.5 s): "
    "raise its timeout to at least 3.5 s, or lower response_timeout"
)


@pytest.fixture
def user(make_user):
    return make_user()


def run(path, *options):
    done = CliRunner().invoke(main, ["clients", "--config", str(path), *options])
    assert 0 == done.exit_code, done.output
    return done.stdout


def report(path):
    found = json.loads(run(path, "--json"))
    return {row["client"]: row for row in found["clients"]}, found["never_seen"]


def test_no_text_of_a_file_controls_the_terminal(tmp_path, simulator, user):
    path = write_configuration(tmp_path, simulator, CONFIGURATION.replace("WORKERS", "1"), [user])
    traffic = {"client": "lab", "address": "\x1b]0;title\x07", "first_seen": 1.0, "last_seen": 1.0}
    (tmp_path / "state" / "clients").mkdir(parents=True)
    (tmp_path / "state" / "clients" / "0.json").write_text(json.dumps({"version": 1, "clients": [traffic]}))
    shown = run(path)
    assert r"\x1b]0;title\x07" in shown
    assert shown.replace("\n", "").isprintable()


def send_packets(server):
    """Send packets of two gateways to a service, and stop it."""
    signed = [server.client() for _ in range(6)]
    for gateway in signed:
        gateway.exchange([(radius.USER_NAME, b"unknown")], "x")
        unsigned = server.client("127.0.0.3")
        unsigned.exchange([(radius.USER_NAME, b"unknown"), (radius.PROXY_STATE, b"1")], "x", signed=False)
    signed[0].send(b"not a packet")
    datagram = signed[0].request([(radius.USER_NAME, b"unknown")], "x")
    for _ in range(2):
        signed[0].send(datagram)
        signed[0].receive()
    assert 0 == server.stop()


@pytest.mark.parametrize("workers", [1, 2])
def test_the_report_has_what_gateways_sent_to_all_workers_and_over_restarts(simulator, tmp_path, user, workers):
    process = ServerProcess if workers == 1 else WorkersProcess
    configuration = CONFIGURATION.replace("WORKERS", str(workers))
    for _ in range(2):
        send_packets(process(tmp_path, simulator, configuration, [user]))
    rows, unseen = report(tmp_path / "radius-voice.yaml")
    assert ["lab"] == unseen
    signed, unsigned = rows["hq-vpn"], rows["branch-vpn"]
    assert (14, 0, {"pap": 14}, 2) == (
        signed["requests"],
        signed["without_message_authenticator"],
        signed["methods"],
        signed["retransmissions"],
    )
    assert {"malformed": 2} == signed["discards"]
    assert {"require_message_authenticator": False, "limit_proxy_state": False} == signed["would_discard"]
    assert [] == signed["findings"]
    assert (12, 12) == (unsigned["requests"], unsigned["proxy_state_without_message_authenticator"])
    assert {"require_message_authenticator": True, "limit_proxy_state": True} == unsigned["would_discard"]
    first, second = unsigned["findings"]
    assert first.startswith("require_message_authenticator: yes would discard requests: 12 of 12 had no Message-")
    assert second.startswith("limit_proxy_state: yes would discard requests: 12 had Proxy-State and no Message-")
    assert (
        "lab: no packet was received from this client; packets of the last 10 s may be missing"
        in run(tmp_path / "radius-voice.yaml").splitlines()
    )


@pytest.fixture
def write(tmp_path, user):
    """Writes a configuration and these counters of branch-vpn. The path of the configuration."""

    async def write(**counters):
        path = write_configuration(tmp_path, "http://127.0.0.1:9", CONFIGURATION.replace("WORKERS", "1"), [user])
        traffic = Traffic("branch-vpn", "127.0.0.3", 1_767_225_600.0, 1_767_225_601.0, **counters)
        (tmp_path / "state").mkdir(exist_ok=True)
        file = TrafficFile(tmp_path / "state", 0, pytest.fail)
        file.report = TrafficReport([traffic])
        file.report.changed = True
        await file.write(["branch-vpn"])
        return path

    return write


@pytest.mark.parametrize(
    ("counters", "finding"),
    [
        (
            {"requests": 9, "retransmissions": 5, "intervals": {0: 50, 4: 3, 8: 2}},
            TIMER,
        ),
        (
            {"requests": 9, "intervals": {10: 3}},
            "require_message_authenticator: yes would have discarded no request since 2026-01-01T00:00:00Z",
        ),
    ],
    ids=["timer", "ready"],
)
async def test_findings_are_below_the_table(write, counters, finding):
    lines = run(await write(**counters)).splitlines()
    assert f"branch-vpn 127.0.0.3: {finding}" in lines
    assert lines[0].split() == [
        "client",
        "address",
        "last",
        "seen",
        "requests",
        "signed",
        "proxied",
        "methods",
        "repeats",
        "discarded",
    ]
    cells = lines[1].split()
    assert ["branch-vpn", "127.0.0.3", "2026-01-01T00:00:01Z", "9", "all", "none", "-"] == cells[:7]


async def test_a_part_of_the_requests_is_a_number_and_no_request_is_a_dash(write):
    assert "5" == run(await write(requests=9, unsigned=4)).splitlines()[1].split()[4]
    cells = run(await write(discards={"bad_message_authenticator": 3})).splitlines()[1].split()
    assert ["0", "-", "-", "-", "0", "bad_message_authenticator", "3"] == cells[3:]


async def test_a_damaged_file_is_named(write, tmp_path):
    path = await write()
    (tmp_path / "state" / "clients" / "0.json").write_text("{")
    done = CliRunner().invoke(main, ["clients", "--config", str(path)])
    assert 1 == done.exit_code
    assert "clients/0.json is damaged" in done.stderr


def test_before_the_first_packet_all_clients_are_never_seen(tmp_path, user):
    path = write_configuration(tmp_path, "http://127.0.0.1:9", CONFIGURATION.replace("WORKERS", "1"), [user])
    named = [
        f"{name}: no packet was received from this client; packets of the last 10 s may be missing"
        for name in ("hq-vpn", "branch-vpn", "lab")
    ]
    assert named == run(path).splitlines()


@pytest.mark.peer("radclient")
def test_radclient_is_seen_as_it_is(start_server, user):
    require("radclient", shutil.which("radclient"))
    configuration = CONFIGURATION.replace("WORKERS", "1")
    configuration = configuration.replace("127.0.0.1,", "127.0.0.9,").replace("127.0.0.3", "127.0.0.1")
    with start_server(configuration, [user]) as server:
        lines = ['User-Name = "unknown"', 'User-Password = "x"']
        radclient(server, "auth", *lines)
        radclient(server, "auth", *lines, SIGNED, "Proxy-State = 0x31", secret=SECRET.decode())
    rows, _ = report(server.path)
    row = rows["branch-vpn"]
    assert (2, 1, 1) == (row["requests"], row["without_message_authenticator"], row["with_proxy_state"])
    assert {"require_message_authenticator": True, "limit_proxy_state": False} == row["would_discard"]
