import asyncio

import pytest

from radius_voice.config.adapters import RuleContext
from radius_voice.config.context import LoadContext
from radius_voice.delivery.http_request.provider import create
from radius_voice.delivery.http_request.settings import HttpRequestSettings
from radius_voice.login.deliveries.requests import CodeMessage, DeliveryRequest
from radius_voice.login.model import Method
from radius_voice.login.phone import Phone
from tests.support.http_gateway import HttpGateway

KEY = "a-key-that-stays-secret"
CODE = "493817"
JSON_BODY = '{"to": "{phone}", "text": "{text}", "code": "{code}"}'


def settings(directory, **section):
    """The settings that a section of the file becomes; without `body`, a text message in JSON."""
    body = {"content_type": "json", "body": JSON_BODY} if section.get("method") != "GET" else {}
    tree = {"type": "http-request", "methods": ["sms"], "url": "https://sms.example.org/messages", **body, **section}
    return HttpRequestSettings.model_validate(tree, context=LoadContext(directory, {}))


def errors(section, *, development=False):
    """The errors between the keys of a section, by path."""
    return list(section.errors(RuleContext(development, {}, lambda name, *, salted=False: None)))


def delivery(*, phone="+14155550123", extension="", method=Method.SMS, ring_timeout=25, **message):
    """A request for a delivery."""
    words = {"language": "en", "friendly_name": "ACME VPN", "code": CODE} | message
    return DeliveryRequest(Phone(phone, extension), CodeMessage(**words), ring_timeout, method)


@pytest.fixture
def gateway():
    with HttpGateway() as gateway:
        yield gateway


@pytest.fixture
async def provider(gateway, tmp_path):
    """Makes a provider for a section, by default with the URL of `gateway`, and closes it."""
    made = []

    def make(**section):
        times = {"timeout": "5s", "connect_timeout": "0.5s"}
        found = settings(tmp_path, **{"url": f"{gateway.url}/messages", **times, **section})
        assert [] == errors(found)
        made.append(create("gateway", found))
        return made[-1]

    yield make
    for each in made:
        await each.close()


@pytest.fixture
def soon():
    """Deadlines on the running loop's clock."""
    return lambda seconds=5.0: asyncio.get_running_loop().time() + seconds
