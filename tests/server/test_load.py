"""What nobody who logs in may notice: a restart and reloads, under load, by one process and by several."""

import signal
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property

import pytest

from radius_voice.identity.passwords import CHEAPEST, hash_password
from radius_voice.radius import packet as radius
from tests.server.house import PATIENCE, Gateway, House, Person
from tests.server.test_workers import Workers
from tests.stores.redis_server import free_port, until

CONFIGURATION = """\
server: {listen: ["udp://127.0.0.1:PORT"], workers: WORKERS, reject_delay: 0.3s}
clients:
  gateway: {address: 127.0.1.0/24, secret: a shared secret of the tests, answer_within: 20s}
policies: {default: {first_factor: none, directory: people, challenge: {digits: 8}}}
limits: {calls: {client: off, country: off, all: off}}
"""


class Caller(Person):
    """Somebody whose password the gateway has checked."""

    @cached_property
    def hashed(self):
        return hash_password(self.password, CHEAPEST)


class Crowd:
    """People who log in, each through a gateway of their own. `servers` counts those that have served them."""

    def __init__(self, make_person, count, phones):
        self.people = [Caller(**vars(make_person())) for _ in range(count)]
        self.phones = phones
        self.inside = []
        self.servers = 1

    @contextmanager
    def logging_in(self, port, at_once):
        """So many at a time; at the end all of them are in."""
        with ThreadPoolExecutor(at_once) as pool:
            logins = [
                pool.submit(self._log_in, Gateway(port, f"127.0.1.{number}"), person)
                for number, person in enumerate(self.people, 1)
            ]
            yield logins
            assert {radius.ACCESS_ACCEPT} == {login.result() for login in logins}

    def _log_in(self, gateway, person):
        try:
            challenge = self._ask(gateway, gateway.first(person))
            code = self.phones.code(person.phone)
            return self._ask(gateway, gateway.second(person, challenge, code)).code
        finally:
            gateway.close()
            self.inside.append(person)

    def _ask(self, gateway, octets):
        """The answer to a packet; what got none is sent again once another server is there."""
        asked = self.servers
        gateway.send(octets)
        gateway.sock.settimeout(0.2)
        over = time.monotonic() + 2 * PATIENCE
        while time.monotonic() < over:
            try:
                return gateway.receive()
            except TimeoutError:
                if asked != self.servers:
                    asked = self.servers
                    gateway.send(octets)
        raise AssertionError("a login got no answer")

    def calls(self):
        return [len(self.phones.calls(person.phone)) for person in self.people]


@pytest.fixture(params=[1, 2])
def serve(request, slow_phones, tmp_path):
    """Starts a server of one process or two, again and again in the same folder, and the port it has."""
    port = free_port()
    configuration = CONFIGURATION.replace("PORT", str(port)).replace("WORKERS", str(request.param))
    houses = []

    def serving(people):
        kind = Workers if request.param > 1 else House
        houses.append(kind(tmp_path, slow_phones, configuration, people))
        return houses[-1]

    serving.port, serving.workers, serving.configuration = port, request.param, configuration
    yield serving
    for house in houses:
        house.kill()


def test_a_restart_under_load_loses_no_login_that_was_taken(serve, slow_phones, make_person):
    crowd = Crowd(make_person, 40, slow_phones)
    house = serve(crowd.people)
    with crowd.logging_in(serve.port, at_once=20):
        until(lambda: len(crowd.inside) >= 5, "some are inside and most are not")
        house.send_signal(signal.SIGTERM)
        assert 0 == house.wait()
        house = serve(crowd.people)
        crowd.servers += 1
    assert 0 == house.stop()
    assert [1] * 40 == crowd.calls()
    answered = Counter(record["source"] for record in house.audit(kind="request"))
    assert dict.fromkeys(answered, 2) == answered, "what was taken before the end was asked again after it"


def test_reloads_under_load_lose_no_login(serve, slow_phones, make_person):
    crowd = Crowd(make_person, 200, slow_phones)
    house = serve(crowd.people)
    with crowd.logging_in(serve.port, at_once=100) as logins:
        reloads = 0
        while reloads < 3 or not all(login.done() for login in logins):
            reloads += 1
            house.write(serve.configuration.replace("digits: 8", f"digits: {8 + reloads % 2}"))
            house.send_signal(signal.SIGHUP)
            house.line("reloaded", house.stderr, times=reloads * serve.workers)
    assert 0 == house.stop()
    assert {8, 9} == {len(slow_phones.code(person.phone)) for person in crowd.people}
    assert [1] * 200 == crowd.calls()
    assert 400 == len(house.audit(kind="request"))
