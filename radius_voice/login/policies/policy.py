"""Policies: how the users of a client log in, and which rules apply to a user."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from radius_voice.events import Mode, Outcome, Reason
from radius_voice.login.codes.pins import ChangedPhone, FirstPhone
from radius_voice.login.deliveries.code_message import MAX_SPEECH_SECONDS
from radius_voice.login.model import Method, User
from radius_voice.login.phone import NumberRules, Phone
from radius_voice.login.policies.allowed_hours import AllowedHours
from radius_voice.login.policies.exemptions import Exemption, RulePath
from radius_voice.login.policies.roll_out import GracePeriod, ReportMode
from radius_voice.login.ports import Directory, FirstFactor
from radius_voice.login.texts.speech import DEFAULT_SPEECH, Speech
from radius_voice.login.upstream import AcceptAttributes
from radius_voice.login.voicemail import Voicemail

PROVIDER_SECONDS = 20.0
"""The time within which providers must accept or refuse a delivery."""


@dataclass(frozen=True, slots=True)
class ReplyRule:
    """Attributes of an Access-Accept."""

    group: str | None  # only for its members; None: for all users
    attributes: AcceptAttributes


@dataclass(frozen=True, slots=True)
class Remember:
    """Logins are remembered for `seconds`. `rule` is the path of the setting."""

    rule: RulePath
    seconds: float


@dataclass(frozen=True, slots=True)
class UserRules:
    """The rules for users: those of a policy, or of one of its groups. Durations are in seconds."""

    digits: int
    code_lifetime: float
    attempts: int
    redials: int
    ring_timeout: int
    session_timeout: float
    numbers: NumberRules = field(default_factory=NumberRules)
    key_rules: Mapping[str, RulePath] = field(default_factory=dict)  # by key: of `numbers`, first_phone, changed_phone
    first_phone: FirstPhone = FirstPhone.TRUST
    changed_phone: ChangedPhone = ChangedPhone.REFUSE
    bypass_until: float = 0.0  # wall-clock seconds; 0: no bypass
    reply: tuple[ReplyRule, ...] = ()
    rule: RulePath = ()  # the path of these rules
    exemptions: tuple[Exemption, ...] = ()
    allowed_hours: AllowedHours | None = None
    grace_period: GracePeriod | None = None
    remember: Remember | None = None
    methods: tuple[Method, ...] = (Method.VOICE,)  # the first is the default; users may request the others
    voicemail: Voicemail = Voicemail.OFF
    friendly_name: str = ""  # the name of the service
    speech: Speech = DEFAULT_SPEECH

    def voicemail_of(self, method: Method) -> Voicemail:
        """`voicemail` for calls, OFF for other methods."""
        return self.voicemail if method is Method.VOICE else Voicemail.OFF

    @property
    def call_seconds(self) -> float:
        """The maximum duration of a call from its request to its end, with placing, ringing and speaking."""
        return PROVIDER_SECONDS + self.ring_timeout + MAX_SPEECH_SECONDS

    def phones_of(self, user: User) -> tuple[Phone, ...]:
        """The user's phones that may be called, in their order."""
        return tuple(phone for phone in user.phones if self.may_call(phone))

    def may_call(self, phone: Phone) -> bool:
        """Whether `numbers` allows the phone."""
        return self.numbers.refusal(phone) is None

    def number_rule(self, user: User) -> RulePath:
        """The path of the rule that forbids the user's first phone; empty if none does."""
        refusal = self.numbers.refusal(user.phones[0]) if user.phones else None
        return () if refusal is None else self.key_rules.get(refusal.key, ())

    def pin_rule(self, reason: Reason) -> RulePath:
        """The path of the rule that rejects a login because of the pins, for that reason."""
        return self.key_rules.get("changed_phone" if reason is Reason.PHONE_NOT_CONFIRMED else "first_phone", ())

    def reply_to(self, user: User) -> AcceptAttributes:
        """The attributes of an Access-Accept for this user."""
        return tuple(
            attribute
            for rule in self.reply
            if rule.group is None or rule.group in user.groups
            for attribute in rule.attributes
        )


def user_key_of(identity_source: str, user_id: str) -> str:
    """A user's id with its identity source, because sources may use the same ids for different users."""
    return f"{identity_source}:{user_id}"


@dataclass(frozen=True, slots=True)
class Policy:
    """How the users of a client log in."""

    name: str
    first_factor_name: str
    directory_name: str
    first_factor: FirstFactor | None  # None: the gateway verifies passwords itself
    directory: Directory
    rules: UserRules
    group_rules: Mapping[str, UserRules] = field(default_factory=dict)  # the first group of the user replaces `rules`
    on_unavailable: Outcome = Outcome.NO_RESPONSE
    decoys: bool = False  # users who may not log in are challenged too
    report_mode: ReportMode | None = None

    def mode_at(self, now: float) -> Mode:
        """The mode at wall-clock time `now` for users outside of the pilot groups."""
        return Mode.REPORT if self.report_mode is not None and now < self.report_mode.until else Mode.ENFORCE

    def group_of(self, user: User) -> str:
        """The group whose rules apply to the user; empty for the policy's own rules."""
        return next((group for group in self.group_rules if group in user.groups), "")

    def rules_of(self, group: str) -> UserRules:
        """The rules of a group, or the policy's own rules if the group has none."""
        return self.group_rules.get(group, self.rules)

    @property
    def all_rules(self) -> tuple[UserRules, ...]:
        """The policy's own rules and those of its groups."""
        return (self.rules, *self.group_rules.values())

    def user_key(self, user: User) -> str:
        """The key of a user of this policy's directory."""
        return user_key_of(self.directory_name, user.id)

    def user_id(self, user_key: str) -> str | None:
        """The user's id in this policy's directory; None if the user belongs to another directory."""
        prefix = user_key_of(self.directory_name, "")
        return user_key.removeprefix(prefix) if user_key.startswith(prefix) else None
