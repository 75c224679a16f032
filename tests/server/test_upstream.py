"""Logins whose passwords FreeRADIUS verifies."""

import signal
import socket
import threading
import time
from contextlib import contextmanager
from dataclasses import replace

import pytest

from radius_voice.radius import packet as radius
from radius_voice.radius.salted import reveal
from tests.support.freeradius import SECRET as UPSTREAM_SECRET
from tests.support.freeradius import freeradius_factory
from tests.support.polling import wait_until
from tests.support.program_process import ProgramProcess
from tests.support.radius_test_client import SECRET

pytestmark = pytest.mark.peer("freeradius")

NAS_IP_ADDRESS, NAS_IDENTIFIER, NAS_PORT_TYPE, CALLED_STATION_ID, NAS_PORT = 4, 32, 61, 30, 5
PASSWORDS = {
    "umlauts": "Grüße aus Österreich",
    "emoji": "pass 😀 word 🔑",
    "percent and comma": "100%, 50%% and %{User-Name},",
    "quotes": "it's \"quoted\" \\ and 'more'",
    "128 octets": "x" * 127 + "y",
    "128 octets of umlauts": "ü" * 64,
}


@pytest.fixture(scope="module")
def start_freeradius(tmp_path_factory):
    with freeradius_factory(tmp_path_factory.mktemp("upstream")) as start:
        yield start


def configuration(*servers, client="", policy="", **settings):
    options = "".join(f", {name}: {value}" for name, value in settings.items())
    addresses = ", ".join(f'"{getattr(server, "address", server)}"' for server in servers)
    return f"""\
server: {{listen: ["udp://127.0.0.1:0"], reject_delay: 0.1s}}
clients:
  vpn: {{address: 127.0.0.1, secret: {SECRET.decode()}{client}}}
identity:
  people: {{type: users_file, path: users.yaml}}
  nps: {{type: radius, servers: [{addresses}], secret: {UPSTREAM_SECRET}{options}}}
policies:
  default: {{first_factor: nps, directory: people{policy}}}
"""


def log_in(server, user, *attributes):
    """The response to the code of a whole login. It starts again while the call of an earlier one is being ended."""
    client = server.client()
    challenge = client.start_login(user, *attributes)
    while challenge.code == radius.ACCESS_REJECT and "busy" == server.reasons(user)[-1]:
        challenge = client.start_login(user, *attributes)
    assert radius.ACCESS_CHALLENGE == challenge.code
    return client.respond(user, challenge, server.simulator.code(user.phone))


@pytest.fixture(scope="module")
def alice(make_user):
    return make_user()


@pytest.fixture(scope="module")
def upstream(start_freeradius, alice):
    return start_freeradius({alice.name: alice.password})


@pytest.fixture(scope="module")
def server(start_server, upstream, alice):
    with start_server(configuration(upstream), [alice]) as server:
        yield server


def test_a_login_with_the_password_of_the_upstream_and_the_phone_of_the_directory(server, alice):
    assert radius.ACCESS_ACCEPT == log_in(server, alice).code
    assert ["call_placed", "code_correct"] == server.reasons(alice)[-2:]


def test_a_login_in_two_passes_asks_the_upstream_once(start_server, upstream, make_user, alice):
    user = make_user(alice.name)
    with start_server(configuration(upstream, client=", second_factor: two_pass"), [user]) as server:
        before, gateway = len(upstream.requests()), server.client()
        assert radius.ACCESS_REJECT == gateway.start_login(user).code
        typed = f"{user.password},{server.simulator.code(user.phone)}"
        assert radius.ACCESS_ACCEPT == gateway.exchange([(radius.USER_NAME, user.name.encode())], typed).code
        assert ["call_placed", "code_correct"] == server.reasons(user)
        assert 1 == len(upstream.requests()) - before


