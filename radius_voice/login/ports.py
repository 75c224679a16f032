"""All ports of the login.

Deadlines are monotonic seconds, stored times are wall-clock seconds. Every method that asks a server or a file raises
`Unavailable` if it cannot be reached, unless its docstring says otherwise; expected results are returned. `close`
releases what an adapter holds, after its last use.
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
    """Verifies credentials. Every method takes as long for a name that no user has as for other names."""

    @property
    def finds_accounts(self) -> bool:
        """Whether `account` finds the ids of users."""
        ...

    async def account(self, verification: Verification, deadline: float) -> Account:
        """The account of a name, as far as the first factor knows it before the verification."""
        ...

    async def verify(self, verification: Verification, deadline: float) -> Authenticated | Denied | ChallengeRequired:
        """Verify the credentials. A verification that has started returns its result even after `deadline`.

        Raises Unavailable if the verification did not start before `deadline` or failed, and its subclass
        PossiblyForwarded if a directory may have counted the password as a wrong one.
        """
        ...

    async def password_id(self, user_id: str, deadline: float) -> str:
        """The current `Authenticated.password_id` of the user; empty if the user no longer has a password.

        It is called only if `verify` returned a `password_id`.
        """
        ...

    async def close(self) -> None: ...


class Directory(Protocol):
    """Has users and their phones."""

    async def find(self, name: str, deadline: float) -> User | None:
        """The user with that name as typed, disabled or not."""
        ...

    async def get(self, user_id: str, deadline: float) -> User | None:
        """The user with that stable id."""
        ...

    async def close(self) -> None: ...


class IdentitySource(FirstFactor, Protocol):
    """A configured source of users, passwords or both. `close` may be called twice.

    The methods below are for the service and for commands, not for logins.
    """

    @property
    def directory(self) -> Directory | None:
        """The directory of the source; None if the source only verifies passwords."""
        ...

    @property
    def location(self) -> str:
        """Where the users are kept, for messages."""
        ...

    @property
    def problem(self) -> SourceProblem | None:
        """Why the source still uses the users that it read before; None without a problem."""
        ...

    @property
    def changes(self) -> int:
        """How many times `refresh` has read changed users."""
        ...

    def refresh(self) -> None:
        """Read the users if they have changed. May block for seconds. Raises ValueError or OSError."""
        ...

    def all_users(self) -> Sequence[User] | None:
        """All users as last read; None if the source does not read its users in advance."""
        ...

    def without_password(self) -> Sequence[User]:
        """The users without a password, as last read."""
        ...

    def costliest_verification(self) -> VerificationCost | None:
        """The most expensive password verification; None if this process does not compute any."""
        ...

    async def check_connection(self, deadline: float) -> Sequence[AccountCheck]:
        """Ask each server before `deadline` whether logins would work. Empty if the source has no server."""
        ...

    def server_states(self) -> Sequence[ServerState]:
        """The servers, with the results of the last logins and probes. Asks no server."""
        ...


@runtime_checkable
class ServerClock(Protocol):
    """A store on a server that has its own clock."""

    async def server_time(self) -> float:
        """The time of the server, in wall-clock seconds."""
        ...


class UserLister(Protocol):
    """Lists the users of an identity source, for commands. Every method may block for seconds."""

    def user_ids(self) -> Iterator[Sequence[str]]:
        """The stable ids of all users in batches, none twice.

        Raises ValueError or OSError with the problem and the fix, possibly after some batches.
        """
        ...

    def close(self) -> None: ...


class UserEditor(UserLister, Protocol):
    """Reads and changes the users of an identity source, for commands. Every method may block for seconds.

    Names are compared in their canonical form. Every method raises ValueError or OSError with the problem and the fix;
    then nothing was changed.
    """

    @property
    def messages(self) -> Catalog:
        """The catalog with the languages that users may have."""
        ...

    @property
    def location(self) -> str:
        """Where the users are kept, for messages."""
        ...

    def require_usable(self) -> None:
        """Raise unless users can be added. A file need not exist: `add` creates it."""
        ...

    def all_users(self) -> Sequence[StoredUser]: ...

    def find(self, name: str) -> StoredUser: ...

    def add(self, users: Sequence[StoredUser]) -> None:
        """Add all of these users, under new ids."""
        ...

    def set_phones(self, name: str, phones: Sequence[Phone]) -> None: ...

    def set_password(self, name: str, password_hash: str) -> None: ...

    def set_language(self, name: str, language: str) -> None: ...

    def set_disabled(self, name: str, disabled: bool) -> None: ...

    def remove(self, name: str) -> None: ...


class Provider(Protocol):
    """Delivers codes to phones."""

    @property
    def call_control(self) -> CallControl | None:
        """None if calls cannot be queried and ended."""
        ...

    @property
    def message_control(self) -> MessageControl | None:
        """None if text messages cannot be queried."""
        ...

    @property
    def verifier(self) -> RemoteVerifier | None:
        """None if the provider cannot check codes."""
        ...

    async def place(self, request: DeliveryRequest, deadline: float) -> DeliveryResult:
        """Request one delivery, once: never retries. Never raises: errors of the provider are results."""
        ...

    async def check_account(self, countries: Collection[str] = ()) -> Sequence[AccountCheck]:
        """Ask the provider whether credentials, number and `countries` (ISO 3166) are valid. Delivers nothing.

        Never raises Unavailable. Empty if there is no account.
        """
        ...

    async def close(self) -> None: ...


class CallControl(Protocol):
    """Queries and ends the calls of a provider."""

    async def progress(self, calls: Sequence[CallRef]) -> Mapping[CallRef, CallStatus]:
        """The statuses of these calls. A call whose status is unknown is left out."""
        ...

    async def hang_up(self, call: CallRef) -> None:
        """End a call, ringing or answered. No error if it has ended already."""
        ...


class RemoteVerifier(Protocol):
    """Checks and ends the verifications of a provider.

    `verification` is the reference of a verification. If it is empty, `phone` identifies the verification.
    """

    @property
    def keeps_code(self) -> bool:
        """Whether only the provider has the codes, so that it must be asked about a typed one."""
        ...

    async def check(self, verification: str, phone: Phone, code: str, deadline: float) -> CodeCheck:
        """Whether `code` is the code of the verification. A correct code ends the verification."""
        ...

    async def cancel(self, verification: str, phone: Phone) -> None:
        """End a verification without a correct code. No error if it has ended already."""
        ...

    async def approve(self, verification: str, phone: Phone) -> None:
        """End a verification whose correct code the server has checked itself. No error if it has ended already."""
        ...


class CallbackReceiver(Protocol):
    """A provider that sends callbacks about its calls, to `DeliveryRequest.callback_url`."""

    def receive(self, request: CallbackRequest) -> Callback | Unusable:
        """Verify the provider's signature, in constant time, and return what the request reports."""
        ...

    def rendered(self, script: CallScript, request: CallbackRequest) -> tuple[str, str]:
        """The content type and body of a response that makes the call continue with `script`."""
        ...


