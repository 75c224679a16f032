"""Classifies the results of binds. Pure.

Active Directory responds to every failed bind with invalidCredentials and a Windows error code in the message
([MS-ADTS] section 3.1.1.3.4.4, "data 52e"). OpenLDAP adds the password policy control
(draft-behera-ldap-password-policy) if ppolicy is configured.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from radius_voice.events import Reason
from radius_voice.identity.ldap.client import BindResult, RequestRefused


class Denial(NamedTuple):
    """Why a user may not log in."""

    reason: Reason
    password_correct: bool = False  # the directory gives this reason only after the right password


WRONG_PASSWORD = Denial(Reason.WRONG_PASSWORD)
PASSWORD_EXPIRED = Denial(Reason.PASSWORD_EXPIRED, password_correct=True)
PASSWORD_MUST_CHANGE = Denial(Reason.PASSWORD_MUST_CHANGE, password_correct=True)

WINDOWS_CODE = re.compile(r"AcceptSecurityContext error, data ([0-9a-fA-F]{1,8}),")
WINDOWS_CODES = {
    0x525: Denial(Reason.UNKNOWN_USER),  # ERROR_NO_SUCH_USER
    0x52E: WRONG_PASSWORD,  # ERROR_LOGON_FAILURE
    0x530: Denial(Reason.LOGON_HOURS),  # ERROR_INVALID_LOGON_HOURS
    0x531: Denial(Reason.LOGON_WORKSTATION),  # ERROR_INVALID_WORKSTATION
    0x532: PASSWORD_EXPIRED,  # ERROR_PASSWORD_EXPIRED
    0x533: Denial(Reason.DISABLED),  # ERROR_ACCOUNT_DISABLED
    0x701: Denial(Reason.ACCOUNT_EXPIRED),  # ERROR_ACCOUNT_EXPIRED
    0x773: PASSWORD_MUST_CHANGE,  # ERROR_PASSWORD_MUST_CHANGE
    0x775: Denial(Reason.DIRECTORY_LOCKED),  # ERROR_ACCOUNT_LOCKED_OUT
}
POLICY_ERRORS = {0: PASSWORD_EXPIRED, 1: Denial(Reason.DIRECTORY_LOCKED), 2: PASSWORD_MUST_CHANGE}
"""passwordExpired, accountLocked and changeAfterReset of the password policy control."""
CONTEXT_1 = 0x81
"""The tag of `error [1] ENUMERATED` in the control's value."""
SEQUENCE = 0x30


def denial(result: BindResult) -> Denial | None:
    """Why the user may not log in, or None. Raises RequestRefused for a result that is not about the user."""
    policy = POLICY_ERRORS.get(_policy_error(result.password_policy))
    match result.code:
        case 0:
            return policy
        case 49:  # invalidCredentials
            found = WINDOWS_CODE.search(result.message)
            return policy or WINDOWS_CODES.get(int(found[1], 16) if found else 0, WRONG_PASSWORD)
        case 19:  # constraintViolation: 389 Directory Server's result for a locked account
            return POLICY_ERRORS[1]
        case 32 | 48:  # noSuchObject, inappropriateAuthentication: the entry has no password
            return WRONG_PASSWORD
    raise RequestRefused(f"the directory refuses binds of users (result code {result.code})")


def _policy_error(value: bytes | None) -> int:
    """The error of a PasswordPolicyResponseValue, or -1. All its lengths have one octet."""
    if not value or value[0] != SEQUENCE:
        return -1
    at = 2
    while at + 2 < len(value):
        if value[at] == CONTEXT_1:
            return value[at + 2]
        at += 2 + value[at + 1]
    return -1
