"""docs/audit.md shows what the commands print: the same logins at a real server are shown again, and compared."""

import re
import shlex

from click.testing import CliRunner

from radius_voice.cli.main import main
from radius_voice.radius import packet as radius
from tests.docs.pages import blocks
from tests.support.polling import wait_until

PAGE = "docs/audit.md"
CONFIGURATION = """\
server: {listen: ["udp://127.0.0.1:0"], reject_delay: 0s}
clients:
  office-vpn: {address: 127.0.0.1, secret: a shared secret of the tests}
policies:
  default:
    countries: [US]
    exemptions:
      - {groups: [control-room], reason: no phones are allowed there}
store: {type: memory}
"""
STATION = (radius.CALLING_STATION_ID, b"203.0.113.9")
CALL_STATUS = re.compile(r"^(?:\n(?=\S+  call CA))?\S+  (?:call {9})?call CA\w+ of twilio: \w+.*\n", re.MULTILINE)


def log_in(server, alice, bob, carol):
    """The logins of the page: a wrong password, a wrong and a right code, a number that is not allowed, no call."""
    gateway = server.client()
    gateway.exchange([(radius.USER_NAME, b"alice"), STATION], "wrong")
    challenge = gateway.start_login(alice, STATION)
    wait_until(lambda: server.audit(kind="call_status", status="answered"), "the call is answered")
    code = server.simulator.code(alice.phone)
    challenge = gateway.respond(alice, challenge, f"{(int(code) + 1) % 1_000_000:06}", STATION)
    assert radius.ACCESS_ACCEPT == gateway.respond(alice, challenge, code, STATION).code
    assert radius.ACCESS_REJECT == gateway.start_login(bob, STATION).code
    assert radius.ACCESS_ACCEPT == gateway.start_login(carol, STATION).code


def printed(command, path):
    done = CliRunner().invoke(main, [*shlex.split(command)[1:], "-c", str(path)])
    assert 0 == done.exit_code, done.output
    return done.stdout


def masked(shown, path):
    """The output without values that differ from run to run, and without statuses of calls, which depend on the time."""
    shown = CALL_STATUS.sub("", shown.replace(str(path), "/etc/radius-voice/radius-voice.yaml"))
    shown = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME", shown)
    shown = re.sub(r"\b[0-9a-f]{16}\b", "ID", shown)
    shown = re.sub(r" +[\d.]+ ms", " MS", shown)
    shown = re.sub(r"(request|challenge) \d+ from", r"\1 N from", shown)
    shown = re.sub(r"CA[0-9a-f]{32}", "CALL", shown)
    shown = re.sub(r"\+14\*{7}\d\d", "PHONE", shown)
    return re.sub(r"took [\d.]+ s", "took S", re.sub(r"\.yaml:\d+:", ".yaml:LINE:", shown))


def test_the_page_shows_the_output_of_its_commands(start_server, make_user):
    alice, bob = make_user("alice"), make_user("bob", phone="+33612345678")
    carol = make_user("carol", groups=("control-room",))
    with start_server(CONFIGURATION, [alice, bob, carol]) as server:
        log_in(server, alice, bob, carol)
        logins: dict[str, str] = {}
        for block in blocks(PAGE, "console"):
            command, _, shown = block.removeprefix("$ ").partition("\n")
            for written, found in logins.items():
                command = command.replace(written, found)
            output = printed(command, server.path)
            assert masked(shown, server.path) == masked(output, server.path)
            logins |= dict(
                zip(
                    *(re.findall(r"\b[0-9a-f]{16}\b", CALL_STATUS.sub("", text)) for text in (shown, output)),
                    strict=True,
                )
            )
