"""The rules of one session: `step(session, event, now)` returns what an event changes. Pure.

Everything that changes a session is here or in the modules that `step` calls. They use no clock, store or network, and
know codes, passwords and States only by their keyed hashes. In any order of events, these never happen:

- an Accept without the correct code of the current delivery (if only the provider has the code: without its answer
  about that delivery), or for an approval, without the approving key in the current call; except by an active bypass;
- a second Accept of a session; its result is only repeated, for `REPEAT_SECONDS`;
- a new call while the old one may be live, unless the old one is hung up first, even if its session has ended;
- a new call that the user requested, unless the verification of the old one is canceled first;
- an effect in another session than the one for which the State was issued;
- a session that stays open after `ends_at`.
"""

from __future__ import annotations

from hmac import compare_digest

from msgspec.structs import replace

from radius_voice.events import Outcome, Reason
from radius_voice.login.codes import issued_states
from radius_voice.login.codes.issued_codes import is_issued
from radius_voice.login.inputs import (
    ApprovalEnded,
    ApprovalKey,
    CallProgress,
    CallQueued,
    ChallengeResponse,
    Charge,
    CodeCreated,
    DeliveryFailed,
    DeliveryPlaced,
    InitialRequest,
    Input,
    Lockout,
    NextChallenge,
    RecordedRequest,
    Transition,
    UserChanged,
)
from radius_voice.login.model import CallRef, DeliveryAttempt, Method, Result, Session
from radius_voice.login.phone import Phone
from radius_voice.login.session import repeated_results
from radius_voice.login.session.approval_events import of_approval
from radius_voice.login.session.call_events import delivery_reason, of_call
from radius_voice.login.session.session_versions import live_ref, next_version

TEXT_SECONDS = 30.0
"""How long a text message may take to arrive. Until then, another initial request joins the session."""


def step(session: Session | None, event: Input, now: float) -> Transition:
    """The transition that `event` causes at wall-clock time `now`.

    The states:

    - `none`: there is no session;
    - `calling`: the session is open, and its call may be live;
    - `waiting`: the session is open, and no call is live;
    - `ending`: the session has a result or has expired, and its call may be live;
    - `ended`: the session has a result or has expired, and no call is live.

    The possible responses, and the states that they lead to:

    ======= =================== =============================================================================
    state   event               responses -> next state
    ======= =================== =============================================================================
    none    InitialRequest      challenge, no_response -> calling; challenge -> waiting
    none    RecordedRequest     reject -> none
    none    ChallengeResponse   reject -> none
    none    Lockout             reject -> none
    none    UserChanged         reject -> none
    none    CallQueued          no_response -> none
    none    DeliveryPlaced      no_response -> none
    none    DeliveryFailed      no_response -> none
    none    CallProgress        no_response -> none
    none    CodeCreated         no_response -> none
    none    ApprovalKey         no_response -> none
    none    ApprovalEnded       no_response -> none
    calling InitialRequest      challenge, reject -> calling
    calling RecordedRequest     challenge, reject, no_response -> calling
    calling ChallengeResponse   challenge, accept, reject -> calling; accept, reject -> ending
    calling Lockout             reject -> calling; reject -> ending
    calling UserChanged         reject -> calling; reject -> ending
    calling CallQueued          challenge, no_response -> calling
    calling DeliveryPlaced      challenge, no_response -> calling; challenge -> waiting
    calling DeliveryFailed      no_response -> calling; accept, reject -> ended
    calling CallProgress        no_response -> calling; no_response -> waiting; reject -> ended
    calling CodeCreated         no_response -> calling
    calling ApprovalKey         no_response -> calling; accept, reject -> ending
    calling ApprovalEnded       no_response -> calling; reject -> ending
    waiting InitialRequest      challenge, no_response -> calling; challenge, reject -> waiting
    waiting RecordedRequest     challenge, reject -> waiting
    waiting ChallengeResponse   challenge -> calling; challenge, accept, reject -> waiting; accept, reject -> ended
    waiting Lockout             reject -> waiting; reject -> ended
    waiting UserChanged         reject -> waiting; reject -> ended
    waiting CallQueued          no_response -> waiting
    waiting DeliveryPlaced      challenge, no_response -> waiting
    waiting DeliveryFailed      no_response -> waiting; accept, reject -> ended
    waiting CallProgress        no_response -> waiting
    waiting CodeCreated         no_response -> waiting
    waiting ApprovalKey         no_response -> waiting
    waiting ApprovalEnded       no_response -> waiting
    ending  InitialRequest      reject -> ending
    ending  RecordedRequest     reject -> ending
    ending  ChallengeResponse   accept, reject -> ending
    ending  Lockout             reject -> ending
    ending  UserChanged         reject -> ending
    ending  CallQueued          no_response -> ending
    ending  DeliveryPlaced      no_response -> ending; no_response -> ended
    ending  DeliveryFailed      no_response -> ending; no_response -> ended
    ending  CallProgress        no_response -> ending; no_response -> ended
    ending  CodeCreated         no_response -> ending
    ending  ApprovalKey         no_response -> ending
    ending  ApprovalEnded       no_response -> ending
    ended   InitialRequest      challenge, no_response -> calling; challenge -> waiting
    ended   RecordedRequest     reject -> ended
    ended   ChallengeResponse   accept, reject -> ended
    ended   Lockout             reject -> ended
    ended   UserChanged         reject -> ended
    ended   CallQueued          no_response -> ended
    ended   DeliveryPlaced      no_response -> ended
    ended   DeliveryFailed      no_response -> ended
    ended   CallProgress        no_response -> ended
    ended   CodeCreated         no_response -> ended
    ended   ApprovalKey         no_response -> ended
    ended   ApprovalEnded       no_response -> ended
    ======= =================== =============================================================================

    A session that waits for an issued code has no call and is never `calling`. An Accept that does not change the state
    repeats a result: the session's own, or that of a session that it replaced. The passing of time leads from calling
    to waiting or ending, from waiting and ending to ended, and from ended to none.
    """
    if isinstance(event, InitialRequest):
        return _initial(session, event.new_session, event.seconds_needed, now)
    if isinstance(event, RecordedRequest):
        return _recorded(session, event, now)
    if isinstance(event, CallQueued | DeliveryPlaced | DeliveryFailed | CallProgress | CodeCreated):
        return of_call(session, event, now)
    if isinstance(event, ApprovalKey | ApprovalEnded):
        return of_approval(session, event, now)
    if session is None:
        return Transition(None, Outcome.REJECT, Reason.UNKNOWN_STATE)
    if isinstance(event, Lockout | UserChanged):
        return _stopped(session, event, now)
    return _responded(session, event, now)