def test_the_upstream_gets_a_request_of_its_own(server, upstream, alice):
    log_in(
        server,
        alice,
        (NAS_IP_ADDRESS, bytes([192, 0, 2, 10])),
        (NAS_IDENTIFIER, b"gateway"),
        (NAS_PORT, (7).to_bytes(4)),
        (NAS_PORT_TYPE, (5).to_bytes(4)),
        (CALLED_STATION_ID, b"vpn.example.org"),
        (radius.CALLING_STATION_ID, b"198.51.100.7"),
        (radius.SERVICE_TYPE, (2).to_bytes(4)),
        (radius.PROXY_STATE, b"of the gateway"),
    )
    request = upstream.requests()[-1]
    assert "Message-Authenticator" == list(request)[1]
    del request["Message-Authenticator"], request["Timestamp"]
    assert {
        "Packet-Type": "Access-Request",
        "User-Name": f'"{alice.name}"',
        "User-Password": f'"{alice.password}"',
        "NAS-IP-Address": "192.0.2.10",
        "NAS-Identifier": '"gateway"',
        "NAS-Port-Type": "Virtual",
        "Called-Station-Id": '"vpn.example.org"',
        "Calling-Station-Id": '"198.51.100.7"',
        "Service-Type": "Framed-User",
    } == request


def test_a_request_without_a_gateway_attribute_still_names_a_nas(server, upstream, alice):
    log_in(server, alice)
    assert '"radius-voice"' == upstream.requests()[-1]["NAS-Identifier"]


def test_a_wrong_password_is_rejected_and_the_audit_log_names_the_user(server, make_user, alice):
    wrong = make_user(alice.name, password="wrong")
    assert radius.ACCESS_REJECT == server.client().start_login(wrong).code
    assert "wrong_password" == server.reasons(alice)[-1]
    assert radius.ACCESS_REJECT == server.client().start_login(make_user("unknown")).code
    assert "user" not in server.audit(kind="request")[-1]


def test_an_empty_password_is_rejected_without_asking_the_upstream(server, upstream, make_user, alice):
    before = len(upstream.requests())
    assert radius.ACCESS_REJECT == server.client().start_login(make_user(alice.name, password="")).code
    assert before == len(upstream.requests())


def test_the_upstream_gets_the_name_without_a_realm_that_is_stripped(start_server, upstream, alice):
    with start_server(configuration(upstream, client=", realms: {CORP: {}}"), [alice]) as server:
        assert radius.ACCESS_ACCEPT == log_in(server, replace(alice, name=f"CORP\\{alice.name}")).code
        assert f'"{alice.name}"' == upstream.requests()[-1]["User-Name"]
        assert radius.ACCESS_REJECT == server.client().start_login(replace(alice, name=f"OTHER\\{alice.name}")).code
        assert upstream.requests()[-1]["User-Name"].startswith('"no-such-user-')
        assert "unknown_user" == server.audit(kind="request")[-1]["reason"]


def test_a_user_whom_only_the_upstream_knows_is_rejected(start_freeradius, start_server, alice, make_user):
    bob = make_user("bob")
    with start_server(configuration(start_freeradius({"bob": bob.password})), [alice]) as server:
        assert radius.ACCESS_REJECT == server.client().start_login(bob).code
        assert "unknown_user" == server.audit(kind="request")[-1]["reason"]


def test_any_password_reaches_the_upstream(start_freeradius, start_server, make_user):
    users = [make_user(password=password) for password in PASSWORDS.values()]
    upstream = start_freeradius({user.name: user.password for user in users})
    with start_server(configuration(upstream), users) as server:
        for user in users:
            assert radius.ACCESS_ACCEPT == log_in(server, user).code, user.password


def test_a_password_in_latin_1_is_sent_in_utf_8_unless_only_latin_1_fits(start_freeradius, start_server, make_user):
    short, long = make_user(password="Grüße"), make_user()
    upstream = start_freeradius({short.name: short.password, long.name: "unused"})
    with start_server(configuration(upstream), [short, long]) as server:
        client = server.client()
        client.send(client.request([(radius.USER_NAME, short.name.encode())], "Grüße".encode("latin-1")))
        assert radius.ACCESS_CHALLENGE == client.receive().code
        client.send(client.request([(radius.USER_NAME, long.name.encode())], b"\xfc" * 128))
        assert radius.ACCESS_REJECT == client.receive().code
        assert '"' + "\\374" * 128 + '"' == upstream.requests()[-1]["User-Password"]


