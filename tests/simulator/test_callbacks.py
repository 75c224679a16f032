"""Callbacks of the simulator: their order, signatures and fields, and scripts that depend on keys."""

import asyncio

import aiohttp
import pytest
from aiohttp import web
from twilio.request_validator import RequestValidator

from radius_voice.simulator import Simulator

ACCOUNT, TOKEN, PHONE = "AC" + "0" * 32, "token", "+14155550123"
SECONDS = 10.0


def say(text):
    return f"<Response><Say>{text}</Say></Response>"


class Customer:
    """The customer's server: it keeps the callbacks, and responds with the script of their path."""

    def __init__(self):
        self.url = ""
        self.received = []
        self.scripts = {}
        self.invalid = 0
        self.changed = asyncio.Condition()

    async def respond(self, request):
        fields = dict(await request.post())
        signed = request.headers["X-Twilio-Signature"]
        self.invalid += not RequestValidator(TOKEN).validate(str(request.url), fields, signed)
        async with self.changed:
            self.received.append((request.path, fields))
            self.changed.notify_all()
        script = self.scripts.get(request.path)
        return web.Response(status=204) if script is None else web.Response(text=script, content_type="text/xml")

    async def until(self, condition):
        async with asyncio.timeout(SECONDS), self.changed:
            await self.changed.wait_for(lambda: condition(self.received))

    async def until_status(self, status):
        await self.until(lambda received: any(fields["CallStatus"] == status for _, fields in received))

    def at(self, path):
        return [fields for received, fields in self.received if received == path]


@pytest.fixture
async def customer():
    customer = Customer()
    app = web.Application()
    app.router.add_post("/{path:.*}", customer.respond)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    customer.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield customer
    await runner.cleanup()


class Twilio:
    """The API of a simulator."""

    def __init__(self, url, session):
        self._url, self._session = url, session

    async def post(self, path, form):
        where = path if path.startswith("/simulator") else f"/2010-04-01/Accounts/{ACCOUNT}{path}"
        auth = {"Authorization": aiohttp.encode_basic_auth(ACCOUNT, TOKEN)}
        async with self._session.post(self._url + where, data=form, headers=auth) as response:
            return response.status, await response.json()

    async def call(self, customer, to=PHONE, **form):
        events = [("StatusCallbackEvent", event) for event in ("initiated", "ringing", "answered", "completed")]
        fields = {"To": to, "From": "+15005550006", "StatusCallback": f"{customer.url}/status", **form}
        status, call = await self.post("/Calls.json", [*fields.items(), *events])
        assert 201 == status
        return call["sid"]

    async def phone(self, to=PHONE, **behaviour):
        assert 200 == (await self.post("/simulator/phones", {"To": to, **behaviour}))[0]

    async def change(self, sid, **form):
        return (await self.post(f"/Calls/{sid}.json", form))[0]

    async def history(self):
        async with self._session.get(f"{self._url}/simulator/calls") as response:
            return (await response.json())[-1]


@pytest.fixture
async def twilio():
    simulator = Simulator(ACCOUNT, TOKEN, queue_seconds=0.02, ring_seconds=0.02, talk_seconds=0.2)
    port = await simulator.start("127.0.0.1", 0)
    async with aiohttp.ClientSession() as session:
        yield Twilio(f"http://127.0.0.1:{port}", session)
    await simulator.stop()


@pytest.mark.parametrize(
    ("to", "expected"),
    [
        (PHONE, ["initiated", "ringing", "in-progress", "completed"]),
        ("+15005550010", ["initiated", "ringing", "busy"]),
        ("+15005550012", ["initiated", "ringing", "failed"]),
    ],
)
async def test_every_status_is_reported_once_and_signed(twilio, customer, to, expected):
    sid = await twilio.call(customer, to, Twiml=say("hello"))
    await customer.until_status(expected[-1])
    assert expected == [fields["CallStatus"] for fields in customer.at("/status")]
    assert {(sid, to)} == {(fields["CallSid"], fields["To"]) for fields in customer.at("/status")}
    assert 0 == customer.invalid


async def test_a_call_that_is_not_answered_says_so_after_its_timeout(twilio, customer):
    await twilio.call(customer, "+15005550011", Timeout="1", Twiml=say("hello"))
    await customer.until_status("no-answer")


async def test_only_the_requested_statuses_are_reported(twilio, customer):
    form = {"To": PHONE, "From": "+15005550006", "Twiml": say("x"), "StatusCallback": f"{customer.url}/status"}
    await twilio.post("/Calls.json", form)
    await customer.until_status("completed")
    assert ["completed"] == [fields["CallStatus"] for fields in customer.at("/status")]


async def test_a_call_that_is_ended_reports_its_end_at_once(twilio, customer):
    sid = await twilio.call(customer, Twiml=say("hello"))
    await customer.until_status("in-progress")
    assert 200 == await twilio.change(sid, Status="completed")
    await customer.until_status("completed")
    assert 400 == await twilio.change(sid, Twiml=say("more"))


def gather(customer, prompt="Press 1", timeout=1):
    return (
        f'<Response><Gather action="{customer.url}/key" numDigits="1" timeout="{timeout}"><Say>{prompt}</Say></Gather>'
        "<Say>Goodbye</Say><Hangup/></Response>"
    )


