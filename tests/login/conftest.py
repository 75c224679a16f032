import pytest

from tests.login.fakes import Clock


@pytest.fixture
def clock():
    return Clock()
