import pytest

from tests.stores.redis_server import RedisServer, Shared


@pytest.fixture(scope="session", autouse=True)
def _the_shared_redis_ends_with_the_run():
    yield
    Shared.close()


@pytest.fixture
def redis():
    """An empty Redis that other tests use too: it is neither stopped nor configured."""
    return Shared.emptied()


@pytest.fixture
def start_redis(tmp_path):
    """A Redis of the test's own: `start_redis("--option", "value")`."""
    started = []

    def start(*options, **more):
        started.append(RedisServer(tmp_path / f"redis{len(started)}", *options, **more))
        return started[-1]

    yield start
    for server in started:
        server.close()
