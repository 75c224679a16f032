"""Reads requests for calls, and refuses those that Twilio would refuse."""

from __future__ import annotations

import re
from dataclasses import dataclass

from multidict import MultiMapping

from radius_voice.simulator.numbers import Refusal, refused_from, refused_to
from radius_voice.simulator.responses import BAD_PARAMETER
from radius_voice.simulator.twiml import MAX_LENGTH, BadTwiml, Gather, Step, steps_of

MAX_RING = 600
NUMBER = re.compile("[0-9]{1,5}")
DIGITS = re.compile("[0-9*#wW]{1,32}")
URL = re.compile(r"https?://[^/\s]+(/\S*)?")
STATUS_EVENTS = ("initiated", "ringing", "answered", "completed")
NO_TO = Refusal(400, 21201, "No 'To' number is specified")
NO_FROM = Refusal(400, 21213, "'From' phone number is required")
NO_SCRIPT = Refusal(400, 21205, "Url or Twiml parameter is required")
BAD_URL = Refusal(400, 21205, "Url is not a valid URL")
BAD_STATUS_URL = Refusal(400, 21609, "StatusCallback is not a valid URL")
BAD_TWIML = Refusal(400, 12100, "Document parse failure")


@dataclass(frozen=True, slots=True)
class CallRequest:
    """A request for a call that Twilio would accept. `timeout` is how many seconds it may ring.

    `detects` is whether machine detection is requested (MachineDetection). Dialling an extension disables it.
    """

    to: str
    from_number: str
    digits: str
    timeout: float
    steps: tuple[Step, ...]
    url: str
    status_url: str
    status_events: tuple[str, ...]
    detects: bool

    @property
    def needs_callbacks(self) -> bool:
        """Whether callbacks are to be sent about the call."""
        gathers = any(isinstance(step, Gather) and step.action for step in self.steps)
        return bool(self.url or self.status_url or gathers)


def call_request_of(form: MultiMapping[str]) -> CallRequest | Refusal:
    """The request that a form describes."""
    refusal = _refusal(form)
    steps = () if form.get("Url") else script_of(form)
    if isinstance(steps, Refusal) or refusal is not None:
        return steps if isinstance(steps, Refusal) else refusal or BAD_PARAMETER
    digits = form.get("SendDigits", "")
    return CallRequest(
        to=form["To"],
        from_number=form["From"],
        digits=digits,
        timeout=float(form.get("Timeout", "60")),
        steps=steps,
        url=form.get("Url", ""),
        status_url=form.get("StatusCallback", ""),
        status_events=tuple(form.getall("StatusCallbackEvent", ["completed"])),
        detects=form.get("MachineDetection") == "Enable" and not digits,
    )


def script_of(form: MultiMapping[str]) -> tuple[Step, ...] | Refusal:
    """The steps of the form's TwiML, or the error if it cannot be run."""
    twiml = form.get("Twiml")
    if not twiml:
        return NO_SCRIPT
    if len(twiml) > MAX_LENGTH:
        return Refusal(400, BAD_PARAMETER.code, f"Twiml is longer than {MAX_LENGTH} characters")
    try:
        return steps_of(twiml)
    except BadTwiml as problem:
        return Refusal(400, BAD_TWIML.code, f"{BAD_TWIML.message}: {problem}")


def _refusal(form: MultiMapping[str]) -> Refusal | None:
    """The error with which Twilio would refuse this call, or None."""
    if not form.get("To"):
        return NO_TO
    if not form.get("From"):
        return NO_FROM
    for name, maximum in (("Timeout", MAX_RING), ("TimeLimit", 86_400)):
        if not NUMBER.fullmatch(form.get(name, "1")) or not 1 <= int(form.get(name, "1")) <= maximum:
            return BAD_PARAMETER
    if "SendDigits" in form and not DIGITS.fullmatch(form["SendDigits"]):
        return BAD_PARAMETER
    return _bad_callbacks(form) or refused_from(form["From"]) or refused_to(form["To"])


def _bad_callbacks(form: MultiMapping[str]) -> Refusal | None:
    if form.get("MachineDetection", "Enable") not in ("Enable", "DetectMessageEnd"):
        return BAD_PARAMETER
    if not set(form.getall("StatusCallbackEvent", [])) <= set(STATUS_EVENTS):
        return BAD_PARAMETER
    if not URL.fullmatch(form.get("Url") or "http://url/"):
        return BAD_URL
    return None if URL.fullmatch(form.get("StatusCallback") or "http://url/") else BAD_STATUS_URL
