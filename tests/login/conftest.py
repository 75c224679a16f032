import pytest

from tests.login.harness import Clock


@pytest.fixture
def clock():
    return Clock()
