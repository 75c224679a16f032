"""`server.accounting`: the addresses for accounting."""

import pytest

from radius_voice.endpoints import ACCOUNTING, LISTEN, udp_endpoints
from tests.config.conftest import changed


def test_no_accounting_is_received_unless_it_is_configured(file):
    assert () == file.load(changed("server", {})).settings.server.accounting


def test_addresses_for_accounting_follow_those_for_authentication(file):
    settings = file.load(changed("server.accounting", ["udp://127.0.0.1:1813", "udp://[::1]:1813"])).settings
    expected = [(LISTEN, "0.0.0.0:1812"), (ACCOUNTING, "127.0.0.1:1813"), (ACCOUNTING, "[::1]:1813")]
    assert expected == [(key, str(endpoint)) for key, endpoint in udp_endpoints(settings)]


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("udp://0.0.0.0:1812", "is listed twice; remove one"),
        ("udp://127.0.0.1:1812", "overlaps with 0.0.0.0:1812, on the same port; remove one of the two"),
        ("udp://127.0.0.1:0", "port 0 requires development: true; write the port"),
        ("127.0.0.1:1813", "not an address and a port from 1 to 65535; write it like udp://127.0.0.1:1813"),
    ],
)
def test_addresses_that_cannot_be_used_are_errors(file, address, message):
    (error,) = file.errors(changed("server.accounting", [address]))
    assert f"server.accounting[0]: {message}" in error
