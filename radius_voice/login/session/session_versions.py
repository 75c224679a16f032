"""Helpers that all parts of `state_machine.step` use. Pure."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from radius_voice.login.model import CallRef, Session


def next_version(session: Session, **changes: Any) -> Session:
    """The session with these changes and the next version number."""
    return replace(session, version=session.version + 1, **changes)


def live_ref(session: Session, now: float) -> CallRef | None:
    """The session's call if it may be live; None if there is none or its reference is unknown."""
    return session.delivery.ref if session.live_at(now) else None
