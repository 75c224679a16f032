"""`password,code` in one field, for gateways that cannot show a challenge. Pure.

The first pass is a login with the password. The second pass is a response in the session that the first pass opened.
The gateway gets no State, so the second pass answers one of the session's stored States:

- usually the newest unused one. Each State is answered once, so only one of several parallel requests has an effect;
- to repeat a lost result, a State that was answered with the same text within `REPEAT_SECONDS`. A recorded request
  repeats any result that it got; another request with the same text repeats only a final result. If the gateway sends
  no Calling-Station-Id, requests from several devices look alike, so only the recorded request repeats a result.
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
    """The two parts of a User-Password that may be `password,code`."""

    password: str
    code: str

    def __repr__(self) -> str:
        return "TypedPass()"


class SecondPass(Struct, frozen=True):
    """A second pass in a session."""

    state: bytes  # keyed hash of the State that it answers
    answer: bytes  # keyed hash of the response
    record: Callable[[Session], ReplayRecord]  # makes the replay record of the request


def typed_pass(request: AuthRequest, digits: Collection[int]) -> TypedPass | None:
    """The texts before and after the last delimiter; None unless the second one can be a response.

    A response is a code with one of the numbers of `digits`, an issued code, or a request like `phone2`.
    """
    password, _, code = request.credentials.text.rpartition(request.delimiter)
    return TypedPass(password, code) if password and _is_response(code, digits) else None


def _is_response(typed: str, digits: Collection[int]) -> bool:
    code = tidy_code(typed)
    is_code = code.isascii() and code.isdecimal() and len(code) in digits
    return is_code or looks_issued(typed) or requested_delivery(typed) is not None


def mismatch(session: Session, request: AuthRequest, typed: TypedPass, digits: int, keys: Keys) -> str:
    """Why a request cannot be a second pass in the session, whose codes have `digits` digits; empty if it can."""
    if not compare_digest(session.password, keys.password(session.key, typed.password)):
        return "other_password"
    if session.calling_station_id != request.calling_station_id:
        return "other_calling_station_id"
    return "" if _is_response(typed.code, {digits}) else "other_digits"


def second_pass(
    session: Session, request: AuthRequest, typed: TypedPass, slot: Slot, keys: Keys, now: float, *, is_recorded: bool
) -> SecondPass | None:
    """The second pass of a request for which `mismatch` is empty, at wall-clock time `now`.

    None if the session is not open and there is no result to repeat. `is_recorded`: the request already had an effect.
    """
    answer = _answer(session.key, request, typed, slot, keys)
    repeated = next(_repeatable(session, answer, now, is_recorded=is_recorded), None)
    has_unused = session.open_at(now) and not session.approval  # the client may have been another one before a reload
    state = repeated or (_newest_unused(session) if has_unused and not is_recorded else None)
    return None if state is None else SecondPass(state, answer, lambda stored: _record(slot, stored))


def _answer(key: SessionKey, request: AuthRequest, typed: TypedPass, slot: Slot, keys: Keys) -> bytes:
    """The keyed hash that identifies a repeated second pass."""
    request_id = "" if request.calling_station_id else slot.fingerprint.hex()
    return keys.answer(key, f"{typed.code}\0{request_id}")


def _repeatable(session: Session, answer: bytes, now: float, *, is_recorded: bool) -> Iterator[bytes]:
    for each in reversed(session.states):
        if each.result is None or not compare_digest(each.answer, answer) or now - each.result.at > REPEAT_SECONDS:
            continue
        if is_recorded or each.result.outcome is not Outcome.CHALLENGE:
            yield each.state


def _newest_unused(session: Session) -> bytes:
    """The newest unused State. An open session that waits for a code always has one."""
    return next(each.state for each in reversed(session.states) if each.result is None)


def _record(slot: Slot, session: Session) -> ReplayRecord:
    """The replay record of a second pass. It replaces no record, because no password was charged."""
    return replace(slot.session(session), replaces=b"")
