"""A random run of two nodes: gateways that log people in at either, and faults meanwhile. `history.py` judges it."""

import itertools
import secrets
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from random import Random

from radius_voice.radius import packet as radius
from tests.server.history import NAMES, Audited, Call, Exchange, Fault, History, Reply
from tests.server.house import Gateway, House
from tests.stores.redis_server import frozen, until

ACTORS = 10
CLIENTS = {"gateway": 1, "other": 2}  # their networks: 127.1.0.0/16 and 127.2.0.0/16
PATIENCE = 1.0  # how long a gateway waits for one node, its retransmission included
IN_NO_TIME = 2.0  # how long a call that is being hung up may keep a person busy
ATTEMPTS = 4  # the first may end what was open, and find out that another gateway's is
CAP = 130.0  # when every login has ended
CONFIGURATION = """\
server:
  listen: ["udp://ADDRESS:0"]
  key: a server key that both nodes have
  reject_delay: 0.1s
clients:
  gateway: {address: 127.1.0.0/16, secret: a shared secret of the tests, answer_within: 0.8s}
  other: {address: 127.2.0.0/16, secret: a shared secret of the tests, answer_within: 0.8s}
policies: {default: {challenge: {digits: 8, ring: 10s, cap: 130s, redials: 5}}}
limits:
  wrong_passwords: {person: off, source: off, client: off}
  wrong_codes: {person: off, phone: off, source: off}
  calls: {person: off, phone: off, source: off, client: off, country: off, all: off}
  calls_a_day: {person: off, country: off, all: off}
"""


class Node:
    """A server that is killed and started again in the same folder.

    It has an address of its own: while it is dead, nobody else may be given its port and answer in its place.
    """

    def __init__(self, folder, phones, store, people):
        self.name = folder.name
        self.address = f"127.{secrets.randbelow(100) + 100}.{secrets.randbelow(256)}.{secrets.randbelow(254) + 1}"
        self._house = (folder, phones, CONFIGURATION.replace("ADDRESS", self.address) + store, people)
        self.start()

    def start(self):
        self.house = House(*self._house)

    @property
    def port(self):
        return self.house.ports[0]

    def kill(self):
        self.house.kill()

    def stop(self):
        """End it as it should end; all that it wrote down."""
        assert 0 == self.house.stop()
        return self.house.audit()


