"""The invariants of a service, checked against a history.

The checker uses no knowledge of rows, stores or nodes: the invariants hold for any number of them.
"""

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterator

from tests.support.history import Call, Exchange, History

REPEAT_SECONDS = 30.0  # seconds in which a result is repeated
CALL = 9.0  # seconds until the end of a simulated call is known
CALL_REASONS = {"call_placed", "delivery_pending", "delivery_indeterminate", "redial"}

Invariant = Callable[[History], Iterator[str]]


def replies_are_allowed(history: History) -> Iterator[str]:
    """docs/login-story.md and decision 2. Copies of one packet get the same octets or no response."""
    issued: dict[bytes, tuple[str, str]] = {}
    for exchange in history.exchanges:
        issued |= {reply.state: (exchange.user, exchange.client) for reply in exchange.replies if reply.state}
    for exchange in history.exchanges:
        allowed = {"reject"}
        if exchange.right:
            allowed |= {"challenge"}
        if exchange.state and issued.get(exchange.state) == (exchange.user, exchange.client):
            allowed |= {"challenge", "accept"}
        for reply in exchange.replies:
            if reply.outcome not in allowed:
                yield f"{reply.outcome} is not allowed: {exchange}"
        if len({reply.octets for reply in exchange.replies}) > 1:
            yield f"one packet got two replies: {exchange}"


def replies_are_audited(history: History) -> Iterator[str]:
    """Each reply has an audit record with its outcome."""
    audited = defaultdict(set)
    for record in history.audit:
        audited[record.source].add(record.outcome)
    for exchange in history.exchanges:
        if any(reply.outcome not in audited[exchange.source] for reply in exchange.replies):
            yield f"the audit log differs: {exchange}"


def each_state_belongs_to_one_request(history: History) -> Iterator[str]:
    """Each challenge has its own State. A repeated request gets the same State at every node."""
    requests: dict[bytes, tuple[object, Exchange]] = {}
    for exchange in history.exchanges:
        request = (exchange.state, exchange.typed) if exchange.state else exchange.octets[4:]
        for state in {reply.state for reply in exchange.replies if reply.state}:
            before, first = requests.setdefault(state, (request, exchange))
            if before != request:
                yield f"one State was issued for two requests: {first}, and {exchange}"


def each_state_is_used_once(history: History) -> Iterator[str]:
    """Only one of several responses to one challenge has an effect. A failover may lose a wrong one (docs/stores.md)."""
    responses = defaultdict(set)
    for exchange in history.exchanges:
        if exchange.state and any(reply.outcome != "reject" for reply in exchange.replies):
            responses[exchange.state].add(exchange.typed)
    for state, typed in responses.items():
        if len(typed) > 1 and not history.failover:
            yield f"the State {state.hex()[-6:]} was used with {' and with '.join(sorted(typed))}"


def accepts_need_the_right_password_and_code(history: History) -> Iterator[str]:
    """An accepted State comes from a right password (`replies_are_allowed`), its code from the newest call of the login."""
    states = {reply.state for exchange in history.exchanges for reply in exchange.replies}
    decisions = history.accept_decisions()
    for exchange in history.accepted_exchanges():
        calls = [
            call
            for call in history.calls
            if (call.user, call.code) == (exchange.user, exchange.typed) and call.begun <= exchange.begun
        ]
        if exchange.state not in states or not calls:
            yield f"no right password and code: {exchange}"
            continue
        login = decisions.get(exchange.source)
        if calls[0].login and login and calls[0].login != login:
            yield f"the code of another login: {exchange}"
        newer = [call for call in history.calls if call.login and call.login == calls[0].login]
        if any(calls[0].begun < call.begun < exchange.begun for call in newer):
            yield f"the code of an older call: {exchange}"


def each_login_is_accepted_once(history: History) -> Iterator[str]:
    """One State with one response is accepted, and the result is repeated for REPEATED_FOR seconds."""
    accepted = defaultdict(list)
    decisions = history.accept_decisions()
    for exchange in history.accepted_exchanges():
        accepted[exchange.user, exchange.typed].append(exchange)
        if exchange.source in decisions:
            accepted[decisions[exchange.source], ""].append(exchange)
    for exchanges in accepted.values():
        if len({(exchange.state, exchange.typed) for exchange in exchanges}) > 1:
            yield f"two accept decisions: {'; '.join(map(str, exchanges))}"
        first = min(exchange.ended for exchange in exchanges)
        for late in exchanges:
            if late.begun > first + REPEAT_SECONDS:
                yield f"an expired result was repeated: {late}"
    counted = [record.login for record in history.audit if record.reason == "code_correct"]
    for login in {login for login in counted if counted.count(login) > 1}:
        yield f"login {login} was accepted twice"


def each_user_has_one_live_call(history: History) -> Iterator[str]:
    """No phone is called while another call to it is live."""
    for _, calls in itertools.groupby(sorted(history.calls, key=lambda call: (call.user, call.begun)), _user_of):
        for one, next_one in itertools.pairwise(calls):
            if one.ended is None or next_one.begun < one.ended:
                yield f"{one.user} is called during a call: {one.code} and {next_one.code}"


def _user_of(call: Call) -> str:
    return call.user


def each_packet_places_one_call(history: History) -> Iterator[str]:
    """Replayed octets place no call, from any address."""
    placed = defaultdict(set)
    for record, exchange in history.audited_exchanges():
        if record.reason in CALL_REASONS:
            placed[exchange.client, exchange.octets].add(record.source)
    for sources in placed.values():
        if len(sources) > 1:
            yield f"one packet placed a second call, from {sorted(sources)}"


def attempts_are_limited(history: History) -> Iterator[str]:
    """A login has `attempts` wrong codes at most. A failover may lose counted attempts (docs/stores.md)."""
    counted = [record.login for record in history.audit if record.reason in {"wrong_code", "no_attempts_left"}]
    for login in set(counted):
        if counted.count(login) > history.attempts and not history.failover:
            yield f"login {login} had {counted.count(login)} wrong codes"


def users_without_a_fault_can_log_in(history: History) -> Iterator[str]:
    """A user who cannot log in was hit by a fault, by an unavailable store, or by an indeterminate call."""
    audited = history.audited_exchanges()
    indeterminate = {exchange.user for record, exchange in audited if record.login in history.indeterminate_logins}
    without_store = {exchange.user for record, exchange in audited if record.reason == "store_unavailable"}
    for user in history.stuck_users - indeterminate - without_store:
        exchanges = [exchange for exchange in history.exchanges if exchange.user == user]
        hit = (
            exchange.begun <= fault.ended and fault.begun <= exchange.ended + CALL
            for exchange, fault in itertools.product(exchanges, history.faults)
        )
        if not any(hit):
            yield f"{user} cannot log in without a fault"


class InvariantChecker:
    """Checks a history against all invariants."""

    invariants: tuple[Invariant, ...] = (
        replies_are_allowed,
        replies_are_audited,
        each_state_belongs_to_one_request,
        each_state_is_used_once,
        accepts_need_the_right_password_and_code,
        each_login_is_accepted_once,
        each_user_has_one_live_call,
        each_packet_places_one_call,
        attempts_are_limited,
        users_without_a_fault_can_log_in,
    )

    def violations(self, history: History) -> list[str]:
        """One sentence for each violation."""
        return [sentence for invariant in self.invariants for sentence in invariant(history)]

    def violated(self, history: History) -> set[Invariant]:
        """The invariants that the history violates."""
        return {invariant for invariant in self.invariants if list(invariant(history))}