# Message-Authenticator of responses (CVE-2024-3596)


@pytest.fixture(scope="module")
def unsigned(start_freeradius, alice):
    return start_freeradius({alice.name: alice.password}, signed=False)


def test_responses_without_message_authenticator_are_ignored_and_the_log_names_the_server(
    start_server, unsigned, alice
):
    with start_server(configuration(unsigned, policy=", on_unavailable: reject"), [alice]) as server:
        assert radius.ACCESS_REJECT == server.client().start_login(alice).code
        assert "identity_unavailable" == server.audit(kind="request")[-1]["reason"]
        line = server.wait_for_line("without Message-Authenticator", server.stderr)
        assert f"identity.nps: 127.0.0.1 port {unsigned.port} sends responses" in line
        assert "they are ignored" in line
        event = "no_message_authenticator"
        assert 1 <= server.metric("radius_voice_upstream_events_total", identity="nps", event=event)


def test_responses_without_message_authenticator_can_be_allowed_and_the_log_names_the_server(
    start_server, unsigned, alice
):
    text = configuration(unsigned, require_message_authenticator='"no"')
    with start_server(text, [alice]) as server:
        assert radius.ACCESS_ACCEPT == log_in(server, alice).code
        assert radius.ACCESS_ACCEPT == log_in(server, alice).code
        lines = [line for line in server.stderr if f"port {unsigned.port} sends responses without" in line]
        assert 1 == len(lines)


def test_another_secret_is_unavailable_and_not_a_wrong_password(start_server, upstream, alice):
    text = configuration(upstream, policy=", on_unavailable: reject").replace(UPSTREAM_SECRET, "another secret of ours")
    with start_server(text, [alice]) as server:
        assert radius.ACCESS_REJECT == server.client().start_login(alice).code
        assert "identity_unavailable" == server.audit(kind="request")[-1]["reason"]


def test_a_wrong_password_is_charged_also_if_the_reject_comes_after_the_gateways_timeout(
    start_freeradius, start_server, alice, make_user
):
    slow = start_freeradius({alice.name: alice.password}, reject_delay=1)
    text = configuration(slow, client=", response_timeout: 0.3s", policy=", on_unavailable: reject")
    text += "limits: {wrong_passwords: {user: 1 per 10m}}\n"
    with start_server(text, [alice]) as server:
        wrong = make_user(alice.name, password="wrong")
        assert radius.ACCESS_REJECT == server.client().start_login(wrong).code
        assert "identity_unavailable" == server.audit(kind="request")[-1]["reason"]

        def is_limited():
            server.client().start_login(wrong)
            return "wrong_password_limit" == server.audit(kind="request")[-1]["reason"]

        wait_until(is_limited, "the wrong password is charged")


# Attributes of the upstream's Accept

REPLY = """update reply {
      &Class := 0x0102ff
      &Filter-Id := "staff: %{User-Name}"
      &Session-Timeout := 28800
      &Reply-Message := "welcome"
      &Tunnel-Password:3 := "tunnel password"
      &MS-MPPE-Send-Key := 0x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f
      &MS-MPPE-Recv-Key := 0xff
    }"""
SELECTED = "[Class, Filter-Id, Tunnel-Password, MS-MPPE-Send-Key, MS-MPPE-Recv-Key]"
TUNNEL_PASSWORD = 69


@pytest.fixture(scope="module")
def generous(start_freeradius, alice):
    return start_freeradius({alice.name: alice.password}, post_auth=REPLY)


def decrypted(client, packet, octets):
    return reveal(octets, SECRET, client.sent[packet.identifier])


