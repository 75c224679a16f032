"""The operation behind `radius-voice users issue-code`."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from radius_voice.config.field_types import duration_text
from radius_voice.login.codes.issued_codes import MAX_SECONDS, MIN_SECONDS, IssuedCodes
from radius_voice.login.model import User
from radius_voice.login.policies.policy import user_key_of
from radius_voice.operations.context import OperationContext
from radius_voice.operations.notices import call_about_issued_code


async def issue_code(
    context: OperationContext, source: str, user: User, arguments: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Issue a code for a user and notify the user. The argument `seconds` is how long the code is valid.

    Raises ValueError, having changed nothing, for a disabled user or a time out of bounds.
    """
    seconds = float(arguments["seconds"])
    if not MIN_SECONDS <= seconds <= MAX_SECONDS:
        raise ValueError(f"a code can be valid for {duration_text(MIN_SECONDS)} to {duration_text(MAX_SECONDS)}")
    if user.disabled:
        raise ValueError(f"{user.name} is disabled; run radius-voice users enable first")
    keys = context.keys()
    codes = IssuedCodes(keys, context.store, time.time)
    code, expires_at = await codes.issue(user_key_of(source, user.id), seconds)
    notice = await call_about_issued_code(context.settings, context.store, keys, source, user)
    detail = f"valid for {duration_text(seconds)}; {notice}"
    return {
        "user": user.name,
        "source": source,
        "code": code,
        "expires_at": expires_at,
        "notice": notice,
        "not_recorded": context.record_change("code_issued", source, user, arguments, detail),
    }