class CallSpeaker(Protocol):
    """A provider that can change what an answered call speaks."""

    async def speak(self, call: CallRef, script: Speak) -> None:
        """Let the call speak `script` from now on. No error if it has ended already."""
        ...


class MessageControl(Protocol):
    """Queries the text messages of a provider."""

    async def message_status(self, reference: str) -> tuple[MessageStatus, str]:
        """The status of a message and, if it was not delivered, the reason if that is known."""
        ...


class Store(Protocol):
    """Sessions, limits, replay records and durable values. Every method is atomic.

    Replay records are kept for `RECORD_SECONDS`. There are at most `MAX_RECORDS` verified and `MAX_RECORDS` other ones;
    beyond that the oldest of the same kind are removed.
    """

    async def load(self, key: SessionKey) -> Session | None: ...

    async def session_of_call(self, call: CallRef) -> Session | None:
        """The session whose current delivery is that call."""
        ...

    async def compare_and_swap(
        self,
        old: Session | None,
        new: Session,
        operations: Iterable[LimitOperation] = (),
        record: ReplayRecord | None = None,
        durable: DurableWrite | None = None,
    ) -> SwapResult | Limited | AlreadyRecorded | DurableExists:
        """Replace `old` with `new`, apply `operations`, and write `record` and `durable`, in one transaction.

        With `old` None there must be no session under the key of `new`. Nothing was written unless the result is DONE.
        """
        ...

    async def apply_limits(
        self, operations: Iterable[LimitOperation], record: ReplayRecord | None = None
    ) -> Limited | AlreadyRecorded | None:
        """Apply `operations` and write `record`, in one transaction. Nothing was written unless the result is None."""
        ...

    async def arrival_times(self, operations: Iterable[LimitOperation]) -> Mapping[LimitOperation, float]:
        """The stored theoretical arrival time of each limit and subject; 0 if none is stored."""
        ...

    async def put(self, key: bytes, value: bytes, ttl: float) -> None:
        """Store a value for `ttl` seconds."""
        ...

    async def get(self, key: bytes) -> bytes | None: ...

    async def get_with_durable(self, key: bytes, durable_key: bytes) -> tuple[bytes | None, bytes | None]:
        """The results of `get` and of `durable`, in one operation."""
        ...

    async def durable(self, key: bytes) -> bytes | None:
        """The durable value under `key`, None if there is none."""
        ...

    async def replace_durable(self, key: bytes, old: bytes | None, new: bytes | None) -> bool:
        """Replace the durable value `old` with `new`; None means no value. False if another value is stored."""
        ...

    async def open_sessions(self) -> int:
        """The number of sessions that wait for a code."""
        ...

    async def sweep(self) -> int:
        """Delete what has expired; returns how many sessions were still waiting for a code."""
        ...

    async def close(self) -> None: ...