class Drill:
    """Everything that happens by chance is drawn from `seed`; how it interleaves is the machine's own."""

    def __init__(self, seed, nodes, phones, people):
        self.seed = seed
        self.nodes = nodes
        self.phones = phones
        self.people = people
        self._people = {person.name: person for person in people}
        self.history = History()
        self._numbers = itertools.count(1)
        self._states = {(person, client): [] for person in people for client in CLIENTS}
        self._news = threading.Condition()
        self._sent = {"first": 0, "answer": 0}

    # A run

    def run(self, seconds, faults):
        """Log in for so long while `faults` (functions of a Drill and a Random) happen one after the other."""
        over = time.monotonic() + seconds
        chance = Random(f"{self.seed}:faults")
        with ThreadPoolExecutor(ACTORS) as pool:
            actors = [pool.submit(self._act, Random(f"{self.seed}:{number}"), over) for number in range(ACTORS)]
            while time.monotonic() < over:
                fault = chance.choice(faults)
                begun, what = time.time(), fault(self, chance)
                self.history.faults.append(Fault(begun, time.time(), what))
                time.sleep(chance.uniform(0, 0.4))
            for actor in actors:
                actor.result()

    def close(self, patience):
        """See who can log in now, at one of several attempts within so many seconds, and end the nodes."""
        over = time.monotonic() + patience
        waiting = self.people
        attempts = itertools.count()
        with ThreadPoolExecutor(ACTORS) as pool:
            while waiting and (next(attempts) < ATTEMPTS or time.monotonic() < over):
                inside = list(pool.map(self._logs_in, waiting))
                waiting = [person for person, well in zip(waiting, inside, strict=True) if not well]
                time.sleep(0.1)
        self.history.stuck = {person.name for person in waiting}
        self._read([record for node in self.nodes for record in node.stop()])

    def _read(self, audit):
        calls = [record for record in audit if record["kind"] == "call"]
        logins = {record.get("reference"): record["login"] for record in calls}
        self.history.unknown = {record["login"] for record in calls if record["result"] == "unknown"}
        self.history.audit = [
            Audited(record["source"], record["outcome"], record["reason"], record.get("login", ""))
            for record in audit
            if record["kind"] == "request"
        ]
        self.history.calls = [
            Call(call["at"], call["ended"], person.name, call["code"], logins.get(call["sid"], ""))
            for person in self.people
            for call in self.phones.calls(person.phone)
        ]

    def next(self, kind):
        """Wait until the next first packet or answer leaves, for a second at most."""
        with self._news:
            before = self._sent[kind]
            self._news.wait_for(lambda: self._sent[kind] > before, 1.0)

    # What a gateway does

    def _act(self, chance, over):
        moves = {self._log_in: 8, self._answer_late: 4, self._replay: 2, self._steal: 1}
        while time.monotonic() < over:
            (move,) = chance.choices([*moves], [*moves.values()])
            move(chance, chance.choice(self.people), chance.choice([*CLIENTS]))

    def _log_in(self, chance, person, client):
        """A first packet, perhaps at the other node before the first one has answered; then answers, to the end."""
        node, other = chance.sample(self.nodes, 2)
        if chance.random() < 0.1:
            self.ask(node, client, person, typed="not the password")
            return
        patience = chance.uniform(0.02, 0.3) if chance.random() < 0.3 else PATIENCE
        asked = self.ask(node, client, person, right=True, patience=patience)
        if asked.told is None:
            octets = asked.octets if chance.random() < 0.2 else None
            asked = self.ask(other, client, person, right=True, octets=octets)
        first = asked
        while asked.state_given and chance.random() < 0.9:
            asked = self._answer(chance, person, client, asked.state_given)
        if chance.random() < 0.2:
            self._send_again(chance, first)

    def _answer(self, chance, person, client, state):
        """An answer at either node; or two at once, as when a gateway fails over while the first node thinks."""
        typed = self._typed(chance, person)
        if chance.random() < 0.6:
            return self.ask(chance.choice(self.nodes), client, person, state=state, typed=typed)
        typed_too = typed if chance.random() < 0.7 else self._typed(chance, person)
        together = threading.Barrier(2)
        with ThreadPoolExecutor(1) as pool:
            about = {"state": state, "together": together}
            one = pool.submit(self.ask, self.nodes[0], client, person, typed=typed, **about)
            other = self.ask(self.nodes[1], client, person, typed=typed_too, **about)
        return max(one.result(), other, key=lambda asked: len(asked.state_given))

    def _answer_late(self, chance, person, client):
        """Somebody comes back to a challenge, perhaps one that was answered."""
        state = self._state(chance, person, client)
        if state:
            self._answer(chance, person, client, state)

    def _replay(self, chance, *_):
        """Somebody sends again what they recorded."""
        if self.history.exchanges:
            self._send_again(chance, chance.choice(self.history.exchanges))

    def _send_again(self, chance, old):
        about = {"state": old.state, "typed": old.typed, "right": old.right}
        self.ask(chance.choice(self.nodes), old.client, self._people[old.person], octets=old.octets, **about)

    def _steal(self, chance, person, client):
        """The State of somebody else, of another gateway or of nobody, with a code that was heard."""
        strangers = [key for key in self._states if key != (person, client)]
        state = self._state(chance, *chance.choice(strangers)) or chance.randbytes(32)
        self.ask(chance.choice(self.nodes), client, person, state=state, typed=self._code(person))

    def _state(self, chance, person, client):
        """Mostly the newest that was given, sometimes an old one, None where there is none."""
        states = self._states[person, client]
        return (states[-1] if chance.random() < 0.7 else chance.choice(states)) if states else None

    def _typed(self, chance, person):
        (kind,) = chance.choices(["right", "old", "wrong", "phone", "password"], [10, 2, 4, 3, 1])
        if kind == "old":
            return chance.choice(self._codes(person))
        return {"right": self._code(person), "wrong": "00000000", "phone": "phone", "password": person.password}[kind]

    def _codes(self, person):
        return [call["code"] for call in self.phones.calls(person.phone)] or ["00000000"]

    def _code(self, person):
        return self._codes(person)[-1]

    def _logs_in(self, person):
        """Whether somebody gets a call and in at either client. This ends what was open before."""
        return any(self._logs_in_at(client, person) for client in CLIENTS)

    def _logs_in_at(self, client, person):
        before = len(self.phones.calls(person.phone))
        state = self.ask(self.nodes[0], client, person, right=True).state_given
        if not state and self._states[person, client]:
            state = self._states[person, client][-1]  # where no call is left, a code may be
        if not state:
            return False
        told = self.ask(self.nodes[1], client, person, state=state, typed=self._code(person)).told
        new = len(self.phones.calls(person.phone)) - before
        return told is not None and (told.outcome, new) == ("accept", 1)

    # One request

    def ask(
        self, node, client, person, *, state=b"", typed="", right=False, octets=None, patience=PATIENCE, together=None
    ):
        """Send one request, twice if need be, from an address of its own.

        `octets` are some that were sent before, `together` a barrier at which others wait.
        """
        number = next(self._numbers)
        source = f"127.{CLIENTS[client]}.{number >> 8}.{number & 255}"
        gateway = Gateway(node.port, source, server=node.address)
        try:
            if octets is None:
                octets = self._request(gateway, person, state, person.password if right else typed)
            else:
                gateway.sent[octets[1]] = octets[4:20]
            if together is not None:
                together.wait(PATIENCE)
            begun = time.time()
            replies = self._talk(gateway, octets, patience, "answer" if state else "first")
        finally:
            gateway.close()
        asked = Exchange(
            begun, time.time(), node.name, client, source, person.name, octets, right, state, typed, tuple(replies)
        )
        self.history.exchanges.append(asked)
        if asked.state_given:
            self._states[person, client].append(asked.state_given)
        return asked

    def _request(self, gateway, person, state, typed):
        attributes = [(radius.USER_NAME, person.name.encode())]
        return gateway.request([*attributes, (radius.STATE, state)] if state else attributes, typed)

    def _talk(self, gateway, octets, patience, kind):
        """The replies to a request; one that was answered is now and then sent again."""
        replies = []
        again = octets[4] < 25  # one in ten, by chance of its authenticator
        for _ in range(2):
            gateway.send(octets)
            with self._news:
                self._sent[kind] += 1
                self._news.notify_all()
            gateway.sock.settimeout(0.1 if replies else patience / 2)
            with suppress(TimeoutError):
                packet = gateway.receive()
                replies.append(Reply(NAMES[packet.code], packet.first(radius.STATE) or b"", packet.raw))
            if replies and not again:
                break
        return replies


