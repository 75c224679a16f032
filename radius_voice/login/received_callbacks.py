"""What callbacks change in sessions."""

from __future__ import annotations

from radius_voice.events import CallbackRecord, CallbackResult, CallStatusRecord
from radius_voice.login.callbacks import (
    Callback,
    CallbackRequest,
    CallbackResponse,
    DeliveryId,
    Unusable,
    delivery_id_in,
    delivery_id_of,
)
from radius_voice.login.dependencies import Dependencies
from radius_voice.login.inputs import CallProgress
from radius_voice.login.model import CallRef, Session, Unavailable
from radius_voice.login.sessions import Sessions
from radius_voice.login.throttled_warnings import ThrottledWarnings

_UNUSABLE = {Unusable.UNSIGNED: CallbackResult.UNSIGNED, Unusable.MALFORMED: CallbackResult.MALFORMED}


class ReceivedCallbacks:
    """Applies callbacks to the sessions of their calls; any process or node may have placed them.

    A callback has an effect only for the present delivery of a session, and each transition happens once.
    """

    def __init__(self, dependencies: Dependencies, sessions: Sessions) -> None:
        self._dependencies = dependencies
        self._sessions = sessions
        self._warnings = ThrottledWarnings(dependencies.warn, dependencies.clock)

    async def receive(self, provider: str, request: CallbackRequest) -> CallbackResponse:
        """The response to a request at the path of that provider. Counts it by its result."""
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
            return await self._apply(CallRef(provider, callback.reference), delivery, callback)
        except Unavailable as problem:
            self._warnings.report(provider, f"a callback of provider {provider} was lost: {problem}")
            return CallbackResponse(CallbackResult.UNAVAILABLE)

    async def _apply(self, ref: CallRef, delivery: DeliveryId, callback: Callback) -> CallbackResponse:
        session = await self._dependencies.store.load(delivery.key)
        if session is None or not _is_of(session, delivery, ref):
            return CallbackResponse(CallbackResult.FOREIGN)
        if delivery_id_of(session) != delivery:
            return CallbackResponse(CallbackResult.LATE)
        return await self._on_status(session, ref, callback)

    async def _on_status(self, session: Session, ref: CallRef, callback: Callback) -> CallbackResponse:
        dependencies, status = self._dependencies, callback.event.status
        policy = dependencies.policies.get(session.policy)
        code_lifetime = policy.rules_of(session.group).code_lifetime if policy is not None else 0.0
        event = CallProgress(session.id, session.delivery.number, status, code_lifetime, ref)
        _, transition = await self._sessions.apply(session.key, event, known=session)
        if transition.session is None:
            return CallbackResponse(CallbackResult.LATE)
        now, mode = dependencies.now(), dependencies.mode_of(session.policy)
        dependencies.observer(CallStatusRecord(now, session.id, ref.provider, ref.reference, status.value, mode))
        return CallbackResponse(CallbackResult.COUNTED)

    def _warn_of_signature(self, provider: str) -> None:
        self._warnings.report(
            provider,
            f"delivery.providers.{provider}: a callback without the provider's signature was refused; if calls are not "
            "followed, compare the provider's credentials and callbacks.public_url with what the provider has",
        )


def _is_of(session: Session, delivery: DeliveryId, ref: CallRef) -> bool:
    """Whether a callback is of a delivery of this session, and not of another call than the present one."""
    if session.id != delivery.session_id or delivery.number > session.delivery.number:
        return False
    present = session.delivery.ref
    return delivery.number != session.delivery.number or present is None or present == ref
