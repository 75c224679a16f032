"""The real program for every test that wants it: one simulated Twilio a run, and servers by `start`."""

import itertools
from contextlib import contextmanager

import pytest

from tests.server.house import House, Person, Phones

NUMBERS = itertools.count(1000)


@pytest.fixture(scope="session")
def phones():
    with Phones() as phones:
        yield phones


@pytest.fixture(scope="session")
def slow_phones():
    """A provider that takes its time; long enough for what a test does meanwhile."""
    with Phones("--latency", "0.7") as phones:
        yield phones


@pytest.fixture(scope="session")
def make_person():
    """Somebody whom no other test knows, with a phone of their own."""

    def make(name=None, **more):
        number = next(NUMBERS)
        return Person(**{"name": name or f"person{number}", "phone": f"+1415555{number}", **more})

    return make


@pytest.fixture(scope="session")
def start(phones, tmp_path_factory):
    """A server: `with start(configuration, people) as house`. It ends by SIGTERM, with exit code 0."""

    @contextmanager
    def started(configuration, people, *options, phones=phones):
        house = House(tmp_path_factory.mktemp("house"), phones, configuration, people, *options)
        try:
            yield house
        except BaseException as problem:
            house.kill()
            problem.add_note("".join(["what the server said:\n", *house.stderr[-40:]]))
            raise
        assert 0 == house.stop()

    return started


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    """A test that fails shows what its server said."""
    report = yield
    house = item.funcargs.get("house")
    if report.failed and isinstance(house, House):
        report.sections.append(("what the server said", "".join(house.stderr[-40:])))
    return report