# Faults: functions of a Drill and a Random, which end when all is whole again and give their name


def a_node_is_killed(drill, chance):
    node, kind = chance.choice(drill.nodes), chance.choice(["first", "answer"])
    drill.next(kind)
    time.sleep(chance.uniform(0, 0.2 if kind == "first" else 0.02))
    node.kill()
    time.sleep(chance.choice([0, 0.5]))
    node.start()
    return f"{node.name} is killed after a packet ({kind})"


def a_node_hangs(drill, chance):
    node = chance.choice(drill.nodes)
    node.house.send_signal(signal.SIGSTOP)
    time.sleep(chance.uniform(0.1, 1.5))
    node.house.send_signal(signal.SIGCONT)
    return f"{node.name} hangs"


def redis_is_killed(redis):
    """A fault of that server: it starts again with what its disk had."""

    def killed(drill, chance):
        drill.next(chance.choice(["first", "answer"]))
        redis.kill()
        time.sleep(chance.uniform(0, 0.7))
        redis.start()
        return "Redis is killed"

    return killed


def redis_hangs(redis):
    """A fault of that server, long enough for operations on it to time out."""

    def hangs(drill, chance):
        drill.next(chance.choice(["first", "answer"]))
        with frozen(redis):
            time.sleep(chance.uniform(0.1, 1.2))
        return "Redis hangs"

    return hangs


class Pair:
    """A Redis, its replica, and a Sentinel that makes the replica master when the master is gone."""

    def __init__(self, start_redis, *options):
        self.master, self.copy = start_redis(*options), start_redis(*options)
        self.copy.admin.replicaof(*self.master.address)
        config = f"""
            sentinel monitor mymaster 127.0.0.1 {self.master.port} 1
            sentinel down-after-milliseconds mymaster 500
            sentinel failover-timeout mymaster 1000
        """
        self.watch = start_redis("--sentinel", config=config)
        until(lambda: self._seen["num-slaves"] == 1, "the Sentinel knows the replica")
        until(self._follows, "the replica follows")

    @property
    def _seen(self):
        return self.watch.admin.sentinel_master("mymaster")

    def _follows(self):
        """Whether one follows the other, which the Sentinel holds for the master. It may have changed its mind."""
        if self._seen["port"] == self.copy.port:
            self.master, self.copy = self.copy, self.master
        seen = self.copy.admin.info("replication")
        if seen["role"] == "master":
            self.copy.admin.replicaof(*self.master.address)
        return seen.get("master_link_status") == "up" and self.master.admin.info("replication")["role"] == "master"

    def fails_over(self, drill, chance):
        """A fault: the master dies, or hangs, and is a replica when it is back."""
        drill.next(chance.choice(["first", "answer"]))
        old, hangs = self.master, chance.random() < 0.5
        old.signal(signal.SIGSTOP) if hangs else old.kill()
        until(lambda: self._seen["port"] != old.port, "the Sentinel has chosen another")
        old.signal(signal.SIGCONT) if hangs else old.start()
        time.sleep(chance.uniform(0, 1.0) if hangs else 0)  # a master that does not know that it is none
        until(self._follows, "the old master follows the new one")
        return f"the master {'hangs' if hangs else 'dies'}, and its replica takes over"
