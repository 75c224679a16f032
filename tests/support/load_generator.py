"""Random logins of many users at two nodes."""

import itertools
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from random import Random
from typing import Any

from radius_voice.radius import packet as radius
from tests.support.fault_injector import FaultInjector
from tests.support.history import OUTCOMES, AuditedRequest, Call, Exchange, History, Reply
from tests.support.node_process import NodeProcess
from tests.support.radius_test_client import RadiusTestClient
from tests.support.server_process import ConfiguredUser
from tests.support.simulator_process import SimulatorProcess

WORKERS = 10
CLIENTS = {"gateway": 1, "other": 2}  # client entries with the networks 127.1.0.0/16 and 127.2.0.0/16
CLIENT_TIMEOUT = 1.0  # seconds that a client waits for one node, including its retransmission
HANG_UP_SECONDS = 2.0  # seconds that a call that is being hung up may keep a user busy
MIN_LOGIN_ROUNDS = 4  # the first login may end an open session, and find that of another client
SESSION_TIMEOUT = 130.0  # seconds until every session has ended
CONFIGURATION = """\
server:
  listen: ["udp://ADDRESS:0"]
  key: a server key that both nodes have
  reject_delay: 0.1s
clients:
  gateway: {address: 127.1.0.0/16, secret: a shared secret of the tests, response_timeout: 0.8s}
  other: {address: 127.2.0.0/16, secret: a shared secret of the tests, response_timeout: 0.8s}
policies: {default: {challenge: {digits: 8, ring_timeout: 10s, session_timeout: 130s, redials: 5}}}
limits:
  wrong_passwords: {user: off, calling_station: off, client: off}
  wrong_codes: {user: off, phone: off, calling_station: off}
  calls: {user: off, phone: off, calling_station: off, client: off, country: off, total: off}
  calls_per_day: {user: off, country: off, total: off}
"""

Action = Callable[[Random, ConfiguredUser, str], None]


