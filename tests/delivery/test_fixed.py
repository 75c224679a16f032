from radius_voice.delivery.fixed import Fixed
from radius_voice.login.model import Placed


async def test_it_takes_every_order_and_calls_nobody(order, soon):
    assert Placed("fixed", live=False) == await Fixed(name="fixed", code="123456").place(order(), soon())


def test_it_does_not_show_its_code():
    assert "123456" not in repr(Fixed(name="fixed", code="123456"))
