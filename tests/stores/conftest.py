import pytest

from tests.support.redis_server import SharedRedis, redis_factory


@pytest.fixture(scope="session", autouse=True)
def _stop_shared_redis():
    yield
    SharedRedis.close()


@pytest.fixture
def redis():
    """An empty Redis that other tests also use. Tests neither stop nor configure it."""
    return SharedRedis.emptied()


@pytest.fixture
def start_redis(tmp_path):
    """A Redis only for this test: `start_redis("--option", "value")`."""
    with redis_factory(tmp_path) as start:
        yield start
