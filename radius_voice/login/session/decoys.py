"""Decoys: challenges without a call for users who may not log in, if the gateway verifies passwords itself.

A decoy is a normal session, so that an attacker sees no difference, but no response to it is correct. It is stored
under a key that no user has, and takes no uses of limits that users share.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable

from msgspec.structs import replace

from radius_voice.events import Outcome, Reason
from radius_voice.login.codes.keys import KEY_OCTETS, Keys
from radius_voice.login.first_factor.checked import Checked
from radius_voice.login.inputs import CallProgress, DeliveryPlaced
from radius_voice.login.model import (
    DECOY_KEYS,
    AuthRequest,
    CallRef,
    CallStatus,
    DeliveryAttempt,
    Limit,
    LimitAction,
    LimitOperation,
    Method,
    Session,
    User,
)
from radius_voice.login.phone import Phone
from radius_voice.login.policies.policy import Policy
from radius_voice.login.session.decisions import Decision
from radius_voice.login.session.new_session import new_session
from radius_voice.login.session.pinned_phones import PinnedPhones

NEW_DECOYS = LimitOperation(Limit("decoys", 1000, 360.0, Reason.CALL_LIMIT), "total")
"""Limits the number of new decoys, so that they cannot fill the store. Beyond the limit, requests are rejected."""
SHARED_SCOPES = ("client", "country", "total")
NO_USERS_NUMBER = "+888"
"""A country code without subscribers (ITU-T, disaster relief), so that no user has the phone of a decoy."""


def decoy_key(keys: Keys, request: AuthRequest, policy: Policy, user: User | None) -> str:
    """The `user_key` of a decoy: the same for all requests with that name, or that user if there is one."""
    subject = keys.name_subject(policy.directory_name, request.user_name)
    return f"{DECOY_KEYS}{subject if user is None else policy.user_key(user)}"


def decoy_session(
    keys: Keys, now: float, request: AuthRequest, policy: Policy, user: User | None, checked: Checked
) -> tuple[Session, bytes]:
    """The session of a decoy at wall-clock time `now`, and the State of its challenge.

    To the gateway, its call seems to be unanswered, or its text message seems to be sent. The last digits of the phone
    are the user's; for an unknown name they are derived from the name.
    """
    user_key = decoy_key(keys, request, policy, user)
    key = keys.session_key(request.client, user_key)
    state = keys.first_state(key, checked.slot.fingerprint)
    number = int(keys.name_subject(policy.directory_name, request.user_name), 16)
    ending = user.phones[0].ending if user is not None and user.phones else f"{number % 100:02}"
    phone = Phone(f"{NO_USERS_NUMBER}{number // 100 % 10**9:09}{ending}")
    shown = replace(user or User("", ""), phones=())
    session = new_session(
        keys, now, key, "", state, request, policy, shown, replace(checked, issued=None), PinnedPhones(())
    )
    ring_timeout = policy.rules_of(session.group).ring_timeout
    delivery = DeliveryAttempt(1, phone, now, now + ring_timeout, method=session.delivery.method)
    return replace(session, user_key=user_key, phones=(phone,), delivery=delivery), state


def decoy_call(session: Session, code_lifetime: float) -> DeliveryPlaced:
    """The event that a decoy's delivery was made, although it was not. `code_lifetime` is in seconds."""
    delivery = session.delivery
    if delivery.method is Method.SMS:
        return DeliveryPlaced(session.id, delivery.number, delivery.phone, None, False, Method.SMS, True, code_lifetime)
    return DeliveryPlaced(session.id, delivery.number, delivery.phone, CallRef("", f"{session.id}.{delivery.number}"))


def end_of_decoy_call(session: Session) -> CallProgress:
    """The event that a decoy's call has ended."""
    return CallProgress(session.id, session.delivery.number, CallStatus.COMPLETED, 0.0)


def wrong_code() -> bytes:
    """Random octets instead of the hash of a typed code, equal to no code's hash."""
    return secrets.token_bytes(KEY_OCTETS)


def decoy_operations(operations: Iterable[LimitOperation]) -> tuple[LimitOperation, ...]:
    """The operations for a decoy: limits that users share are only checked."""
    return tuple(
        LimitOperation(each.limit, each.subject, LimitAction.CHECK)
        if each.action is LimitAction.TAKE and each.limit.name.rpartition(".")[2] in SHARED_SCOPES
        else each
        for each in operations
    )


def recorded_decoy(decision: Decision) -> Decision:
    """The decision with the reason `decoy` for the audit log, where the gateway gets a challenge for a call."""
    delivered = Reason.CALL_PLACED, Reason.TEXT_SENT, Reason.REDIAL
    placed = decision.outcome is Outcome.CHALLENGE and decision.reason in delivered
    return replace(decision, phone="", reason=Reason.DECOY if placed else decision.reason)
