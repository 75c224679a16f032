"""Encodes the decisions of the login as responses, and sends them: at once, or after a delay."""

from __future__ import annotations

import asyncio
import random
import secrets

from radius_voice.events import Discard, Outcome, SecondFactorMode
from radius_voice.login.session.decisions import Decision
from radius_voice.login.upstream import HiddenAttribute
from radius_voice.radius import packet as radius
from radius_voice.radius import salted
from radius_voice.radius.encrypted import encrypt
from radius_voice.radius.packet import Attribute
from radius_voice.server.duplicates import Duplicates
from radius_voice.server.recorder import Recorder
from radius_voice.server.request import Request

ECHO = (1).to_bytes(4)
"""Value of Prompt: the user's input may be shown (RFC 2869 section 5.10)."""
NO_ECHO = bytes(4)
JITTER = 0.1
CODES = {
    Outcome.ACCEPT: radius.ACCESS_ACCEPT,
    Outcome.REJECT: radius.ACCESS_REJECT,
    Outcome.CHALLENGE: radius.ACCESS_CHALLENGE,
}


class Responses:
    """Sends responses and keeps them in `duplicates` for retransmissions. `reject_delay` is in seconds."""

    def __init__(self, duplicates: Duplicates, recorder: Recorder, reject_delay: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._duplicates = duplicates
        self._recorder = recorder
        self.reject_delay = reject_delay
        self.delayed = 0
        self._last_due = 0.0

    async def drain(self) -> None:
        """Wait until every delayed response is sent."""
        while self.delayed:  # noqa: ASYNC110 - the time of the last response is known
            await asyncio.sleep(max(0.0, self._last_due - self._loop.time()))

    def respond(self, request: Request, decision: Decision) -> None:
        """Send the response to a request. After NO_RESPONSE, a retransmission is processed as a new request."""
        if decision.outcome is Outcome.NO_RESPONSE:
            self._duplicates.forget(request.id)
            return
        code, attributes = _code(request, decision), _attributes(request, decision)
        if code == radius.ACCESS_REJECT:
            jitter = 1 + random.random() * JITTER  # noqa: S311 - noise, not a secret
            # Rejects are never sent earlier, so that their time does not reveal the cause.
            self._send_at(request.arrived + self.reject_delay * jitter, request, code, attributes)
        elif decision.not_before:
            self._send_at(decision.not_before, request, code, attributes)
        else:
            self._encode_and_send(request, code, attributes)

    def send(self, request: Request, response: bytes) -> None:
        """Send the octets of an encoded response."""
        self._recorder.sent(request.client, request.peer, response)
        request.send(response)

    def _send_at(self, due: float, request: Request, code: int, attributes: list[Attribute]) -> None:
        """Send a response at `due`, monotonic seconds. Until then it does not count as a request in progress."""
        self.delayed += 1
        self._last_due = max(self._last_due, due)

        def send() -> None:
            self.delayed -= 1
            self._encode_and_send(request, code, attributes)

        self._loop.call_at(due, send)

    def _encode_and_send(self, request: Request, code: int, attributes: list[Attribute]) -> None:
        try:
            response = radius.encode_reply(code, request.packet, attributes, request.secret)
        except ValueError as problem:
            self._duplicates.forget(request.id)
            self._recorder.dropped(request, Discard.MALFORMED, str(problem))
            return
        if self._duplicates.keep_response(request.id, response):
            self.send(request, response)


def _code(request: Request, decision: Decision) -> int:
    """The code of a response. A gateway that cannot show challenges gets an Access-Reject instead."""
    shows_challenges = request.client.second_factor is SecondFactorMode.CHALLENGE
    is_challenge = decision.outcome is Outcome.CHALLENGE
    return radius.ACCESS_REJECT if is_challenge and not shows_challenges else CODES[decision.outcome]


def _attributes(request: Request, decision: Decision) -> list[Attribute]:
    """The attributes of a response, without Message-Authenticator and Proxy-State."""
    attributes: list[Attribute] = []
    if decision.text and request.packet.first(radius.EAP_MESSAGE) is None:  # RFC 3579 section 2.6.5
        attributes.append((radius.REPLY_MESSAGE, request.client.prompts.shown(decision.text).encode()))
    if _code(request, decision) == radius.ACCESS_CHALLENGE:
        attributes += [(radius.STATE, decision.state), (radius.PROMPT, ECHO if decision.echo else NO_ECHO)]
    attributes += [each for each in decision.reply if not isinstance(each, HiddenAttribute)]
    hidden = [each for each in decision.reply if isinstance(each, HiddenAttribute)]
    salts = secrets.randbelow(salted.SALTS) if hidden else 0
    return [*attributes, *(_hidden(each, request, salts + number) for number, each in enumerate(hidden))]


def _hidden(attribute: HiddenAttribute, request: Request, number: int) -> Attribute:
    """Encrypt an attribute for the client. Each attribute of a packet needs another `number`."""
    salt = (salted.SALTS | number % salted.SALTS).to_bytes(salted.SALT_OCTETS)
    authenticator = request.packet.authenticator
    octets = encrypt(attribute.plain, attribute.encryption, request.secret, authenticator, salt)
    return attribute.type, attribute.prefix + octets
