"""What 50,000 users cost in a database or a directory, beside a users file: CPU and time of a source per login.

The verification of the hash is left out: it costs the same for every source, see bench/passwords.py; slapd compares the
password itself. Each login asks for a known user, and gets phones and groups too, as the first request of a login does.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import harness
import page
import servers
from harness import BenchError, Spread, settled_cpu

from radius_voice.config.context import LoadContext
from radius_voice.identity.context import IdentityContext
from radius_voice.identity.ldap import source as ldap_source
from radius_voice.identity.ldap.settings import LdapSettings
from radius_voice.identity.passwords import Hasher, hash_password
from radius_voice.identity.sql import source as sql_source
from radius_voice.identity.sql.editor import create_editor
from radius_voice.identity.sql.settings import SqlSettings
from radius_voice.identity.users_file.settings import UsersFileSettings
from radius_voice.identity.users_file.source import create as users_file
from radius_voice.login.model import Authenticated, PapPassword, StoredUser, User, Verification
from radius_voice.login.phone import Phone
from radius_voice.login.ports import IdentitySource
from radius_voice.messages import SHIPPED

AT_ONCE = 16
DEADLINE = 30.0
IN_GROUP = 500
"""Members of a group."""


@dataclass(frozen=True, slots=True)
class Place:
    """A source to be opened, and the process id of its server, None if there is none."""

    open: Callable[[IdentityContext], IdentitySource]
    server: int | None


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one login: CPU of the program and of its server, time one by one, and logins a second, AT_ONCE at once."""

    cpu: float
    server_cpu: float
    seconds: float
    rate: float


def entry(number: int, hashed: str) -> StoredUser:
    phone = Phone(harness.phone(number))
    return StoredUser(User("", harness.user_name(number), (phone,), groups=frozenset({"staff", "vpn"})), hashed)


@contextmanager
def in_file(users: list[StoredUser], folder: Path) -> Iterator[Place]:
    path = folder / "users.yaml"
    entries = {
        each.user.name: {
            "password": each.password,
            "phones": [phone.address for phone in each.user.phones],
            "groups": sorted(each.user.groups),
        }
        for each in users
    }
    path.touch(mode=0o600)
    # Every hash is the same here, which a users file refuses: the salt of each is made different.
    for number, each in enumerate(entries.values()):
        each["password"] = f"{str(each['password'])[:31]}{number:08d}{str(each['password'])[39:]}"
    path.write_text(json.dumps(entries), encoding="utf-8")
    settings = UsersFileSettings.model_construct(type="users_file", path=path)
    yield Place(lambda context: users_file("people", settings, context), None)


@contextmanager
def in_sqlite(users: list[StoredUser], folder: Path) -> Iterator[Place]:
    with in_database(users, {"url": "sqlite:///users.db"}, folder) as place:
        yield Place(place, None)


@contextmanager
def in_postgresql(users: list[StoredUser], folder: Path) -> Iterator[Place]:
    with servers.postgresql() as (pid, port):
        url = f"postgresql://admin@127.0.0.1:{port}/postgres"
        with in_database(users, {"url": url}, folder) as place:
            yield Place(place, pid)


@contextmanager
def in_slapd(users: list[StoredUser], folder: Path) -> Iterator[Place]:
    with servers.slapd("\n".join(ldif(users)), folder) as (pid, port):
        section = {
            "type": "ldap",
            "servers": [f"ldap://127.0.0.1:{port}"],
            "base": servers.BASE,
            "bind_dn": servers.READER,
            "bind_password": servers.READER_PASSWORD,
        }
        settings = LdapSettings.model_validate(section, context=LoadContext(folder, os.environ))
        yield Place(lambda context: ldap_source.create("people", settings, context), pid)


