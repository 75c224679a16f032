"""An identity source in an LDAP directory: OpenLDAP or Active Directory.

A password is verified by a bind, with the DN that a search finds or the name that `bind_template` gives. The work of
one request runs in one thread at one server (see `servers`).
"""

from __future__ import annotations

from collections import OrderedDict
from functools import partial

from ldap3.core.exceptions import LDAPExceptionError
from ldap3.operation.search import parse_filter

from radius_voice.events import Reason
from radius_voice.identity.context import IdentityContext
from radius_voice.identity.ldap.client import Entry, RequestRefused, ServerFailed
from radius_voice.identity.ldap.directory import DEFAULTS, Reader
from radius_voice.identity.ldap.lockout import EVERY_ENTRY, LockoutRules
from radius_voice.identity.ldap.names import is_dn, rdn_value, typed_name, with_user
from radius_voice.identity.ldap.pool import Lease, pools_of
from radius_voice.identity.ldap.results import Denial, denial
from radius_voice.identity.ldap.servers import Servers
from radius_voice.identity.ldap.settings import LdapSettings
from radius_voice.identity.passwords import Turn
from radius_voice.login.accounts import UNKNOWN_ACCOUNT, Account, LockoutRule
from radius_voice.login.deliveries.adapter_reports import AccountCheck, ServerState, SourceProblem
from radius_voice.login.model import Authenticated, Denied, User, Verification

MAX_REMEMBERED_WARNINGS = 1000
IN_A_LOGIN = Turn(returning=True)
"""The turn of a request of a user who has entered a code and waits for the response."""
NO_SUCH_USER = "cn=no-such-user"
"""The RDN of the bind for an unknown name, so that the response takes as long as for a wrong password."""


def create(name: str, settings: LdapSettings, context: IdentityContext) -> LdapSource:
    """The source that `settings` describe. Connects to no server. Raises ValueError or OSError."""
    user_filter = settings.user_filter or DEFAULTS[settings.server_type].user_filter
    try:
        parse_filter(with_user(user_filter, "name"), None, False, False, None, False)
    except LDAPExceptionError:
        raise ValueError(
            f"identity.{name}.user_filter: not a filter (RFC 4515); write it like (uid={{user}})"
        ) from None
    return LdapSource(name, settings, context)


class FoundAccount(Account, frozen=True):
    """An account with its entry in the directory; None if no user has the name."""

    entry: Entry | None = None


