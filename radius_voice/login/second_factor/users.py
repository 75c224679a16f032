"""Finds the user of a request, and checks whether the user may log in: at the beginning and again before the Accept."""

from __future__ import annotations

from radius_voice.events import Reason
from radius_voice.login.codes.issued_codes import is_issued
from radius_voice.login.codes.keys import Keys
from radius_voice.login.first_factor.checked import Checked
from radius_voice.login.model import Authenticated, AuthRequest, Session, Unavailable, User
from radius_voice.login.names import canonical_name
from radius_voice.login.phone import Phone
from radius_voice.login.policies.policy import Policy, UserRules
from radius_voice.login.session.decoys import decoy_key


def account_reason(user: User) -> Reason | None:
    """Why this user may not log in under any rules, or None."""
    return Reason.DISABLED if user.disabled else None


def phone_reason(rules: UserRules, user: User) -> Reason | None:
    """Why this user cannot be called, or None."""
    if not user.phones:
        return Reason.NO_PHONE
    return None if rules.phones_of(user) else Reason.NUMBER_NOT_ALLOWED


async def current_phones(session: Session, policy: Policy, keys: Keys, deadline: float) -> tuple[Phone, ...] | Reason:
    """The phones of the session's user that may be called now, or the reason to reject the login.

    In a session that waits for an issued code, phones are not checked. Raises Unavailable.
    """
    user_id = policy.user_id(session.user_key)
    user = None if user_id is None else await policy.directory.get(user_id, deadline)
    rules = policy.rules_of(session.group)
    if user is None:
        return Reason.UNKNOWN_USER
    reason = account_reason(user) or (None if is_issued(session) else phone_reason(rules, user))
    if reason is not None:
        return reason
    phones = rules.phones_of(user)
    if not is_issued(session) and session.delivery.phone not in phones:
        return Reason.PHONE_CHANGED
    if session.password_id and policy.first_factor is not None:
        password_id = await policy.first_factor.password_id(session.first_factor_id, deadline)
        if keys.password_id(session.key, password_id) != session.password_id:
            return Reason.PASSWORD_CHANGED
    return phones


async def find_user(request: AuthRequest, policy: Policy) -> User | None:
    """The user that a request names. Raises Unavailable.

    Names with an unlisted realm are looked up too, so that their rejects take as long as other rejects.
    """
    user = await policy.directory.find(request.user_name, request.deadline)
    return None if request.unlisted_realm else user


async def user_of(request: AuthRequest, policy: Policy, checked: Checked) -> User | None:
    """The user of a request. If the first factor is also the directory, its result is used instead of a new look-up."""
    known = checked.result.user if isinstance(checked.result, Authenticated) else None
    if known is not None and policy.first_factor_name == policy.directory_name:
        return known
    return await find_user(request, policy)


def missing_user(request: AuthRequest, checked: Checked) -> User:
    """A user who is not in the directory but has the right password. Has no id, phones and groups.

    The name may be recorded, because a name with a verified password is not a mistyped password.
    """
    known = checked.result.user if isinstance(checked.result, Authenticated) else None
    return User("", known.name if known is not None else request.user_name)


async def name_of(request: AuthRequest, policy: Policy) -> str:
    """The user's name in the directory, for the audit log; empty if there is none or the directory is unavailable."""
    try:
        user = await find_user(request, policy)
    except Unavailable:
        return ""
    return user.name if user else ""


async def name_in_session(request: AuthRequest, session: Session | None, policy: Policy, keys: Keys) -> str:
    """The name to compare with `session.name`: equal to it if the request names the session's user by any name.

    `policy` is the policy of the request. If it has another directory than the session's policy, the result is empty,
    because the same name is another user there. Raises Unavailable.
    """
    typed = request.user_name
    if session is None:
        return typed
    if session.is_decoy:
        known = await find_user(request, policy)
        return session.name if decoy_key(keys, request, policy, known) == session.user_key else typed
    other_directory = policy.name != session.policy and policy.user_id(session.user_key) is None
    if request.unlisted_realm or other_directory:
        return ""
    if canonical_name(typed) == canonical_name(session.name):
        return typed
    user = await find_user(request, policy)
    return session.name if user is not None and policy.user_key(user) == session.user_key else typed
