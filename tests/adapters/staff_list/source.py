"""An identity source that only tests have. It cannot list its users."""

from radius_voice.events import Reason
from radius_voice.login.accounts import UNKNOWN_ACCOUNT
from radius_voice.login.model import Authenticated, Denied, User


def create(name, settings, context):
    return StaffList(settings)


class StaffList:
    location = "the staff list"
    problem = None
    changes = 0
    finds_accounts = False

    def __init__(self, settings):
        self._settings = settings
        self.closed = False

    async def account(self, verification, deadline):
        return UNKNOWN_ACCOUNT

    async def verify(self, verification, deadline):
        user = await self.find(verification.user_name, deadline)
        if user is None:
            return Denied(Reason.UNKNOWN_USER)
        if verification.credentials.text != self._settings.password:
            return Denied(Reason.WRONG_PASSWORD, user.name)
        return Authenticated(user.id, user)

    async def password_id(self, user_id, deadline):
        raise AssertionError("this source returns none")

    async def find(self, name, deadline):
        return User(name, name, (self._settings.phone,)) if name in self._settings.names else None

    async def get(self, user_id, deadline):
        return await self.find(user_id, deadline)

    @property
    def directory(self):
        return self

    def refresh(self):
        pass

    def all_users(self):
        return None

    def without_password(self):
        return ()

    def costliest_verification(self):
        return None

    async def check_connection(self, deadline):
        return ()

    def server_states(self):
        return ()

    async def close(self):
        self.closed = True
