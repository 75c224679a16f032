"""The base class of the sections of providers that are reached by HTTP."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, ClassVar
from urllib.parse import urlsplit

from radius_voice.config.adapters import ProviderSection, RuleContext
from radius_voice.config.addresses import URL
from radius_voice.config.checks import is_loopback
from radius_voice.config.field_types import PATH, duration, duration_text
from radius_voice.config.section import Diagnostic, file_default
from radius_voice.config.servers import ConfiguredServer, http_server


class HttpProviderSection(ProviderSection):
    """A provider that is reached by HTTP."""

    TIMERS: ClassVar[tuple[str, ...]] = ("connect_timeout", "timeout")

    proxy: Annotated[str, URL] | None = None
    """An HTTP proxy for requests to the provider."""
    ca_file: Annotated[Path, PATH] | None = None
    """Certificates to trust instead of the system's, in PEM."""
    connect_timeout: Annotated[float, duration(0.1, 30)] = file_default("2s")
    """Timeout for connecting."""
    timeout: Annotated[float, duration(0.5, 60)] = file_default("10s")
    """Timeout for one request."""

    def urls(self) -> Mapping[str, str]:
        """The configured URLs that get credentials or codes, by the keys that have them."""
        return {}

    @property
    def server_url(self) -> str:
        """The URL of the provider's server; empty if there is none."""
        return next(iter(self.urls().values()), "")

    def servers_to_check(self) -> Iterator[ConfiguredServer]:
        """The server of the provider."""
        if self.server_url:
            yield http_server(self.server_url, self.ca_file, self.proxy)

    def certificate_files(self) -> Mapping[str, Path]:
        """The certificates to trust, where they are not the system's."""
        return {"ca_file": self.ca_file} if self.ca_file else {}

    def errors(self, context: RuleContext) -> Iterator[Diagnostic]:
        """URLs without TLS or to this machine, unless `development` is true; a connect timeout above the timeout."""
        for key, url in () if context.development else self.urls().items():
            parts = urlsplit(url)
            if is_loopback(parts.hostname or ""):
                yield (key,), "a provider on this machine requires development: true"
            elif parts.scheme != "https":
                yield (key,), "would send credentials in clear text; write https://"
        if self.connect_timeout > self.timeout:
            if "connect_timeout" in self.model_fields_set:
                yield ("connect_timeout",), "is longer than timeout, which it is part of; make it shorter"
            else:
                least = duration_text(self.connect_timeout)
                yield ("timeout",), f"is shorter than connect_timeout, which is part of it; write at least {least}"
