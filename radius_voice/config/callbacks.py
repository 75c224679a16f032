"""The section `callbacks`, and its rules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated
from urllib.parse import urlsplit

from radius_voice.config.adapters import ProviderSection
from radius_voice.config.addresses import URL, Endpoint, endpoint
from radius_voice.config.checks import is_loopback
from radius_voice.config.section import Diagnostic, Section, file_default


class CallbacksSettings(Section):
    """Requests of providers about their calls."""

    listen: Annotated[Endpoint, endpoint("", 9813)] = file_default("127.0.0.1:9813")
    """The address that receives them: ADDRESS:PORT."""
    public_url: Annotated[str, URL]
    """The URL at which providers reach that address."""


def errors(section: CallbacksSettings, admin_listen: Endpoint | None, *, development: bool) -> Iterator[Diagnostic]:
    """Errors of the section; `admin_listen` is the address of the admin listener, None if it is not known."""
    if section.listen.port == 0 and not development:
        yield ("callbacks", "listen"), "port 0 requires development: true; write the port"
    if admin_listen is not None and section.listen.overlaps(admin_listen):
        yield ("callbacks", "listen"), "is the address of admin.listen; write another port"
    parts = urlsplit(section.public_url)
    if development:
        return
    if is_loopback(parts.hostname or ""):
        yield ("callbacks", "public_url"), "is on this machine, where no provider can reach it; write its public name"
    elif parts.scheme != "https":
        yield ("callbacks", "public_url"), "would receive callbacks in clear text; write https://"


def warnings(providers: Mapping[str, ProviderSection]) -> Iterator[Diagnostic]:
    """Warnings about the section, if it is written."""
    if not any(provider.MAKES_CALLBACKS for provider in providers.values()):
        yield ("callbacks",), "has no effect, because no configured provider makes callbacks; remove it"