class LoadGenerator:
    """Logs users in at random. `seed` determines the requests; their interleaving depends on the machine."""

    def __init__(
        self,
        seed: int,
        nodes: Sequence[NodeProcess],
        simulator: SimulatorProcess,
        users: Sequence[ConfiguredUser],
    ) -> None:
        self.seed = seed
        self.nodes = nodes
        self.simulator = simulator
        self.users = users
        self._users = {user.name: user for user in users}
        self.history = History()
        self._numbers = itertools.count(1)
        self._states: dict[tuple[ConfiguredUser, str], list[bytes]] = {
            (user, client): [] for user in users for client in CLIENTS
        }
        self._request_sent = threading.Condition()
        self._sent = {"initial": 0, "response": 0}

    # A run

    def run(self, seconds: float, faults: FaultInjector) -> None:
        """Log users in for the given time while `faults` are injected."""
        end = time.monotonic() + seconds
        with ThreadPoolExecutor(WORKERS) as pool:
            workers = [pool.submit(self._act, Random(f"{self.seed}:{number}"), end) for number in range(WORKERS)]
            faults.inject_until(self, end)
            for worker in workers:
                worker.result()

    def finish(self, timeout: float) -> None:
        """Log every user in, with retries for `timeout` seconds, then stop the nodes and read their audit logs."""
        end = time.monotonic() + timeout
        waiting = list(self.users)
        rounds = itertools.count()
        with ThreadPoolExecutor(WORKERS) as pool:
            while waiting and (next(rounds) < MIN_LOGIN_ROUNDS or time.monotonic() < end):
                results = list(pool.map(self._can_log_in, waiting))
                waiting = [user for user, accepted in zip(waiting, results, strict=True) if not accepted]
                time.sleep(0.1)
        self.history.stuck_users = {user.name for user in waiting}
        self._add_audit([record for node in self.nodes for record in node.stop()])

    def _add_audit(self, audit: list[dict[str, Any]]) -> None:
        calls = [record for record in audit if record["kind"] == "delivery"]
        assert calls, "the audit log has no record of a call"
        logins = {record.get("reference"): record["session"] for record in calls}
        self.history.indeterminate_logins = {
            record["session"] for record in calls if record["result"] == "indeterminate"
        }
        self.history.audit = [
            AuditedRequest(record["client_address"], record["outcome"], record["reason"], record.get("session", ""))
            for record in audit
            if record["kind"] == "request"
        ]
        self.history.calls = [
            Call(call["at"], call["ended"], user.name, call["code"], logins.get(call["sid"], ""))
            for user in self.users
            for call in self.simulator.calls(user.phone)
        ]

    def wait_for_next_request(self, kind: str) -> None:
        """Wait until the next "initial" request or "response" to a challenge is sent, for one second at most."""
        with self._request_sent:
            before = self._sent[kind]
            self._request_sent.wait_for(lambda: self._sent[kind] > before, 1.0)

    # Actions of clients

    def _act(self, random: Random, end: float) -> None:
        weights: dict[Action, int] = {
            self._log_in: 8,
            self._respond_late: 4,
            self._replay: 2,
            self._use_foreign_state: 1,
        }
        while time.monotonic() < end:
            (action,) = random.choices([*weights], [*weights.values()])
            action(random, random.choice(self.users), random.choice([*CLIENTS]))

    def _log_in(self, random: Random, user: ConfiguredUser, client: str) -> None:
        """Send an initial request, possibly also to the other node before the first responds; then codes to the end."""
        node, other = random.sample(self.nodes, 2)
        if random.random() < 0.1:
            self.exchange(node, client, user, typed="not the password")
            return
        timeout = random.uniform(0.02, 0.3) if random.random() < 0.3 else CLIENT_TIMEOUT
        last = self.exchange(node, client, user, right=True, timeout=timeout)
        if last.reply is None:
            octets = last.octets if random.random() < 0.2 else None
            last = self.exchange(other, client, user, right=True, octets=octets)
        first = last
        while last.received_state and random.random() < 0.9:
            last = self._respond(random, user, client, last.received_state)
        if random.random() < 0.2:
            self._send_again(random, first)

    def _respond(self, random: Random, user: ConfiguredUser, client: str, state: bytes) -> Exchange:
        """Respond to a challenge at either node, or at both at once, as if the client failed over."""
        typed = self._typed(random, user)
        if random.random() < 0.6:
            return self.exchange(random.choice(self.nodes), client, user, state=state, typed=typed)
        other_typed = typed if random.random() < 0.7 else self._typed(random, user)
        barrier = threading.Barrier(2)
        with ThreadPoolExecutor(1) as pool:
            one = pool.submit(self.exchange, self.nodes[0], client, user, typed=typed, state=state, barrier=barrier)
            other = self.exchange(self.nodes[1], client, user, typed=other_typed, state=state, barrier=barrier)
        return max(one.result(), other, key=lambda exchange: len(exchange.received_state))

    def _respond_late(self, random: Random, user: ConfiguredUser, client: str) -> None:
        """Respond to an earlier challenge, possibly a second time."""
        state = self._known_state(random, user, client)
        if state:
            self._respond(random, user, client, state)

    def _replay(self, random: Random, user: ConfiguredUser, client: str) -> None:
        """Send the octets of an earlier request."""
        if self.history.exchanges:
            self._send_again(random, random.choice(self.history.exchanges))

    def _send_again(self, random: Random, old: Exchange) -> None:
        self.exchange(
            random.choice(self.nodes),
            old.client,
            self._users[old.user],
            octets=old.octets,
            state=old.state,
            typed=old.typed,
            right=old.right,
        )

    def _use_foreign_state(self, random: Random, user: ConfiguredUser, client: str) -> None:
        """Send a right code with the State of another user or client, or with a random one."""
        foreign = [key for key in self._states if key != (user, client)]
        state = self._known_state(random, *random.choice(foreign)) or random.randbytes(32)
        self.exchange(random.choice(self.nodes), client, user, state=state, typed=self._code(user))

    def _known_state(self, random: Random, user: ConfiguredUser, client: str) -> bytes | None:
        """Usually the newest State, sometimes an old one, None without any."""
        states = self._states[user, client]
        return (states[-1] if random.random() < 0.7 else random.choice(states)) if states else None

    def _typed(self, random: Random, user: ConfiguredUser) -> str:
        (kind,) = random.choices(["right", "old", "wrong", "phone", "password"], [10, 2, 4, 3, 1])
        if kind == "old":
            return random.choice(self._codes(user))
        return {"right": self._code(user), "wrong": "00000000", "phone": "phone", "password": user.password}[kind]

    def _codes(self, user: ConfiguredUser) -> list[str]:
        return [call["code"] for call in self.simulator.calls(user.phone)] or ["00000000"]

    def _code(self, user: ConfiguredUser) -> str:
        return self._codes(user)[-1]

    def _can_log_in(self, user: ConfiguredUser) -> bool:
        """Whether a user gets a call and is accepted at either client. This ends an open session."""
        return any(self._can_log_in_at(client, user) for client in CLIENTS)

    def _can_log_in_at(self, client: str, user: ConfiguredUser) -> bool:
        before = len(self.simulator.calls(user.phone))
        state = self.exchange(self.nodes[0], client, user, right=True).received_state
        if not state and self._states[user, client]:
            state = self._states[user, client][-1]  # without redials left, the last code may still be valid
        if not state:
            return False
        reply = self.exchange(self.nodes[1], client, user, state=state, typed=self._code(user)).reply
        new = len(self.simulator.calls(user.phone)) - before
        return reply is not None and (reply.outcome, new) == ("accept", 1)

    # One request

    def exchange(
        self,
        node: NodeProcess,
        client: str,
        user: ConfiguredUser,
        *,
        state: bytes = b"",
        typed: str = "",
        right: bool = False,
        octets: bytes | None = None,
        timeout: float = CLIENT_TIMEOUT,
        barrier: threading.Barrier | None = None,
    ) -> Exchange:
        """Send one request, twice if necessary, from its own address, and add it to the history.

        `octets` are those of an earlier request. All threads with the same `barrier` send at the same time.
        """
        number = next(self._numbers)
        source = f"127.{CLIENTS[client]}.{number >> 8}.{number & 255}"
        radius_client = RadiusTestClient(node.port, source, server=node.address)
        try:
            if octets is None:
                octets = self._request(radius_client, user, state, user.password if right else typed)
            else:
                radius_client.sent[octets[1]] = octets[4:20]
            if barrier is not None:
                barrier.wait(CLIENT_TIMEOUT)
            begun = time.time()
            replies = self._transmit(radius_client, octets, timeout, "response" if state else "initial")
        finally:
            radius_client.close()
        exchange = Exchange(
            begun, time.time(), node.name, client, source, user.name, octets, right, state, typed, tuple(replies)
        )
        self.history.exchanges.append(exchange)
        if exchange.received_state:
            self._states[user, client].append(exchange.received_state)
        return exchange

    def _request(self, client: RadiusTestClient, user: ConfiguredUser, state: bytes, typed: str) -> bytes:
        attributes = [(radius.USER_NAME, user.name.encode())]
        return client.request([*attributes, (radius.STATE, state)] if state else attributes, typed)

    def _transmit(self, client: RadiusTestClient, octets: bytes, timeout: float, kind: str) -> list[Reply]:
        """The replies to a request. One in ten is transmitted again after its reply."""
        replies: list[Reply] = []
        retransmitted = octets[4] < 25  # one in ten, determined by its Request Authenticator
        for _ in range(2):
            client.send(octets)
            with self._request_sent:
                self._sent[kind] += 1
                self._request_sent.notify_all()
            client.sock.settimeout(0.1 if replies else timeout / 2)
            with suppress(TimeoutError):
                packet = client.receive()
                replies.append(Reply(OUTCOMES[packet.code], packet.first(radius.STATE) or b"", packet.raw))
            if replies and not retransmitted:
                break
        return replies
