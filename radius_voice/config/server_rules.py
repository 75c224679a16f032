"""Rules for the section `server`, and for `server` with `store`."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from radius_voice.config.draft import Draft
from radius_voice.config.schema import ServerSettings
from radius_voice.config.secrets import readable_text
from radius_voice.config.section import Diagnostic
from radius_voice.config.strict_yaml import Path as KeyPath

MIN_KEY_OCTETS, MAX_KEY_OCTETS = 32, 64


def server_errors(draft: Draft) -> Iterator[Diagnostic]:
    """Errors of addresses, key and workers."""
    port_zero = "port 0 requires development: true; write the port"
    if draft.server:
        yield from _addresses(draft.server, "" if draft.development else port_zero)
        yield from _key(draft, draft.server)
        yield from _workers(draft, draft.server)
    if draft.admin and draft.admin.listen.port == 0 and not draft.development:
        yield ("admin", "listen"), port_zero


def _addresses(server: ServerSettings, port_zero: str) -> Iterator[Diagnostic]:
    """Addresses that repeat or overlap an earlier one. `port_zero` is the error for port 0, empty if it is allowed."""
    listed = [(("server", "listen", index), each) for index, each in enumerate(server.listen)]
    listed += [(("server", "accounting", index), each) for index, each in enumerate(server.accounting)]
    for number, (path, endpoint) in enumerate(listed):
        before = [each for _, each in listed[:number]]
        if endpoint in before and endpoint.port:
            yield path, "is listed twice; remove one"
        elif shared := next((each for each in before if endpoint.overlaps(each)), None):
            yield path, f"overlaps with {shared}, on the same port; remove one of the two"
        if endpoint.port == 0 and port_zero:
            yield path, port_zero


def _key(draft: Draft, server: ServerSettings) -> Iterator[Diagnostic]:
    keys, fix = server.key or (), "make one with: openssl rand -hex 32"
    texts = [readable_text(key) for key in keys]
    for index, text in enumerate(texts):
        path: KeyPath = ("server", "key") if len(keys) == 1 else ("server", "key", index)
        if text is not None and not MIN_KEY_OCTETS <= len(text.encode()) <= MAX_KEY_OCTETS:
            octets = f"{MIN_KEY_OCTETS} to {MAX_KEY_OCTETS} octets and has {len(text.encode())}"
            yield path, f"must have {octets}; {fix}"
        if text is not None and text in texts[:index]:
            yield path, "is the same as the first key; write the new key first and the previous key second"
    if draft.store and draft.store.SHARED_BY_NODES and not keys:
        yield ("server", "key"), f"is required with a store of type {draft.store.type}, the same on every node; {fix}"


def _workers(draft: Draft, server: ServerSettings) -> Iterator[Diagnostic]:
    path: KeyPath = ("server", "workers")
    if server.workers == 1:
        return
    if not sys.platform.startswith("linux"):
        yield path, "several workers need Linux; remove the key"
    elif draft.store and not draft.store.SHARED_BY_WORKERS:
        yield path, f"several workers cannot share a store of type {draft.store.type}; use sqlite or redis"