def test_selected_attributes_reach_the_final_accept_and_are_encrypted_for_the_gateway(start_server, generous, alice):
    text = configuration(generous, policy=', reply: [{set: {Class: "of the policy"}}]', reply=SELECTED)
    with start_server(text, [alice]) as server:
        client = server.client()
        challenge = client.start_login(alice)
        assert radius.ACCESS_CHALLENGE == challenge.code
        assert set() == challenge.firsts.keys() & {25, 11, 27, TUNNEL_PASSWORD, radius.VENDOR_SPECIFIC}
        stored = b"".join(file.read_bytes() for file in (server.directory / "state").glob("state.db*"))
        assert [b"of the policy"] == [text for text in (b"of the policy", b"staff: ", b"tunnel") if text in stored]
        code = server.simulator.code(alice.phone)
        accept, repeated = client.respond(alice, challenge, code), client.respond(alice, challenge, code)
        for packet in (accept, repeated):
            assert radius.ACCESS_ACCEPT == packet.code
            assert [b"of the policy", b"\x01\x02\xff"] == packet.every(25)
            assert f"staff: {alice.name}".encode() == packet.first(11)
            assert packet.firsts.keys().isdisjoint({27, radius.REPLY_MESSAGE})
            tunnel = packet.first(TUNNEL_PASSWORD)
            assert (3, b"tunnel password") == (tunnel[0], decrypted(client, packet, tunnel[1:]))
            keys = {value[4]: value for value in packet.every(radius.VENDOR_SPECIFIC)}
            assert {16: bytes(range(32)), 17: b"\xff"} == {
                kind: decrypted(client, packet, value[6:]) for kind, value in keys.items()
            }
            assert all(len(value) - 4 == value[5] for value in keys.values())
            assert 3 == len({tunnel[1:3], *(value[6:8] for value in keys.values())})


def test_attributes_that_are_not_selected_do_not_reach_the_gateway(start_server, generous, alice):
    with start_server(configuration(generous), [alice]) as server:
        accept = log_in(server, alice)
        assert radius.ACCESS_ACCEPT == accept.code
        assert {radius.MESSAGE_AUTHENTICATOR} == accept.firsts.keys()


def test_more_attributes_than_fit_are_reported(start_freeradius, start_server, alice):
    many = "".join(f'&Filter-Id += "{"x" * 240}"\n' for _ in range(5))
    upstream = start_freeradius({alice.name: alice.password}, post_auth=f"update reply {{\n{many}}}")
    with start_server(configuration(upstream, reply="[Filter-Id]"), [alice]) as server:
        client = server.client()
        client.send(client.initial_request(alice))
        line = server.wait_for_line("identity_unavailable", server.stderr)
        assert "1210 octets of reply attributes; at most 1024 fit" in line


# Challenges of the upstream


def challenge(state, text, prompt=""):
    return f"""update reply {{
      &Message-Authenticator := 0x00
      &State := "{state}"
      &Reply-Message := "{text}"
      {prompt}
    }}
    update control {{
      &Response-Packet-Type := Access-Challenge
    }}
    handled"""


DIALOG = f"""if (&User-Name == "carol") {{
      if (&State && &State == "one") {{
        if (&User-Password == "new password") {{
          {challenge("two", "Repeat it:", "&Prompt := Echo")}
        }}
        else {{
          reject
        }}
      }}
      elsif (&State && &State == "two") {{
        if (&User-Password == "new password") {{
          update control {{
            &Auth-Type := Accept
          }}
        }}
        elsif (&User-Password == "again") {{
          {challenge("two", "Repeat it:", "&Prompt := Echo")}
        }}
        else {{
          reject
        }}
      }}
      elsif (&User-Password == "last year") {{
        {challenge("one", "Your password has expired. New password:")}
      }}
      else {{
        reject
      }}
    }}"""


@pytest.fixture
def carol(make_user):
    return make_user("carol", password="last year")


@pytest.fixture(scope="module")
def asking(start_freeradius):
    return start_freeradius({}, authorize=DIALOG, post_auth=REPLY)


