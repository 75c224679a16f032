"""What `serve --debug` prints: every packet of a known client, its decision, and nothing that a terminal obeys."""

from __future__ import annotations

import io
import re
import secrets
from typing import Any

import pytest
from click.testing import CliRunner

from radius_voice.cli import debug as debug_module
from radius_voice.cli.debug import Debug
from radius_voice.cli.main import main
from radius_voice.events import (
    AccountingRecord,
    Discard,
    DiscardRecord,
    Outcome,
    ProbeRecord,
    Reason,
    RequestRecord,
    ResendRecord,
)
from radius_voice.radius import packet as radius
from radius_voice.trace import TraceStep
from tests.support.radius_test_client import SECRET
from tests.support.server_process import write_configuration

AT = 1767225600.25
PEER = ("198.51.100.7", 40000)
HEAD = "2026-01-01T00:00:00.250Z {} hq-vpn 198.51.100.7 port 40000: "
CONFIGURATION = """\
server: {listen: ["udp://127.0.0.1:0"], reject_delay: 0.2s, max_concurrent: 1, max_queued: 0}
clients:
  gateway: {address: 127.0.0.1, secret: a shared secret of the tests, response_timeout: 8s}
  unsigned: {address: 127.0.0.3, secret: a shared secret of the tests, require_message_authenticator: no}
"""
HOSTILE = [
    "two\nlines",
    "cr\rnul\x00esc\x1b[2Jbell\x07del\x7f",
    "c1\x85\x9b2J",
    "\u202eeve\u202c\u202a\u2066\u2067\u2068\u2069\u200e\u200f",
    "\u2028\u2029\u200b\ufeff",
    "forged\n2026-01-01T00:00:00.250Z == hq-vpn 198.51.100.7 port 40000: Access-Request 7: accept",
]


@pytest.fixture
def stream():
    return io.StringIO()


@pytest.fixture
def debug(stream):
    return Debug(stream, lambda: AT)


@pytest.fixture
def broken_dictionary(tmp_path, monkeypatch):
    folder = tmp_path / "dictionaries"
    folder.mkdir()
    (folder / "dictionary").write_text("\nATTRIBUTE Class\n")
    monkeypatch.setattr(debug_module, "shipped", lambda _name: folder)
    debug_module.shipped_attributes.cache_clear()
    yield folder / "dictionary"
    debug_module.shipped_attributes.cache_clear()


@pytest.fixture
def lines(stream):
    return lambda: stream.getvalue().split("\n")[:-1]


def request(*attributes, code=radius.ACCESS_REQUEST):
    return radius.encode_request(code, 7, bytes(16), attributes, SECRET)


PACKET = radius.decode(request((radius.USER_NAME, b"alice")))
STATUS = radius.decode(request(code=radius.STATUS_SERVER))


def discarded(reason, detail=""):
    return DiscardRecord(AT, client="hq-vpn", client_address=PEER[0], reason=reason, detail=detail)


def event(**changes):
    fields: dict[str, Any] = {
        "at": AT,
        "seconds": 0.1,
        "client": "hq-vpn",
        "client_address": PEER[0],
        "identifier": 7,
        "outcome": Outcome.ACCEPT,
        "reason": Reason.CODE_CORRECT,
    }
    return RequestRecord(**fields | changes)


def test_a_packet_has_time_client_address_port_and_its_attributes(debug, lines):
    debug.received("hq-vpn", PEER, request((radius.USER_NAME, b"alice"), (4, bytes([192, 0, 2, 1]))))
    debug.sent("hq-vpn", ("2001:db8::7", 40000), radius.encode_reply(radius.ACCESS_REJECT, PACKET, [], SECRET))
    first, authenticator, name, address, second, _ = lines()
    assert HEAD.format("<-") + "Access-Request 7" == first
    assert ['     User-Name = "alice"', "     NAS-IP-Address = 192.0.2.1"] == [name, address]
    assert authenticator.startswith("     Message-Authenticator = 0x")
    assert "2026-01-01T00:00:00.250Z -> hq-vpn 2001:db8::7 port 40000: Access-Reject 7" == second


def test_a_decision_shows_the_packets_header_the_user_and_the_steps(debug, lines):
    steps = (TraceStep("password", 0.035, "right"), TraceStep("row", 0.038))
    debug.decided(PEER, PACKET, event(user="alice", steps=steps))
    assert [
        HEAD.format("==") + 'Access-Request 7: "alice": accept, because code_correct',
        "         35.0 ms  password right",
        "         38.0 ms  row",
    ] == lines()


