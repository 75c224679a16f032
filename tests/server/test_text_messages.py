"""Logins with text messages: the real server, radclient as the gateway, and a simulated phone that receives texts."""

import shutil
from dataclasses import dataclass

import pytest

from tests.support import server_process
from tests.support.radclient import RadclientGateway
from tests.support.requirements import require
from tests.support.server_process import ConfiguredUser
from tests.support.simulator_process import SimulatorProcess

pytestmark = pytest.mark.peer("radclient")

TEXTS = """\
    texts:
      type: twilio-sms
      account_sid: AC00000000000000000000000000000000
      auth_token: simulated-token
      from: "+15005550006"
      from_by_country: {GB: ACME VPN}
      base_url: SIMULATOR
      timeout: 2s
admin:"""
CONFIGURATION = """\
server: {listen: ["udp://127.0.0.1:0"], reject_delay: 0.2s}
clients:
  both: {address: 127.0.0.1, secret: a shared secret of the tests, policy: both}
  texts: {address: 127.0.0.2, secret: a shared secret of the tests, policy: texts}
  texts-first: {address: 127.0.0.3, secret: a shared secret of the tests, policy: texts-first}
policies:
  both: {methods: [voice, sms]}
  texts: {methods: [sms]}
  texts-first: {methods: [sms, voice]}
limits: {calls: {total: 100 per 1m, country: 100 per 1m, client: 100 per 1m}}
"""
BOTH, TEXTS_ONLY, TEXTS_FIRST = "127.0.0.1", "127.0.0.2", "127.0.0.3"
CHALLENGE, ACCEPT, REJECT = "Access-Challenge", "Access-Accept", "Access-Reject"
UNCERTAIN = ["reset", "no response", "garbage", "error"]
"""Users of whose deliveries the result is not known. After several in a row the provider would be skipped."""
TEXT_SENT = "ACME VPN has sent a text message to your phone ending in {}. Enter the code:"


@dataclass(frozen=True)
class UserWithPhones(ConfiguredUser):
    """A user with several phones; `phone` is the first."""

    phones: tuple[str, ...] = ()

    @property
    def entry(self):
        return super().entry | {"phones": list(self.phones)}


@pytest.fixture(scope="module")
def own_simulator():
    """Other tests call and text the numbers that fail, too."""
    with SimulatorProcess() as process:
        yield process


@pytest.fixture(scope="module")
def users(make_user):
    """Users by the behaviour of their phones, or by the test that they are for."""
    numbers = {
        "landline": "+15005550009",
        "reset": "+15005550032",
        "no response": "+15005550033",
        "garbage": "+15005550034",
        "error": "+15005550031",
        "failed": "+15005550013",
        "british": "+442079460959",
    }
    users = {name: make_user(phone=number) for name, number in numbers.items()}
    users |= {name: make_user() for name in ("call then text", "text", "text only", "text again")}
    users |= {f"after {who}": make_user() for who in UNCERTAIN}
    extension = make_user()
    users["extension"] = UserWithPhones(
        extension.name, extension.phone, phones=(f"{extension.phone} ext. 42", "+14155550177")
    )
    users["two phones"] = UserWithPhones("two-phones", "+14155550171", phones=("+14155550171", "+14155550172"))
    return users


@pytest.fixture(scope="module")
def server(start_server, users, own_simulator):
    require("radclient", shutil.which("radclient"))
    with pytest.MonkeyPatch.context() as patch:
        base = server_process.BASE_CONFIGURATION.replace("admin:", TEXTS)
        patch.setattr(server_process, "BASE_CONFIGURATION", base)
        with start_server(CONFIGURATION, users.values(), simulator=own_simulator) as server:
            yield server


@pytest.fixture
def log_in(server, users):
    """Starts a login of a user at a gateway, and returns the gateway and the first response."""

    def start(who, source):
        gateway = RadclientGateway(server, source, users[who])
        return gateway, *gateway.start()

    return start


def deliveries(server, user):
    """Method and result of each delivery of a user, from the audit log."""
    session = server.audit(kind="request", user=user.name)[0]["session"]
    return [(each.get("method", "voice"), each["result"]) for each in server.audit(kind="delivery", session=session)]


