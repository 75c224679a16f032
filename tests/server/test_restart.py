"""What outlives a process that was killed, with the store that `serve` has by default."""

import pytest

from radius_voice.radius import packet as radius
from tests.server.house import House

CONFIGURATION = """\
server: {listen: ["udp://127.0.0.1:0"], reject_delay: 0.3s}
clients:
  gateway: {address: 127.0.0.1, secret: a shared secret of the tests, require_message_authenticator: auto}
limits:
  wrong_codes: {person: 2 per 24h}
"""


@pytest.fixture
def people(make_person):
    return [make_person() for _ in range(3)]


@pytest.fixture
def life(phones, tmp_path, people):
    """Starts the server, again and again in the same folder; all but the last are killed."""
    houses = []

    def again():
        if houses:
            houses[-1].kill()
        houses.append(House(tmp_path, phones, CONFIGURATION, people))
        return houses[-1]

    yield again
    assert 0 == houses[-1].stop()


def test_a_challenge_given_before_a_kill_is_answered_after_the_restart(life, people):
    anne = people[0]
    house = life()
    challenge = house.gateway().begin(anne)
    house = life()
    accept = house.gateway().answer(anne, challenge, house.phones.code(anne.phone))
    assert radius.ACCESS_ACCEPT == accept.code
    assert 1 == len(house.phones.calls(anne.phone))


def test_a_state_used_before_a_kill_is_not_accepted_with_another_answer(life, people):
    anne = people[0]
    house = life()
    challenge = house.gateway().begin(anne)
    wrong = house.gateway().answer(anne, challenge, "000000x")
    assert radius.ACCESS_CHALLENGE == wrong.code
    house = life()
    code = house.phones.code(anne.phone)
    assert radius.ACCESS_REJECT == house.gateway().answer(anne, challenge, code).code
    assert radius.ACCESS_ACCEPT == house.gateway().answer(anne, wrong, code).code


def test_limits_hold_over_a_kill(life, people):
    anne = people[0]
    house = life()
    challenge = house.gateway().begin(anne)
    for _ in range(2):
        challenge = house.gateway().answer(anne, challenge, "wrong")
    house = life()
    assert radius.ACCESS_REJECT == house.gateway().answer(anne, challenge, house.phones.code(anne.phone)).code
    assert "locked" == house.reasons(anne)[-1]


def test_who_signs_is_remembered_over_a_kill(life, people):
    anne, bob, _ = people
    house = life()
    unsigned = house.gateway()
    assert radius.ACCESS_CHALLENGE == unsigned.begin(anne, signed=False).code
    assert radius.ACCESS_CHALLENGE == house.gateway().begin(bob).code
    house = life()
    gateway = house.gateway()
    gateway.send(gateway.first(anne, signed=False))
    house.settled()
    assert gateway.silent()
    assert 1 == house.metric("radius_voice_discards_total", reason="no_message_authenticator")
