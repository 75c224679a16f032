"""Vonage's Voice API on loopback, by its public description: OpenAPI document 1.3.7, NCCO and JWT references.

It refuses every request that the description does not allow, and records the reason.
"""

import asyncio
import re
import threading
import time
import uuid
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import cache
from types import TracebackType
from typing import Any, Self
from xml.etree import ElementTree as ET

import jwt
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests.support.network import TIMEOUT

APPLICATION = "aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab"
MAX_TOKEN_SECONDS = 24 * 3600
MAX_TALK = 1500
LANGUAGES = """
ar ca-ES cmn-CN cmn-TW cs-CZ cy-GB da-DK de-DE el-GR en-AU en-GB en-GB-WLS en-IN en-US en-ZA es-ES es-MX es-US eu-ES
fi-FI fil-PH fr-CA fr-FR he-IL hi-IN hu-HU id-ID is-IS it-IT ja-JP ko-KR nb-NO nl-NL no-NO pl-PL pt-BR pt-PT ro-RO
ru-RU sk-SK sv-SE th-TH tr-TR uk-UA vi-VN yue-CN
"""
CALL_KEYS = {"to", "from", "ncco", "ringing_timer", "length_timer"}
TALK_KEYS = {"action", "text", "language", "style", "premium", "level", "loop", "bargeIn"}
OVER = {"completed", "busy", "cancelled", "failed", "rejected", "timeout", "unanswered"}


@cache
def private_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    """The key of the application."""
    return rsa.generate_private_key(65537, bits)


