"""A history: the requests, calls, faults and audit records of a run with one or more servers.

Times are wall-clock seconds. A request begins when its client first sends it and ends with the last reply, or when
the client stops waiting. Requests overlap, and a server may process a request after its client stopped waiting.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from radius_voice.radius import packet as radius

OUTCOMES = {radius.ACCESS_ACCEPT: "accept", radius.ACCESS_REJECT: "reject", radius.ACCESS_CHALLENGE: "challenge"}


@dataclass(frozen=True)
class Reply:
    """A reply: a value of OUTCOMES, the State of a challenge, and all octets."""

    outcome: str
    state: bytes = b""
    octets: bytes = b""


@dataclass(frozen=True)
class Exchange:
    """One request and its replies. No other exchange has the same `source` address.

    An initial request has no State, and `right` states whether its password is right. `typed` is the response to a
    challenge.
    """

    begun: float
    ended: float
    node: str
    client: str
    source: str
    user: str
    octets: bytes
    right: bool = False
    state: bytes = b""
    typed: str = ""
    replies: tuple[Reply, ...] = ()

    @property
    def reply(self) -> Reply | None:
        """The first reply."""
        return self.replies[0] if self.replies else None

    @property
    def received_state(self) -> bytes:
        """The State of the first reply if it is a challenge."""
        return self.reply.state if self.reply else b""

    def __str__(self) -> str:
        replies = ", ".join(f"{reply.outcome} {reply.state.hex()[-6:]}" for reply in self.replies) or "no response"
        sent = (
            f"{self.state.hex()[-6:]} {self.typed}" if self.state else f"password {'right' if self.right else 'wrong'}"
        )
        return f"{self.user} at {self.client} asks {self.node} from {self.source}: {sent} -> {replies}"


@dataclass(frozen=True)
class Call:
    """A call in the history of the simulator. `login` is empty if no audit log has it. `ended` is None while it is live."""

    begun: float
    ended: float | None
    user: str
    code: str
    login: str = ""

    def __str__(self) -> str:
        return f"call to {self.user} for login {self.login or 'unknown'} with code {self.code}"


@dataclass(frozen=True)
class Fault:
    """An injected fault, from its injection until the repair."""

    begun: float
    ended: float
    description: str

    def __str__(self) -> str:
        return self.description


@dataclass(frozen=True)
class AuditedRequest:
    """The audit record of a request, identified by its source address."""

    source: str
    outcome: str
    reason: str
    login: str


@dataclass
class History:
    """All events of a run.

    `stuck_users` could not log in at the end of the run, `attempts` is the number of codes that a login may be answered
    with, `failover` states that a replica was promoted, `indeterminate_logins` have a call with an indeterminate
    result.
    """

    attempts: int = 3
    failover: bool = False
    exchanges: list[Exchange] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    audit: list[AuditedRequest] = field(default_factory=list)
    indeterminate_logins: set[str] = field(default_factory=set)
    stuck_users: set[str] = field(default_factory=set)

    def __str__(self) -> str:
        events: list[Exchange | Call | Fault] = [*self.exchanges, *self.calls, *self.faults]
        events.sort(key=lambda event: event.begun)
        zero = events[0].begun if events else 0.0
        reasons = defaultdict(list)
        for record in self.audit:
            reasons[record.source].append(f"{record.reason} of {record.login or 'none'}")
        lines = []
        for event in events:
            ended = f"{event.ended - zero:7.3f}" if event.ended is not None else "      …"
            audited = "; ".join(reasons[event.source]) if isinstance(event, Exchange) else ""
            lines.append(f"{event.begun - zero:7.3f} {ended}  {event}{f' [{audited}]' if audited else ''}")
        return "\n".join(lines)

    @property
    def summary(self) -> str:
        """The numbers of events, in one line."""
        outcomes = Counter(exchange.reply.outcome if exchange.reply else "no response" for exchange in self.exchanges)
        seconds = max(exchange.ended for exchange in self.exchanges) - min(each.begun for each in self.exchanges)
        faults = Counter(fault.description for fault in self.faults)
        counts = [
            f"{len(self.exchanges)} requests in {seconds:.0f} s",
            *(f"{count} {outcome}" for outcome, count in sorted(outcomes.items())),
            f"{len(self.calls)} calls",
            *(f"{count} x {description}" for description, count in sorted(faults.items())),
            f"{len(self.stuck_users)} users still wait",
        ]
        return ", ".join(counts)

    def audited_exchanges(self) -> list[tuple[AuditedRequest, Exchange]]:
        """Each audit record with the exchange of its request."""
        known = {exchange.source: exchange for exchange in self.exchanges}
        return [(record, known[record.source]) for record in self.audit if record.source in known]

    def users_with_an_unknown_last_call(self) -> set[str]:
        """Users whose last challenge is for a call with an indeterminate result: it may ring, and its code is unknown."""
        last: dict[str, str] = {}
        for record, exchange in sorted(self.audited_exchanges(), key=lambda pair: pair[1].begun):
            if record.outcome == "challenge":
                last[exchange.user] = record.login
        return {user for user, login in last.items() if login in self.indeterminate_logins}

    def accept_decisions(self) -> dict[str, str]:
        """The login of each accept decision, by source. Repeated results are excluded."""
        return {record.source: record.login for record in self.audit if record.reason == "code_correct"}

    def accepted_exchanges(self) -> list[Exchange]:
        """Exchanges that got an Access-Accept or, by an audit log, would have got one without packet loss."""
        sources = {record.source for record in self.audit if record.outcome == "accept"}
        return [
            exchange
            for exchange in self.exchanges
            if exchange.source in sources or any(reply.outcome == "accept" for reply in exchange.replies)
        ]
