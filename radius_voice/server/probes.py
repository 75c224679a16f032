"""Answers health checks: requests with the user name of a client's probe user.

They use no identity source and no store, place no call and lock no user. Many gateways let a user in whom this server
accepts, for whatever reason the request was sent. So an Access-Accept requires the configured password, and after too
many wrong passwords from a Calling-Station-Id its requests are rejected. Requests without Calling-Station-Id are not
limited: a gateway's own checks have none, and attackers could make the checks fail by exhausting the limit. Only the
length of the password protects these.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from hmac import compare_digest

from radius_voice.events import Outcome, Reason
from radius_voice.login.limits.rate_limits import arrival_time
from radius_voice.login.model import Limit, LimitAction
from radius_voice.login.names import canonical_name
from radius_voice.login.session.decisions import Decision, rejected
from radius_voice.radius import packet as radius
from radius_voice.radius.password import decode_text
from radius_voice.server.methods import auth_request_of
from radius_voice.server.request import Request

WRONG_PASSWORDS = Limit("probe.calling_station", 5, 600.0, Reason.WRONG_PASSWORD_LIMIT)
"""Limits the wrong probe passwords from one Calling-Station-Id, in each process."""
MAX_STATIONS = 10_000
"""The maximum number of counted Calling-Station-Ids. Beyond it, the oldest count is forgotten."""

AS_CONFIGURED = Reason.STATUS
"""The reason of a decision if the probe gets the configured response."""

Station = tuple[str, str]


class Probes:
    """Decides about the requests of probe users. `clock` is monotonic seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._arrival_times: OrderedDict[Station, float] = OrderedDict()

    def decide(self, request: Request) -> Decision:
        """The decision on a request for which `is_probe` is true. The reason is `AS_CONFIGURED`, or why it failed."""
        probe = request.client.probe
        if probe is None or not probe.password:
            return Decision(Outcome.REJECT, AS_CONFIGURED)
        rule = f"clients.{request.client.name}.probe"
        station = (request.client.name, request.calling_station_id)
        if self._is_limited(station):
            return rejected(WRONG_PASSWORDS.reason, rule=rule)
        auth = auth_request_of(request)
        if isinstance(auth, Reason):
            return rejected(auth, rule=rule)
        if compare_digest(auth.credentials.text.encode(), probe.password):
            return Decision(Outcome.ACCEPT, AS_CONFIGURED)
        self._charge(station)
        return rejected(Reason.WRONG_PASSWORD, rule=rule)

    def _is_limited(self, station: Station) -> bool:
        return self._after(station, LimitAction.CHECK) is None

    def _charge(self, station: Station) -> None:
        charged = self._after(station, LimitAction.TAKE)
        if charged is None or not station[1]:
            return
        self._arrival_times[station] = charged
        self._arrival_times.move_to_end(station)
        if len(self._arrival_times) > MAX_STATIONS:
            self._arrival_times.popitem(last=False)

    def _after(self, station: Station, action: LimitAction) -> float | None:
        return arrival_time(self._arrival_times.get(station, 0.0), WRONG_PASSWORDS, action, self._clock())


def is_probe(request: Request) -> bool:
    """Whether a request has the user name of its client's probe user."""
    probe = request.client.probe
    if probe is None:
        return False
    return canonical_name(decode_text(request.packet.first(radius.USER_NAME) or b"")) == probe.user
