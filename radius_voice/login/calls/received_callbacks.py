"""Applies the callbacks of providers to sessions."""

from __future__ import annotations

from radius_voice.events import CallbackRecord, CallStatusRecord
from radius_voice.login.calls.approvals import Approvals
from radius_voice.login.calls.call_codes import CallCodes, code_message, rules_of
from radius_voice.login.deliveries.call_scripts import CODE_KEY, CallScript, HangUp, press_script
from radius_voice.login.deliveries.callbacks import (
    Callback,
    CallbackRequest,
    CallbackResponse,
    DeliveryId,
    KeyPressed,
    StatusReported,
    Unusable,
    delivery_id_in,
    delivery_id_of,
)
from radius_voice.login.dependencies import Dependencies
from radius_voice.login.first_factor.throttled_warnings import ThrottledWarnings
from radius_voice.login.inputs import CallProgress
from radius_voice.login.model import CallRef, CallStatus, Session, Unavailable
from radius_voice.login.session.call_events import waits_for_code
from radius_voice.login.session.sessions import Sessions
from radius_voice.metric_labels import CallbackResult

_UNUSABLE = {Unusable.UNSIGNED: CallbackResult.UNSIGNED, Unusable.MALFORMED: CallbackResult.MALFORMED}


class ReceivedCallbacks:
    """Applies callbacks to the sessions of their calls, which any process or node may have placed.

    A callback has an effect only if it is about the session's current delivery, and only once.
    """

    def __init__(self, dependencies: Dependencies, sessions: Sessions, approvals: Approvals) -> None:
        self._dependencies = dependencies
        self._approvals = approvals
        self._sessions = sessions
        self._codes = CallCodes(dependencies, sessions)
        self._warnings = ThrottledWarnings(dependencies.warn, dependencies.clock)

    async def receive(self, provider: str, request: CallbackRequest) -> CallbackResponse:
        """Process a request to the path of that provider, count it by its result, and return the response."""
        response = await self._response(provider, request)
        self._dependencies.observer(CallbackRecord(self._dependencies.now(), provider, response.result))
        return response

    async def _response(self, provider: str, request: CallbackRequest) -> CallbackResponse:
        receiver, delivery = self._dependencies.callback_receivers.get(provider), delivery_id_in(request.delivery)
        if receiver is None:
            return CallbackResponse(CallbackResult.FOREIGN)
        callback = receiver.receive(request)
        if isinstance(callback, Unusable):
            if callback is Unusable.UNSIGNED:
                self._warn_of_signature(provider)
            return CallbackResponse(_UNUSABLE[callback])
        if delivery is None:
            return CallbackResponse(CallbackResult.FOREIGN)
        try:
            return await self._apply(CallRef(provider, callback.reference), delivery, callback, request)
        except Unavailable as problem:
            self._warnings.report(provider, f"a callback of provider {provider} was lost: {problem}")
            return CallbackResponse(CallbackResult.UNAVAILABLE)

    async def _apply(
        self, ref: CallRef, delivery: DeliveryId, callback: Callback, request: CallbackRequest
    ) -> CallbackResponse:
        session = await self._dependencies.store.load(delivery.key)
        if session is None or not _is_of(session, delivery, ref):
            return CallbackResponse(CallbackResult.FOREIGN)
        if delivery_id_of(session) != delivery:
            return CallbackResponse(CallbackResult.LATE)
        event = callback.event
        if isinstance(event, StatusReported):
            return await self._on_status(session, ref, event.status)
        if isinstance(event, KeyPressed) and session.approval:
            script, has_effect = await self._approvals.press(session, ref, event.key)
            return self._continued(ref, request, script, CallbackResult.COUNTED if has_effect else CallbackResult.LATE)
        if isinstance(event, KeyPressed):
            return self._continued(ref, request, await self._on_key(session, ref, event.key))
        return self._continued(ref, request, await self._on_answer(session, ref, event.by))

    async def _on_status(self, session: Session, ref: CallRef, status: CallStatus) -> CallbackResponse:
        rules = rules_of(self._dependencies, session)
        code_lifetime = rules.code_lifetime if rules is not None else 0.0
        event = CallProgress(session.id, session.delivery.number, status, code_lifetime, ref)
        _, transition = await self._sessions.apply(session.key, event, known=session)
        if transition.session is None:
            return CallbackResponse(CallbackResult.LATE)
        self._record(session, ref, status)
        return CallbackResponse(CallbackResult.COUNTED)

    async def _on_key(self, session: Session, ref: CallRef, key: str) -> CallScript | None:
        """The next script after a pressed key; None if the key has no effect."""
        return await self._code(session, ref) if key == CODE_KEY else self._asked_again(session)

    async def _on_answer(self, session: Session, ref: CallRef, by: CallStatus | None) -> CallScript | None:
        """The script of an answered call; None if the callback is too late. Only a human hears a code."""
        match by:
            case CallStatus.HUMAN:
                return await self._code(session, ref)
            case CallStatus.MACHINE:
                response = await self._on_status(session, ref, by)
                return HangUp() if response.result is CallbackResult.COUNTED else None
            case _:
                return self._asked_again(session)

    async def _code(self, session: Session, ref: CallRef) -> CallScript | None:
        """Create the code of a call that a human has answered; None if the call does not wait for a code."""
        script = await self._codes.create(session, ref)
        if script is not None:
            self._record(session, ref, CallStatus.HUMAN)
        return script

    def _record(self, session: Session, ref: CallRef, status: CallStatus) -> None:
        now, mode = self._dependencies.now(), self._dependencies.mode_of(session.policy)
        record = CallStatusRecord(now, session.id, ref.provider, ref.reference, status.value, mode)
        self._dependencies.observer(record)

    def _asked_again(self, session: Session) -> CallScript | None:
        """The script that asks for the key; None if the call does not wait for a code."""
        rules = rules_of(self._dependencies, session)
        if rules is None or not waits_for_code(session, self._dependencies.now()):
            return None
        return press_script(code_message(self._dependencies, rules, session.language))

    def _continued(
        self,
        ref: CallRef,
        request: CallbackRequest,
        script: CallScript | None,
        result: CallbackResult = CallbackResult.COUNTED,
    ) -> CallbackResponse:
        if script is None:
            return CallbackResponse(CallbackResult.LATE)
        content_type, body = self._dependencies.callback_receivers[ref.provider].rendered(script, request)
        return CallbackResponse(result, content_type, body)

    def _warn_of_signature(self, provider: str) -> None:
        self._warnings.report(
            provider,
            f"delivery.providers.{provider}: a callback without the provider's signature was refused; if calls are not "
            "followed, compare the provider's credentials and callbacks.public_url with what the provider has",
        )


def _is_of(session: Session, delivery: DeliveryId, ref: CallRef) -> bool:
    """Whether a callback is about this session: an earlier delivery, or the current one with the same call."""
    if session.id != delivery.session_id or delivery.number > session.delivery.number:
        return False
    present = session.delivery.ref
    return delivery.number != session.delivery.number or present is None or present == ref