async def test_a_pressed_key_is_sent_to_the_action_whose_script_goes_on(twilio, customer):
    customer.scripts["/key"] = say("1 2 3 4 5 6")
    await twilio.phone(Keys="7")
    await twilio.call(customer, Twiml=gather(customer))
    await customer.until_status("completed")
    assert ["7"] == [fields["Digits"] for fields in customer.at("/key")]
    call = await twilio.history()
    assert ("Press 1 1 2 3 4 5 6", "7") == (call["said"], call["keys"])
    assert 0 == customer.invalid


async def test_each_gather_takes_one_key_and_a_dash_presses_none(twilio, customer):
    customer.scripts["/key"] = gather(customer, "Again")
    await twilio.phone(Keys="12-")
    await twilio.call(customer, Twiml=gather(customer))
    await customer.until_status("completed")
    assert ["1", "2"] == [fields["Digits"] for fields in customer.at("/key")]
    assert "Press 1 Again Again Goodbye" == (await twilio.history())["said"]


async def test_without_a_key_the_script_goes_on_after_the_gather(twilio, customer):
    await twilio.call(customer, Twiml=gather(customer, timeout=0))
    await customer.until_status("completed")
    assert [] == customer.at("/key")
    assert "Press 1 Goodbye" == (await twilio.history())["said"]


async def test_a_key_may_be_pressed_later(twilio, customer):
    customer.scripts["/key"] = say("code")
    await twilio.call(customer, Twiml=gather(customer))
    await customer.until_status("in-progress")
    await twilio.phone(Keys="1")
    await customer.until_status("completed")
    assert 1 == len(customer.at("/key"))


async def test_an_action_without_a_script_ends_the_call(twilio, customer):
    await twilio.phone(Keys="1")
    await twilio.call(customer, Twiml=gather(customer))
    await customer.until_status("completed")
    call = await twilio.history()
    assert "Press 1" == call["said"]
    assert [204] == [each["status"] for each in call["callbacks"] if each["url"].endswith("/key")]


@pytest.mark.parametrize("found", ["human", "machine_start", "fax", "unknown"])
async def test_machine_detection_is_reported_to_the_url_of_the_script(twilio, customer, found):
    customer.scripts["/answer"] = say("hello")
    await twilio.phone(AnsweredBy=found)
    await twilio.call(customer, Url=f"{customer.url}/answer", MachineDetection="Enable")
    await customer.until_status("completed")
    assert [found] == [fields["AnsweredBy"] for fields in customer.at("/answer")]
    assert found == (await twilio.history())["answered_by"]


async def test_an_extension_disables_machine_detection(twilio, customer):
    customer.scripts["/answer"] = say("hello")
    await twilio.call(customer, Url=f"{customer.url}/answer", MachineDetection="Enable", SendDigits="42")
    await customer.until_status("completed")
    assert "AnsweredBy" not in customer.at("/answer")[0]


async def test_an_answered_call_runs_the_script_of_an_update(twilio, customer):
    sid = await twilio.call(customer, Twiml=say("please wait"))
    await customer.until_status("in-progress")
    assert 200 == await twilio.change(sid, Twiml=say("1 2 3 4"))
    await customer.until_status("completed")
    assert "please wait 1 2 3 4" == (await twilio.history())["said"]


async def test_an_update_ends_the_wait_for_a_key(twilio, customer):
    sid = await twilio.call(customer, Twiml=gather(customer, timeout=60))
    await customer.until_status("in-progress")
    assert 200 == await twilio.change(sid, Twiml=say("changed"))
    await customer.until_status("completed")
    assert "Press 1 changed" == (await twilio.history())["said"]


async def test_a_lost_callback_is_not_sent(twilio, customer):
    await twilio.phone(Callbacks="lost")
    await twilio.call(customer, Twiml=say("hello"))
    await twilio.call(customer, "+14155550124", Twiml=say("hello"))
    await customer.until_status("completed")
    assert {"+14155550124"} == {fields["To"] for fields in customer.at("/status")}


async def test_a_callback_may_be_sent_twice_or_with_a_forged_signature(twilio, customer):
    await twilio.phone(Callbacks="twice")
    await twilio.call(customer, Twiml=say("hello"))
    await customer.until(lambda received: len(received) == 8)
    assert 0 == customer.invalid
    await twilio.phone(Callbacks="forged")
    await twilio.call(customer, Twiml=say("hello"))
    await customer.until(lambda received: len(received) == 12)
    assert 4 == customer.invalid


async def test_a_customer_that_cannot_be_reached_changes_nothing_but_the_history(twilio, customer):
    await twilio.call(customer, Twiml=say("hello"), StatusCallback="http://127.0.0.1:9/status")
    await twilio.call(customer, "+14155550124", Twiml=say("hello"))
    await customer.until_status("completed")


@pytest.mark.parametrize(
    "form",
    [
        {"StatusCallback": "ftp://example.org/"},
        {"StatusCallback": "not a url"},
        {"Url": "/relative"},
        {"StatusCallbackEvent": "exploded"},
        {"MachineDetection": "Perhaps"},
    ],
)
async def test_a_call_with_other_callback_parameters_is_refused(twilio, form):
    status, _ = await twilio.post("/Calls.json", {"To": PHONE, "From": "+15005550006", "Twiml": say("x")} | form)
    assert 400 == status


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"To": "x"},
        {"To": PHONE, "Keys": "abc"},
        {"To": PHONE, "AnsweredBy": "cat"},
        {"To": PHONE, "Callbacks": "x"},
    ],
)
async def test_a_behaviour_that_is_not_known_is_refused(twilio, form):
    assert 400 == (await twilio.post("/simulator/phones", form))[0]
