"""Settings of clients that describe their gateways."""

import pytest

from tests.config.conftest import changed

CLIENT = "clients.office-vpn"


@pytest.mark.parametrize("name", ["Calling-Station-Id", "Tunnel-Client-Endpoint", "Framed-IP-Address"])
def test_the_callers_address_may_be_in_any_attribute_of_text_or_an_address(file, name):
    loaded = file.load(changed(f"{CLIENT}.calling_station_attribute", name))
    assert name == loaded.settings.clients["office-vpn"].calling_station_attribute


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Caling-Station-Id", "no attribute of that name; did you mean Calling-Station-Id?"),
        ("User-Password", "holds no address; name an attribute like Calling-Station-Id"),
        ("NAS-Port", "holds no address; name an attribute like Calling-Station-Id"),
    ],
)
def test_an_attribute_without_an_address_is_an_error(file, name, expected):
    (error,) = file.errors(changed(f"{CLIENT}.calling_station_attribute", name))
    assert error.endswith(f"{CLIENT}.calling_station_attribute: {expected}")
