"""Warnings about timers that do not fit together: of gateways, this server, identity sources and providers.

Every warning says what will happen, and which value to write.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from radius_voice.config.client_settings import SHARE_OF_GATEWAY_TIMEOUT, ClientSettings
from radius_voice.config.draft import Draft
from radius_voice.config.errors import readable
from radius_voice.config.field_types import duration_text
from radius_voice.config.policy_rules import own_rules
from radius_voice.config.schema import UserRulesSettings
from radius_voice.config.section import Diagnostic
from radius_voice.config.strict_yaml import Path as KeyPath
from radius_voice.login.deliveries.code_message import seconds_to_first_code, speech_seconds
from radius_voice.login.deliveries.requests import CodeMessage
from radius_voice.login.texts.speech import Speech, Speed
from radius_voice.messages import Catalog

REJECT_JITTER = 1.1
"""A reject is sent up to 10 % later than server.reject_delay."""
QUESTION_SECONDS = 10.0
"""How long a call takes to ask for an approval."""
TYPING_SECONDS = 10.0
"""How long a user takes to type a code."""
MIN_RING_TIMEOUT = 10.0
MAX_DUPLICATE_WINDOW = 30.0


def warnings(draft: Draft, catalog: Catalog) -> Iterator[Diagnostic]:
    """Timers that do not fit together. `catalog` has the texts that calls speak."""
    for policy, settings in draft.policies.items():
        for path, rules in own_rules(settings, "challenge"):
            yield from _speaking(rules, ("policies", policy, *path, "challenge", "code_lifetime"), catalog)
    for name, client in draft.clients.items():
        yield from _response(draft, client, ("clients", name, "response_timeout"))
        yield from _server(draft, name, client)
        yield from _failover(draft, name, client)
        for path, rules in _rules_of(draft, client):
            yield from _typing(name, client, rules, (*path, "challenge"), catalog)
            yield from _approving(name, client, rules, (*path, "challenge", "ring_timeout"))


def _rules_of(draft: Draft, client: ClientSettings) -> Iterator[tuple[KeyPath, UserRulesSettings]]:
    """The rules for users of a client that have a challenge of their own, by their paths."""
    for policy in sorted(client.policies & draft.policies.keys()):
        for path, rules in own_rules(draft.policies[policy], "challenge"):
            yield ("policies", policy, *path), rules


def _response(draft: Draft, client: ClientSettings, path: KeyPath) -> Iterator[Diagnostic]:
    """A response that arrives after the gateway has given up, or has sent another request."""
    timeout, wait, response = client.gateway_timeout, client.gateway_wait, client.response_timeout
    if timeout is None or wait is None or response < timeout:
        return
    fix = _fix("" if client.second_factor == "approve" else _below(timeout))
    if response >= wait:
        placing = max((provider.timers.get("timeout", 0.0) for provider in draft.providers.values()), default=0.0)
        why = (
            f"the gateway gives up after {_text(wait)}: a call may still be placed {_text(response + placing)} after "
            "the request, for a login that has failed"
        )
        yield path, f"{why}; {fix}"
    elif client.second_factor != "approve":
        why = (
            f"the gateway sends the request again after {_text(timeout)}, before this server has responded "
            f"({_text(response)}), or asks another server"
        )
        yield path, f"{why}; {fix}"


def _server(draft: Draft, name: str, client: ClientSettings) -> Iterator[Diagnostic]:
    """Rejects that arrive too late, and requests that are repeated when their response is no longer kept."""
    timeout, server = client.gateway_timeout, draft.server
    if timeout is None or server is None:
        return
    latest = server.reject_delay * REJECT_JITTER
    if latest >= timeout:
        why = (
            f"a reject is sent up to {_text(latest)} after its request, and the gateway of client {readable(name)} "
            f"waits {_text(timeout)}: it takes this server for unavailable, and users do not see the text"
        )
        yield ("server", "reject_delay"), f"{why}; {_fix(_below(timeout))}"
    last = timeout * ((client.gateway_requests or 1) - 1)
    if client.second_factor != "approve" and last >= max(server.duplicate_window, client.response_timeout + 1):
        longer = f"write {_text(last + 1)}, or " if last < MAX_DUPLICATE_WINDOW else ""
        why = (
            f"the gateway of client {readable(name)} may retransmit a request {_text(last)} after it first sent it, "
            "when its response is no longer kept, so the retransmission is rejected"
        )
        yield ("server", "duplicate_window"), f"{why}; {longer}let the gateway send fewer requests"


def _failover(draft: Draft, name: str, client: ClientSettings) -> Iterator[Diagnostic]:
    """Identity sources whose second server is never asked, because the timeout of the first takes all the time."""
    roles = [(policy, role) for policy in client.policies for role in ("first_factor", "directory")]
    sources = {draft.source_of.get(role, "") for role in roles}
    for source in sorted(sources & draft.identity.keys()):
        section = draft.identity[source]
        key = section.failover_key
        if key and section.timers[key] >= client.response_timeout:
            why = (
                f"a server that does not respond takes all the time of a request from client {readable(name)} "
                f"({_text(client.response_timeout)}), so the next server is not asked"
            )
            yield ("identity", source, key), f"{why}; write {_text(client.response_timeout / 2)}"


def _speaking(rules: UserRulesSettings, path: KeyPath, catalog: Catalog) -> Iterator[Diagnostic]:
    """Codes that expire while the call still speaks them."""
    spoken = _longest(rules, catalog, rules.speech.repetitions, speech_seconds)
    if "voice" in rules.methods and rules.challenge.code_lifetime < spoken:
        why = (
            f"a call speaks its code until about {_text(spoken)} after it is answered, and the code expires after "
            f"{_text(rules.challenge.code_lifetime)}: a user who waits for the last repetition is rejected"
        )
        yield path, f"{why}; write {_text(spoken + TYPING_SECONDS)}, or fewer speech.repetitions"


def _typing(
    name: str, client: ClientSettings, rules: UserRulesSettings, path: KeyPath, catalog: Catalog
) -> Iterator[Diagnostic]:
    """Codes that users cannot type, because the gateway has closed the prompt or shows no further one."""
    if client.second_factor != "challenge":
        return
    challenge, gateway = rules.challenge, f"the gateway of client {readable(name)}"
    most, needed = client.gateway_max_challenges, challenge.attempts + challenge.redials
    if most is not None and needed > most:
        why = f"{gateway} shows {most} challenges in a login, and a login may need {needed} (attempts and redials)"
        yield (*path, "attempts"), f"{why}; write fewer attempts or redials, or raise the gateway's number"
    if client.gateway_input_timeout is None or "voice" not in rules.methods:
        return
    spoken = _longest(rules, catalog, 1, seconds_to_first_code)
    if client.gateway_input_timeout < challenge.ring_timeout + spoken:
        fits = int(client.gateway_input_timeout - spoken)
        shorter = f"write ring_timeout: {fits}s, or " if fits >= MIN_RING_TIMEOUT else ""
        why = (
            f"{gateway} lets users type for {_text(client.gateway_input_timeout)}: a user who answers after "
            f"{_text(challenge.ring_timeout)} has heard the code about {_text(challenge.ring_timeout + spoken)} after "
            "the prompt, when it is closed"
        )
        fix = "raise the gateway's timeout for the user's input and write it as gateway_input_timeout"
        yield (*path, "ring_timeout"), f"{why}; {shorter}{fix}"


def _approving(name: str, client: ClientSettings, rules: UserRulesSettings, path: KeyPath) -> Iterator[Diagnostic]:
    """Calls that a user may answer when there is no time left for a key."""
    ringing, response = rules.challenge.ring_timeout, client.response_timeout
    if client.second_factor == "approve" and response < ringing + QUESTION_SECONDS:
        fits = int(response - QUESTION_SECONDS)
        shorter = f"write {fits}s, or " if fits >= MIN_RING_TIMEOUT else ""
        why = (
            f"a request of client {readable(name)} is rejected after {_text(response)}: a user who answers after "
            f"{_text(ringing)} has no time to press a key"
        )
        yield path, f"{why}; {shorter}raise response_timeout and the gateway's timeout"


def _fix(shorter: str) -> str:
    """How to make a timer fit: by the value `shorter`, or at the gateway."""
    at_gateway = "raise the gateway's timeout and write it as gateway_timeout"
    return f"write {shorter}, or {at_gateway}" if shorter else at_gateway


def _below(timeout: float) -> str:
    return _text(timeout * SHARE_OF_GATEWAY_TIMEOUT)


def _text(seconds: float) -> str:
    return duration_text(round(seconds, 2))


def _longest(
    rules: UserRulesSettings, catalog: Catalog, repetitions: int, seconds: Callable[[CodeMessage], float]
) -> float:
    """The maximum of `seconds` over all languages for a call with that many repetitions, in whole seconds."""
    speech = Speech(speed=Speed(rules.speech.speed), repetitions=repetitions)
    codes = (CodeMessage(tag, "", "0" * rules.challenge.digits, False, catalog, speech) for tag in catalog.languages)
    return float(round(max(map(seconds, codes))))