def only_provider_has_code(session: Session) -> bool:
    """Whether only the provider can check the code of the current delivery."""
    return session.delivery.verification is not None and not session.code


def needs_current_user(session: Session | None, event: ChallengeResponse, now: float) -> bool:
    """Whether `step` would check a code or make a delivery for that response, instead of repeating or rejecting it."""
    if session is None or not session.open_at(now) or not repeated_results.belongs(session, event.client, event.name):
        return False
    return issued_states.is_unused(session.states, event.state)


def _initial(session: Session | None, new_session: Session, seconds_needed: float, now: float) -> Transition:
    if session is None:
        return _open(None, new_session, now)
    if not session.open_at(now):
        return (
            Transition(None, Outcome.REJECT, Reason.BUSY) if session.live_at(now) else _open(session, new_session, now)
        )
    same = _same(session, new_session.password, new_session.calling_station_id) and _same_code(session, new_session)
    if not same:
        live = session.live_at(now)
        return Transition(None, Outcome.REJECT, Reason.BUSY) if live else _open(session, new_session, now)
    if session.live_at(now) or is_issued(session) or _was_texted(session, now):
        return _join(session, new_session.states[0].state, now)
    delivery = new_session.delivery
    next_challenge = NextChallenge(
        new_session.states[0].state,
        new_session.code,
        delivery.live_until - delivery.at,
        new_session.code_until - delivery.live_until,
        delivery.method,
        delivery.voicemail,
        seconds_needed,
    )
    if not _may_redial(session, next_challenge, now):
        return Transition(None, Outcome.REJECT, Reason.NO_REDIALS_LEFT)
    joined = _join(session, next_challenge.state, now)
    if joined.session is None:
        return joined
    current = replace(joined.session, phones=new_session.phones, pins=new_session.pins, unpinned=new_session.unpinned)
    return _redialled(current, delivery.phone, next_challenge, now)


