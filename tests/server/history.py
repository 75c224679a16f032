"""What gateways, phones and audit logs saw of a run, and a small model of what they may see.

Times are wall-clock seconds. A request begins when its gateway first sends it and ends with the last reply, or when
the gateway gives up; requests overlap, and what a server does of one may come after the gateway has given up.
The model knows nothing of rows, stores or nodes: what it holds must be true of any number of them.
"""

import itertools
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from radius_voice.radius import packet as radius

REPEATED_FOR = 30.0  # how long a verdict is repeated
CALL = 9.0  # how long a simulated call lives, and until it is known that it is over
NAMES = {radius.ACCESS_ACCEPT: "accept", radius.ACCESS_REJECT: "reject", radius.ACCESS_CHALLENGE: "challenge"}
RINGING = {"called", "calling", "call_unknown", "redialled"}


@dataclass(frozen=True)
class Reply:
    """What a gateway got: one of NAMES, the State of a challenge, and all octets."""

    outcome: str
    state: bytes = b""
    octets: bytes = b""


@dataclass(frozen=True)
class Exchange:
    """One request as its gateway saw it. `source` is an address that no other exchange has.

    A first packet has no State, and `right` says whether its password is. `typed` is the answer to a challenge.
    """

    begun: float
    ended: float
    node: str
    client: str
    source: str
    person: str
    octets: bytes
    right: bool = False
    state: bytes = b""
    typed: str = ""
    replies: tuple[Reply, ...] = ()

    @property
    def told(self):
        """What the gateway goes by, or None."""
        return self.replies[0] if self.replies else None

    @property
    def state_given(self):
        """The State of a challenge, or nothing."""
        return self.told.state if self.told else b""

    def __str__(self):
        told = ", ".join(f"{reply.outcome} {reply.state.hex()[-6:]}" for reply in self.replies) or "silence"
        asked = (
            f"{self.state.hex()[-6:]} {self.typed}" if self.state else f"password {'right' if self.right else 'wrong'}"
        )
        return f"{self.person} at {self.client} asks {self.node} from {self.source}: {asked} -> {told}"


@dataclass(frozen=True)
class Call:
    """A call as the phone saw it; `login` is empty where no audit log tells. `ended` is None while it lives."""

    begun: float
    ended: float | None
    person: str
    code: str
    login: str = ""

    def __str__(self):
        return f"{self.person}'s phone rings for login {self.login or 'unknown'} and hears {self.code}"


@dataclass(frozen=True)
class Fault:
    """Something that was broken on purpose, until all was whole again."""

    begun: float
    ended: float
    what: str

    def __str__(self):
        return self.what


@dataclass(frozen=True)
class Audited:
    """What a node wrote down of a request, found by the address that it came from."""

    source: str
    outcome: str
    reason: str
    login: str


@dataclass
class History:
    """Everything that was seen. `stuck` are people who could not log in when all was over.

    `tries` is how many codes a login may be answered with, `failover` says that a replica took over, `unknown` are
    logins of which nobody knows whether the phone rang.
    """

    tries: int = 3
    failover: bool = False
    exchanges: list = field(default_factory=list)
    calls: list = field(default_factory=list)
    faults: list = field(default_factory=list)
    audit: list = field(default_factory=list)
    unknown: set = field(default_factory=set)
    stuck: set = field(default_factory=set)

    def __str__(self):
        events = sorted([*self.exchanges, *self.calls, *self.faults], key=lambda event: event.begun)
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
    def summary(self):
        """How much happened, in one line."""
        told = Counter(exchange.told.outcome if exchange.told else "silence" for exchange in self.exchanges)
        seconds = max(exchange.ended for exchange in self.exchanges) - min(each.begun for each in self.exchanges)
        counted = [
            f"{len(self.exchanges)} requests in {seconds:.0f} s",
            *(f"{count} {outcome}" for outcome, count in sorted(told.items())),
            f"{len(self.calls)} calls",
            *(f"{count} x {what}" for what, count in sorted(Counter(fault.what for fault in self.faults).items())),
            f"{len(self.stuck)} people still wait",
        ]
        return ", ".join(counted)

    def audited(self):
        """Each record of a request, with the exchange that it is of."""
        known = {exchange.source: exchange for exchange in self.exchanges}
        return [(record, known[record.source]) for record in self.audit if record.source in known]

    def decided(self):
        """The login of each accept decision, by source. A repeated verdict names the row that remembers it instead."""
        return {record.source: record.login for record in self.audit if record.reason == "code_right"}

    def accepted(self):
        """Exchanges that got an Accept or, by an audit log, would have got one had nothing been lost."""
        sources = {record.source for record in self.audit if record.outcome == "accept"}
        return [
            exchange
            for exchange in self.exchanges
            if exchange.source in sources or any(reply.outcome == "accept" for reply in exchange.replies)
        ]


def wrong_in(history):
    """What may not be, one sentence each; nothing when all is well."""
    return [sentence for rule in RULES for sentence in rule(history)]


def each_reply_is_one_that_may_be(history):
    """docs/login-story.md and decision 2; the very same packet gets the very same octets, or nothing."""
    given = {}
    for exchange in history.exchanges:
        given |= {reply.state: (exchange.person, exchange.client) for reply in exchange.replies if reply.state}
    for exchange in history.exchanges:
        may = {"reject"}
        if exchange.right:
            may |= {"challenge"}
        if exchange.state and given.get(exchange.state) == (exchange.person, exchange.client):
            may |= {"challenge", "accept"}
        for reply in exchange.replies:
            if reply.outcome not in may:
                yield f"{reply.outcome} may not be: {exchange}"
        if len({reply.octets for reply in exchange.replies}) > 1:
            yield f"one packet, two answers: {exchange}"