def test_a_challenge_of_the_upstream_is_relayed_and_the_call_follows(start_server, asking, carol):
    with start_server(configuration(asking, reply="[Filter-Id]"), [carol]) as server:
        client = server.client()
        first = client.start_login(carol)
        assert radius.ACCESS_CHALLENGE == first.code
        assert b"Your password has expired. New password:" == first.first(radius.REPLY_MESSAGE)
        assert (0).to_bytes(4) == first.first(radius.PROMPT)
        assert b"one" not in first.first(radius.STATE)
        assert [] == server.simulator.calls(carol.phone)
        second = client.respond(carol, first, "new password")
        assert (radius.ACCESS_CHALLENGE, b"Repeat it:") == (second.code, second.first(radius.REPLY_MESSAGE))
        assert (1).to_bytes(4) == second.first(radius.PROMPT)
        called = client.respond(carol, second, "new password")
        assert radius.ACCESS_CHALLENGE == called.code
        accept = client.respond(carol, called, server.simulator.code(carol.phone))
        assert (radius.ACCESS_ACCEPT, b"staff: carol") == (accept.code, accept.first(11))
        assert ["upstream_challenge", "upstream_challenge", "call_placed", "code_correct"] == server.reasons(carol)
        asked = asking.requests()[-3:]
        assert [None, "0x6f6e65", "0x74776f"] == [request.get("State") for request in asked]
        stored = b"".join(file.read_bytes() for file in (server.directory / "state").glob("state.db*"))
        assert b"has expired" not in stored


def test_a_wrong_answer_is_rejected_and_charged(start_server, asking, carol):
    text = configuration(asking) + "limits: {wrong_passwords: {user: 1 per 10m}}\n"
    with start_server(text, [carol]) as server:
        client = server.client()
        rejected = client.respond(carol, client.start_login(carol), "wrong")
        assert (radius.ACCESS_REJECT, "wrong_password") == (rejected.code, server.reasons(carol)[-1])
        assert radius.ACCESS_REJECT == client.start_login(carol).code
        assert "wrong_password_limit" == server.reasons(carol)[-1]


def test_a_right_answer_refunds_the_charge_of_the_initial_request(start_server, asking, carol):
    text = configuration(asking) + "limits: {wrong_passwords: {user: 1 per 10m}}\n"
    with start_server(text, [carol]) as server:
        client = server.client()
        second = client.respond(carol, client.start_login(carol), "new password")
        called = client.respond(carol, second, "new password")
        accept = client.respond(carol, called, server.simulator.code(carol.phone))
        assert radius.ACCESS_ACCEPT == accept.code
        assert radius.ACCESS_CHALLENGE == client.start_login(carol).code


def test_the_upstream_may_ask_a_few_times_only(start_server, asking, carol):
    with start_server(configuration(asking), [carol]) as server:
        client = server.client()
        reply = client.respond(carol, client.start_login(carol), "new password")
        count = 1
        while reply.code == radius.ACCESS_CHALLENGE:
            count += 1
            reply = client.respond(carol, reply, "again")
        assert (5, "no_attempts_left") == (count, server.reasons(carol)[-1])


# Several servers


FAST = {"initial_timeout": "0.5s", "probe_interval": "1s"}
SLOW_GATEWAY = ", response_timeout: 10s"


@pytest.fixture
def pair(start_freeradius, alice):
    return [start_freeradius({alice.name: alice.password}) for _ in range(2)]


def seconds_of_a_login(server, user):
    before = time.monotonic()
    assert radius.ACCESS_ACCEPT == log_in(server, user).code
    return time.monotonic() - before


@pytest.mark.parametrize("failure", ["stopped", "killed"])
def test_a_server_that_fails_is_skipped_and_used_again_when_it_responds(start_server, pair, alice, failure):
    first, second = pair
    with start_server(configuration(first, second, client=SLOW_GATEWAY, **FAST), [alice]) as server:
        assert radius.ACCESS_ACCEPT == log_in(server, alice).code
        assert [] == second.requests()
        if failure == "stopped":
            first.signal(signal.SIGSTOP)
        else:
            first.kill()
        assert seconds_of_a_login(server, alice) >= 0.5
        server.wait_for_line(f"identity.nps: 127.0.0.1 port {first.port} does not respond", server.stderr)
        assert seconds_of_a_login(server, alice) < 0.5
        count = len(second.requests())
        assert 2 <= count
        if failure == "stopped":
            first.signal(signal.SIGCONT)
        else:
            first.start()
        server.wait_for_line(f"identity.nps: 127.0.0.1 port {first.port} responds again", server.stderr)
        assert radius.ACCESS_ACCEPT == log_in(server, alice).code
        assert count == len(second.requests())


