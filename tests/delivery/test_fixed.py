from radius_voice.delivery.fixed.provider import create
from radius_voice.delivery.fixed.settings import FixedSettings
from radius_voice.login.deliveries.requests import Placed

SETTINGS = FixedSettings(type="fixed", code="123456")


async def test_every_delivery_request_is_accepted_without_a_call(order, soon):
    provider = create("fixed", SETTINGS)
    assert Placed("fixed", live=False) == await provider.place(order(), soon())
    assert provider.call_control is None
    assert [] == await provider.check_account()
    await provider.close()


def test_its_repr_has_no_code():
    assert "123456" not in repr(create("fixed", SETTINGS)) + repr(SETTINGS)