def each_reply_is_on_record(history):
    """What a gateway was told is what the audit says that it was told."""
    told = defaultdict(set)
    for record in history.audit:
        told[record.source].add(record.outcome)
    for exchange in history.exchanges:
        if any(reply.outcome not in told[exchange.source] for reply in exchange.replies):
            yield f"the audit tells something else: {exchange}"


def a_state_is_given_for_one_request_only(history):
    """Each challenge has a State of its own; a request that is repeated, at whichever node, gets the same again."""
    asked_for = {}
    for exchange in history.exchanges:
        asked = (exchange.state, exchange.typed) if exchange.state else exchange.octets[4:]
        for state in {reply.state for reply in exchange.replies if reply.state}:
            before, first = asked_for.setdefault(state, (asked, exchange))
            if before != asked:
                yield f"a State was given for another request: {first}, and {exchange}"


def a_state_serves_once(history):
    """Of several answers to one challenge, one counts. Replication may lose that a wrong one did (docs/stores.md)."""
    answers = defaultdict(set)
    for exchange in history.exchanges:
        if exchange.state and any(reply.outcome != "reject" for reply in exchange.replies):
            answers[exchange.state].add(exchange.typed)
    for state, typed in answers.items():
        if len(typed) > 1 and not history.failover:
            yield f"the State {state.hex()[-6:]} served for {' and for '.join(sorted(typed))}"


def no_accept_without_a_right_password_and_code(history):
    """The State comes from a right password (`each_reply_is_one_that_may_be` holds that), the code from the phone.

    It is the code of the login's newest call: an older one is dead when the next call is asked for.
    """
    states = {reply.state for exchange in history.exchanges for reply in exchange.replies}
    logins = history.decided()
    for exchange in history.accepted():
        heard = [
            call
            for call in history.calls
            if (call.person, call.code) == (exchange.person, exchange.typed) and call.begun <= exchange.begun
        ]
        if exchange.state not in states or not heard:
            yield f"no right password and code: {exchange}"
            continue
        login = logins.get(exchange.source)
        if heard[0].login and login and heard[0].login != login:
            yield f"the code of another login: {exchange}"
        newer = [call for call in history.calls if call.login and call.login == heard[0].login]
        if any(heard[0].begun < call.begun < exchange.begun for call in newer):
            yield f"the code of an older call: {exchange}"


def at_most_one_accept_decision_a_login(history):
    """One State with one answer is accepted, for `REPEATED_FOR` seconds however often it comes."""
    decisions = defaultdict(list)
    logins = history.decided()
    for exchange in history.accepted():
        decisions[exchange.person, exchange.typed].append(exchange)
        if exchange.source in logins:
            decisions[logins[exchange.source], ""].append(exchange)
    for exchanges in decisions.values():
        if len({(exchange.state, exchange.typed) for exchange in exchanges}) > 1:
            yield f"two accept decisions: {'; '.join(map(str, exchanges))}"
        first = min(exchange.ended for exchange in exchanges)
        for late in exchanges:
            if late.begun > first + REPEATED_FOR:
                yield f"a verdict of long ago was repeated: {late}"
    counted = [record.login for record in history.audit if record.reason == "code_right"]
    for login in {login for login in counted if counted.count(login) > 1}:
        yield f"login {login} was accepted twice"


def at_most_one_live_call_a_person(history):
    """No phone is called while another call to it lives."""
    for _, calls in itertools.groupby(sorted(history.calls, key=lambda call: (call.person, call.begun)), _person):
        for one, next_one in itertools.pairwise(calls):
            if one.ended is None or next_one.begun < one.ended:
                yield f"{one.person} is called while a call lives: {one.code} and {next_one.code}"


def a_packet_leads_to_one_call(history):
    """Replayed octets dial nothing, wherever they come from."""
    rang = defaultdict(set)
    for record, exchange in history.audited():
        if record.reason in RINGING:
            rang[exchange.client, exchange.octets].add(record.source)
    for sources in rang.values():
        if len(sources) > 1:
            yield f"one packet rang again, from {sorted(sources)}"


def tries_are_counted(history):
    """A login is answered as often as it may. Wrong tries are what replication may lose (docs/stores.md)."""
    counted = [record.login for record in history.audit if record.reason in {"wrong_code", "no_tries"}]
    for login in set(counted):
        if counted.count(login) > history.tries and not history.failover:
            yield f"login {login} was answered wrongly {counted.count(login)} times"


def every_login_ends(history):
    """Who cannot log in was hit by a fault or a store out of reach, or nobody knows whether their phone rang."""
    unknown = {exchange.person for record, exchange in history.audited() if record.login in history.unknown}
    unheard = {exchange.person for record, exchange in history.audited() if record.reason == "store_unavailable"}
    for person in history.stuck - unknown - unheard:
        theirs = [exchange for exchange in history.exchanges if exchange.person == person]
        hit = (
            exchange.begun <= fault.ended and fault.begun <= exchange.ended + CALL
            for exchange, fault in itertools.product(theirs, history.faults)
        )
        if not any(hit):
            yield f"{person} cannot log in, and nothing was broken"


def _person(call):
    return call.person


RULES = (
    each_reply_is_one_that_may_be,
    each_reply_is_on_record,
    a_state_is_given_for_one_request_only,
    a_state_serves_once,
    no_accept_without_a_right_password_and_code,
    at_most_one_accept_decision_a_login,
    at_most_one_live_call_a_person,
    a_packet_leads_to_one_call,
    tries_are_counted,
    every_login_ends,
)
