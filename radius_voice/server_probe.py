"""Connects to a server and reads the end of its certificate and, from an HTTP server, its time.

For `check --connect`. A certificate is verified as logins verify it.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from cryptography import x509

from radius_voice.config.servers import ConfiguredServer
from radius_voice.exceptions import message_of

START_TLS = bytes.fromhex("301d02010177188016") + b"1.3.6.1.4.1.1466.20037"
"""The ExtendedRequest of StartTLS (RFC 4511 section 4.14.1) with the message id 1."""
SUCCESS = bytes.fromhex("0a0100")
"""The result code success, an ENUMERATED of value 0."""
MAX_RESPONSE_OCTETS = 4096
HTTP_DATE_SECONDS = 0.5
"""The time of an HTTP server has whole seconds: on average half a second is missing."""


class ProbeFailed(Exception):
    """The server could not be asked; the text says why."""


class CertificateRefused(Exception):
    """The certificate is not accepted; the text says why."""


@dataclass(frozen=True, slots=True)
class Probe:
    """`not_after`: when the certificate expires, in wall-clock seconds, None without TLS.

    `offset`: how many seconds the clock of the server is ahead of this machine's, None if it did not report its time.
    """

    not_after: float | None
    offset: float | None


async def probe(server: ConfiguredServer, seconds: float) -> Probe:
    """Connect to a server for at most `seconds`. Raises ProbeFailed, or CertificateRefused."""
    try:
        async with asyncio.timeout(seconds):
            return await _probe(server)
    except ssl.SSLCertVerificationError as problem:
        raise CertificateRefused(problem.verify_message) from None
    except TimeoutError:
        raise ProbeFailed(f"no response within {seconds:g} s") from None
    except ssl.SSLError as problem:
        raise ProbeFailed(f"TLS failed: {problem.reason or 'unknown reason'}") from None
    except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as problem:
        raise ProbeFailed(message_of(problem) if isinstance(problem, OSError) else "not understood") from None


async def _probe(server: ConfiguredServer) -> Probe:
    if server.proxy is not None:
        raise OSError(0, "is reached through a proxy, which is not asked for it")
    context = _context(server) if server.tls else None
    at_once = None if server.start_tls else context
    name = server.host if at_once else None
    reader, writer = await asyncio.open_connection(server.host, server.port, ssl=at_once, server_hostname=name)
    try:
        if context is not None and server.start_tls:
            await _ask_for_tls(reader, writer)
            await writer.start_tls(context, server_hostname=server.host)
        offset = await _http_offset(server, reader, writer) if server.http else None
        return Probe(_not_after(writer) if server.tls else None, offset)
    finally:
        writer.transport.abort()
        with suppress(OSError):
            await writer.wait_closed()


def _context(server: ConfiguredServer) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=None if server.system_too else server.ca_file)
    if server.system_too and server.ca_file is not None:
        context.load_verify_locations(server.ca_file)
    if not server.verify:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if server.certificate is not None:
        context.load_cert_chain(*server.certificate)
    return context


async def _ask_for_tls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Ask the LDAP server for TLS. Raises OSError if it refuses."""
    writer.write(START_TLS)
    if SUCCESS not in await reader.read(MAX_RESPONSE_OCTETS):
        raise OSError(0, "the server refused StartTLS")


async def _http_offset(
    server: ConfiguredServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> float | None:
    """By how many seconds the time of an HTTP response is later than the middle of its exchange."""
    sent = time.time()
    writer.write(f"HEAD / HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n\r\n".encode())
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    received = time.time()
    fields = dict(line.lower().split(": ", 1) for line in head.split("\r\n") if ": " in line)
    if "date" not in fields:
        return None
    return parsedate_to_datetime(fields["date"]).timestamp() + HTTP_DATE_SECONDS - (sent + received) / 2


def _not_after(writer: asyncio.StreamWriter) -> float:
    der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    return x509.load_der_x509_certificate(der).not_valid_after_utc.timestamp()
