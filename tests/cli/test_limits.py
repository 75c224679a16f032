"""`limits` and `users unlock`, beside a server that uses the same store."""

import pytest
from click.testing import CliRunner

from radius_voice.cli.main import main
from radius_voice.radius import packet as radius
from tests.server.house import House
from tests.stores.redis_server import free_port

CONFIGURATION = """\
server: {listen: ["udp://127.0.0.1:0"], reject_delay: 0s}
clients:
  gateway: {address: 127.0.0.1, secret: a shared secret of the tests}
limits:
  wrong_codes: {person: 1 per 24h}
"""


@pytest.fixture
def person(make_person):
    return make_person()


@pytest.fixture
def house(phones, tmp_path, person):
    house = House(tmp_path, phones, CONFIGURATION, [person])
    yield house
    assert 0 == house.stop()


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def row(output, name):
    """Used and left of a limit."""
    line = next(line for line in output.splitlines() if line.startswith(name))
    return [int(word) for word in line.split() if word.isdigit()][:2]


def test_what_a_person_used_is_shown_and_given_back(house, person):
    gateway = house.gateway()
    challenge = gateway.begin(person)
    challenge = gateway.answer(person, challenge, "wrong")
    shown = run("limits", "--config", house.path, "--user", person.name)
    assert 0 == shown.exit_code, shown.output
    assert [1, 0] == row(shown.output, "wrong_codes.person")
    assert [1, 4] == row(shown.output, "calls.person")
    assert [1, 4] == row(shown.output, "calls.phone")
    assert person.phone not in shown.output
    assert shown.output.splitlines()[1].endswith("10 per 10m"), "as the configuration writes it"
    assert [1, 39] == row(run("limits", "--config", house.path).output, "calls.all")

    assert radius.ACCESS_REJECT == gateway.answer(person, challenge, house.phones.code(person.phone)).code
    assert "locked" == house.reasons(person)[-1]
    unlocked = run("users", "unlock", "--config", house.path, person.name)
    assert (0, f"{person.name} is unlocked\n") == (unlocked.exit_code, unlocked.output)
    assert radius.ACCESS_CHALLENGE == house.gateway().begin(person).code
    assert [0, 1] == row(run("limits", "--config", house.path, "--user", person.name).output, "wrong_codes.person")


def test_nobody_of_that_name_is_told(house):
    for command in (("limits", "--user", "nobody"), ("users", "unlock", "nobody")):
        told = run(*command, "--config", house.path)
        assert (1, True) == (told.exit_code, "nobody has that name" in told.output)


def test_a_store_in_memory_cannot_be_looked_into(house):
    house.write(CONFIGURATION + "store: {type: memory}\n")
    told = run("limits", "--config", house.path)
    assert (1, True) == (told.exit_code, "belongs to the process that serves" in told.output)


def test_a_store_that_is_out_of_reach_is_told(house, person):
    lost = f"store: {{type: redis, servers: ['127.0.0.1:{free_port()}']}}\n"
    house.write(CONFIGURATION.replace("reject_delay", "key: a server key that the tests have, reject_delay") + lost)
    for command in (("limits",), ("users", "unlock", person.name)):
        told = run(*command, "--config", house.path)
        assert (1, True) == (told.exit_code, told.output.startswith("Error: store: Redis is out of reach"))