def test_a_user_types_sms_at_the_challenge_and_gets_a_text(server, users, own_simulator, log_in):
    user = users["call then text"]
    gateway, code, _ = log_in("call then text", BOTH)
    assert CHALLENGE == code
    spoken = own_simulator.code(user.phone)
    code, prompt = gateway.send("sms")
    assert (CHALLENGE, True) == (code, "text message" in prompt)
    (message,) = own_simulator.messages(user.phone)
    assert (
        f"ACME VPN: your code is {message['code']}. If you are not signing in, tell your administrator."
        == (message["body"])
    )
    assert CHALLENGE == gateway.send(spoken)[0]
    assert ACCEPT == gateway.send(own_simulator.texted_code(user.phone))[0]
    assert [("voice", "placed"), ("sms", "placed")] == deliveries(server, user)


def test_a_policy_of_text_messages_sends_one_and_places_no_call(server, users, own_simulator, log_in):
    user = users["text only"]
    gateway, code, prompt = log_in("text only", TEXTS_ONLY)
    assert (CHALLENGE, TEXT_SENT.format(user.phone[-2:])) == (code, prompt)
    assert ACCEPT == gateway.send(own_simulator.texted_code(user.phone))[0]
    assert ([], 1) == (own_simulator.calls(user.phone), len(own_simulator.messages(user.phone)))


def test_a_policy_without_calls_refuses_phone_and_keeps_the_code_valid(users, own_simulator, log_in):
    user = users["text"]
    gateway, *_ = log_in("text", TEXTS_ONLY)
    assert CHALLENGE == gateway.send("phone")[0]
    assert [] == own_simulator.calls(user.phone)
    assert ACCEPT == gateway.send(own_simulator.texted_code(user.phone))[0]


def test_another_text_message_has_another_code(users, own_simulator, log_in):
    user = users["text again"]
    gateway, *_ = log_in("text again", TEXTS_ONLY)
    first = own_simulator.texted_code(user.phone)
    assert CHALLENGE == gateway.send("sms")[0]
    assert CHALLENGE == gateway.send(first)[0]
    assert ACCEPT == gateway.send(own_simulator.texted_code(user.phone))[0]


def test_sms2_sends_to_the_second_phone(own_simulator, log_in):
    gateway, *_ = log_in("two phones", BOTH)
    code, prompt = gateway.send("sms2")
    assert (CHALLENGE, True) == (code, "ending in 72" in prompt)
    assert [] == own_simulator.messages("+14155550171")
    assert ACCEPT == gateway.send(own_simulator.texted_code("+14155550172"))[0]


def test_a_country_has_its_own_sender(users, own_simulator, log_in):
    log_in("british", TEXTS_ONLY)
    assert ["ACME VPN"] == [message["from"] for message in own_simulator.messages(users["british"].phone)]


@pytest.mark.parametrize("who", ["landline", "failed"])
def test_a_phone_that_gets_no_texts_is_called_by_the_next_method(who, server, users, own_simulator, log_in):
    user = users[who]
    gateway, code, prompt = log_in(who, TEXTS_FIRST)
    assert (CHALLENGE, True) == (code, "is calling your phone" in prompt)
    assert ACCEPT == gateway.send(own_simulator.code(user.phone))[0]
    assert [("sms", "number_rejected"), ("voice", "placed")] == deliveries(server, user)


def test_a_landline_is_rejected_by_a_policy_of_text_messages(users, own_simulator, log_in):
    _, code, _ = log_in("landline", TEXTS_ONLY)
    assert REJECT == code
    assert [] == own_simulator.messages(users["landline"].phone)


def test_a_phone_with_an_extension_gets_no_text_and_the_next_phone_does(own_simulator, log_in):
    gateway, code, prompt = log_in("extension", TEXTS_ONLY)
    assert (CHALLENGE, TEXT_SENT.format("77")) == (code, prompt)
    assert ACCEPT == gateway.send(own_simulator.texted_code("+14155550177"))[0]


@pytest.mark.parametrize("who", UNCERTAIN)
def test_a_message_that_may_have_been_sent_is_not_sent_again(who, server, users, own_simulator, log_in):
    user = users[who]
    gateway, code, prompt = log_in(who, TEXTS_FIRST)
    assert (CHALLENGE, True) == (code, "text message" in prompt)
    assert CHALLENGE == RadclientGateway(server, TEXTS_FIRST, user).start()[0]
    assert ([], 1) == (own_simulator.calls(user.phone), len(own_simulator.messages(user.phone)))
    assert ACCEPT == gateway.send(own_simulator.texted_code(user.phone))[0]
    assert [("sms", "indeterminate")] == deliveries(server, user)
    assert CHALLENGE == log_in(f"after {who}", TEXTS_FIRST)[1]
