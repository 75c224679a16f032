"""The addresses that the service listens on, and messages for those that cannot be bound."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from pathlib import Path

from radius_voice.config.addresses import Endpoint
from radius_voice.config.schema import Settings
from radius_voice.transports.udp import bind

PRIVILEGED = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
LISTEN = "server.listen"
ACCOUNTING = "server.accounting"
ADMIN_LISTEN = "admin.listen"
CALLBACKS_LISTEN = "callbacks.listen"
LISTEN_OPTION = "--listen"
TCP_KEYS = (ADMIN_LISTEN, CALLBACKS_LISTEN, LISTEN_OPTION)
BACKLOG = 128


def cannot_bind(key: str, endpoint: Endpoint, problem: OSError) -> str:
    """The message for an address that the service cannot listen on: the setting, the cause, what to do."""
    number = problem.errno or 0
    match number:
        case errno.EADDRINUSE:
            sockets = "-lntp" if key in TCP_KEYS else "-lnup"
            fix = f"another process has this port; find it with: ss {sockets} 'sport = :{endpoint.port}'"
        case errno.EADDRNOTAVAIL:
            fix = "this machine has no such address; ip address shows those it has"
        case errno.EACCES | errno.EPERM:
            fix = privilege_hint(endpoint)
        case errno.EAFNOSUPPORT:
            fix = "IPv6 is off on this machine; write an IPv4 address"
        case _:
            fix = "write another address"
    return f"{key}: {endpoint}: {os.strerror(number)}; {fix}"


def privilege_hint(endpoint: Endpoint) -> str:
    """What a user needs to listen on that port."""
    return (
        f"ports below {_first_unprivileged_port()} need a privilege; write another port than {endpoint.port}, "
        "or give the systemd unit AmbientCapabilities=CAP_NET_BIND_SERVICE"
    )


def is_privileged(endpoint: Endpoint) -> bool:
    """Whether only root, or a process with CAP_NET_BIND_SERVICE, can listen on that port."""
    return 0 < endpoint.port < _first_unprivileged_port()


def bind_errors(settings: Settings) -> Iterator[tuple[str, Endpoint, OSError]]:
    """The settings and addresses that this process cannot bind now, and why. Binds each for a moment."""
    for key, endpoint in udp_endpoints(settings):
        try:
            bind(endpoint.host, endpoint.port).close()
        except OSError as problem:
            yield key, endpoint, problem
    for key, endpoint in tcp_endpoints(settings):
        try:
            bind_tcp(endpoint).close()
        except OSError as problem:
            yield key, endpoint, problem


def radius_ports_in_use(settings: Settings) -> list[Endpoint]:
    """The addresses of `server.listen` that a process of this machine listens on."""
    return [
        endpoint
        for key, endpoint, problem in bind_errors(settings)
        if key == LISTEN and problem.errno == errno.EADDRINUSE
    ]


def udp_endpoints(settings: Settings) -> list[tuple[str, Endpoint]]:
    """The settings and addresses of the RADIUS listeners: those for authentication, then those for accounting."""
    server = settings.server
    return [*((LISTEN, each) for each in server.listen), *((ACCOUNTING, each) for each in server.accounting)]


def tcp_endpoints(settings: Settings) -> Iterator[tuple[str, Endpoint]]:
    """The settings and addresses of the HTTP listeners."""
    yield ADMIN_LISTEN, settings.admin.listen
    if settings.callbacks is not None:
        yield CALLBACKS_LISTEN, settings.callbacks.listen


def bind_tcp(endpoint: Endpoint) -> socket.socket:
    """A bound TCP socket; raises OSError."""
    family = socket.AF_INET6 if ip_address(endpoint.host).version == 6 else socket.AF_INET  # noqa: PLR2004
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, True)
        # as asyncio does: TIME_WAIT connections do not block the port
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, True)
        sock.bind((endpoint.host, endpoint.port))
    except OSError:
        sock.close()
        raise
    return sock


def listen_for_callbacks(settings: Settings) -> socket.socket | None:
    """The listening socket for callbacks, which all workers share; None if there are none. Raises ValueError."""
    if settings.callbacks is None:
        return None
    endpoint = settings.callbacks.listen
    try:
        sock = bind_tcp(endpoint)
        sock.listen(BACKLOG)
    except OSError as problem:
        raise ValueError(cannot_bind(CALLBACKS_LISTEN, endpoint, problem)) from None
    sock.setblocking(False)
    return sock


def _first_unprivileged_port() -> int:
    try:
        return int(PRIVILEGED.read_text())
    except (OSError, ValueError):
        return 1024


def addresses_text(
    settings: Settings, ports: Sequence[int], admin_port: int, callbacks_port: int, worker: int | None
) -> str:
    """Where a service listens, or a worker with that number. `ports` are in the order of `udp_endpoints`."""
    addresses: dict[str, list[str]] = {LISTEN: [], ACCOUNTING: []}
    for (key, endpoint), port in zip(udp_endpoints(settings), ports, strict=True):
        addresses[key].append(f"udp {endpoint.host} port {port}")
    radius = f"RADIUS on {', '.join(addresses[LISTEN])}"
    if addresses[ACCOUNTING]:
        radius += f"; accounting on {', '.join(addresses[ACCOUNTING])}"
    if worker is not None:
        return f"worker {worker}: {radius}"
    text = f"{radius}; metrics on http://{settings.admin.listen.host}:{admin_port}/metrics"
    if settings.callbacks is None:
        return text
    return f"{text}; callbacks on {settings.callbacks.listen.host} port {callbacks_port}"
