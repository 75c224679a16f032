"""The fix for each reason of a discarded datagram. docs/observing.md describes the reasons."""

from __future__ import annotations

from collections.abc import Mapping

from radius_voice.events import Discard

FIXES: Mapping[Discard, str] = {
    Discard.UNKNOWN_CLIENT: "if it is a gateway of yours, add the address to clients",
    Discard.MALFORMED: "check what sends to this port: it is not a RADIUS packet",
    Discard.WRONG_CODE: "send only authentication to this port; accounting has ports of its own, server.accounting",
    Discard.NO_MESSAGE_AUTHENTICATOR: "make the gateway send Message-Authenticator: update it or change its setting",
    Discard.BAD_MESSAGE_AUTHENTICATOR: "write the same shared secret at the gateway and in clients",
    Discard.BAD_REQUEST_AUTHENTICATOR: "write the same shared secret for accounting at the gateway and in clients",
    Discard.NOT_RECORDED: "make the audit log writable: free disk space, or correct its path; the gateway repeats it",
    Discard.UNSIGNED_PROXY_STATE: "make the proxy send Message-Authenticator, or write limit_proxy_state: no",
    Discard.DUPLICATE: "if frequent, raise the gateway's timeout above response_timeout",
    Discard.IDENTIFIER_IN_USE: "make the gateway send Message-Authenticator, or look for spoofed packets",
    Discard.OVERLOAD: "if frequent, find what slows logins down, or raise server.max_concurrent and server.max_queued",
}
