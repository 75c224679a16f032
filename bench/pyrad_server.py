"""A peer for login_cpu.py: the challenge dialog on pyrad's ServerAsync, static, nothing recorded.

usage: pyrad_server.py PORT SECRET
"""

from __future__ import annotations

import asyncio
import io
import logging
import secrets
import sys
from typing import Any

from pyrad.dictionary import Dictionary
from pyrad.packet import AccessAccept, AccessChallenge, AccessReject
from pyrad.server import RemoteHost
from pyrad.server_async import ServerAsync

DICTIONARY = """\
ATTRIBUTE User-Name 1 string
ATTRIBUTE User-Password 2 string
ATTRIBUTE Reply-Message 18 string
ATTRIBUTE State 24 octets
ATTRIBUTE Calling-Station-Id 31 string
ATTRIBUTE NAS-Identifier 32 string
ATTRIBUTE Message-Authenticator 80 octets
"""


class LoginFlow(ServerAsync):  # type: ignore[misc]  # pyrad has no types
    """Password `password` gets a challenge, and code 123456 with a State gets in."""

    def handle_auth_packet(self, protocol: Any, pkt: Any, addr: Any) -> None:
        """Answer an Access-Request whose Message-Authenticator has been checked."""
        reply = self.CreateReplyPacket(pkt)
        typed = pkt.PwDecrypt(pkt["User-Password"][0])
        if "State" in pkt:
            reply.code = AccessAccept if typed == "123456" else AccessReject
        elif typed == "password":
            reply.code = AccessChallenge
            reply["State"] = secrets.token_bytes(16)
            reply["Reply-Message"] = "Enter the code"
        else:
            reply.code = AccessReject
        protocol.send_response(reply, addr)

    def handle_acct_packet(self, protocol: Any, pkt: Any, addr: Any) -> None:
        """Not listened for."""

    def handle_coa_packet(self, protocol: Any, pkt: Any, addr: Any) -> None:
        """Not listened for."""

    def handle_disconnect_packet(self, protocol: Any, pkt: Any, addr: Any) -> None:
        """Not listened for."""


async def serve(port: int, secret: str) -> None:
    hosts = {"127.0.0.1": RemoteHost("127.0.0.1", secret.encode(), "bench")}
    server = LoginFlow(auth_port=port, hosts=hosts, dictionary=Dictionary(io.StringIO(DICTIONARY)), enforce_ma=True)
    await server.initialize_transports(enable_auth=True, addresses=["127.0.0.1"])
    await asyncio.Event().wait()


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    asyncio.run(serve(int(sys.argv[1]), sys.argv[2]))
