"""`password,code` in one field, for gateways that cannot show a challenge. Pure.

The first pass is a login with the password. The second one is a response in the session that the first one opened. No
State goes to the gateway, so the second pass answers a State of the session as it is stored:

- the newest unused one. Each State is answered once, so of several requests at once one has an effect;
- or, to repeat a result that was lost, one that was answered in the same way within `REPEAT_SECONDS`: a recorded
  request repeats its own result, and another request of the same text a final one. Where the gateway sends no
  Calling-Station-Id, requests of several users' devices look alike, so only the same request repeats a result.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from hmac import compare_digest

from msgspec import Struct
from msgspec.structs import replace

from radius_voice.events import Outcome
from radius_voice.login.codes.issued_codes import looks_issued
from radius_voice.login.codes.issued_states import REPEAT_SECONDS
from radius_voice.login.codes.keys import Keys, tidy_code
from radius_voice.login.model import AuthRequest, Session, SessionKey
from radius_voice.login.replay import ReplayRecord, Slot
from radius_voice.login.session.challenge_responses import requested_delivery


class TypedPass(Struct, frozen=True):
    """The two parts of a field that may be `password,code`."""

    password: str
    code: str

    def __repr__(self) -> str:
        return "TypedPass()"


class SecondPass(Struct, frozen=True):
    """The keyed hashes of the State that a second pass answers and of its answer; `record` makes its record."""

    state: bytes
    answer: bytes
    record: Callable[[Session], ReplayRecord]


def typed_pass(request: AuthRequest, digits: Collection[int]) -> TypedPass | None:
    """The texts before and after the last delimiter, if the latter can be a code of such a length or a request.

    A request is for another call, such as `phone2`.
    """
    password, _, code = request.credentials.text.rpartition(request.delimiter)
    return TypedPass(password, code) if password and _is_response(code, digits) else None


def _is_response(typed: str, digits: Collection[int]) -> bool:
    code = tidy_code(typed)
    is_code = code.isascii() and code.isdecimal() and len(code) in digits
    return is_code or looks_issued(typed) or requested_delivery(typed) is not None


def mismatch(session: Session, request: AuthRequest, typed: TypedPass, digits: int, keys: Keys) -> str:
    """Why a request cannot be a second pass in the session, whose codes have `digits`; empty if it can."""
    if not compare_digest(session.password, keys.password(session.key, typed.password)):
        return "other_password"
    if session.calling_station_id != request.calling_station_id:
        return "other_calling_station_id"
    return "" if _is_response(typed.code, {digits}) else "other_digits"


def second_pass(
    session: Session, request: AuthRequest, typed: TypedPass, slot: Slot, keys: Keys, now: float, *, is_recorded: bool
) -> SecondPass | None:
    """The second pass of a request that belongs to the session, at wall-clock time `now`.

    None if the session is not open and the request repeats nothing. `is_recorded`: the request had an effect before.
    """
    answer = _answer(session.key, request, typed, slot, keys)
    repeated = next(_repeatable(session, answer, now, is_recorded=is_recorded), None)
    has_unused = session.open_at(now) and not session.approval  # the client may have been another one before a reload
    state = repeated or (_newest_unused(session) if has_unused and not is_recorded else None)
    return None if state is None else SecondPass(state, answer, lambda stored: _record(slot, stored))


def _answer(key: SessionKey, request: AuthRequest, typed: TypedPass, slot: Slot, keys: Keys) -> bytes:
    """The hash by which a repetition is recognised."""
    request_id = "" if request.calling_station_id else slot.fingerprint.hex()
    return keys.answer(key, f"{typed.code}\0{request_id}")


def _repeatable(session: Session, answer: bytes, now: float, *, is_recorded: bool) -> Iterator[bytes]:
    for each in reversed(session.states):
        if each.result is None or not compare_digest(each.answer, answer) or now - each.result.at > REPEAT_SECONDS:
            continue
        if is_recorded or each.result.outcome is not Outcome.CHALLENGE:
            yield each.state


def _newest_unused(session: Session) -> bytes:
    """An open session that waits for a code always has one."""
    return next(each.state for each in reversed(session.states) if each.result is None)


def _record(slot: Slot, session: Session) -> ReplayRecord:
    """The record of a second pass. It replaces none: no password is charged for it."""
    return replace(slot.session(session), replaces=b"")