def _join(session: Session, state: bytes, now: float) -> Transition:
    """Issue another State of the session."""
    if issued_states.is_full(session.states):
        return Transition(None, Outcome.REJECT, Reason.JOIN_LIMIT)
    joined = next_version(session, states=issued_states.issue(session.states, state, now))
    return Transition(joined, Outcome.CHALLENGE, Reason.JOINED, issues_state=True)


def _recorded(session: Session | None, event: RecordedRequest, now: float) -> Transition:
    """Let a recorded request join its own session with the State that it got, if the State is still unused."""
    own = (
        session is not None
        and session.id == event.session_id
        and session.open_at(now)
        and _same(session, event.password, event.calling_station_id)
    )
    if session is not None and own and session.approval:
        return Transition(None, Outcome.NO_RESPONSE, Reason.AWAITING_APPROVAL)
    if session is None or not own or not issued_states.is_unused(session.states, event.state):
        return Transition(None, Outcome.REJECT, Reason.REPLAY)
    return Transition(None, Outcome.CHALLENGE, Reason.JOINED, issues_state=True)


def _same(session: Session, password: bytes, calling_station_id: str) -> bool:
    """Whether a request has the password and the Calling-Station-Id that opened the session."""
    return compare_digest(session.password, password) and session.calling_station_id == calling_station_id


def _same_code(session: Session, new_session: Session) -> bool:
    """Whether both wait for a delivered code, or both for the same issued code. Approvals are never joined."""
    if session.approval or new_session.approval:
        return False
    if is_issued(session) and is_issued(new_session):
        return compare_digest(session.code, new_session.code)
    return is_issued(session) is is_issued(new_session)


def _was_texted(session: Session, now: float) -> bool:
    """Whether the code was sent in a text message that may still arrive."""
    delivery = session.delivery
    return delivery.method is Method.SMS and 0 <= now - delivery.at < TEXT_SECONDS


def _open(session: Session | None, new_session: Session, now: float) -> Transition:
    """Open a session. It keeps the final results of the session that it replaces, while they may be repeated."""
    if session is not None:
        new_session = replace(
            new_session, previous=issued_states.results_to_keep(session, now), version=session.version + 1
        )
    if is_issued(new_session):
        return Transition(
            new_session, Outcome.CHALLENGE, Reason.ISSUED_CODE, issues_state=True, charge=Charge.CODE_CHECK
        )
    if new_session.approval:
        return Transition(
            new_session, Outcome.NO_RESPONSE, Reason.AWAITING_APPROVAL, places_call=True, charge=Charge.CALL
        )
    reason = delivery_reason(new_session.delivery.method)
    return Transition(new_session, Outcome.CHALLENGE, reason, issues_state=True, places_call=True, charge=Charge.CALL)


def _responded(session: Session, event: ChallengeResponse, now: float) -> Transition:
    issued = issued_states.find(session.states, event.state)
    if issued is None or not repeated_results.belongs(session, event.client, event.name):
        return repeated_results.of_previous(session, event, now)
    if issued.result is not None:
        return repeated_results.repeat(session, issued, issued.result, event, now)
    if session.result is not None:
        return Transition(None, Outcome.REJECT, Reason.USED_STATE)
    if not session.open_at(now):
        return _end(session, event.state, event.answer, Reason.EXPIRED, now)
    if event.phone is not None:
        return _redial(session, event, event.phone, now)
    correct = _is_correct(session, event)
    if not correct and compare_digest(session.password, event.password):
        return _challenge_again(session, event, Reason.PASSWORD_REPEATED, now)
    if now >= session.code_until:
        return _end(session, event.state, event.answer, Reason.EXPIRED, now)
    if correct:
        return _accept(session, event, now)
    return _wrong(session, event, now)


def _is_correct(session: Session, event: ChallengeResponse) -> bool:
    """Whether the user typed the code of the current delivery."""
    if only_provider_has_code(session):
        return event.remote is not None and event.remote.correct and event.remote.number == session.delivery.number
    return bool(session.code) and compare_digest(session.code, event.code)