def ec_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def pem(key: Any = None) -> str:
    """A private key in PEM, by default that of the application."""
    octets: bytes = (key or private_key()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return octets.decode()


@dataclass
class DoubledCall:
    """A call that was accepted. A test sets its `status`."""

    to: str
    request: dict[str, Any]
    uuid: str = field(default_factory=lambda: str(uuid.uuid4()))
    status: str = "started"

    @property
    def spoken(self) -> str:
        """What the phone speaks, with a space for each pause."""
        texts = [" ".join(ET.fromstring(each["text"]).itertext()) for each in self.request["ncco"]]
        return " ".join(texts)

    @property
    def code(self) -> str:
        """The digits that are spoken first."""
        found = re.search(r"\d( \d)+", self.spoken)
        assert found, self.spoken
        return found[0].replace(" ", "")


class Refused(Exception):
    """A request that the description does not allow; `names` are the invalid parameters."""

    def __init__(self, status: int, reason: str, *names: str) -> None:
        super().__init__(reason)
        self.status = status
        self.names = names


def require(condition: object, reason: str, *names: str) -> None:
    if not condition:
        raise Refused(400, reason, *names)


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Fault = Callable[["VonageDouble", web.Request], Awaitable[web.StreamResponse]]


class VonageDouble:
    """A server in a thread, for tests with their own loop and for server processes.

    Each request for a call takes one of `faults`, if there are any. `unreachable` are numbers that are invalid.
    """

    def __init__(self, from_number: str = "12025550100") -> None:
        self.calls: list[DoubledCall] = []
        self.requests: list[str] = []
        self.refused: list[str] = []
        self.tokens: list[str] = []
        self.faults: deque[Fault] = deque()
        self.unreachable: set[str] = set()
        self.from_number = from_number
        self.public_key = private_key().public_key()
        self.ended = asyncio.Event()
        self._started = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._started.wait(TIMEOUT)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self.ended.set)
        self._thread.join(TIMEOUT)
        self._loop.close()

    def calls_to(self, number: str) -> list[DoubledCall]:
        """The calls to a number, with or without `+`."""
        return [call for call in self.calls if call.to == number.lstrip("+")]

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())

    async def _serve(self) -> None:
        application = web.Application()
        application.router.add_post("/v1/calls", self._checked(self._create))
        application.router.add_get("/v1/calls", self._checked(self._list))
        application.router.add_get("/v1/calls/{uuid}", self._checked(self._get))
        application.router.add_put("/v1/calls/{uuid}", self._checked(self._update))
        runner = web.AppRunner(application, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        self._started.set()
        await self.ended.wait()
        await runner.cleanup()

    def _checked(self, handler: Handler) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            self.requests.append(f"{request.method} {request.path_qs}")
            try:
                self._authenticate(request)
                if request.method == "POST" and self.faults:
                    return await self.faults.popleft()(self, request)
                return await handler(request)
            except Refused as error:
                self.refused.append(str(error))
                return problem(error)

        return handle

    def _authenticate(self, request: web.Request) -> None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        try:
            claims = jwt.decode(
                token,
                self.public_key,
                algorithms=["RS256"],
                options={"require": ["application_id", "iat", "jti", "exp"]},
            )
        except jwt.InvalidTokenError as error:
            raise Refused(401, f"token: {error}") from None
        valid = scheme == "Bearer" and claims["application_id"] == APPLICATION and 0 < len(claims["jti"]) <= 64
        if not valid or not 0 < claims["exp"] - claims["iat"] <= MAX_TOKEN_SECONDS or claims["iat"] > time.time() + 1:
            raise Refused(401, "claims")
        self.tokens.append(token)

    async def accept(self, request: web.Request) -> DoubledCall:
        """Place the call that a request describes. Raises Refused."""
        require("application/json" == request.content_type, "content type")
        body = await request.json()
        require(isinstance(body, dict) and body.keys() <= CALL_KEYS and {"to", "from", "ncco"} <= body.keys(), "keys")
        require(isinstance(body["to"], list) and len(body["to"]) == 1, "to", "to")
        number = destination(body["to"][0])
        require(number not in self.unreachable, "unreachable", "to[0].number")
        require({"type": "phone", "number": self.from_number} == body["from"], "from", "from.number")
        require(1 <= body.get("ringing_timer", 60) <= 120, "ringing_timer", "ringing_timer")
        require(1 <= body.get("length_timer", 7200) <= 7200, "length_timer", "length_timer")
        require(isinstance(body["ncco"], list) and body["ncco"], "ncco", "ncco")
        for action in body["ncco"]:
            check_talk(action)
        call = DoubledCall(number, body)
        self.calls.append(call)
        return call

    async def _create(self, request: web.Request) -> web.StreamResponse:
        return created(await self.accept(request))

    async def _list(self, request: web.Request) -> web.StreamResponse:
        query = request.query
        require(query.keys() <= {"status", "page_size", "record_index", "order"}, "query")
        size, index = int(query.get("page_size", 10)), int(query.get("record_index", 0))
        require(1 <= size <= 100 and index >= 0 and query.get("order", "asc") in ("asc", "desc"), "query")
        ordered = self.calls[::-1] if query.get("order") == "desc" else self.calls
        listed = [described(call) for call in ordered[index : index + size]]
        return web.json_response(
            {"count": len(self.calls), "page_size": size, "record_index": index, "_embedded": {"calls": listed}}
        )

    async def _get(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(described(self._call(request)))

    async def _update(self, request: web.Request) -> web.StreamResponse:
        call = self._call(request)
        require("application/json" == request.content_type, "content type")
        require({"action": "hangup"} == await request.json(), "action", "action")
        require(call.status not in OVER, "not in progress")
        call.status = "completed"
        return web.Response(status=204)

    def _call(self, request: web.Request) -> DoubledCall:
        for call in self.calls:
            if call.uuid == request.match_info["uuid"]:
                return call
        raise Refused(404, "no such call")


def destination(to: dict[str, Any]) -> str:
    """The number or SIP address of an endpoint. Raises Refused."""
    if to.get("type") == "sip":
        require(to.keys() == {"type", "uri"} and re.fullmatch(r"sips?:[^@\s]+@\S+", to["uri"]), "uri", "to")
        return str(to["uri"])
    require(to.keys() <= {"type", "number", "dtmfAnswer"} and "phone" == to.get("type"), "endpoint", "to")
    number = to.get("number")
    require(isinstance(number, str) and re.fullmatch(r"\d{7,15}", number), "number", "to")
    require(re.fullmatch(r"[0-9*#p]+", to.get("dtmfAnswer", "p")), "dtmfAnswer", "to[0].dtmfAnswer")
    return str(number)


def check_talk(action: dict[str, Any]) -> None:
    """Raises Refused if an NCCO action is not a correct `talk`."""
    require("talk" == action.get("action") and action.keys() <= TALK_KEYS, "action", "ncco")
    require(action.get("language", "en-US") in LANGUAGES.split(), "language", "ncco")
    text = action.get("text")
    require(isinstance(text, str) and 0 < len(text) <= MAX_TALK, "text", "ncco")
    try:
        markup = ET.fromstring(str(text))
    except ET.ParseError:
        raise Refused(400, "SSML", "ncco") from None
    breaks = all(each.tag == "break" and re.fullmatch(r"\d+m?s", each.get("time", "")) for each in markup)
    require(markup.tag == "speak" and breaks, "SSML", "ncco")


def described(call: DoubledCall) -> dict[str, Any]:
    """A call as the API describes it."""
    return {
        "_links": {"self": {"href": f"/v1/calls/{call.uuid}"}},
        "uuid": call.uuid,
        "conversation_uuid": f"CON-{call.uuid}",
        "status": call.status,
        "direction": "outbound",
        "to": {"type": "phone", "number": call.to},
        "from": call.request["from"],
    }


def created(call: DoubledCall) -> web.Response:
    body = {"uuid": call.uuid, "status": "started", "direction": "outbound", "conversation_uuid": f"CON-{call.uuid}"}
    return web.json_response(body, status=201)


def problem(error: Refused) -> web.Response:
    """A problem details object."""
    body: dict[str, Any] = {
        "type": "https://developer.vonage.com/api-errors#bad-request",
        "title": "Bad Request",
        "detail": str(error),
        "instance": uuid.uuid4().hex,
    }
    if error.names:
        body["invalid_parameters"] = [{"name": name, "reason": str(error)} for name in error.names]
    return web.json_response(body, status=error.status, content_type="application/problem+json")


# Faults: what happens to one request for a call.


async def reset_before(_double: VonageDouble, request: web.Request) -> web.StreamResponse:
    """Reset the connection without placing the call."""
    abort(request)
    return web.Response()


async def reset_after(double: VonageDouble, request: web.Request) -> web.StreamResponse:
    """Place the call, and reset the connection."""
    await double.accept(request)
    abort(request)
    return web.Response()


async def slow(double: VonageDouble, request: web.Request) -> web.StreamResponse:
    """Place the call, and never respond."""
    await double.accept(request)
    await double.ended.wait()
    return web.Response()


async def cut(double: VonageDouble, request: web.Request) -> web.StreamResponse:
    """Place the call, and close the connection within the body of the response."""
    await double.accept(request)
    response = web.StreamResponse(status=201, headers={"Content-Length": "500", "Content-Type": "application/json"})
    await response.prepare(request)
    await response.write(b'{"uuid": "63f6')
    assert request.transport is not None
    request.transport.close()
    return response


def respond(status: int, body: str, *, placed: bool = False) -> Fault:
    """Respond with a status and a body; `placed`: place the call before."""

    async def fault(double: VonageDouble, request: web.Request) -> web.StreamResponse:
        if placed:
            await double.accept(request)
        return web.Response(status=status, text=body, content_type="application/json")

    return fault


def abort(request: web.Request) -> None:
    assert request.transport is not None
    request.transport.abort()
