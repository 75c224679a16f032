"""The part of `check --connect` that checks certificates in files and at servers, and the clocks of servers."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from radius_voice.cli.connections import CONNECT_SECONDS, ConnectionCheck
from radius_voice.exceptions import message_of

if TYPE_CHECKING:
    from radius_voice.config.adapters import AdapterSection
    from radius_voice.config.schema import Settings
    from radius_voice.config.servers import ConfiguredServer

WARNING_DAYS = 30
MAX_OFFSET_SECONDS = 10.0
DAY = 86400.0
CLOCK_FIX = "synchronise the clock of this machine by NTP, for example with chrony"


async def certificate_checks(settings: Settings) -> AsyncIterator[ConnectionCheck]:
    """When the certificates in files and at servers expire, and how far the clocks of servers differ from this one."""
    now = time.time()
    for key, file in _files(settings):
        for check in _file_checks(key, file, now):
            yield check
    for key, server in _servers(settings):
        async for check in _server_checks(key, server, now):
            yield check
    if settings.store.SHARED_BY_NODES:
        yield await _store_clock(settings)


def _sections(settings: Settings) -> Iterator[tuple[str, AdapterSection]]:
    yield from ((f"identity.{name}", section) for name, section in settings.identity.items())
    yield from ((f"delivery.providers.{name}", section) for name, section in settings.delivery.providers.items())
    yield "store", settings.store


def _files(settings: Settings) -> Iterator[tuple[str, Path]]:
    for key, section in _sections(settings):
        yield from ((f"{key}.{name}", file) for name, file in section.certificate_files().items())
    if settings.audit.syslog is not None and settings.audit.syslog.ca_file is not None:
        yield "audit.syslog.ca_file", settings.audit.syslog.ca_file


def _servers(settings: Settings) -> Iterator[tuple[str, ConfiguredServer]]:
    from radius_voice.config.servers import ConfiguredServer, http_server

    for key, section in _sections(settings):
        yield from ((key, server) for server in section.servers_to_check())
    syslog = settings.audit.syslog
    if syslog is not None and syslog.tls:
        yield "audit.syslog", ConfiguredServer(syslog.server.host, syslog.server.port, tls=True, ca_file=syslog.ca_file)
    if settings.callbacks is not None and settings.callbacks.public_url.startswith("https:"):
        yield "callbacks.public_url", http_server(settings.callbacks.public_url)


def _file_checks(key: str, file: Path, now: float) -> Iterator[ConnectionCheck]:
    """The certificates of a file that expire soon; if none does, the one that expires first."""
    from cryptography import x509

    from radius_voice.files.reading import read_file

    try:
        certificates = x509.load_pem_x509_certificates(read_file(file)[0])
    except (OSError, ValueError) as problem:
        text = message_of(problem) if isinstance(problem, OSError) else f"{file}: contains no certificate in PEM"
        yield ConnectionCheck("certificate", key, "not_checked", text)
        return
    ends = {each.not_valid_after_utc.timestamp(): each.subject.rfc4514_string() for each in certificates}
    due = [(end, subject) for end, subject in ends.items() if end < now + WARNING_DAYS * DAY]
    for end, subject in due:
        yield _expiry(key, f"{file}: {subject}", end, now)
    if not due:
        yield _expiry(key, str(file), min(ends), now)


def _expiry(key: str, subject: str, end: float, now: float) -> ConnectionCheck:
    day = datetime.fromtimestamp(end, UTC).strftime("%Y-%m-%d %H:%M UTC")
    if end < now:
        return ConnectionCheck("certificate", key, "bad", f"{subject}: expired at {day}; renew it")
    days = int((end - now) / DAY)
    text = f"{subject}: expires at {day}, in {days} {'day' if days == 1 else 'days'}"
    if days < WARNING_DAYS:
        return ConnectionCheck("certificate", key, "warning", f"{text}; renew it")
    return ConnectionCheck("certificate", key, "good", text)


async def _server_checks(key: str, server: ConfiguredServer, now: float) -> AsyncIterator[ConnectionCheck]:
    from radius_voice.server_probe import CertificateRefused, ProbeFailed, probe

    try:
        found = await probe(server, CONNECT_SECONDS)
    except CertificateRefused as problem:
        yield ConnectionCheck("certificate", key, "bad", f"{server}: is not accepted: {problem}; renew or replace it")
        return
    except ProbeFailed as problem:
        if server.tls:
            yield ConnectionCheck("certificate", key, "not_checked", f"{server}: {problem}")
        return
    if found.not_after is not None:
        yield _expiry(key, str(server), found.not_after, now)
    if found.offset is not None:
        yield _clock(key, str(server), found.offset)


def _clock(key: str, subject: str, offset: float) -> ConnectionCheck:
    text = f"{subject}: its clock is {abs(offset):.0f} s {'ahead of' if offset > 0 else 'behind'} this machine's"
    if abs(offset) > MAX_OFFSET_SECONDS:
        return ConnectionCheck("clock", key, "warning", f"{text}; {CLOCK_FIX}")
    return ConnectionCheck("clock", key, "good", text)


async def _store_clock(settings: Settings) -> ConnectionCheck:
    """How far the clock of a store that nodes share differs from this one."""
    from radius_voice.login.model import Unavailable
    from radius_voice.login.ports import ServerClock
    from radius_voice.state.open_store import no_key, open_store

    kind = settings.store.type
    try:
        store = open_store(settings, no_key, read_only=True)
    except (ValueError, OSError) as problem:
        return ConnectionCheck("clock", "store", "not_checked", f"{kind}: {message_of(problem)}")
    try:
        if not isinstance(store, ServerClock):
            return ConnectionCheck("clock", "store", "not_checked", f"{kind}: does not report its time")
        sent = time.time()
        server_time = await store.server_time()
        return _clock("store", kind, server_time - (sent + time.time()) / 2)
    except Unavailable as problem:
        return ConnectionCheck("clock", "store", "not_checked", f"{kind}: {problem}")
    finally:
        await store.close()