def test_a_decision_without_a_user_has_no_name(debug, lines):
    debug.decided(PEER, PACKET, event(outcome=Outcome.REJECT, reason=Reason.UNKNOWN_USER))
    debug.decided(PEER, STATUS, event(reason=Reason.STATUS))
    assert [
        HEAD.format("==") + "Access-Request 7: reject, because unknown_user",
        HEAD.format("==") + "Status-Server 7: accept, because status",
    ] == lines()


def test_discards_and_retransmissions_are_decisions(debug, lines):
    debug.decided(PEER, PACKET, discarded(Discard.DUPLICATE))
    debug.decided(PEER, None, discarded(Discard.MALFORMED, "shorter than a header"))
    debug.decided(PEER, PACKET, AccountingRecord(AT, client="hq-vpn", client_address=PEER[0], status="start"))
    debug.decided(PEER, PACKET, ProbeRecord(AT, "hq-vpn", Outcome.ACCEPT))
    debug.decided(PEER, PACKET, ResendRecord(AT, "hq-vpn"))
    assert [
        HEAD.format("==") + "Access-Request 7: discarded, because duplicate",
        HEAD.format("==") + "malformed: discarded, because malformed (shorter than a header)",
        HEAD.format("==") + "Access-Request 7: start, recorded",
        HEAD.format("==") + "Access-Request 7: health check, accept as configured",
        HEAD.format("==") + "Access-Request 7: retransmission, gets the same response again",
    ] == lines()


def test_malformed_packets_are_counted_and_not_shown(debug, lines):
    debug.received("hq-vpn", PEER, b"open sesame")
    assert [HEAD.format("<-") + "11 octets that are not a RADIUS packet"] == lines()


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_of_a_packet_or_a_decision_breaks_a_line_or_reaches_a_terminal(debug, lines, text):
    octets = text.encode()
    texts = [(kind, octets) for kind in (radius.USER_NAME, 11, 18, 30, radius.CALLING_STATION_ID, 32, 44, 77, 87)]
    vendors = (radius.VENDOR_SPECIFIC, b"\0\0\1\x37\x12" + bytes([len(octets) + 2]) + octets)
    debug.received("hq-vpn", PEER, request(*texts, vendors))
    debug.decided(PEER, PACKET, event(user=text, steps=(TraceStep("unavailable", 0.0, text),)))
    debug.decided(PEER, None, discarded(Discard.MALFORMED, text))
    assert 1 + 1 + len(texts) + 1 + 2 + 1 == len(lines())
    assert all(line.isprintable() for line in lines())


@pytest.mark.parametrize(
    ("code", "octets", "line"),
    [
        (radius.USER_PASSWORD, b"open sesame.....", "User-Password = <16 octets>"),
        (radius.STATE, b"open sesame", "State = <11 octets>"),
        (radius.CHAP_PASSWORD, b"open sesame......", "CHAP-Password = <17 octets>"),
        (60, b"open sesame", "CHAP-Challenge = <11 octets>"),
        (radius.VENDOR_SPECIFIC, b"\0\0\1\x37\x19\x0dopen sesame", "MS-CHAP2-Response = <11 octets>"),
        (radius.EAP_MESSAGE, b"open sesame", "EAP-Message = <11 octets>"),
        (69, b"open sesame", "Tunnel-Password = <11 octets>"),
        (radius.VENDOR_SPECIFIC, b"\0\0\x39\xe7\x2c\x0dopen sesame", "Aruba-MPSK-Passphrase = <11 octets>"),
    ],
)
def test_passwords_states_and_encrypted_attributes_are_shown_as_their_length(debug, stream, code, octets, line):
    debug.received("hq-vpn", PEER, request((code, octets)))
    assert f"\n     {line}\n" in stream.getvalue()
    for secret in ("open", b"open".hex()):
        assert secret not in stream.getvalue()


class NarrowStream(io.TextIOWrapper):
    """A terminal that can show ASCII only."""

    def __init__(self):
        super().__init__(io.BytesIO(), encoding="ascii", write_through=True)