def _accept(session: Session, event: ChallengeResponse, now: float) -> Transition:
    reason, charge = Reason.CODE_CORRECT, Charge.CORRECT_CODE
    if is_issued(session):
        reason, charge = Reason.ISSUED_CODE_CORRECT, Charge.ISSUED_CODE_USE
    result = Result(Outcome.ACCEPT, reason, now)
    states = issued_states.use(session.states, event.state, event.answer, result)
    ended = next_version(session, states=states, result=result)
    return Transition(ended, Outcome.ACCEPT, reason, hang_up=live_ref(session, now), charge=charge)


def _wrong(session: Session, event: ChallengeResponse, now: float) -> Transition:
    if session.attempts_left <= 1:
        none_left = next_version(session, attempts_left=0)
        return _end(none_left, event.state, event.answer, Reason.NO_ATTEMPTS_LEFT, now, Charge.WRONG_CODE)
    return _challenge_again(
        next_version(session, attempts_left=session.attempts_left - 1), event, Reason.WRONG_CODE, now, Charge.WRONG_CODE
    )


def _challenge_again(
    session: Session, event: ChallengeResponse, reason: Reason, now: float, charge: Charge = Charge.NOTHING
) -> Transition:
    """Send the same challenge with a new State."""
    return Transition(
        _next_state(session, event, reason, now), Outcome.CHALLENGE, reason, issues_state=True, charge=charge
    )


def _next_state(session: Session, event: ChallengeResponse, reason: Reason, now: float) -> Session:
    used = issued_states.use(session.states, event.state, event.answer, Result(Outcome.CHALLENGE, reason, now))
    return next_version(session, states=issued_states.issue(used, event.next_challenge.state, now))


def _redial(session: Session, event: ChallengeResponse, phone: int, now: float) -> Transition:
    """Process `phone`, `phone2` or `sms` instead of a code.

    A live call is hung up first. If its reference is unknown, a redial is not possible.
    """
    live = session.live_at(now)
    possible = event.redial_allowed and phone < len(session.phones) and _may_redial(session, event.next_challenge, now)
    if not possible or not _is_canceled(session, event) or (live and session.delivery.ref is None):
        return replace(_challenge_again(session, event, Reason.REDIAL_UNAVAILABLE, now), rule=event.limit)
    asked = _next_state(session, event, Reason.REDIAL, now)
    return _redialled(asked, session.phones[phone], event.next_challenge, now, live_ref(session, now))


def _is_canceled(session: Session, event: ChallengeResponse) -> bool:
    """Whether the current delivery has no verification that may be pending."""
    return session.delivery.verification is None or event.canceled == session.delivery.number


def _may_redial(session: Session, next_challenge: NextChallenge, now: float) -> bool:
    seconds = max(next_challenge.call_seconds, next_challenge.seconds_needed)
    return session.redials_left > 0 and now + seconds <= session.ends_at


def _redialled(
    session: Session, phone: Phone, next_challenge: NextChallenge, now: float, hang_up: CallRef | None = None
) -> Transition:
    """Make a new delivery with a new code, which invalidates the old code. `attempts_left` and `ends_at` stay."""
    called = next_version(
        session,
        code=next_challenge.code,
        redials_left=session.redials_left - 1,
        delivery=DeliveryAttempt(
            session.delivery.number + 1,
            phone,
            now,
            now + next_challenge.call_seconds,
            method=next_challenge.method,
            voicemail=next_challenge.voicemail,
        ),
        code_until=min(now + next_challenge.call_seconds + next_challenge.code_lifetime, session.ends_at),
    )
    return Transition(
        called,
        Outcome.CHALLENGE,
        Reason.REDIAL,
        issues_state=True,
        places_call=True,
        hang_up=hang_up,
        charge=Charge.CALL,
    )


def _end(
    session: Session, state: bytes, answer: bytes, reason: Reason, now: float, charge: Charge = Charge.NOTHING
) -> Transition:
    result = Result(Outcome.REJECT, reason, now)
    ended = next_version(session, states=issued_states.use(session.states, state, answer, result), result=result)
    return Transition(ended, Outcome.REJECT, reason, hang_up=live_ref(session, now), charge=charge)


def _stopped(session: Session, event: Lockout | UserChanged, now: float) -> Transition:
    reason = event.reason if isinstance(event, UserChanged) else Reason.LOCKED
    if not session.open_at(now) or not issued_states.is_unused(session.states, event.state):
        return Transition(None, Outcome.REJECT, reason)
    return _end(session, event.state, event.answer, reason, now)
