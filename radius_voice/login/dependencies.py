"""What the logins of one generation of the configuration need."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from radius_voice.events import Alarm, AlarmRecord, Mode, Observer, ServiceRecord
from radius_voice.login.codes.keys import Keys, new_code
from radius_voice.login.deliveries.circuit_breaker import CircuitBreaker
from radius_voice.login.deliveries.requests import ApprovalQuestion
from radius_voice.login.limits.configured import Limits
from radius_voice.login.model import Method, Session
from radius_voice.login.policies.policy import Policy
from radius_voice.login.ports import CallbackReceiver, CallControl, CallSpeaker, Provider, RemoteVerifier, Store
from radius_voice.login.texts.prompts import PromptFormat
from radius_voice.login.texts.reply_message import Wording, shown_texts
from radius_voice.messages import SHIPPED, Catalog


@dataclass(frozen=True, slots=True)
class Dependencies:
    """Keys, store, rules and providers. `now` is wall clock, `clock` monotonic.

    `providers` are those of each method, in order of failover, `breakers` their circuit breakers by name, and
    `verifiers` those that can check codes. `public_url` is the URL at which providers reach the callback listener,
    empty if there is none. Then no provider is among `callback_receivers`. `messages` has all texts, and
    `prompt_formats` what each client can show, if not everything. `friendly_name` is that of rules which have none of
    their own. `approval_providers` can ask for an approval by a key. `client_names` are names of clients that calls
    speak. `calls_per_second` has the providers that may be asked for only so many calls.
    """

    keys: Keys
    store: Store
    limits: Limits
    policies: Mapping[str, Policy]
    providers: Mapping[Method, Mapping[str, Provider]]
    call_controls: Mapping[str, CallControl]
    friendly_name: str
    observer: Observer
    now: Callable[[], float]
    clock: Callable[[], float]
    public_url: str = ""
    callback_receivers: Mapping[str, CallbackReceiver] = field(default_factory=dict)
    call_speakers: Mapping[str, CallSpeaker] = field(default_factory=dict)
    verifiers: Mapping[str, RemoteVerifier] = field(default_factory=dict)
    new_code: Callable[[int], str] = field(default=new_code)
    breakers: Mapping[str, CircuitBreaker] = field(default_factory=dict)
    calls_per_second: Mapping[str, float] = field(default_factory=dict)
    messages: Catalog = field(default=SHIPPED)
    prompt_formats: Mapping[str, PromptFormat] = field(default_factory=dict)
    approval_providers: Mapping[str, Provider] = field(default_factory=dict)
    client_names: Mapping[str, str] = field(default_factory=dict)

    def wording_for(self, session: Session | None) -> Wording:
        """The wording that the gateway shows to the user of a session; without a session it is in English."""
        default = self.messages.default
        if session is None:
            return Wording(default, self.friendly_name)
        prompts = self.prompt_formats.get(session.client, PromptFormat())
        texts = shown_texts(self.messages.messages_for(session.language), default, prompts.charset)
        policy = self.policies.get(session.policy)
        name = policy.rules_of(session.group).friendly_name if policy is not None else ""
        return Wording(texts, name or self.friendly_name, prompts)

    def approval_question(self, session: Session) -> ApprovalQuestion:
        """What the user of a session is asked to approve."""
        return ApprovalQuestion(self.client_names.get(session.client, session.client), session.calling_station_id)

    def warn(self, detail: str) -> None:
        """Report what an administrator should know."""
        self.observer(ServiceRecord(self.now(), "warning", detail))

    def mode_of(self, policy: str) -> Mode:
        """The present mode of the policy with that name; `enforce` for one that is no longer configured."""
        known = self.policies.get(policy)
        return Mode.ENFORCE if known is None else known.mode_at(self.now())

    def alarm(self, alarm: Alarm, detail: str, *, user: str = "", client: str = "", mode: Mode) -> None:
        """Raise an alarm; see `AlarmRecord`."""
        self.observer(AlarmRecord(self.now(), alarm, detail, user, client, mode))
