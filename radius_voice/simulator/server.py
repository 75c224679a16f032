"""The simulator's HTTP server: Twilio's paths and errors, and the history of calls, text messages and verifications.

Like Twilio it takes basic authentication with the account SID and token; it also accepts any API key (`SK...`) with the
same token. The history needs no authentication: the simulator is for loopback and for made-up codes.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

from radius_voice.simulator.call_requests import call_request_of, script_of
from radius_voice.simulator.calls import (
    API,
    Call,
    Calls,
    CallTimings,
    history,
    new_call,
    resource,
    rfc2822_time,
    slice_of,
)
from radius_voice.simulator.faults import SERVER_ERROR, Faults
from radius_voice.simulator.message_requests import MessageRequests
from radius_voice.simulator.numbers import GOOD_FROM, Misbehaviour, Refusal, refused_from
from radius_voice.simulator.responses import BAD_PARAMETER, error, form_of, json_response, listing, page_of
from radius_voice.simulator.running_calls import RunningCalls
from radius_voice.simulator.verification_requests import VerificationRequests
from radius_voice.simulator.verifications import VERIFY_API

ACCOUNT = API + "/Accounts/{account}"
SHUTDOWN_SECONDS = 0.1
"""Seconds for requests in progress to end when the simulator stops; some never end, on purpose."""

DAY = len("2010-04-01")

CREDENTIALS = Refusal(401, 20003, "Authenticate")
NOT_FOUND = Refusal(404, 20404, "The requested resource was not found")
CALL_OVER = Refusal(400, 21220, "Invalid call state")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Simulator:
    """A simulated Twilio with one account.

    `latency`, `fail_rate` and `chance`: see `Faults`. `clock` returns wall-clock seconds. Calls are answered after
    `ring_seconds`. Messages arrive `queue_seconds` after they were accepted.
    """

    def __init__(
        self,
        account_sid: str,
        auth_token: str,
        *,
        latency: float = 0.0,
        fail_rate: float = 0.0,
        queue_seconds: float = 0.1,
        ring_seconds: float = 1.0,
        talk_seconds: float = 5.0,
        clock: Callable[[], float] = time.time,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._account = account_sid
        self._token = auth_token.encode()
        self._faults = Faults(latency, fail_rate, chance)
        self._timings = CallTimings(queue_seconds, ring_seconds, talk_seconds)
        self._clock = clock
        self._calls = Calls()
        self._running = RunningCalls(account_sid, auth_token, clock)
        self._messages = MessageRequests(account_sid, self._faults, queue_seconds, clock)
        self._verifications = VerificationRequests(account_sid, self._faults, clock)
        self._runner: web.AppRunner | None = None

    def app(self) -> web.Application:
        """The application, to be run by another server."""
        app = web.Application(middlewares=[self._guard])
        app.router.add_post(f"{ACCOUNT}/Calls.json", self._create)
        app.router.add_get(f"{ACCOUNT}/Calls.json", self._list)
        app.router.add_get(f"{ACCOUNT}/Calls/{{sid}}.json", self._fetch)
        app.router.add_post(f"{ACCOUNT}/Calls/{{sid}}.json", self._change)
        app.router.add_get(f"{ACCOUNT}.json", self._show_account)
        app.router.add_get(f"{ACCOUNT}/IncomingPhoneNumbers.json", self._list_numbers)
        app.router.add_get(f"{ACCOUNT}/OutgoingCallerIds.json", self._list_callers)
        app.router.add_get(f"{ACCOUNT}/Balance.json", self._show_balance)
        app.router.add_get("/v1/DialingPermissions/Countries/{country}", self._show_permissions)
        app.router.add_get("/simulator/calls", self._history)
        app.router.add_post("/simulator/phones", self._set_phone)
        self._messages.add_routes(app.router, ACCOUNT)
        self._verifications.add_routes(app.router)
        app.on_shutdown.append(self._release)
        return app

    async def start(self, host: str, port: int) -> int:
        """Listen; returns the port, which the system chooses if `port` is 0. Raises OSError."""
        self._runner = web.AppRunner(self.app(), access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        await site.start()
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Stop listening and close every connection. Safe before `start`."""
        if self._runner is not None:
            await self._runner.cleanup()

    def calls_to(self, to: str | None = None) -> list[dict[str, Any]]:
        """The calls with their speech, oldest first, as in `GET /simulator/calls`; `to` filters by number."""
        now = self._clock()
        return [history(call, now) for call in self._calls.oldest_first(to)]

    def messages_to(self, to: str | None = None) -> list[dict[str, Any]]:
        """The text messages, oldest first, as in `GET /simulator/messages`; `to` filters by number."""
        return self._messages.messages_to(to)

    def verifications_of(self, to: str | None = None) -> list[dict[str, Any]]:
        """The verifications, oldest first, as in `GET /simulator/verifications`; `to` filters by number."""
        return self._verifications.verifications_of(to)

    async def _release(self, _app: web.Application) -> None:
        self._faults.release()
        await self._running.close()

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Check the credentials first, and return errors in Twilio's format."""
        if not request.path.startswith((API, VERIFY_API)):
            return await handler(request)
        if not self._authenticated(request.headers.get("Authorization", "")):
            return error(CREDENTIALS)
        if request.path.startswith(API) and request.match_info.get("account") != self._account:
            return error(NOT_FOUND)
        try:
            return await handler(request)
        except web.HTTPNotFound:
            return error(NOT_FOUND)

    def _authenticated(self, authorization: str) -> bool:
        scheme, _, encoded = authorization.partition(" ")
        try:
            name, _, token = base64.b64decode(encoded, validate=True).partition(b":")
        except (binascii.Error, ValueError):
            return False
        right_token = hmac.compare_digest(self._token, token)
        return scheme.lower() == "basic" and right_token and (name == self._account.encode() or name.startswith(b"SK"))

    async def _create(self, request: web.Request) -> web.StreamResponse:
        form = await form_of(request)
        await self._faults.delay()
        wanted = call_request_of(form)
        if isinstance(wanted, Refusal):
            return error(wanted)
        misbehaviour = self._faults.of(wanted.to)
        if misbehaviour is Misbehaviour.ERROR:
            return error(SERVER_ERROR)
        call = new_call(wanted, self._running.phone(wanted.to).answered_by, self._timings, self._clock())
        self._calls.add(call)
        if wanted.needs_callbacks:
            self._running.run(call)
        if misbehaviour is not None:
            return await self._faults.respond(misbehaviour, request)
        return json_response(resource(call, self._account, call.placed_at), 201)

    async def _set_phone(self, request: web.Request) -> web.StreamResponse:
        try:
            return json_response({"to": self._running.set_phone(await form_of(request))})
        except ValueError:
            return error(BAD_PARAMETER)

    async def _fetch(self, request: web.Request) -> web.StreamResponse:
        return json_response(resource(self._found(request), self._account, self._clock()))

    async def _change(self, request: web.Request) -> web.StreamResponse:
        """`Status=canceled` ends a call that is not answered, `completed` any call; an answered call runs `Twiml`."""
        call, form, now = self._found(request), await form_of(request), self._clock()
        status, state = form.get("Status"), call.status(now)
        if call.over(now):
            return error(CALL_OVER)
        if status is not None:
            if status not in ("canceled", "completed"):
                return error(BAD_PARAMETER)
            if status == "canceled" and state == "in-progress":
                return error(CALL_OVER)
            call.end("completed" if state == "in-progress" else "canceled", now)
            self._running.notice_end(call)
        else:
            steps = script_of(form)
            if isinstance(steps, Refusal):
                return error(steps)
            if state != "in-progress":
                return error(CALL_OVER)
            self._running.say(call, steps, now)
        return json_response(resource(call, self._account, now))

    async def _list(self, request: web.Request) -> web.StreamResponse:
        """Newest first. A call that has not been dialed has no `start_time`, so no `StartTime` filter finds it."""
        query, now = request.query, self._clock()
        try:
            number, size = page_of(request)
            between = _span(query)
        except (ValueError, OverflowError):
            return error(BAD_PARAMETER)
        matching = (
            call
            for call in self._calls.newest_first(query.get("To"))
            if query.get("From") in (None, call.from_number)
            and query.get("Status") in (None, call.status(now))
            and (between is None or (call.started(now) and between[0] <= call.rings_at < between[1]))
        )
        calls, more = slice_of(matching, number, size)
        resources = [resource(call, self._account, now) for call in calls]
        return listing(request, "calls", resources, number=number, size=size, more=more)

    async def _show_account(self, request: web.Request) -> web.StreamResponse:
        return json_response(
            {
                "auth_token": None,
                "date_created": rfc2822_time(0),
                "date_updated": rfc2822_time(0),
                "friendly_name": "simulator",
                "owner_account_sid": self._account,
                "sid": self._account,
                "status": "active",
                "subresource_uris": {"calls": request.path.removesuffix(".json") + "/Calls.json"},
                "type": "Full",
                "uri": request.path,
            }
        )

    async def _list_numbers(self, request: web.Request) -> web.StreamResponse:
        """The account owns every number that `refused_from` accepts."""
        number = request.query.get("PhoneNumber", GOOD_FROM)
        resources = [] if refused_from(number) else [self._number(number)]
        return listing(request, "incoming_phone_numbers", resources, more=False)

    async def _list_callers(self, request: web.Request) -> web.StreamResponse:
        return listing(request, "outgoing_caller_ids", [], more=False)

    async def _show_balance(self, _request: web.Request) -> web.StreamResponse:
        return json_response({"account_sid": self._account, "balance": "20.00", "currency": "USD"})

    async def _show_permissions(self, request: web.Request) -> web.StreamResponse:
        """Every country may be called but North Korea."""
        country = request.match_info["country"]
        enabled = country != "KP"
        return json_response({"iso_code": country, "name": country, "low_risk_numbers_enabled": enabled})

    async def _history(self, request: web.Request) -> web.StreamResponse:
        return json_response(self.calls_to(request.query.get("to")))

    def _found(self, request: web.Request) -> Call:
        call = self._calls.get(request.match_info["sid"])
        if call is None:
            raise web.HTTPNotFound
        return call

    def _number(self, number: str) -> dict[str, Any]:
        sid = f"PN{number.lstrip('+'):0>32}"
        return {
            "account_sid": self._account,
            "capabilities": {"mms": False, "sms": True, "voice": True, "fax": False},
            "date_created": rfc2822_time(0),
            "date_updated": rfc2822_time(0),
            "friendly_name": number,
            "phone_number": number,
            "sid": sid,
            "uri": f"{API}/Accounts/{self._account}/IncomingPhoneNumbers/{sid}.json",
        }


def _span(query: Mapping[str, str]) -> tuple[float, float] | None:
    """The interval of the StartTime filters, end excluded; None if there are none. Raises ValueError."""
    if not any(name in query for name in ("StartTime", "StartTime<", "StartTime>")):
        return None
    first, last = 0.0, float("inf")
    if "StartTime" in query:
        day = _moment(query["StartTime"][:DAY])
        first, last = day.timestamp(), (day + timedelta(days=1)).timestamp()
    if "StartTime>" in query:
        first = max(first, _moment(query["StartTime>"]).timestamp())
    if "StartTime<" in query:
        last = min(last, _moment(query["StartTime<"]).timestamp())
    return first, last


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
