"""The simulator's handlers for text messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aiohttp import web

from radius_voice.simulator.faults import SERVER_ERROR, Faults
from radius_voice.simulator.messages import Messages, history, new_message, refusal_of, resource
from radius_voice.simulator.numbers import Misbehaviour
from radius_voice.simulator.responses import BAD_PARAMETER, error, form_of, json_response, listing, page_of


class MessageRequests:
    """The Messages resource of one account. Messages arrive `delay` seconds after they were accepted."""

    def __init__(self, account_sid: str, faults: Faults, delay: float, clock: Callable[[], float]) -> None:
        self._account = account_sid
        self._faults = faults
        self._delay = delay
        self._clock = clock
        self._messages = Messages()

    def add_routes(self, router: web.UrlDispatcher, account: str) -> None:
        """Add the routes; `account` is the path of the account."""
        router.add_post(f"{account}/Messages.json", self._create)
        router.add_get(f"{account}/Messages.json", self._list)
        router.add_get(f"{account}/Messages/{{sid}}.json", self._fetch)
        router.add_get("/simulator/messages", self._history)

    def messages_to(self, to: str | None = None) -> list[dict[str, Any]]:
        """The messages, oldest first, as in `GET /simulator/messages`; `to` filters by number."""
        now = self._clock()
        return [history(message, now) for message in self._messages.oldest_first(to)]

    async def _create(self, request: web.Request) -> web.StreamResponse:
        form = await form_of(request)
        await self._faults.delay()
        refusal = refusal_of(form)
        if refusal is not None:
            return error(refusal)
        fault = self._faults.of(form["To"])
        if fault is Misbehaviour.ERROR:
            return error(SERVER_ERROR)
        message = new_message(form, self._delay, self._clock())
        self._messages.add(message)
        if fault is not None:
            return await self._faults.respond(fault, request)
        return json_response(resource(message, self._account, message.at), 201)

    async def _fetch(self, request: web.Request) -> web.StreamResponse:
        message = self._messages.get(request.match_info["sid"])
        if message is None:
            raise web.HTTPNotFound
        return json_response(resource(message, self._account, self._clock()))

    async def _list(self, request: web.Request) -> web.StreamResponse:
        """Newest first."""
        try:
            number, size = page_of(request)
        except ValueError:
            return error(BAD_PARAMETER)
        query, now = request.query, self._clock()
        messages, more = self._messages.page(number, size, query.get("To"), query.get("From"))
        resources = [resource(message, self._account, now) for message in messages]
        return listing(request, "messages", resources, number=number, size=size, more=more)

    async def _history(self, request: web.Request) -> web.StreamResponse:
        return json_response(self.messages_to(request.query.get("to")))
