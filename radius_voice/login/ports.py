"""All ports of the login.

Deadlines are monotonic seconds; stored times are wall clock. A component that cannot be reached raises `Unavailable`;
every expected result is returned. `close` releases what an adapter holds, after its last use.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Protocol, runtime_checkable

from radius_voice.login.accounts import Account
from radius_voice.login.deliveries.adapter_reports import AccountCheck, ServerState, SourceProblem, VerificationCost
from radius_voice.login.deliveries.call_scripts import CallScript, Speak
from radius_voice.login.deliveries.callbacks import Callback, CallbackRequest, Unusable
from radius_voice.login.deliveries.requests import DeliveryRequest, DeliveryResult, MessageStatus
from radius_voice.login.deliveries.verifications import CodeCheck
from radius_voice.login.durable import DurableExists, DurableWrite
from radius_voice.login.model import (
    AlreadyRecorded,
    Authenticated,
    CallRef,
    CallStatus,
    Denied,
    Limited,
    LimitOperation,
    Session,
    SessionKey,
    StoredUser,
    SwapResult,
    User,
    Verification,
)
from radius_voice.login.phone import Phone
from radius_voice.login.replay import ReplayRecord
from radius_voice.login.upstream import ChallengeRequired
from radius_voice.messages import Catalog


class FirstFactor(Protocol):
    """Verifies credentials. Takes as long for a name that no user has as for a wrong password.

    Raises Unavailable if the verification did not start before `deadline` or failed. Once started it returns
    its result, also after `deadline`. `password_id` is what `Authenticated.password_id` of the user would be now. It is
    asked only of a source that has returned one; it is empty if the user has no password any longer.

    `account` is what can be found of the name before the verification, in the same time for a name that no user has;
    `finds_accounts` says whether it finds ids. An Unavailable is PossiblyForwarded if a directory may have counted the
    password as a wrong one.
    """

    @property
    def finds_accounts(self) -> bool: ...

    async def account(self, verification: Verification, deadline: float) -> Account: ...

    async def verify(
        self, verification: Verification, deadline: float
    ) -> Authenticated | Denied | ChallengeRequired: ...

    async def password_id(self, user_id: str, deadline: float) -> str: ...

    async def close(self) -> None: ...


class Directory(Protocol):
    """Has users and their phones. `find` takes a name as typed, `get` the stable `id` of a user found before."""

    async def find(self, name: str, deadline: float) -> User | None: ...

    async def get(self, user_id: str, deadline: float) -> User | None: ...

    async def close(self) -> None: ...


class IdentitySource(FirstFactor, Protocol):
    """A configured source of users, passwords or both, with what the service and commands need besides logins.

    `directory` has its users, None if the source only verifies passwords. `location` is where its users are kept, for
    messages. `problem` is why the users read before stay in effect, None if there is no problem. `refresh` reads what
    has changed; it may block for seconds, and raises ValueError or OSError. `changes` counts how often changed users
    have come into effect by it. `all_users` are all users as last read, None if the source cannot list them;
    `without_password` are those of them that have none. `check_connection` asks each server of the source before
    `deadline` whether logins would work; it returns nothing if the source has none. `server_states` are those servers
    as logins and probes found them last; it asks none. `close` may be called twice.
    """

    @property
    def directory(self) -> Directory | None: ...

    @property
    def location(self) -> str: ...

    @property
    def problem(self) -> SourceProblem | None: ...

    @property
    def changes(self) -> int: ...

    def refresh(self) -> None: ...

    def all_users(self) -> Sequence[User] | None: ...

    def without_password(self) -> Sequence[User]: ...

    def costliest_verification(self) -> VerificationCost | None:
        """The most expensive password verification, None if this process does not compute any."""
        ...

    async def check_connection(self, deadline: float) -> Sequence[AccountCheck]: ...

    def server_states(self) -> Sequence[ServerState]: ...


@runtime_checkable
class ServerClock(Protocol):
    """A store on a server with a clock of its own; `server_time` is that, in wall-clock seconds. Raises Unavailable."""

    async def server_time(self) -> float: ...


class UserLister(Protocol):
    """Lists the users of an identity source, for commands. Every method may block for seconds.

    `user_ids` gives the stable ids of all users, some at a time and none twice. It raises ValueError or OSError with
    the problem and the fix, also after the first ids.
    """

    def user_ids(self) -> Iterator[Sequence[str]]: ...

    def close(self) -> None: ...


class UserEditor(UserLister, Protocol):
    """Reads and changes the users of an identity source, for commands. Every method may block for seconds.

    A name is found in any spelling. All methods raise ValueError or OSError with the problem and the fix, and then have
    changed nothing. `location` is where the users are kept. `require_usable` raises unless users can be added; a file
    that does not exist is allowed, and `add` creates it. `add` gives the users their ids. `messages` has the languages
    that users may have.
    """

    @property
    def messages(self) -> Catalog: ...

    @property
    def location(self) -> str: ...

    def require_usable(self) -> None: ...

    def all_users(self) -> Sequence[StoredUser]: ...

    def find(self, name: str) -> StoredUser: ...

    def add(self, users: Sequence[StoredUser]) -> None: ...

    def set_phones(self, name: str, phones: Sequence[Phone]) -> None: ...

    def set_password(self, name: str, password_hash: str) -> None: ...

    def set_language(self, name: str, language: str) -> None: ...

    def set_disabled(self, name: str, disabled: bool) -> None: ...

    def remove(self, name: str) -> None: ...


class Provider(Protocol):
    """Delivers a code to a phone. Never retries, and returns every answer of the provider, errors included.

    `call_control` is None if calls cannot be queried and ended, `message_control` if text messages cannot be queried,
    and `verifier` if the provider cannot check codes. `check_account` asks the provider whether credentials and number
    are valid, without placing a call; it returns nothing if there is no account.
    """

    @property
    def call_control(self) -> CallControl | None: ...

    @property
    def message_control(self) -> MessageControl | None: ...

    @property
    def verifier(self) -> RemoteVerifier | None: ...

    async def place(self, request: DeliveryRequest, deadline: float) -> DeliveryResult: ...

    async def check_account(self, countries: Collection[str] = ()) -> Sequence[AccountCheck]: ...

    async def close(self) -> None: ...


class CallControl(Protocol):
    """Queries and ends the calls of a provider. `progress` asks for all of them at once."""

    async def progress(self, calls: Sequence[CallRef]) -> Mapping[CallRef, CallStatus]: ...

    async def hang_up(self, call: CallRef) -> None: ...


class RemoteVerifier(Protocol):
    """Checks and ends the verifications of a provider, each by its reference, or by the phone if that is empty.

    `keeps_code` is True if only the provider has the codes, so that it must be asked. `approve` says that the right
    code was typed, which `check` finds itself. Ending one that has ended is no error. All raise Unavailable.
    """

    @property
    def keeps_code(self) -> bool: ...

    async def check(self, verification: str, phone: Phone, code: str, deadline: float) -> CodeCheck: ...

    async def cancel(self, verification: str, phone: Phone) -> None: ...

    async def approve(self, verification: str, phone: Phone) -> None: ...


class CallbackReceiver(Protocol):
    """A provider that reports about its calls by requests to the callback listener.

    `receive` verifies the request by the provider's own scheme, in constant time, and returns what it reports. A
    provider requests callbacks for a call by `DeliveryRequest.callback_url`. `rendered` is the content type and the
    body of the response by which the call goes on as `script` says.
    """

    def receive(self, request: CallbackRequest) -> Callback | Unusable: ...

    def rendered(self, script: CallScript, request: CallbackRequest) -> tuple[str, str]: ...


class CallSpeaker(Protocol):
    """A provider whose answered calls can be given another script. `speak` raises Unavailable."""

    async def speak(self, call: CallRef, script: Speak) -> None: ...


class MessageControl(Protocol):
    """Queries the text messages of a provider. `detail` of a message that was not delivered says why, if known."""

    async def message_status(self, reference: str) -> tuple[MessageStatus, str]: ...


class Store(Protocol):
    """Sessions, limits and durable values. Each method is atomic: all of it happened, or none.

    `compare_and_swap` puts `new` in place of `old` (None: there was no session), applies `operations` and writes
    `record` and `durable`, in one transaction. STALE: another process was faster, load again. BUSY: the same user has a
    live call in another session. Limited: a limit forbids it. AlreadyRecorded: the request has a record already.
    DurableExists: the key of `durable` has a value already. In all of these cases nothing was written. Records are kept
    for `RECORD_SECONDS`, and at most `MAX_RECORDS` of either kind: then the oldest of that kind are removed. Durable
    values have no time limit.
    """

    async def load(self, key: SessionKey) -> Session | None: ...

    async def session_of_call(self, call: CallRef) -> Session | None:
        """The session whose present delivery is that call."""
        ...

    async def compare_and_swap(
        self,
        old: Session | None,
        new: Session,
        operations: Iterable[LimitOperation] = (),
        record: ReplayRecord | None = None,
        durable: DurableWrite | None = None,
    ) -> SwapResult | Limited | AlreadyRecorded | DurableExists: ...

    async def apply_limits(
        self, operations: Iterable[LimitOperation], record: ReplayRecord | None = None
    ) -> Limited | AlreadyRecorded | None: ...

    async def arrival_times(self, operations: Iterable[LimitOperation]) -> Mapping[LimitOperation, float]:
        """The stored theoretical arrival time of each limit and subject, 0 if there is none."""
        ...

    async def put(self, key: bytes, value: bytes, ttl: float) -> None: ...

    async def get(self, key: bytes) -> bytes | None: ...

    async def get_with_durable(self, key: bytes, durable_key: bytes) -> tuple[bytes | None, bytes | None]:
        """The results of `get` and of `durable`, in one operation."""
        ...

    async def durable(self, key: bytes) -> bytes | None:
        """The durable value under `key`, None if there is none."""
        ...

    async def replace_durable(self, key: bytes, old: bytes | None, new: bytes | None) -> bool:
        """Put the durable value `new` in place of `old`; None is no value. False if another value is stored."""
        ...

    async def open_sessions(self) -> int: ...

    async def sweep(self) -> int:
        """Delete what has expired; returns how many sessions were still waiting for a code."""
        ...

    async def close(self) -> None: ...
