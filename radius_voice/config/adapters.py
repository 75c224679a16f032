"""Base classes of the sections that configure adapters.

An adapter's section has the adapter's own rules: `errors` and `warnings` yield paths from the section. The rest of the
program uses only these base classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Protocol

from pydantic import Field

from radius_voice.config.field_types import duration
from radius_voice.config.section import Diagnostic, Section
from radius_voice.config.servers import ConfiguredServer
from radius_voice.login.model import Method

MAX_LOCKOUT_ATTEMPTS = 999
"""What the policy of an Active Directory domain allows."""


class AttributeProblem(Protocol):
    """See RuleContext."""

    def __call__(self, name: str, *, salted: bool = False) -> str | None: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class RuleContext:
    """The parts of the rest of the file that an adapter's rules may use.

    `code_digits` has the number of digits of a code by policy, whose name is as messages show it. `attribute_problem`
    returns why an attribute cannot be copied from one packet to another, None if it can; `salted` allows attributes
    with salt encryption. `callbacks` is whether the file has the section `callbacks`.
    """

    development: bool
    code_digits: Mapping[str, int]
    attribute_problem: AttributeProblem
    callbacks: bool = False


@dataclass(frozen=True, slots=True)
class SectionTypes:
    """The sections of all adapters, by port."""

    identity: tuple[type[IdentitySection], ...]
    providers: tuple[type[ProviderSection], ...]
    stores: tuple[type[StoreSection], ...]


class AdapterSection(Section):
    """A section that configures an adapter of the given `type`."""

    TIMERS: ClassVar[tuple[str, ...]] = ()
    """The keys that limit how long one request of the adapter takes."""
    EXTRA: ClassVar[str] = ""
    """The extra of the distribution that has the packages which only this adapter needs."""

    type: str
    """The type of the adapter."""

    @property
    def timers(self) -> Mapping[str, float]:
        """The seconds of the keys in `TIMERS`."""
        return {key: getattr(self, key) for key in self.TIMERS}

    def files(self) -> Mapping[str, Path]:
        """The files that must be readable, and that only the service's user may change, by their keys in the file."""
        return {}

    def certificate_files(self) -> Mapping[str, Path]:
        """The files of certificates to trust, by the keys that name them."""
        return {}

    def servers_to_check(self) -> Iterator[ConfiguredServer]:
        """The servers whose certificate or clock can be checked."""
        yield from ()

    def errors(self, context: RuleContext) -> Iterator[Diagnostic]:  # noqa: ARG002
        """Errors of the section."""
        yield from ()

    def warnings(self) -> Iterator[Diagnostic]:
        """Warnings about a section without errors."""
        yield from ()


class LockoutSettings(Section):
    """When the directory behind a source locks an account."""

    attempts: int = Field(ge=2, le=MAX_LOCKOUT_ATTEMPTS)
    """After how many wrong passwords."""
    window: Annotated[float, duration(60, 69 * 86400)]
    """How long after a wrong password the directory still counts it."""


class IdentitySection(AdapterSection):
    """A source of users, of passwords, or of both."""

    IS_DIRECTORY: ClassVar[bool] = True
    """Whether the source has users and phones. One that has none only verifies passwords."""
    UPSTREAM: ClassVar[bool] = False
    """Whether the source asks RADIUS servers, which have metrics."""
    USERS_KEY: ClassVar[tuple[str, ...]] = ()
    """The path of the key that warnings about the source's users name."""
    ADD_USERS: ClassVar[str] = "add users there"
    """The fix for a source without users: how they are added."""

    @property
    def failover_key(self) -> str:
        """The timer after which the next server is asked; empty if there is only one server."""
        return ""


class ProviderSection(AdapterSection):
    """A provider that delivers codes."""

    METHODS: ClassVar[tuple[Method, ...]] = (Method.VOICE,)
    """How providers of this type can deliver codes."""

    LOOPBACK_CLIENTS_ONLY: ClassVar[bool] = False
    """Whether every client must be on loopback."""
    TEST_NUMBERS: ClassVar[tuple[str, ...]] = ()
    """Prefixes of the provider's test numbers, which are called only under `development: true`."""
    VOICEMAIL: ClassVar[frozenset[str]] = frozenset()
    """The values of `voicemail`, besides off, that its calls can have."""
    MAKES_CALLBACKS: ClassVar[bool] = False
    """Whether the provider reports about its calls by requests to `callbacks.public_url`."""
    ANNOUNCEMENT: ClassVar[str] = ""
    """A warning about the provider that is logged at every start, if any."""

    @property
    def methods(self) -> tuple[Method, ...]:
        """How this provider delivers codes."""
        return self.METHODS

    @property
    def asks_for_key(self) -> bool:
        """Whether the provider's own calls speak a code only after a pressed key, which needs no callbacks."""
        return False

    @property
    def max_calls_per_second(self) -> float | None:
        """How many calls the provider may be asked for in a second, None if that is not limited."""
        return None

    @property
    def fixed_code(self) -> str | None:
        """The code of every login, for a provider that has only one."""
        return None


class StoreSection(AdapterSection):
    """A store."""

    SHARED_BY_WORKERS: ClassVar[bool] = True
    """Whether several processes of one service can use it. Otherwise its data is lost when the process ends."""
    SHARED_BY_NODES: ClassVar[bool] = False
    """Whether several nodes can use it. All of them then need the same `server.key`."""

    def data_path(self, state: Path) -> Path | None:  # noqa: ARG002
        """The file of a store that is kept in one; `state` is the state directory."""
        return None

    def data_files(self, state: Path) -> list[Path]:  # noqa: ARG002
        """The files of the store that exist."""
        return []