class LdapSource:
    """Implements `IdentitySource` with the servers of one directory."""

    def __init__(self, name: str, settings: LdapSettings, context: IdentityContext) -> None:
        warn = context.warn
        self._name = name
        self._settings = settings
        self._warn = warn
        self._warned: OrderedDict[str, None] = OrderedDict()
        self._reader = Reader(settings, self._warn_once, context.messages)
        self._lockouts = LockoutRules(settings, self._warn_once)
        pools = pools_of(settings)
        self._addresses = [pool.address for pool in pools]
        self._servers = Servers(name, pools, settings.connections, settings.timeout, self._probe, warn)

    @property
    def finds_accounts(self) -> bool:
        """Whether entries are searched before a bind. False if only the user can read the user's entry."""
        return self._settings.bind_template is None or self._settings.bind_dn is not None

    async def account(self, verification: Verification, deadline: float) -> Account:
        """Search for the account of a name. `verify` does not repeat the search."""
        name = typed_name(verification.user_name)
        if not self.finds_accounts:
            return Account(lockout=self._lockouts.configured)
        if not name:
            return UNKNOWN_ACCOUNT
        turn = Turn(verification.queue, verification.returning)
        return await self._servers.run(lambda lease: self._found(lease, name), deadline, turn)

    async def verify(self, verification: Verification, deadline: float) -> Authenticated | Denied:
        """Verify a password by a bind. An empty password is rejected without a bind, which would be anonymous."""
        name, password = typed_name(verification.user_name), verification.credentials.text
        if not name:
            return Denied(Reason.UNKNOWN_USER)
        if not password or "\0" in password:  # some servers read a password up to the first NUL
            return Denied(Reason.WRONG_PASSWORD)
        turn = Turn(verification.queue, verification.returning)
        account = verification.account
        work = partial(self._verified, name=name, password=password, account=account)
        return await self._servers.run(work, deadline, turn)

    async def password_id(self, user_id: str, deadline: float) -> str:
        """The time of the last change of the password, in the directory's format; empty for an unknown user."""
        return await self._servers.run(
            lambda lease: self._password_id(self._reader.entry_with_id(lease, user_id)), deadline, IN_A_LOGIN
        )

    async def find(self, name: str, deadline: float) -> User | None:
        """The user of that name, disabled or not."""
        typed = typed_name(name)
        if not typed:
            return None
        return await self._servers.run(
            lambda lease: self._user(lease, self._reader.entry_of(lease, typed)), deadline, Turn()
        )

    async def get(self, user_id: str, deadline: float) -> User | None:
        """The user with that stable id."""
        return await self._servers.run(
            lambda lease: self._user(lease, self._reader.entry_with_id(lease, user_id)), deadline, IN_A_LOGIN
        )

    async def check_connection(self, deadline: float) -> list[AccountCheck]:
        """Bind the service account, search the base and read the lockout, at each server."""
        checks = []
        for address, result in await self._servers.ask_each(self._lockout, deadline):
            if isinstance(result, ServerFailed | RequestRefused):
                checks.append(AccountCheck(ok=False, text=f"{address}: {result}"))
            else:
                account = f"as {self._settings.bind_dn}" if self._settings.bind_dn else "anonymously"
                text = f"{address}: searched {account}; {self._lockouts.describe(result)}"
                checks.append(AccountCheck(ok=True, text=text))
        return checks

    def server_states(self) -> list[ServerState]:
        """The servers, with the reasons why some are skipped now."""
        return self._servers.states()

    @property
    def directory(self) -> LdapSource:
        """The source: its users are in the directory too."""
        return self

    @property
    def location(self) -> str:
        """The servers, for messages."""
        return ", ".join(map(str, self._addresses))

    @property
    def problem(self) -> SourceProblem | None:
        """None: users are not read in advance."""
        return None

    @property
    def changes(self) -> int:
        """0: each login reads the users, so that `refresh` brings no change into effect."""
        return 0

    def refresh(self) -> None:
        """Nothing: every login asks the directory."""

    def all_users(self) -> None:
        """None: a directory may have more users than it lists."""
        return

    def without_password(self) -> tuple[User, ...]:
        """None are known: only the directory knows passwords."""
        return ()

    def costliest_verification(self) -> None:
        """None: the directory verifies passwords."""
        return

    async def close(self) -> None:
        """Close every connection."""
        await self._servers.close()

    # In the thread of a request

    def _found(self, lease: Lease, name: str) -> FoundAccount:
        entry = self._reader.entry_of(lease, name)
        user_id = self._reader.id_of(entry) if entry is not None else ""
        return FoundAccount(user_id, self._lockouts.of(lease, entry), entry)

    def _lockout(self, lease: Lease) -> LockoutRule | None:
        self._probe(lease)
        return self._lockouts.of(lease, None)

    def _verified(self, lease: Lease, name: str, password: str, account: Account) -> Authenticated | Denied:
        if not self.finds_accounts:
            return self._verified_without_account(lease, name, password)
        entry = account.entry if isinstance(account, FoundAccount) else self._reader.entry_of(lease, name)
        result = lease.bind(self._bind_name(name, entry), password)
        if entry is None:
            return Denied(Reason.UNKNOWN_USER)
        denied = denial(result)
        if denied is not None:
            return self._denied(denied, self._reader.name_of(entry))
        return self._authenticated(lease, entry)

    def _verified_without_account(self, lease: Lease, name: str, password: str) -> Authenticated | Denied:
        """Without a service account, only the user can read the entry, after the bind."""
        denied = denial(lease.bind(self._bind_name(name, None), password))
        if denied is not None:
            return self._denied(denied, "")
        lease.as_bound_user()
        entry = self._reader.entry_of(lease, name)
        if entry is None:
            raise RequestRefused("a user's bind succeeds, but user_filter finds no entry of that user below base")
        return self._authenticated(lease, entry)

    def _authenticated(self, lease: Lease, entry: Entry) -> Authenticated | Denied:
        user = self._reader.user_of(lease, entry)
        if user.disabled:
            return Denied(Reason.DISABLED, user.name, password_correct=True)
        return Authenticated(user.id, user, self._password_id(entry))

    def _denied(self, denied: Denial, name: str) -> Denied:
        expired = denied.reason in {Reason.PASSWORD_EXPIRED, Reason.PASSWORD_MUST_CHANGE}
        text = self._settings.expired_password_text if expired else None
        return Denied(denied.reason, name, denied.password_correct, text or "")

    def _bind_name(self, name: str, entry: Entry | None) -> str:
        template = self._settings.bind_template
        if template is not None:
            return with_user(template, rdn_value(name) if is_dn(template) else name)
        return entry.dn if entry is not None else f"{NO_SUCH_USER},{self._settings.base}"

    def _password_id(self, entry: Entry | None) -> str:
        # Without a service account it could not be read again after the login has begun.
        return "" if entry is None or self._settings.bind_dn is None else self._reader.password_changed_at(entry)

    def _user(self, lease: Lease, entry: Entry | None) -> User | None:
        return None if entry is None else self._reader.user_of(lease, entry)

    def _probe(self, lease: Lease) -> None:
        if not lease.search(self._settings.base, "BASE", EVERY_ENTRY, (), limit=1):
            raise RequestRefused(f"base {self._settings.base} does not exist, or {self._account} may not read it")

    @property
    def _account(self) -> str:
        return self._settings.bind_dn or "an anonymous client"

    def _warn_once(self, text: str) -> None:
        """Warn of a user's entry, not at every login."""
        shown = "".join(letter if letter.isprintable() else "?" for letter in text)
        if shown not in self._warned:
            self._warned[shown] = None
            if len(self._warned) > MAX_REMEMBERED_WARNINGS:
                self._warned.popitem(last=False)
            self._warn(f"identity.{self._name}: {shown}")
