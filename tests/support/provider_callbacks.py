"""Requests to the callback listener of a server, as Twilio or an attacker would send them."""

import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from twilio.request_validator import RequestValidator

from tests.support.network import TIMEOUT, free_port
from tests.support.server_process import TOKEN, ConfiguredUser, ServerProcess


def callbacks_section() -> str:
    """The section `callbacks` with a free port."""
    port = free_port()
    return f'callbacks: {{listen: "127.0.0.1:{port}", public_url: "http://127.0.0.1:{port}"}}\n'


def signature(url: str, fields: dict[str, str], token: str = TOKEN) -> str:
    """Twilio's signature of a callback."""
    signed: str = RequestValidator(token).compute_signature(url, fields)
    return signed


def post_callback(url: str, fields: dict[str, str], signed: str, host: str | None = None) -> tuple[int, str]:
    """Send a callback with that signature. Status and text of the response."""
    headers = {"X-Twilio-Signature": signed, **({"Host": host} if host else {})}
    request = urllib.request.Request(url, urllib.parse.urlencode(fields).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def sent_callbacks(server: ServerProcess, user: ConfiguredUser) -> list[dict[str, Any]]:
    """The callbacks that the simulator has sent about the last call to the user."""
    requests: list[dict[str, Any]] = server.simulator.calls(user.phone)[-1]["callbacks"]
    return requests
