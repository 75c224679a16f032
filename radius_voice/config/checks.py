"""Checks of values that several sections have."""

from __future__ import annotations

import ssl
import stat
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

from radius_voice.config.section import Diagnostic
from radius_voice.config.strict_yaml import Path as KeyPath


def certificate_errors(ca_file: Path, path: KeyPath) -> Iterator[Diagnostic]:
    """Errors of a file of certificates, which TLS libraries would report only at the first connection."""
    try:
        if not stat.S_ISREG(ca_file.stat().st_mode):
            yield path, "is not a file; name a file of certificates in PEM"
            return
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(ca_file)
    except FileNotFoundError:
        yield path, "does not exist; correct the path or create the file"
    except ssl.SSLError:
        yield path, "contains no certificate in PEM; it must begin with -----BEGIN CERTIFICATE-----"
    except OSError as problem:
        yield path, f"cannot be read: {problem.strerror}; correct the path or the file's mode"


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine's own."""
    try:
        address = ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    return address.is_loopback or address.is_unspecified
