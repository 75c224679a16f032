"""Serialises rows for stores outside this process: a JSON list that only programs of the same `FORMAT` read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from radius_voice.events import Outcome, Reason
from radius_voice.login.model import Call, CallRef, FinalResult, HandedOut, Login, Verdict
from radius_voice.login.phone import Phone

FORMAT = 2
_dump = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


class UnreadableRow(ValueError):
    """This version cannot read the row. The message does not quote it."""


def pack(row: Login) -> bytes:
    """Serialise a row."""
    call = row.call
    return _dump(
        [
            FORMAT,
            row.key.hex(),
            row.id,
            row.client,
            row.person,
            row.name,
            row.password.hex(),
            row.source,
            row.code.hex(),
            [[each.state.hex(), each.answer.hex(), _verdict(each.verdict)] for each in row.states],
            [phone.e164 for phone in row.phones],
            row.tries,
            row.redials,
            [
                call.number,
                call.phone.e164,
                call.at,
                call.live_until,
                [call.ref.provider, call.ref.reference] if call.ref else None,
                call.answered_at,
                call.over,
            ],
            row.opened_at,
            row.code_until,
            row.ends_at,
            row.language,
            row.reply,
            _verdict(row.verdict),
            row.version,
            [_final(each) for each in row.previous],
            row.bypass_allowed,
            row.returning,
        ]
    ).encode()


def unpack(octets: bytes) -> Login:
    """The row that `pack` serialised. Raises UnreadableRow for anything else."""
    try:
        form, key, login, client, person, name, password, source, code, states, phones, *rest = json.loads(octets)
        tries, redials, call, opened_at, code_until, ends_at, language, reply, verdict, version, *added = rest
        previous, bypass_allowed, returning = added
        if form != FORMAT:
            raise UnreadableRow("a row of another version")
        return Login(
            key=bytes.fromhex(key),
            id=login,
            client=client,
            person=person,
            name=name,
            password=bytes.fromhex(password),
            source=source,
            code=bytes.fromhex(code),
            states=tuple(
                HandedOut(bytes.fromhex(state), bytes.fromhex(answer), _verdict_of(told))
                for state, answer, told in states
            ),
            phones=tuple(Phone(phone) for phone in phones),
            tries=tries,
            redials=redials,
            call=_call_of(call),
            opened_at=opened_at,
            code_until=code_until,
            ends_at=ends_at,
            language=language,
            reply=_reply_of(reply),
            verdict=_verdict_of(verdict),
            version=version,
            previous=tuple(_final_of(each) for each in previous),
            bypass_allowed=bypass_allowed,
            returning=returning,
        )
    except (ValueError, TypeError, AttributeError):
        raise UnreadableRow("a row that this version cannot read") from None


def _call_of(call: Sequence[Any]) -> Call:
    number, phone, at, live_until, ref, answered_at, over = call
    return Call(number, Phone(phone), at, live_until, CallRef(*ref) if ref else None, answered_at, over)


def _final(result: FinalResult) -> list[Any]:
    return [
        result.state.hex(),
        result.answer.hex(),
        _verdict(result.verdict),
        result.client,
        result.login,
        result.name,
        result.phone.e164,
        result.reply,
    ]


def _final_of(told: Sequence[Any]) -> FinalResult:
    state, answer, (outcome, reason, at), client, login, name, phone, reply = told
    verdict = Verdict(Outcome(outcome), Reason(reason), at)
    return FinalResult(
        bytes.fromhex(state), bytes.fromhex(answer), verdict, client, login, name, Phone(phone), _reply_of(reply)
    )


def _reply_of(told: Sequence[Any]) -> tuple[tuple[str, str], ...]:
    return tuple((attribute, value) for attribute, value in told)


def _verdict(verdict: Verdict | None) -> list[Any] | None:
    return [verdict.outcome, verdict.reason, verdict.at] if verdict else None


def _verdict_of(told: Sequence[Any] | None) -> Verdict | None:
    return Verdict(Outcome(told[0]), Reason(told[1]), told[2]) if told else None
