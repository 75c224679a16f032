"""Whether one password verification fits into the time that the gateways wait for an answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from argon2.exceptions import Argon2Error

from radius_voice.bounded import NoAnswer, bounded
from radius_voice.identity.decoys import unmatched
from radius_voice.identity.passwords import verify
from radius_voice.identity.users_file import UsersFile

SHARE_OF_ANSWER = 0.5
MAX_LINES_NAMED = 5


def slow_verifications(identity: Mapping[str, UsersFile], answer_within: Mapping[str, float]) -> Iterator[str]:
    """Time one verification with the costliest parameters of each users file; yield an error for each that is too slow.

    The limit is half of the shortest `answer_within` (seconds, by client). A verification that takes longer is not
    waited for, so this blocks for at most the limit for each file. The cheapest parameters are timed first, because
    a verification that is no longer waited for still runs.
    """
    client = min(answer_within, key=lambda name: answer_within[name])
    limit = answer_within[client] * SHARE_OF_ANSWER
    for name in sorted(identity, key=lambda name: identity[name].costliest()[0].work):
        parameters, lines = identity[name].costliest()
        try:
            bounded(f"verification with {parameters}", partial(verify, unmatched(parameters), ""), limit)
        except NoAnswer:
            problem = f"takes longer than {limit:g} s, half of the shortest answer_within (clients.{client})"
        except Argon2Error as error:
            problem = f"fails: {error}"
        else:
            continue
        path = identity[name].path
        fix = _fix(path, lines)
        yield f"identity.{name}: {path}: verifying one password with {parameters} {problem}; {fix}"


def _fix(path: Path, lines: tuple[int, ...]) -> str:
    """How many users have such a hash, where their hashes are, and what to do about it."""
    if not lines:
        return "no user has a password, and new ones cost as much; raise answer_within, or use a faster machine"
    named = ", ".join(str(line) for line in lines[:MAX_LINES_NAMED])
    if len(lines) == 1:
        users = f"1 user has such a hash (line {named})"
    else:
        users = f"{len(lines)} users have such hashes (lines {named}{', ...' if len(lines) > MAX_LINES_NAMED else ''})"
    return f"{users}; for each run: radius-voice users set-password --file {path} NAME"
