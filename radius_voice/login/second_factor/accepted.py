"""Accepts users without a call.

The request is recorded together with its Access-Accept. For `REPEAT_SECONDS` a retransmission gets the same
Access-Accept, because the first one may be lost; after that a replayed request is rejected.
"""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from radius_voice.events import Outcome, Reason
from radius_voice.login.codes.issued_states import REPEAT_SECONDS
from radius_voice.login.dependencies import Dependencies
from radius_voice.login.first_factor.checked import Checked
from radius_voice.login.first_factor.checks import FirstFactorChecks
from radius_voice.login.limits.configured import rule_of
from radius_voice.login.model import (
    CLOCK_STEP_SECONDS,
    AlreadyRecorded,
    Authenticated,
    AuthRequest,
    LimitAction,
    Limited,
    User,
)
from radius_voice.login.policies.policy import Policy
from radius_voice.login.replay import Slot, accepted_of
from radius_voice.login.second_factor.rules import AcceptWithout, Call, RejectFor, outcome_of, rule_name
from radius_voice.login.session import decisions
from radius_voice.login.session.decisions import Decision
from radius_voice.login.session.pinned_phones import PinnedPhones, pinned_phones, report_changed_phones
from radius_voice.login.session.sessions import RequestRecorded
from radius_voice.login.upstream import AcceptAttributes


class AcceptedRequest(msgspec.Struct, frozen=True):
    """An Access-Accept that can be repeated. The replay record of the request contains it, encrypted."""

    at: float  # wall-clock seconds
    user: str  # the name in the directory
    reply: AcceptAttributes = ()

    def __repr__(self) -> str:
        return "AcceptedRequest()"  # the attributes may hold secrets

    def repeatable_at(self, now: float) -> bool:
        """Whether the Access-Accept is repeated at that time."""
        return self.at - CLOCK_STEP_SECONDS <= now <= self.at + REPEAT_SECONDS


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(AcceptedRequest).decode


class AcceptsWithoutCall:
    """Accepts users without a call, for one generation of the configuration."""

    def __init__(self, dependencies: Dependencies, first_factor: FirstFactorChecks) -> None:
        self._dependencies = dependencies
        self._first_factor = first_factor

    async def accept(
        self, request: AuthRequest, policy: Policy, user: User, decided: AcceptWithout, checked: Checked
    ) -> Decision:
        """Accept a user, unless too many wrong codes have locked the user. In report mode a lock is only recorded.

        Stores that the user has logged in from this Calling-Station-Id, as after a correct code, so that wrong
        passwords from elsewhere cannot lock out users who are never called. Raises RequestRecorded if the request
        already had an effect, and Unavailable.
        """
        dependencies = self._dependencies
        if dependencies.clock() >= request.deadline:
            return Decision(Outcome.NO_RESPONSE, Reason.DEADLINE_PASSED, user=user.name)
        accepted = self._accepted(policy, user, checked)
        locks = dependencies.limits.for_code({"user": policy.user_key(user)}, LimitAction.CHECK)
        fingerprint = checked.slot.fingerprint
        record = checked.slot.accepted(dependencies.keys.seal_accept(fingerprint, _encode(accepted)))
        recorded = await dependencies.store.apply_limits((*locks, *checked.refund), record)
        if isinstance(recorded, Limited) and decided.would is not None:
            decided = AcceptWithout(decided.reason, (), would=RejectFor(recorded.limit.reason))
            recorded = await dependencies.store.apply_limits(checked.refund, record)
        if isinstance(recorded, AlreadyRecorded):
            raise RequestRecorded(recorded.value)
        if isinstance(recorded, Limited):
            await self._first_factor.record_rejected(checked)
            return decisions.rejected(recorded.limit.reason, user.name, rule=rule_of(recorded.limit))
        checked.charge.settled = True
        if isinstance(checked.result, Authenticated) and not checked.returning:
            await self._first_factor.remember_login(request, policy, checked.result.user_id)
        if isinstance(decided.would, Call):
            decided = self._with_pins(request, policy, user, decided, checked)
        return _with_rule(_decision(accepted, decided.reason), decided)

    def _with_pins(
        self, request: AuthRequest, policy: Policy, user: User, decided: AcceptWithout, checked: Checked
    ) -> AcceptWithout:
        """In report mode: the decision about a user who would be called, after comparing the phones with the pins."""
        dependencies, rules = self._dependencies, policy.rules_of(policy.group_of(user))
        pinned = pinned_phones(dependencies.keys, policy, user, checked.pins, dependencies.now())
        report_changed_phones(dependencies, policy, user.name, request.client, pinned.alarm)
        if isinstance(pinned, PinnedPhones):
            return decided
        return replace(decided, rule=rules.pin_rule(pinned.reason), would=RejectFor(pinned.reason))

    def repeated(self, slot: Slot, value: bytes) -> Decision | None:
        """The Access-Accept of the request recorded at `slot` as `value`; None if it cannot be repeated."""
        sealed = accepted_of(value)
        octets = None if sealed is None else self._dependencies.keys.unseal_accept(slot.fingerprint, sealed)
        if octets is None:
            return None
        accepted = _decode(octets)
        return _decision(accepted, Reason.REPEATED) if accepted.repeatable_at(self._dependencies.now()) else None

    def _accepted(self, policy: Policy, user: User, checked: Checked) -> AcceptedRequest:
        rules, result = policy.rules_of(policy.group_of(user)), checked.result
        first_factor_reply = result.reply if isinstance(result, Authenticated) else ()
        return AcceptedRequest(self._dependencies.now(), user.name, (*rules.reply_to(user), *first_factor_reply))


def _decision(accepted: AcceptedRequest, reason: Reason) -> Decision:
    return Decision(Outcome.ACCEPT, reason, reply=accepted.reply, user=accepted.user)


def _with_rule(known: Decision, decided: AcceptWithout) -> Decision:
    """The decision with the rule that decided, and with the decision that report mode only records."""
    outcome, reason = (None, None) if decided.would is None else outcome_of(decided.would)
    return replace(
        known,
        rule=rule_name(decided.rule),
        rule_reason=decided.rule_reason,
        would_outcome=outcome,
        would_reason=reason,
    )
