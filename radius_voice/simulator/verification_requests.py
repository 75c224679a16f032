"""The simulator's handlers for Verify services."""

from __future__ import annotations

from collections.abc import Callable
from hmac import compare_digest
from typing import Any

from aiohttp import web

from radius_voice.simulator.faults import SERVER_ERROR, Faults
from radius_voice.simulator.numbers import Misbehaviour, Refusal
from radius_voice.simulator.responses import error, form_of, json_response
from radius_voice.simulator.verifications import (
    BAD_PARAMETER,
    FLAKY_CHECK,
    MAX_CHECKS,
    NO_CANCEL,
    NO_SERVICE,
    RESET_CHECK,
    SERVICE,
    TOO_MANY_CHECKS,
    UNAVAILABLE,
    VERIFY_API,
    Verification,
    Verifications,
    check_resource,
    history,
    refusal_of,
    resource,
    service_resource,
)

SERVICES = VERIFY_API + "/Services/{service}"


class VerificationRequests:
    """The Verify services of one account."""

    def __init__(self, account_sid: str, faults: Faults, clock: Callable[[], float]) -> None:
        self._account = account_sid
        self._faults = faults
        self._clock = clock
        self._verifications = Verifications()
        self._checked: set[str] = set()

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Add the routes."""
        router.add_get(SERVICES, self._show_service)
        router.add_post(f"{SERVICES}/Verifications", self._start)
        router.add_get(f"{SERVICES}/Verifications/{{name}}", self._fetch)
        router.add_post(f"{SERVICES}/Verifications/{{name}}", self._update)
        router.add_post(f"{SERVICES}/VerificationCheck", self._check)
        router.add_get("/simulator/verifications", self._history)

    def verifications_of(self, to: str | None = None) -> list[dict[str, Any]]:
        """The verifications, oldest first, as in `GET /simulator/verifications`; `to` filters by number."""
        now = self._clock()
        return [history(each, now) for each in self._verifications.oldest_first(to)]

    async def _show_service(self, request: web.Request) -> web.StreamResponse:
        return json_response(service_resource(_service(request), self._account, str(request.url.origin())))

    async def _start(self, request: web.Request) -> web.StreamResponse:
        service, form = _service(request), await form_of(request)
        await self._faults.delay()
        refusal = refusal_of(form, service)
        if refusal is not None:
            return error(refusal)
        fault = self._faults.of(form["To"])
        if fault is Misbehaviour.ERROR:
            return error(SERVER_ERROR)
        started = self._verifications.start(form, service, self._clock())
        if isinstance(started, Refusal):
            return error(started)
        return self._resource(request, started, 201) if fault is None else await self._faults.respond(fault, request)

    async def _fetch(self, request: web.Request) -> web.StreamResponse:
        return self._resource(request, self._found(request, request.match_info["name"]))

    async def _update(self, request: web.Request) -> web.StreamResponse:
        """A pending verification becomes `canceled` or `approved`."""
        verification = self._found(request, request.match_info["name"])
        status = (await form_of(request)).get("Status", "")
        if status not in ("canceled", "approved"):
            return error(BAD_PARAMETER)
        if verification.to == NO_CANCEL:
            return error(UNAVAILABLE)
        verification.state = status
        return self._resource(request, verification)

    async def _check(self, request: web.Request) -> web.StreamResponse:
        """A right code ends a verification."""
        form = await form_of(request)
        verification = self._found(request, form.get("VerificationSid", form.get("To", "")))
        first = verification.to not in self._checked
        self._checked.add(verification.to)
        if first and verification.to == FLAKY_CHECK:
            return error(UNAVAILABLE)
        if verification.checks >= MAX_CHECKS:
            verification.state = "max_attempts_reached"
            return error(TOO_MANY_CHECKS)
        verification.checks += 1
        if compare_digest(verification.code.encode(), form.get("Code", "").encode()):
            verification.state = "approved"
        if first and verification.to == RESET_CHECK:
            return await self._faults.respond(Misbehaviour.RESET, request)
        return json_response(check_resource(verification, self._account, self._clock()))

    async def _history(self, request: web.Request) -> web.StreamResponse:
        return json_response(self.verifications_of(request.query.get("to")))

    def _found(self, request: web.Request, name: str) -> Verification:
        verification = self._verifications.of(_service(request), name, self._clock())
        if verification is None:
            raise web.HTTPNotFound
        return verification

    def _resource(self, request: web.Request, verification: Verification, status: int = 200) -> web.Response:
        base = str(request.url.origin())
        return json_response(resource(verification, self._account, base, self._clock()), status)


def _service(request: web.Request) -> str:
    """The service of a request. Raises HTTPNotFound if there is no such one."""
    service = request.match_info["service"]
    if not SERVICE.fullmatch(service) or service == NO_SERVICE:
        raise web.HTTPNotFound
    return service
