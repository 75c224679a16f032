"""A provider that only tests have: it keeps what it is asked to send."""

from radius_voice.login.deliveries.adapter_reports import AccountCheck
from radius_voice.login.deliveries.requests import Placed


def create(name, settings):
    return Pager(settings.channel)


class Pager:
    call_control = None
    message_control = None
    verifier = None

    def __init__(self, channel):
        self.channel = channel
        self.sent = []
        self.closed = False

    async def place(self, request, deadline):
        self.sent.append((request.phone.address, request.message.code))
        return Placed(f"page-{len(self.sent)}")

    async def check_account(self, countries=()):
        return [AccountCheck(ok=True, text=f"channel {self.channel} is open")]

    async def close(self):
        self.closed = True
