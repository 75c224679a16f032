"""The objects that the logins of one generation of the configuration share."""

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
    """Keys, store, rules and providers. Mappings are by the name in the configuration unless another key is given."""

    keys: Keys
    store: Store
    limits: Limits
    policies: Mapping[str, Policy]
    providers: Mapping[Method, Mapping[str, Provider]]  # by method and name, in order of failover
    call_controls: Mapping[str, CallControl]
    friendly_name: str  # for rules without one
    observer: Observer
    now: Callable[[], float]  # wall-clock seconds
    clock: Callable[[], float]  # monotonic seconds
    public_url: str = ""  # where providers reach the callback listener; empty without a listener
    callback_receivers: Mapping[str, CallbackReceiver] = field(default_factory=dict)  # empty without a listener
    call_speakers: Mapping[str, CallSpeaker] = field(default_factory=dict)
    verifiers: Mapping[str, RemoteVerifier] = field(default_factory=dict)
    new_code: Callable[[int], str] = field(default=new_code)
    breakers: Mapping[str, CircuitBreaker] = field(default_factory=dict)
    calls_per_second: Mapping[str, float] = field(default_factory=dict)  # only of providers with such a limit
    messages: Catalog = field(default=SHIPPED)
    prompt_formats: Mapping[str, PromptFormat] = field(default_factory=dict)  # what each client can show
    approval_providers: Mapping[str, Provider] = field(default_factory=dict)  # can ask for an approval by key press
    client_names: Mapping[str, str] = field(default_factory=dict)  # client -> the name that calls speak

    def wording_for(self, session: Session | None) -> Wording:
        """The wording for the user of a session; without a session it is in the default language."""
        default = self.messages.default
        if session is None:
            return Wording(default, self.friendly_name)
        prompts = self.prompt_formats.get(session.client, PromptFormat())
        texts = shown_texts(self.messages.messages_for(session.language), default, prompts.charset)
        policy = self.policies.get(session.policy)
        name = policy.rules_of(session.group).friendly_name if policy is not None else ""
        return Wording(texts, name or self.friendly_name, prompts)

    def approval_question(self, session: Session) -> ApprovalQuestion:
        """The question that a call asks the user of a session to approve."""
        return ApprovalQuestion(self.client_names.get(session.client, session.client), session.calling_station_id)

    def warn(self, detail: str) -> None:
        """Report a warning to the administrator."""
        self.observer(ServiceRecord(self.now(), "warning", detail))

    def mode_of(self, policy: str) -> Mode:
        """The current mode of the policy with that name; `enforce` if it is no longer configured."""
        known = self.policies.get(policy)
        return Mode.ENFORCE if known is None else known.mode_at(self.now())

    def alarm(self, alarm: Alarm, detail: str, *, user: str = "", client: str = "", mode: Mode) -> None:
        """Raise an alarm; see `AlarmRecord`."""
        self.observer(AlarmRecord(self.now(), alarm, detail, user, client, mode))
