"""Servers that several modules need, one for each module."""

import pytest

from tests.support.slapd_server import SlapdServer


@pytest.fixture(scope="module")
def slapd(tmp_path_factory):
    server = SlapdServer(tmp_path_factory.mktemp("slapd"))
    yield server
    server.stop()
