"""Ends the remembered logins of users who were disabled or removed, so that a user who is enabled again has none.

A rejected login of a disabled user ends them too. This check covers users who do not log in meanwhile, in sources that
can list their users, such as a users file.
"""

from __future__ import annotations

from collections.abc import Mapping

from radius_voice.config.schema import Settings
from radius_voice.login.codes.keys import Keys
from radius_voice.login.policies.policy import user_key_of
from radius_voice.login.ports import IdentitySource, Store
from radius_voice.login.second_factor import remembered
from radius_voice.wiring.policies import remembers_logins


class InactiveUsers:
    """Compares the users of each source with those of the previous check. Only one process of the service uses it."""

    def __init__(self, keys: Keys, store: Store) -> None:
        self._keys = keys
        self._store = store
        self._active: dict[str, frozenset[str]] = {}
        self._checked: dict[str, tuple[IdentitySource, int]] = {}

    async def check(self, settings: Settings, identity: Mapping[str, IdentitySource]) -> None:
        """End the remembered logins of users who are no longer active. The first check does so for all disabled users.

        Raises Unavailable. The next check then repeats the work.
        """
        for name, source in identity.items():
            if not remembers_logins(settings, name):
                continue
            users, state = source.all_users(), (source, source.changes)
            if users is None or self._checked.get(name) == state:
                continue
            active = frozenset(user.id for user in users if not user.disabled)
            known = self._active.get(name, frozenset(user.id for user in users))
            for user_id in known - active:
                await remembered.forget(self._keys, self._store, user_key_of(name, user_id))
            self._active[name], self._checked[name] = active, state