def ldif(users: list[StoredUser]) -> Iterator[str]:
    """The entries of a directory: the service account, the users, and two groups for every IN_GROUP of them."""
    base = servers.BASE
    yield f"dn: {base}\nobjectClass: dcObject\nobjectClass: organization\no: Example\n"
    yield (
        f"dn: {servers.READER}\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\n"
        f"userPassword: {servers.READER_PASSWORD}\n"
    )
    names = [each.user.name for each in users]
    for name, each in zip(names, users, strict=True):
        yield (
            f"dn: uid={name},{base}\nobjectClass: inetOrgPerson\ncn: {name}\nsn: {name}\n"
            f"mobile: {each.user.phones[0].address}\nuserPassword: password\n"
        )
    for begin in range(0, len(names), IN_GROUP):
        members = "\n".join(f"member: uid={name},{base}" for name in names[begin : begin + IN_GROUP])
        for kind in ("staff", "vpn"):
            yield f"dn: cn={kind}{begin},{base}\nobjectClass: groupOfNames\n{members}\n"


@contextmanager
def in_database(
    users: list[StoredUser], section: dict[str, str], folder: Path
) -> Iterator[Callable[[IdentityContext], IdentitySource]]:
    settings = SqlSettings.model_validate({"type": "sql", **section}, context=LoadContext(folder, os.environ))
    editor = create_editor("people", settings, SHIPPED)
    try:
        editor.add(users)
    finally:
        editor.close()
    yield lambda context: sql_source.create("people", settings, context)


PLACES = {"users file": in_file, "SQLite": in_sqlite, "PostgreSQL": in_postgresql, "slapd": in_slapd}


def cpu_of(place: Place) -> float:
    return settled_cpu(place.server) if place.server is not None else 0.0


async def measured(place: Place, names: list[str]) -> Cost:
    """What a login costs: the names one by one, and again AT_ONCE at once."""
    hasher = Hasher(check=lambda _hashed, _text: True)
    source = place.open(IdentityContext(hasher))

    async def login(name: str) -> None:
        result = await source.verify(Verification(name, PapPassword("password")), time.monotonic() + DEADLINE)
        if not isinstance(result, Authenticated) or result.user is None or not result.user.phones:
            raise BenchError(f"{name} is not authenticated: {result}")

    for name in names[:100]:
        await login(name)
    try:
        server, cpu, began = cpu_of(place), time.process_time(), time.perf_counter()
        for name in names:
            await login(name)
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
        server = cpu_of(place) - server
        rate = len(names) / await timed(lambda: several(login, names))
    finally:
        await source.close()
        hasher.close()
    return Cost(cpu / len(names), server / len(names), seconds / len(names), rate)


async def several(login: Callable[[str], Awaitable[None]], names: list[str]) -> None:
    waiting = iter(names)

    async def one_after_another() -> None:
        for name in waiting:
            await login(name)

    await asyncio.gather(*(one_after_another() for _ in range(AT_ONCE)))


async def timed(work: Callable[[], Awaitable[None]]) -> float:
    began = time.perf_counter()
    await work()
    return time.perf_counter() - began


def main() -> None:
    parser = page.parser(__doc__)
    parser.add_argument("--users", type=int, default=50_000)
    parser.add_argument("--logins", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    hashed = hash_password("password")
    users = [entry(number, hashed) for number in range(args.users)]
    rows: list[list[object]] = [
        ["users in", "CPU, us", "CPU of the server, us", "one login, us", f"logins a second, {AT_ONCE} at once"]
    ]
    for name, kept in (
        ("users file", in_file),
        ("SQLite", in_sqlite),
        ("PostgreSQL", in_postgresql),
        ("slapd", in_slapd),
    ):
        with tempfile.TemporaryDirectory() as folder, kept(users, Path(folder)) as place:
            found = []
            for number in range(args.rounds):
                names = random.Random(number).choices([each.user.name for each in users], k=args.logins)
                found.append(asyncio.run(measured(place, names)))
            server = Spread.of([each.server_cpu * 1e6 for each in found])
            rows.append(
                [
                    name,
                    Spread.of([each.cpu * 1e6 for each in found]),
                    server if place.server is not None else "none",
                    Spread.of([each.seconds * 1e6 for each in found]),
                    Spread.of([each.rate for each in found]),
                ]
            )
    method = (
        f"`python bench/identity_sources.py`: {args.users:,} users, medians (least and most) of {args.rounds} rounds "
        f"of {args.logins:,} logins, without the verification of the hash."
    )
    page.show("identity_sources", method, rows, page=args.page)


if __name__ == "__main__":
    main()