@contextmanager
def garbage_server():
    """The address of a server that responds to each datagram with octets that are no authentic response."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))

        def respond():
            while datagram := sock.recvfrom(4096):
                octets, peer = datagram
                if not octets:
                    return
                for answer in (b"garbage", bytes((2, octets[1], 0, 20)) + bytes(16), octets):
                    sock.sendto(answer, peer)

        thread = threading.Thread(target=respond)
        thread.start()
        port = sock.getsockname()[1]
        try:
            yield f"127.0.0.1:{port}"
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
                end.sendto(b"", ("127.0.0.1", port))
            thread.join()


def test_a_server_that_answers_with_garbage_is_as_good_as_none(start_server, pair, alice):
    with (
        garbage_server() as garbage,
        start_server(configuration(garbage, pair[0], client=SLOW_GATEWAY, **FAST), [alice]) as server,
    ):
        assert radius.ACCESS_ACCEPT == log_in(server, alice).code
        name = "radius_voice_upstream_events_total"
        assert 1 <= server.metric(name, identity="nps", event="malformed")
        assert 1 <= server.metric(name, identity="nps", event="not_authentic")
        assert 1 == server.metric(name, identity="nps", event="dead")


def test_logins_of_another_source_are_not_delayed_while_no_server_responds(start_server, make_user):
    users = [make_user() for _ in range(2)]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unresponsive:
        unresponsive.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unresponsive.getsockname()[1]}"
        text = configuration(address, client=", response_timeout: 3s", **FAST)
        local = f"  local: {{address: 127.0.0.2, secret: {SECRET.decode()}, policy: local}}\n"
        text = text.replace("clients:\n", f"clients:\n{local}")
        text += "  local: {first_factor: people, directory: people}\n"
        text += "limits: {wrong_passwords: {user: off}}\n"
        with start_server(text, users) as server:
            waiting = server.client()
            waiting.send(waiting.initial_request(users[0]))
            server.wait_for_line("does not respond", server.stderr)
            for _ in range(300):
                waiting.send(waiting.initial_request(users[0]))
            # The server sends a challenge within its response_timeout of 2.5 s, and the others wait for 3 s.
            assert radius.ACCESS_CHALLENGE == server.client("127.0.0.2").start_login(users[1]).code


# Commands


def command(*words):
    with ProgramProcess(*words) as program:
        code = program.wait()
    return code, "".join(program.stdout), "".join(program.stderr)


def test_check_connect_sends_a_status_server_to_each_server(start_server, pair, unsigned, alice):
    first, second = pair
    with start_server(configuration(first, second, unsigned, probe_interval="5m"), [alice]) as server:
        code, printed, _ = command("check", "--config", server.path, "--connect")
        assert 0 == code
        for upstream in (first, second, unsigned):
            assert f"identity nps: good: 127.0.0.1 port {upstream.port} responds to Status-Server" in printed
        second.kill()
        code, printed, _ = command("check", "--config", server.path, "--connect")
        assert 1 == code
        assert f"identity nps: BAD: no response from 127.0.0.1 port {second.port}" in printed
        assert f"identity nps: good: 127.0.0.1 port {first.port} responds" in printed


def test_unlock_resets_the_wrong_passwords_that_were_counted_at_the_upstream(start_server, upstream, alice, make_user):
    text = configuration(upstream) + "limits: {wrong_passwords: {user: 1 per 10m}}\n"
    with start_server(text, [alice]) as server:
        client = server.client()
        for reason in ("wrong_password", "wrong_password_limit"):
            assert radius.ACCESS_REJECT == client.start_login(make_user(alice.name, password="wrong")).code
            assert reason == server.reasons(alice)[-1]
        assert 0 == command("users", "unlock", "--config", server.path, alice.name)[0]
        assert radius.ACCESS_CHALLENGE == client.start_login(alice).code