def test_a_terminal_that_lacks_a_character_gets_its_code_point():
    narrow = NarrowStream()
    assert isinstance(narrow.buffer, io.BytesIO)
    Debug(narrow, lambda: AT).decided(PEER, PACKET, event(user="Zoë"))
    assert rb'"Zo\xeb": accept' in narrow.buffer.getvalue()


def test_a_full_or_closed_stream_costs_no_login(stream):
    class ClosedStream(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    stream.close()
    for broken in (stream, ClosedStream()):
        Debug(broken, lambda: AT).decided(PEER, PACKET, event())


# The real program


@pytest.fixture(scope="module")
def users(make_user):
    return [make_user() for _ in range(4)]


@pytest.fixture(scope="module")
def server(start_server, users, slow_simulator):
    with start_server(CONFIGURATION, users, "--debug", simulator=slow_simulator) as server:
        yield server


def block(server, gateway, text):
    """The first line that holds `text` of the blocks about this gateway."""
    port = gateway.sock.getsockname()[1]
    return server.wait_for_line(f"port {port}: {text}", server.stdout)


@pytest.mark.parametrize(
    ("source", "secret", "signed", "reason"),
    [
        ("127.0.0.1", b"another secret than that", True, "bad_message_authenticator"),
        ("127.0.0.1", SECRET, False, "no_message_authenticator"),
        ("127.0.0.3", b"another secret than that", True, "bad_message_authenticator"),
    ],
)
def test_packets_that_fail_verification_are_shown_with_the_reason(server, users, source, secret, signed, reason):
    gateway = server.client(source, secret=secret)
    gateway.send(datagram := gateway.initial_request(users[0], signed=signed))
    identifier = datagram[1]
    came = block(server, gateway, f"Access-Request {identifier}")
    assert re.match(rf"\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{{3}}Z <- \w+ {source} port ", came)
    assert f" == {came.split()[2]} " in block(
        server, gateway, f"Access-Request {identifier}: discarded, because {reason}"
    )


def test_malformed_packets_and_other_codes_are_shown_with_the_reason(server):
    gateway = server.client()
    gateway.send(bytes(19))
    block(server, gateway, "19 octets that are not a RADIUS packet")
    block(server, gateway, "malformed: discarded, because malformed (shorter than a header)")
    gateway.send(gateway.request([], code=40))
    block(server, gateway, f"code 40 {max(gateway.sent)}")
    block(server, gateway, f"code 40 {max(gateway.sent)}: discarded, because wrong_code (40)")


def test_a_retransmission_a_copy_in_progress_and_overload_are_shown(server, users):
    gateway, other = server.client(), server.client()
    datagram = gateway.initial_request(users[1])
    gateway.send(datagram)
    gateway.send(datagram)
    other.send(other.initial_request(users[2]))
    gateway.receive()
    gateway.send(datagram)
    gateway.receive()
    identifier = datagram[1]
    block(server, gateway, f"Access-Request {identifier}: discarded, because duplicate")
    block(server, gateway, f"Access-Request {identifier}: retransmission, gets the same response again")
    block(server, gateway, f"Access-Challenge {identifier}")
    block(server, other, f"Access-Request {max(other.sent)}: discarded, because overload")


def test_a_status_server_request_is_decided_by_its_code(server):
    gateway = server.client()
    gateway.status()
    block(server, gateway, f"Status-Server {max(gateway.sent)}: accept, because status")


def test_a_name_with_line_breaks_prints_no_additional_line(server):
    gateway = server.client()
    forged = f"x\n2026-01-01T00:00:00.250Z == gateway forged-{secrets.token_hex(4)}\x1b[31m\x9b\u202e"
    assert radius.ACCESS_REJECT == gateway.exchange([(radius.USER_NAME, forged.encode())], "whatever").code
    block(server, gateway, f"Access-Reject {max(gateway.sent)}")
    assert all(line.rstrip("\n").isprintable() for line in server.stdout)
    assert [] == [line for line in server.stdout if line.startswith("2026-01-01T00:00:00.250Z == gateway forged")]


def test_serve_with_debug_does_not_start_with_a_dictionary_that_has_an_error(broken_dictionary, tmp_path):
    path = write_configuration(tmp_path, "http://127.0.0.1:9", CONFIGURATION, [])
    done = CliRunner().invoke(main, ["serve", "--debug", "--config", str(path)])
    message = f"Error: {broken_dictionary}:2: 'ATTRIBUTE': the line is not valid"
    assert (1, message) == (done.exit_code, done.stderr.splitlines()[-1])
