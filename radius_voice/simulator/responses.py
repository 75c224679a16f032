"""Responses and request forms in the format of Twilio's API."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web
from multidict import MultiDict

from radius_voice.simulator.numbers import Refusal

BAD_PARAMETER = Refusal(400, 20001, "Invalid parameter")
MAX_PAGE = 1000
MAX_PAGE_NUMBER = 1_000_000


async def form_of(request: web.Request) -> MultiDict[str]:
    """The form of a request. Files are left out."""
    return MultiDict((name, value) for name, value in (await request.post()).items() if isinstance(value, str))


def json_response(body: object, status: int = 200) -> web.Response:
    """A response with a JSON body."""
    return web.Response(status=status, body=json.dumps(body).encode(), content_type="application/json")


def error(refusal: Refusal) -> web.Response:
    """An error response."""
    body = {
        "code": refusal.code,
        "message": refusal.message,
        "more_info": f"https://www.twilio.com/docs/errors/{refusal.code}",
        "status": refusal.status,
    }
    return json_response(body, refusal.status)


def page_of(request: web.Request) -> tuple[int, int]:
    """The number, counted from 0, and the size of the page that a listing asks for. Raises ValueError."""
    number, size = int(request.query.get("Page", "0")), int(request.query.get("PageSize", "50"))
    if not 0 <= number <= MAX_PAGE_NUMBER or not 1 <= size <= MAX_PAGE:
        raise ValueError("no such page")
    return number, size


def listing(
    request: web.Request, key: str, resources: list[dict[str, Any]], *, number: int = 0, size: int = 50, more: bool
) -> web.Response:
    """One page of a listing; `more` says whether another one follows."""

    def uri(page: int) -> str:
        return str(request.rel_url.update_query({"Page": str(page), "PageSize": str(size)}))

    return json_response(
        {
            key: resources,
            "page": number,
            "page_size": size,
            "start": number * size,
            "end": max(number * size, number * size + len(resources) - 1),
            "uri": str(request.rel_url),
            "first_page_uri": uri(0),
            "next_page_uri": uri(number + 1) if more else None,
            "previous_page_uri": uri(number - 1) if number else None,
        }
    )
