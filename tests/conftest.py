"""Fixtures for real processes: one simulated Twilio per run, and servers from `start_server`."""

import itertools
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest

from radius_voice.cli import common
from tests.support.other_user import as_other_user, public_directory  # noqa: F401 - fixtures
from tests.support.postgresql_server import PostgresqlServer, SharedPostgresql
from tests.support.server_process import ConfiguredUser, ServerProcess
from tests.support.simulator_process import SimulatorProcess

NUMBERS = itertools.count(1000)
SLOW_PROVIDER_SECONDS = "0.7"
MAX_LINES = 40

MakeUser = Callable[..., ConfiguredUser]
StartServer = Callable[..., AbstractContextManager[ServerProcess]]


@pytest.fixture(scope="session", autouse=True)
def _no_default_configuration(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Commands of tests never read the configuration of this machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(common, "DEFAULT_CONFIG", tmp_path_factory.getbasetemp() / "none.yaml")
        yield


@pytest.fixture(scope="session", autouse=True)
def _stop_shared_postgresql() -> Iterator[None]:
    yield
    SharedPostgresql.close()


@pytest.fixture
def postgresql() -> PostgresqlServer:
    """The server that all tests use. It runs at the end of each test."""
    return SharedPostgresql.running()


@pytest.fixture(scope="session")
def simulator() -> Iterator[SimulatorProcess]:
    with SimulatorProcess() as process:
        yield process


@pytest.fixture(scope="session")
def slow_simulator() -> Iterator[SimulatorProcess]:
    """A provider with a latency that is longer than the other steps of a test."""
    with SimulatorProcess("--latency", SLOW_PROVIDER_SECONDS) as process:
        yield process


@pytest.fixture(scope="session")
def make_user() -> MakeUser:
    """Creates a user that no other test has, with their own phone."""

    def make(name: str | None = None, **values: Any) -> ConfiguredUser:
        number = next(NUMBERS)
        return ConfiguredUser(**{"name": name or f"user{number}", "phone": f"+1415555{number}", **values})

    return make


@pytest.fixture(scope="session")
def start_server(simulator: SimulatorProcess, tmp_path_factory: pytest.TempPathFactory) -> StartServer:
    """A server: `with start_server(configuration, users) as server`. It ends by SIGTERM, with exit code 0."""
    default_simulator = simulator

    @contextmanager
    def started(
        configuration: str,
        users: Iterable[ConfiguredUser],
        *options: object,
        simulator: SimulatorProcess | str = default_simulator,
    ) -> Iterator[ServerProcess]:
        server = ServerProcess(tmp_path_factory.mktemp("server"), simulator, configuration, users, *options)
        try:
            yield server
        except BaseException as error:
            server.kill()
            error.add_note("".join(["output of the server:\n", *server.stderr[-MAX_LINES:]]))
            raise
        assert 0 == server.stop()

    return started


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Function) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the output of the server to the report of a failed test."""
    report = yield
    server = item.funcargs.get("server")
    if report.failed and isinstance(server, ServerProcess):
        report.sections.append(("output of the server", "".join(server.stderr[-MAX_LINES:])))
    return report
